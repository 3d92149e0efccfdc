"""A Kubernetes API server in this process: `EmbeddedKube`, and the seam to its node agent, `LogSource`."""

from wherry.kube.embedded.history import Window
from wherry.kube.embedded.kube import EmbeddedKube
from wherry.kube.embedded.log_source import LogSource

__all__ = ["EmbeddedKube", "LogSource", "Window"]
