"""Components as objects: what the CLI, the client and curious users read from them."""

from __future__ import annotations

import pytest

from wherry import dsl


@dsl.component
def add(a: int, b: int = 1) -> int:
    """Adds.

    Args:
        a: The first.
    """
    return a + b


@dsl.pipeline(name="sums")
def sums(x: int, y: int = 2) -> int:
    """Sums."""
    return add(a=x, b=y).output


def test_a_component_is_still_a_function_to_call() -> None:
    assert add.execute(a=1, b=2) == 3
    assert add.python_func(1) == 2
    assert add.__doc__ is not None


def test_what_it_takes_is_known() -> None:
    assert add.name == "add"
    assert add.description == "Adds."
    assert add.required_inputs == ["a"]
    assert {name: (spec.type, spec.default, spec.optional) for name, spec in sums.inputs.items()} == {
        "x": ("Integer", None, False),
        "y": ("Integer", 2, True),
    }
    assert add.inputs["a"].description == "The first."


def test_pipelines_are_told_from_components() -> None:
    assert dsl.is_pipeline(sums)
    assert not dsl.is_pipeline(add)
    assert dsl.is_component(add)
    assert not dsl.is_component(test_pipelines_are_told_from_components)


def test_a_call_outside_of_a_pipeline_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"wherry\.run\(add, .*test_components\.py:"):
        add(a=1)


def test_caching_can_be_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def cached() -> object:
        @dsl.pipeline
        def flow():
            add(a=1)

        return flow.pipeline_spec["root"]["dag"]["tasks"]["add"]["cachingOptions"]

    assert cached() == {"enableCache": True}
    monkeypatch.setenv("KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT", "true")
    assert cached() == {}


def test_a_failing_pipeline_function_leaves_nothing_open() -> None:
    def broken():
        with dsl.ParallelFor([1]):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        dsl.pipeline(broken)

    @dsl.pipeline
    def works():
        add(a=1)

    assert list(works.pipeline_spec["root"]["dag"]["tasks"]) == ["add"]


def test_embedded_inputs_are_no_part_of_the_interface() -> None:
    @dsl.component(target_image="x")
    def embedded(assets: dsl.EmbeddedInput[dsl.Dataset], n: int) -> int:
        return n

    assert list(embedded.inputs) == ["n"]


@pytest.mark.parametrize("option", ["packages_to_install", "pip_index_urls", "pip_trusted_hosts"])
@pytest.mark.parametrize("value", ["pandas", [1], {"a": 1}])
def test_a_text_is_no_list_of_packages(option: str, value: object) -> None:
    with pytest.raises(TypeError, match=rf"{option} must be a list of texts\. Got: .*\(test_components\.py:"):
        dsl.component(lambda: None, **{option: value})


def test_an_output_component_file_is_written(tmp_path) -> None:
    @dsl.component(output_component_file=str(tmp_path / "c.yaml"))
    def written(n: int) -> int:
        return n

    assert "comp-written" in (tmp_path / "c.yaml").read_text()
