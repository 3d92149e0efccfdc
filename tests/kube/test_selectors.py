"""Selectors: the parser is total, and matching follows the definition."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube.errors import BadRequest
from wherry.kube.selectors import field_selector, field_text, label_selector

KEYS = st.sampled_from(["a", "b", "example.com/c", "in", "notin"])
VALUES = st.sampled_from(["", "x", "y", "1", "20", "in"])
SPACE = st.sampled_from(["", " ", "  "])


@st.composite
def requirements(draw):
    """The text of one requirement beside what it means."""
    key, space = draw(KEYS), draw(SPACE)
    form = draw(st.sampled_from(["=", "==", "!=", "in", "notin", "exists", "absent", ">", "<"]))
    if form == "exists":
        return key, lambda labels: key in labels
    if form == "absent":
        return f"!{space}{key}", lambda labels: key not in labels
    if form in ("in", "notin"):
        values = draw(st.lists(VALUES, min_size=1, max_size=3))
        text = f"{key} {form}{space}({f'{space},'.join(values)})"
        return text, lambda labels: (labels.get(key) in values) is (form == "in")
    if form in (">", "<"):
        bound = draw(st.integers(0, 30))

        def compares(labels):
            if not labels.get(key, "").isdigit():
                return False
            return int(labels[key]) > bound if form == ">" else int(labels[key]) < bound

        return f"{key}{space}{form}{space}{bound}", compares
    value = draw(VALUES)
    return f"{key}{space}{form}{space}{value}", lambda labels: (labels.get(key) == value) is (form != "!=")


@given(st.lists(requirements(), max_size=4), st.dictionaries(KEYS, VALUES), SPACE)
def test_a_label_selector_means_all_of_its_requirements(chosen, labels, space):
    selector = label_selector(f"{space},{space}".join(text for text, _ in chosen))
    assert selector.matches(labels) is all(meaning(labels) for _, meaning in chosen)


@given(st.text(alphabet="ab=!(),<> in\\./é\x00", max_size=20))
def test_parsing_ends_in_a_selector_or_a_bad_request(text):
    for parse in (label_selector, field_selector):
        with contextlib.suppress(BadRequest):
            parse(text)


@pytest.mark.parametrize("text", ["a=b c", "a b", "a in ()x", "a in (b))", "a=(b)", "(a)", "a!b", "a=b,"])
def test_what_is_wrong_with_a_label_selector_is_said(text):
    with pytest.raises(BadRequest, match="unable to parse requirement"):
        label_selector(text)


@given(st.lists(st.tuples(st.sampled_from(["x.y", "z"]), st.text(max_size=5), st.booleans()), max_size=3))
def test_a_field_selector_survives_escaping(terms):
    def escaped(value):
        return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")

    text = ",".join(f"{field}{'=' if equal else '!='}{escaped(value)}" for field, value, equal in terms)
    assert [(term.field, term.value, term.equal) for term in field_selector(text).terms] == terms


def test_fields_of_objects_as_text():
    obj = {"spec": {"nodeName": "n", "hostNetwork": True, "count": 3, "none": None}}
    paths = [("spec", "nodeName"), ("spec", "hostNetwork"), ("spec", "count"), ("spec", "none"), ("spec", "x", "y")]
    assert [field_text(obj, path) for path in paths] == ["n", "true", "3", "", ""]
    assert field_text(obj, ("spec", "nodeName", "deeper")) == ""
