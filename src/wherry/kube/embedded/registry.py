"""The kinds that a laptop's API server has; a new kind is one more row here.

Called by `EmbeddedKube`.  Invariant: a row stands beside the rules of its kind and is only collected here.
"""

from __future__ import annotations

from wherry.kube.embedded.claims import CLAIM
from wherry.kube.embedded.configs import CONFIGMAP, SECRET
from wherry.kube.embedded.kinds import Registry
from wherry.kube.embedded.namespaces import EVENT, NAMESPACE
from wherry.kube.embedded.pods import POD
from wherry.kube.resources import DEPLOYMENTS, REPLICASETS

# Kinds that a run does not need: their modules are loaded when somebody asks for one.
LATER = {
    "wherry.kube.embedded.replicas": (REPLICASETS, DEPLOYMENTS),
}
REGISTRY = Registry([NAMESPACE, POD, CONFIGMAP, SECRET, EVENT, CLAIM], LATER)
