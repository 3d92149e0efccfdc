"""The official Python client, typed: jobs that are waited for, deployments that are scaled and watched."""

import json

from kubernetes import client, config, watch

config.load_kube_config()
apps, batch, v1 = client.AppsV1Api(), client.BatchV1Api(), client.CoreV1Api()


def template(command, **spec):
    """A pod template of one container."""
    container = client.V1Container(name="main", image="busybox", command=command)
    labels = client.V1ObjectMeta(labels={"app": "typed"})
    return client.V1PodTemplateSpec(metadata=labels, spec=client.V1PodSpec(containers=[container], **spec))


def until(stream, condition):
    """The first object of a watch for which the condition holds."""
    watcher = watch.Watch()
    for event in watcher.stream(*stream, field_selector="metadata.name=typed", timeout_seconds=50):
        if condition(event["object"]):
            watcher.stop()
            return event["object"]
    raise AssertionError("it did not come")


def held(obj):
    """The conditions that are true."""
    return {each.type for each in obj.status.conditions or [] if each.status == "True"}


spec = client.V1JobSpec(
    template=template(["sh", "-c", "echo hi"], restart_policy="Never"), completions=2, parallelism=2
)
made = batch.create_namespaced_job("default", client.V1Job(metadata=client.V1ObjectMeta(name="typed"), spec=spec))
assert made.spec.backoff_limit == 6
done = until((batch.list_namespaced_job, "default"), lambda job: "Complete" in held(job))
assert (done.status.succeeded, done.status.completion_time is not None) == (2, True)
assert batch.read_namespaced_job_status("typed", "default").status.succeeded == 2
pods = v1.list_namespaced_pod("default", label_selector="batch.kubernetes.io/job-name=typed").items
assert [v1.read_namespaced_pod_log(pod.metadata.name, "default") for pod in pods] == ["hi\n", "hi\n"]
batch.delete_namespaced_job("typed", "default", propagation_policy="Background")
assert v1.list_namespaced_pod("default", label_selector="job-name=typed").items == []

job = client.V1JobTemplateSpec(spec=client.V1JobSpec(template=template(["true"], restart_policy="OnFailure")))
cron = client.V1CronJobSpec(schedule="@yearly", time_zone="Europe/Berlin", job_template=job)
batch.create_namespaced_cron_job("default", client.V1CronJob(metadata=client.V1ObjectMeta(name="typed"), spec=cron))
assert batch.patch_namespaced_cron_job("typed", "default", {"spec": {"suspend": True}}).spec.suspend is True
try:
    batch.patch_namespaced_cron_job("typed", "default", {"spec": {"schedule": "never"}})
except client.ApiException as error:
    refusal = (error.status, json.loads(error.body)["details"]["causes"][0]["field"])
assert refusal == (422, "spec.schedule")
batch.delete_namespaced_cron_job("typed", "default")

spec = client.V1DeploymentSpec(
    replicas=1,
    selector=client.V1LabelSelector(match_labels={"app": "typed"}),
    template=template(["sleep", "1000"], termination_grace_period_seconds=1),
)
deployment = client.V1Deployment(metadata=client.V1ObjectMeta(name="typed"), spec=spec)
apps.create_namespaced_deployment("default", deployment)
listed = (apps.list_namespaced_deployment, "default")
until(listed, lambda each: each.status.available_replicas == 1)
scale = apps.read_namespaced_deployment_scale("typed", "default")
assert (scale.spec.replicas, scale.status.selector) == (1, "app=typed")
scale.spec.replicas = 3
assert apps.replace_namespaced_deployment_scale("typed", "default", scale).spec.replicas == 3
until(listed, lambda each: each.status.available_replicas == 3)
apps.patch_namespaced_deployment_scale("typed", "default", {"spec": {"replicas": 2}})
ready = until(listed, lambda each: each.status.replicas == each.status.available_replicas == 2)
assert held(ready) == {"Available", "Progressing"}
apps.delete_namespaced_deployment("typed", "default", propagation_policy="Foreground")
chosen = {"label_selector": "app=typed"}
while apps.list_namespaced_replica_set("default", **chosen).items or v1.list_namespaced_pod("default", **chosen).items:
    pass  # each look is a request
print("done")
