"""Jobs under everything that may happen: random ends of pods, a controller that dies at any point, views that lag.

The store is a model of an API server with optimistic concurrency; `plan` is all that is under test.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kube.workloads.test_jobs import NS, job

from wherry.kube.embedded.controllers.job_pods import INDEX
from wherry.kube.embedded.controllers.jobs import plan
from wherry.kube.embedded.controllers.pods import active, deleting, finished
from wherry.kube.embedded.jobs import TRACKING
from wherry.kube.errors import Conflict
from wherry.kube.patches import merge
from wherry.kube.times import timestamp

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Died(Exception):
    """The controller is killed between two writes."""


class Model:
    """The truth, what the controller has seen of it, and who has really ended."""

    def __init__(self, obj):
        self.version = 10
        self.job = obj
        self.job["metadata"]["resourceVersion"] = "10"
        self.pods = {}
        self.now = NOW
        self.made = 0
        self.ends = {"Succeeded": set(), "Failed": set()}
        self.dropped = set()  # let go uncounted, by the controller's own wish
        self.counted = set()
        self.over = None
        self.restart()

    def restart(self):
        """A fresh controller lists everything: the Job first."""
        self.seen_job, self.seen_pods = copy.deepcopy(self.job), copy.deepcopy(self.pods)

    def observe(self, names):
        """Some events arrive; the picture never goes back."""
        if "job" in names:
            self.seen_job = copy.deepcopy(self.job)
        for name in [*self.pods, *self.seen_pods]:
            if name in names:
                self._learn(name)

    def _learn(self, name):
        if name in self.pods:
            self.seen_pods[name] = copy.deepcopy(self.pods[name])
        else:
            self.seen_pods.pop(name, None)

    def _bump(self, obj):
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)

    # --- what others do

    def end(self, name, phase):
        pod = self.pods.get(name)
        if pod is None or finished(pod):
            return
        moment = timestamp(self.now.timestamp())
        pod["status"] = {
            "phase": phase,
            "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 1, "finishedAt": moment}}}],
        }
        self._bump(pod)
        self.ends[phase].add(name)
        self._collect(name)

    def delete(self, name):
        pod = self.pods.get(name)
        if pod is not None and not deleting(pod):
            pod["metadata"]["deletionTimestamp"] = timestamp(self.now.timestamp())
            self._bump(pod)
            self._collect(name)

    def _collect(self, name):
        pod = self.pods[name]
        if deleting(pod) and finished(pod) and not pod["metadata"].get("finalizers"):
            del self.pods[name]

    # --- what the controller does

    def step(self, dies_after=None):
        """Plans by what is seen and carries it out as the runner does; raises Died."""
        planned = plan(self.seen_job, sorted(self.seen_pods.values(), key=lambda p: p["metadata"]["name"]), self.now)
        writes = iter(range(10**6))

        def write():
            if dies_after is not None and next(writes) >= dies_after:
                raise Died

        try:
            for change in planned.change:
                write()
                self._change(change, planned)
            for pod in planned.create:
                write()
                self._create(pod)
            for pod in planned.delete:
                write()
                name = pod["metadata"]["name"]
                self.delete(name)
                self._learn(name)
            if planned.status is not None and planned.status != self.seen_job["status"]:
                write()
                self._set_status(planned.status)
        except Conflict:
            return

    def _change(self, change, planned):
        name = change.object["metadata"]["name"]
        pod = self.pods.get(name)
        if pod is None:
            self._learn(name)
            return
        if pod["metadata"]["resourceVersion"] != change.object["metadata"]["resourceVersion"]:
            raise Conflict({})
        if any(name == other["metadata"]["name"] for other in planned.delete):
            self.dropped.add(name)
        self.pods[name] = merge(pod, change.patch)
        self._bump(self.pods[name])
        self._collect(name)
        self._learn(name)

    def _create(self, pod):
        self.made += 1
        name = f"p{self.made}"
        metadata = {**pod["metadata"], "name": name, "uid": name, "namespace": NS}
        metadata["creationTimestamp"] = timestamp(self.now.timestamp())
        metadata["ownerReferences"] = [{"uid": "job", "controller": True}]
        made = {**pod, "metadata": metadata, "spec": {**pod["spec"], "nodeName": "n"}, "status": {"phase": "Running"}}
        self.pods[name] = copy.deepcopy(made)
        self._bump(self.pods[name])
        self._learn(name)

    def _set_status(self, status):
        if self.job["metadata"]["resourceVersion"] != self.seen_job["metadata"]["resourceVersion"]:
            raise Conflict({})
        self.job = {**self.job, "metadata": dict(self.job["metadata"]), "status": copy.deepcopy(status)}
        self._bump(self.job)
        self.seen_job = copy.deepcopy(self.job)

    # --- what must hold

    def check(self):
        spec, status = self.job["spec"], self.job["status"]
        living = [pod for pod in self.pods.values() if active(pod)]
        assert len(living) <= spec["parallelism"]
        noted = status.get("uncountedTerminatedPods", {})
        assert len(noted.get("succeeded", [])) + status.get("succeeded", 0) <= spec["completions"]
        assert status.get("succeeded", 0) <= len(self.ends["Succeeded"])
        held = {item["type"] for item in status.get("conditions", []) if item["status"] == "True"}
        if self.over:
            assert self.over == (held & {"Complete", "Failed"}, status.get("succeeded", 0), status.get("failed", 0))
        elif held & {"Complete", "Failed"}:
            self.over = (held & {"Complete", "Failed"}, status.get("succeeded", 0), status.get("failed", 0))


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.integers(1, 12), st.sampled_from(["Succeeded", "Succeeded", "Failed"])),
        st.tuples(st.just("delete"), st.integers(1, 12)),
        st.tuples(st.just("see"), st.sets(st.sampled_from(["job", *(f"p{n}" for n in range(1, 13))]))),
        st.tuples(st.just("step")),
        st.tuples(st.just("die"), st.integers(0, 4)),
        st.tuples(st.just("wait"), st.integers(1, 700)),
    ),
    max_size=40,
)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 6), st.sampled_from([None, -1, 0, 2]), EVENTS)
@settings(max_examples=100, deadline=None)
def test_every_end_is_counted_once_whatever_happens(completions, parallelism, limit, indexed, events):
    """`indexed` is None for a Job without indexes, and how often each may fail, if that is not negative."""
    mode = {} if indexed is None else {"completionMode": "Indexed"}
    mode |= {"backoffLimitPerIndex": indexed} if indexed is not None and indexed >= 0 else {}
    model = Model(job(completions=completions, parallelism=parallelism, backoffLimit=limit, **mode))
    for event in events:
        match event:
            case ("end", number, phase):
                model.end(f"p{number}", phase)
            case ("delete", number):
                model.delete(f"p{number}")
            case ("see", names):
                model.observe(names)
            case ("step",):
                model.step()
            case ("die", after):
                try:
                    model.step(after)
                except Died:
                    model.restart()
            case ("wait", seconds):
                model.now += timedelta(seconds=seconds)
        model.check()
    # Left alone, it comes to its end: every pod that still runs succeeds.
    rounds = 0
    while rounds < 3 or not (model.over or rounds > 80):
        rounds += 1
        model.restart()
        model.step()
        model.check()
        model.now += timedelta(seconds=700)
        for name in list(model.pods):
            model.end(name, "Succeeded")
    model.restart()
    model.step()
    status = model.job["status"]
    assert model.over
    assert status.get("uncountedTerminatedPods", {}) == {}
    assert not [pod for pod in model.pods.values() if TRACKING in (pod["metadata"].get("finalizers") or [])]
    if model.over[0] == {"Complete"}:
        assert status["succeeded"] == completions
        assert status.get("failed", 0) <= limit
    else:
        assert status["failed"] > limit or status["failedIndexes"]
    if indexed is not None:
        assert all(INDEX in pod["metadata"]["annotations"] for pod in model.pods.values())
