"""The durability page's charts of responders: the cumulative curve, and where the rules disagree.

Here: which rows, which figure, which sentence. Not here: asking the lake (page.py), curves of time
(survival_charts.py).
"""

import polars as pl

from transforms.facts.estimands import events_in_words
from transforms.facts.headlines import OVERALL_PAIN
from transforms.facts.visits import END_OF_COURSE, named_day

from ... import words
from ...components import Drawn, nothing
from ...figures.bands import responder_curves
from ...figures.intervals import Panel, interval_panels
from ...theme import Look

_SHOWN = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)  # cut-offs of the table
_VERDICT = {"Y": "yes", "N": "no", None: "not known"}


def parameters(rows: pl.DataFrame) -> list[str]:
    """PARAMCDs of mart.responder_curves, those with most patients first."""
    most = rows.group_by("parameter").agg(pl.col("n").max()).rows()
    place = {code: k for k, code in enumerate(OVERALL_PAIN)}
    return [
        code
        for code, _ in sorted(most, key=lambda r: (place.get(r[0], len(place)), -(r[1] or 0), r[0]))
    ]


def visits(rows: pl.DataFrame) -> list[str]:
    """Visits of mart.responder_curves in the order of their days, a study's own ones too; those
    whose name says no day last.
    """
    days = {name: named_day(name) for name in rows["visit"].unique()}
    return sorted(days, key=lambda name: (days[name] is None, days[name] or 0.0, name))


def usual_visit(rows: pl.DataFrame) -> str | None:
    """The latest visit for which at least half of the patients are due."""
    most = rows.group_by("visit").agg(pl.col("n").max())
    enough = most.filter(pl.col("n") * 2 >= pl.col("n").max())["visit"].to_list()
    timed = [name for name in visits(rows) if name in enough and name != END_OF_COURSE]
    if timed:
        return timed[-1]
    return next(iter(visits(rows)), None)


def cumulative(rows: pl.DataFrame, code: str, visit: str, *, of: Look, none: str) -> Drawn:
    """`rows` of mart.responder_curves of the parameter and visit, with `series`."""
    title = f"What share improves by how much? {words.parameter_title(code)} at {visit}"
    drawn = rows.filter(pl.col("estimate").is_not_null())
    if drawn.is_empty():
        return nothing(none, of=of, title=title)
    better = "lower" if words.better_is(code) != "higher" else "higher"
    return Drawn(
        figure=responder_curves(
            drawn, of=of, axis_title=f"{code} {better} than at baseline by at least, %"
        ),
        title=title,
        summary=_at_the_guides(drawn),
        notes=(
            "Any cut-off can be read, so that none is picked. Who is due and has no value counts as no response, at "
            "every cut-off; nor does any value from the day of " + events_in_words() + " on.",
            words.NOT_AN_EFFECT,
        ),
        metrics=("responder_curve",),
        table=_curve_table(drawn),
        data_to=drawn["data_cutoff"].max(),
    )


def _at_the_guides(rows: pl.DataFrame) -> str:
    parts = []
    for (name,), mine in rows.group_by("series", maintain_order=True):
        at = {
            r["cutoff_pct"]: r
            for r in mine.filter(pl.col("cutoff_pct").is_in([30, 50])).iter_rows(named=True)
        }
        sentence = " and ".join(
            f"at least {cut} % better {_counted(r)}" for cut, r in sorted(at.items())
        )
        missing = mine["n_missing"][0]
        parts.append(
            f"{name[0].upper()}{name[1:]}: {sentence}; {words.count(missing)} have no value"
        )
    return ". ".join(parts) + "."


def _counted(r: dict) -> str:
    share = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"])
    return f"{words.count(r['x'])} of {words.count(r['n'])}, {share}"


def _curve_table(rows: pl.DataFrame) -> pl.DataFrame:
    shown = [
        (
            r["series"],
            f"{r['cutoff_pct']} %",
            words.percent(r["estimate"], r["ci_lower"], r["ci_upper"]),
            r["x"],
            r["n"],
            r["n_missing"],
        )
        for r in rows.filter(pl.col("cutoff_pct").is_in(_SHOWN))
        .sort("series", "cutoff_pct")
        .iter_rows(named=True)
    ]
    columns = [
        "patients",
        "better by at least",
        "share (95 % CI)",
        "responders",
        "due",
        "without a value",
    ]
    return pl.DataFrame(shown, schema=columns, orient="row")


def disagreement(rows: pl.DataFrame, code: str, visit: str, *, of: Look, none: str) -> Drawn:
    """`rows` of mart.responder_disagreement of the parameter, visit and everybody of the
    selection.
    """
    title = f"Where do the rules disagree? {words.parameter_title(code)} at {visit}"
    shown = _verdicts(rows)
    if shown.is_empty() or shown["percent"].null_count() == shown.height:
        return nothing(none, of=of, title=title)
    panel = Panel("", "percent", "low", "high", "text", "% of patients due with a value")
    figure = interval_panels(shown, panels=(panel,), of=of, text_share=0.2)
    figure.update_xaxes(rangemode="tozero")
    return Drawn(
        figure=figure,
        title=title,
        summary=_apart(rows),
        notes=(
            "7 to 5 is two points but not 30 %; 3 to 2 is 30 % but not two points: that is why the rules are kept "
            "apart.",
            *_hidden(rows),
        ),
        metrics=("rule_disagreement",),
        table=shown.select(
            pl.col("pct30").alias("at least 30 % better"),
            pl.col("points").alias("by the important points"),
            pl.col("pgic").alias("says: much improved"),
            pl.col("said").alias("share (95 % CI)"),
            pl.col("text").alias("patients"),
        ),
        data_to=rows["data_cutoff"].max(),
    )


def _verdicts(rows: pl.DataFrame) -> pl.DataFrame:
    place = {"Y": 0, "N": 1, None: 2}
    ordered = sorted(
        rows.iter_rows(named=True), key=lambda r: [place[r[c]] for c in ("pct30", "points", "pgic")]
    )
    shown = []
    for r in ordered:
        value, low, high = (
            None if r[c] is None else 100 * r[c] for c in ("estimate", "ci_lower", "ci_upper")
        )
        verdict = {c: _VERDICT[r[c]] for c in ("pct30", "points", "pgic")}
        shown.append(
            {
                **verdict,
                "label": f"30 %: {verdict['pct30']} · points: {verdict['points']}<br>own impression: {verdict['pgic']}",
                "percent": value,
                "low": low,
                "high": high,
                "text": "suppressed"
                if value is None
                else f"{words.count(r['x'])} / {words.count(r['n'])}",
                "said": words.percent(r["estimate"], r["ci_lower"], r["ci_upper"]),
            }
        )
    numbers = dict.fromkeys(("percent", "low", "high"), pl.Float64)
    return (
        pl.DataFrame(shown, infer_schema_length=None, schema_overrides=numbers)
        if shown
        else pl.DataFrame()
    )


def _apart(rows: pl.DataFrame) -> str:
    points = rows.filter(pl.col("x").is_not_null())
    apart = points.filter((pl.col("pct30") != pl.col("points")).fill_null(False))
    against = points.filter((pl.col("pct30") != pl.col("pgic")).fill_null(False))
    n = words.count(points["n"].max())
    return (
        f"Of {n} patients the 30 % rule and the rule in points differ in {words.count(apart['x'].sum())}; the 30 % rule "
        f"and the patient's own impression in {words.count(against['x'].sum())}."
    )


def _hidden(rows: pl.DataFrame) -> tuple[str, ...]:
    hidden = rows["x"].null_count()
    return (
        (f"{hidden} rows are suppressed (small numbers) and not in these counts.",)
        if hidden
        else ()
    )
