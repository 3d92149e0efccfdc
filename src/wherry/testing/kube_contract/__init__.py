"""The contract of `wherry.kube.protocol.Kube`: one suite that every implementation passes unchanged.

A test module derives from `KubeContract` and gives a fixture `open_kube`, which returns a function that opens the
implementation as an async context manager.  Invariant: the suite asks for nothing that a real API server does not do,
and never which one it talks to; differences between server versions are declared in `capabilities`.
"""

from wherry.testing.kube_contract.applies import AppliesContract
from wherry.testing.kube_contract.bounds import BoundsContract
from wherry.testing.kube_contract.endings import EndingsContract
from wherry.testing.kube_contract.lists import ListsContract
from wherry.testing.kube_contract.objects import ObjectsContract
from wherry.testing.kube_contract.setting import Capabilities, OpenKube
from wherry.testing.kube_contract.streams import StreamsContract
from wherry.testing.kube_contract.watches import WatchesContract
from wherry.testing.kube_contract.workloads import WorkloadsContract

__all__ = ["Capabilities", "KubeContract", "OpenKube", "StreamsContract"]


class KubeContract(
    ObjectsContract,
    AppliesContract,
    ListsContract,
    WatchesContract,
    EndingsContract,
    WorkloadsContract,
    BoundsContract,
):
    """Derive, set `capabilities` where the server lacks something, and provide the fixture `open_kube`."""
