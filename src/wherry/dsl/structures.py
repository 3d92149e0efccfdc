"""The records of a component, where KFP has them."""

from __future__ import annotations

from wherry.compiler.interface import ComponentSpec, ContainerSpec, InputSpec, OutputSpec

__all__ = ["ComponentSpec", "ContainerSpec", "InputSpec", "OutputSpec"]
