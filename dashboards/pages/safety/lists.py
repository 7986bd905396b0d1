"""The safety page's lists: serious events and cold injuries, reports and their due days, all
control charts.

Here: columns, and rows of marts as people read them. Not here: charts. Records are of single
patients: a reader from outside gets none of them (gate.py).
"""

from urllib.parse import quote

import polars as pl

from transforms.facts.values import COLD_INJURIES, DATED_STATES, REPORT_STATES, UNENDED

from ... import words
from ...filters import Chosen
from ...reader import Reader
from ...tables import WRAPPED
from ..records import of_selection

_SERIOUS = """("AESER" = 'Y' OR "AEINJ" IN ('burn', 'frostbite'))"""
NONE_SERIOUS = "None on record in this selection. None on record does not mean none happened."


def _written(field: str, title: str, width: int, **more) -> dict:
    return {
        "field": field,
        "headerName": title,
        "minWidth": width,
        "valueFormatter": {"function": "written(params.value)"},
        **more,
    }


def _over(field: str, denominator: str, title: str, width: int) -> dict:
    formatter = {"function": f"over(params.value, params.data.{denominator})"}
    return {"field": field, "headerName": title, "minWidth": width, "valueFormatter": formatter}


SERIOUS_COLUMNS = [
    {"field": "onset", "headerName": "Onset", "minWidth": 150, **WRAPPED},
    {
        "field": "patient",
        "headerName": "Patient",
        "minWidth": 112,
        "cellRenderer": "markdown",
        "linkTarget": "_self",
    },
    {"field": "why", "headerName": "Listed as", "minWidth": 115},
    {"field": "term", "headerName": "Event", "minWidth": 150, **WRAPPED},
    {"field": "grade", "headerName": "Grade", "minWidth": 100},
    {"field": "outcome", "headerName": "Outcome", "minWidth": 112},
    {"field": "related", "headerName": "Related", "minWidth": 112},
    _written("hours", "Hours since a session", 112),
    {"field": "clinic", "headerName": "Clinic", "minWidth": 165, **WRAPPED},
]
_ON_DEMAND = {"columnGroupShow": "open"}  # seen once the group is opened
RATE_COLUMNS = [
    {"field": "term", "headerName": "Term", "minWidth": 170, **WRAPPED},
    {
        "headerName": "Patients",
        "children": [
            _over("patients_with_event", "patients", "With an event / treated", 125),
            {"field": "incidence_proportion", "headerName": "% (95 % CI)", "minWidth": 150},
        ],
    },
    {
        "headerName": "Per 100 sessions",
        "children": [
            _over("events", "sessions", "Events / sessions", 125),
            {"field": "events_per_100_sessions", "headerName": "Rate (95 % CI)", "minWidth": 155},
            {
                "field": "events_per_100_sessions_od",
                "headerName": "Widened by over-dispersion",
                "minWidth": 160,
                **_ON_DEMAND,
            },
            _written("overdispersion", "Over-dispersion", 120, **_ON_DEMAND),
        ],
    },
    {
        "headerName": "Per 100 patient-years",
        "children": [
            _over("events", "patient_years", "Events / patient-years", 130)
            | {"colId": "events_over_years"},
            {
                "field": "events_per_100_patient_years",
                "headerName": "Rate (95 % CI)",
                "minWidth": 180,
            },
            {
                "field": "eair_per_100_patient_years",
                "headerName": "First events (EAIR, 95 % CI)",
                "minWidth": 180,
                **_ON_DEMAND,
            },
        ],
    },
]
DEADLINE_COLUMNS = [
    {"field": "state", "headerName": "State", "minWidth": 110},
    {"field": "due", "headerName": "Due", "minWidth": 110},
    {"field": "days_left", "headerName": "Days left", "minWidth": 85},
    {"field": "about", "headerName": "About", "minWidth": 130, **WRAPPED},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 120, **WRAPPED},
    {"field": "duty", "headerName": "What, to whom, by when", "minWidth": 190, **WRAPPED},
    {"field": "clock", "headerName": "Clinic aware", "minWidth": 105},
    {"field": "reason", "headerName": "Remarks", "minWidth": 150, **WRAPPED},
    {"field": "source", "headerName": "Source", "minWidth": 140, **WRAPPED},
]
# what somebody has to do first, then what nobody must do or is done
CHART_COLUMNS = [
    {"field": "clinic", "headerName": "Clinic", "minWidth": 190, **WRAPPED},
    {"field": "what", "headerName": "What", "minWidth": 235, **WRAPPED},
    {"field": "when", "headerName": "Latest", "minWidth": 100},
    _written("value", "Value", 100),
    {"field": "limits", "headerName": "Limits", "minWidth": 130},
    {"field": "said", "headerName": "Variation", "minWidth": 190, **WRAPPED},
    {"field": "target", "headerName": "Assurance", "minWidth": 125, **WRAPPED},
    {"field": "signals", "headerName": "Signals", "minWidth": 108},
]


def records(reader: Reader, choice: Chosen) -> pl.DataFrame:
    """Rows of mart.adae that are serious, or a burn or frostbite; the newest onset first, unknown
    ones before.
    """
    rows = of_selection(reader, reader.mart("adae", _SERIOUS), choice)
    return rows.sort("ASTDTM", "AEID", descending=[True, False], nulls_last=False)


def serious_said(rows: pl.DataFrame) -> str:
    """How many records there are, of how many patients; nothing where there are none, which the
    list itself says.
    """
    if rows.is_empty():
        return ""
    n = words.plural(rows.height, "record")
    serious = int((rows["AESER"] == "Y").sum())
    injuries = int(rows["AEINJ"].is_in(COLD_INJURIES).sum())
    still = int(rows["AEOUT"].is_in(UNENDED).sum())
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
            "clinic": clinics.get(r["CLINICID"], r["CLINICID"]),
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


def deadlines(reader: Reader, choice: Chosen, clinics: dict[str, str]) -> list[dict]:
    """What is overdue or due without delay first, then by its due day; what nobody must do and what
    is done come last.
    """
    order = dict(zip(REPORT_STATES, range(len(REPORT_STATES)), strict=True))
    rows = _of_clinic(reader.mart("report_deadlines"), choice, or_none=True).with_columns(
        place=pl.col("state").replace_strict(order, default=0, return_dtype=pl.Int64)
    )
    rows = rows.sort("place", "due_on", "subject_kind", "subject_id", "rule", nulls_last=True)
    return [
        {
            "state": words.name_of(r["state"]),
            "due": words.day(r["due_on"]),
            "days_left": r["days_left"] if r["state"] in DATED_STATES else None,
            "about": f"{words.name_of(r['subject_kind'])} {r['subject_id']}",
            "clinic": clinics.get(r["clinic_id"], r["clinic_id"] or words.NOTHING),
            "duty": r["duty"] or "",
            "clock": words.day(r["clock_start"]),
            "reason": r["reason"] or "",
            "source": _source(r),
        }
        for r in rows.iter_rows(named=True)
    ]


def _source(r: dict) -> str:
    """The rule's source, and whether its words were read."""
    if r["rule_source"]:
        return f"{r['rule_source']} ({r['rule_verification']})"
    return ""


def _of_clinic(rows: pl.DataFrame, choice: Chosen, *, or_none: bool = False) -> pl.DataFrame:
    clinic = choice.dimensions.get("clinic_id")
    if not clinic:
        return rows
    is_mine = pl.col("clinic_id") == clinic
    return rows.filter(is_mine | pl.col("clinic_id").is_null() if or_none else is_mine)
