"""ConfigMaps and Secrets: small data for pods.

Rows of the registry.  Invariant: keys are file names, the data of one object is at most 1 MiB, and an `immutable`
object keeps its data.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, cast

from wherry.kube.embedded.columns import AGE, NAME, Column, count, text
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.errors import Cause
from wherry.kube.names import config_key_error
from wherry.kube.protocol import Object
from wherry.kube.resources import CONFIGMAPS, SECRETS

DATA_LIMIT_BYTES = 1024 * 1024
OPAQUE = "Opaque"

# The types whose data must have certain keys (corev1.SecretType).
_REQUIRED_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _strings(obj: Object, field: str, causes: list[Cause]) -> dict[str, str]:
    """The map at `field` with its keys checked; what is no text is a cause and left out."""
    found: Any = obj.get(field)
    if found is None:
        return {}
    if not isinstance(found, dict):
        causes.append(Cause(field, "Invalid value: must be a map of strings"))
        return {}
    kept: dict[str, str] = {}
    for key, value in cast("dict[str, Any]", found).items():
        if problem := config_key_error(key):
            causes.append(Cause(f"{field}[{key}]", f'Invalid value: "{key}": {problem}'))
        if isinstance(value, str):
            kept[key] = value
        else:
            causes.append(Cause(f"{field}[{key}]", f"Invalid value: {value!r}: must be a string"))
    return kept


def _bytes(values: dict[str, str], field: str, causes: list[Cause]) -> int:
    """The size of base64 values once decoded."""
    size = 0
    for key, value in values.items():
        try:
            size += len(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError) as error:
            causes.append(Cause(f"{field}[{key}]", f"Invalid value: must be base64: {error}"))
    return size


def _too_long(field: str, size: int) -> list[Cause]:
    if size <= DATA_LIMIT_BYTES:
        return []
    return [Cause(field, f"Too long: may not be more than {DATA_LIMIT_BYTES} bytes", "FieldValueTooLong")]


def _validate_configmap(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    data, binary = _strings(obj, "data", causes), _strings(obj, "binaryData", causes)
    for key in data.keys() & binary.keys():
        causes.append(Cause(f"data[{key}]", f'Invalid value: "{key}": duplicate of key present in binaryData'))
    size = sum(len(value.encode()) for value in data.values()) + _bytes(binary, "binaryData", causes)
    # The API server names the whole object here.
    return causes + _too_long("", size)


def _default_secret(obj: Object) -> None:
    if not obj.get("type"):
        obj["type"] = OPAQUE
    texts: Any = obj.pop("stringData", None)
    if isinstance(texts, dict) and texts:
        encoded = {
            key: base64.b64encode(value.encode()).decode() if isinstance(value, str) else value
            for key, value in cast("dict[str, Any]", texts).items()
        }
        data: Any = obj.get("data") or {}
        if isinstance(data, dict):
            obj["data"] = {**cast("dict[str, Any]", data), **encoded}


def _validate_secret(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    data = _strings(obj, "data", causes)
    causes += _too_long("data", _bytes(data, "data", causes))
    kind: Any = obj["type"]
    if not isinstance(kind, str):
        return [*causes, Cause("type", "Invalid value: must be a string")]
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            causes.append(Cause(f"data[{key}]", "Required value", "FieldValueRequired"))
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        causes.append(Cause("data[username]", "Required value", "FieldValueRequired"))
        causes.append(Cause("data[password]", "Required value", "FieldValueRequired"))
    return causes


def _unchanged(old: Object, new: Object, fields: tuple[str, ...]) -> list[Cause]:
    """What an immutable object has changed."""
    if old.get("immutable") is not True:
        return []
    causes: list[Cause] = []
    if new.get("immutable") is not True:
        causes.append(
            Cause("immutable", "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden")
        )
    for field in fields:
        if (old.get(field) or {}) != (new.get(field) or {}):
            causes.append(Cause(field, "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden"))
    return causes


def _update_configmap(old: Object, new: Object) -> list[Cause]:
    return _unchanged(old, new, ("data", "binaryData"))


def _update_secret(old: Object, new: Object) -> list[Cause]:
    causes = _unchanged(old, new, ("data",))
    if old["type"] != new["type"]:
        causes.append(Cause("type", f'Invalid value: "{new["type"]}": field is immutable'))
    return causes


CONFIGMAP = Kind(
    CONFIGMAPS,
    short_names=("cm",),
    columns=(NAME, Column("Data", count("data", "binaryData"), type="integer"), AGE),
    validate=_validate_configmap,
    validate_update=_update_configmap,
)
SECRET = Kind(
    SECRETS,
    columns=(NAME, Column("Type", text("type")), Column("Data", count("data"), type="integer"), AGE),
    fields={**METADATA_FIELDS, "type": ("type",)},
    default=_default_secret,
    validate=_validate_secret,
    validate_update=_update_secret,
)
