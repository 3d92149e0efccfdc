"""No garbage collection while a document is read: all that is made then is kept, and has no cycles.

Called by `wherry.ir.yaml` and `wherry.ir.reader`.  Invariant: collection is on again afterwards if it was before.
Without the pause the collector walks a document of 10,000 tasks again and again while it grows: a third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Generator[None]:
    """Within it nothing is collected."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
