"""Components of every making, to be run: notebooks, embedded files, further functions, loaded from YAML."""

import enum
from pathlib import Path
from typing import Literal

from wherry import compiler, components, dsl
from wherry.dsl import Artifact, Dataset, EmbeddedInput, InputPath, Output

FILES = Path(__file__).parents[1] / "compiler" / "sources" / "files"
LABEL = """
name: Label things
inputs:
- {name: Some Words, type: String}
- {name: how often, type: Integer, default: '2'}
- {name: Suffix, type: String, optional: true}
- {name: Table, optional: true}
outputs:
- {name: Count, type: Integer}
- {name: Labels}
implementation:
  container:
    image: python:3.11
    command:
    - python3
    - -c
    - |
      import os, pathlib, sys
      count, labels, *words = sys.argv[1:]
      for path in (count, labels):
          pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
      pathlib.Path(count).write_text(str(len(words)))
      pathlib.Path(labels).write_text(' '.join(words) + os.environ['ENDING'])
    - {outputPath: Count}
    - {outputPath: Labels}
    args:
    - {inputValue: Some Words}
    - concat:
      - x
      - {inputValue: how often}
      - if: {cond: {isPresent: Suffix}, then: {concat: ['-', {inputValue: Suffix}]}}
    - if:
        cond: {isPresent: Suffix}
        then: [with, {inputValue: Suffix}]
        else: [without]
    env: {ENDING: '!'}
"""
label = components.load_component_from_text(LABEL)


def reloaded(component: dsl.BaseComponent) -> components.YamlComponent:
    """What is loaded of what is compiled."""
    return components.load_component_from_text(compiler.yaml_text(component.pipeline_spec, component.platform_spec))


@dsl.component
def read(data: dsl.Input[Artifact]) -> str:
    with open(data.path) as file:
        return file.read()


@dsl.component
def add(a: int, b: int = 1) -> int:
    return a + b


def shout(text: str) -> str:
    return quieter(text).upper()


def quieter(text: str) -> str:
    return text.strip("!")


@dsl.component(additional_funcs=[quieter, shout])
def join(first: str, second: str) -> str:
    return f"{first} {shout(second)}"


add_again = reloaded(add)


@dsl.pipeline
def adds_twice(a: int) -> int:
    return add_again(a=add(a=a).output, b=10).output


adds_twice_again = reloaded(adds_twice)


@dsl.pipeline
def labels(suffix: str = "s") -> str:
    task = label(some_words="one", suffix=suffix)
    second = label(some_words=f"n{task.outputs['count']}", how_often=3).set_env_variable("ENDING", "?")
    return join(
        first=read(data=task.outputs["labels"]).output, second=read(data=second.outputs["labels"]).output
    ).output


@dsl.pipeline
def loaded_pipelines() -> int:
    return adds_twice_again(a=add_again(a=0).output).output


@dsl.component(use_venv=True)
def in_a_venv(text: str) -> str:
    return text[::-1]


@dsl.component(embedded_artifact_path=str(FILES / "assets"))
def counts_embedded(assets: EmbeddedInput[Dataset]) -> int:
    from lib.counting import count

    return count(assets.path + "/words.txt")


@dsl.component(embedded_artifact_path=str(FILES / "assets" / "words.txt"))
def reads_embedded(words: EmbeddedInput[Dataset]) -> str:
    return open(words.path).read().strip()


@dsl.component
def reads_parameter(text: InputPath(str), mapping: InputPath(dict)) -> str:
    return open(text).read() + open(mapping).read()


@dsl.notebook_component(notebook_path=str(FILES / "notebooks" / "counts.ipynb"))
def notebook(greeting: str, out: Output[Dataset], times: int = 2) -> str:
    dsl.run_notebook(greeting=greeting, times=times, target=out.path)
    return open(out.path).read()


@dsl.notebook_component(notebook_path=str(FILES / "notebooks" / "folder"))
def notebook_with_helper(n: int, out: Output[Dataset]) -> str:
    dsl.run_notebook(n=n, target=out.path)
    return open(out.path).read()


@dsl.notebook_component(notebook_path=str(FILES / "notebooks" / "fails.ipynb"))
def failing_notebook():
    dsl.run_notebook()


@dsl.pipeline
def notebooks(greeting: str = "you") -> str:
    first = notebook(greeting=greeting)
    return join(first=first.outputs["Output"], second=notebook_with_helper(n=21).outputs["Output"]).output


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dsl.component
def chooses(
    mode: Literal["fast", "slow"],
    color: Color,
    level: Level = Level.LOW,
    maybe: Color | None = None,
    bits: Literal[8, 16] = 8,
) -> str:
    assert mode in ("fast", "slow")
    return f"{mode} {color} {level > 1} {maybe} {bits + 1}"


@dsl.component
def chosen(n: int) -> Literal["small", "large"]:
    return "small" if n < 10 else "large"


@dsl.component
def next_color(color: Color) -> Color:
    return Color.GREEN if color is Color.RED else Color.RED


@dsl.pipeline
def choices(mode: Literal["fast", "slow"], color: Color = Color.GREEN) -> str:
    first = chooses(mode=mode, color=color, bits=16)
    second = chooses(mode="slow", color="red", level=Level.HIGH, maybe=next_color(color=Color.RED).output)
    third = join(first=chosen(n=3).output, second=chosen(n=30).output)
    return join(first=f"{first.output}, {second.output}", second=third.output).output
