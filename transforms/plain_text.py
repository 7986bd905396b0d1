"""Text is text: what would act where it is shown (a terminal, a spreadsheet, a chart's markup) is
shown instead.

Here: the characters and beginnings that act, and how each is written so that it doesn't. Not here:
printing, drawing.
"""

import re

# Controls (C0, DEL, C1) but for line feed, and what turns the direction of writing: CVE-2021-42574,
# UAX 9.
_ACTS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_ACTS_IN_CSV = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_FORMULA = re.compile(
    r"\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]"
)  # the wide ones of East Asian keyboards too
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)")


def visible(text: str) -> str:
    """For a terminal: each character that would steer it as an escape, \\x1b for ESC; line feeds
    stay.
    """
    return _ACTS.sub(_escaped, text)


def one_line(text: str) -> str:
    """The same without line feeds, for what stands beside other things."""
    return visible(text).replace("\n", "\\n")


def exact_json(line: str) -> str:
    """JSON that a terminal can't act on: the same value, such characters of its texts as JSON's own
    escapes.
    """
    return _ACTS.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def cell(text: str) -> str:
    """For a spreadsheet: what it would take for a formula begins with an apostrophe; a number stays
    as it is.
    """
    text = _ACTS_IN_CSV.sub(_escaped, text)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def markup(text: str) -> str:
    """For Plotly, which takes some HTML and %{...} in every text: as entities, which it shows as
    they were.
    """
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "&#37;{")):
        text = text.replace(mark, entity)
    return visible(text)


def _escaped(match: re.Match) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}"
