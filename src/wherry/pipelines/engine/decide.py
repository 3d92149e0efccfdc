"""decide(run, event) -> delta: the engine's one door.

Called by the driver for everything that happens.  Invariant: pure; no clock, no I/O, no ids, and the run is only read.
An event about an attempt that is over or was replaced means nothing any more and gives an empty delta, so
that telling twice is the same as telling once.
"""

from __future__ import annotations

from wherry.pipelines.engine.flow import Flow
from wherry.pipelines.engine.model import (
    Begin,
    Cancel,
    Canceled,
    Delta,
    Event,
    Failed,
    Path,
    Phase,
    Reason,
    Retry,
    RunState,
    Started,
    Succeeded,
    Trigger,
)
from wherry.pipelines.engine.state import Dag, Leaf, Loop, Run, child_path


def decide(run: Run, event: Event) -> Delta:
    """What follows from `event`.  The caller stores the delta, applies it, then acts on it."""
    match event:
        case Started(path, attempt):
            leaf = _open_leaf(run, path, attempt)
            if leaf is None or leaf.phase is not Phase.PENDING:
                return Delta()
            flow = Flow(run)
            flow.move(leaf, Trigger.STARTED, reason=leaf.reason)
        case Succeeded(path, attempt, outputs, cached_from):
            leaf = _open_leaf(run, path, attempt)
            if leaf is None:
                return Delta()
            flow = Flow(run)
            trigger = Trigger.DONE if cached_from is None else Trigger.HIT
            outputs = {"parameters": outputs.get("parameters") or {}, "artifacts": outputs.get("artifacts") or {}}
            flow.move(leaf, trigger, outputs=outputs, cached_from=cached_from)
        case Failed(path, attempt, error, retriable):
            leaf = _open_leaf(run, path, attempt)
            if leaf is None:
                return Delta()
            flow = Flow(run)
            if not (retriable and flow.retry_leaf(leaf, error)):
                flow.move(leaf, Trigger.BROKE, error=error)
        case Canceled(path, attempt):
            leaf = _open_leaf(run, path, attempt)
            if leaf is None:
                return Delta()
            flow = Flow(run)
            flow.move(leaf, Trigger.STOPPED, reason=Reason.CANCELED)
        case Begin():
            if run.state is not RunState.PENDING:
                return Delta()
            flow = Flow(run)
            flow.set_state(RunState.RUNNING)
            flow.open_root()
        case Retry():
            if run.state not in (RunState.FAILED, RunState.CANCELED):
                return Delta()
            flow = Flow(run, generation=run.generation + 1)
            flow.set_state(RunState.RUNNING)
            flow.open_root()
        case Cancel():
            return _cancel(run)
    return flow.delta()


def _open_leaf(run: Run, path: Path, attempt: int) -> Leaf | None:
    node = run.nodes.get(path)
    if isinstance(node, Leaf) and node.attempt == attempt and not node.final:
        return node
    return None


def _cancel(run: Run) -> Delta:
    """Nothing starts any more; the driver stops what is open.  Exit handlers do not start either, as upstream."""
    if run.state is RunState.PENDING:
        return Delta(run_state=RunState.CANCELED)
    if run.state not in (RunState.RUNNING, RunState.CANCELING):
        return Delta()
    stops = [node.path for node in open_leaves(run)]
    return Delta(stops=stops, run_state=RunState.CANCELING if run.state is RunState.RUNNING else None)


def held_back(run: Run, path: Path) -> bool:
    """Whether a leaf that still waits to be launched is not to be: something failed in its DAG meanwhile, or in its
    loop before anything of its iteration began.  The driver answers with `Canceled`.  A retry is what runs already.
    """
    leaf = run.nodes.get(path)
    if run.options.keep_going or not isinstance(leaf, Leaf) or leaf.tries > 1 or (leaf.task and leaf.task.always):
        return False
    group = run.nodes.get(leaf.parent)
    if group is None or isinstance(group, Leaf) or (isinstance(group, Dag) and group.tries > 1 and not group.bad):
        return False
    if group.bad or group.stopped:
        return True
    if not isinstance(group, Dag) or group.kind != "iteration":
        return False
    loop = run.nodes[group.parent]
    if not isinstance(loop, Loop) or not (loop.bad or loop.stopped):
        return False
    children = (run.nodes.get(child_path(group.path, task.name)) for task in group.component.tasks)
    return all(child is None or child.phase is Phase.PENDING for child in children)


def open_leaves(run: Run) -> list[Leaf]:
    """The leaves that are PENDING or RUNNING, in the order in which they began; a scan, for restarts and cancels."""
    return [node for node in run.nodes.values() if isinstance(node, Leaf) and not node.final]
