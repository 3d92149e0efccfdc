"""What fields Kubernetes' own kinds have, as data, and what needs only that: decoding protobuf, checking fields.

Called by `wherry.kube.embedded` and `wherry.kube.wire`.  Invariant: nothing of the data is loaded before a schema is
asked for; a run of a pipeline never does.
"""

from wherry.kube.schemas.checking import FieldTypeError, prune
from wherry.kube.schemas.nodes import Schema, builtin, builtin_definitions, builtin_groups
from wherry.kube.schemas.protobuf import MAGIC, MalformedProtobuf, decode

__all__ = [
    "MAGIC",
    "FieldTypeError",
    "MalformedProtobuf",
    "Schema",
    "builtin",
    "builtin_definitions",
    "builtin_groups",
    "decode",
    "prune",
]
