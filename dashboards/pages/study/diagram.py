"""A study's flow of patients as boxes of text in order, one column an arm, and as a table.

Here: which rows of mart.consort_flow stand where. Not here: counting (transforms/marts), the boxes'
look (assets/floe.css).

The boxes are text in a list, so that they read in order without the lines between them, on paper,
on a phone and aloud.
"""

import json
from collections.abc import Iterable

import polars as pl
from dash import html
from dash.development.base_component import Component

from transforms.facts import flow
from transforms.facts.flow import STEPS

from ... import words
from ...components import table_of

ALL = "All arms"
_HEAD = (flow.ASSESSED, flow.ENROLLED, flow.ENROLLED_AGAIN, flow.EXCLUDED)
_OF_ARM = (flow.ALLOCATED, flow.RECEIVED, flow.NOT_RECEIVED)
_AT_END = (flow.ANALYSED, flow.NOT_ANALYSED)
_ASIDE = (
    flow.ENROLLED_AGAIN,
    flow.EXCLUDED,
    flow.NOT_RECEIVED,
    flow.PENDING,
    flow.LOST,
    flow.NOT_ANALYSED,
)


def diagram(rows: pl.DataFrame) -> Component:
    """The boxes: above all arms together, below an arm a column; where arms are not told apart, one
    column.
    """
    arms = rows["arm"].drop_nulls().unique().sort().to_list()
    whole = rows.filter(pl.col("arm").is_null())
    is_nobody = (pl.col("step") == flow.ENROLLED_AGAIN) & (pl.col("n_patients") == 0)
    head = [
        *_of_steps(whole.filter(~is_nobody.fill_null(False)), _HEAD),
        *(_of_steps(whole, (flow.ALLOCATED,)) if arms else []),
    ]
    columns = [_column(rows.filter(arm=arm), words.arm(arm)) for arm in arms]
    columns = columns or [_column(whole, ALL)]
    return html.Div(
        [_list(head), html.Div(columns, className="flow-arms")],
        className="flow",
        role="group",
        **{"aria-label": "Flow of the study's patients"},
    )


def _column(rows: pl.DataFrame, name: str) -> Component:
    visits = rows.filter(pl.col("step") == flow.FOLLOWED).sort("visit_day")["visit"]
    boxes = _of_steps(rows, _OF_ARM)
    for visit in visits:
        at_visit = rows.filter(pl.col("step").is_in([flow.FOLLOWED, flow.PENDING, flow.LOST]))
        boxes += _at_visit(at_visit.filter(visit=visit), visit)
    return html.Section([html.H3(name), _list([*boxes, *_of_steps(rows, _AT_END)])])


def _at_visit(rows: pl.DataFrame, visit: str) -> list[Component]:
    """Nobody to come, or nobody lost, is no box."""
    is_told = (pl.col("step") == flow.FOLLOWED) | pl.col("n_patients").ne_missing(0)
    return _of_steps(rows.filter(is_told), (flow.FOLLOWED, flow.PENDING, flow.LOST), at=visit)


def _of_steps(
    rows: pl.DataFrame, steps: Iterable[str], *, at: str | None = None
) -> list[Component]:
    return [_box(row, at) for step in steps for row in rows.filter(step=step).iter_rows(named=True)]


def _box(row: dict, at: str | None) -> Component:
    title = STEPS[row["step"]].title + (f": {at}" if at else "")
    content = [html.Span(title, className="flow-title"), html.Span(number(row), className="flow-n")]
    if row["n_patients"] is None:
        content[1:] = [html.Span(row["reason"] or words.NOTHING, className="small")]
    items = [html.Li(f"{why}: {words.count(n)}") for why, n in reasons(row)]
    content += [html.Ul(items)] if items else []
    return html.Li(content, className="aside" if row["step"] in _ASIDE else None)


def _list(boxes: list[Component]) -> Component:
    return html.Ol(boxes, className="flow-boxes")


def number(row: dict) -> str:
    """n, and of how many."""
    if row["n_patients"] is None:
        return words.NOTHING
    of = "" if row["n_of"] is None else f" of {words.count(row['n_of'])}"
    return f"n = {words.count(row['n_patients'])}{of}"


def reasons(row: dict) -> list[tuple[str, int]]:
    return list(json.loads(row["reasons"] or "{}").items())


def as_table(rows: pl.DataFrame, *, caption: str) -> Component:
    """Every row, in the order of the steps."""
    order = {step: k for k, step in enumerate(STEPS)}
    ordered = rows.with_columns(_order=pl.col("step").replace_strict(order, default=len(order)))
    ordered = ordered.sort("_order", "visit_day", "arm", nulls_last=False)
    table = [
        {
            "Step": STEPS[row["step"]].title,
            "Visit": row["visit"] or words.NOTHING,
            "Arm": ALL if row["arm"] is None else words.arm(row["arm"]),
            "Patients": words.count(row["n_patients"]),
            "Of": words.count(row["n_of"]),
            "Why": "; ".join(f"{why}: {words.count(n)}" for why, n in reasons(row))
            or row["reason"]
            or "",
        }
        for row in ordered.iter_rows(named=True)
    ]
    return html.Details(
        [
            html.Summary("View as table"),
            table_of(pl.DataFrame(table) if table else None, caption=caption),
        ]
    )
