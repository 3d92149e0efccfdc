"""Every document of Kubeflow's as a component inside of a pipeline.  Compiled by the released kfp and by wherry."""
import os
from pathlib import Path

from kfp import components, dsl

FOLDER = Path(os.environ["WHERRY_DOCUMENTS"])
VALUES = {"String": "x", "Integer": 1, "Float": 1.0, "Boolean": True, "List": [], "Dict": {}}


def around(path):
    def make():
        loaded = components.load_component_from_file(str(path))

        @dsl.pipeline
        def pipeline():
            arguments = {}
            for name, given in (loaded.component_spec.inputs or {}).items():
                if not given.optional:
                    known = given.type in VALUES
                    arguments[name] = VALUES[given.type] if known else dsl.importer("x", dsl.Artifact).output
            loaded(**arguments)

        return pipeline

    return make


for path in sorted(FOLDER.glob("*.yaml")):
    globals()[f"make_{path.stem}"] = around(path)
