"""Environment variables and files of a task out of Secrets, ConfigMaps and the pod's own fields."""

from __future__ import annotations

from wherry.compiler.places import at
from wherry.dsl.kubernetes import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.compiler.channels import PipelineParameterChannel
    from wherry.dsl.task import PipelineTask


def use_secret_as_env(
    task: PipelineTask,
    secret_name: PipelineParameterChannel | str,
    secret_key_to_env: dict[str, str],
    optional: bool = False,
) -> PipelineTask:
    """Set environment variables from a Secret.  `secret_key_to_env`: its keys, and the variables they are for.

    optional: the task also starts when there is no such Secret.
    """
    entry = _named(task, "secretName", "secret_name", secret_name, optional)
    entry |= _keys("secretKey", "secret_key_to_env", secret_key_to_env)
    config.add(task, "secretAsEnv", entry)
    return task


def use_secret_as_volume(
    task: PipelineTask, secret_name: PipelineParameterChannel | str, mount_path: str, optional: bool = False
) -> PipelineTask:
    """Have the data of a Secret as files under `mount_path`."""
    entry = _named(task, "secretName", "secret_name", secret_name, optional)
    config.add(task, "secretAsVolume", entry | config.given(mountPath=config.text(mount_path, "mount_path")))
    return task


def use_config_map_as_env(
    task: PipelineTask,
    config_map_name: PipelineParameterChannel | str,
    config_map_key_to_env: dict[str, str],
    optional: bool = False,
) -> PipelineTask:
    """Set environment variables from a ConfigMap.  `config_map_key_to_env`: its keys, and the variables they are for.

    optional: the task also starts when there is no such ConfigMap.
    """
    entry = _named(task, "configMapName", "config_map_name", config_map_name, optional)
    entry |= _keys("configMapKey", "config_map_key_to_env", config_map_key_to_env)
    config.add(task, "configMapAsEnv", entry)
    return task


def use_config_map_as_volume(
    task: PipelineTask, config_map_name: PipelineParameterChannel | str, mount_path: str, optional: bool = False
) -> PipelineTask:
    """Have the data of a ConfigMap as files under `mount_path`."""
    entry = _named(task, "configMapName", "config_map_name", config_map_name, optional)
    config.add(task, "configMapAsVolume", entry | config.given(mountPath=config.text(mount_path, "mount_path")))
    return task


def use_field_path_as_env(task: PipelineTask, env_name: str, field_path: str) -> PipelineTask:
    """Set an environment variable to a field of the pod, such as `metadata.name`."""
    entry = config.given(name=config.text(env_name, "env_name"), fieldPath=config.text(field_path, "field_path"))
    config.add(task, "fieldPathAsEnv", entry)
    return task


def _named(task: PipelineTask, field: str, argument: str, name: Any, optional: bool) -> dict[str, Any]:
    if not isinstance(optional, int):  # pyright: ignore[reportUnnecessaryIsInstance] - users' values
        raise TypeError(at(f"optional must be True or False. Got: {optional!r}."))
    entry: dict[str, Any] = {"optional": bool(optional)}
    entry[f"{field}Parameter"] = config.parameter(task, name, argument)
    if isinstance(name, str) and name:
        entry[field] = name  # for servers that do not know the parameter yet
    return entry


def _keys(field: str, argument: str, keys: Any) -> dict[str, Any]:
    if not isinstance(keys, dict):
        raise TypeError(at(f"{argument} must be a dict of keys and variables. Got: {keys!r}."))
    pairs: list[Any] = list(keys.items())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    listed = [
        config.given(**{field: config.text(key, f"a key of {argument}"), "envVar": config.text(name, argument)})
        for key, name in pairs
    ]
    return config.given(keyToEnv=listed)
