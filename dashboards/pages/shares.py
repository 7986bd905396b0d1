"""Shares of mart.cohort_outcomes as rows of a picture: numerator / denominator, exact limits, what
is not known.

Here: rows of metrics to what fills a card, on any page. Not here: which metrics (the pages), asking
the lake.
"""

import polars as pl

from .. import words
from ..components import Drawn, nothing
from ..figures.intervals import Panel, interval_panels
from ..theme import Look
from .both_intervals import LIKE_THESE, like_these, which_is_drawn

SHOWN = ("percent", "low", "high")


def shares_chart(
    rows: pl.DataFrame,
    labels: dict[str, str],
    *,
    of: Look,
    axis_title: str,
    none: str,
    sentence: str = "",
    notes: tuple[str, ...] = (),
    target: float | None = None,
) -> Drawn:
    """One row per metric of `labels`, in their order. `target`: a share, in per cent, that a line
    stands for.
    """
    shown = share_rows(rows, labels)
    if shown.is_empty() or shown["percent"].null_count() == shown.height:
        return nothing(none, of=of)
    panel = Panel("", *SHOWN, "text", axis_title, reference=target)
    figure = interval_panels(shown, panels=(panel,), of=of, text_share=0.42)
    if target is None:
        figure.update_xaxes(range=[-2, 102])
    first = shown.row(0, named=True)
    return Drawn(
        figure=figure,
        summary=sentence or f"{first['label']}: {first['text']}, {first['said']}.",
        notes=(which_is_drawn(rows.filter(pl.col("metric_id").is_in(list(labels)))), *notes),
        metrics=tuple(labels),
        table=shown.select("label", "n", "said", LIKE_THESE, "unknown").rename(
            {"label": "what", "n": "count", "said": "share (95 % CI)", "unknown": "not known"}
        ),
        data_to=rows["data_cutoff"].max(),
    )


def share_rows(rows: pl.DataFrame, labels: dict[str, str]) -> pl.DataFrame:
    """`label`, `percent`, `low`, `high`, `text` (x / n, not known), `said`; one row per metric
    that has one.
    """
    row_of = {r["metric_id"]: r for r in rows.iter_rows(named=True) if r["metric_id"] in labels}
    shown = [_row(labels[metric], row_of[metric]) for metric in labels if metric in row_of]
    return pl.DataFrame(
        shown, infer_schema_length=None, schema_overrides=dict.fromkeys(SHOWN, pl.Float64)
    )


def _row(label: str, r: dict) -> dict:
    value, low, high = (
        None if r[c] is None else 100 * r[c] for c in ("estimate", "ci_lower", "ci_upper")
    )
    n = counted(r)
    unknown = (
        f", {words.count(r['n_missing'])} not known" if r["n_missing"] and value is not None else ""
    )
    return {
        "label": label,
        "percent": value,
        "low": low,
        "high": high,
        "n": n,
        "text": n + unknown,
        "unknown": r["n_missing"],
        "said": n
        if value is None
        else words.percent(r["estimate"], r["ci_lower"], r["ci_upper"], digits=1),
        LIKE_THESE: like_these(r, digits=1, scale=100),
    }


def counted(r: dict) -> str:
    """`x / n` of a row of mart.cohort_outcomes; where there is no estimate its reason."""
    if r["estimate"] is None:
        return r["reason"] or words.NOTHING
    return f"{words.count(r['n_event'])} / {words.count(r['n_evaluable'])}"
