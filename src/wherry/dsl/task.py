"""`PipelineTask`: what calling a component inside a pipeline gives, and everything one can set on it.

Made by `wherry.dsl.components`; the setters all return the task, so that calls chain.
"""

from __future__ import annotations

from wherry.compiler import types
from wherry.compiler.channels import PipelineChannel, channels_in, pattern
from wherry.compiler.graph import Container, ExitHandlerGroup, Group, Resources, RetryPolicy, Task
from wherry.compiler.interface import GraphSpec
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_MEMORY_UNITS = ("E", "Ei", "P", "Pi", "T", "Ti", "G", "Gi", "M", "Mi", "K", "Ki", "")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class PipelineTask(Task):
    """A component with its arguments, in a pipeline."""

    __slots__ = ()

    @property
    def output(self) -> PipelineChannel:
        """The output of a task that has exactly one; AttributeError otherwise."""
        if len(self.outputs) != 1:
            raise AttributeError(
                at("The task has multiple outputs. Please reference the output by its name.")
                if self.outputs
                else at(f"The task {self.name} has no outputs.")
            )
        return next(iter(self.outputs.values()))

    @property
    def platform_spec(self) -> dict[str, Any]:
        """The platform document of the pipeline that this task runs; ValueError for a task that is not a pipeline."""
        implementation = self.component_spec.implementation
        if not isinstance(implementation, GraphSpec):
            raise ValueError(
                at(
                    "Can only access '.platform_spec' property on tasks created from pipelines. "
                    "Use '.platform_config' for tasks created from primitive components."
                )
            )
        return implementation.platform_spec

    @property
    def dependent_tasks(self) -> list[str]:
        """The names of the tasks and groups that this one was told to run after."""
        return self.after_names

    def set_caching_options(self, enable_caching: bool, cache_key: str | None = None) -> Self:
        """Whether an earlier result may be used instead of running, and the key that then decides by itself."""
        self.enable_caching = enable_caching
        self.cache_key = cache_key
        return self

    def set_cpu_request(self, cpu: str | PipelineChannel) -> Self:
        """The CPUs to reserve: a number, or thousandths with `m`."""
        self._resources("set_cpu_request").cpu_request = _cpu(cpu)
        return self

    def set_cpu_limit(self, cpu: str | PipelineChannel) -> Self:
        """The most CPUs to use: a number, or thousandths with `m`."""
        self._resources("set_cpu_limit").cpu_limit = _cpu(cpu)
        return self

    def set_memory_request(self, memory: str | PipelineChannel) -> Self:
        """The memory to reserve: bytes, or with a unit such as `Gi`."""
        self._resources("set_memory_request").memory_request = _memory(memory)
        return self

    def set_memory_limit(self, memory: str | PipelineChannel) -> Self:
        """The most memory to use: bytes, or with a unit such as `Gi`."""
        self._resources("set_memory_limit").memory_limit = _memory(memory)
        return self

    def set_accelerator_type(self, accelerator: str | PipelineChannel) -> Self:
        """The kind of accelerator, such as `nvidia.com/gpu`; one of them unless a limit says more."""
        resources = self._resources("set_accelerator_type")
        resources.accelerator_type = str(accelerator) if isinstance(accelerator, PipelineChannel) else accelerator
        if resources.accelerator_count is None:
            resources.accelerator_count = "1"
        return self

    def add_node_selector_constraint(self, accelerator: str) -> Self:
        """The older name of `set_accelerator_type`."""
        _deprecated("add_node_selector_constraint", "set_accelerator_type")
        return self.set_accelerator_type(accelerator)

    def set_accelerator_limit(self, limit: int | str | PipelineChannel) -> Self:
        """How many accelerators."""
        resources = self._resources("set_accelerator_limit")
        if isinstance(limit, PipelineChannel):
            resources.accelerator_count = str(limit)
        else:
            text = str(limit)
            if not _digits(text):
                raise ValueError(at("limit must be a non-negative integer."))
            resources.accelerator_count = text
        return self

    def set_gpu_limit(self, gpu: str) -> Self:
        """The older name of `set_accelerator_limit`."""
        _deprecated("set_gpu_limit", "set_accelerator_limit")
        return self.set_accelerator_limit(gpu)

    def set_retry(
        self,
        num_retries: int,
        backoff_duration: str | None = None,
        backoff_factor: float | None = None,
        backoff_max_duration: str | None = None,
    ) -> Self:
        """How often to try again after a failure, and how long to wait: `backoff_duration` at first (`0s`), each time
        `backoff_factor` (2) as long, never more than `backoff_max_duration` (`3600s`)."""
        self.retry_policy = RetryPolicy(
            _count(num_retries or 0),
            _seconds(backoff_duration or "0s"),
            backoff_factor or 2.0,
            _seconds(backoff_max_duration or "3600s"),
        )
        return self

    def set_display_name(self, name: str) -> Self:
        """The name to show."""
        self.display_name = name
        return self

    def set_env_variable(self, name: str, value: str) -> Self:
        """An environment variable of the task's process."""
        container = self._container("set_env_variable")
        if not isinstance(name, str) or not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(at(f"An environment variable is a text. Got: {name!r} = {value!r}."))
        container.env[name] = value
        return self

    def set_debug_pause(self, before: bool = False, after: bool = True, on_error: bool = False) -> Self:
        """Keep the pod, before or after it has run, for a look inside."""
        if not after and on_error:
            raise ValueError(
                at(
                    "'on_error' applies to post-execution pause and requires after=True. "
                    "Got after=False, on_error=True - contradictory configuration."
                )
            )
        if not before and not after:
            raise ValueError(
                at(
                    "At least one of 'before' or 'after' must be True. "
                    "Got before=False, after=False - nothing to pause on."
                )
            )
        if before:
            self.set_env_variable("ARGO_DEBUG_PAUSE_BEFORE", "true")
        if after:
            self.set_env_variable("ARGO_DEBUG_PAUSE_ON_ERROR" if on_error else "ARGO_DEBUG_PAUSE_AFTER", "true")
        return self

    def set_container_image(self, name: str | PipelineChannel) -> Self:
        """The image to run instead of the component's; it may be known only when the pipeline runs."""
        container = self._container("set_container_image")
        container.image = str(name) if isinstance(name, PipelineChannel) else name
        self.register_pipeline_channels(channels_in(name))
        return self

    def register_pipeline_channels(self, pipeline_channels: list[PipelineChannel]) -> None:
        """Say that the task also needs these, for settings that hold them; each counts once."""
        known = {pattern(channel) for channel in self.channel_inputs}
        for channel in pipeline_channels:
            if pattern(channel) not in known:
                known.add(pattern(channel))
                self.channel_inputs.append(channel)

    def after(self, *tasks: Any) -> Self:
        """Run only after these tasks and exit handlers."""
        for task in tasks:
            if isinstance(task, Group) and not isinstance(task, ExitHandlerGroup):
                raise ValueError(
                    at(
                        f'".after()" on task group "{task.name}" of type dsl.{task.keyword} is not supported. Only '
                        "dsl.ExitHandler groups can be used as .after() dependencies."
                    )
                )
            if not isinstance(task, (Task, ExitHandlerGroup)):
                raise ValueError(
                    at(
                        "PipelineTask.after() only supports PipelineTask and dsl.ExitHandler dependencies. "
                        f"Got {type(task).__name__}."
                    )
                )
            self.after_names.append(task.name)
        return self

    def ignore_upstream_failure(self) -> Self:
        """Run once everything before it has ended, whether it succeeded or not."""
        for name, spec in self.component_spec.inputs.items():
            if types.is_final_status(spec.type):
                continue
            value = self.inputs.get(name)
            if isinstance(value, PipelineChannel) and not spec.optional and value.channel_task is not None:
                raise ValueError(
                    at(
                        "Tasks can only use .ignore_upstream_failure() if all input parameters that accept arguments "
                        "created by an upstream task have a default value, in case the upstream task fails to produce "
                        f"its output. Input parameter task {self.name!r}`s {name!r} argument is an output of an "
                        f"upstream task {value.channel_task!r}, but {name!r} has no default value."
                    )
                )
        self.ignores_upstream_failure = True
        return self

    def _container(self, setter: str) -> Container:
        if self.container_spec is None:
            raise ValueError(
                at(
                    f"{setter} can only be used on single-step components, not pipelines used as components, or "
                    "special components like importers."
                )
            )
        return self.container_spec

    def _resources(self, setter: str) -> Resources:
        container = self._container(setter)
        if container.resources is None:
            container.resources = Resources()
        return container.resources


def _cpu(value: Any) -> str:
    if isinstance(value, PipelineChannel):
        return str(value)
    _check_text(value, "cpu")
    whole, _, part = value.removesuffix("m").rpartition(".")
    if not _digits(part) or (whole and not _digits(whole)):
        raise ValueError(at('Invalid cpu string. Should be float or integer, or integer followed by "m".'))
    return value


def _memory(value: Any) -> str:
    if isinstance(value, PipelineChannel):
        return str(value)
    _check_text(value, "memory")
    digits = value.rstrip("EPTGMKi")
    if not _digits(digits) or value[len(digits) :] not in _MEMORY_UNITS:
        raise ValueError(
            at(
                "Invalid memory string. Should be a number or a number followed by one of "
                '"E", "Ei", "P", "Pi", "T", "Ti", "G", "Gi", "M", "Mi", "K", "Ki".'
            )
        )
    return value


def _check_text(value: Any, what: str) -> None:
    if not isinstance(value, str):
        raise TypeError(at(f"The {what} must be a text, such as '2'. Got: {value!r} of type {type(value).__name__}."))


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _count(retries: Any) -> int:
    try:
        count = int(retries)
    except (TypeError, ValueError):
        count = -1
    if count < 0 or float(retries) != count:
        raise ValueError(at(f"num_retries must be a non-negative integer. Got: {retries!r}."))
    return count


def _seconds(duration: str) -> int:
    text = duration.replace(" ", "")
    digits = text.rstrip("".join(char for char in text if not char.isdigit()))
    unit = text[len(digits) :]
    if not _digits(digits) or not unit:
        raise ValueError(
            at(
                f"Invalid duration string: '{duration}'. Expected one value (as integer in string) and one unit, "
                "such as '1 hour'."
            )
        )
    if unit[0] not in _SECONDS:
        raise ValueError(at(f"Unsupported duration unit: '{unit[0]}' for '{digits}{unit[0]}'."))
    return int(digits) * _SECONDS[unit[0]]


def _deprecated(old: str, new: str) -> None:
    import warnings  # noqa: PLC0415 - only here

    warnings.warn(f"{old!r} is deprecated. Please use {new!r} instead.", DeprecationWarning, stacklevel=3)
