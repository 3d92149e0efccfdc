"""Who asks: reviews (who am I, who may do that?), and requests in the name of somebody else.

Called by `wherry.kube.wire.app`.  Source: "Kubernetes API Reference", SelfSubjectReview, SelfSubjectAccessReview,
SelfSubjectRulesReview, SubjectAccessReview, TokenReview.  Invariant: the answers are the truth about this server, where
whoever may ask may do everything and nobody else is known; nothing of them is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from wherry.kube.errors import bad_request, error
from wherry.kube.resources import Resource
from wherry.kube.wire.exchange import Exchange
from wherry.kube.wire.paths import Target

USER = {"username": "wherry", "groups": ["system:masters", "system:authenticated"]}
_EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
_AUTHORIZATION = "authorization.k8s.io"
# What is asked, and the status that answers it; an empty one is judged.
REVIEWS: dict[Resource, dict[str, Any]] = {
    Resource("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", False): {"userInfo": USER},
    Resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", False): {},
    Resource(_AUTHORIZATION, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False): {"allowed": True},
    Resource(_AUTHORIZATION, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", False): _EVERYTHING,
    Resource(_AUTHORIZATION, "v1", "SubjectAccessReview", "subjectaccessreviews", False): {},
    Resource(_AUTHORIZATION, "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", True): {},
}
_PLACES = {(resource.group, resource.version, resource.plural): resource for resource in REVIEWS}
NO_TOKENS = "this server issues no tokens of service accounts: whoever may ask it has the home's own"
_STRANGER = "nobody but the holder of the home's token is known to this server"
Authentic = Callable[[str], bool]
"""Whether a token is the home's own."""
_IMPERSONATE = b"impersonate-"  # Impersonate-User, -Group, -Uid, -Extra-...


def check_impersonation(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises Forbidden for a request in the name of somebody else (`kubectl --as`): nobody else is known."""
    for name, value in headers:
        if name.lower().startswith(_IMPERSONATE):
            header, said = name.decode("latin-1"), value.decode("latin-1")
            raise error(
                "Forbidden",
                f'User "{USER["username"]}" cannot impersonate ({header}: {said}): this server has one user, and no'
                " rights of others; ask without --as",
            )


def _identified(spec: Any, authentic: Authentic) -> dict[str, Any]:
    """Whose token it is: the home's own is its holder's, every other nobody's.  Raises BadRequest."""
    token: Any = cast("dict[str, Any]", spec).get("token") if isinstance(spec, dict) else None
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    if isinstance(token, str) and authentic(token):
        return {"authenticated": True, "user": USER}
    return {"authenticated": False, "error": _STRANGER}


def _judged(spec: Any) -> dict[str, Any]:
    """Whether somebody may do something: we know one user.  Raises BadRequest."""
    if not isinstance(spec, dict):
        raise bad_request("spec is required")
    asked = cast("dict[str, Any]", spec)
    user: Any = asked.get("user")
    listed: Any = asked.get("groups")
    groups = cast("list[Any]", listed) if isinstance(listed, list) else []
    if not user and not groups:
        raise bad_request("spec.user: Required value: at least one of user or group must be specified")
    known = user == USER["username"] or any(group in groups for group in USER["groups"])
    return {"allowed": True} if known else {"allowed": False, "denied": True, "reason": _STRANGER}


def is_review(target: Target) -> bool:
    """Whether the path names one of them."""
    return (target.group, target.version, target.plural) in _PLACES and not target.name


async def answer(exchange: Exchange, target: Target, authentic: Authentic) -> None:
    """Answers a review that is created; raises BadRequest, MethodNotAllowed."""
    if exchange.method != "POST":
        raise error("MethodNotAllowed", "the server does not allow this method on the requested resource")
    resource = _PLACES[target.group, target.version, target.plural]
    kind, api_version, status = resource.kind, resource.api_version, REVIEWS[resource]
    asked = await exchange.mapping()
    if (asked.get("apiVersion", api_version), asked.get("kind", kind)) != (api_version, kind):
        raise bad_request(f"a {kind} of {api_version} is expected, not a {asked.get('kind')}")
    review: dict[str, Any] = {"kind": kind, "apiVersion": api_version, "metadata": {"creationTimestamp": None}}
    if kind != "SelfSubjectReview":
        review["spec"] = asked.get("spec") or {}
    if kind == "TokenReview":
        status = _identified(review["spec"], authentic)
    elif not status:
        status = _judged(review["spec"])
    await exchange.answer({**review, "status": status}, 201)
