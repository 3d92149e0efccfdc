"""The soak: pipelines of 100 tasks run while the server, zygotes, tasks and clients are killed; `make soak`."""
