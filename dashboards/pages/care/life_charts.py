"""Function and quality of life on the care page: who is better, and who is worse, by the important
change.

Here: which rows, which figure, which sentence. Not here: asking the lake (page.py), drugs and
procedures (charts.py).
"""

import polars as pl

from transforms.facts.estimands import between_in_words
from transforms.facts.instruments import CASE_MIX
from transforms.facts.parameters import PARAMETERS
from transforms.facts.values import COMPLETERS

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...parameters import digits_of, is_of, is_pain, metrics_of
from ...theme import Look
from ..shares import SHOWN, counted

LIFE = "Is life better? Function and quality of life"


def life_visits(rows: pl.DataFrame) -> list[str]:
    """Visits at which somebody's function or life can be judged, by day; those without a day
    last.
    """
    mine = rows.filter(is_of(_codes(), "change") & (pl.col("n_evaluable") > 0))
    return (
        mine.select("visit", "visit_day")
        .unique()
        .sort("visit_day", nulls_last=True)["visit"]
        .to_list()
    )


def usual_life_visit(rows: pl.DataFrame) -> str | None:
    """The latest visit with at least half of the most values that a visit has."""
    is_after_first = pl.col("visit_day") > 1
    changes = rows.filter(is_of(_codes(), "change") & is_after_first)
    visits = changes.group_by("visit", "visit_day").agg(n=pl.col("n_evaluable").sum())
    is_half = 2 * pl.col("n") >= pl.col("n").max()
    enough = visits.sort("visit_day").filter(is_half & (pl.col("n") > 0))
    if enough.height:
        return enough["visit"][-1]
    return next(iter(life_visits(rows)), None)


def _codes() -> list[str]:
    return [c for c, p in PARAMETERS.items() if p.instrument not in CASE_MIX and not is_pain(c)]


def life(rows: pl.DataFrame, visit: str | None, *, of: Look, none: str) -> Drawn:
    """Shares better, and worse, by the important change, one row per instrument; the mean change
    stands in the table.
    """
    at = rows.filter((pl.col("visit") == (visit or "")) & (pl.col("population") == COMPLETERS))
    by_statistic = {(r["parameter"], r["statistic"]): r for r in at.iter_rows(named=True)}
    shown = pl.DataFrame(
        [_life_row(code, by_statistic) for code in _codes() if _is_asked(code, by_statistic)],
        infer_schema_length=None,
        schema_overrides={f"{side}_{c}": pl.Float64 for side in ("points", "worse") for c in SHOWN},
    )
    title = f"{LIFE} at {visit}" if visit else LIFE
    judged = (
        shown.filter(pl.col("points_percent").is_not_null() | pl.col("worse_percent").is_not_null())
        if (shown.height)
        else shown
    )
    if judged.is_empty():
        return nothing(none, of=of, title=title)
    panels = tuple(
        Panel(text, *(f"{side}_{c}" for c in SHOWN), f"{side}_n", "% of patients with a value")
        for side, text in (("points", "Better by the important change"), ("worse", "Worse by it"))
    )
    figure = interval_panels(judged, panels=panels, of=of, text_share=0.2)
    figure.update_xaxes(range=[-2, 102])
    first = judged.row(0, named=True)
    return Drawn(
        figure=figure,
        title=title,
        summary=f"{first['label']}: better {first['points_n']}, {first['points_said']}; worse {first['worse_n']}, "
        f"{first['worse_said']}.",
        notes=(
            "Each instrument's important change is in its definition; who has no value is left out.",
            *_between(at),
            words.NOT_AN_EFFECT,
        ),
        metrics=metrics_of(judged["code"], "points", "worse"),
        table=shown.select(
            "title", "change", "points_n", "points_said", "worse_n", "worse_said"
        ).rename(
            {
                "title": "instrument",
                "change": "mean change (95 % CI)",
                "points_n": "better, n",
                "points_said": "better (95 % CI)",
                "worse_n": "worse, n",
                "worse_said": "worse (95 % CI)",
            }
        ),
        data_to=at["data_cutoff"].max(),
    )


def _between(at: pl.DataFrame) -> tuple[str, ...]:
    """What counts as better where something happened in between."""
    strategies = at.filter(pl.col("statistic") == "points")["strategy"].drop_nulls().unique().sort()
    return tuple(f"Better: {between_in_words(strategy)}." for strategy in strategies)


def _is_asked(code: str, by_statistic: dict) -> bool:
    change = by_statistic.get((code, "change")) or by_statistic.get((code, "points"))
    return bool(change) and (change["n_evaluable"] is None or change["n_evaluable"] > 0)


def _life_row(code: str, by_statistic: dict) -> dict:
    row = {"code": code, "title": words.parameter_title(code), "label": _short(code)}
    for side in ("points", "worse"):
        r = by_statistic.get((code, side))
        value, low, high = (
            None if r is None or r[c] is None else 100 * r[c]
            for c in ("estimate", "ci_lower", "ci_upper")
        )
        row |= {
            f"{side}_percent": value,
            f"{side}_low": low,
            f"{side}_high": high,
            f"{side}_n": counted(r) if r else "no rule",
            f"{side}_said": words.percent(r["estimate"], r["ci_lower"], r["ci_upper"])
            if r
            else words.NOTHING,
        }
    change = by_statistic.get((code, "change"))
    row["change"] = words.NOTHING if change is None else _change(change)
    return row


def _short(code: str) -> str:
    """The title without its scale."""
    return (
        words.parameter_title(code)
        .partition(", T-score")[0]
        .partition(", 0-")[0]
        .partition(", 1 ")[0]
    )


def _change(r: dict) -> str:
    if r["estimate"] is None:
        return r["reason"] or words.NOTHING
    text = words.interval(r["estimate"], r["ci_lower"], r["ci_upper"], digits=digits_of(r["unit"]))
    return f"{text} {r['unit']}, n = {words.count(r['n_evaluable'])}"
