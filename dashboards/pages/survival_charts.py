"""Kaplan-Meier cards: of a parameter of mart.survival_curves the curve, its sentence, its table.

Here: a card of any page, which rows, what fills it. Not here: the figure (figures/survival.py).
"""

from dataclasses import dataclass, replace

import polars as pl

from transforms.facts.catalogue import METRICS
from transforms.facts.values import ALL, FIRST
from transforms.options import Options

from .. import words
from ..components import Drawn, nothing
from ..figures.survival import at_risk, survival, ticks_of
from ..finer import rows_of
from ..theme import Look
from .cards import Card, Shown
from .series import in_series

_NO_LIMITS = (
    "A patient's episodes are not independent. The limits are over patients (jackknife); where "
    "nobody had the event yet, or everybody had it, none are given if anybody has several."
)
_FEW_LEFT = 0.1  # a curve is shown until so many of all are still followed, where it is long


@dataclass(frozen=True)
class Clock:
    """A parameter of mart.adtte in words: what is counted, from when, the event (one, several),
    what the curve shows.
    """

    parameter: str
    things: str
    x_title: str
    event: str
    events: str
    axis_title: str
    is_cut: bool = False  # shown at first only while enough are followed


CLOCKS = {
    c.parameter: c
    for c in (
        Clock(
            "TTLOSS",
            "patients",
            "days since the confirmed response",
            "loss",
            "losses",
            "still responding, %",
        ),
        Clock(
            "TTRELAPS",
            "patients",
            "days since the pain-free month",
            "relapse",
            "relapses",
            "without relapse, %",
        ),
        Clock(
            "TTSURG", "patients", "days since Day 1", "surgery", "surgeries", "without surgery, %"
        ),
        Clock(
            "TTRESC", "patients", "days since Day 1", "rescue", "rescues", "without rescue care, %"
        ),
        Clock(
            "TTSURGA",
            "patients",
            "days since allocation",
            "surgery",
            "surgeries",
            "without surgery, %",
        ),
        Clock(
            "TTRESCA",
            "patients",
            "days since allocation",
            "rescue",
            "rescues",
            "without rescue care, %",
        ),
        Clock(
            "TTAE",
            "patients",
            "days since the first session",
            "first event",
            "first events",
            "without an event, %",
        ),
        Clock(
            "TTAERES",
            "adverse events",
            "days; that of the onset is day 1",
            "resolution",
            "resolutions",
            "not resolved yet, %",
            is_cut=True,
        ),
    )
}


def survival_card(
    id: str,
    title: str,
    *,
    parameter: str,
    what: str,
    height: int = 480,
    everybody: str | None = None,
    is_of_chosen: bool = False,
) -> Card:
    """The curves of a parameter, by arm where there are arms; where not, those of `everybody`, if
    that is another. `is_of_chosen`: of the treatment episodes chosen, else of first ones.
    """

    def draw(shown: Shown, of: Look) -> Drawn:
        drawn = parameter
        episode = shown.choice.episode if is_of_chosen else FIRST
        rows = in_series(
            shown.reader,
            "survival_curves",
            shown.choice,
            meets=pl.col("parameter") == parameter,
            known="survival",
            episode=episode,
        )
        if everybody and rows["series"].n_unique() < 2:
            whole = rows_of(shown.reader, "survival_curves", shown.choice.stratum())
            drawn = everybody
            rows = whole.filter(pl.col("parameter") == everybody).with_columns(
                series=pl.lit(shown.choice.in_words(shown.clinics, episode=FIRST))
            )
        chart = survival_chart(
            rows,
            drawn,
            of=of,
            height=height,
            none=shown.none(rows, what),
            options=shown.reader.settings.options,
            is_of_all=episode == ALL,
        )
        return shown.by_arm(chart, episode=episode) if rows["series"].n_unique() > 1 else chart

    return Card(id, title, height, draw=draw, mart="survival_curves", is_of_chosen=is_of_chosen)


def survival_chart(
    rows: pl.DataFrame,
    parameter: str,
    *,
    of: Look,
    height: int,
    none: str,
    options: Options,
    is_of_all: bool = False,
) -> Drawn:
    """`rows`: of the parameter, with `series`; `none`: why there is nothing, where there is
    nothing. `is_of_all`: of all treatment episodes of each patient.
    """
    clock = CLOCKS[parameter]
    clock = replace(clock, things="treatment episodes") if is_of_all else clock
    drawn = rows.filter(pl.col("survival").is_not_null() & pl.col("at_risk").is_not_null())
    if drawn.is_empty():
        return nothing(none, of=of)
    until = _until(drawn) if clock.is_cut else None
    figure = survival(
        drawn, of=of, axis_title=clock.axis_title, height=height, x_title=clock.x_title, until=until
    )
    metric = parameter.lower()
    return Drawn(
        figure=figure,
        summary=f"{_phrase(drawn, clock)} {_test(drawn)}".strip(),
        notes=(
            *_no_event(drawn, clock),
            *_beyond(drawn, until),
            *([_NO_LIMITS] if is_of_all else []),
            f"Event and censoring: {_rule(metric, options)}.",
        ),
        metrics=(metric,),
        table=_table(drawn),
        data_to=drawn["data_cutoff"].max(),
    )


def _rule(metric: str, options: Options) -> str:
    """The rule in full: one that says `as another` with that other."""
    rule = METRICS[metric].rule_by(options)
    other = rule.removeprefix("as ").split(" ")[0].rstrip(",;")
    is_other = rule.startswith("as ") and other in METRICS
    if not is_other:
        return rule
    rest = rule.removeprefix(f"as {other}").lstrip(", ;")
    return f"as {METRICS[other].title.lower()} ({METRICS[other].rule_by(options)}), {rest}"


def _until(rows: pl.DataFrame) -> float:
    """The day at which one in ten is still followed, of the longest curve; at least two weeks."""
    enough = rows.filter(pl.col("at_risk") >= _FEW_LEFT * pl.col("at_risk").max().over("series"))
    return max(14.0, 2.0 * (enough["time_days"].max() or 0))


def _beyond(rows: pl.DataFrame, until: float | None) -> tuple[str, ...]:
    later = rows.filter(pl.col("time_days") > (until or float("inf")))
    if later.is_empty():
        return ()
    left = later.group_by("series").agg(pl.col("at_risk").max())["at_risk"].sum()
    return (f"Followed beyond day {until:.0f}: {words.count(left)}. Zoom out, or see the table.",)


def _phrase(rows: pl.DataFrame, clock: Clock) -> str:
    """Of each curve events, how many were followed, and the median with its interval."""
    parts = []
    for (name,), curve in rows.group_by("series", maintain_order=True):
        first, n = curve.row(0, named=True), curve["at_risk"].max()
        events = int(curve["events"].sum())
        what = f"{words.count(events)} {clock.event if events == 1 else clock.events}"
        who = f"{words.count(n)} {clock.things}"
        if n != first["n_patients"]:
            who += f" of {words.count(first['n_patients'])} patients"
        parts.append(f"{name[0].upper()}{name[1:]}: {what} among {who}, {_median(first)}")
    return "; ".join(parts) + "."


def _median(row: dict) -> str:
    if row["median"] is None:
        return f"no median ({row['reason'] or 'not reached'})"
    return f"median {words.number(row['median'], 0)} days ({median_limits(row)})"


def median_limits(row: dict) -> str:
    """The limits of the median; one that its band does not reach says so."""
    if row["median_lower"] is None and row["median_upper"] is None:
        return "95 % CI: neither limit is reached"
    lower, upper = (
        "not reached" if row[c] is None else words.number(row[c], 0)
        for c in ("median_lower", "median_upper")
    )
    return f"95 % CI {lower} to {upper}"


def _test(rows: pl.DataFrame) -> str:
    if rows["series"].n_unique() < 2:
        return ""
    p = rows["log_rank_p_value"].drop_nulls()
    if len(p):
        return f"Log-rank between the randomised arms: {words.p_value(p[0])}."
    return "No test between these arms: not put there by chance, or not counted from allocation."


def _no_event(rows: pl.DataFrame, clock: Clock) -> tuple[str, ...]:
    without = (
        rows.group_by("series").agg(pl.col("events").sum()).filter(pl.col("events") == 0).height
    )
    return (
        (f"No {clock.event} seen is not none to come: its band has no width.",) if without else ()
    )


def _table(rows: pl.DataFrame) -> pl.DataFrame:
    """At the ticks: still there with interval, at risk, events and censored before."""
    shown = []
    for (name,), curve in rows.group_by("series", maintain_order=True):
        ticks = ticks_of(curve["time_days"].max() or 1)
        for r in at_risk(curve, ticks).iter_rows(named=True):
            reached = curve.filter(pl.col("time_days") <= r["day"]).tail(1)
            shown.append(
                (name, r["day"], _share(reached), r["at_risk"], r["events"], r["censored"])
            )
    columns = [
        "patients",
        "day",
        "Kaplan-Meier (95 % CI)",
        "at risk just before",
        "events before",
        "censored before",
    ]
    return pl.DataFrame(shown, schema=columns, orient="row")


def _share(reached: pl.DataFrame) -> str:
    if reached.is_empty():
        return "100 %"
    row = reached.row(0, named=True)
    return words.percent(row["survival"], row["lower"], row["upper"])
