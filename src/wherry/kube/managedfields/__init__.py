"""Who owns which field of an object: server-side apply, and the managedFields of every other write; pure.

Called by `wherry.kube.embedded.owners`.  Invariant: nothing here reads a clock or a store; a schema is asked for its
shape and never for more.
"""

from wherry.kube.managedfields.entries import UnknownOperation, Writer
from wherry.kube.managedfields.sets import FieldSet, MalformedFields, path_text
from wherry.kube.managedfields.shapes import Shape, builtin_shape, custom_shape
from wherry.kube.managedfields.tracking import Applied, ApplyConflict, Conflicts, Scene, applied, updated
from wherry.kube.managedfields.walks import FieldErrors

__all__ = [
    "Applied",
    "ApplyConflict",
    "Conflicts",
    "FieldErrors",
    "FieldSet",
    "MalformedFields",
    "Scene",
    "Shape",
    "UnknownOperation",
    "Writer",
    "applied",
    "builtin_shape",
    "custom_shape",
    "path_text",
    "updated",
]
