"""The Common Expression Language: one implementation for pipelines' conditions and for Kubernetes' rules."""
