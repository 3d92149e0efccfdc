"""Random component functions with executor inputs for them: what `test_random_signatures` asks both executors.

Invariant: a seed gives one case; cases stay clear of the differences that `test_executor` lists as ours on purpose.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.runtime.tasks import HEADER, artifact, given

CLASSES = ("Artifact", "Dataset", "Model", "Metrics", "ClassificationMetrics", "HTML", "Markdown", "Mine")
TITLES = {name: f"system.{name}" for name in CLASSES} | {"Mine": "mine.Mine"}
OWN_CLASS = "class Mine(Artifact):\n    schema_title = 'mine.Mine'\n    schema_version = '1.2.3'\n\n"

PARAMETERS: dict[str, list[Any]] = {
    "int": [0, 1, -7, 2**40, True],
    "float": [0.0, 1.5, 3, -1e300, 1e-9],
    "str": ["", "text", "ünïcode", "a\nb", "{{x}}", "1"],
    "bool": [True, False],
    "dict": [{}, {"a": 1}, {"a": {"b": [1, None, 2.5]}}],
    "list": [[], [1, "a", None], [[1], [2]]],
    "List[int]": [[], [1, 2]],
    "Dict[str, float]": [{}, {"x": 0.5}],
    "Optional[str]": ["x", None],
    "Optional[int]": [3, None],
    "Union[float, None]": [2.5, None],
    "typing.List[str]": [["a"]],
}
RETURNS = ("int", "float", "str", "bool", "dict", "list", "List[int]", "Dict[str, float]")
ON_OUTPUTS: dict[str, list[str]] = {
    "Metrics": ["{0}.log_metric('a', 0.5)\n    {0}.log_metric('b', 3)"],
    "ClassificationMetrics": [
        "{0}.log_roc_curve([0.0, 0.5], [0.0, 1.0], [1.0, 0.1])",
        "{0}.log_roc_data_point(fpr=0.1, tpr=0.2, threshold=0.3)",
        "{0}.set_confusion_matrix_categories(['x', 'y'])\n    {0}.log_confusion_matrix_row('x', [1, 2])\n"
        "    {0}.log_confusion_matrix_cell('y', 'x', 5)",
        "{0}.log_confusion_matrix(['x', 'y'], [[1, 2], [3, 4]])",
        "{0}.log_confusion_matrix(['x', 'y'], [[1, 2]])",
        "{0}.log_roc_curve([0.0], [0.0, 1.0], [1.0])",
    ],
    "Model": ["{0}.framework = 'own'", "{0}.uri = 'oci://registry/image:1'"],
}
ON_ANY_OUTPUT = [
    "open({0}.path, 'w').write('content of {0}')",
    "{0}.metadata['k'] = {{'deep': [1, 2]}}",
    "{0}.metadata = {{'only': 'this'}}",
    "{0}.name = 'another'",
    "{0}.uri = 'gs://bucket/{0}'",
    "{0}.path = '/gcs/bucket/{0}'",
    "{0}.uri = dsl.get_uri('{0}')",
    "pass",
]


@dataclass
class Signature:
    """A component function under construction."""

    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    artifacts: dict[str, Any] = field(default_factory=dict[str, Any])
    makes: dict[str, str] = field(default_factory=dict[str, str])
    files: list[str] = field(default_factory=list[str])
    arguments: list[str] = field(default_factory=list[str])
    optional: list[str] = field(default_factory=list[str])
    body: list[str] = field(default_factory=list[str])


def case(seed: int) -> dict[str, Any]:
    """One function with its executor input, as JSON."""
    chance = random.Random(seed)
    made = Signature()
    for number in range(chance.randrange(5)):
        chance.choice([parameter, parameter, input_artifact, output_artifact, output_path])(chance, made, f"x{number}")
    result = returned(chance, made)
    names = [text.partition(":")[0] for text in (*made.arguments, *made.optional)]
    source = (
        f"{HEADER}import typing\n{OWN_CLASS}"
        f"def f({', '.join((*made.arguments, *made.optional))}){result}\n"
        f"    SEEN.append([{', '.join(f'show({name})' for name in names)}])\n"
        + "".join(f"    {line}\n" for line in made.body)
    )
    return {
        "source": source,
        "parameters": made.parameters,
        "artifacts": made.artifacts,
        "makes": made.makes,
        "files": made.files,
    }


def parameter(chance: random.Random, made: Signature, name: str) -> None:
    """A parameter of some type, with or without a value and a default."""
    kind = chance.choice(list(PARAMETERS))
    if chance.random() < 0.3:
        made.optional.append(f"{name}: {kind} = {chance.choice(PARAMETERS[kind])!r}")
    else:
        made.arguments.append(f"{name}: {kind}")
    if chance.random() < 0.85:
        made.parameters[name] = chance.choice(PARAMETERS[kind])


def input_artifact(chance: random.Random, made: Signature, name: str) -> None:
    """An artifact, a list of them, or a path, with or without a value."""
    cls = chance.choice(CLASSES)
    annotation = chance.choice(
        [
            f"Input[{cls}]",
            f"Input[{cls}]",
            f"Input[List[{cls}]]",
            f"List[{cls}]",
            cls,
            f"InputPath({cls!r})",
            "InputPath()",
        ]
    )
    if annotation.startswith("InputPath") or cls == "Mine" or chance.random() < 0.7:
        made.arguments.append(f"{name}: {annotation}")
    else:
        made.optional.append(f"{name}: Optional[{annotation}] = None")
    if chance.random() < 0.85:
        uris = ["gs://b/k", "s3://b/k/d", "minio://b/k", "/plain/path", "oci://r/i:1", "https://h/x"]
        count = chance.randrange(1, 4) if "List" in annotation else 1
        made.artifacts[name] = given(
            *(artifact(f"a{index}", chance.choice(uris), TITLES[cls], n=index) for index in range(count))
        )


def output_artifact(chance: random.Random, made: Signature, name: str) -> None:
    """An output artifact, and something done to it."""
    cls = chance.choice(CLASSES)
    made.arguments.append(f"{name}: Output[{cls}]")
    made.makes[name] = TITLES[cls]
    for line in chance.sample([*ON_ANY_OUTPUT, *ON_OUTPUTS.get(cls, [])], k=2):
        made.body.append(line.format(name))


def output_path(chance: random.Random, made: Signature, name: str) -> None:
    """A path to write an artifact or the text of a parameter to."""
    if chance.random() < 0.5:
        made.arguments.append(f"{name}: OutputPath('Dataset')")
        made.makes[name] = "system.Dataset"
    else:
        made.arguments.append(f"{name}: OutputPath({chance.choice(['str', 'int', 'bool', 'dict'])})")
        made.files.append(name)
    made.body.append(f"open({name}, 'w').write('1')")


def returned(chance: random.Random, made: Signature) -> str:
    """The return annotation; what is returned goes into the body."""
    style = chance.choice(["nothing", "value", "value", "artifact", "tuple", "tuple"])
    if style == "nothing":
        return ":"
    if style == "value":
        kind = chance.choice(RETURNS)
        given_kind = kind if chance.random() < 0.85 else chance.choice(RETURNS)
        made.body.append(f"return {chance.choice(PARAMETERS[given_kind])!r}")
        return f" -> {kind}:"
    if style == "artifact":
        made.makes["Output"] = "system.Dataset"
        made.body.append(
            chance.choice(
                ["return 'text'", "return Dataset(name='n', uri=dsl.get_uri('mine'), metadata={'a': 1})", "return 7"]
            )
        )
        return " -> Dataset:"
    kinds = [chance.choice([*RETURNS, "Dataset"]) for _ in range(chance.randrange(1, 4))]
    for index, kind in enumerate(kinds):
        if kind == "Dataset":
            made.makes[f"o{index}"] = "system.Dataset"
    values = ", ".join(
        f"Dataset(uri=dsl.get_uri('o{index}'))" if kind == "Dataset" else repr(chance.choice(PARAMETERS[kind]))
        for index, kind in enumerate(kinds)
    )
    fields = ", ".join(f"('o{index}', {kind})" for index, kind in enumerate(kinds))
    if chance.random() < 0.3:
        names = ", ".join(f"'o{index}'" for index in range(len(kinds)))
        made.body.append(f"import collections\n    return collections.namedtuple('Z', [{names}])({values})")
    else:
        made.body.append(f"return ({values},)")
    return f" -> NamedTuple('Outputs', [{fields}]):"
