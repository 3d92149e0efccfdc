"""Artifact classes of a library of one's own."""
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input, Output

import own_library
from own_library import TextModel, folder


@dsl.component
def by_module(a: Input[own_library.TextModel], b: Output[own_library.folder.Table]):
    pass


@dsl.component
def by_name(a: Input[TextModel], b: Output[folder.Table]):
    pass


@dsl.component
def returned(a: Input[TextModel]) -> own_library.TextModel:
    pass


@dsl.component
def returned_many() -> NamedTuple("Out", [("m", TextModel), ("t", folder.Table), ("s", str)]):
    pass


@dsl.pipeline
def uses_them() -> Artifact:
    t = returned_many()
    by_module(a=t.outputs["m"])
    return returned(a=t.outputs["m"]).output
