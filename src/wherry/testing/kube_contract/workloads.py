"""The contract's sentences about workloads: their scale, what is filled in, what never changes.

Part of `KubeContract`.  Invariant: none of them wants a pod, so that nothing ever runs.
"""

from __future__ import annotations

from typing import Any

from wherry.kube.errors import Conflict, Invalid, NotFound
from wherry.kube.protocol import Object
from wherry.kube.resources import CONFIGMAPS, DEPLOYMENTS, JOBS
from wherry.testing.kube_contract.setting import OpenKube, Place, failure, perform


def _template(place: Place, **spec: Any) -> Object:
    pod = place.pod("a")
    return {"metadata": {"labels": {"app": "a"}}, "spec": {**pod["spec"], **spec}}


def _deployment(place: Place) -> Object:
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": _template(place)}
    metadata = {"name": "a", "namespace": place.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _job(place: Place) -> Object:
    spec = {"parallelism": 0, "completions": 2, "template": _template(place, restartPolicy="Never")}
    metadata = {"name": "a", "namespace": place.namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


class WorkloadsContract:
    """What holds for objects that make others."""

    def test_the_scale_is_a_view_of_the_count(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(_deployment(place))

            async def scale(spec: Object, **metadata: Any) -> Object:
                patch: Object = {"metadata": metadata, "spec": spec}
                return await place.kube.patch(DEPLOYMENTS, "a", place.namespace, patch, subresource="scale")

            shown = await scale({"replicas": 0})
            assert (shown["apiVersion"], shown["kind"]) == ("autoscaling/v1", "Scale")
            assert shown["spec"].get("replicas", 0) == 0
            assert (shown["metadata"]["name"], shown["status"]["selector"]) == ("a", "app=a")
            assert isinstance(await failure(scale({"replicas": -1})), Invalid)
            assert isinstance(await failure(scale({"replicas": 0}, resourceVersion="1")), Conflict)
            await place.create(place.configmap("a"))
            patch: Object = {"spec": {"replicas": 1}}
            missing = await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, patch, subresource="scale"))
            assert isinstance(missing, NotFound)

        perform(open_kube, body)

    def test_a_deployment_is_completed_and_its_generation_counts(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (made,) = await place.create(_deployment(place))
            spec = made["spec"]
            rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
            assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
            assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
            pod = spec["template"]["spec"]
            assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Always", 30)
            assert made["metadata"]["generation"] == 1
            changed = await place.kube.patch(DEPLOYMENTS, "a", place.namespace, {"spec": {"minReadySeconds": 1}})
            assert changed["metadata"]["generation"] == 2
            labeled = await place.kube.patch(DEPLOYMENTS, "a", place.namespace, {"metadata": {"labels": {"x": "1"}}})
            assert labeled["metadata"]["generation"] == 2

        perform(open_kube, body)

    def test_a_selector_never_changes_and_chooses_the_template(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = _deployment(place)
            obj["spec"]["selector"] = {"matchLabels": {"app": "other"}}
            strange = await failure(place.kube.create(obj))
            assert isinstance(strange, Invalid)
            assert [cause.field for cause in strange.causes] == ["spec.template.metadata.labels"]
            await place.create(_deployment(place))
            patch: Object = {"spec": {"selector": {"matchLabels": {"b": "c"}}}}
            patch["spec"]["template"] = {"metadata": {"labels": {"b": "c"}}}
            fixed = await failure(place.kube.patch(DEPLOYMENTS, "a", place.namespace, patch))
            assert isinstance(fixed, Invalid)
            assert [cause.field for cause in fixed.causes] == ["spec.selector"]

        perform(open_kube, body)

    def test_a_job_chooses_its_pods_by_its_uid_and_keeps_its_completions(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (made,) = await place.create(_job(place))
            uid = made["metadata"]["uid"]
            labels = made["spec"]["template"]["metadata"]["labels"]
            assert (labels["controller-uid"], labels["job-name"], labels["app"]) == (uid, "a", "a")
            assert list(made["spec"]["selector"]["matchLabels"].values()) == [uid]
            assert made["spec"]["backoffLimit"] == 6
            assert made["metadata"]["labels"]["app"] == "a"
            fixed = await failure(place.kube.patch(JOBS, "a", place.namespace, {"spec": {"completions": 3}}))
            assert isinstance(fixed, Invalid)
            assert [cause.field for cause in fixed.causes] == ["spec.completions"]
            await place.kube.patch(JOBS, "a", place.namespace, {"spec": {"backoffLimit": 2}})

        perform(open_kube, body)

    def test_pods_of_a_job_end(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = _job(place)
            obj["spec"]["template"]["spec"]["restartPolicy"] = "Always"
            endless = await failure(place.kube.create(obj))
            assert isinstance(endless, Invalid)
            assert [cause.field for cause in endless.causes] == ["spec.template.spec.restartPolicy"]

        perform(open_kube, body)
