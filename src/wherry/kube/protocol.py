"""The narrow waist: the one protocol through which everything that decides talks to everything that runs.

Called by pipelines, the controllers, the node agent and the server; implemented by `wherry.kube.embedded.EmbeddedKube`
(and by the client of a real cluster).  Invariant: nothing above this module knows which implementation it has.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol

from wherry.kube.resources import Resource
from wherry.kube.streams import Session, Tunnel

Object = dict[str, Any]
"""A Kubernetes object as a plain mapping: apiVersion, kind, metadata, spec, status (or data, type, ...)."""

Propagation = Literal["Background", "Foreground", "Orphan"]
PatchType = Literal["merge", "json", "apply"]


class ObjectList(NamedTuple):
    """One page of a list: `resource_version` is where a watch goes on, `continue_` is empty on the last page."""

    items: list[Object]
    resource_version: str
    continue_: str


class WatchEvent(NamedTuple):
    """One change: `type` is ADDED, MODIFIED, DELETED or BOOKMARK (then only metadata.resourceVersion means
    anything)."""

    type: str
    object: Object


class Kube(Protocol):
    """Verbs over Kubernetes objects, with the semantics of a Kubernetes API server.

    Methods belong to one event loop and are called from its thread.  What is passed in is never changed.  What `get`,
    `list`, `create`, `replace`, `patch` and `delete` return is the caller's own to change; the object of a watch
    event is shared between watchers and is only read.  Errors are `wherry.kube.errors.KubeError`s with the server's
    own Status. A failed call changes nothing.  A write that has returned is seen by every later read. Every write
    that changes an object gives it a new resourceVersion; a write that changes nothing gives none. `namespace` is
    required for namespaced resources, but for `list` and `watch`, where empty means all namespaces.
    """

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """The object as it is now.  Raises NotFound."""
        ...

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_: str = "",
    ) -> ObjectList:
        """Objects by namespace and name; `labels` and `fields` are Kubernetes selector text.

        With `limit` a page has at most so many items and `continue_` fetches the next one; all pages show the state
        at the first page's resource version.  Raises BadRequest for a selector or token that does not parse, Gone for
        an old token.
        """
        ...

    async def create(self, obj: Object) -> Object:
        """Makes the object; kind and namespace come from itself, `metadata.generateName` makes a name.

        The server sets uid, creationTimestamp and resourceVersion, and fills in defaults; what the caller says in
        `status` is ignored. Raises AlreadyExists, Invalid (its causes name the fields), NotFound for a missing
        namespace, Forbidden in a terminating one.
        """
        ...

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        """Puts `obj` in the place of what has its name; with a resourceVersion in it only if that is the current one.

        Without subresource, `status` is kept as it was; with subresource `status`, all but the status is kept.
        Raises NotFound, Conflict (stale resourceVersion or another uid), Invalid (immutable or bad field).
        """
        ...

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        """Applies a JSON merge patch (RFC 7386) or a JSON patch (RFC 6902, a list of operations) to the current object.

        With type `apply`, `patch` is what `field_manager` wants of the object (server-side apply): the object is made
        when there is none, what the manager wanted before and no longer does is removed unless others want it, and a
        field that another manager has set to another value is a Conflict whose causes name field and manager, unless
        `force` takes it.  `field_manager` is required then, and recorded with the other types; `force` is for applies.
        A resourceVersion in the patched object must be the current one (Conflict).  Raises also NotFound, Invalid,
        BadRequest for a malformed patch; a JSON patch whose `test` fails or whose path is missing is Invalid and
        changes nothing.
        """
        ...

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation: Propagation = "Background",
        grace_period_s: int | None = None,
        uid: str = "",
        resource_version: str = "",
    ) -> Object | None:
        """Asks for the object's end: None when it is gone at once, else the object with its deletionTimestamp.

        A running pod stays for its grace period, until its node removes it with a grace period of 0; an object with
        finalizers stays until they are removed.  Dependents (owner references) are deleted after the owner
        (Background), before it (Foreground), or are set free (Orphan).  Raises NotFound, Conflict when `uid` or
        `resource_version` differ.
        """
        ...

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """Every change after `resource_version`, in order, none twice and none left out; it ends only by an error or
        by `aclose`.

        Without a version, what exists comes first as ADDED.  An object that comes to match the selectors is ADDED,
        one that no longer does is DELETED.  Raises Gone when the version is too old or the reader too slow: list
        again, then watch.
        """
        ...

    def logs(
        self,
        name: str,
        namespace: str,
        *,
        container: str = "",
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since_s: float | None = None,
        previous: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """What a pod's container has written, in chunks of whole bytes; `follow` goes on until it ends.

        `tail` counts lines from the end, `since_s` is an age in seconds, `previous` is the log of the attempt before
        the present one.  A pod without a node has written nothing.  Raises NotFound, BadRequest (container not named,
        not started, or without such an attempt).
        """
        ...

    def exec(
        self,
        name: str,
        namespace: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bool = False,
        tty: bool = False,
    ) -> AbstractAsyncContextManager[Session]:
        """A command beside a running container, where the container runs; entered when the server has taken it.

        Without `stdin` the command reads an empty input; with `tty` all of its streams are one terminal.  Raises
        NotFound, BadRequest (container not named, no command, not running).  A command that cannot be started raises,
        or is a Status with the reason InternalError: the server decides.
        """
        ...

    def attach(
        self, name: str, namespace: str, *, container: str = "", stdin: bool = False, tty: bool = False
    ) -> AbstractAsyncContextManager[Session]:
        """The streams of a running container itself, from now on; they end with it.

        `stdin` reaches a container whose own `stdin` is true.  Leaving the context ends nothing but a container's input
        with `stdinOnce`.  Raises NotFound, BadRequest.
        """
        ...

    def port_forward(self, name: str, namespace: str, port: int) -> AbstractAsyncContextManager[Tunnel]:
        """A connection to a port of a running pod.  Raises NotFound, BadRequest."""
        ...
