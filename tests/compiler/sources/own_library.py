"""A library with artifact classes of its own (imported by `own_artifacts`)."""


def _base():
    from kfp.dsl import Artifact

    return Artifact


class TextModel(_base()):
    schema_title = "google.TextModel"
    schema_version = "1.2.3"


class folder:
    class Table(_base()):
        schema_title = "system.Table"
        schema_version = "0.0.2"
