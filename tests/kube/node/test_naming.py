"""Names of services in texts: which become addresses, and which are only words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube.embedded.node.links import COMING, known, variables
from wherry.kube.embedded.node.naming import Known, Names, arguments, environment, rewrite


def service(name, ports=(), cluster_ip="127.192.0.1", **spec):
    return {"metadata": {"name": name}, "spec": {"clusterIP": cluster_ip, "ports": list(ports), **spec}}


WEB = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
NAMES = Names(
    "team",
    {
        "web": known(service("web", [WEB])),
        "job": known(service("job", cluster_ip="None")),
        "job-master-0": known(service("job-master-0", [{"port": 23456}], cluster_ip="None")),
        "db": known(service("db", cluster_ip="", type="ExternalName", externalName="db.example.com.")),
    },
    "|".join,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # services, in each of their forms
        ("web.team.svc.cluster.local", "team|web"),
        ("web.team.svc.cluster.local.", "team|web"),
        ("http://web.team.svc/x", "http://team|web/x"),
        ("tcp://web.team:80", "tcp://team|web:80"),
        ("http://web:9999/", "http://team|web:9999/"),
        ("grpc://user@web:80", "grpc://user@team|web:80"),
        ("web:80", "team|web:80"),
        ("other.elsewhere.svc:1", "elsewhere|other:1"),  # said to be a service: it may come later
        ("http://db:5432", "http://db.example.com:5432"),
        # pods of a headless service
        ("job-worker-1.job.team.svc.cluster.local:29500", "team|job|job-worker-1:29500"),
        ("job-node-0-0.job", "team|job|job-node-0-0"),
        ("x.job:29500", "team|job|x:29500"),
        ("a.job.team.svc,b.job.team.svc", "team|job|a,team|job|b"),
        ("job-0.job slots=2\njob-1.job slots=2", "team|job|job-0 slots=2\nteam|job|job-1 slots=2"),
        ('{"worker":["job-master-0.team.svc:2222"]}', '{"worker":["team|job-master-0:2222"]}'),
        # words that only look like them
        ("web", "web"),
        ("the web: 80", "the web: 80"),
        ("web:2", "web:2"),  # an image and its tag: the service has no such port
        ("registry/web:80", "registry/web:80"),
        ("/data/web.team/x", "/data/web.team/x"),
        ("train.job", "train.job"),  # a module, perhaps
        ("file.py", "file.py"),
        ("web-2:80", "web-2:80"),
        ("web_x:80", "web_x:80"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("a.b.c.d.team.svc", "a.b.c.d.team.svc"),
        ("WEB.TEAM.SVC", "WEB.TEAM.SVC"),
        ("$web:80", "$web:80"),
    ],
)
def test_texts(text, wanted):
    assert rewrite(text, NAMES) == wanted


def test_variables_that_hold_hosts_may_hold_a_bare_name():
    told = {
        "MASTER_ADDR": "job-master-0",
        "WORKER_ADDRS": "job-master-0,web",
        "ROLE": "web",
        "HOSTNAME": "job-master-0",
    }
    assert environment(told, NAMES) == {
        "MASTER_ADDR": "team|job-master-0",
        "WORKER_ADDRS": "team|job-master-0,team|web",
        "ROLE": "web",
        "HOSTNAME": "job-master-0",
    }


def test_arguments():
    words = ["run", "--master_addr", "web", "--role", "web", "--rdzv-endpoint=job-master-0:1", "--name=web", "web:80"]
    assert arguments(words, NAMES) == [
        *("run", "--master_addr", "team|web", "--role", "web", "--rdzv-endpoint=team|job-master-0:1", "--name=web"),
        "team|web:80",
    ]
    script = "python train.py --to job-0.job:1 && curl http://web"
    assert arguments(["sh", "-c", script], NAMES)[2] == "python train.py --to team|job|job-0:1 && curl http://team|web"


def test_a_subdomain_whose_service_is_still_to_come():
    names = Names("team", {"soon": COMING}, "|".join)
    assert rewrite("soon-0.soon:1 soon:7", names) == "team|soon|soon-0:1 team|soon:7"


@given(st.text(max_size=60))
def test_any_text_without_names_is_left_alone(text):
    assert rewrite(text, Names("team", {}, "|".join)) == text or ".svc" in text


@given(st.lists(st.sampled_from(["web", ".", ":", "80", "//", "svc", "team", "job", "-", "0", " ", "a"]), max_size=12))
def test_what_is_replaced_once_is_not_replaced_again(parts):
    names = Names("team", {"web": Known({80}, headless=False), "job": COMING}, lambda name: f"127.9.9.{len(name)}")
    once = rewrite("".join(parts), names, host=True)
    assert rewrite(once, names, host=True) == once


def test_variables_of_services():
    services = [
        service("my-web", [WEB]),
        service("hidden", [WEB], cluster_ip="None"),
        service("db", type="ExternalName"),
    ]
    assert variables(services) == {
        "MY_WEB_SERVICE_HOST": "127.192.0.1",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP": "80",
        "MY_WEB_PORT": "tcp://127.192.0.1:80",
        "MY_WEB_PORT_80_TCP": "tcp://127.192.0.1:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "127.192.0.1",
    }
