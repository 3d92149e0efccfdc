"""Reviews of oneself: who am I, and may I do that?

Called by `wherry.kube.wire.app`.  Source: "Kubernetes API Reference", SelfSubjectReview, SelfSubjectAccessReview,
SelfSubjectRulesReview.  Invariant: the answers are the truth about this server, where whoever may ask may do
everything; nothing of them is stored.
"""

from __future__ import annotations

from typing import Any

from wherry.kube.errors import bad_request, error
from wherry.kube.wire.exchange import Exchange
from wherry.kube.wire.paths import Target

USER = {"username": "wherry", "groups": ["system:masters", "system:authenticated"]}
_EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
# Group and plural -> kind, and the status that answers it.
_KINDS: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("authentication.k8s.io", "selfsubjectreviews"): ("SelfSubjectReview", {"userInfo": USER}),
    ("authorization.k8s.io", "selfsubjectaccessreviews"): ("SelfSubjectAccessReview", {"allowed": True}),
    ("authorization.k8s.io", "selfsubjectrulesreviews"): ("SelfSubjectRulesReview", _EVERYTHING),
}


def is_review(target: Target) -> bool:
    """Whether the path names one of them."""
    return target.version == "v1" and (target.group, target.plural) in _KINDS and not target.name


async def answer(exchange: Exchange, target: Target) -> None:
    """Answers a review that is created; raises BadRequest, MethodNotAllowed."""
    if exchange.method != "POST":
        raise error("MethodNotAllowed", "the server does not allow this method on the requested resource")
    kind, status = _KINDS[target.group, target.plural]
    asked = await exchange.mapping()
    api_version = f"{target.group}/{target.version}"
    if (asked.get("apiVersion", api_version), asked.get("kind", kind)) != (api_version, kind):
        raise bad_request(f"a {kind} of {api_version} is expected, not a {asked.get('kind')}")
    review: dict[str, Any] = {"kind": kind, "apiVersion": api_version, "metadata": {"creationTimestamp": None}}
    if kind != "SelfSubjectReview":
        review["spec"] = asked.get("spec") or {}
    await exchange.answer({**review, "status": status}, 201)
