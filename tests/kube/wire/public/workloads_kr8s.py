"""kr8s: a job that is waited for, a deployment that is scaled."""

from kr8s.objects import Deployment, Job

container = {"name": "main", "image": "busybox", "command": ["true"]}
job = Job(
    {
        "metadata": {"name": "k8"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }
)
job.create()
job.wait("condition=Complete", timeout=50)
assert job.status.succeeded == 1
job.delete("Background")

template = {
    "metadata": {"labels": {"app": "k8"}},
    "spec": {"containers": [{**container, "command": ["sleep", "1000"]}]},
}
deployment = Deployment(
    {
        "metadata": {"name": "k8"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "k8"}}, "template": template},
    }
)
deployment.create()
deployment.wait("condition=Available", timeout=50)
deployment.scale(2)
assert deployment.replicas == 2
while not deployment.ready():
    deployment.refresh()
assert len(deployment.pods()) == 2
deployment.delete("Foreground")
print("done")
