"""Quotas and limit ranges: what is refused in which words, what is completed, and that the count is exact."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kube.conftest import World

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.errors import Forbidden, Invalid, KubeError
from wherry.kube.quantities import parse, written
from wherry.kube.resources import (
    CONFIGMAPS,
    LIMITRANGES,
    NAMESPACES,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    RESOURCEQUOTAS,
    SERVICES,
)
from wherry.testing import ManualClock, SequentialIds

Body = Callable[[EmbeddedKube], Awaitable[Any]]


def obj(kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}, **rest}


def quota(name: str = "q", scopes: list[str] | None = None, **hard: Any) -> dict[str, Any]:
    named = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    spec: dict[str, Any] = {"hard": named}
    return obj("ResourceQuota", name, spec=spec if scopes is None else {**spec, "scopes": scopes})


def limits(*items: dict[str, Any]) -> dict[str, Any]:
    return obj("LimitRange", "l", spec={"limits": list(items)})


def pod(name: str, requests: Any = None, limits: Any = None, **spec: Any) -> dict[str, Any]:
    given = {key: value for key, value in (("requests", requests), ("limits", limits)) if value}
    container: dict[str, Any] = {"name": "main", "image": "x:1", "resources": given}
    return obj("Pod", name, spec={"containers": [container], "schedulerName": "none", **spec})


def claim(name: str, storage: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return obj("PersistentVolumeClaim", name, spec=spec)


async def used(kube: EmbeddedKube, name: str = "q") -> dict[str, str]:
    return (await kube.get(RESOURCEQUOTAS, name, "default"))["status"]["used"]


async def refused(creation: Awaitable[Any], kind: type[KubeError] = Forbidden) -> str:
    with pytest.raises(kind) as error:
        await creation
    return error.value.message


def test_one_more_than_a_quota_allows_is_refused_in_upstreams_words(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create(quota(pods="2", requests_cpu="1", requests_memory="2Gi"))
        assert await used(kube) == {"pods": "0", "requests.cpu": "0", "requests.memory": "0"}
        await kube.create(pod("a", {"cpu": "600m", "memory": "1Gi"}))
        message = await refused(kube.create(pod("b", {"cpu": "500m", "memory": "1Gi"})))
        assert message == (
            'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, '
            "limited: requests.cpu=1"
        )
        await kube.create(pod("c", {"cpu": "400m", "memory": "512Mi"}))
        assert await used(kube) == {"pods": "2", "requests.cpu": "1", "requests.memory": "1536Mi"}
        message = await refused(kube.create(pod("d", {"cpu": "0", "memory": "1Gi"})))
        assert "requested: pods=1,requests.memory=1Gi, used: pods=2,requests.memory=1536Mi" in message
        assert "limited: pods=2,requests.memory=2Gi" in message

    world.run(body)


def test_what_a_quota_limits_must_be_said(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create(quota(limits_cpu="1", memory="1Gi"))
        message = await refused(kube.create(pod("a", {"memory": "1Mi"})))
        assert message == 'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: main'
        message = await refused(kube.create(pod("a")))
        assert message.endswith("must specify limits.cpu for: main; memory for: main")
        await kube.create(pod("a", {"memory": "1Mi"}, {"cpu": "1"}))
        assert await used(kube) == {"limits.cpu": "1", "memory": "1Mi"}

    world.run(body)


def test_the_count_follows_what_comes_and_goes(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create(obj("ConfigMap", "before"))
        hard = {"count__pods": "9", "pods": "1", "requests_nvidia.com__gpu": "4", "configmaps": "2"}
        await kube.create(quota(**hard))
        assert (await used(kube))["configmaps"] == "1"
        await kube.create(pod("a", None, {"nvidia.com/gpu": 3}))
        await refused(kube.create(pod("b")))
        finished = {**await kube.get(PODS, "a", "default"), "status": {"phase": "Succeeded"}}
        await kube.replace(finished, subresource="status")
        expected = {"count/pods": "1", "pods": "0", "requests.nvidia.com/gpu": "0", "configmaps": "1"}
        assert await used(kube) == expected
        await kube.create(pod("b"))
        await kube.delete(PODS, "a", "default")
        await kube.delete(CONFIGMAPS, "before", "default")
        assert await used(kube) == {**expected, "pods": "1", "configmaps": "0"}
        await refused(kube.create(pod("a", None, {"nvidia.com/gpu": 5})))

    world.run(body)


def test_claims_services_and_counts_of_any_kind(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        hard = {"requests_storage": "3Gi", "persistentvolumeclaims": "5", "services_nodeports": "1"}
        await kube.create(quota(**hard, **{"count__deployments.apps": "0", "resourcequotas": "1"}))
        await kube.create(claim("a", "2Gi"))
        message = await refused(kube.create(claim("b", "2Gi")))
        assert "requested: requests.storage=2Gi, used: requests.storage=2Gi, limited: requests.storage=3Gi" in message
        bigger = await kube.get(PERSISTENTVOLUMECLAIMS, "a", "default")
        bigger["spec"]["resources"]["requests"]["storage"] = "4Gi"
        assert "requested: requests.storage=2Gi" in await refused(kube.replace(bigger))
        bigger["spec"]["resources"]["requests"]["storage"] = "3Gi"
        await kube.replace(bigger)
        service = obj("Service", "s", spec={"type": "NodePort", "ports": [{"port": 80}]})
        await kube.create(service)
        await refused(kube.create({**service, "metadata": {"name": "t", "namespace": "default"}}))
        assert await used(kube) == {
            "requests.storage": "3Gi", "persistentvolumeclaims": "1", "services.nodeports": "1",
            "count/deployments.apps": "0", "resourcequotas": "1",
        }  # fmt: skip
        labels = {"a": "b"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "m", "image": "x"}]}}
        deployment = obj("Deployment", "d", spec={"selector": {"matchLabels": labels}, "template": template})
        message = await refused(kube.create({**deployment, "apiVersion": "apps/v1"}))
        assert "requested: count/deployments.apps=1" in message
        await refused(kube.create(quota("second", pods="1")))
        await kube.delete(SERVICES, "s", "default")
        assert (await used(kube))["services.nodeports"] == "0"

    world.run(body)


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("BestEffort", {}, {"requests": {"cpu": "1"}}),
        ("NotBestEffort", {"limits": {"memory": "1Mi"}}, {}),
        ("Terminating", {"activeDeadlineSeconds": 5}, {}),
        ("NotTerminating", {}, {"activeDeadlineSeconds": 5}),
        ("PriorityClass", {"priorityClassName": "system-node-critical"}, {}),
    ],
)
def test_scopes(world: World, scope: str, inside: dict[str, Any], outside: dict[str, Any]) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create(quota(scopes=[scope], pods="1"))
        await kube.create(pod("out", **outside))
        await kube.create(obj("ConfigMap", "c"))
        assert await used(kube) == {"pods": "0"}
        await kube.create(pod("in", **inside))
        await refused(kube.create(pod("more", **inside)))
        await kube.create(pod("out2", **outside))
        assert await used(kube) == {"pods": "1"}

    world.run(body)


def test_new_limits_count_anew_and_a_second_quota_holds_too(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create(quota(pods="1"))
        await kube.create(pod("a", {"cpu": "1500m"}))
        stored = await kube.get(RESOURCEQUOTAS, "q", "default")
        await kube.replace({**stored, "spec": {"hard": {"pods": "5", "requests.cpu": "2"}}})
        status = (await kube.get(RESOURCEQUOTAS, "q", "default"))["status"]
        assert status == {"hard": {"pods": "5", "requests.cpu": "2"}, "used": {"pods": "1", "requests.cpu": "1500m"}}
        await kube.create(quota("other", count__pods="1"))
        assert "exceeded quota: other" in await refused(kube.create(pod("b", {"cpu": "100m"})))
        await kube.delete(RESOURCEQUOTAS, "other", "default")
        await kube.create(pod("b", {"cpu": "100m"}))
        assert await used(kube) == {"pods": "2", "requests.cpu": "1600m"}

    world.run(body)


def test_a_refused_creation_and_a_dry_run_use_nothing(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create(quota(pods="1"))
        await kube.create(pod("a"), dry_run=True)
        assert await used(kube) == {"pods": "0"}
        await kube.create(pod("a"))
        await refused(kube.create(pod("a")), KubeError)
        assert await used(kube) == {"pods": "1"}

    world.run(body)


def test_the_count_is_made_anew_at_the_start(world: World) -> None:
    async def before(kube: EmbeddedKube) -> None:
        await kube.create(quota(pods="1"))
        await kube.create(pod("a"))
        stored = await kube.get(RESOURCEQUOTAS, "q", "default")
        await kube.replace({**stored, "status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}}, subresource="status")

    async def after(kube: EmbeddedKube) -> None:
        assert await used(kube) == {"pods": "1"}
        await refused(kube.create(pod("b")))

    world.run(before)
    world.run(after)


def test_a_namespace_with_a_quota_ends(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
        for each in (quota(pods="9", configmaps="9"), obj("ConfigMap", "c"), pod("a")):
            await kube.create({**each, "metadata": {**each["metadata"], "namespace": "n"}})
        await kube.delete(NAMESPACES, "n")
        assert not (await kube.list(RESOURCEQUOTAS, "n")).items

    world.run(body)


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"hard": {"pods": "x"}}, "spec.hard[pods]", "quantities must match"),
        ({"hard": {"pods": "-1"}}, "spec.hard[pods]", "must be greater than or equal to 0"),
        ({"hard": {"pods": "1.5"}}, "spec.hard[pods]", "must be an integer"),
        ({"hard": {"bananas": "1"}}, "spec.hard[bananas]", "must be a standard resource type or fully qualified"),
        ({"hard": [1]}, "spec.hard", "must be a map of quantities"),
        ({"scopes": ["Best"]}, "spec.scopes", 'Unsupported value: "Best"'),
        ({"scopes": ["BestEffort", "NotBestEffort"]}, "spec.scopes", "conflicting scopes"),
        (
            {"hard": {"configmaps": "1"}, "scopes": ["BestEffort"]},
            "spec.scopes",
            "unsupported scope applied to resource",
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}},
            "spec.scopeSelector.matchExpressions[0].values",
            "must be at least one value",
        ),
    ],
)
def test_quotas_that_are_refused(world: World, spec: Any, field: str, message: str) -> None:
    async def body(kube: EmbeddedKube) -> None:
        with pytest.raises(Invalid) as error:
            await kube.create(obj("ResourceQuota", "q", spec=spec))
        assert [cause.field for cause in error.value.causes] == [field]
        assert message in error.value.message

    world.run(body)


def test_limit_ranges_complete_containers(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        container = {"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "500m"}}
        stored = await kube.create(limits(container))
        assert stored["spec"]["limits"][0]["defaultRequest"] == {"cpu": "500m", "memory": "1Gi"}
        made = await kube.create(pod("a", {"cpu": "1"}))
        assert made["spec"]["containers"][0]["resources"] == {
            "requests": {"cpu": "1", "memory": "1Gi"},
            "limits": {"cpu": "2", "memory": "1Gi"},
        }
        assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: memory request for container main; cpu, memory limit for container main"
        )
        assert made["status"]["qosClass"] == "Burstable"
        await kube.create(quota(limits_cpu="3"))
        assert "used: limits.cpu=2" in await refused(kube.create(pod("b")))

    world.run(body)


@pytest.mark.parametrize(
    ("item", "given", "message"),
    [
        ({"type": "Container", "max": {"cpu": "1"}}, {"limits": {"cpu": "2"}},
         "maximum cpu usage per Container is 1, but limit is 2"),
        ({"type": "Container", "min": {"cpu": "1"}}, {"requests": {"cpu": "500m"}},
         "minimum cpu usage per Container is 1, but request is 500m"),
        ({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
         {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}},
         "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"),
        ({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}, {},
         "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"),
        ({"type": "Pod", "max": {"memory": "1Gi"}}, {}, "maximum memory usage per Pod is 1Gi. No limit is specified"),
        ({"type": "Pod", "min": {"memory": "1Gi"}}, {}, "minimum memory usage per Pod is 1Gi. No request is specified"),
        ({"type": "Pod", "max": {"memory": "1Gi"}}, {"limits": {"memory": "1536Mi"}},
         "maximum memory usage per Pod is 1Gi, but limit is 1536Mi"),
        ({"type": "Pod", "max": {"cpu": "1", "memory": "1Gi"}}, {"limits": {"memory": "2Gi", "cpu": "2"}},
         "[maximum cpu usage per Pod is 1, but limit is 2, maximum memory usage per Pod is 1Gi, but limit is 2Gi]"),
    ],
)  # fmt: skip
def test_limit_ranges_refuse_pods(world: World, item: Any, given: Any, message: str) -> None:
    async def body(kube: EmbeddedKube) -> None:
        await kube.create(limits(item))
        assert await refused(kube.create(pod("a", **given))) == f'pods "a" is forbidden: {message}'

    world.run(body)


def test_limit_ranges_refuse_claims(world: World) -> None:
    async def body(kube: EmbeddedKube) -> None:
        bounds = {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}
        await kube.create(limits(bounds))
        message = await refused(kube.create(claim("a", "3Gi")))
        assert message.endswith("maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi")
        message = await refused(kube.create(claim("a", "1Mi")))
        assert message.endswith("minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi")
        await kube.create(claim("a", "1Gi"))
        await kube.delete(LIMITRANGES, "l", "default")
        await kube.create(claim("b", "9Gi"))

    world.run(body)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}, "spec.limits[0].min[cpu]"),
        ({"type": "Pod", "default": {"cpu": "1"}}, "spec.limits[0].default"),
        ({"type": "Container", "max": {"cpu": "x"}}, "spec.limits[0].max[cpu]"),
        ({"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}}, "spec.limits[0].maxLimitRequestRatio[cpu]"),
        ({"type": "PersistentVolumeClaim"}, "spec.limits[0].limits"),
        ({}, "spec.limits[0].type"),
    ],
)
def test_limit_ranges_that_are_refused(world: World, item: Any, field: str) -> None:
    async def body(kube: EmbeddedKube) -> None:
        with pytest.raises(Invalid) as error:
            await kube.create(limits(item))
        assert field in [cause.field for cause in error.value.causes]

    world.run(body)


def test_what_tables_show() -> None:
    kind = REGISTRY.of_resource(RESOURCEQUOTAS)
    status = {"hard": {"pods": "2", "limits.cpu": "4"}, "used": {"pods": "1", "limits.cpu": "500m"}}
    cells = [column.cell({**quota(), "status": status}, 0.0) for column in kind.columns]
    assert cells[0] == "q"
    assert cells[2:] == ["pods: 1/2", "limits.cpu: 500m/4"]


@pytest.mark.parametrize(
    ("amount", "binary", "text"),
    [
        ("0", True, "0"), ("1536Mi", True, "1536Mi"), ("1024Mi", True, "1Gi"), ("1000", True, "1k"),
        ("1500", True, "1500"),
        ("1500m", False, "1500m"), ("2000m", False, "2"), ("3000", False, "3k"), ("1500000", False, "1500k"),
        ("0.5", True, "500m"), ("-1024", True, "-1Ki"), ("1n", False, "1n"), ("100", False, "100"),
    ],
)  # fmt: skip
def test_amounts_are_written_as_upstream_does(amount: str, binary: bool, text: str) -> None:
    assert written(parse(amount), binary=binary) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from([1, 1000, 10**9]), st.booleans())
def test_what_is_written_is_the_amount(number: int, parts: int, binary: bool) -> None:
    assert parse(written(Fraction(number, parts), binary=binary)) == Fraction(number, parts)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "delete", "finish"]),
        st.sampled_from("abc"),
        st.sampled_from(["100m", "250m", "1"]),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(_STEPS)
def test_whatever_happens_the_count_is_that_of_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]
) -> None:
    world = World(str(tmp_path_factory.mktemp("q") / "w.db"), ManualClock(), SequentialIds())

    async def body(kube: EmbeddedKube) -> None:
        await kube.create(quota(pods="2", requests_cpu="1200m", count__pods="3"))
        for step, name, cpu in steps:
            try:
                if step == "create":
                    await kube.create(pod(name, {"cpu": cpu}))
                elif step == "delete":
                    await kube.delete(PODS, name, "default")
                else:
                    patch = {"status": {"phase": "Failed"}}
                    await kube.patch(PODS, name, "default", patch, subresource="status")
            except KubeError:
                continue
            pods = (await kube.list(PODS, "default")).items
            alive = [each for each in pods if each["status"]["phase"] == "Pending"]
            asked = [each["spec"]["containers"][0]["resources"]["requests"]["cpu"] for each in alive]
            cpus = sum(map(parse, asked), Fraction(0))
            shown = await used(kube)
            assert {key: parse(text) for key, text in shown.items()} == {
                "pods": len(alive), "requests.cpu": cpus, "count/pods": len(pods),
            }  # fmt: skip
            assert len(alive) <= 2
            assert cpus <= Fraction(6, 5)

    world.run(body)
