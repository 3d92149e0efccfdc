"""Volumes of a task: persistent volume claims, volumes that live with the pod, and empty folders."""

from __future__ import annotations

from wherry.compiler.channels import PipelineParameterChannel
from wherry.compiler.places import at
from wherry.dsl.kubernetes import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.dsl.task import PipelineTask


def mount_pvc(
    task: PipelineTask, pvc_name: str | PipelineParameterChannel, mount_path: str, sub_path: str = ""
) -> PipelineTask:
    """Mount a PersistentVolumeClaim, or the folder `sub_path` of it, at `mount_path`.

    pvc_name: its name, or a parameter such as `CreatePVC(...).outputs["name"]`.  Raises ValueError for anything else.
    """
    if not isinstance(pvc_name, (str, PipelineParameterChannel)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            at(
                "Argument for 'pvc_name' must be an instance of str or PipelineChannel. "
                f"Got unknown input type: {type(pvc_name)!r}. "
            )
        )
    mount = config.given(mountPath=config.text(mount_path, "mount_path"), subPath=config.text(sub_path, "sub_path"))
    mount["pvcNameParameter"] = config.parameter(task, pvc_name, "pvc_name")
    # The deprecated fields, for servers that do not know the parameter yet.
    if isinstance(pvc_name, str):
        mount["constant"] = pvc_name
    else:
        mount |= mount["pvcNameParameter"]
    config.add(task, "pvcMount", mount)
    return task


def add_ephemeral_volume(
    task: PipelineTask,
    volume_name: str,
    mount_path: str,
    access_modes: list[str],
    size: str,
    storage_class_name: str | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> PipelineTask:
    """Mount a volume that is made for the pod and goes with it.

    access_modes: such as `ReadWriteOnce`.  size: a Kubernetes quantity.  storage_class_name: the cluster's default
    class when not given.  labels, annotations: of the claim.
    """
    metadata = config.given(labels=_words(labels, "labels"), annotations=_words(annotations, "annotations"))
    volume = config.given(
        volumeName=config.text(volume_name, "volume_name"),
        mountPath=config.text(mount_path, "mount_path"),
        accessModes=config.texts(access_modes, "access_modes"),
        size=config.text(size, "size"),
        metadata=metadata,
    )
    if storage_class_name is None:
        volume["defaultStorageClass"] = True
    else:
        volume |= config.given(storageClassName=config.text(storage_class_name, "storage_class_name"))
    config.add(task, "genericEphemeralVolume", volume)
    return task


def empty_dir_mount(
    task: PipelineTask,
    volume_name: str,
    mount_path: str,
    medium: str | None = None,
    size_limit: str | None = None,
) -> PipelineTask:
    """Mount an empty folder that goes with the pod.  `medium`: `Memory` or `HugePages`; the node's disk by default."""
    mount = config.given(
        volumeName=config.text(volume_name, "volume_name"), mountPath=config.text(mount_path, "mount_path")
    )
    if medium is not None:
        mount["medium"] = config.text(medium, "medium")
    if size_limit is not None:
        mount["sizeLimit"] = config.text(size_limit, "size_limit")
    config.add(task, "emptyDirMounts", mount)
    return task


def _words(given: dict[str, str] | None, field: str) -> dict[str, str]:
    return {config.text(key, f"a key of {field}"): config.text(value, field) for key, value in (given or {}).items()}
