"""Every field of a pod is honoured by the node, refused by its name, or told to be in vain."""

from __future__ import annotations

import asyncio

import pytest
from tests.kube.node.machine import machine, pod_of, sh, terminated

from wherry.kube.embedded.node.lacking import LACKING, lacking_of_stored
from wherry.kube.embedded.node.naming import Names, rewrite
from wherry.kube.embedded.pods import POD
from wherry.kube.errors import Invalid
from wherry.kube.resources import EVENTS
from wherry.kube.schemas import builtin
from wherry.testing import until

ALIASES = [{"ip": "10.1.2.3", "hostnames": ["db.example.com", "db"]}, {"ip": "fd00::1", "hostnames": ["six"]}]
REFUSED = {
    "spec.ephemeralContainers": [{"name": "debugger", "image": "busybox"}],
    "spec.resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}],
    "spec.schedulingGates": [{"name": "example.com/gate"}],
    "spec.readinessGates": [{"conditionType": "example.com/ready"}],
    "container.volumeDevices": [{"name": "v", "devicePath": "/dev/v"}],
    "container.restartPolicy": "Always",
    "container.restartPolicyRules": [{"action": "Restart"}],
}
# What is acted on; `hostPID`, `hostIPC` and `shareProcessNamespace` are always so, for containers are processes.
HONOURED_OF_SPEC = [
    "activeDeadlineSeconds",
    "containers",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "initContainers",
    "nodeName",
    "os",
    "restartPolicy",
    "schedulerName",
    "serviceAccount",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
]
HONOURED_OF_CONTAINERS = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeMounts",
    "workingDir",
]


@pytest.mark.parametrize(
    ("holder", "honoured"),
    [("spec", HONOURED_OF_SPEC), ("container", HONOURED_OF_CONTAINERS)],
    ids=["spec", "container"],
)
def test_no_field_is_silently_ignored(holder, honoured):
    schema = builtin("v1", "Pod").child("spec")
    fields = schema if holder == "spec" else schema.child("containers").items
    answered = [name for name in (*LACKING, *REFUSED) if name.startswith(f"{holder}.") and name.count(".") == 1]
    known = sorted([*honoured, *(name.partition(".")[2] for name in answered)])
    assert known == sorted(fields.node["properties"])


def changed(field, value):
    pod = pod_of(command=sh("true"))
    holder, _, name = field.partition(".")
    (pod["spec"] if holder == "spec" else pod["spec"]["containers"][0])[name] = value
    POD.default(pod)
    return pod


@pytest.mark.parametrize(("field", "value"), REFUSED.items())
def test_what_the_node_has_not_is_refused_by_its_field(field, value):
    assert {cause.field for cause in POD.validate(changed(field, value))} == {
        field.replace("container.", "spec.containers[0].")
    }


@pytest.mark.parametrize(
    ("alias", "field"),
    [
        ({"ip": "somewhere", "hostnames": ["a"]}, "spec.hostAliases[0].ip"),
        ({"hostnames": ["a"]}, "spec.hostAliases[0].ip"),
        ({"ip": "10.0.0.1", "hostnames": ["A b"]}, "spec.hostAliases[0].hostnames"),
        ({"ip": "10.0.0.1", "hostnames": "a"}, "spec.hostAliases[0].hostnames"),
    ],
)
def test_bad_aliases_are_named(alias, field):
    assert [cause.field for cause in POD.validate(changed("spec.hostAliases", [alias]))] == [field]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("spec.dnsConfig", {"nameservers": ["10.0.0.1"]}, True),
        ("spec.runtimeClassName", "gvisor", True),
        ("spec.securityContext", {"runAsUser": 1000}, True),
        ("spec.securityContext", {}, False),
        ("spec.setHostnameAsFQDN", True, True),
        ("spec.hostUsers", True, False),
        ("spec.hostUsers", False, True),
        ("spec.serviceAccountName", "default", False),
        ("container.imagePullPolicy", "Always", False),
        ("container.volumeMounts", [{"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}], True),
        ("container.volumeMounts", [{"name": "v", "mountPath": "/v", "mountPropagation": "None"}], False),
    ],
)
def test_what_is_in_vain_is_known(field, value, told):
    assert bool(lacking_of_stored(changed(field, value))) is told


def test_what_is_in_vain_is_told_on_the_pod(tmp_path):
    async def main():
        async with machine(tmp_path) as node:
            await node.run(command=sh("true"), runtimeClassName="gvisor", dnsConfig={"searches": ["example.com"]})
            listed = await until(lambda: events(node))
            return [(event["type"], event["message"]) for event in listed]

    async def events(node):
        found = (await node.kube.list(EVENTS, "default", fields="involvedObject.name=pod,reason=NotApplicable")).items
        return found

    (said,) = asyncio.run(main())
    assert said[0] == "Normal"
    assert "spec.runtimeClassName is not applicable here" in said[1]
    assert "spec.dnsConfig is not applicable here" in said[1]


def test_names_of_the_pods_own_are_addresses_where_only_a_host_can_stand():
    hosts = {name: alias["ip"] for alias in ALIASES for name in alias["hostnames"]}
    names = Names("team", {}, "|".join, hosts)
    assert (
        rewrite("http://db.example.com/x db:5432 the db of six", names)
        == "http://10.1.2.3/x 10.1.2.3:5432 the db of six"
    )
    assert rewrite("http://six:80/", names) == "http://[fd00::1]:80/"
    assert rewrite("db,six", names, host=True) == "10.1.2.3,fd00::1"


@pytest.mark.parametrize("host_network", [False, True])
def test_processes_are_told_the_addresses_of_aliases(tmp_path, host_network):
    async def main():
        async with machine(tmp_path) as node:
            env = [{"name": "DB_HOST", "value": "db"}]
            script = sh("echo $DB_HOST http://db.example.com:80/ $0")
            await node.run(command=script, env=env, hostAliases=ALIASES, hostNetwork=host_network)
            return await node.log()

    assert asyncio.run(main()) == "10.1.2.3 http://10.1.2.3:80/ sh\n"


def test_a_sub_path_of_variables(tmp_path):
    async def main():
        async with machine(tmp_path) as node:
            env = [{"name": "WHO", "value": "me"}]
            mount = {"name": "v", "mountPath": str(tmp_path / "m"), "subPathExpr": "of-$(WHO)"}
            whole = {"name": "v", "mountPath": str(tmp_path / "all")}
            (tmp_path / "m").mkdir()
            (tmp_path / "all").mkdir()
            script = sh(f"touch {tmp_path}/m/file; ls {tmp_path}/all/of-me")
            volumes = [{"name": "v", "emptyDir": {}}]
            status = await node.run(command=script, env=env, volumeMounts=[mount, whole], volumes=volumes)
            lacks = {**mount, "subPathExpr": "$(NOBODY)"}
            await node.create("lacks", command=script, volumeMounts=[lacks], volumes=volumes)
            return (
                terminated(status)["exitCode"],
                await node.log(),
                await node.waiting("CreateContainerConfigError", "lacks"),
            )

    code, log, why = asyncio.run(main())
    assert (code, log) == (0, "file\n")
    assert 'subPathExpr "$(NOBODY)"' in why


def test_refusals_are_statuses(tmp_path):
    async def main():
        async with machine(tmp_path) as node:
            with pytest.raises(Invalid) as refused:
                await node.create(command=sh("true"), schedulingGates=[{"name": "a"}])
            return refused.value.message

    assert "spec.schedulingGates: Forbidden: nothing opens gates here" in asyncio.run(main())
