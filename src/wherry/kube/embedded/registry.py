"""The kinds that a laptop's API server has; a new kind is one more row here.

Called by `EmbeddedKube`.  Invariant: a row stands beside the rules of its kind and is only collected here.
"""

from __future__ import annotations

from wherry.kube import resources as of
from wherry.kube.embedded.claims import CLAIM
from wherry.kube.embedded.configs import CONFIGMAP, SECRET
from wherry.kube.embedded.kinds import Registry
from wherry.kube.embedded.namespaces import ACCOUNT, EVENT, NAMESPACE
from wherry.kube.embedded.pods import POD

MAJOR, MINOR = "1", "34"  # the Kubernetes that we present
VERSION = f"v{MAJOR}.{MINOR}.0+wherry"
# Kinds that a run does not need: their modules are loaded when somebody asks for one.
LATER = {
    "wherry.kube.embedded.definitions": (of.CUSTOMRESOURCEDEFINITIONS,),
    "wherry.kube.embedded.event_forms": (of.NEW_EVENTS,),
    "wherry.kube.embedded.jobs": (of.JOBS,),
    "wherry.kube.embedded.cronjobs": (of.CRONJOBS,),
    "wherry.kube.embedded.replicas": (of.REPLICASETS, of.DEPLOYMENTS, of.CONTROLLERREVISIONS),
    "wherry.kube.embedded.stateful": (of.STATEFULSETS,),
    "wherry.kube.embedded.services": (of.SERVICES,),
    "wherry.kube.embedded.endpoints": (of.ENDPOINTS, of.ENDPOINTSLICES),
    "wherry.kube.embedded.quotas": (of.RESOURCEQUOTAS,),
    "wherry.kube.embedded.limits": (of.LIMITRANGES,),
    "wherry.kube.embedded.roles": (of.ROLES, of.ROLEBINDINGS, of.CLUSTERROLES, of.CLUSTERROLEBINDINGS),
    "wherry.kube.embedded.nodes": (of.NODES, of.LEASES),
    "wherry.kube.embedded.classes": (
        of.PRIORITYCLASSES,
        of.STORAGECLASSES,
        of.PERSISTENTVOLUMES,
        of.PODDISRUPTIONBUDGETS,
    ),
}
REGISTRY = Registry([NAMESPACE, POD, CONFIGMAP, SECRET, EVENT, CLAIM, ACCOUNT], LATER)
