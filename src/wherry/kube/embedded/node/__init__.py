"""The node of the embedded cluster: pods are processes of this machine."""

from wherry.kube.embedded.node.agent import NodeAgent, NodeSettings
from wherry.kube.embedded.node.capacity import Capacity, machine

__all__ = ["Capacity", "NodeAgent", "NodeSettings", "machine"]
