"""The durability page's card of what comes first: another treatment episode, surgery or death.

Here: its rows, its figure, its sentences. Not here: asking for a card (page.py), Kaplan-Meier
(survival_charts.py).
"""

import polars as pl

from transforms.facts.competing_events import (
    COMPETING_EVENTS,
    DEATH,
    NEXT_EPISODE,
    RETREATMENT,
    SURGERY,
)

from ... import words
from ...components import Drawn, nothing
from ...figures.incidence import incidence
from ...figures.survival import ticks_of
from ...theme import Look

METRIC = "first_of_competing_events"
_EVENTS = COMPETING_EVENTS[RETREATMENT]
_TITLES = {NEXT_EPISODE: "came back", SURGERY: "had surgery", DEATH: "died"}
_DAYS = (730, 365, 180, 90, 30)  # one of which the sentence is of
_FEW_LEFT = 0.1  # of all, still at risk: later shares are of few
_MAYBE = "Coming back may be failure or habit: the curve says how many came back, not why."
_BY_CARE = "Surgery is known only where care is reported."


def first_events(
    rows: pl.DataFrame,
    kaplan_meier: pl.DataFrame,
    *,
    of: Look,
    height: int,
    none: str,
) -> Drawn:
    """`rows` of mart.competing_risks of the retreatment's parameter, with `series`; of several
    series the coming back of each is drawn.

    `kaplan_meier`: of mart.survival_curves, of the same parameter and everybody in the selection;
    empty where it is not seen.
    """
    drawn = rows.filter(pl.col("incidence").is_not_null() & pl.col("at_risk").is_not_null())
    if drawn.is_empty():
        return nothing(none, of=of)
    is_by_series = drawn["series"].n_unique() > 1
    shown = _by_series(drawn) if is_by_series else _by_event(drawn)
    if shown.is_empty():
        return nothing("Nobody came back, had surgery or died so far.", of=of)
    ticks = ticks_of(shown["time_days"].max() or 1)
    figure = incidence(
        shown,
        lines=_numbers_by_series(shown, ticks) if is_by_series else _numbers(drawn, ticks),
        legend="at risk (came back so far; surgery or death so far; censored so far)"
        if is_by_series
        else None,
        of=of,
        height=height,
        axis_title="came back, %" if is_by_series else "had this first, %",
        x_title="days since Day 1 of the first episode",
    )
    return Drawn(
        figure=figure,
        summary=f"{_phrase(drawn)} {_test(drawn) if is_by_series else ''}".strip(),
        notes=(
            _MAYBE,
            *_without_competitors(drawn, kaplan_meier),
            *_none_seen(drawn),
            _BY_CARE,
        ),
        metrics=(METRIC,),
        table=_table(drawn),
        data_to=drawn["data_cutoff"].max(),
    )


def _by_event(rows: pl.DataFrame) -> pl.DataFrame:
    """The events that anybody had, with `name`, in their order."""
    happened = rows.filter(pl.col("events").sum().over("event") > 0)
    order = pl.col("event").replace_strict({e: k for k, e in enumerate(_EVENTS)})
    return happened.sort(order, "time_days").with_columns(
        name=pl.col("event").replace_strict(_TITLES)
    )


def _by_series(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("event") == NEXT_EPISODE).with_columns(name="series")


# --- numbers ------------------------------------------------------------------------------------


def _so_far(rows: pl.DataFrame, day: float) -> dict[str, int]:
    """`at_risk` just before the day; `events`, `competing` and `censored` before it: together all.

    `rows`: of one event of one series.
    """
    ahead, gone = (
        rows.filter(pl.col("time_days") >= day).sort("time_days"),
        rows.filter(pl.col("time_days") < day),
    )
    sums = {c: int(gone[c].sum()) for c in ("events", "competing", "censored")}
    return {"at_risk": int(ahead["at_risk"][0]) if ahead.height else 0, **sums}


def _numbers(rows: pl.DataFrame, ticks: list[int]) -> list[tuple[str, list[str]]]:
    of = {event: rows.filter(pl.col("event") == event) for event in _EVENTS}
    main = [_so_far(of[NEXT_EPISODE], tick) for tick in ticks]
    lines = [("at risk", [words.count(n["at_risk"]) for n in main])]
    for event, title in _TITLES.items():
        counts = [_so_far(of[event], tick)["events"] for tick in ticks]
        lines.append((f"{title} so far", [words.count(n) for n in counts]))
    return [*lines, ("censored so far", [words.count(n["censored"]) for n in main])]


def _numbers_by_series(rows: pl.DataFrame, ticks: list[int]) -> list[tuple[str, list[str]]]:
    lines = []
    for (name,), mine in rows.group_by("name", maintain_order=True):
        counts = [[words.count(n) for n in _so_far(mine, tick).values()] for tick in ticks]
        lines.append((name, [f"{at} ({a}; {b}; {c})" for at, a, b, c in counts]))
    return lines


# --- sentences ----------------------------------------------------------------------------------


def _phrase(rows: pl.DataFrame) -> str:
    """Of each series how many had which event, and their shares at a day at which enough are
    left.
    """
    parts = []
    for (name,), mine in rows.group_by("series", maintain_order=True):
        n, day = mine["at_risk"].max(), _day(mine)
        totals = {e: int(mine.filter(pl.col("event") == e)["events"].sum()) for e in _EVENTS}
        counted = ", ".join(f"{words.count(totals[e])} {_TITLES[e]}" for e in _EVENTS)
        shares = ", ".join(f"{_TITLES[e]} {_share(mine, e, day)}" for e in _EVENTS if totals[e])
        text = f"{name[0].upper()}{name[1:]}: of {words.count(n)} patients {counted} first"
        parts.append(f"{text}; by day {day:.0f} {shares}" if shares else text)
    return ". ".join(parts) + "."


def _day(rows: pl.DataFrame) -> float:
    followed = rows.filter(pl.col("at_risk") >= _FEW_LEFT * pl.col("at_risk").max())
    last = followed["time_days"].max() or 0.0
    return next((float(day) for day in _DAYS if day <= last), last)


def _share(rows: pl.DataFrame, event: str, day: float) -> str:
    reached = rows.filter((pl.col("event") == event) & (pl.col("time_days") <= day))
    if reached.is_empty():
        return "0 %"
    row = reached.sort("time_days").row(-1, named=True)
    return words.percent(row["incidence"], row["lower"], row["upper"])


def _test(rows: pl.DataFrame) -> str:
    p = rows.filter(pl.col("event") == NEXT_EPISODE)["gray_p_value"].drop_nulls()
    if len(p):
        return f"Gray's test of coming back between the randomised arms: {words.p_value(p[0])}."
    return "No test between these arms: not put there by chance, or not all of them were treated."


def _without_competitors(rows: pl.DataFrame, kaplan_meier: pl.DataFrame) -> tuple[str, ...]:
    """What Kaplan-Meier would say, where it is seen and anything competed."""
    if rows["series"].n_unique() > 1 or not rows["competing"].sum():
        return ()
    day = _day(rows)
    reached = kaplan_meier.filter((pl.col("time_days") <= day) & pl.col("survival").is_not_null())
    if reached.is_empty():
        return ()
    share = 1 - reached.sort("time_days")["survival"][-1]
    return (
        f"One minus Kaplan-Meier, which takes surgery and death for the end of follow-up, is "
        f"{100 * share:.1f} % at day {day:.0f}: what would be if these could not happen.",
    )


def _none_seen(rows: pl.DataFrame) -> tuple[str, ...]:
    seen = set(rows.filter(pl.col("events") > 0)["event"])
    without = [_TITLES[event] for event in _EVENTS if event not in seen]
    if not without:
        return ()
    return (f"Nobody yet {' or '.join(without)} first: that is not nobody to come.",)


def _table(rows: pl.DataFrame) -> pl.DataFrame:
    """At the ticks: the share with each event so far, and the numbers."""
    shown = []
    for (name, event), mine in rows.group_by("series", "event", maintain_order=True):
        for tick in ticks_of(mine["time_days"].max() or 1):
            n = _so_far(mine, tick)
            shown.append((name, _TITLES[event], tick, _share(mine, event, tick), *n.values()))
    columns = [
        "patients",
        "event",
        "day",
        "cumulative incidence (95 % CI)",
        "at risk just before",
        "events before",
        "other events before",
        "censored before",
    ]
    return pl.DataFrame(shown, schema=columns, orient="row")
