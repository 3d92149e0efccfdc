"""Where tasks and groups stand in a pipeline: their ancestors, and what two of them do not share.

Made once per pipeline by `wherry.compiler.document`, read by all steps that follow data across groups.  Invariant: the
path of a task or group starts below the root and ends with itself.
"""

from __future__ import annotations

from wherry.compiler.graph import Group, LoopGroup, Task, Trace
from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Path = tuple[str, ...]


class Topology:
    """The groups of a pipeline (parents first), its tasks, and the path of each, by name."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.root = trace.root
        self.groups: dict[str, Group] = {}
        self.tasks: dict[str, Task] = trace.tasks
        self._paths: dict[str, Path] = {}
        self._walk(trace.root, ())

    def _walk(self, group: Group, path: Path) -> None:
        for task in group.tasks.values():
            self._paths[task.name] = (*path, task.name)
        for child in group.groups:
            self.groups[child.name] = child
            self._paths[child.name] = (*path, child.name)
            self._walk(child, self._paths[child.name])

    def all_groups(self) -> Iterator[Group]:
        """The root, then every group after its parent."""
        yield self.root
        yield from self.groups.values()

    def path(self, name: str) -> Path:
        """The names from the outermost group down to the task or group itself.

        Raises ValueError for what is not in the graph: an unknown name, or an exit task, which stands beside it.
        """
        found = self._paths.get(name)
        if found is None:
            task = self.tasks.get(name)
            raise ValueError(at(f"{name} does not exist.", task.place if task else ""))
        return found

    def uncommon(self, producer: str, consumer: str) -> tuple[Path, Path]:
        """What the paths of two tasks or groups do not share."""
        upstream, downstream = self.path(producer), self.path(consumer)
        shared = 0
        for ours, theirs in zip(upstream, downstream, strict=False):
            if ours != theirs:
                break
            shared += 1
        return upstream[shared:], downstream[shared:]

    def loop(self, name: str) -> LoopGroup | None:
        """The group of that name, if it is a loop."""
        group = self.groups.get(name)
        return group if isinstance(group, LoopGroup) else None
