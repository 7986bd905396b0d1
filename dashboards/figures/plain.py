"""Texts of a finished figure as text: what came with the data is no markup, whatever it holds.

Here: every place where Plotly reads HTML or %{...}: names, labels, hover texts, titles, notes.
Not here: drawing. The figures' own marks stay: <br> anywhere, <b> around a whole note, <extra> in a
hover template.
"""

import re
from collections.abc import Callable, Iterable

import plotly.graph_objects as go

from transforms.plain_text import markup

_IN_TRACES = ("name", "legendgroup", "text", "hovertext", "customdata", "x", "y")
_IN_AXES = ("ticktext", "categoryarray")
_EXTRA = re.compile(r"(.*?<extra>)(.*)(</extra>)", re.DOTALL)
_BOLD = re.compile(r"<b>(.*)</b>", re.DOTALL)
_PERHAPS = re.compile(r"[^\w\s.,:;()/+*=°±·-]")


def plain(figure: go.Figure) -> go.Figure:
    """The same figure, in which nothing of the data acts."""
    for trace in figure.data:
        _put(trace, _IN_TRACES, _text)
        _put(trace, ("hovertemplate",), _template)
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        _put(axis, _IN_AXES, _text)
        _put(axis.title, ("text",), _text)
    for note in figure.layout.annotations:
        _put(note, ("text",), _note)
    return figure


def _put(part, names: Iterable[str], change: Callable[[str], str]) -> None:
    for name in names:
        value = part[name] if name in part else None  # noqa: SIM401 (no mapping)
        if (changed := _changed(value, change)) is not value:
            part[name] = changed


def _changed(value, change: Callable[[str], str]):
    """The value itself where nothing in it is to be changed."""
    if isinstance(value, str):
        return new if _PERHAPS.search(value) and (new := change(value)) != value else value
    if hasattr(value, "dtype"):
        if value.dtype != object:
            return value
        value = value.tolist()
    if isinstance(value, list | tuple):
        new = [_changed(one, change) for one in value]
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value


def _text(text: str) -> str:
    lines = text.split("<br>")
    marked_up = (markup(line) for line in lines)
    return "<br>".join(marked_up)


def _note(text: str) -> str:
    bold = _BOLD.fullmatch(text)
    if bold:
        return f"<b>{_text(bold[1])}</b>"
    return _text(text)


def _template(text: str) -> str:
    """Only a trace's name comes from data, and stands between <extra> and </extra>."""
    extra = _EXTRA.fullmatch(text)
    if not extra:
        return text
    return f"{extra[1]}{_text(extra[2])}{extra[3]}"
