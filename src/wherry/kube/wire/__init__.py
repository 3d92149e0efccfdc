"""The Kubernetes REST API over an `EmbeddedKube`, as an ASGI app: the laptop's cluster for public clients.

Called by the server (`wherry.server.app`) and by tests.  Invariants: every error is a Status object; what a client asks
for and this server does not do is refused by name; nothing is decided here: rules live in `wherry.kube.embedded`.
"""

from wherry.kube.wire.app import make_app

__all__ = ["make_app"]
