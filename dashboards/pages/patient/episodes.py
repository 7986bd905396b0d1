"""One patient's treatment episodes as a table.

Here: rows of core.episodes in words. Not here: the rule (transforms/rules/episodes.py).
"""

import polars as pl
from dash import html

from ... import words
from ...components import table_of
from ...reader import Reader

_ENDS = {
    "new_course": "a new course",
    "gap": "a long time without a session",
    None: "none followed",
}


def episodes_of(reader: Reader, patient: str | None):
    """A row an episode; a sentence where there is none."""
    if patient is None:
        return html.P("No patient is chosen.", className="small")
    rows = reader.core("episodes", "patient_id = $1", [patient]).sort("aperiod")
    if rows.is_empty():
        return html.P("No session was delivered.", className="small")
    return table(rows)


def table(rows: pl.DataFrame):
    """`rows` of core.episodes of one patient, in order."""
    shown = [
        (
            words.count(r["aperiod"]),
            f"{words.day(r['first_session_on'])} to {words.day(r['last_session_on'])}",
            words.count(r["sessions"]),
            ", ".join(r["course_ids"]) or "none named",
            _baseline(r),
            _windows(r),
            _ENDS[r["ended_by"]],
        )
        for r in rows.iter_rows(named=True)
    ]
    columns = [
        "episode",
        "sessions from, to",
        "sessions",
        "courses",
        "baseline",
        "visits count",
        "ended by",
    ]
    frame = pl.DataFrame(shown, schema=columns, orient="row")
    return table_of(frame, caption=_before(rows["is_treated_before"][0]))


def _baseline(r: dict) -> str:
    period = f"{words.day(r['baseline_from'])} to {words.day(r['baseline_to'])}"
    if r["is_baseline_in_follow_up"]:
        return f"{period}, in the follow-up of the one before"
    return period


def _windows(r: dict) -> str:
    if r["windows_to"] is None:
        return "with no end"
    if r["windows_to"] < r["first_session_on"]:
        return "none: the next began on the same day"
    return f"until {words.day(r['windows_to'])}"


def _before(is_treated_before: bool | None) -> str:
    return {
        True: "The patient had cryotherapy before the records begin.",
        False: "The patient had no cryotherapy before the records begin.",
        None: "Whether the patient had cryotherapy before the records begin is not known.",
    }[is_treated_before]
