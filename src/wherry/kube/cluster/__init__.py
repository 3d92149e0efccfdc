"""A real Kubernetes as a `Kube`: `client.ClusterKube`, its configuration and what a server's version lacks.

Used by targets (`--on`), by the contract suite and by tests.  Invariant: importing this package loads no HTTP client; a
run on a laptop never imports its modules.
"""
