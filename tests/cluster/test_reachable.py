"""The hook-up of the real cluster: the one that `.ci/run` starts answers, and is of a version that wherry supports."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from pathlib import Path

import pytest
import yaml


@pytest.mark.cluster
def test_the_api_server_answers_with_a_supported_version(kubeconfig: Path, tmp_path: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]

    def pem(record: dict[str, str], name: str) -> str:
        if name in record:
            return record[name]
        file = tmp_path / name
        file.write_bytes(base64.b64decode(record[f"{name}-data"]))
        return str(file)

    trust = ssl.create_default_context(cafile=pem(cluster, "certificate-authority"))
    trust.load_cert_chain(pem(user, "client-certificate"), pem(user, "client-key"))
    with urllib.request.urlopen(f"{cluster['server']}/version", context=trust) as answer:
        version = json.load(answer)
    assert (int(version["major"]), int(version["minor"].rstrip("+"))) >= (1, 20)
