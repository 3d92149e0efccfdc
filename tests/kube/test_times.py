"""Times as clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube.times import seconds_of, timestamp


@given(st.floats(0, 2**33))
def test_a_timestamp_is_read_as_it_was_written(seconds: float) -> None:
    assert seconds_of(timestamp(seconds)) == int(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T05:36:36Z",
        "2026-11-24t05:36:36z",
        "2026-11-24T05:36:36+00:00",
        "2026-11-24T07:36:36.999999+02:00",
        "2026-11-24T00:06:36.123456789-05:30",
    ],
)
def test_every_form_of_one_moment_is_read(text: str) -> None:
    assert timestamp(seconds_of(text)) == "2026-11-24T05:36:36Z"


@pytest.mark.parametrize(
    "text", ["", "2026-11-24", "2026-11-24T05:36:36", "20261124T053636Z", "2026-13-24T05:36:36Z", "١"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        seconds_of(text)
