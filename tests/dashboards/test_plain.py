"""What came with the data is no markup in a chart: names, labels, hover texts.

Here: a figure's texts, kind by kind. Not here: which character is written how
(tests/transforms/test_plain_text.py).
"""

import json

import plotly.graph_objects as go
import polars as pl

from dashboards import theme
from dashboards.figures.intervals import Panel, interval_panels
from dashboards.figures.plain import plain
from dashboards.figures.severity import grade_bars

EVIL = '<a href="javascript:alert(1)">Clinic</a></extra>%{customdata[9]}<b>\u202e'


def texts(value) -> str:
    return json.dumps(
        value.to_plotly_json() if hasattr(value, "to_plotly_json") else value, default=str
    )


def test_every_text_of_a_figure():
    """In each property that Plotly reads as HTML or as a template only the figure's own marks are
    left.
    """
    figure = go.Figure(
        go.Scatter(
            x=[EVIL, "b"],
            y=[1, 2],
            name=EVIL,
            text=[EVIL, None],
            hovertext=[EVIL, ""],
            customdata=[[EVIL, 1], ["a<br>b", 2]],
            hovertemplate="%{customdata[0]}<br>%{x}<extra>" + EVIL + "</extra>",
        )
    )
    figure.update_xaxes(ticktext=[EVIL], tickvals=[0], categoryarray=[EVIL], title={"text": EVIL})
    figure.add_annotation(text=f"<b>{EVIL}</b>")
    found = plain(figure)
    assert "<a " not in texts(found)
    assert "\\u202e" not in texts(found).replace("\\\\u202e", "")
    template = found.data[0].hovertemplate
    assert template.startswith("%{customdata[0]}<br>%{x}<extra>&lt;a")
    assert template.count("%{") == 2
    assert template.count("</extra>") == 1
    assert found.layout.annotations[0].text.startswith("<b>&lt;a")
    assert list(found.data[0].customdata[1]) == ["a<br>b", 2]
    assert list(found.data[0].y) == [1, 2]


def test_numbers_and_plain_words_are_left_alone():
    """A figure without such characters is the same figure."""
    figure = go.Figure(
        go.Scatter(
            x=["Week 1", "Week 4"],
            y=[1.5, 2],
            name="clinic C1 (30 %)",
            customdata=[[1, "a"], [2, "b"]],
        )
    )
    before = texts(figure)
    assert texts(plain(figure)) == before


def test_charts_of_clinics_and_terms():
    """A clinic's name in a label, a group and a hover text; a term as a category: shown, never
    obeyed.
    """
    rows = pl.DataFrame(
        {
            "label": [EVIL, "B"],
            "group": [EVIL, "g"],
            "e": [1.0, 2.0],
            "l": [0.5, 1.0],
            "u": [2.0, 3.0],
            "t": [EVIL, ""],
        }
    )
    panel = Panel(title=EVIL, estimate="e", lower="l", upper="u", text="t", axis_title=EVIL)
    of = theme.LIGHT
    for figure in (
        interval_panels(rows, panels=(panel,), of=of),
        grade_bars(
            pl.DataFrame({"term": [EVIL], "mild": [1], "moderate": [0], "severe": [2]}), of=of
        ),
    ):
        assert "<a " in texts(figure)
        assert "<a " not in texts(plain(figure))
