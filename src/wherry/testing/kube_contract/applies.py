"""The contract's sentences about server-side apply.

Part of `KubeContract`.  Invariant: as `objects`.  What comes of longer sequences of writes is the table in
`tests/kube/ownership_table.py`.
"""

from __future__ import annotations

from typing import Any

from wherry.kube.errors import BadRequest, Conflict, Invalid
from wherry.kube.protocol import Object
from wherry.kube.resources import CONFIGMAPS
from wherry.testing.kube_contract.setting import OpenKube, Place, failure, perform


async def _apply(place: Place, manager: str, data: dict[str, str], **more: Any) -> Object:
    config = place.configmap("a", data)
    return await place.kube.patch(CONFIGMAPS, "a", place.namespace, config, type="apply", field_manager=manager, **more)


def _managers(obj: Object) -> set[tuple[str, str]]:
    entries: list[Object] = obj["metadata"].get("managedFields") or []
    return {(entry["manager"], entry["operation"]) for entry in entries}


class AppliesContract:
    """What managers want of an object."""

    def test_an_apply_makes_the_object_when_there_is_none(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            made = await _apply(place, "one", {"k": "1"})
            assert (made["data"], _managers(made)) == ({"k": "1"}, {("one", "Apply")})
            assert await place.kube.get(CONFIGMAPS, "a", place.namespace) == made

        perform(open_kube, body)

    def test_an_apply_of_the_same_changes_nothing(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            made = await _apply(place, "one", {"k": "1"})
            assert await _apply(place, "one", {"k": "1"}) == made

        perform(open_kube, body)

    def test_what_a_manager_no_longer_wants_goes_unless_others_do(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await _apply(place, "one", {"k": "1", "l": "1", "m": "1"})
            await _apply(place, "two", {"l": "1"})
            assert (await _apply(place, "one", {"m": "1"}))["data"] == {"l": "1", "m": "1"}

        perform(open_kube, body)

    def test_another_value_conflicts_unless_it_is_forced(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await _apply(place, "one", {"k": "1"})
            error = await failure(_apply(place, "two", {"k": "2"}))
            assert isinstance(error, Conflict)
            assert error.message == 'Apply failed with 1 conflict: conflict with "one": .data.k'
            assert [tuple(cause) for cause in error.causes] == [
                (".data.k", 'conflict with "one"', "FieldManagerConflict")
            ]
            assert (await _apply(place, "two", {"k": "2"}, force=True))["data"] == {"k": "2"}

        perform(open_kube, body)

    def test_other_patches_take_what_they_change(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await _apply(place, "one", {"k": "1"})
            change = {"data": {"k": "2"}}
            patched = await place.kube.patch(CONFIGMAPS, "a", place.namespace, change, field_manager="two")
            assert _managers(patched) == {("two", "Update")}
            error = await failure(_apply(place, "one", {"k": "3"}))
            assert isinstance(error, Conflict)
            assert error.message == 'Apply failed with 1 conflict: conflict with "two" using v1: .data.k'

        perform(open_kube, body)

    def test_what_was_made_without_applying_is_not_taken_quietly(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", {"k": "1"}))
            assert isinstance(await failure(_apply(place, "one", {"k": "2"})), Conflict)
            assert (await _apply(place, "one", {"k": "1", "l": "1"}))["data"] == {"k": "1", "l": "1"}

        perform(open_kube, body)

    def test_an_apply_needs_a_manager_and_only_an_apply_is_forced(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            error = await failure(_apply(place, "", {"k": "1"}))
            assert isinstance(error, Invalid)
            assert error.message.endswith("fieldManager: Required value: is required for apply patch")
            await _apply(place, "one", {"k": "1"})
            change = {"data": {"k": "2"}}
            error = await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, change, force=True))
            assert isinstance(error, Invalid)
            assert error.message.endswith("force: Forbidden: may not be specified for non-apply patch")

        perform(open_kube, body)

    def test_what_is_applied_is_of_the_kind_and_name(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            other = place.configmap("b", {"k": "1"})
            wrong = {**place.configmap("a"), "apiVersion": "v2"}
            for config in (other, wrong):
                applied = place.kube.patch(CONFIGMAPS, "a", place.namespace, config, type="apply", field_manager="one")
                assert isinstance(await failure(applied), BadRequest)

        perform(open_kube, body)
