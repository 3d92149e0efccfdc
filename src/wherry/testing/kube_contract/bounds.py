"""The contract's sentences about quotas and limit ranges: what a namespace may hold, and what containers get.

Part of `KubeContract`.  Invariant: a server may take a while until a new quota or range holds; once it does, it holds
for every request.
"""

from __future__ import annotations

from wherry.kube.errors import Forbidden, KubeError
from wherry.kube.protocol import Object
from wherry.kube.resources import CONFIGMAPS, PODS, RESOURCEQUOTAS
from wherry.testing.clock import until
from wherry.testing.kube_contract.setting import WITHIN_S, OpenKube, Place, failure, perform


def _bound(place: Place, kind: str, spec: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "bound", "namespace": place.namespace},
        "spec": spec,
    }


async def _used(place: Place, name: str, amount: str) -> None:
    """Waits until the quota says that this much is used."""

    async def says_so() -> bool:
        quota = await place.kube.get(RESOURCEQUOTAS, "bound", place.namespace)
        status: Object = quota.get("status") or {}
        used: dict[str, str] = status.get("used") or {}
        return used.get(name) == amount

    await until(says_so, within_s=WITHIN_S)


class BoundsContract:
    """What holds in namespaces with quotas and limit ranges."""

    def test_a_quota_holds_and_counts(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(_bound(place, "ResourceQuota", {"hard": {"pods": "1", "count/secrets": "100"}}))
            await _used(place, "pods", "0")
            await place.create(place.pod("a"))
            await _used(place, "pods", "1")
            error = await failure(place.kube.create(place.pod("b")))
            assert isinstance(error, Forbidden)
            assert error.message == (
                'pods "b" is forbidden: exceeded quota: bound, requested: pods=1, used: pods=1, limited: pods=1'
            )
            await place.create(place.configmap("c"))
            await place.kube.delete(PODS, "a", place.namespace, grace_period_s=0)
            await _used(place, "pods", "0")
            await place.create(place.pod("b"))
            await place.kube.delete(CONFIGMAPS, "c", place.namespace)

        perform(open_kube, body)

    def test_what_a_quota_limits_has_to_be_said(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(_bound(place, "ResourceQuota", {"hard": {"limits.cpu": "2"}}))
            await _used(place, "limits.cpu", "0")
            await place.create(place.configmap("first"))
            error = await failure(place.kube.create(place.pod("a")))
            assert isinstance(error, Forbidden)
            assert "failed quota: bound: must specify limits.cpu" in error.message
            pod = place.pod("a")
            pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1500m"}}
            await place.create(pod)
            await _used(place, "limits.cpu", "1500m")

        perform(open_kube, body)

    def test_a_limit_range_completes_and_refuses(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            limit = {"type": "Container", "default": {"cpu": "500m"}, "max": {"cpu": "1"}, "min": {"cpu": "100m"}}
            await place.create(_bound(place, "LimitRange", {"limits": [limit]}))
            big = place.pod("big")
            big["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "2"}}
            told: list[KubeError] = []

            async def refused() -> bool:
                """A server may see the range a moment later."""
                try:
                    await place.kube.create(big)
                except KubeError as error:
                    told.append(error)
                    return "maximum cpu" in error.message
                await place.kube.delete(PODS, "big", place.namespace, grace_period_s=0)
                return False

            await until(refused, within_s=WITHIN_S)
            assert isinstance(told[-1], Forbidden)
            assert "maximum cpu usage per Container is 1, but limit is 2" in told[-1].message
            (made,) = await place.create(place.pod("small"))
            resources = made["spec"]["containers"][0]["resources"]
            assert resources == {"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}}
            assert "cpu request for container main" in made["metadata"]["annotations"]["kubernetes.io/limit-ranger"]

        perform(open_kube, body)
