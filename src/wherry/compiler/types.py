"""What the types of inputs and outputs are called, and which may be connected.

Called by the DSL for every annotation and argument, by the compiler for definitions and conditions.  A type is a text:
a parameter type as it was annotated (`Integer`, `typing.List[str]`) or `<schema title>@<version>` for artifacts.
"""

from __future__ import annotations

from wherry.compiler.places import at
from wherry.runtime import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The names of parameter types that a component's interface may hold.
INTERFACE_TYPES: dict[str, str] = {
    "String": "STRING",
    "Integer": "NUMBER_INTEGER",
    "Float": "NUMBER_DOUBLE",
    "List": "LIST",
    "Dict": "STRUCT",
    "Boolean": "BOOLEAN",
    **annotations.SYSTEM_PARAMETER_TYPES,
}

_PYTHON_NAMES: dict[type, str] = {
    str: "String",
    int: "Integer",
    float: "Float",
    bool: "Boolean",
    list: "List",
    dict: "Dict",
}
_ARTIFACT = "system.Artifact"


_known_parameter_types: dict[str, str | None] = {}


def is_parameter(type_name: str) -> bool:
    """Whether values of this type are parameters (not artifacts)."""
    return parameter_type(type_name) is not None


def parameter_type(type_name: str) -> str | None:
    """The IR's type of a value: what the system fills in counts as the struct it is; None for artifacts."""
    if type_name not in _known_parameter_types:
        _known_parameter_types[type_name] = _parameter_type(type_name)
    return _known_parameter_types[type_name]


def _parameter_type(type_name: str) -> str | None:
    if "@" in type_name:
        return None
    return "STRUCT" if type_name in annotations.SYSTEM_PARAMETER_TYPES else annotations.parameter_type(type_name)


def is_final_status(type_name: str) -> bool:
    """Whether the system fills this input with the final status of what it follows."""
    return type_name == "PipelineTaskFinalStatus"


def name_of_constant(value: object) -> str | None:
    """The type of an argument that is a plain Python value; None if it cannot be one."""
    return _PYTHON_NAMES.get(type(value))


def bundled(artifact_class: Any) -> str:
    """`<schema title>@<version>` of an artifact class."""
    return f"{artifact_class.schema_title}@{artifact_class.schema_version or annotations.DEFAULT_SCHEMA_VERSION}"


def artifact_type(type_name: str) -> dict[str, str]:
    """The IR's `artifactType` of `<schema title>@<version>`."""
    title, version = type_name.split("@")
    return {"schemaTitle": title, "schemaVersion": version}


def name_of_annotation(annotation: Any) -> str:
    """The type that an annotation (a class, a typing object, a text) stands for, in the words of the interface."""
    origin = getattr(annotation, "__origin__", None)
    if origin is list or origin is dict:
        if getattr(annotation, "__module__", "") in ("typing", "typing_extensions"):
            return str(annotation)
        inner = ", ".join(name_of_annotation(one) for one in getattr(annotation, "__args__", ()))
        return f"{_PYTHON_NAMES[origin]}[{inner}]" if inner else _PYTHON_NAMES[origin]
    if isinstance(annotation, type):
        if annotation in _PYTHON_NAMES:
            return _PYTHON_NAMES[annotation]
        return annotation.schema_title if annotations.is_artifact_class(annotation) else annotation.__name__  # type: ignore[attr-defined]
    return str(getattr(annotation, "__forward_arg__", annotation))


def validate(type_name: str) -> None:
    """Raise TypeError unless this is the type of a parameter or of an artifact."""
    if outer_name(type_name) in INTERFACE_TYPES:
        return
    title, _, version = type_name.partition("@")
    if not title or not version or "@" in version:
        raise TypeError(
            at(
                "Parameters are of the types str, int, float, bool, dict and list. Artifacts must have both a "
                f"schema_title and a schema_version, separated by `@`. Got: {type_name}"
            )
        )
    namespace, *rest = title.split(".")
    if len(rest) != 1:
        raise TypeError(
            at(f"Artifact schema_title must have both a namespace and a name, separated by a `.`. Got: {title}")
        )
    if namespace not in ("system", "google"):
        raise TypeError(at(f"Artifact schema_title must belong to `system` or `google` namespace. Got: {title}"))
    if version.count(".") != 2:
        raise TypeError(at(f"Artifact schema_version must use three-part semantic versioning. Got: {version}"))


def outer_name(type_name: str) -> str:
    """`List` of `typing.List[str]`, `Dict` of `Dict[str, int]`; other names are themselves."""
    name = type_name.removeprefix("typing.")
    if name.startswith("Optional[") and name.endswith("]"):
        name = name[len("Optional[") : -1]
    return name.split("[")[0] if name.lower().startswith(("list", "dict")) else name


def item_type(type_name: str) -> str | None:
    """`str` of `List[str]`: what a loop over such a list gets; None when the annotation does not say."""
    name = type_name.removeprefix("typing.")
    outer = annotations.short_type_name(name)
    rest = name[len(outer) :]
    end = rest.rfind("]")
    return rest[1:end].strip() if rest.startswith("[") and end > 1 else None


def field_type(type_name: str) -> str | None:
    """`int` of `Dict[str, int]`: what one field of such a dict is; None when the annotation does not say."""
    inner = item_type(type_name)
    if inner is None:
        return None
    key = annotations.short_type_name(inner)
    rest = inner[len(key) :].lstrip()
    return rest[1:].strip() or None if rest.startswith(",") else None


def artifacts_compatible(given: str, given_is_list: bool, expected: str, expected_is_list: bool) -> bool:
    """Whether one artifact may be given for the other: equal titles and major versions, or either is `Artifact`."""
    given_title, given_version = given.split("@")
    expected_title, expected_version = expected.split("@")
    if given_is_list != expected_is_list:
        return False
    if _ARTIFACT in (given_title, expected_title):
        return True
    return given_title == expected_title and given_version.split(".")[0] == expected_version.split(".")[0]
