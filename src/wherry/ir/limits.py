"""How big a pipeline document may be.

Read by `wherry.ir.yaml` and `wherry.ir.reader`.
"""

from __future__ import annotations

MAX_BYTES = 64 << 20
MAX_DEPTH = 100  # KFP's own documents stay below 20
