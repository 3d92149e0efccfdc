"""A pipeline as its function leaves it: tasks, in groups, in one root group.

Filled by the DSL while the pipeline function runs (`Trace.current`), then read, never changed, by the compiler.
Invariant: names of tasks are unique in the pipeline, and so are names of groups; `parent` is None for the root and for
exit tasks, which stand beside the graph.
"""

from __future__ import annotations

from wherry.compiler import names
from wherry.compiler.channels import ConditionOperation, PipelineChannel, channel_of, channels_in
from wherry.compiler.interface import ComponentSpec, ContainerSpec
from wherry.compiler.places import at, caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from wherry.compiler.channels import LoopArtifactArgument, LoopParameterArgument

PIPELINE = "pipeline"
CONDITION = "condition"
CONDITION_BRANCHES = "condition-branches"
FOR_LOOP = "for-loop"
EXIT_HANDLER = "exit-handler"


class Resources:
    """What a container asks for, as texts; a text may hold a channel."""

    __slots__ = ("accelerator_count", "accelerator_type", "cpu_limit", "cpu_request", "memory_limit", "memory_request")

    def __init__(self) -> None:
        self.cpu_request: str | None = None
        self.cpu_limit: str | None = None
        self.memory_request: str | None = None
        self.memory_limit: str | None = None
        self.accelerator_type: str | None = None
        self.accelerator_count: str | None = None

    def given(self) -> dict[str, str]:
        """What has been asked for, by name."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in found.items() if value}


class Container:
    """What one task's container is, apart from its component's command: image, environment, resources."""

    __slots__ = ("args", "command", "env", "image", "resources")

    def __init__(self, spec: ContainerSpec) -> None:
        self.image = spec.image
        self.command = spec.command
        self.args = spec.args
        self.env = dict(spec.env)
        self.resources: Resources | None = None


class RetryPolicy:
    """How often and when a failed task is tried again.  None: KFP's default."""

    __slots__ = ("backoff_duration_s", "backoff_factor", "backoff_max_duration_s", "max_retry_count")

    def __init__(
        self, max_retry_count: int, backoff_duration_s: int, backoff_factor: float, backoff_max_duration_s: int
    ) -> None:
        self.max_retry_count = max_retry_count
        self.backoff_duration_s = backoff_duration_s
        self.backoff_factor = backoff_factor
        self.backoff_max_duration_s = backoff_max_duration_s


class Outputs(dict[str, PipelineChannel]):
    """The outputs of a task by name."""

    __slots__ = ()

    def __missing__(self, name: str) -> PipelineChannel:
        known = ", ".join(repr(one) for one in self) or "none"
        raise KeyError(at(f"The task has no output {name!r}; it has {known}."))


class Task:
    """A component with its arguments, in a pipeline.  `place`: the user's line; `after_names`: what it must follow."""

    __slots__ = (
        "after_names",
        "cache_key",
        "channel_inputs",
        "component_spec",
        "container_spec",
        "display_name",
        "enable_caching",
        "ignores_upstream_failure",
        "inputs",
        "is_exit_task",
        "name",
        "outputs",
        "parent",
        "place",
        "platform_config",
        "retry_policy",
    )

    def __init__(self, component_spec: ComponentSpec, inputs: dict[str, Any], name: str) -> None:
        self.component_spec = component_spec
        self.inputs = inputs
        self.name = name
        self.place = caller()
        self.parent: Group | None = None
        self.is_exit_task = False
        self.ignores_upstream_failure = False
        self.enable_caching = True
        self.cache_key: str | None = None
        self.display_name: str | None = None
        self.retry_policy: RetryPolicy | None = None
        self.after_names: list[str] = []
        self.platform_config: dict[str, Any] = {}
        implementation = component_spec.implementation
        self.container_spec = Container(implementation) if isinstance(implementation, ContainerSpec) else None
        self.outputs = Outputs(
            (output, channel_of(output, spec.type, name, spec.is_artifact_list))
            for output, spec in component_spec.outputs.items()
        )
        direct = [value for value in inputs.values() if isinstance(value, PipelineChannel)]
        self.channel_inputs: list[PipelineChannel] = direct + channels_in(
            [value for value in inputs.values() if not isinstance(value, PipelineChannel)]
        )


class Group:
    """Tasks and groups that share their control flow."""

    kind: ClassVar[str] = PIPELINE
    keyword: ClassVar[str] = "Pipeline"  # what the user wrote

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users' values
            raise TypeError(at(f"The name of a dsl.{self.keyword} is a text. Got: {name!r}."))
        self.display_name = name
        self.name = ""
        self.place = caller()
        self.parent: Group | None = None
        self.tasks: dict[str, Task] = {}
        self.groups: list[Group] = []


class ConditionGroup(Group):
    """Runs only if all of its conditions hold."""

    kind = CONDITION
    keyword = "If"

    def __init__(self, conditions: list[ConditionOperation], name: str | None = None) -> None:
        super().__init__(name)
        self.conditions = conditions


class ConditionBranches(Group):
    """An If with its Elifs and its Else, of which at most one runs."""

    kind = CONDITION_BRANCHES
    keyword = "ConditionBranches"

    def __init__(self) -> None:
        super().__init__()
        self.one_of_count = 0


class LoopGroup(Group):
    """Runs once for each item.  `item`: what the user's code sees; `parallelism_limit` 0: no limit."""

    kind = FOR_LOOP
    keyword = "ParallelFor"

    def __init__(
        self, item: LoopParameterArgument | LoopArtifactArgument, parallelism_limit: int, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.item = item
        self.parallelism_limit = parallelism_limit


class ExitHandlerGroup(Group):
    """Whatever becomes of its tasks, the exit task runs after them."""

    kind = EXIT_HANDLER
    keyword = "ExitHandler"

    def __init__(self, exit_task: Task, name: str | None = None) -> None:
        super().__init__(name)
        self.exit_task = exit_task


class Trace:
    """A pipeline function being run: where new tasks and groups go, and the names that are taken."""

    current: ClassVar[Trace | None] = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = Group()
        self.open: list[Group] = [self.root]
        self.tasks: dict[str, Task] = {}
        self._task_names = names.UniqueNames()
        self._group_count = 0

    @classmethod
    def required(cls) -> Trace:
        """The pipeline whose function is running.  Raises ValueError outside of one."""
        if cls.current is None:
            raise ValueError(at("Default pipeline not defined: this belongs inside of a function with @dsl.pipeline."))
        return cls.current

    def task_name(self, component_name: str) -> str:
        """A name for the next task of a component."""
        return self._task_names.take(component_name or "task")

    def add_task(self, task: Task) -> None:
        """Put a task into the innermost open group."""
        self.tasks[task.name] = task
        task.parent = self.open[-1]
        task.parent.tasks[task.name] = task

    def next_group_id(self) -> str:
        """The number of the next group; groups of all kinds, and loops over values twice, share one count."""
        self._group_count += 1
        return str(self._group_count)

    def last_group(self) -> Group | None:
        """The newest group of the innermost open one."""
        groups = self.open[-1].groups
        return groups[-1] if groups else None

    def enter(self, group: Group) -> None:
        """Open a group inside of the innermost open one."""
        parent = self.open[-1]
        group.parent = parent
        parent.groups.append(group)
        self.open.append(group)

    def leave(self) -> None:
        """Close the innermost open group."""
        del self.open[-1]

    def stand_aside(self, task: Task) -> None:
        """Take an exit task out of the graph."""
        if task.parent is not None:
            task.parent.tasks.pop(task.name, None)
            task.parent = None
        task.is_exit_task = True
