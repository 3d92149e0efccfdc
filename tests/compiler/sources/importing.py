"""Importers."""
from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model


@dsl.component
def use(d: Input[Dataset]):
    pass


@dsl.component
def uri() -> str:
    return "s3://x"


@dsl.component
def number() -> int:
    return 1


@dsl.pipeline
def constant():
    t = dsl.importer(artifact_uri="gs://bucket/x.txt", artifact_class=Dataset)
    use(d=t.output)
    dsl.importer("s3://m", Model, reimport=True)
    dsl.importer(artifact_uri="x", artifact_class=Artifact, reimport=False, metadata={"a": 1, "b": [True, "x", 1.5], "c": {"d": "e"}})


@dsl.pipeline
def known_later(where: str, n: int = 3, d: dict = {}):
    t = dsl.importer(artifact_uri=where, artifact_class=Dataset)
    use(d=t.outputs["artifact"])
    dsl.importer(artifact_uri=uri().output, artifact_class=Dataset, reimport=True)
    dsl.importer(
        artifact_uri="x",
        artifact_class=Dataset,
        metadata={"where": where, "n": n, "list": [n, where], "text": f"<{n}>", "nested": {"d": d}},
    )


@dsl.pipeline
def in_groups(where: str, x: int):
    with dsl.If(x == 1):
        t = dsl.importer(artifact_uri=where, artifact_class=Dataset)
        use(d=t.output)
    with dsl.ParallelFor(["a", "b"]) as item:
        u = dsl.importer(artifact_uri=item, artifact_class=Dataset, metadata={"k": where})
        use(d=u.output)


@dsl.pipeline
def settings():
    t = dsl.importer(artifact_uri="x", artifact_class=Dataset).set_caching_options(False).set_display_name("Import")
    use(d=t.output).after(t)
