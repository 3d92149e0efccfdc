"""The controllers of Kubernetes' own workloads: one module each, loaded when there is an object of its kind."""

__all__: list[str] = []
