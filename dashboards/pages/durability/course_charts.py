"""The durability page's card of relief per course: the second course's change beside the first's.

Here: which rows, the figure, its sentences. Not here: asking for a card (page.py).
"""

import polars as pl

from transforms.facts.visits import END_OF_COURSE, named_day

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...theme import Look

METRIC = "course_relief"
_GROUPS = {
    "change_first": "first course",
    "change_second": "second course",
    "difference": "second minus first",
}
_NO_CHANCE = (
    "The same patients, who came back: no chance selection, and the difference is no effect of a "
    "course being the second."
)


def of_most_pairs(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of one parameter: that with most pairs, then most patients."""
    if rows.is_empty():
        return rows
    most = rows.group_by("parameter").agg(pl.col("n_pairs", "n_patients").fill_null(0).max())
    code = most.sort("n_pairs", "n_patients", "parameter", descending=[True, True, False])
    return rows.filter(pl.col("parameter") == code["parameter"][0])


def relief(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    """`rows` of mart.course_relief of one stratum and parameter."""
    ordered = _ordered(rows)
    drawn = ordered.filter(pl.col("difference").is_not_null())
    if drawn.is_empty():
        return nothing(_why_none(ordered) or none, of=of)
    code = drawn["parameter"][0]
    title = f"Does a second course help as the first did? {words.parameter_title(code)}"
    unit = f", {drawn['unit'][0]}" if drawn["unit"][0] else ""
    panel = Panel("", "estimate", "low", "high", "text", f"mean change{unit}", reference=0)
    return Drawn(
        figure=interval_panels(_long(drawn), panels=(panel,), of=of, text_share=0.32),
        title=title,
        summary=_phrase(drawn),
        notes=(
            words.NOT_AN_EFFECT,
            _NO_CHANCE,
            *_overlap(drawn),
            *_not_counted(ordered),
        ),
        metrics=(METRIC,),
        table=_table(ordered),
        data_to=drawn["data_cutoff"].max(),
    )


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """The end of the course, then the visits in the order of time, a study's own ones too."""
    day = pl.col("visit").map_elements(named_day, return_dtype=pl.Float64)
    return rows.sort(pl.col("visit") != END_OF_COURSE, day, "visit", nulls_last=True)


def _long(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a visit and measure: label, group, estimate with limits, and the text beside it."""
    shown = []
    for r in rows.iter_rows(named=True):
        texts = {
            "change_first": f"baseline {words.number(r['baseline_first'], 1)}",
            "change_second": f"baseline {words.number(r['baseline_second'], 1)}",
            "difference": words.plural(r["n_pairs"], "pair"),
        }
        shown += [
            {
                "label": r["visit"],
                "group": group,
                "estimate": r[name],
                "low": r[f"{name}_lower"],
                "high": r[f"{name}_upper"],
                "text": texts[name],
            }
            for name, group in _GROUPS.items()
        ]
    numbers = dict.fromkeys(("estimate", "low", "high"), pl.Float64)
    return pl.DataFrame(shown, infer_schema_length=None, schema_overrides=numbers)


def _mean(r: dict, name: str) -> str:
    return words.interval(r[name], r[f"{name}_lower"], r[f"{name}_upper"], digits=1)


def _phrase(rows: pl.DataFrame) -> str:
    return (
        " ".join(
            f"{r['visit']}: of {words.plural(r['n_pairs'], 'pair')} the first course changed pain by "
            f"{_mean(r, 'change_first')} from a baseline of {words.number(r['baseline_first'], 1)}, the "
            f"second by {_mean(r, 'change_second')} from {words.number(r['baseline_second'], 1)}; "
            f"difference {_mean(r, 'difference')}."
            for r in rows.iter_rows(named=True)
        )
        + " Means with 95 % intervals."
    )


def _overlap(rows: pl.DataFrame) -> tuple[str, ...]:
    most = rows.sort("n_pairs").row(-1, named=True)
    within = most["n_baseline_in_follow_up"]
    if within is None:
        return ()
    return (
        f"Of {words.plural(most['n_pairs'], 'pair')} at {most['visit']} {words.count(within)} have a "
        "second baseline within the follow-up of the first course, whose relief may still be in it.",
    )


def _not_counted(rows: pl.DataFrame) -> tuple[str, ...]:
    """Of each visit who is in no pair, and why."""
    parts = []
    for r in rows.iter_rows(named=True):
        counts = (
            ("the next course's baseline came before the visit", r["n_ended"]),
            ("not yet due", r["n_pending"]),
            ("no value", r["n_missing"]),
        )
        sentence = ", ".join(f"{words.count(n)} {why}" for why, n in counts if n)
        if sentence:
            parts.append(f"{r['visit']}: {sentence}")
    if parts:
        return (f"Not in a pair: {'; '.join(parts)}.",)
    return ()


def _why_none(rows: pl.DataFrame) -> str | None:
    """Of each visit the reason; None where a row has none to give."""
    if rows.is_empty() or rows["is_suppressed"].any() or rows["reason"].null_count():
        return None
    reasons = "; ".join(f"{r['visit']}: {r['reason']}" for r in rows.iter_rows(named=True))
    return f"Relief per course: {reasons}."


def _table(rows: pl.DataFrame) -> pl.DataFrame:
    shown = [
        (
            r["visit"],
            r["n_patients"],
            r["n_pairs"],
            words.number(r["baseline_first"], 1),
            words.number(r["baseline_second"], 1),
            *(_mean(r, name) for name in _GROUPS),
            r["n_baseline_in_follow_up"],
            r["n_ended"],
            r["n_pending"],
            r["n_missing"],
            r["reason"],
        )
        for r in rows.iter_rows(named=True)
    ]
    columns = [
        "visit",
        "patients with two courses",
        "pairs",
        "baseline of the first",
        "of the second",
        "change in the first (95 % CI)",
        "in the second",
        "second minus first",
        "second baseline in the first's follow-up",
        "next course came before the visit",
        "not yet due",
        "without a value",
        "why none",
    ]
    return pl.DataFrame(shown, schema=columns, orient="row", infer_schema_length=None)
