"""Components as objects: what the decorators give, what a pipeline function calls.

Made by the decorators (`wherry.dsl.python_component`, `.containers`, `.importers`, `.pipelines`); the CLI and
`wherry.compiler` read `name`, `inputs`, `pipeline_spec`, `platform_spec`.
"""

from __future__ import annotations

import os

from wherry.compiler import types
from wherry.compiler.channels import (
    LoopArgumentVariable,
    LoopParameterArgument,
    PipelineChannel,
)
from wherry.compiler.document import component_document
from wherry.compiler.errors import InconsistentTypeException
from wherry.compiler.graph import Outputs, Trace
from wherry.compiler.interface import ComponentSpec, GraphSpec, InputSpec
from wherry.compiler.places import at
from wherry.dsl.task import PipelineTask
from wherry.runtime.artifact_types import Artifact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Document = dict[str, Any]

_TRUE_WORDS = ("1", "true", "t", "yes", "y", "on")


class BaseComponent:
    """A component.  Called with arguments inside of a pipeline function it gives a task."""

    def __init__(self, component_spec: ComponentSpec) -> None:
        self.component_spec = component_spec
        self.name = component_spec.name
        self.description = component_spec.description

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """The inputs by name; those that the system fills in are among them."""
        return self.component_spec.inputs

    @property
    def required_inputs(self) -> list[str]:
        """The inputs that have no default and are not optional."""
        return [name for name, spec in self.component_spec.inputs.items() if not spec.optional]

    @property
    def pipeline_spec(self) -> Document:
        """The pipeline document that runs this component alone."""
        return component_document(self.component_spec)

    @property
    def platform_spec(self) -> Document:
        """The platform document; empty when nothing was set."""
        return {}

    def __call__(self, *args: Any, **kwargs: Any) -> PipelineTask:
        """A task with these arguments, in the pipeline whose function is running.

        Raises TypeError for wrong arguments, InconsistentTypeException for one of the wrong type, RuntimeError outside
        of a pipeline function.
        """
        kwargs = {name: self._plain(name, value) for name, value in kwargs.items()}
        self._check_arguments(args, kwargs)
        trace = Trace.current
        if trace is None:
            raise RuntimeError(
                at(
                    f"{self.name} was called outside of a pipeline. Call it in a function with @dsl.pipeline, "
                    f"or run it by itself with wherry.run({self._function_name()}, arguments={{...}})."
                )
            )
        task = PipelineTask(self.component_spec, kwargs, trace.task_name(self.name))
        task.enable_caching = caching_by_default()
        trace.add_task(task)
        return task

    def _function_name(self) -> str:
        return self.name.replace("-", "_")

    def _plain(self, name: str, value: Any) -> Any:
        """An argument as a value of the parameter types: all outputs of a task are a dict, a member is its value."""
        if isinstance(value, Outputs):
            return dict(value)
        spec = self.component_spec.inputs.get(name)
        if spec is None or not spec.literals or isinstance(value, PipelineChannel):
            return value
        return getattr(value, "value", value)

    def _check_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if args:
            raise TypeError(
                at(
                    "Components must be instantiated using keyword arguments. Positional parameters are not allowed "
                    f'(found {len(args)} such parameters for component "{self.name}").'
                )
            )
        inputs = self.component_spec.inputs
        for name in kwargs:
            if name not in inputs or types.is_final_status(inputs[name].type):
                raise TypeError(at(f'{self.name}() got an unexpected keyword argument "{name}".'))
        missing = [name for name in self.required_inputs if name not in kwargs]
        if missing:
            plural = "argument" if len(missing) == 1 else "arguments"
            raise TypeError(at(f"{self.name}() missing {len(missing)} required {plural}: {', '.join(missing)}."))
        for name, value in kwargs.items():
            what = f"input {name!r} of component {self.name!r}"
            _check_type(value, inputs[name], what)
            _check_literals(value, inputs[name], what)


class PythonComponent(BaseComponent):
    """A component that is a Python function.  `python_func`: the function itself, for tests and for `execute`."""

    def __init__(self, component_spec: ComponentSpec, python_func: Callable[..., Any]) -> None:
        super().__init__(component_spec)
        self.python_func = python_func
        self.__doc__ = python_func.__doc__
        self.__module__ = python_func.__module__
        self.__wrapped__ = python_func
        _refuse_output_lists(component_spec)

    def execute(self, **kwargs: Any) -> Any:
        """Call the function, here and now."""
        return self.python_func(**kwargs)

    def _function_name(self) -> str:
        return self.python_func.__name__


class ContainerComponent(BaseComponent):
    """A component that is a container.  `pipeline_func`: the function that described it."""

    def __init__(self, component_spec: ComponentSpec, pipeline_func: Callable[..., Any]) -> None:
        super().__init__(component_spec)
        self.pipeline_func = pipeline_func
        self.__doc__ = pipeline_func.__doc__
        self.__module__ = pipeline_func.__module__
        _refuse_output_lists(component_spec)

    def execute(self, **kwargs: Any) -> Any:
        """A container cannot be called."""
        raise NotImplementedError


class ImporterComponent(BaseComponent):
    """The component behind `dsl.importer`."""


class GraphComponent(BaseComponent):
    """A pipeline: a component whose implementation is other components.  `pipeline_func`: the decorated function."""

    def __init__(self, component_spec: ComponentSpec, pipeline_func: Callable[..., Any], compiled: GraphSpec) -> None:
        super().__init__(component_spec)
        component_spec.implementation = compiled
        self.compiled = compiled
        self.pipeline_func = pipeline_func
        self.__doc__ = pipeline_func.__doc__
        self.__module__ = pipeline_func.__module__

    @property
    def pipeline_spec(self) -> Document:
        """The pipeline document."""
        return self.compiled.pipeline_spec

    @property
    def platform_spec(self) -> Document:
        """The platform document; empty when no task and no config has platform settings."""
        return self.compiled.platform_spec

    def execute(self, **kwargs: Any) -> Any:
        """A pipeline cannot be called here and now."""
        raise RuntimeError("Graph component has no local execution mode.")


def is_pipeline(value: object) -> bool:
    """Whether this is what `@dsl.pipeline` gives."""
    return isinstance(value, GraphComponent)


def is_component(value: object) -> bool:
    """Whether this can be compiled and run: a pipeline, or a component by itself."""
    return isinstance(value, BaseComponent)


def caching_by_default() -> bool:
    """Whether tasks may use earlier results unless they say otherwise (KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT)."""

    return os.environ.get("KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT", "").strip().lower() not in _TRUE_WORDS


def _check_type(value: Any, expected: InputSpec, what: str) -> None:
    if isinstance(value, PipelineChannel):
        given = value.channel_type
        if isinstance(value, (LoopParameterArgument, LoopArgumentVariable)) and given == "String":
            return  # the annotation of what is looped over may not have said
        given_is_list = getattr(value, "is_artifact_list", False)
    else:
        given_is_list = False
        given = types.name_of_constant(value)
        if given is None:
            if isinstance(value, Artifact):
                raise ValueError(
                    at(f"Input artifacts are not supported. Got input artifact of type {type(value).__name__!r}.")
                )
            raise ValueError(
                at(
                    "Constant argument inputs must be one of type ['String', 'Integer', 'Float', 'Boolean', 'List', "
                    f"'Dict'] Got: {value!r} of type {type(value)!r}. It was passed to the {what}."
                )
            )
    given_type = types.parameter_type(given)
    expected_type = types.parameter_type(expected.type)
    if given_type is None and expected_type is None:
        fits = types.artifacts_compatible(given, given_is_list, expected.type, expected.is_artifact_list)
    else:
        fits = given_type == expected_type
    if not fits:
        raise InconsistentTypeException(
            at(
                f"Incompatible argument passed to the {what}: Argument type "
                f"{_shown(given_type or given, given_is_list)!r} is incompatible with the input type "
                f"{_shown(expected_type or expected.type, expected.is_artifact_list)!r}"
            )
        )


def _check_literals(value: Any, expected: InputSpec, what: str) -> None:
    if expected.literals and not isinstance(value, PipelineChannel) and value not in expected.literals:
        raise ValueError(at(f"The {what} must be one of {expected.literals}. Got: {value!r}."))


def _shown(name: str, is_list: bool) -> str:
    return f"List[{name}]" if is_list else name


def _refuse_output_lists(spec: ComponentSpec) -> None:
    for name, output in spec.outputs.items():
        if output.is_artifact_list:
            raise ValueError(
                at(
                    "Output lists of artifacts are only supported for pipelines. Got output list of artifacts for "
                    f"output parameter {name!r} of component {spec.name!r}."
                )
            )
