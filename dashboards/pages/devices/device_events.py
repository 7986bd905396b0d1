"""Device deficiencies, faults and incidents as the safety page shows them: rates of each kind,
clinic by clinic, records.

Here: which rows of the marts, and how they become a card, a table, a list, a text of one device.
Not here: layout (safety/page.py, page.py). Clinics and devices stand in the order of their names:
this is no ranking.
"""

from dataclasses import replace

import polars as pl

from transforms.facts.device_events import COUNTED, DEVICE_EVENTS, NOT_COUNTED
from transforms.facts.digits import DIGITS_OF_RATE
from transforms.facts.values import UNKNOWN

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...filters import Chosen
from ...gate import SUPPRESSED
from ...reader import Reader
from ...tables import WRAPPED
from ...theme import Look

MART = "device_event_rates"
TITLE = "How often do devices fail, and who else comes to harm?"
NONE_ON_RECORD = "None on record in this selection. None on record does not mean none happened."
_OF_PLACE = ("clinic_id", "modality")
_OF_PATIENTS = ("arm", "indication")
# rate -> panel's title, denominator, its digits, axis
_RATES = {
    "events_per_100_sessions": ("Per 100 sessions", "sessions", 0, "per 100 sessions delivered"),
    "events_per_1000_device_hours": (
        "Per 1,000 device-hours",
        "device_hours",
        1,
        "per 1,000 hours of exposure",
    ),
}
_SIDES = ("", "_lower", "_upper")

RATE_COLUMNS = [
    {"field": "clinic", "headerName": "Clinic", "minWidth": 150, **WRAPPED},
    {"field": "what", "headerName": "What", "minWidth": 170, **WRAPPED},
    {"field": "grave", "headerName": "Grave", "minWidth": 160, **WRAPPED},
    {"field": "over_sessions", "headerName": "Events / sessions", "minWidth": 120},
    {
        "field": "events_per_100_sessions",
        "headerName": "Per 100 sessions (95 % CI)",
        "minWidth": 160,
        **WRAPPED,
    },
    {"field": "over_hours", "headerName": "Events / device-hours", "minWidth": 130},
    {
        "field": "events_per_1000_device_hours",
        "headerName": "Per 1,000 device-hours (95 % CI)",
        "minWidth": 180,
        **WRAPPED,
    },
    {"field": "outside", "headerName": "In no rate", "minWidth": 105},
]
RECORD_COLUMNS = [
    {"field": "when", "headerName": "When", "minWidth": 150, **WRAPPED},
    {"field": "kind", "headerName": "Kind", "minWidth": 130, **WRAPPED},
    {"field": "what", "headerName": "What", "minWidth": 190, **WRAPPED},
    {"field": "grave", "headerName": "Grave", "minWidth": 130, **WRAPPED},
    {"field": "person", "headerName": "Whom it harmed", "minWidth": 120},
    {"field": "device", "headerName": "Device", "minWidth": 150, **WRAPPED},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 160, **WRAPPED},
    {"field": "counts", "headerName": "In the rates", "minWidth": 150, **WRAPPED},
]


# --- rows ---------------------------------------------------------------------------------------


def rates(reader: Reader, choice: Chosen, *, is_by_clinic: bool = False) -> pl.DataFrame:
    """Rows of the mart, of the chosen clinic and modality alone: a device knows no study, arm or
    indication.
    """
    place = {c: choice.dimensions[c] for c in _OF_PLACE if c in choice.dimensions}
    force = [c for c in _OF_PLACE if c in place or (is_by_clinic and c == "clinic_id")]
    conditions = ["strata = $1", *(f"{column} = ${k}" for k, column in enumerate(place, 2))]
    rows = reader.mart(MART, " AND ".join(conditions), [tuple(force), *place.values()])
    order = pl.col("kind").replace_strict(
        {kind: k for k, kind in enumerate(DEVICE_EVENTS)}, return_dtype=pl.Int64
    )
    return rows.sort("clinic_id", order, nulls_last=False)


def records(reader: Reader, choice: Chosen) -> pl.DataFrame:
    """Rows of mart.device_events of the chosen clinic and modality, the newest first, those without
    a moment before.
    """
    rows = reader.mart("device_events")
    for column in _OF_PLACE:
        if column in choice.dimensions:
            rows = rows.filter(pl.col(column) == choice.dimensions[column])
    return rows.sort(
        "occurred_at", "kind", "record_id", descending=[True, False, False], nulls_last=False
    )


def of_devices(reader: Reader) -> dict[tuple[str, str], dict[str, dict]]:
    """(clinic, device) -> kind -> row of the mart."""
    by_kind: dict[tuple[str, str], dict[str, dict]] = {}
    for row in reader.mart(MART, "device_id IS NOT NULL").iter_rows(named=True):
        by_kind.setdefault((row["clinic_id"], row["device_id"]), {})[row["kind"]] = row
    return by_kind


# --- the card -----------------------------------------------------------------------------------


def rates_card(rows: pl.DataFrame, choice: Chosen, clinics: dict[str, str], *, of: Look) -> Drawn:
    """One row per kind, over sessions and over hours of exposure; an empty one says why."""
    if rows.is_empty():
        return nothing("No session or device of this selection is on record yet.", of=of)
    shown = rows.select(
        pl.col("kind")
        .replace({kind: event.words for kind, event in DEVICE_EVENTS.items()})
        .alias("label"),
        *(f"{rate}{side}" for rate in _RATES for side in _SIDES),
        *(
            _over(rows, exposure, digits=digits).alias(f"{rate}_text")
            for rate, (_, exposure, digits, _) in _RATES.items()
        ),
    )
    panels = tuple(
        Panel(title, rate, f"{rate}_lower", f"{rate}_upper", f"{rate}_text", axis)
        for rate, (title, _, _, axis) in _RATES.items()
    )
    figure = interval_panels(shown, panels=panels, of=of)
    figure.update_xaxes(rangemode="tozero")
    return Drawn(
        figure=figure,
        summary=_sentence(rows),
        notes=_notes(rows, choice),
        metrics=(MART,),
        table=pl.DataFrame(grid_rows(rows, clinics)).drop("clinic"),
        data_to=rows["data_cutoff"].max(),
        selection=_selection(choice, clinics),
    )


def _selection(choice: Chosen, clinics: dict[str, str]) -> str:
    """What the figures are of: whatever study and indication were chosen, of all."""
    place = {c: v for c, v in choice.dimensions.items() if c not in _OF_PATIENTS}
    return replace(choice, dimensions=place).in_words(clinics, is_of_a_study=False)


def _over(rows: pl.DataFrame, exposure: str, *, digits: int) -> pl.Series:
    return pl.Series(
        [_fraction(row, exposure, digits=digits) for row in rows.iter_rows(named=True)],
        dtype=pl.String,
    )


def _fraction(row: dict, exposure: str, *, digits: int) -> str:
    """`3 / 710`; what is hidden says so."""
    if row["events"] is None:
        return SUPPRESSED.partition(" ")[0] if row["is_suppressed"] else words.NOTHING
    return f"{words.count(row['events'])} / {words.number(row[exposure], digits)}"


def _sentence(rows: pl.DataFrame) -> str:
    seen = [
        f"{DEVICE_EVENTS[row['kind']].words} {words.count(row['events'])}{_of_them_grave(row)}"
        for row in rows.iter_rows(named=True)
        if row["events"] is not None
    ]
    if not seen:
        return f"No kind of this selection can be shown: {SUPPRESSED}."
    sessions = rows["sessions"].max()
    begin, end = rows["period_start"].min(), rows["period_end"].max()
    between = f", from {words.day(begin)} to {words.day(end)}" if begin and end else ""
    return (
        f"In {words.count(sessions)} sessions delivered{between}: {'; '.join(seen)}. Each rate has its exact 95 % interval; a hollow mark "
        "is none on record, with the highest rate that this allows."
    )


def _of_them_grave(row: dict) -> str:
    text = _grave(row)
    if text and row["events"]:
        return f" ({text})"
    return ""


def _grave(row: dict) -> str:
    """`2 could have led to a serious adverse event, 1 not recorded`; nothing of a kind without such
    a field.
    """
    grave = DEVICE_EVENTS[row["kind"]].grave
    if grave is None or row["grave"] is None:
        return ""
    unknown = f", {words.count(row['grave_unknown'])} not recorded" if row["grave_unknown"] else ""
    return f"{words.count(row['grave'])} {grave}{unknown}"


def _notes(rows: pl.DataFrame, choice: Chosen) -> tuple[str, ...]:
    """What is not known, hidden or left out, and that one happening may be in two kinds."""
    one = rows.sort("is_suppressed").row(0, named=True)
    hidden = int(rows["events"].is_null().sum())
    outside = int(rows["events_outside"].sum() or 0)
    unread = one["unread_records"] or 0
    implausible = one["implausible_records"] or 0
    unknown = int(rows["unknown_moment"].sum() or 0)
    others = [d for d in ("study_id", *_OF_PATIENTS) if d in choice.asked]
    notes = [
        "Kinds are not to be added: a deficiency and the session that the interlock stopped for it may be one happening.",
        f"{hidden} kinds: {SUPPRESSED}." if hidden else "",
        f"{one['reason']}." if one["reason"] and not one["is_suppressed"] else "",
        f"Before the clinic's first session on record, so in no rate: {words.count(outside)}."
        if outside
        else "",
        f"Counted though their moment is not known: {words.count(unknown)}." if unknown else "",
        f"{words.plural(unread, 'record')} of these topics could not be read." if unread else "",
        f"Of {words.plural(implausible, 'record')} a value can't be true and does not count."
        if implausible
        else "",
        "Study, arm and indication do not narrow this: a device has none." if others else "",
    ]
    return tuple(note[0].upper() + note[1:] for note in notes if note)


# --- tables -------------------------------------------------------------------------------------


def grid_rows(rows: pl.DataFrame, clinics: dict[str, str]) -> list[dict]:
    return [
        {
            "clinic": _clinic(row["clinic_id"], clinics),
            "what": DEVICE_EVENTS[row["kind"]].words,
            "grave": _grave(row) or words.NOTHING,
            "over_sessions": _fraction(row, "sessions", digits=0),
            "events_per_100_sessions": rate_in_words(row, "events_per_100_sessions"),
            "over_hours": _fraction(row, "device_hours", digits=1),
            "events_per_1000_device_hours": rate_in_words(row, "events_per_1000_device_hours"),
            "outside": words.count(row["events_outside"]),
        }
        for row in rows.iter_rows(named=True)
    ]


def rate_in_words(row: dict, rate: str) -> str:
    """The rate with its limits; without one why."""
    values = [row[f"{rate}{side}"] for side in _SIDES]
    return (
        (row["reason"] or words.NOTHING)
        if values[0] is None
        else words.interval(*values, digits=DIGITS_OF_RATE[rate])
    )


def _clinic(clinic_id: str | None, clinics: dict[str, str]) -> str:
    if clinic_id is None:
        return "all clinics"
    return "not recorded" if clinic_id == UNKNOWN else clinics.get(clinic_id, clinic_id)


def record_rows(rows: pl.DataFrame, clinics: dict[str, str]) -> list[dict]:
    return [
        {
            "when": words.moment(row["occurred_at"]) if row["occurred_at"] else "not known",
            "kind": words.name_of(row["kind"]),
            "what": row["what"],
            "grave": _is_grave(row),
            "person": words.name_of(row["person"]),
            "device": row["device_id"] or words.NOTHING,
            "clinic": _clinic(row["clinic_id"], clinics),
            "counts": "yes"
            if row["counted_as"] == COUNTED
            else f"no: {NOT_COUNTED[row['counted_as']]}",
        }
        for row in rows.iter_rows(named=True)
    ]


def _is_grave(row: dict) -> str:
    grave = DEVICE_EVENTS[row["kind"]].grave
    if grave is None:
        return words.NOTHING
    return {True: grave, False: "no", None: "not recorded"}[row["is_grave"]]


def of_device_in_words(row: dict | None) -> str:
    """`2 / 310: 0.65 (0.08 to 2.33)`: events over the device's own sessions, and per 100 of them; a
    dash without figures.
    """
    if row is None:
        return words.NOTHING
    return (
        f"{_fraction(row, 'sessions', digits=0)}: {rate_in_words(row, 'events_per_100_sessions')}"
    )
