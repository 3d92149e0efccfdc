"""KFP's REST API, v2beta1: what `kfp.Client` and the `kfp` command speak.

Loaded by `wherry.server.compose` when it is first asked for.
"""

from wherry.pipelines.rest.app import make_app

__all__ = ["make_app"]
