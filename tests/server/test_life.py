"""When a home's server leaves: with nothing to do, and not before."""

from __future__ import annotations

from pathlib import Path

from wherry.settings import ServerSettings
from wherry.testing.server import ServerThread


def test_a_server_with_pods_is_not_idle(tmp_path: Path) -> None:
    script = f"until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "waits"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", script]}],
        },
    }
    with ServerThread(tmp_path / "home", settings=ServerSettings(idle_s=0.05)) as server:
        client = server.client()
        client.kubernetes("POST", "/api/v1/namespaces/default/pods", pod)
        client.close()
        assert not server.wait(0.5), "ten times its idle time"
        (tmp_path / "go").touch()
        assert server.wait(30)
