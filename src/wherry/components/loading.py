"""`load_component_from_file`, `_url` and `_text`: a component out of YAML, in KFP's present or its first format.

Called by users.  Invariant: what is loaded is a component like any other: it can be called in a pipeline, compiled and
run by itself; what cannot be understood is refused by the place in the document.
"""

from __future__ import annotations

import os
from typing import Any, cast

from wherry.compiler.interface import ComponentSpec
from wherry.compiler.places import at
from wherry.components import compiled, download, first_format
from wherry.dsl.components import BaseComponent
from wherry.ir import yaml


class YamlComponent(BaseComponent):
    """A component that was loaded from YAML.  `component_yaml`: the text."""

    def __init__(
        self,
        component_spec: ComponentSpec,
        component_yaml: str,
        documents: tuple[dict[str, Any], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(component_spec)
        self.component_yaml = component_yaml
        self._documents = documents

    @property
    def pipeline_spec(self) -> dict[str, Any]:
        """The pipeline document: the one that was loaded, or for the first format the one that runs the component."""
        return self._documents[0] if self._documents else super().pipeline_spec

    @property
    def platform_spec(self) -> dict[str, Any]:
        """The platform document that was loaded; empty when there was none."""
        return self._documents[1] if self._documents else {}

    def execute(self, **kwargs: Any) -> Any:
        """A document cannot be called."""
        raise NotImplementedError


def load_component_from_text(text: str) -> YamlComponent:
    """The component in a YAML text: a compiled component or pipeline, or a `component.yaml` of KFP's first version.

    Raises YAMLError for what is not YAML, IRError for a document that cannot run, TypeError and ValueError for a
    component of the first format that does not hold together.
    """
    documents = yaml.load_all(text)
    if len(documents) not in (1, 2):
        raise ValueError(at(f"Expected one or two YAML documents in the IR YAML file. Got: {len(documents)}."))
    if first_format.is_one(documents[0]):
        if len(documents) > 1:
            raise ValueError(at("A component of KFP's first format is a single YAML document. Got: 2."))
        return YamlComponent(first_format.component(cast("dict[str, Any]", documents[0])), text)
    spec, pipeline, platform = compiled.component(documents, text)
    return YamlComponent(spec, text, (pipeline, platform))


def load_component_from_file(file_path: str | os.PathLike[str]) -> YamlComponent:
    """The component in a YAML file; see `load_component_from_text`.  Raises also OSError."""
    with open(file_path, encoding="utf-8") as file:
        return load_component_from_text(file.read())


def load_component_from_url(url: str, auth: tuple[str, str] | None = None) -> YamlComponent:
    """The component at an `https://`, `http://` or `gs://` (public objects) address.

    auth: user name and password.  Raises MissingSchema or InvalidSchema for other addresses, HTTPError for an answer
    that is not the file, ConnectionError when there is none; and as `load_component_from_text`.
    """
    return load_component_from_text(download.text(url, auth))
