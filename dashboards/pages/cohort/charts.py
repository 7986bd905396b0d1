"""The cohort page's charts, each from rows of a mart to what fills its card.

Here: which rows, which figure, which sentence. Not here: asking the lake, the layout (page.py).
"""

import polars as pl

from transforms.facts.headlines import OVERALL_PAIN
from transforms.facts.parameters import PARAMETERS
from transforms.facts.values import NONE
from transforms.facts.visits import BASELINE

from ... import words
from ...components import Drawn, nothing
from ...figures.trajectory import trajectory, visible_range
from ...gate import SUPPRESSED
from ...parameters import digits_of, is_of, is_pain, metrics_of
from ...theme import Look
from ..both_intervals import LIKE_THESE, like_these, which_is_drawn


def parameters(rows: pl.DataFrame) -> list[str]:
    """PARAMCDs of the questionnaires that have a mean, those with most patients at baseline
    first.
    """
    means = rows.filter(is_of(list(PARAMETERS), "mean") & (pl.col("n_evaluable") > 0))
    most = means.group_by("parameter").agg(n=pl.col("n_evaluable").max())
    place = {code: k for k, code in enumerate(OVERALL_PAIN)}
    codes = sorted(
        most.rows(), key=lambda r: (not is_pain(r[0]), -r[1], place.get(r[0], len(place)), r[0])
    )
    return [code for code, _ in codes]


def visits(rows: pl.DataFrame, code: str) -> list[str]:
    """The visits after baseline at which somebody has a change, in order of their day; those
    without a day last.
    """
    changes = rows.filter(is_of([code], "change") & (pl.col("n_evaluable") > 0))
    return (
        changes.select("visit", "visit_day")
        .unique()
        .sort("visit_day", nulls_last=True)["visit"]
        .to_list()
    )


def usual_visit(rows: pl.DataFrame, code: str) -> str | None:
    """The latest visit that at least half of the patients with a baseline have reached; else the
    first.
    """
    means = rows.filter(is_of([code], "mean"))
    base = means.filter(pl.col("visit") == BASELINE)["n_evaluable"].max() or 0
    later = means.filter((pl.col("visit_day") > 1) & (pl.col("n_evaluable") * 2 >= base)).sort(
        "visit_day"
    )
    if later.height:
        return later["visit"][-1]
    return next(iter(visits(rows, code)), None)


def arms(rows: pl.DataFrame, code: str) -> list[str]:
    """Arms with values of the parameter, where there are two or more; `rows` are split by arm."""
    mine = rows.filter(is_of([code], "mean") & (pl.col("arm") != NONE))
    evaluable = mine.filter(pl.col("n_evaluable") > 0)["arm"].unique().sort().to_list()
    if len(evaluable) > 1:
        return evaluable
    return []


def mean_by_visit(
    rows: pl.DataFrame,
    code: str,
    *,
    of: Look,
    title: str | None = None,
    important_change: float | None = None,
) -> Drawn:
    """The mean of a parameter at each visit; `rows`: of mart.cohort_outcomes with `series`.

    `important_change`: of one patient, in the parameter's unit; a band from the baseline's mean, of
    one series only.
    """
    mine = rows.filter(is_of([code], "mean")).sort("series", "visit_day", nulls_last=True)
    if mine["estimate"].null_count() == mine.height:
        return nothing(_why_none(mine, code), of=of, title=title)
    unit = mine["unit"].drop_nulls()[0]
    digits = digits_of(unit)
    expected = _expected_level(rows, mine, code)
    band = _important_levels(mine, code, important_change)
    figure = trajectory(
        mine,
        of=of,
        axis_title=_axis(code, unit),
        digits=digits,
        is_from_zero=unit != "T",
        expected=expected,
        important=band,
    )
    return Drawn(
        figure=figure,
        title=title,
        summary=_course(mine, digits, unit),
        notes=(
            which_is_drawn(mine),
            *_trajectory_notes(mine, code, expected),
            *_out_of_sight(mine, is_from_zero=unit != "T"),
            *_on_the_band(band, important_change, unit),
        ),
        metrics=(*metrics_of([code], "mean"), "visit_windows"),
        table=_visit_table(mine, digits),
        data_to=mine["data_cutoff"].max(),
    )


def _axis(code: str, unit: str) -> str:
    better = words.better_is(code)
    lower = "lower = less pain" if code in PARAMETERS and is_pain(code) else "lower is better"
    direction = {"lower": lower, "higher": "higher is better"}
    return f"mean, {unit}" + (f" ({direction[better]})" if better else "")


def _why_none(rows: pl.DataFrame, code: str) -> str:
    if rows["is_suppressed"].any() and (rows["reason"] == SUPPRESSED).any():
        return f"{words.parameter_title(code)}: {SUPPRESSED}"
    return f"No values of {words.parameter_title(code)} in this selection yet."


def _expected_level(rows: pl.DataFrame, mine: pl.DataFrame, code: str) -> float | None:
    """The level that regression to the mean alone would reach, from the baseline's mean; of one
    series only.
    """
    if mine["series"].n_unique() != 1:
        return None
    change = rows.filter(is_of([code], "change"))["rtm_expected"].drop_nulls()
    base = mine.filter(pl.col("visit") == BASELINE)["estimate"].drop_nulls()
    if len(change) and len(base):
        return base[0] + change[0]
    return None


def _important_levels(
    mine: pl.DataFrame, code: str, change: float | None
) -> tuple[float, float] | None:
    """From the baseline's mean to where the important change is reached; of one series."""
    base = mine.filter(pl.col("visit") == BASELINE)["estimate"].drop_nulls()
    better = words.better_is(code)
    if change is None or better is None or mine["series"].n_unique() != 1 or not len(base):
        return None
    return base[0], base[0] + (change if better == "higher" else -change)


def _on_the_band(
    band: tuple[float, float] | None, change: float | None, unit: str
) -> tuple[str, ...]:
    if band is None:
        return ()
    return (
        f"The band is less than the important change of {change:g} {unit}, which is one patient's: a mean within it "
        "does not say that nobody reached it.",
    )


def _course(mine: pl.DataFrame, digits: int, unit: str) -> str:
    """From the first to the last visit with a value, for each series."""
    parts = []
    for (name,), series in mine.filter(pl.col("visit_day").is_not_null()).group_by(
        "series", maintain_order=True
    ):
        seen = series.filter(pl.col("estimate").is_not_null()).sort("visit_day")
        if seen.height < 2:
            continue
        sentences = [
            f"{words.interval(r['estimate'], r['ci_lower'], r['ci_upper'], digits=digits)} {unit} at {r['visit']} "
            f"(n = {words.count(r['n_evaluable'])})"
            for r in (seen.row(0, named=True), seen.row(-1, named=True))
        ]
        parts.append(f"{name[0].upper()}{name[1:]}: mean from {sentences[0]} to {sentences[1]}")
    return ("; ".join(parts) or "One visit with values so far") + f". {words.NOT_AN_EFFECT}"


def _trajectory_notes(mine: pl.DataFrame, code: str, expected: float | None) -> tuple[str, ...]:
    hidden = (mine["reason"] == SUPPRESSED).sum()
    notes = ["Each visit's mean is of the patients with a value then."]
    if hidden:
        notes.append(f"{hidden} points: {SUPPRESSED}.")
    if expected is None and code in PARAMETERS and PARAMETERS[code].instrument == "nrs_pain":
        notes.append(
            "Who enters in much pain improves on average without any treatment (regression to the mean); the line for "
            "it is drawn once FLOE_RTM_* give the population's figures."
        )
    return tuple(notes)


def _out_of_sight(mine: pl.DataFrame, *, is_from_zero: bool) -> tuple[str, ...]:
    """Says which intervals the axis cuts."""
    low, high = visible_range(mine, is_from_zero=is_from_zero)
    cut = mine.filter((pl.col("ci_lower") < low) | (pl.col("ci_upper") > high))
    visits = ", ".join(cut["visit"].unique(maintain_order=True))
    return (
        (f"Intervals of few patients reach beyond the picture ({visits}): see the table.",)
        if visits
        else ()
    )


def _visit_table(mine: pl.DataFrame, digits: int) -> pl.DataFrame:
    shown = [
        (
            r["series"],
            r["visit"],
            or_reason(
                r, words.interval(r["estimate"], r["ci_lower"], r["ci_upper"], digits=digits)
            ),
            like_these(r, digits=digits),
            r["n_evaluable"],
            r["n_due"],
            r["n_missing"],
            r["n_pending"],
            r["n_not_evaluable"],
        )
        for r in mine.iter_rows(named=True)
    ]
    columns = [
        "patients",
        "visit",
        "mean (95 % CI)",
        LIKE_THESE,
        "n",
        "due",
        "missing",
        "not yet due",
        "not asked or not evaluable",
    ]
    return pl.DataFrame(shown, schema=columns, orient="row", infer_schema_length=None)


def or_reason(row: dict, text: str) -> str:
    if row["estimate"] is not None:
        return text
    return row["reason"] or words.NOTHING
