"""What a task's pod is: its labels and annotations, how its image is pulled, how long it may take, who it runs as."""

from __future__ import annotations

from wherry.compiler.places import at
from wherry.dsl.kubernetes import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compiler.channels import PipelineParameterChannel
    from wherry.dsl.task import PipelineTask

_PULL_POLICIES = ("Always", "Never", "IfNotPresent")


def add_pod_label(task: PipelineTask, label_key: str, label_value: str) -> PipelineTask:
    """Give the task's pod a label."""
    labels = config.of(task).setdefault("podMetadata", {}).setdefault("labels", {})
    labels[config.text(label_key, "label_key")] = config.text(label_value, "label_value")
    return task


def add_pod_annotation(task: PipelineTask, annotation_key: str, annotation_value: str) -> PipelineTask:
    """Give the task's pod an annotation."""
    annotations = config.of(task).setdefault("podMetadata", {}).setdefault("annotations", {})
    annotations[config.text(annotation_key, "annotation_key")] = config.text(annotation_value, "annotation_value")
    return task


def set_image_pull_secrets(
    task: PipelineTask, secret_names: list[str] | list[PipelineParameterChannel]
) -> PipelineTask:
    """Pull the task's image with the credentials in these Secrets."""
    if not isinstance(secret_names, (list, tuple)):  # pyright: ignore[reportUnnecessaryIsInstance] - users' values
        raise TypeError(at(f"secret_names must be a list. Got: {secret_names!r}."))
    config.of(task)
    for name in secret_names:
        entry = {"secretNameParameter": config.parameter(task, name, "secret_names")}
        if isinstance(name, str):
            entry |= config.given(secretName=name)
        config.add(task, "imagePullSecret", entry)
    return task


def set_image_pull_policy(task: PipelineTask, policy: str) -> PipelineTask:
    """When the image is pulled: `Always`, `Never` or `IfNotPresent`.  Raises ValueError for anything else."""
    if policy not in _PULL_POLICIES:
        raise ValueError(at("Invalid imagePullPolicy. Must be one of `Always`, `Never`, `IfNotPresent`."))
    config.of(task)["imagePullPolicy"] = policy
    return task


def set_timeout(task: PipelineTask, seconds: int) -> PipelineTask:
    """How long the task's pod may take; 0 for no limit.  Raises ValueError for less."""
    if config.integer(seconds, "seconds") < 0:
        raise ValueError(
            at(f'Argument for "seconds" must be an integer greater or equals to 0. Got invalid input: {seconds}. ')
        )
    settings = config.of(task)
    settings.pop("activeDeadlineSeconds", None)
    settings |= config.given(activeDeadlineSeconds=str(seconds) if seconds else "")
    return task


def set_security_context(
    task: PipelineTask,
    run_as_user: int | None = None,
    run_as_group: int | None = None,
    run_as_non_root: bool | None = None,
) -> PipelineTask:
    """Whom the task's process runs as; what the cluster's administrator has set stands above it.

    Raises ValueError when nothing is given or an id is negative, TypeError for what is no id.
    """
    if run_as_user is None and run_as_group is None and run_as_non_root is None:
        raise ValueError(at("At least one security context field must be provided."))
    fields: dict[str, str | bool] = {}
    for argument, field, value in (
        ("run_as_user", "runAsUser", run_as_user),
        ("run_as_group", "runAsGroup", run_as_group),
    ):
        if value is None:
            continue
        if isinstance(value, bool):
            raise TypeError(at(f'Argument for "{argument}" must be an int, not bool. Got: {value}.'))
        if config.integer(value, argument) < 0:
            raise ValueError(
                at(f'Argument for "{argument}" must be greater than or equal to 0. Got invalid input: {value}.')
            )
        fields[field] = str(value)
    if run_as_non_root is not None:
        if not isinstance(run_as_non_root, bool):  # pyright: ignore[reportUnnecessaryIsInstance] - users' values
            raise TypeError(
                at(f'Argument for "run_as_non_root" must be a bool. Got: {type(run_as_non_root).__name__}.')
            )
        fields["runAsNonRoot"] = run_as_non_root
    config.of(task).setdefault("securityContext", {}).update(fields)
    return task
