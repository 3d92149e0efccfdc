"""The pipeline and pipeline_version tables: documents that were uploaded, by name.

Called by the KFP API.  Invariants: a pipeline's name is used once in a namespace, a version's once in its pipeline; a
document stays as long as a version, a run or a recurring run has it.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.storage import documents
from wherry.storage.database import Tx
from wherry.storage.listing import Source


class PipelineRow(NamedTuple):
    """A pipeline as it is stored; `tags` is JSON text, times are epoch seconds."""

    id: str
    name: str
    namespace: str
    display_name: str
    description: str
    tags: str
    created_at: float


class VersionRow(NamedTuple):
    """A version as it is stored; `document` is the SHA-256 of its document."""

    id: str
    pipeline: str
    name: str
    display_name: str
    description: str
    code_source_url: str
    package_url: str
    document: str
    tags: str
    created_at: float


_PIPELINE = ", ".join(PipelineRow._fields)
_VERSION = ", ".join(VersionRow._fields)
PIPELINES = Source(_PIPELINE, "pipeline", "id")
VERSIONS = Source(_VERSION, "pipeline_version", "id")


def insert_pipeline(tx: Tx, row: PipelineRow) -> None:
    """Add a pipeline; raises ConstraintViolated for a name that is taken."""
    tx.execute(f"INSERT INTO pipeline ({_PIPELINE}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def insert_version(tx: Tx, row: VersionRow) -> None:
    """Add a version of a pipeline that is there; raises ConstraintViolated for a name that is taken."""
    tx.execute(f"INSERT INTO pipeline_version ({_VERSION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def pipeline(tx: Tx, id: str) -> PipelineRow | None:
    """The pipeline with this id."""
    found = tx.execute(f"SELECT {_PIPELINE} FROM pipeline WHERE id = ?", (id,)).fetchone()
    return PipelineRow(*found) if found else None


def pipeline_named(tx: Tx, name: str, namespace: str) -> PipelineRow | None:
    """The pipeline with this name."""
    sql = f"SELECT {_PIPELINE} FROM pipeline WHERE name = ? AND namespace = ?"
    found = tx.execute(sql, (name, namespace)).fetchone()
    return PipelineRow(*found) if found else None


def version(tx: Tx, id: str) -> VersionRow | None:
    """The version with this id."""
    found = tx.execute(f"SELECT {_VERSION} FROM pipeline_version WHERE id = ?", (id,)).fetchone()
    return VersionRow(*found) if found else None


def latest_version(tx: Tx, pipeline: str) -> VersionRow | None:
    """The version of the pipeline that was made last."""
    sql = f"SELECT {_VERSION} FROM pipeline_version WHERE pipeline = ? ORDER BY created_at DESC, id DESC LIMIT 1"
    found = tx.execute(sql, (pipeline,)).fetchone()
    return VersionRow(*found) if found else None


def update_pipeline(tx: Tx, id: str, display_name: str, description: str, tags: str) -> bool:
    """Change what may be changed of a pipeline; False when it is not there."""
    sql = "UPDATE pipeline SET display_name = ?, description = ?, tags = ? WHERE id = ?"
    return tx.execute(sql, (display_name, description, tags, id)).rowcount == 1


def update_version(tx: Tx, id: str, display_name: str, description: str, tags: str) -> bool:
    """Change what may be changed of a version; False when it is not there."""
    sql = "UPDATE pipeline_version SET display_name = ?, description = ?, tags = ? WHERE id = ?"
    return tx.execute(sql, (display_name, description, tags, id)).rowcount == 1


def delete_pipeline(tx: Tx, id: str) -> bool:
    """Delete a pipeline with its versions; False when it is not there."""
    found = tx.execute("SELECT document FROM pipeline_version WHERE pipeline = ?", (id,)).fetchall()
    if tx.execute("DELETE FROM pipeline WHERE id = ?", (id,)).rowcount != 1:
        return False
    for (sha256,) in found:
        documents.drop(tx, sha256)
    return True


def delete_version(tx: Tx, id: str) -> bool:
    """Delete a version; False when it is not there."""
    row = tx.execute("DELETE FROM pipeline_version WHERE id = ? RETURNING document", (id,)).fetchone()
    if row is None:
        return False
    documents.drop(tx, row[0])
    return True
