"""The store against a plain dict: any sequence of requests leaves what the model leaves, and watches retell it.

Requests are drawn by hypothesis; the model says for each whether it succeeds and with which error; at the end every
watch that was opened on the way must lead from its own list to the final one, through any selector, and so must a
store that was opened anew.
"""

from __future__ import annotations

import asyncio
import copy
import tempfile
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.errors import AlreadyExists, Conflict, Invalid, KubeError, NotFound
from wherry.kube.resources import CONFIGMAPS
from wherry.storage.database import Database
from wherry.testing import ManualClock, SequentialIds

PLACES = st.sampled_from(["default", "kube-system"])
NAMES = st.sampled_from(["a", "b", "c"])
LABELS = st.sampled_from([None, {"x": "1"}, {"x": "2"}])
FINALIZERS = st.sampled_from([[], ["example.com/held"]])
DATA = st.sampled_from(["0", "1"])
SELECTORS = ["", "x=1", "x!=1", "x"]

REQUESTS = st.one_of(
    st.tuples(st.just("create"), PLACES, NAMES, LABELS, FINALIZERS, DATA),
    st.tuples(st.just("replace"), PLACES, NAMES, LABELS, FINALIZERS, DATA, st.sampled_from(["", "current", "stale"])),
    st.tuples(st.just("merge"), PLACES, NAMES, LABELS, DATA),
    st.tuples(st.just("json"), PLACES, NAMES, DATA, DATA),
    st.tuples(st.just("release"), PLACES, NAMES),
    st.tuples(st.just("delete"), PLACES, NAMES),
    st.tuples(st.just("watch")),
    st.tuples(st.just("page"), st.integers(1, 2)),
)


@dataclass
class Model:
    """What there is: (namespace, name) to (data, labels, finalizers, ending)."""

    objects: dict = field(default_factory=dict)

    def apply(self, request):
        """Changes the model; the class of the error that the request must end with, or None."""
        verb, *key_and_more = request
        key, more = tuple(key_and_more[:2]), key_and_more[2:]
        known = self.objects.get(key)
        if verb == "create":
            if known:
                return AlreadyExists
            labels, finalizers, data = more
            self.objects[key] = [data, labels or {}, finalizers, False]
            return None
        if not known:
            return NotFound
        return getattr(self, f"_{verb}")(key, known, *more)

    def _replace(self, key, known, labels, finalizers, data, version):
        if version == "stale":
            return Conflict
        if known[3] and set(finalizers) - set(known[2]):
            return Invalid
        known[:3] = [data, labels or {}, finalizers]
        self._collect(key)
        return None

    def _merge(self, key, known, labels, data):
        known[0] = data
        known[1] = {**known[1], **(labels or {})}
        return None

    def _json(self, key, known, expected, data):
        if known[0] != expected:
            return Invalid
        known[0] = data
        return None

    def _release(self, key, known):
        known[2] = []
        self._collect(key)
        return None

    def _delete(self, key, known):
        known[3] = True
        self._collect(key)
        return None

    def _collect(self, key):
        if self.objects[key][3] and not self.objects[key][2]:
            del self.objects[key]


def configmap(place, name, labels, finalizers, data, **metadata):
    metadata = {"name": name, "namespace": place, **metadata}
    if labels:
        metadata["labels"] = labels
    if finalizers:
        metadata["finalizers"] = finalizers
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": data}}


async def perform(kube, request):
    verb, place, name, *more = request
    if verb == "create":
        return await kube.create(configmap(place, name, *more))
    if verb == "replace":
        labels, finalizers, data, version = more
        said = {}
        if version:
            current = (await kube.get(CONFIGMAPS, name, place))["metadata"]["resourceVersion"]
            said["resourceVersion"] = current if version == "current" else str(int(current) + 1000)
        return await kube.replace(configmap(place, name, labels, finalizers, data, **said))
    if verb == "merge":
        labels, data = more
        patch = {"metadata": {"labels": labels or {}}, "data": {"k": data}}
        return await kube.patch(CONFIGMAPS, name, place, patch)
    if verb == "json":
        expected, data = more
        patch = [{"op": "test", "path": "/data/k", "value": expected}]
        patch += [{"op": "replace", "path": "/data/k", "value": data}]
        return await kube.patch(CONFIGMAPS, name, place, patch, type="json")
    if verb == "release":
        return await kube.patch(CONFIGMAPS, name, place, {"metadata": {"finalizers": None}})
    return await kube.delete(CONFIGMAPS, name, place)


def seen(items):
    """Items as the model has them."""
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): [
            item["data"]["k"],
            item["metadata"].get("labels", {}),
            item["metadata"].get("finalizers", []),
            "deletionTimestamp" in item["metadata"],
        ]
        for item in items
    }


async def listed(kube, selector=""):
    """The list and its version, by key."""
    found = await kube.list(CONFIGMAPS, labels=selector)
    return {(i["metadata"]["namespace"], i["metadata"]["name"]): i for i in found.items}, found.resource_version


async def retold(kube, state, version, selector):
    """`state` after all events since `version`; each must fit what is known when it comes."""
    last = int(version)
    watch = kube.watch(CONFIGMAPS, resource_version=version, labels=selector)
    async with aclosing(watch):
        while True:
            step = asyncio.ensure_future(anext(watch))
            # Everything that has happened is there without waiting; a watch that waits has no more to tell.
            for _ in range(3):
                await asyncio.sleep(0)
            if not step.done():
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
                return state
            event = step.result()
            metadata = event.object["metadata"]
            key = metadata["namespace"], metadata["name"]
            assert int(metadata["resourceVersion"]) > last
            last = int(metadata["resourceVersion"])
            assert (event.type == "ADDED") is (key not in state)
            if event.type == "DELETED":
                del state[key]
            else:
                state[key] = event.object


async def pages(kube, model, limit, requests):
    """A paged list, with requests between its pages, shows the state of its first page."""
    before = copy.deepcopy(model.objects)
    page = await kube.list(CONFIGMAPS, limit=limit)
    items = list(page.items)
    while page.continue_:
        for _ in range(min(4, len(requests))):
            await checked(kube, model, requests.pop(0))
        page = await kube.list(CONFIGMAPS, limit=limit, continue_=page.continue_)
        items += page.items
    assert seen(items) == before


async def checked(kube, model, request):
    expected = model.apply(request)
    try:
        await perform(kube, request)
        error = None
    except KubeError as caught:
        error = type(caught)
    assert error is expected, request


async def story(kube, requests):
    model = Model()
    requests = list(requests)
    watches = [(selector, *await listed(kube, selector)) for selector in SELECTORS]
    while requests:
        request = requests.pop(0)
        if request[0] == "watch":
            watches += [(selector, *await listed(kube, selector)) for selector in SELECTORS]
        elif request[0] == "page":
            later = [item for item in requests if item[0] not in ("watch", "page")]
            await pages(kube, model, request[1], later)
            requests = later
        else:
            await checked(kube, model, request)
        found, _ = await listed(kube)
        assert seen(found.values()) == model.objects
    for selector, state, version in watches:
        final, _ = await listed(kube, selector)
        assert await retold(kube, state, version, selector) == final
    return (await listed(kube))[0]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(PLACES, NAMES)), st.lists(REQUESTS, max_size=40))
def test_any_story_ends_as_the_model_says(first, requests):
    requests = [("create", *key, {"x": "1"}, [], "0") for key in sorted(first)] + requests

    async def main(folder):
        clock, ids = ManualClock(), SequentialIds()
        path = Path(folder) / "wherry.db"
        db = Database.open(path, clock=clock)
        final = await story(EmbeddedKube(db, clock=clock, ids=ids), requests)
        db.close()
        db = Database.open(path, clock=clock)
        assert (await listed(EmbeddedKube(db, clock=clock, ids=ids)))[0] == final
        db.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))
