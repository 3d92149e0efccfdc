"""The figures that wherry is held to: `make bench`, or `python -m benchmarks [names...]` in the repository's root."""
