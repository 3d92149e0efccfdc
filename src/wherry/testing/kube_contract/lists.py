"""The contract's sentences about lists: order, selectors, pages.

Part of `KubeContract`.  Invariant: lists are of the test's own namespace and chosen by its own labels, since a server
puts objects of its own into each namespace.
"""

from __future__ import annotations

import pytest

from wherry.kube.errors import BadRequest
from wherry.kube.protocol import Object, ObjectList
from wherry.kube.resources import CONFIGMAPS, EVENTS, NAMESPACES, PODS
from wherry.testing.kube_contract.setting import OpenKube, Place, failure, perform

OURS = {"suite": "wherry"}


def names(found: ObjectList) -> list[str]:
    """The names of a list's objects, in its order."""
    return [item["metadata"]["name"] for item in found.items]


class ListsContract:
    """What holds for lists."""

    def test_lists_are_ordered_by_namespace_and_name(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            other = f"{place.namespace}z"  # after the namespace itself, also where keys are compared as one text
            await place.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
            try:
                run = {"suite": place.namespace}
                for name in ("c", "a", "b"):
                    await place.create(place.configmap(name, labels=run))
                await place.create(place.configmap("0", labels=run, namespace=other))
                own = await place.kube.list(CONFIGMAPS, place.namespace, labels=f"suite={place.namespace}")
                assert names(own) == ["a", "b", "c"]
                everywhere = await place.kube.list(CONFIGMAPS, labels=f"suite={place.namespace}")
                assert names(everywhere) == ["a", "b", "c", "0"]
                assert all(item["kind"] == "ConfigMap" and item["apiVersion"] == "v1" for item in everywhere.items)
            finally:
                await place.kube.delete(NAMESPACES, other)

        perform(open_kube, body)

    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ("", "abcd"),
            ("env=prod", "ac"),
            ("env==prod", "ac"),
            (" env = prod ", "ac"),
            ("env!=prod", "bd"),
            ("env in (prod, test)", "abc"),
            ("env notin (prod)", "bd"),
            ("env", "abc"),
            ("!env", "d"),
            ("env=prod,tier=web", "a"),
            ("env in (prod,test),tier notin (db)", "ab"),
            ("env,!tier", "b"),
            ("tier=", ""),
            ("size>2", "c"),
            ("size<2", "a"),
            ("example.com/team=blue", "d"),
        ],
    )
    def test_label_selectors(self, open_kube: OpenKube, selector: str, expected: str) -> None:
        async def body(place: Place) -> None:
            labels: dict[str, Object] = {
                "a": {"env": "prod", "tier": "web", "size": "1"},
                "b": {"env": "test"},
                "c": {"env": "prod", "tier": "db", "size": "10"},
                "d": {"example.com/team": "blue"},
            }
            for name, own in labels.items():
                await place.create(place.configmap(name, labels={**OURS, **own}))
            found = await place.kube.list(CONFIGMAPS, place.namespace, labels=f"suite=wherry,{selector}".rstrip(","))
            assert "".join(names(found)) == expected

        perform(open_kube, body)

    @pytest.mark.parametrize(
        "selector", ["a=b=c", "a in b", "a in (b", "=b", "a=not a value", ",", "a=b,,c", "!", "a>x"]
    )
    def test_a_selector_that_does_not_parse_is_a_bad_request(self, open_kube: OpenKube, selector: str) -> None:
        async def body(place: Place) -> None:
            error = await failure(place.kube.list(CONFIGMAPS, place.namespace, labels=selector))
            assert isinstance(error, BadRequest)

        perform(open_kube, body)

    def test_field_selectors(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.pod("a"), place.pod("b", node="wherry-contract-none"), place.pod("c"))
            patch = {"status": {"phase": "Failed"}}
            await place.kube.patch(PODS, "c", place.namespace, patch, subresource="status")
            for selector, expected in {
                "metadata.name=b": ["b"],
                "metadata.name!=b": ["a", "c"],
                f"metadata.namespace={place.namespace}": ["a", "b", "c"],
                "status.phase=Failed": ["c"],
                "status.phase!=Failed,metadata.name==a": ["a"],
                "spec.nodeName=wherry-contract-none": ["b"],
                "spec.nodeName=": ["a", "c"],
                "spec.restartPolicy=Never": [],
            }.items():
                assert names(await place.kube.list(PODS, place.namespace, fields=selector)) == expected, selector

        perform(open_kube, body)

    def test_events_are_found_by_what_they_are_about(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            for name in ("a", "b"):
                about = {"kind": "Pod", "apiVersion": "v1", "namespace": place.namespace, "name": name}
                await place.kube.create(
                    {
                        "apiVersion": "v1",
                        "kind": "Event",
                        "metadata": {"generateName": f"{name}.", "namespace": place.namespace},
                        "involvedObject": about,
                        "reason": "Tested",
                        "message": "told",
                        "type": "Normal",
                        "firstTimestamp": "2024-01-01T00:00:00Z",
                        "lastTimestamp": "2024-01-01T00:00:00Z",
                    }
                )
            fields = "involvedObject.kind=Pod,involvedObject.name=b,reason=Tested"
            found = await place.kube.list(EVENTS, place.namespace, fields=fields)
            assert [item["involvedObject"]["name"] for item in found.items] == ["b"]

        perform(open_kube, body)

    @pytest.mark.parametrize("selector", ["spec.none=1", "metadata.name", "metadata.name>a"])
    def test_a_bad_field_selector_is_a_bad_request(self, open_kube: OpenKube, selector: str) -> None:
        async def body(place: Place) -> None:
            assert isinstance(await failure(place.kube.list(PODS, place.namespace, fields=selector)), BadRequest)

        perform(open_kube, body)

    def test_pages_together_are_the_list(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            for name in "abcde":
                await place.create(place.configmap(name, labels=OURS))
            pages = [await place.kube.list(CONFIGMAPS, place.namespace, labels="suite=wherry", limit=2)]
            while pages[-1].continue_:
                token = pages[-1].continue_
                page = await place.kube.list(
                    CONFIGMAPS, place.namespace, labels="suite=wherry", limit=2, continue_=token
                )
                pages.append(page)
            assert [name for page in pages for name in names(page)] == list("abcde")
            assert all(len(page.items) <= 2 for page in pages)
            assert len({page.resource_version for page in pages}) == 1

        perform(open_kube, body)

    def test_pages_show_the_state_of_the_first(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            for name in "bdfh":
                await place.create(place.configmap(name, {"k": "old"}, labels=OURS))
            first = await place.kube.list(CONFIGMAPS, place.namespace, labels="suite=wherry", limit=1)
            await place.create(place.configmap("c", labels=OURS), place.configmap("z", labels=OURS))
            for data in ("new", "newer"):
                await place.kube.patch(CONFIGMAPS, "d", place.namespace, {"data": {"k": data}})
            await place.kube.patch(CONFIGMAPS, "h", place.namespace, {"metadata": {"labels": {"suite": None}}})
            await place.kube.delete(CONFIGMAPS, "f", place.namespace)
            await place.create(place.configmap("f", {"k": "another"}, labels=OURS))
            rest = await place.kube.list(
                CONFIGMAPS, place.namespace, labels="suite=wherry", limit=10, continue_=first.continue_
            )
            assert names(first) == ["b"]
            assert [(item["metadata"]["name"], item["data"]) for item in rest.items] == [
                (name, {"k": "old"}) for name in "dfh"
            ]
            assert rest.resource_version == first.resource_version
            now = await place.kube.list(CONFIGMAPS, place.namespace, labels="suite=wherry")
            assert names(now) == ["b", "c", "d", "f", "z"]

        perform(open_kube, body)

    def test_a_token_that_is_none_is_a_bad_request(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            error = await failure(place.kube.list(CONFIGMAPS, place.namespace, limit=1, continue_="not-a-token"))
            assert isinstance(error, BadRequest)

        perform(open_kube, body)
