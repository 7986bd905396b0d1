"""mart.report_deadlines: by when an adverse event has to be reported, and whether it was.

Here: the duties of a US device user facility, 21 CFR 803.30, as data, and its work days. Not here: manufacturers'
duties and other countries' rules, which this table does not hold; whether an event has to be reported is a decision of
people, and the clinic's own reporting procedure comes first.

Reportable: a serious event, or a death, of which the device may have been a cause: causality `not_related` is left
out, an unknown one is not. A clinic whose standing as a user facility is not known gets rows without a date.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from ..local_time import with_local_day, with_timezone
from ..options import Cut, Options
from ..schemas import MART_TABLES
from .stamp import stamped

TABLE = MART_TABLES["report_deadlines"]
INPUTS = ("core.adverse_events", "core.clinics", "mart.adae")
METRIC = "report_deadlines"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A duty: after `work_days` from the day after the clinic became aware, to one of `recipients`."""

    id: str
    is_death: bool
    work_days: int
    recipients: tuple[str, ...]
    source: str


_SOURCE = "21 CFR 803.30, work days by 21 CFR 803.3"
RULES = (
    Rule(id="us_user_facility_death_to_fda", is_death=True, work_days=10, recipients=("fda",), source=_SOURCE),
    Rule(id="us_user_facility_death_to_manufacturer", is_death=True, work_days=10, recipients=("manufacturer",),
         source=_SOURCE),
    # to the FDA where the manufacturer is not known
    Rule(id="us_user_facility_serious_injury", is_death=False, work_days=10, recipients=("manufacturer", "fda"),
         source=_SOURCE),
)  # fmt: skip


def compute(
    *, adverse_events: pl.DataFrame, clinics: pl.DataFrame, adae: pl.DataFrame, options: Options, cut: Cut
) -> pl.DataFrame:
    """A row a reportable event and rule; columns of MART_TABLES["report_deadlines"].

    `days_left` counts from the clinic's day of the data cut; it stays as it is where the report has been made.
    """
    events = _reportable(adverse_events, clinics, adae, cut=cut)
    rows = pl.concat(
        events.filter(pl.col("is_death") == rule.is_death).with_columns(
            rule=pl.lit(rule.id),
            rule_source=pl.lit(rule.source),
            work_days=pl.lit(rule.work_days),
            is_recipient=_is_to(rule.recipients),
        )
        for rule in RULES
    )
    rows = _judged(_with_due_day(rows)).with_columns(metric_id=pl.lit(METRIC), is_suppressed=pl.lit(True))
    return TABLE.conform(stamped(rows, cut=cut)).sort("due_on", "ae_id", "rule", nulls_last=True)


def _reportable(events: pl.DataFrame, clinics: pl.DataFrame, adae: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """A row a reportable event of a clinic that is, or may be, a user facility, with its local days.

    The duty is the facility's, so that the days are by the clock of the clinic where it happened (CLINICID).
    """
    place = adae.select(ae_id="AEID", clinic_id="CLINICID")
    facilities = clinics.select("clinic_id", "is_device_user_facility")
    died = (pl.col("outcome") == "fatal") | (pl.col("grade") == 5)
    died = died.fill_null(False) | pl.col("serious_criteria").list.contains("death").fill_null(False)
    frame = events.drop("clinic_id").join(place, on="ae_id").join(facilities, on="clinic_id", how="left")
    frame = frame.with_columns(is_death=died, is_facility="is_device_user_facility", cut_at=pl.lit(cut.data_cutoff))
    frame = frame.filter(
        (pl.col("is_serious").fill_null(False) | pl.col("is_death"))
        & pl.col("related").ne_missing("not_related")
        & pl.col("is_facility").fill_null(True)
    )
    frame = with_timezone(frame, clinics)
    for moment, day in (("aware_at", "clock_start"), ("reported_at", "reported_on"), ("cut_at", "today")):
        frame = with_local_day(frame, at=moment, into=day)
    return frame


def _is_to(recipients: tuple[str, ...]) -> pl.Expr:
    """Whether the report went to one of them; null where it is not said to whom."""
    return pl.col("reported_to").str.to_lowercase().str.contains_any(list(recipients))


def _with_due_day(rows: pl.DataFrame) -> pl.DataFrame:
    start = pl.when("is_facility").then("clock_start")
    rows = rows.with_columns(_start=start).with_row_index("_row")
    known = rows.filter(pl.col("_start").is_not_null()).select("_row", "_start", "work_days")
    due = [after_work_days(day, days) for day, days in known.select("_start", "work_days").iter_rows()]
    known = known.select("_row", pl.Series("due_on", due, dtype=pl.Date))
    return rows.join(known, on="_row", how="left", maintain_order="left")


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `state`, `days_left` and `reason`."""
    is_reported = pl.col("reported_on").is_not_null() & pl.col("is_recipient").fill_null(True)
    to_another = pl.col("reported_on").is_not_null() & ~pl.col("is_recipient").fill_null(True)
    state = (
        pl.when(pl.col("due_on").is_null())
        .then(pl.lit("no_date"))
        .when(is_reported)
        .then(
            pl.when(pl.col("reported_on") <= pl.col("due_on"))
            .then(pl.lit("reported"))
            .otherwise(pl.lit("reported_late"))
        )
        .when(pl.col("today") > pl.col("due_on"))
        .then(pl.lit("overdue"))
        .otherwise(pl.lit("open"))
    )
    reason = (
        pl.when(pl.col("is_facility").is_null())
        .then(pl.lit("not known whether the clinic is a device user facility"))
        .when(pl.col("clock_start").is_null())
        .then(pl.lit("not known when the clinic became aware"))
        .when(to_another)
        .then(pl.format("reported to {}: not a recipient of this rule", "reported_to"))
        .when(is_reported & pl.col("reported_to").is_null())
        .then(pl.lit("to whom it was reported is not recorded"))
    )
    days_left = (pl.col("due_on") - pl.col("today")).dt.total_days()
    return rows.with_columns(state=state, reason=reason, days_left=days_left)


# --- work days --------------------------------------------------------------------------------------


def after_work_days(day: date, work_days: int) -> date:
    """The last of `work_days` work days that follow `day`: Monday to Friday except US federal holidays."""
    holidays = [h for year in range(day.year, day.year + 2) for h in federal_holidays(year)]
    return np.busday_offset(day, work_days, roll="backward", holidays=holidays).item()


def federal_holidays(year: int) -> list[date]:
    """US federal holidays of a year on the days they are kept (5 U.S.C. 6103).

    On a Saturday it is kept on Friday, on a Sunday on Monday; New Year's Day of the next year may fall into this one.
    """
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25), date(year + 1, 1, 1)]
    if year >= 2021:
        fixed.append(date(year, 6, 19))
    weekdays = [_nth(year, 1, 0, 3), _nth(year, 2, 0, 3), _nth(year, 5, 0, -1), _nth(year, 9, 0, 1),
                _nth(year, 10, 0, 2), _nth(year, 11, 3, 4)]  # fmt: skip
    kept = [d + timedelta(days={5: -1, 6: 1}.get(d.weekday(), 0)) for d in fixed]
    return sorted({d for d in (*kept, *weekdays) if d.year == year})


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th `weekday` (Monday = 0) of a month; -1 is the last."""
    if n < 0:
        following = date(year + month // 12, month % 12 + 1, 1)
        return following - timedelta(days=(following.weekday() - weekday - 1) % 7 + 1)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
