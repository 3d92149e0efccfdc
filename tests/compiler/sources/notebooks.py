"""Notebooks as components."""
import os
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files", "notebooks")
COUNTS = os.path.join(FOLDER, "counts.ipynb")


@dsl.notebook_component(notebook_path=COUNTS)
def counts(greeting: str, times: int = 2, out: Output[Dataset] = None) -> int:
    """Counts lines.

    Args:
        greeting: Whom to greet.
    """
    import json

    dsl.run_notebook(greeting=greeting, times=times, target=out.path)
    with open(out.path) as file:
        return json.load(file)["lines"]


@dsl.notebook_component(notebook_path=os.path.join(FOLDER, "folder"), base_image="python:3.12")
def whole_folder(n: int, data: Input[Dataset], model: Output[Model]) -> NamedTuple("Outputs", [("a", int), ("b", str)]):
    dsl.run_notebook(n=n, target=model.path)
    return (1, "b")


@dsl.notebook_component(
    notebook_path=COUNTS,
    packages_to_install=["nbclient==0.10.2", "pandas"],
    pip_index_urls=["https://a/simple", "https://b/simple"],
    pip_trusted_hosts=["a"],
    use_venv=True,
    kfp_package_path="https://files/kfp.tar.gz",
    task_config_passthroughs=[dsl.TaskConfigField.ENV, dsl.TaskConfigPassthrough(dsl.TaskConfigField.RESOURCES, apply_to_task=True)],
)
def all_options(config: dsl.TaskConfig):
    dsl.run_notebook()


@dsl.notebook_component(notebook_path=COUNTS, packages_to_install=[], install_kfp_package=False)
def installs_nothing():
    dsl.run_notebook()


@dsl.notebook_component(notebook_path=COUNTS, packages_to_install=["kfp==2.4.0"])
def own_kfp():
    dsl.run_notebook()


@dsl.pipeline
def with_notebooks(greeting: str = "you") -> int:
    task = counts(greeting=greeting)
    whole_folder(n=task.outputs["Output"], data=task.outputs["out"]).set_cpu_limit("1")
    all_options().set_env_variable("A", "b")
    return task.outputs["Output"]


def make(path):
    @dsl.notebook_component(notebook_path=path)
    def component():
        dsl.run_notebook()

    return component


def refuse_missing_notebook():
    return make(os.path.join(FOLDER, "not-there.ipynb"))


def refuse_what_is_no_notebook():
    return make(os.path.abspath(__file__))


def refuse_several_notebooks():
    return make(os.path.join(FOLDER, "several"))


def refuse_folder_without_notebook():
    return make(os.path.join(FOLDER, "none"))


def refuse_notebook_without_path():
    @dsl.notebook_component
    def component():
        dsl.run_notebook()


def refuse_to_run_a_notebook_here():
    dsl.run_notebook(a=1)


def refuse_notebook_with_passed_environment():
    @dsl.notebook_component(notebook_path=COUNTS, task_config_passthroughs=[dsl.TaskConfigField.RESOURCES])
    def component(config: dsl.TaskConfig):
        dsl.run_notebook()

    @dsl.pipeline
    def p():
        component().set_env_variable("A", "b")

    return p
