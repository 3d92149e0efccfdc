"""Explains a pipeline before it runs: its tasks, what each one needs, and what its author may not have meant.

Called by `wherry compile --check`.  Pure.  Invariant: a warning names something that a change of the source or the
document would end; what cannot run at all is no warning but refused by `wherry.ir`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from wherry.drawing import Node, nodes_of
from wherry.drawing.pipeline import plain
from wherry.ir.check import dependencies
from wherry.ir.operations import CREATE_PVC, DELETE_PVC, PVC_OPERATIONS
from wherry.ir.reader import Document
from wherry.ir.secrets import is_secret
from wherry.ir.spec import ComponentSpec, TaskSpec
from wherry.pipelines.lightweight import Function
from wherry.pipelines.needs import Needs, needs_of

_PINNED = re.compile(r"===|==(?![^,;]*\*)|@\s*(?:file|https?):|\.whl\b|^\.{0,2}/|git\+[^@\s]*//[^@\s]*@")
_SENDERS = {"smtplib", "slack_sdk", "twilio", "psycopg", "psycopg2", "pymysql", "pymongo", "sqlalchemy", "kafka"}
_CLIENTS, _SENDING = {"requests", "httpx"}, {"post", "put", "patch", "delete"}


class TaskFacts(msgspec.Struct, frozen=True):
    """A task or group: where it is, what it waits for, whether a known result is taken over, what it needs."""

    path: str
    title: str
    kind: str
    note: str
    component: str
    waits_for: tuple[str, ...]
    cached: bool
    needs: Needs | None


class Warned(msgspec.Struct, frozen=True):
    """A warning: its `code` for scripts, the tasks it is about, and the Python function if they run one."""

    code: str
    tasks: tuple[str, ...]
    message: str
    hint: str
    function: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """All that is known of a pipeline without running it; tasks come in the order of the document, outer ones first."""

    pipeline: str
    tasks: tuple[TaskFacts, ...]
    warnings: tuple[Warned, ...]


def explain(document: Document) -> tuple[Explanation, Node]:
    """The explanation, and the nodes that it speaks of."""
    return _Explainer(document).explained()


class _Explainer:
    def __init__(self, document: Document) -> None:
        self._spec = document.pipeline
        kubernetes = document.platform.platforms.kubernetes if document.platform else None
        self._platform = kubernetes.deployment_spec.executors if kubernetes else {}
        self._in_settings = frozenset(_inputs_in(msgspec.to_builtins(kubernetes.deployment_spec)) if kubernetes else ())
        self._nodes = nodes_of(document)
        self._facts: list[TaskFacts] = []
        self._specs: dict[str, TaskSpec] = {}
        self._needs: dict[str, tuple[Needs, Any]] = {}

    def explained(self) -> tuple[Explanation, Node]:
        self._walk(self._nodes, self._spec.root)
        users: dict[str, list[TaskFacts]] = {}
        for task in self._facts:
            users.setdefault(task.component, []).append(task)
        warnings = [
            *self._unused("the pipeline", (), self._spec.root),
            *self._defaults_in_clear(),
            *(warning for name, tasks in users.items() for warning in self._of_component(name, tasks)),
            *self._constants_in_clear(),
            *self._left_volumes(),
        ]
        return Explanation(self._spec.pipeline_info.name, tuple(self._facts), _merged(warnings)), self._nodes

    def _walk(self, group: Node, component: ComponentSpec) -> None:
        tasks = component.dag.tasks if component.dag else {}
        for node in group.nodes:
            task = tasks[node.path.rpartition("/")[2]]
            inner = self._spec.components[task.component_ref.name]
            self._specs[node.path] = task
            self._facts.append(
                TaskFacts(
                    path=node.path,
                    title=node.title,
                    kind=node.kind,
                    note=node.note,
                    component=task.component_ref.name,
                    waits_for=tuple(dependencies(task)),
                    cached=task.caching_options.enable_cache and inner.dag is None,
                    needs=self._needs_of(inner),
                )
            )
            self._walk(node, inner)

    def _needs_of(self, component: ComponentSpec) -> Needs | None:
        label = component.executor_label
        executor = self._spec.deployment_spec.executors.get(label)
        if executor is None or executor.container is None or executor.container.image in PVC_OPERATIONS:
            return None
        if label not in self._needs:
            self._needs[label] = needs_of(executor.container, self._platform.get(label))
        return self._needs[label][0]

    # --- warnings

    def _of_component(self, name: str, tasks: list[TaskFacts]) -> Iterator[Warned]:
        component = self._spec.components[name]
        paths = tuple(task.path for task in tasks)
        if component.dag is not None:
            if any(task.kind == "sub-pipeline" for task in tasks):
                yield from self._unused(f"the sub-pipeline {tasks[0].title}", paths, component)
            return
        yield from _untyped(component, paths)
        needs = tasks[0].needs
        if needs is None:
            return
        loose = [package for package in needs.packages if not _PINNED.search(package)]
        if loose:
            yield Warned(
                "unpinned-packages",
                paths,
                f"{_listed(loose)} {'is' if len(loose) == 1 else 'are'} not pinned: another day brings another version",
                "name the version: package==1.2.3",
                needs.function,
            )
        if _moves(needs.image):
            yield Warned(
                "moving-image",
                paths,
                f"image {needs.image} has no fixed tag: another day brings another image",
                "name a tag other than latest, or a digest",
                needs.function,
            )
        for variable in self._clear_variables(component):
            yield Warned(
                "secret-in-clear",
                paths,
                f"the environment variable {variable} is written in the document, readable for all who see it",
                "keep it in a Secret: kubernetes.use_secret_as_env",
                needs.function,
            )
        cached = tuple(task.path for task in tasks if task.cached)
        effect = _effect(component, self._needs[component.executor_label][1])
        if cached and effect:
            yield Warned(
                "cached-side-effect",
                cached,
                f"{effect}, but a known result is taken from the cache without running it",
                "task.set_caching_options(False) if it is to run each time",
                needs.function,
            )

    def _unused(self, what: str, paths: tuple[str, ...], component: ComponentSpec) -> Iterator[Warned]:
        used = set(self._in_settings)
        for task in component.dag.tasks.values() if component.dag else ():
            used.update(given.component_input_parameter for given in task.inputs.parameters.values())
            used.update(given.component_input_artifact for given in task.inputs.artifacts.values())
        inputs = component.input_definitions
        unused = [plain(name) for name in (*inputs.parameters, *inputs.artifacts) if name not in used]
        if unused:
            yield Warned(
                "unused-input",
                paths,
                f"no task of {what} uses its {'input' if len(unused) == 1 else 'inputs'} {_listed(unused)}",
                "use it, or leave it out",
            )

    def _defaults_in_clear(self) -> Iterator[Warned]:
        for name, definition in self._spec.root.input_definitions.parameters.items():
            if name in self._in_settings:  # the name of a Secret, not what it holds
                continue
            if is_secret(name) and definition.default_value not in (msgspec.UNSET, None, ""):
                yield Warned(
                    "secret-in-clear",
                    (),
                    f"the default of the input {name} is written in the document, readable for all who see it",
                    "leave the default out, or keep it in a Secret",
                )

    def _constants_in_clear(self) -> Iterator[Warned]:
        for path, task in self._specs.items():
            for name, given in task.inputs.parameters.items():
                constant = given.runtime_value.constant if given.runtime_value else msgspec.UNSET
                if is_secret(name) and isinstance(constant, str) and constant and "{{" not in constant:
                    yield Warned(
                        "secret-in-clear",
                        (path,),
                        f"the value of {name} is written in the document, readable for all who see it",
                        "keep it in a Secret: kubernetes.use_secret_as_env",
                    )

    def _clear_variables(self, component: ComponentSpec) -> list[str]:
        container = self._spec.deployment_spec.executors[component.executor_label].container
        variables = container.env if container else []
        return [each.name for each in variables if is_secret(each.name) and each.value and "{{" not in each.value]

    def _left_volumes(self) -> Iterator[Warned]:
        """Claims that are made in a pipeline that deletes none."""
        images = {path: self._image(task) for path, task in self._specs.items()}
        made = tuple(path for path, image in images.items() if image == CREATE_PVC)
        if made and DELETE_PVC not in images.values():
            yield Warned(
                "volume-stays",
                made,
                "makes a volume that no task deletes",
                "kubernetes.DeletePVC(pvc_name=...), or keep it on purpose",
            )

    def _image(self, task: TaskSpec) -> str:
        label = self._spec.components[task.component_ref.name].executor_label
        executor = self._spec.deployment_spec.executors.get(label)
        return executor.container.image if executor and executor.container else ""


def _merged(warnings: list[Warned]) -> tuple[Warned, ...]:
    """Warnings that say the same of different components, as one."""
    found: dict[tuple[str, str], Warned] = {}
    for warned in warnings:
        key = warned.code, warned.message
        tasks = (*found[key].tasks, *warned.tasks) if key in found else warned.tasks
        found[key] = msgspec.structs.replace(found.get(key, warned), tasks=tasks)
    return tuple(found.values())


def _inputs_in(settings: Any) -> Iterator[str]:
    """The component inputs that platform settings refer to, at any depth."""
    if isinstance(settings, dict):
        for name, value in cast("dict[str, Any]", settings).items():
            if name == "componentInputParameter" and isinstance(value, str):
                yield value
            yield from _inputs_in(value)
    elif isinstance(settings, list):
        for value in cast("list[Any]", settings):
            yield from _inputs_in(value)


def _untyped(component: ComponentSpec, paths: tuple[str, ...]) -> Iterator[Warned]:
    inputs, outputs = component.input_definitions, component.output_definitions
    parameters = {**inputs.parameters, **outputs.parameters}
    artifacts = {**inputs.artifacts, **outputs.artifacts}
    bare = [plain(name) for name, each in parameters.items() if not (each.parameter_type or each.type)]
    bare += [
        plain(name)
        for name, each in artifacts.items()
        if not (each.artifact_type.schema_title or each.artifact_type.instance_schema)
    ]
    if bare:
        yield Warned("missing-type", paths, f"{_listed(bare)} has no type: nothing is checked", "declare its type")


def _moves(image: str) -> bool:
    """Whether the name may mean another image tomorrow."""
    if "@" in image or "{{" in image:
        return False
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag in ("", "latest")


def _effect(component: ComponentSpec, program: Any) -> str:
    """Why a component is likely to run for its effect, not for its outputs; "" if it is not."""
    outputs = component.output_definitions
    if not outputs.parameters and not outputs.artifacts:
        return "it has no outputs, so it runs for what it does"
    sender = _sender(program.source) if isinstance(program, Function) else ""
    return f"it uses {sender}, which acts outside the pipeline" if sender else ""


def _sender(source: str) -> str:
    """What in the source speaks to the world to change it: a module, or a call such as `requests.post`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in _CLIENTS and node.func.attr in _SENDING:
                return f"{owner.id}.{node.func.attr}"
            continue
        else:
            continue
        for module in modules:
            if module.partition(".")[0] in _SENDERS:
                return module
    return ""


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def summary(tasks: tuple[TaskFacts, ...]) -> Mapping[str, list[str]]:
    """What the whole pipeline needs: images with how many tasks use them, and the names of everything else."""
    images: dict[str, int] = {}
    others: dict[str, dict[str, None]] = {"packages": {}, "secrets": {}, "config maps": {}, "volumes": {}}
    for task in tasks:
        if task.needs is None:
            continue
        images[task.needs.image] = images.get(task.needs.image, 0) + 1
        needs = (task.needs.packages, task.needs.secrets, task.needs.config_maps, task.needs.volumes)
        for found, values in zip(others.values(), needs, strict=True):
            found.update(dict.fromkeys(values))
    counted = [f"{image} ({count} {'task' if count == 1 else 'tasks'})" for image, count in images.items()]
    return {"images": counted, **{title: list(values) for title, values in others.items()}}
