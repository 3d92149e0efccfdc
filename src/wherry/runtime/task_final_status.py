"""`PipelineTaskFinalStatus`: what an exit handler is told about the task or group that it follows.

Used by `wherry.dsl` (re-exported to users) and by `wherry.runtime.executor`, which makes the values.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PipelineTaskFinalStatus:
    """The final state of a pipeline task, for a component parameter annotated with this class.

    `state` is COMPLETE, FAILED or CANCELED; `error_code` and `error_message` are None when it did not fail.
    """

    def __init__(
        self,
        state: str,
        pipeline_job_resource_name: str,
        pipeline_task_name: str,
        error_code: int | None = None,
        error_message: str | None = None,
    ) -> None:
        self.state = state
        self.pipeline_job_resource_name = pipeline_job_resource_name
        self.pipeline_task_name = pipeline_task_name
        self.error_code = error_code
        self.error_message = error_message

    @classmethod
    def from_struct(cls, value: dict[str, Any]) -> PipelineTaskFinalStatus:
        """Read the struct of the executor input; both the camelCase and the snake_case names are accepted."""
        error: dict[str, Any] = value.get("error") or {}
        return cls(
            state=value.get("state", ""),
            pipeline_job_resource_name=_either(value, "pipelineJobResourceName", "pipeline_job_resource_name"),
            pipeline_task_name=_either(value, "pipelineTaskName", "pipeline_task_name"),
            error_code=error.get("code"),
            error_message=error.get("message"),
        )

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] - mutable, as in KFP

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"


def _either(value: dict[str, Any], first: str, second: str) -> Any:
    found = value.get(first)
    return value.get(second) if found is None else found
