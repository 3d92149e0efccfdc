"""What `import kfp` itself gives, but for its modules."""

from __future__ import annotations

from wherry.client.kfp_names.client import Client

__all__ = ["TYPE_CHECK", "Client"]

TYPE_CHECK = True  # kfp checks types whatever it says, and so do we
