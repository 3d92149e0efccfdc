"""Three hundred components of KFP's first format, made at random but the same each time."""
import json
import random

from kfp import components

PARAMETERS = ["String", "Integer", "Float", "Bool", "List", "Dict", "JsonArray", "JsonObject", "str", "int", "double", "text", "boolean"]
GENERICS = ["typing.List[str]", "List[int]", "Dict[str, int]", "typing.Dict[str,str]", "STRING", "list"]
ARTIFACTS = ["Dataset", "Model", "model", "HTML", "google.VertexModel", "google.a.b", "Foo", "Foo.Bar", None, {"GCSPath": {"a": 1}}, "URI", "listing", "Optional[str]"]
NAMES = ["a", "B c", "some-name", "X_y", "data (csv)", "number 1", "trailing_ ", "Output", "name"]
DEFAULTS = {"1": 9, "x": 3, "true": 3, "[1]": 2, '{"a": 1}': 2, "": 2, 1: 3, 0: 2, 2.5: 1, True: 2, False: 1, "Off": 1}


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        names = self.random.sample(NAMES, len(NAMES))
        inputs, outputs = self.random.randint(0, 4), self.random.randint(0, 3)
        self.inputs = [self.port(name, with_default=True) for name in names[:inputs]]
        self.outputs = [self.port(name, with_default=False) for name in names[inputs : inputs + outputs]]

    def maybe(self, chance):
        return self.random.random() < chance

    def port(self, name, with_default):
        port = {"name": name}
        kind = self.random.choice(PARAMETERS + GENERICS + ARTIFACTS)
        if kind is not None:
            port["type"] = kind
        if with_default and self.maybe(0.4):
            port["default"] = self.random.choices(list(DEFAULTS), list(DEFAULTS.values()))[0]
        if with_default and self.maybe(0.4):
            port["optional"] = self.maybe(0.5)
        if self.maybe(0.2):
            port["description"] = "What it is."
        return port

    def argument(self, depth=0):
        choice = self.random.random()
        if choice < 0.35 or depth > 2:
            return self.random.choice(["x", "--flag", "", "{{$.pipeline_job_name}}"])
        if choice < 0.6 and self.inputs:
            port = self.random.choice(self.inputs)
            is_parameter = port.get("type") in PARAMETERS + GENERICS if not isinstance(port.get("type"), dict) else False
            fitting = ["inputValue"] if is_parameter else ["inputPath", "inputUri"]
            return {self.random.choice(["inputValue", "inputPath"] if self.maybe(0.03) else fitting): port["name"]}
        if choice < 0.75 and self.outputs:
            return {"outputUri" if self.maybe(0.1) else "outputPath": self.random.choice(self.outputs)["name"]}
        if choice < 0.87:
            return {"concat": [self.argument(depth + 1) for _ in range(self.random.randint(0, 3))]}
        if not self.inputs:
            return {"executorInput": None}
        condition = {"cond": {"isPresent": self.random.choice(self.inputs)["name"]}, "then": self.branch(depth)}
        if self.maybe(0.6):
            condition["else"] = self.branch(depth)
        return {"if": condition}

    def branch(self, depth):
        if depth == 0 and self.maybe(0.6):
            return [self.argument(1) for _ in range(self.random.randint(0, 3))]
        return self.random.choice(["t", "u"])

    def component(self):
        container = {"image": "img", "command": [self.argument() for _ in range(self.random.randint(0, 4))]}
        if self.maybe(0.7):
            container["args"] = [self.argument() for _ in range(self.random.randint(0, 4))]
        if self.maybe(0.3):
            container["env"] = {"A": "b", "C": ""}
        component = {"implementation": {"container": container}, "inputs": self.inputs, "outputs": self.outputs}
        if self.maybe(0.95):
            component["name"] = self.random.choice(["A", "Some Name", "x_y--Z", "-a-", "1 two", "name"])
        return component


def make(seed):
    return lambda: components.load_component_from_text(json.dumps(Maker(seed).component()))


for seed in range(300):
    globals()[f"make_{seed}"] = make(seed)
