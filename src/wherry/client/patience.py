"""How long a client goes on when the home's servers die under it, and how long it waits before it starts the next.

Called by `wherry.client.api` for each failure, answer and event.  Invariants: as long as servers answer, or events
come, patience does not end; a server that dies over and over is started ever more slowly.
"""

from __future__ import annotations

from wherry.errors import WherryError
from wherry.seams import Clock

ANSWERLESS_S = 60.0  # without any answer since the first failure, after a server has answered before
FIRST_ANSWERLESS_S = 10.0  # the same while none has ever answered: more likely it is broken than killed
HELD_S = 10.0  # a server that lived this long after an answer did not die of what it was asked
DEATHS = 100  # servers in a row that may die sooner than that without one new event
_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0


class Patience:
    """Counts what went wrong since something last went well."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing_since: float | None = None
        self._answered_at: float | None = None
        self._deaths = 0

    def answered(self) -> None:
        """A server has answered."""
        self._failing_since = None
        self._answered_at = self._clock.monotonic()

    def moved(self) -> None:
        """An event has come: the run goes on."""
        self.answered()
        self._deaths = 0

    def pause_s(self, failure: WherryError) -> float:
        """How long to wait before a server is started again after `failure`; raises it when it has been too much."""
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            if self._answered_at is not None and now - self._answered_at >= HELD_S:
                self._deaths = 0
        self._deaths += 1
        limit_s = FIRST_ANSWERLESS_S if self._answered_at is None else ANSWERLESS_S
        if self._deaths > DEATHS or now - self._failing_since > limit_s:
            raise failure
        if self._deaths == 1:
            return 0.0
        return min(_LONGEST_PAUSE_S, _PAUSE_S * 2 ** min(self._deaths, 10))
