"""The safety page's lists: serious events and cold injuries at once, reports that are due, alerts, all control charts.

Here: columns, and rows of marts as people read them. Not here: charts. Records and alerts are of single patients: a
reader from outside gets none of them (disclosed.py).
"""

from urllib.parse import quote

import polars as pl

from .. import words
from ..filters import Chosen
from ..reader import Reader
from .records import of_selection

COLD_INJURIES = ("burn", "frostbite")  # of AEINJ, as in transforms/marts/clinic_funnel (a test holds them together)
_SERIOUS = """("AESER" = 'Y' OR "AEINJ" IN ('burn', 'frostbite'))"""
_OPEN_FIRST = {"open": 0, "acknowledged": 1, "closed": 2}
_WRAPPED = {"wrapText": True, "autoHeight": True}

SERIOUS_COLUMNS = [
    {"field": "onset", "headerName": "Onset", "minWidth": 200},
    {"field": "patient", "headerName": "Patient", "minWidth": 112, "cellRenderer": "markdown", "linkTarget": "_self"},
    {"field": "why", "headerName": "Listed as", "minWidth": 125},
    {"field": "term", "headerName": "Event", "minWidth": 165, **_WRAPPED},
    {"field": "grade", "headerName": "Grade", "minWidth": 90},
    {"field": "outcome", "headerName": "Outcome", "minWidth": 112},
    {"field": "related", "headerName": "Related", "minWidth": 112},
    {"field": "hours", "headerName": "Hours since a session", "minWidth": 120},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 200, **_WRAPPED},
]
RATE_COLUMNS = [
    {"field": "term", "headerName": "Term", "minWidth": 180, **_WRAPPED},
    {"field": "events", "headerName": "Events", "minWidth": 105},
    {"field": "patients_with_event", "headerName": "Patients with an event", "minWidth": 125},
    {"field": "patients", "headerName": "Patients treated", "minWidth": 125},
    {"field": "sessions", "headerName": "Sessions", "minWidth": 115},
    {"field": "patient_years", "headerName": "Patient-years", "minWidth": 110},
    {"field": "incidence_proportion", "headerName": "% of patients (95 % CI)", "minWidth": 185},
    {"field": "events_per_100_sessions", "headerName": "Per 100 sessions (95 % CI)", "minWidth": 170},
    {"field": "events_per_100_sessions_od", "headerName": "The same, widened by over-dispersion", "minWidth": 190},
    {"field": "eair_per_100_patient_years", "headerName": "EAIR per 100 patient-years (95 % CI)", "minWidth": 225},
    {"field": "events_per_100_patient_years", "headerName": "Events per 100 patient-years (95 % CI)", "minWidth": 225},
    {"field": "overdispersion", "headerName": "Over-dispersion", "minWidth": 110},
]
DEADLINE_COLUMNS = [
    {"field": "ae_id", "headerName": "Adverse event", "minWidth": 180},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 200, **_WRAPPED},
    {"field": "rule", "headerName": "Rule", "minWidth": 220},
    {"field": "clock", "headerName": "Clinic aware", "minWidth": 135},
    {"field": "due", "headerName": "Due", "minWidth": 135},
    {"field": "days_left", "headerName": "Days left", "minWidth": 100},
    {"field": "state", "headerName": "State"},
    {"field": "reason", "headerName": "Why no date", "minWidth": 160, **_WRAPPED},
]
ALERT_COLUMNS = [
    {"field": "when", "headerName": "When", "minWidth": 200},
    {"field": "state", "headerName": "State"},
    {"field": "severity", "headerName": "Severity"},
    {"field": "rule", "headerName": "Rule", "minWidth": 220},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 180},
    {"field": "about", "headerName": "About", "minWidth": 260},
    {"field": "evidence", "headerName": "Events", "minWidth": 110},
]
CHART_COLUMNS = [
    {"field": "clinic", "headerName": "Clinic", "minWidth": 190, **_WRAPPED},
    {"field": "what", "headerName": "What", "minWidth": 280, **_WRAPPED},
    {"field": "when", "headerName": "Latest", "minWidth": 100},
    {"field": "value", "headerName": "Value", "minWidth": 95},
    {"field": "limits", "headerName": "Limits", "minWidth": 135},
    {"field": "said", "headerName": "Variation", "minWidth": 215, **_WRAPPED},
    {"field": "target", "headerName": "Assurance", "minWidth": 125, **_WRAPPED},
    {"field": "signals", "headerName": "Signals", "minWidth": 95},
]


# --- serious events and cold injuries ---------------------------------------------------------------


def records(reader: Reader, choice: Chosen) -> pl.DataFrame:
    """Rows of mart.adae that are serious, or a burn or frostbite; the newest onset first, unknown ones before."""
    rows = of_selection(reader, reader.mart("adae", _SERIOUS), choice)
    return rows.sort("ASTDTM", "AEID", descending=[True, False], nulls_last=False)


def serious_said(rows: pl.DataFrame) -> str:
    """How many records there are, of how many patients."""
    if rows.is_empty():
        return "None on record in this selection. None on record does not mean none happened."
    n = words.plural(rows.height, "record")
    serious = int((rows["AESER"] == "Y").sum())
    injuries = int(rows["AEINJ"].is_in(COLD_INJURIES).sum())
    still = int(rows["AEOUT"].is_in(["ongoing", "resolving"]).sum())
    return (
        f"{n} of {words.plural(rows['USUBJID'].n_unique(), 'patient')}: {words.count(serious)} serious, "
        f"{words.count(injuries)} burns or frostbite; {words.count(still)} not resolved yet."
    )


def serious(rows: pl.DataFrame, clinics: dict[str, str]) -> list[dict]:
    return [
        {
            "onset": words.moment(r["ASTDTM"]) if r["ASTDTM"] else "not known",
            "why": _why(r),
            "term": r["AEDECOD"] or r["AETERM"],
            "grade": r["AETOXGR"],
            "outcome": words.name_of(r["AEOUT"]),
            "related": words.name_of(r["AEREL"]),
            "hours": None if r["HRSSESS"] is None else round(r["HRSSESS"], 1),
            "clinic": clinics.get(r["SITEID"], r["SITEID"]),
            "patient": f"[{_literal(r['USUBJID'])}](/patient?patient={quote(r['USUBJID'], safe='')})",
        }
        for r in rows.iter_rows(named=True)
    ]


def _why(r: dict) -> str:
    injury = r["AEINJ"] if r["AEINJ"] in COLD_INJURIES else None
    return ", ".join(filter(None, ("serious" if r["AESER"] == "Y" else None, injury))).capitalize()


def _literal(text: str) -> str:
    """The text as Markdown shows it unchanged."""
    return "".join(c if c.isalnum() or c.isspace() else f"\\{c}" for c in text)


# --- reports, alerts --------------------------------------------------------------------------------


def deadlines(reader: Reader, choice: Chosen, clinics: dict[str, str]) -> list[dict]:
    rows = reader.mart("report_deadlines").sort("due_on", "ae_id", nulls_last=True)
    return [
        {
            "ae_id": r["ae_id"],
            "clinic": clinics.get(r["clinic_id"], r["clinic_id"]),
            "rule": words.name_of(r["rule"]),
            "clock": words.day(r["clock_start"]),
            "due": words.day(r["due_on"]),
            "days_left": r["days_left"] if r["state"] in ("open", "overdue") else None,
            "state": words.name_of(r["state"]),
            "reason": r["reason"] or "",
        }
        for r in _of_clinic(rows, choice).iter_rows(named=True)
    ]


def alerts(reader: Reader, choice: Chosen, clinics: dict[str, str]) -> list[dict]:
    """Open ones first, then the newest; one that names no clinic is shown for every clinic."""
    rows = _of_clinic(reader.mart("alerts"), choice, or_none=True).with_columns(
        place=pl.col("state").replace_strict(_OPEN_FIRST, default=0, return_dtype=pl.Int64)
    )
    rows = rows.sort("place", "occurred_at", "alert_id", descending=[False, True, False], nulls_last=True)
    return [
        {
            "when": words.moment(r["occurred_at"]),
            "state": words.name_of(r["state"]),
            "severity": words.name_of(r["severity"]),
            "rule": words.name_of(r["rule"]),
            "clinic": clinics.get(r["clinic_id"], r["clinic_id"] or words.NOTHING),
            "about": " ".join(filter(None, (r["subject_kind"], r["subject_id"]))),
            "evidence": len(r["evidence"] or ()),
        }
        for r in rows.iter_rows(named=True)
    ]


def _of_clinic(rows: pl.DataFrame, choice: Chosen, *, or_none: bool = False) -> pl.DataFrame:
    clinic = choice.dimensions.get("clinic_id")
    if not clinic:
        return rows
    is_mine = pl.col("clinic_id") == clinic
    return rows.filter(is_mine | pl.col("clinic_id").is_null() if or_none else is_mine)
