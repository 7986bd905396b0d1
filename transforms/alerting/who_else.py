"""Who else: the patients and sessions that were on a device since its last good check, and what
became of them.

Here: frames of core and a window -> one row per session. Not here: the checks (devices.py), reading
(ingest/alerting).
"""

from collections.abc import Iterable, Mapping

import polars as pl

from ..rules.local_time import clocks
from ..schemas import TIMESTAMP
from .begun import judged_sessions
from .devices import Window

ON_DEVICE = pl.Schema(
    {
        "session_id": pl.String,
        "patient_id": pl.String,
        "clinic_id": pl.String,
        "started_at": TIMESTAMP,
        "timezone": pl.String,
        "status": pl.String,
        "modality": pl.String,
        "duration_s": pl.Float64,
        "cabin_min_temp_c": pl.Float64,
        "skin_min_temp_c": pl.Float64,
        "room_min_oxygen_pct": pl.Float64,
        "adverse_events": pl.List(pl.String),
    }
)


def who_else(
    core: Mapping[str, pl.DataFrame],
    *,
    device_id: str,
    within: Window,
    by_series: Iterable[str] = (),
) -> pl.DataFrame:
    """One row per session that began on the device within the window, columns of ON_DEVICE, the
    newest first.

    `by_series`: ids of sessions that the device's own series name. The exposure is the colder, and
    the lower, of what the session reports and what a device measured. `adverse_events`: those that
    name the session, and those of the patient since its start until the next session of the list,
    in words; one without a known onset is with the last. A session whose start is not known is in
    every window. An event that names the device and none of these patients has a row of its own,
    without a session.
    """
    whose = clocks(
        patients=core["patients"], clinics=core["clinics"], patient_status=core["patient_status"]
    )
    held = judged_sessions(core, whose)
    is_on = (pl.col("device_id") == device_id).fill_null(False) | pl.col("session_id").is_in(
        list(by_series)
    )
    sessions = held.filter("is_begun", is_on, _is_within(pl.col("day"), within))
    sessions = sessions.select(
        "session_id",
        "patient_id",
        "clinic_id",
        "started_at",
        "timezone",
        "modality",
        "duration_s",
        status=pl.coalesce("status_raw", "status"),
        cabin_min_temp_c="CABMINC",
        skin_min_temp_c="SKINMINC",
        room_min_oxygen_pct="O2MINPCT",
    )
    events = _after(sessions, core["adverse_events"])
    frame = sessions.join(events, on="session_id", how="left", maintain_order="left").with_columns(
        pl.col("adverse_events").fill_null([]).cast(pl.List(pl.String))
    )
    others = _of_others(sessions, core["adverse_events"], device_id=device_id, within=within)
    both = pl.concat([frame.select(ON_DEVICE.names()).cast(dict(ON_DEVICE)), others])
    return both.sort("started_at", "session_id", descending=[True, False], nulls_last=False)


def _is_within(day: pl.Expr, within: Window) -> pl.Expr:
    """A day that is not known may lie in it."""
    after = day >= within.since if within.since else pl.lit(True)
    before = day <= within.until if within.until else pl.lit(True)
    return (after & before).fill_null(True)


def _after(sessions: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """`session_id`, `adverse_events`: of each event the session that it names, else the last before
    its onset.

    This is not the session to which an event belongs (rules/safety.py): sessions are those of the
    list alone, however long before, and where the onset is not known the last one stands for it. A
    list for people to look at leaves nothing out.
    """
    ids = sessions["session_id"].to_list()
    starts = sessions.select("patient_id", "session_id", "started_at")
    named = events.filter(pl.col("session_id").is_in(ids)).select("session_id", *_TOLD)
    rest = events.filter(~pl.col("session_id").is_in(ids).fill_null(False)).select(
        "patient_id", "ae_id", *_TOLD
    )
    pairs = rest.join(starts, on="patient_id")
    since = (pl.col("onset_at") >= pl.col("started_at")).fill_null(True)
    last = (
        pairs.filter(since)
        .sort("started_at", nulls_last=False)
        .unique("ae_id", keep="last", maintain_order=True)
    )
    both = pl.concat([named, last.select(named.columns)]).sort("onset_at", "term", nulls_last=True)
    return both.group_by("session_id", maintain_order=True).agg(adverse_events=_words())


def _of_others(
    sessions: pl.DataFrame, events: pl.DataFrame, *, device_id: str, within: Window
) -> pl.DataFrame:
    """Events that name the device, of patients without a session in the window."""
    is_here = (pl.col("device_id") == device_id).fill_null(False)
    more = events.filter(is_here, _is_within(pl.col("onset_at").dt.date(), within))
    more = more.join(sessions, on="patient_id", how="anti")
    rows = more.group_by("patient_id", "clinic_id", maintain_order=True).agg(
        adverse_events=_words(), started_at=pl.col("onset_at").max()
    )
    missing = {
        name: pl.lit(None, dtype) for name, dtype in ON_DEVICE.items() if name not in rows.columns
    }
    return rows.with_columns(**missing).select(ON_DEVICE.names()).cast(dict(ON_DEVICE))


_TOLD = ("term", "grade", "is_serious", "onset_at", "outcome")


def _words() -> pl.Expr:
    grade = (
        pl.when(pl.col("grade").is_null())
        .then(pl.lit("not graded"))
        .otherwise(pl.format("grade {}", "grade"))
    )
    serious = (
        pl.when(pl.col("is_serious").fill_null(False))
        .then(pl.lit(", serious"))
        .otherwise(pl.lit(""))
    )
    onset = pl.col("onset_at").dt.strftime("%-d %b %Y").fill_null("onset not known")
    return pl.format("{}, {}{}, {}", "term", grade, serious, onset)
