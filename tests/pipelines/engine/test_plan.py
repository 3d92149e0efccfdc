"""The static side of a run: waits of a retry policy."""

from __future__ import annotations

import pytest

from wherry.pipelines.engine.plan import RetryPlan


@pytest.mark.parametrize(
    ("policy", "tries", "wait_s"),
    [
        (RetryPlan(3, 0.0, 2.0, 10.0), 2, 0.0),
        (RetryPlan(3, 5.0, 0.0, 0.0), 3, 5.0),
        (RetryPlan(3, 5.0, 0.5, 0.0), 3, 5.0),
        (RetryPlan(3, 5.0, 2.0, 0.0), 3, 20.0),
        (RetryPlan(3, 5.0, 2.0, 12.0), 3, 12.0),
        (RetryPlan(9999, 1.0, 1e10, 60.0), 5000, 60.0),
        (RetryPlan(9999, 1.0, 1e10, 0.0), 5000, 366 * 86_400.0),
    ],
)
def test_waits_grow_to_their_bound_and_never_overflow(policy: RetryPlan, tries: int, wait_s: float) -> None:
    assert policy.wait_s(tries) == wait_s
