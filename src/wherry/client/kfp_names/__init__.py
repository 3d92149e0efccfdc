"""The names of `kfp`, out of wherry, for flows that are written against it where it is not installed.

`supplied` is entered by `wherry.client.flows` while it runs a user's file.
"""

from __future__ import annotations

from wherry.client.kfp_names.finder import supplied

__all__ = ["supplied"]
