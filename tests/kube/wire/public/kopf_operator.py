"""An operator of a few lines: greets whoever a labelled config map names, and says good-bye before it goes."""

from typing import Any

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "example.com/greeter"


@kopf.on.create("v1", "configmaps", labels={"greet": kopf.PRESENT})
@kopf.on.update("v1", "configmaps", labels={"greet": kopf.PRESENT}, field="data.name")
def greet(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    patch.setdefault("data", {})["greeting"] = f"hello {body['data']['name']}"


@kopf.on.delete("v1", "configmaps", labels={"greet": kopf.PRESENT})
def part(body: kopf.Body, **_: Any) -> None:
    print(f"good-bye {body['data']['name']}", flush=True)
