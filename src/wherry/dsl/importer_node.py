"""`importer`, where KFP has it."""

from __future__ import annotations

from wherry.dsl.importers import importer

__all__ = ["importer"]
