"""Which resource an object's apiVersion and kind mean, as the server's discovery says.

Called by `wherry.kube.cluster.client`.  Invariant: the server is asked once a group version, and again only for a
kind that it did not have then (a CustomResourceDefinition may have come).
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.cluster.connection import Connection, Request
from wherry.kube.errors import NotFound, bad_request, error
from wherry.kube.protocol import Object
from wherry.kube.resources import CONFIGMAPS, EVENTS, NAMESPACES, PERSISTENTVOLUMECLAIMS, PODS, SECRETS, Resource

_OWN = (PODS, CONFIGMAPS, SECRETS, NAMESPACES, EVENTS, PERSISTENTVOLUMECLAIMS)


class Kinds:
    """Resources by apiVersion and kind; the ones that wherry itself uses are known without asking."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known = {(resource.api_version, resource.kind): resource for resource in _OWN}

    async def of_object(self, obj: Object) -> Resource:
        """The resource of an object.  Raises BadRequest without apiVersion and kind, NotFound for an unknown one."""
        version, kind = obj.get("apiVersion"), obj.get("kind")
        if not (isinstance(version, str) and version and isinstance(kind, str) and kind):
            raise bad_request("an object has an apiVersion and a kind")
        if (version, kind) not in self._known:
            await self._discover(version)
        found = self._known.get((version, kind))
        if found is None:
            raise error("NotFound", f'no matches for kind "{kind}" in version "{version}"')
        return found

    async def _discover(self, api_version: str) -> None:
        group, _, version = api_version.rpartition("/")
        try:
            found = await self._connection.ask(
                Request("GET", f"/apis/{api_version}" if group else f"/api/{version}", {})
            )
        except NotFound:
            return
        for entry in cast("list[dict[str, Any]]", found.get("resources") or []):
            if "/" not in entry["name"]:
                resource = Resource(group, version, entry["kind"], entry["name"], bool(entry["namespaced"]))
                self._known[api_version, entry["kind"]] = resource
