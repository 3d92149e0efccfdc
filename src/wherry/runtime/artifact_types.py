"""The artifact classes of KFP: what a component's `Input[...]` and `Output[...]` parameters are at run time.

Used by `wherry.dsl` (re-exported to users), by `wherry.runtime.executor` and by the `kfp` shim.  Behaviour follows
`kfp.dsl.types.artifact_types` (kfp 2.17).  Invariant: imports nothing, so that it costs nothing to load, and runs on
Python 3.9 and later.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WORKSPACE_MOUNT_PATH = "/kfp-workspace"

# Where KFP's launcher makes a remote object visible as a file.
_MOUNTS = (("gs://", "/gcs/"), ("minio://", "/minio/"), ("s3://", "/s3/"))
_OBJECTS = "s3://"
_OCI_SCHEME, _OCI_MOUNT, _OCI_MODELS = "oci://", "/oci/", "/models"
_FILE_SCHEME = "file://"

# What stands before `/s3/...` where that folder is not this task's alone; set by the runtime for tasks with a grant.
OBJECTS_ROOT = ""
# The folder (local path) of the running task; set by the executor, read by `get_uri`.
CONTAINER_TASK_ROOT: str | None = None
_UNSUPPORTED_TASK_ROOT = "/tmp/kfp_outputs"


def local_path(uri: str) -> str:
    """The path under which the object at `uri` is seen in a task; a plain path is its own."""
    if uri.startswith(_FILE_SCHEME):
        return uri[len(_FILE_SCHEME) :]
    for scheme, mount in _MOUNTS:
        if uri.startswith(scheme):
            return (OBJECTS_ROOT if scheme == _OBJECTS else "") + mount + uri[len(scheme) :]
    if uri.startswith(_OCI_SCHEME):
        return _OCI_MOUNT + uri[len(_OCI_SCHEME) :].replace("/", "_")
    return uri


def convert_local_path_to_remote_path(path: str) -> str:
    """The URI whose `local_path` is `path`; a path outside every mount is its own URI."""
    if OBJECTS_ROOT and path.startswith(f"{OBJECTS_ROOT}/s3/"):
        return _OBJECTS + path[len(OBJECTS_ROOT) + len("/s3/") :]
    for scheme, mount in _MOUNTS:
        if path.startswith(mount):
            return scheme + path[len(mount) :]
    if path.startswith(_OCI_MOUNT):
        remote = path[len(_OCI_MOUNT) :].replace("_", "/")
        if remote.endswith(_OCI_MODELS):
            remote = remote[: -len(_OCI_MODELS)]
        return _OCI_SCHEME + remote
    return path


class Artifact:
    """A file or folder that a task reads or writes: `name`, `uri`, free `metadata`, and `path` to open it.

    Subclasses set `schema_title` and `schema_version`; any class with these two attributes is an artifact class.
    """

    schema_title = "system.Artifact"
    schema_version = "0.0.1"

    def __init__(self, name: str | None = None, uri: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.uri: str = uri or ""
        self.name: str = name or ""
        self.metadata: dict[str, Any] = metadata or {}
        self._custom_path: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, uri={self.uri!r}, metadata={self.metadata!r})"

    @property
    def path(self) -> str:
        """The local path of the artifact: its custom path if one was set, else where its URI is mounted."""
        return self._get_path()

    @path.setter
    def path(self, path: str) -> None:
        self._set_path(path)

    def _get_path(self) -> str:
        path = self._custom_path or local_path(self.uri)
        if self.metadata.get("_kfp_workspace") is True:
            return f"{WORKSPACE_MOUNT_PATH}/.artifacts/{path.lstrip('/')}"
        return path

    def _set_path(self, path: str) -> None:
        self.uri = convert_local_path_to_remote_path(path)

    @property
    def custom_path(self) -> str:
        """A path chosen by the component's author instead of the one that follows from the URI; "" when unset."""
        return self._custom_path

    @custom_path.setter
    def custom_path(self, value: str) -> None:
        self._custom_path = value

    def set_path(self, path: str) -> None:
        """Say that the artifact's content is at `path` of this task, whatever its URI."""
        self._custom_path = path


class Model(Artifact):
    """A machine-learning model; `framework` is kept in the metadata."""

    schema_title = "system.Model"

    @property
    def framework(self) -> str:
        """The framework that wrote the model, or ""."""
        return self.metadata.get("framework", "")

    @framework.setter
    def framework(self, framework: str) -> None:
        self.metadata["framework"] = framework

    @property
    def path(self) -> str:
        """As for every artifact; a model in a container image (oci://) has its files under `/models`."""
        path = self._get_path()
        return path + _OCI_MODELS if self.uri.startswith(_OCI_SCHEME) else path

    @path.setter
    def path(self, path: str) -> None:
        self._set_path(path)


class Dataset(Artifact):
    """A dataset."""

    schema_title = "system.Dataset"


class Metrics(Artifact):
    """Scalar metrics, kept in the metadata by name."""

    schema_title = "system.Metrics"

    def log_metric(self, metric: str, value: float) -> None:
        """Set the scalar `metric` to `value`."""
        self.metadata[metric] = value


class ClassificationMetrics(Artifact):
    """An ROC curve (`confidenceMetrics`) and a confusion matrix (`confusionMatrix`), kept in the metadata."""

    schema_title = "system.ClassificationMetrics"

    def log_roc_data_point(self, fpr: float, tpr: float, threshold: float) -> None:
        """Append one point of the ROC curve: false positive rate, true positive rate, threshold."""
        point = {"confidenceThreshold": threshold, "recall": tpr, "falsePositiveRate": fpr}
        self.metadata.setdefault("confidenceMetrics", []).append(point)

    def log_roc_curve(self, fpr: list[float], tpr: list[float], threshold: list[float]) -> None:
        """Append a whole ROC curve.  Raises ValueError when the three lists differ in length."""
        if not len(fpr) == len(tpr) == len(threshold):
            raise ValueError(
                "Length of fpr, tpr and threshold must be the same. "
                f"Got lengths {len(fpr)}, {len(tpr)} and {len(threshold)} respectively."
            )
        for index in range(len(fpr)):
            self.log_roc_data_point(fpr=fpr[index], tpr=tpr[index], threshold=threshold[index])

    def set_confusion_matrix_categories(self, categories: list[str]) -> None:
        """Start a confusion matrix of zeros over `categories`."""
        self.metadata["confusionMatrix"] = {
            "annotationSpecs": [{"displayName": category} for category in categories],
            "rows": [{"row": [0] * len(categories)} for _ in categories],
        }

    def log_confusion_matrix_row(self, row_category: str, row: list[float]) -> None:
        """Set the row of `row_category`.  Raises ValueError on an unknown category or a row of the wrong length."""
        categories, rows = self._confusion_matrix()
        index = _category_index(categories, row_category)
        if len(row) != len(categories):
            raise ValueError(f"Invalid row. Expected size: {len(categories)} got: {len(row)}")
        rows[index] = {"row": row}

    def log_confusion_matrix_cell(self, row_category: str, col_category: str, value: int) -> None:
        """Set one cell.  Raises ValueError on an unknown category."""
        categories, rows = self._confusion_matrix()
        row, column = _category_index(categories, row_category), _category_index(categories, col_category)
        rows[row]["row"][column] = value

    def log_confusion_matrix(self, categories: list[str], matrix: list[list[int]]) -> None:
        """Set categories and all rows.  Raises ValueError when the matrix is not square over the categories."""
        self.set_confusion_matrix_categories(categories)
        if len(matrix) != len(categories) or any(len(row) != len(categories) for row in matrix):
            raise ValueError(f"Invalid matrix: {matrix} passed for categories: {categories}")
        for category, row in zip(categories, matrix):  # noqa: B905 - `strict` needs Python 3.10
            self.log_confusion_matrix_row(category, row)  # pyright: ignore[reportArgumentType] - ints are floats

    def _confusion_matrix(self) -> tuple[list[str], list[dict[str, Any]]]:
        matrix = self.metadata.get("confusionMatrix")
        if matrix is None:
            raise ValueError("The confusion matrix has no categories: call set_confusion_matrix_categories first.")
        return [spec["displayName"] for spec in matrix["annotationSpecs"]], matrix["rows"]


def _category_index(categories: list[str], category: str) -> int:
    if category not in categories:
        raise ValueError(f"Invalid category: {category} passed. Expected one of: {categories}")
    return categories.index(category)


class SlicedClassificationMetrics(Artifact):
    """Classification metrics for each slice of the data, kept in the metadata as `evaluationSlices`.

    The class in kfp 2.17 fails on every call (it never makes its table of slices); this one does what its docs say.
    """

    schema_title = "system.SlicedClassificationMetrics"

    def log_roc_reading(self, slice: str, threshold: float, tpr: float, fpr: float) -> None:
        """Append one point of the slice's ROC curve."""
        self._slice(slice).log_roc_data_point(fpr=fpr, tpr=tpr, threshold=threshold)

    def load_roc_readings(self, slice: str, readings: list[list[float]]) -> None:
        """Append many points, each `[threshold, true positive rate, false positive rate]`."""
        for threshold, tpr, fpr in readings:
            self.log_roc_reading(slice, threshold, tpr, fpr)

    def set_confusion_matrix_categories(self, slice: str, categories: list[str]) -> None:
        """Start the slice's confusion matrix of zeros over `categories`."""
        self._slice(slice).set_confusion_matrix_categories(categories)

    def log_confusion_matrix_row(self, slice: str, row_category: str, row: list[float]) -> None:
        """Set one row of the slice's confusion matrix."""
        self._slice(slice).log_confusion_matrix_row(row_category, row)

    def log_confusion_matrix_cell(self, slice: str, row_category: str, col_category: str, value: int) -> None:
        """Set one cell of the slice's confusion matrix."""
        self._slice(slice).log_confusion_matrix_cell(row_category, col_category, value)

    def load_confusion_matrix(self, slice: str, categories: list[str], matrix: list[list[int]]) -> None:
        """Set the slice's whole confusion matrix."""
        self._slice(slice).log_confusion_matrix(categories, matrix)

    def _slice(self, name: str) -> ClassificationMetrics:
        """A view on the metadata of one slice: what is logged on it lands in our metadata."""
        slices = self.metadata.setdefault("evaluationSlices", [])
        for entry in slices:
            if entry["slice"] == name:
                break
        else:
            entry: dict[str, Any] = {"slice": name, "sliceClassificationMetrics": {}}
            slices.append(entry)
        view = ClassificationMetrics()
        view.metadata = entry["sliceClassificationMetrics"]
        return view


class HTML(Artifact):
    """An HTML page."""

    schema_title = "system.HTML"


class Markdown(Artifact):
    """A Markdown page."""

    schema_title = "system.Markdown"


SYSTEM_CLASSES: tuple[type[Artifact], ...] = (
    Artifact,
    Model,
    Dataset,
    Metrics,
    ClassificationMetrics,
    SlicedClassificationMetrics,
    HTML,
    Markdown,
)
SCHEMA_TITLE_TO_TYPE: dict[str, type[Artifact]] = {cls.schema_title: cls for cls in SYSTEM_CLASSES}


def get_uri(suffix: str = "Output") -> str:
    """A URI of its own under the running task's root.

    `suffix` tells several outputs of one task apart.  Returns "" where the root has no URI.  Raises RuntimeError
    outside a task.
    """
    if CONTAINER_TASK_ROOT is None:
        raise RuntimeError(
            "'dsl.get_uri' can only be called at task runtime. The task root is unknown in the current environment."
        )
    if CONTAINER_TASK_ROOT == _UNSUPPORTED_TASK_ROOT:
        import warnings

        warnings.warn(
            "dsl.get_uri is not yet supported by the KFP backend. Please specify a URI explicitly.",
            RuntimeWarning,
            stacklevel=2,
        )
        return ""
    root = convert_local_path_to_remote_path(CONTAINER_TASK_ROOT)
    return suffix if not root else f"{root.rstrip('/')}/{suffix}"
