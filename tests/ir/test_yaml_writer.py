"""The writer gives what PyYAML gives, for any plain value, and never an alias."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from wherry.ir.yaml_writer import write

SPECIAL = ["yes", "NO", "null", "~", "1.0", "0x1f", "1e3", "2020-01-01", "=", "<<", ".", "-", "a: b", "a #b", "", " a "]
TEXTS = st.one_of(
    st.sampled_from(SPECIAL),
    st.text(max_size=30),
    st.text(alphabet="ab c:#-'\"\n{}[],&*?|>%@`!1.é\t", max_size=150),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)


class Unaliased(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


@given(VALUES)
@example({"a": {"b": ["sh -c " * 30, {"c": "two\nlines"}, [["deep " * 40]]]}})
@example({"k" * 130: 1, "a\nb": 2})
def test_text_is_what_the_reader_reads_back(value):
    text = write(value)
    assert yaml.safe_load(text) == value


@pytest.mark.skipif(not hasattr(yaml, "CSafeDumper"), reason="PyYAML without libyaml folds long text elsewhere")
@given(VALUES)
@example({"command": ["sh", "-c", "a long text that is folded " * 9], "x": {"y": "a long text that is folded " * 9}})
def test_text_is_pyyamls(value):
    class Peer(yaml.CSafeDumper):
        def ignore_aliases(self, data):
            return True

    assert write(value) == yaml.dump(value, Dumper=Peer, default_flow_style=False)


def test_what_occurs_twice_is_written_twice():
    shared = {"a": ["x"]}
    assert write({"one": shared, "two": shared}) == "one:\n  a:\n  - x\ntwo:\n  a:\n  - x\n"


@pytest.mark.parametrize("value", [{1: "a"}, {"a": {None: 1}}, {"a": {1: 1, "b": 2}}])
def test_keys_that_are_not_text_are_left_to_pyyaml(value):
    assert yaml.safe_load(write(value)) == value


def test_what_is_no_plain_value_is_refused():
    with pytest.raises(yaml.representer.RepresenterError):
        write({"a": object()})
