"""What components, placeholders, importers and configurations can be told, beyond `options.py`."""
import functools
import os
import tempfile
from typing import Dict, List, NamedTuple, Optional

from kfp import compiler, components, dsl
from kfp.dsl import ConcatPlaceholder, ContainerSpec, Dataset, IfPresentPlaceholder, Input, InputPath, Model, Output, OutputPath
from kfp.dsl import PipelineTaskFinalStatus, TaskConfig, TaskConfigField, TaskConfigPassthrough
from kfp.dsl.types.artifact_types import Artifact as ArtifactByPath

HERE = os.path.dirname(os.path.abspath(__file__))


def written(**options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "component.yaml")

        @dsl.component(output_component_file=path, **options)
        def component(a: str, b: int = 3, data: Input[Dataset] = None) -> float:
            """Does a thing."""
            return 1.0

        return components.load_component_from_file(path)


file_of_a_component = written()
file_with_options = written(base_image="python:3.12", packages_to_install=["x"], pip_index_urls=["https://a"], pip_trusted_hosts=[])


@dsl.component(kfp_package_path=HERE)
def kfp_from_folder():
    pass


@dsl.component(packages_to_install=["kfp-kubernetes==1.0"])
def looks_like_kfp():
    pass


@dsl.component(packages_to_install=[], pip_index_urls=[], additional_funcs=[], task_config_passthroughs=[])
def empty_options():
    pass


@dsl.component(target_image="registry/own:1", install_kfp_package=False, packages_to_install=["a"], use_venv=True)
def in_own_image(n: int) -> int:
    return n


@dsl.component(use_venv=True, install_kfp_package=False, packages_to_install=["a"])
def venv_without_kfp():
    pass


def logged(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapper


@logged
def decorated_helper(x):
    return x


def maker():
    def inner_helper(x: int = 1):

        return x + 1  # comment

    return inner_helper


@dsl.component(additional_funcs=[decorated_helper, maker(), maker])
def further_functions(x: int) -> int:
    return inner_helper(decorated_helper(x))  # noqa: F821


def plain(text: str, n: int = 1) -> str:
    return text * n


called_directly = dsl.component(plain)
called_with_options = dsl.component(plain, base_image="python:3.10")
called_twice = dsl.component(base_image="python:3.9")(plain)


@dsl.component
def paths(
    a: InputPath(str),
    b: InputPath(int),
    c: InputPath("String"),
    d: OutputPath(dict),
    e: OutputPath("Integer"),
    f: OutputPath(List[str]),
    g: InputPath(List[Dict[str, int]]),
    h: OutputPath(Dataset),
    i: InputPath("Model"),
    j: OutputPath(bool),
):
    pass


@dsl.component
def by_names_of_types(a: "String", b: "Integer", c: "Float", d: "Boolean", e: "List", f: "Dict" = {}) -> "Integer":
    return 1


@dsl.component
def generic_types(a: list, b: List, c: List[str], d: list[int], e: Dict, f: Dict[str, int], g: dict[str, list[int]], h: Optional[list[str]] = None):
    pass


@dsl.component
def class_by_its_path(a: Input[ArtifactByPath], b: Output[ArtifactByPath]):
    pass


@dsl.component(task_config_passthroughs=[TaskConfigPassthrough(TaskConfigField.RESOURCES), TaskConfigField.KUBERNETES_AFFINITY])
def configured_task(config: TaskConfig, n: int = 0):
    pass


@dsl.component
def reports(text: str, status: PipelineTaskFinalStatus, config: TaskConfig):
    pass


@dsl.container_component
def nested_placeholders(
    a: str,
    n: int,
    model: Output[Model],
    data: Input[Dataset],
    count: OutputPath(int),
    b: Optional[str] = None,
    c: str = "c",
    maybe: Optional[Input[Dataset]] = None,
):
    return ContainerSpec(
        image=f"image:{a}",
        command=[
            "run",
            IfPresentPlaceholder("b", then=["--b", b, ConcatPlaceholder(["x", b])], else_=["--no-b", IfPresentPlaceholder("c", then=c)]),
            IfPresentPlaceholder("b", then=IfPresentPlaceholder("c", then=ConcatPlaceholder([b, c]), else_="none"), else_=ConcatPlaceholder(["no", a])),
            ConcatPlaceholder([]),
            ConcatPlaceholder([ConcatPlaceholder([ConcatPlaceholder([a, n])]), IfPresentPlaceholder("b", then=b)]),
        ],
        args=[
            IfPresentPlaceholder("maybe", then=["--maybe", maybe.path], else_=[]),
            IfPresentPlaceholder("b", then=[], else_=None),
            ConcatPlaceholder(["--data=", data.uri, ",", model.path, ",", count, data.metadata["k"]]),
            f"{a} and {n} and {model.uri}",
            dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
            "",
        ],
    )


@dsl.container_component
def system_inputs(status: PipelineTaskFinalStatus, config: TaskConfig, text: str = ""):
    return ContainerSpec(image="a", command=["echo", status, config], args=[text])


@dsl.container_component
def only_args(items: List[str], mapping: Dict[str, int], flag: bool = True, ratio: float = 1.0):
    return ContainerSpec("alpine", args=[items, mapping, flag, ratio])


@dsl.container_component
def empty_lists():
    return ContainerSpec(image="alpine", command=[], args=[])


@dsl.component
def words() -> list:
    return []


@dsl.component
def word() -> str:
    return ""


@dsl.component
def both() -> NamedTuple("Both", [("a", str), ("b", dict)]):
    return ("", {})


@dsl.pipeline
def importers(where: str, items: list, mapping: dict, flag: bool, n: int = 1):
    t = word()
    two = both()
    first = dsl.importer(
        artifact_uri=t.output,
        artifact_class=Model,
        reimport=True,
        metadata={
            where: {"key": t.output, "again": where, f"{n}-{where}": f"{t.output}{t.output}"},
            "list": [items, [mapping, [flag]], two.outputs["a"], {"deep": two.outputs["b"]}],
            "plain": {"none": None, "number": 1, "float": 0.5, "bool": False, "text": "x", "empty": {}, "nothing": []},
        },
    )
    dsl.importer(artifact_uri="s3://bucket/key", artifact_class=Dataset, metadata={})
    dsl.importer(artifact_uri=where, artifact_class=Dataset, metadata={"self": where}).after(first)
    with dsl.ParallelFor(items) as item:
        dsl.importer(artifact_uri=item, artifact_class=Dataset, metadata={"item": item, "flag": flag}).set_retry(1)
    with dsl.ParallelFor([{"uri": "a", "n": 1}]) as item:
        dsl.importer(artifact_uri=item.uri, artifact_class=Dataset, reimport=False)


workspace = dsl.WorkspaceConfig(size="1Gi")
workspace.set_size(" 20Mi ")
workspace.set_kubernetes_config(dsl.KubernetesWorkspaceConfig())
workspace.kubernetes.set_pvcSpecPatch({"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}, "n": 1, "b": True})


@dsl.pipeline(name="in-workspace", pipeline_config=dsl.PipelineConfig(workspace=workspace, active_deadline_seconds=2**31 - 1))
def in_workspace() -> str:
    dsl.importer("gs://b/x", Dataset, download_to_workspace=True, reimport=True)
    plain_task = called_directly(text=dsl.WORKSPACE_PATH_PLACEHOLDER)
    called_directly(text="/kfp-workspace/sub").set_env_variable("W", dsl.WORKSPACE_PATH_PLACEHOLDER)
    return plain_task.output


@dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig("0.5Ti")))
def around_a_workspace():
    in_workspace()
    called_directly(text=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/{in_workspace().output}")


@dsl.pipeline(pipeline_config=dsl.PipelineConfig(active_deadline_seconds=60))
def limited() -> str:
    return word().output


@dsl.pipeline
def around_a_configuration():
    called_directly(text=limited().output)


@dsl.pipeline(pipeline_config=dsl.PipelineConfig(ttl_seconds_after_finished=0, ttl_seconds_after_failure=1))
def only_a_ttl():
    word()


@dsl.pipeline(pipeline_root="gs://bucket/root", display_name="Shown", description="Told.")
def everything_said(text: str = "x") -> str:
    """The docstring does not count."""
    return called_directly(text=text).output


@dsl.pipeline
def uses_options():
    a = configured_task().set_cpu_limit("1").set_memory_request("1Gi").set_accelerator_type("a").set_accelerator_limit(2)
    configured_task(n=1, config={"resources": {}}).after(a)
    paths(a="a", b=1, c="c", g=[{}], i=dsl.importer("x", Model).output)
    by_names_of_types(a="a", b=1, c=1.0, d=True, e=[])
    t = nested_placeholders(a="x", n=1, data=dsl.importer("x", Dataset).output)
    nested_placeholders(a=word().output, n=2, data=dsl.importer("x", Dataset).output, maybe=dsl.importer("y", Dataset).output, b="b")
    word().after(t)
    everything_said()
    with dsl.ExitHandler(system_inputs(text="t")):
        word()


@dsl.pipeline
def reports_at_the_end():
    task = word()
    reports(text="x", config={}).after(task).ignore_upstream_failure()
    task.set_display_name("").set_caching_options(False, cache_key="k").set_caching_options(True)


def container_of(function):
    return dsl.container_component(function)


def refuse_input_path_in_container():
    @dsl.container_component
    def component(data: InputPath("Dataset")):
        return ContainerSpec(image="a", command=[data])


def refuse_input_path_of_a_parameter_in_container():
    @dsl.container_component
    def component(text: InputPath(str)):
        return ContainerSpec(image="a", command=[text])


def refuse_unknown_field_of_a_container():
    @dsl.container_component
    def component():
        return ContainerSpec(image="a", env={"A": "b"})


def refuse_list_in_nested_concat():
    @dsl.container_component
    def component(a: str = ""):
        return ContainerSpec("a", [ConcatPlaceholder([IfPresentPlaceholder("a", then=ConcatPlaceholder([IfPresentPlaceholder("a", then=["x"])]))])])


def refuse_concat_in_text():
    @dsl.container_component
    def component(a: str):
        return ContainerSpec("a", [f"{ConcatPlaceholder([a])}"])


def refuse_dict_in_if_present():
    @dsl.container_component
    def component(a: str = ""):
        return ContainerSpec("a", [IfPresentPlaceholder("a", then=[{"a": 1}])])


def refuse_nested_unknown_input():
    @dsl.container_component
    def component(a: str = ""):
        return ContainerSpec("a", [ConcatPlaceholder(["x", IfPresentPlaceholder("b", then="c")])])


def refuse_unknown_option():
    @dsl.component(image="a")
    def component():
        pass


def refuse_unknown_option_of_pipeline():
    @dsl.pipeline(root="a")
    def p():
        word()


def refuse_positional_options():
    @dsl.component("python:3.11")
    def component():
        pass


def refuse_output_file_of_another_kind():
    @dsl.component(output_component_file="component.txt")
    def component():
        pass


def refuse_output_file_in_no_folder():
    @dsl.component(output_component_file="/nowhere/at/all/component.yaml")
    def component():
        pass


def refuse_additional_builtin():
    @dsl.component(additional_funcs=[len])
    def component():
        pass


def refuse_importer_uri_list():
    @dsl.pipeline
    def p():
        dsl.importer(words().output, Dataset)


def refuse_importer_without_class():
    @dsl.pipeline
    def p():
        dsl.importer("x")


def refuse_importer_of_a_parameter_class():
    @dsl.pipeline
    def p():
        dsl.importer("x", str)


def refuse_importer_with_limits():
    @dsl.pipeline
    def p():
        dsl.importer("x", Dataset).set_cpu_limit("1")


def refuse_importer_with_artifact_in_metadata():
    @dsl.pipeline
    def p():
        dsl.importer("x", Dataset, metadata={"a": dsl.importer("y", Dataset).output})


def refuse_importer_outside_of_a_pipeline():
    dsl.importer("x", Dataset).set_display_name("y").set_retry()


def refuse_size_of_nothing():
    dsl.WorkspaceConfig(None)


def refuse_size_set_later():
    dsl.WorkspaceConfig("1Gi").set_size("1GB")


def refuse_size_that_is_missing():
    dsl.WorkspaceConfig()


def refuse_config_positional_text():
    dsl.PipelineConfig(None, "60")


def refuse_unknown_config():
    dsl.PipelineConfig(parallelism=3)


def refuse_passthrough_of_env():
    @dsl.pipeline
    def p():
        configured_task().set_env_variable("A", "b")


def refuse_platform_of_a_simple_task():
    @dsl.pipeline
    def p():
        word().platform_spec


def refuse_number_of_accelerators_in_text():
    @dsl.pipeline
    def p(n: int):
        word().set_accelerator_limit(f"{n}")


def refuse_part_of_an_accelerator():
    @dsl.pipeline
    def p():
        word().set_accelerator_limit("1.5")


def refuse_loaded_workspace_without_workspace():
    @dsl.pipeline
    def p():
        called_directly(text=dsl.WORKSPACE_PATH_PLACEHOLDER)
