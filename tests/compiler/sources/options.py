"""Options of the decorators."""
import os

from kfp import dsl
from kfp.dsl import Dataset, Input, Output, TaskConfig, TaskConfigField, TaskConfigPassthrough

HERE = os.path.dirname(os.path.abspath(__file__))


@dsl.component(base_image="python:3.12-slim")
def image():
    pass


@dsl.component(packages_to_install=["numpy==1.26.4", "pandas>=2,<3", "x[extra]@git+https://h/x", 'quo"te', "it's"])
def packages(n: int) -> int:
    import numpy

    return n


@dsl.component(packages_to_install=["numpy"], pip_index_urls=["https://a/simple"])
def index():
    pass


@dsl.component(packages_to_install=["numpy"], pip_index_urls=["https://a/simple", "https://b/simple"], pip_trusted_hosts=["a", "b"])
def indexes():
    pass


@dsl.component(pip_index_urls=["https://a/simple", "https://b"], pip_trusted_hosts=[])
def no_trusted():
    pass


@dsl.component(install_kfp_package=False)
def without_kfp():
    pass


@dsl.component(install_kfp_package=False, packages_to_install=["numpy"])
def without_kfp_with_packages():
    pass


@dsl.component(packages_to_install=["kfp==2.4.0", "numpy"])
def own_kfp():
    pass


@dsl.component(kfp_package_path="git+https://github.com/kubeflow/pipelines.git@refs/pull/1/merge#subdirectory=sdk/python")
def kfp_from_pull():
    pass


@dsl.component(kfp_package_path="https://files/kfp.tar.gz", packages_to_install=["a"])
def kfp_from_url():
    pass


@dsl.component(use_venv=True, packages_to_install=["a"])
def venv():
    pass


@dsl.component(use_venv=True)
def venv_only():
    pass


@dsl.component(target_image="registry/own:1", base_image="python:3.12", packages_to_install=["a"])
def containerised(a: str) -> str:
    return a


@dsl.component(target_image="registry/own:1")
def containerised_plain(a: str, d: Output[Dataset]) -> str:
    return a


def helper(x):
    # a comment
    return x + 1


def other_helper(
    a,
    b=(1, 2),
):
    """Has a docstring."""
    return a


@dsl.component(additional_funcs=[helper, other_helper])
def with_helpers(x: int) -> int:
    return helper(x)


@dsl.component(
    task_config_passthroughs=[
        TaskConfigField.RESOURCES,
        TaskConfigField.KUBERNETES_TOLERATIONS,
        TaskConfigPassthrough(field=TaskConfigField.ENV, apply_to_task=True),
        dsl.TaskConfigPassthrough(field=TaskConfigField.KUBERNETES_VOLUMES, apply_to_task=True),
    ]
)
def passthrough(n: int, config: TaskConfig):
    print(config)


@dsl.component
def config_only(config: dsl.TaskConfig, n: int = 1):
    pass


def outer():
    @dsl.component
    def nested_function(
        a: str,  # with a comment
        b: int = (
            3
        ),
    ) -> str:
        """Multi
        line."""

        def inner(x):
            return x

        # the last comment

        return inner(a)
        # trailing comment

    return nested_function


nested_function = outer()


@dsl.component
def with_class_inside() -> str:
    class A:
        x = 1

        def f(self):
            return [
                1,
            2]

    text = """
  less indented
"""
    return text


@dsl.component
def one_line(): pass


@dsl.component
def lambda_default(n: int = 3) -> int:
    f = lambda x: x
    return f(n)


@dsl.component(base_image=(lambda: "python:3.10")())
def decorator_with_lambda(a: str):
    pass


@dsl.component()
def called_decorator(a: str):
    pass


@dsl.component
def _private_name(a: str = ""):
    pass


@dsl.component
def CamelCase__with___many(a: str = ""):
    pass


@dsl.pipeline
def uses_them():
    passthrough(n=1).set_cpu_limit("1").set_env_variable("A", "b")
    passthrough(n=2)
    config_only()
    _private_name()
    CamelCase__with___many()
    CamelCase__with___many()
    with_helpers(x=nested_function(a="x") and 3)


@dsl.pipeline(
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(
            size="10Gi", kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={"storageClassName": "fast", "accessModes": ["RWX"]})
        ),
        ttl_seconds_after_finished=60,
        ttl_seconds_after_success=0,
        ttl_seconds_after_failure=3600,
        active_deadline_seconds=7200,
    )
)
def configured():
    _private_name(a=dsl.WORKSPACE_PATH_PLACEHOLDER)
    _private_name(a=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/x")


@dsl.pipeline(pipeline_config=dsl.PipelineConfig())
def configured_empty():
    image()


@dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig("1.5Gi")))
def imports_to_workspace():
    dsl.importer("gs://x", Dataset, download_to_workspace=True)
