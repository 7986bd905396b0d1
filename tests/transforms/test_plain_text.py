"""Text is text on a terminal, in a spreadsheet, in JSON and in a chart: what acts there is shown
instead.

Here: each kind of place, character by character. Not here: the verbs and pages (tests of those
rooms).
"""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.plain_text import cell, exact_json, markup, visible

STEERING = [
    *map(
        chr,
        [
            *range(0x20),
            *range(0x7F, 0xA0),
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
            0x200E,
            0x200F,
        ],
    )
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("bell\x07 back\x08 return\r tab\t", "bell\\x07 back\\x08 return\\x0d tab\\x09"),
        ("two\nlines", "two\nlines"),
        (":x: [bold]no[/bold]", ":x: [bold]no[/bold]"),
        ("Grüße, 你好, می‌خواهم, 👩‍⚕️", "Grüße, 你好, می‌خواهم, 👩‍⚕️"),  # joiners belong to words
        ("half \ud800", "half \\ud800"),
        ("", ""),
    ],
)
def test_on_a_terminal(text, shown):
    """Escapes, controls and bidi overrides as escapes; words of every script as they are."""
    assert visible(text) == shown


@given(st.text())
def test_nothing_steers(text):
    """Whatever the text: none of the characters that a terminal obeys is left, and shown twice it
    is the same.
    """
    assert not set(visible(text)) & set(STEERING) - {"\n"}
    assert visible(visible(text)) == visible(text)
    visible(text).encode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("  =1", "'  =1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("-", "'-"),
        ("+", "'+"),
        ("=", "'="),
        ("\x00=1", "\\x00=1"),
        ("-5", "-5"),
        ("+5.25", "+5.25"),
        ("-1e-7", "-1e-7"),
        ("-.5", "-.5"),
        ("-inf", "-inf"),
        ("-5 mg", "'-5 mg"),
        ("a=1", "a=1"),
        ("", ""),
        ("\x1b[1m", "\\x1b[1m"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_in_a_spreadsheet(text, written):
    """What would be a formula begins with an apostrophe; what is a number, however written, stays
    one.
    """
    assert cell(text) == written


@given(st.text(st.characters(codec="utf-8")))
def test_no_cell_is_a_formula(text):
    """A cell that does not read as a number begins with nothing that a spreadsheet computes."""
    told = cell(text)
    try:
        float(told)
    except ValueError:
        assert not told.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    out = io.StringIO()
    csv.writer(out).writerow([told])


@given(st.dictionaries(st.text(), st.text()))
def test_json_is_exact(value):
    """JSON keeps every character, as an escape where a terminal would act on it."""
    line = exact_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(line) == value
    assert not set(line) & set(STEERING)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        (
            '<a href="https://evil.example">x</a>',
            '&lt;a href="https://evil.example"&gt;x&lt;/a&gt;',
        ),
        ("%{customdata[1]}", "&#37;{customdata[1]}"),
        ("&lt;", "&amp;lt;"),
        ("5 % of R&D", "5 % of R&amp;D"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_in_a_chart(text, written):
    """Plotly's markup and templates as the characters that they are."""
    assert markup(text) == written
