"""The controllers of a server: one row for each module of them.

Read by `wherry.server.compose`, which gives them to `wherry.kube.embedded.starting`.  Invariant: a module is loaded,
and its controllers begin, with the first object of one of its resources.
"""

from __future__ import annotations

from wherry.kube.embedded.starting import Entry
from wherry.kube.resources import CRONJOBS, DEPLOYMENTS, JOBS, REPLICASETS, SERVICES, STATEFULSETS

_WORKLOADS = "wherry.kube.embedded.controllers"
CONTROLLERS = (
    Entry(f"{_WORKLOADS}.replicasets", (REPLICASETS,)),
    Entry(f"{_WORKLOADS}.deployments", (DEPLOYMENTS,)),
    Entry(f"{_WORKLOADS}.statefulsets", (STATEFULSETS,)),
    Entry(f"{_WORKLOADS}.jobs", (JOBS,)),
    Entry(f"{_WORKLOADS}.cronjobs", (CRONJOBS,)),
    Entry(f"{_WORKLOADS}.endpoints", (SERVICES,)),
)
