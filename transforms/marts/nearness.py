"""How near a clinic is to its limit, in words: "7 cold injuries in 6 of 37 patients, rising since
August 2026; 78 % of the limit".

Here: the sentences of funnels and sums. Not here: the limits (statistics/left_out.py,
statistics/cusum.py), which rows have them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from ..facts.sessions import BEGUN, DELIVERED
from ..statistics import spc

RISING_EVENTS = 3  # events since the last time at 0 from which a sum is said to be rising
_FACTOR = 2  # the rise that is looked for, as in the sums of cold injuries
_COUNTED = {
    "funnel_any_event": ("adverse event", "adverse events"),
    "funnel_event_ratio": ("adverse event", "adverse events"),
    "funnel_serious_event": ("serious adverse event", "serious adverse events"),
    "funnel_cold_injury": ("cold injury", "cold injuries"),
    "funnel_cold_injury_grade_2": (
        "cold injury of grade 2 or more",
        "cold injuries of grade 2 or more",
    ),
}
COLD_INJURY = _COUNTED["funnel_cold_injury"]
_SIDES = {"low": "below", "high": "above"}


def rising_month(
    months: Sequence[date], events: Sequence[int], sessions: Sequence[int], *, rate: float
) -> date | None:
    """Since when a clinic's monthly events run above `rate` a session: a Poisson sum's last
    departure from 0.

    None where the sum is at 0, where fewer than RISING_EVENTS events came since, and without a rate
    to compare with.
    """
    if not len(months) or not rate > 0:
        return None
    rates = {"in_control": rate, "out_of_control": _FACTOR * rate}
    chart = spc.cusum(
        events, kind="poisson", exposure=sessions, h=spc.poisson_reference(**rates), **rates
    )
    start = spc.rising_since(chart["c_plus"])
    if start is not None and sum(events[start:]) >= RISING_EVENTS:
        return months[start]
    return None


def of_events(
    metric: str, *, events: int, patients: int, of: int, rising: date | None, row: dict
) -> str:
    """A clinic's events; `row` has `signal`, `limit_share`."""
    one, many = _COUNTED[metric]
    place = f"{patients:,} of {of:,} patients"
    if not events:
        return f"no {one} in {of:,} patients: not a sign of better care"
    counted = f"{events:,} {one if events == 1 else many} in {place}"
    return counted + (f", rising since {rising:%B %Y}" if rising else "") + _limit(row)


def of_shares(metric: str, row: dict) -> str:
    """A clinic's share where more is better: how many there are without."""
    what = (
        "sessions without the question"
        if metric == "funnel_sessions_asked"
        else "patients without a response"
    )
    missing = row["denominator"] - row["numerator"]
    return f"{missing:,.0f} {what} of {row['denominator']:,.0f}" + _limit(row)


def of_sum(*, events: int, patients: int, rising: date | None, limit_share: float | None) -> str:
    """A clinic's sum of cold injuries at the end of a month; all that happened so far counts."""
    counted = f"{events:,} {COLD_INJURY[events != 1]} in {patients:,} {'patient' if patients == 1 else 'patients'}"
    counted = counted if events else f"no {COLD_INJURY[0]}"
    if limit_share is None:
        return counted
    since = f", rising since {rising:%B %Y}" if rising else ""
    return f"{counted}{since}; {_percent(limit_share)} of the limit" + (
        ": a signal" if limit_share >= 1 else ""
    )


def _limit(row: dict) -> str:
    side, _, level = (row["signal"] or "").partition("_")
    if level:
        return f"; {_SIDES[side]} the {'99.8' if level == '998' else '95'} % limit"
    if row["limit_share"] is None:
        return ""
    return f"; {_percent(row['limit_share'])} of the limit"


def _percent(share: float) -> str:
    """Taken down: what is short of a limit never reads as 100 %."""
    return f"{np.floor(100 * share + 1e-9):.0f} %"


def monthly(events: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """A row a clinic and month with sessions or events: `events`, `sessions`, by month."""
    by = ["clinic_id", "month"]
    counts = (
        sessions.group_by(by)
        .agg(sessions=pl.len())
        .join(events.group_by(by).agg(events=pl.len()), on=by, how="full", coalesce=True)
    )
    return counts.with_columns(pl.col("sessions", "events").fill_null(0).cast(pl.Int64)).sort(by)


@dataclass(frozen=True)
class Runs:
    """What a clinic's events are set beside: `sessions`, a row one delivered with its clinic and
    month; `treated`: patients with a session that began, by clinic.
    """

    sessions: pl.DataFrame
    treated: Mapping[str, int]

    @classmethod
    def of(cls, adex: pl.DataFrame) -> "Runs":
        delivered = adex.filter((pl.col("EXSTAT") == DELIVERED) & pl.col("ASTDT").is_not_null())
        begun = adex.filter(pl.col("EXSTAT").is_in(BEGUN)).group_by(clinic_id="CLINICID")
        return cls(
            sessions=delivered.select(clinic_id="CLINICID", month=_month()),
            treated=dict(begun.agg(pl.col("USUBJID").n_unique()).rows()),
        )


def _month() -> pl.Expr:
    return pl.col("ASTDT").dt.truncate("1mo")


def sentences(rows: pl.DataFrame, records: pl.DataFrame, runs: Runs) -> dict[tuple[str, str], str]:
    """By metric and clinic, of the funnel's `rows`; months of the clinic run against the rate of
    all the others. `records`: rows of mart.adae that the metric counts, with `event_number`.
    """
    first = records.sort("ASTDTM", "AEID", nulls_last=True)
    events = first.unique("event_number", keep="first", maintain_order=True).select(
        "USUBJID", clinic_id="CLINICID", month=_month()
    )
    months = monthly(events.filter(pl.col("month").is_not_null()), runs.sessions)
    return {
        (row["metric_id"], row["clinic_id"]): of_events(
            row["metric_id"],
            events=here.height,
            patients=here["USUBJID"].n_unique(),
            of=runs.treated.get(row["clinic_id"], 0),
            rising=_rising_against_others(months, row["clinic_id"]),
            row=row,
        )
        for row in rows.iter_rows(named=True)
        for here in (events.filter(clinic_id=row["clinic_id"]),)
    }


def _rising_against_others(months: pl.DataFrame, clinic: str) -> date | None:
    counts = pl.col("events", "sessions")
    mine, others = (
        months.filter(clinic_id=clinic),
        months.filter(pl.col("clinic_id").ne_missing(pl.lit(clinic))),
    )
    events, sessions = others.select(counts).sum().row(0)
    columns = (mine[c].to_list() for c in ("month", "events", "sessions"))
    return rising_month(*columns, rate=events / max(sessions, 1))
