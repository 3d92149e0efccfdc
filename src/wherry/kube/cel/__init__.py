"""Kubernetes' CEL: its libraries of functions, types from schemas, and the validation rules of custom resources."""
