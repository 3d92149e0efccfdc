"""Descriptions from docstrings of every style."""
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output


@dsl.component
def google(a: str, b: int, d: Input[Dataset], m: Output[Model]) -> str:
    """Does things.

    Longer text
    over lines.

    Args:
        a: The first.
        b (int, optional): The second
            over lines
              with more. Defaults to 3.
        d: Data: with colon.
        m: The model.

    Returns:
        Output: What comes out.

    Raises:
        ValueError: If bad.
    """
    return ""


@dsl.component
def google_short(a: str) -> str:
    """Args:
    a: Only this.
    """
    return a


@dsl.component
def google_returns_text(a: str) -> str:
    """Does things.

    Args:
        a: The first.

    Returns:
        A text without a name.
    """
    return a


@dsl.component
def google_returns_many(a: str) -> NamedTuple("Out", [("x", str), ("y", int)]):
    """Does things.

    Args:
      a: The first.

    Returns:
      x: The first output.
      y: The second
        output.
    """
    return ("", 1)


@dsl.component
def rest(a: str, b: int) -> str:
    """Does things.

    More.

    :param a: The first.
    :param int b: The second
        over lines.
    :type a: str
    :returns: Something.
    :rtype: str
    """
    return ""


@dsl.component
def numpy_style(a: str, b: int, c: str = "") -> str:
    """Does things.

    More.

    Parameters
    ----------
    a : str
        The first.
    b : int, optional
        The second
        over lines.
    c
        The third.

    Returns
    -------
    str
        Something.

    Notes
    -----
    Some notes.
    """
    return ""


@dsl.component
def epydoc(a: str, b: int) -> str:
    """Does things.

    @param a: The first.
    @type a: str
    @param b: The second.
    @return: Something.
    """
    return ""


@dsl.component
def one_line(a: str):
    """Just one line."""


@dsl.component
def line_and_more(a: str):
    """One line
    and the next

    and a paragraph.

        indented
    """


@dsl.component
def colons(a: str):
    """Note: this is not a section.

    Example: neither is this.
    https://example.com
    """


@dsl.component
def bad_args(a: str):
    """Does things.

    Args:
        no colon here
    """


@dsl.component
def unknown_parameter(a: str):
    """Does things.

    Args:
        zzz: Not there.
    """


@dsl.pipeline(description="From the decorator.")
def by_decorator(a: str):
    """From the docstring.

    Args:
        a: The input.
    """
    one_line(a=a)


@dsl.pipeline
def by_docstring(a: str) -> str:
    """From the docstring.

    And more of it.

    Args:
        a: The input.

    Returns:
        Output: The output.
    """
    return google_short(a=a).output


@dsl.pipeline
def combined(a: str):
    by_decorator(a=a)
    by_docstring(a=a)
    google_short(a=a)
