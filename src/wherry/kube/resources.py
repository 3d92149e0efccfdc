"""Resources: how kinds are named in paths and objects.

Called by whoever names a kind to a `Kube`.  Invariant: one constant a resource, spelled as the API server's discovery
does.
"""

from __future__ import annotations

from typing import NamedTuple


class Resource(NamedTuple):
    """A kind as discovery shows it: `group` is empty for the core API, `plural` is its name in paths."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`group/version`, or `version` for the core group: the object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`plural.group`, or `plural` for the core group: how messages name the resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = Resource("", "v1", "Pod", "pods", True)
CONFIGMAPS = Resource("", "v1", "ConfigMap", "configmaps", True)
SECRETS = Resource("", "v1", "Secret", "secrets", True)
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", False)
EVENTS = Resource("", "v1", "Event", "events", True)
NEW_EVENTS = Resource("events.k8s.io", "v1", "Event", "events", True)
CUSTOMRESOURCEDEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False
)
PERSISTENTVOLUMECLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True)
JOBS = Resource("batch", "v1", "Job", "jobs", True)
CRONJOBS = Resource("batch", "v1", "CronJob", "cronjobs", True)
REPLICASETS = Resource("apps", "v1", "ReplicaSet", "replicasets", True)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", True)
STATEFULSETS = Resource("apps", "v1", "StatefulSet", "statefulsets", True)
CONTROLLERREVISIONS = Resource("apps", "v1", "ControllerRevision", "controllerrevisions", True)
SCALES = Resource("autoscaling", "v1", "Scale", "scales", True)
SERVICES = Resource("", "v1", "Service", "services", True)
ENDPOINTS = Resource("", "v1", "Endpoints", "endpoints", True)
ENDPOINTSLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True)
SERVICEACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts", True)
NODES = Resource("", "v1", "Node", "nodes", False)
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", True)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", True)
ROLEBINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", True)
CLUSTERROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False)
CLUSTERROLEBINDINGS = Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False)
PRIORITYCLASSES = Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False)
STORAGECLASSES = Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", False)
PERSISTENTVOLUMES = Resource("", "v1", "PersistentVolume", "persistentvolumes", False)
RESOURCEQUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas", True)
LIMITRANGES = Resource("", "v1", "LimitRange", "limitranges", True)
PODDISRUPTIONBUDGETS = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", True)
