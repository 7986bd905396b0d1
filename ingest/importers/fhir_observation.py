"""What one FHIR Observation says: readings, a pain rating or a performance test, or why it is not
taken over.

Here: status, code, unit, subject, time and value of an Observation, one after the other. Not here:
files and events (fhir.py), FHIR's JSON (fhir_json.py), the codes (transforms/facts/vocabulary.py).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from transforms.facts.measurements import METRICS
from transforms.facts.questionnaires import INSTRUMENTS
from transforms.facts.vocabulary import (
    CONCEPTS,
    CONTRADICTIONS,
    LOINC_SYSTEMS,
    PAIN_ANSWERS,
    UCUM_SYSTEMS,
    Concept,
    is_unit_of,
)

from .fhir_json import Moment, Observation, Quantity, Reference, moment, observation

_IN_ERROR = "entered-in-error"
_REVISION = {
    "final": 0,
    "amended": 1,
    "appended": 1,
    "corrected": 1,
    _IN_ERROR: 2,
}  # where the server counts none
_NOT_YET = ("registered", "preliminary", "specimen-in-process")
_LARGEST_VERSION = 10**15

_DAY_S = 86_400.0
_SINGLE_S = 1.0  # interval of a series of one: the resolution of most times
_SHORTEST_DAY_S = (22 * 60 + 59) * 60.0  # of the day without its skipped hour, to its last minute
_LONGEST_MEAN_S = 3_600  # a heart rate over more than this is a summary, no reading (a proposal)

_OFFSET = re.compile(r"(Z|[+-]\d\d:\d\d)$")

_OTHER_RESOURCE = "only Observations are read"
_QUESTIONNAIRE = "the items of a questionnaire have no codes that all use: send them as floe.responses.v1, by the contract's names"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What one Observation says, before it is known which patient its subject is."""

    topic: str
    subject: str
    identity: str | None
    revision: int
    time: Moment
    data: dict[str, Any]
    device: str | None = None


def fact_of(
    kind: str, text, *, where: ZoneInfo | None, deleted: Collection[str] = ()
) -> Fact | str:
    """What the resource says, or why it is not taken over.

    `deleted`: ids of Observations that their server deleted: such a one says that it was entered in
    error.
    """
    if kind != "Observation":
        return f"{kind}: {_QUESTIONNAIRE if kind == 'QuestionnaireResponse' else _OTHER_RESOURCE}"
    found = observation(text)
    is_deleted = not isinstance(found, str) and found.id in deleted
    if is_deleted:
        found = msgspec.structs.replace(found, status=_IN_ERROR)
    concept = found if isinstance(found, str) else _concept(found)
    if isinstance(concept, str):
        return concept
    reason = _unfit(found, concept)
    subject = _id_of(found.subject, kind="Patient")
    if reason or subject is None:
        return reason or f"{concept.code}: found no subject that is a patient, expected Patient/ID"
    time, data = _measured(found, concept, where=where)
    if time is None:
        return f"{concept.code}: {data}"
    version = found.meta.version_id or ""
    is_counted = version.isdecimal() and int(version) < _LARGEST_VERSION
    device = _id_of(found.device, kind="Device") if concept.metric else None
    if device:
        data["device_id"] = device = f"fhir-{device}"
    return Fact(
        topic="readings"
        if concept.metric
        else "performance_tests"
        if concept.test
        else "responses",
        subject=subject,
        identity=_identity(found),
        revision=(int(version) if is_counted else _REVISION[found.status]) + is_deleted,
        time=time,
        data=data | ({} if concept.metric else _record_fields(found)),
        device=device,
    )


def _concept(found: Observation) -> Concept | str:
    """The one thing that the Observation's codes say it is, or why it is nothing that is taken
    over.
    """
    codings = found.code.coding
    codes = [c.code for c in codings if c.system in LOINC_SYSTEMS and c.code]
    known = [CONCEPTS[code] for code in codes if code in CONCEPTS]
    if not known:
        return (
            f"code {codes[0]}: not one of those read"
            if codes
            else "found no LOINC code, expected one"
        )
    for concept in known:
        if concept.refusal:
            return f"{concept.code} ({concept.label}): {concept.refusal}"
    concept = known[0]
    if len({c.code for c in known}) > 1:
        return f"{' and '.join(sorted({c.code for c in known}))}: found two meanings, expected one"
    for coding in codings:
        if why := CONTRADICTIONS.get((concept.code, coding.code)):
            return f"{concept.code}: {why}"
    texts = [
        x
        for c in (found.code, found.method)
        for x in (c.text, *(t for k in c.coding for t in (k.code, k.display)))
    ]
    if concept.metric == "heart_rate_variability_sdnn" and any(
        "rmssd" in text.lower() for text in texts if text
    ):
        return f"{concept.code}: found RMSSD under the code of SDNN, which is another statistic"
    return concept


def _unfit(found: Observation, concept: Concept) -> str | None:
    """Why an Observation of this concept is not taken over, whatever was measured when; None where
    nothing speaks against it.
    """
    if found.modifier_extension or found.implicit_rules:
        return (
            f"{concept.code}: found modifierExtension or implicitRules, which can turn its meaning"
        )
    if found.focus:
        return f"{concept.code}: found a focus: it is of something else than the patient"
    if concept.item and (found.body_site is not UNSET or found.body_structure is not UNSET):
        return f"{concept.code}: found a body site: pain of one site is not pooled with pain now, which has none"
    if found.status in _NOT_YET:
        return f"status {found.status}: not a result yet; import it when it is final"
    if found.status not in _REVISION:
        return f"status {found.status}: expected one of {', '.join(_REVISION)}"
    if _REVISION[found.status] and _identity(found) is None:
        return f"status {found.status}: found neither id nor identifier, so what it corrects is not known"
    if found.status == _IN_ERROR and concept.metric:
        return (
            f"status {_IN_ERROR} of readings ({concept.code}): not sent; a series can't be withdrawn, so what was "
            "imported before stays"
        )
    return None


def _identity(found: Observation) -> str | None:
    return found.id or next(
        (f"{i.system or ''}|{i.value}" for i in found.identifier if i.value), None
    )


def _record_fields(found: Observation) -> dict[str, Any]:
    """Correction fields; the time of writing only where it is an instant."""
    recorded = next(
        (t for text in (found.meta.last_updated, found.issued) if (t := _instant(text))), None
    )
    status = "entered_in_error" if found.status == _IN_ERROR else None
    return {"record_status": status, "recorded_at": recorded and str(recorded)}


def _instant(text: str | None) -> Moment | None:
    """A time that is an instant whatever the time zone."""
    return moment(text, where=None) if text and "T" in text and _OFFSET.search(text) else None


def _id_of(reference: Reference | None, *, kind: str) -> str | None:
    """`ID` of `Patient/ID`, a whole URL or URN as it stands, else the identifier; None of a thing
    of another kind.
    """
    text = (reference.reference or "") if reference else ""
    text = text.split("/_history/")[0]
    if text.startswith("urn:"):
        return text
    *before, of, id = text.split("/") if "/" in text else ("", "")
    if text and not text.startswith("#"):
        return (text if before else id) if of == kind and id else None
    return (reference.identifier.value or None) if reference and reference.identifier else None


# --- when and what ------------------------------------------------------------------------------

_Measured = (
    tuple[Moment, dict[str, Any]] | tuple[None, str]
)  # the event's time and data, or why there is none


def _measured(found: Observation, concept: Concept, *, where: ZoneInfo | None) -> _Measured:
    start, end, why = _effective(found, where=where)
    if start is None:
        return None, why
    if concept.item:
        return _rating(found, concept, start=start, end=end)
    if concept.test and found.status == _IN_ERROR:
        return start, {"performed_at": str(start), "test": concept.test}
    value = _value(found.value_quantity, concept)
    if isinstance(value, str):
        return None, value
    if concept.test:
        data = {"performed_at": str(start), "test": concept.test, "value": value}
        return (
            (start, data)
            if value >= 0
            else (None, f"found {value:g}, expected 0 or more {concept.units[0]}")
        )
    _, low, high, _ = METRICS[concept.metric]
    if not low <= value <= high:
        return None, f"found {value:g}, expected {low:g} to {high:g} {concept.units[0]}"
    return (
        _steps(concept, value, start, end)
        if "step" in concept.metric
        else _pulse(concept, value, start, end)
    )


def _effective(
    found: Observation, *, where: ZoneInfo | None
) -> tuple[Moment | None, Moment | None, str]:
    """Start and end (None = of a moment) of what was observed, or None and why."""
    period = found.effective_period
    texts = (
        [found.effective_date_time or found.effective_instant]
        if period is None
        else [period.start, period.end]
    )
    if None in texts:
        return (
            None,
            None,
            "found no effective time, expected a dateTime, an instant, or a Period with both ends",
        )
    times = [moment(text, where=where) for text in texts]
    if None in times:
        return (
            None,
            None,
            "found an effective time that is no day and no instant with seconds, of 1900 to 2100",
        )
    if len(times) == 2 and times[1].at < times[0].at:
        return None, None, "found a Period that ends before it starts"
    return times[0], times[1] if len(times) == 2 else None, ""


def _value(quantity: Quantity | None, concept: Concept) -> float | str:
    """The number in the concept's unit, or why there is none."""
    if quantity is None or quantity.value is None:
        return "found no valueQuantity with a value, expected one"
    if quantity.comparator:
        return f"found a value {quantity.comparator} a number, expected the number itself"
    is_ucum = quantity.system in UCUM_SYSTEMS and quantity.code is not None
    if is_unit_of(concept, quantity.code) if is_ucum else _is_unit_text(concept, quantity):
        return quantity.value
    if is_ucum:
        shown = quantity.code
    else:
        shown = f"{quantity.unit or quantity.code or '(none)'} (no UCUM code) where valueQuantity.code should be"
    return f"found the unit {shown}, expected {' or '.join(concept.units)}: it is {concept.label.lower()} and nothing else"


def _is_unit_text(concept: Concept, quantity: Quantity) -> bool:
    """Whether a unit that is text without a code names the concept's unit: in words, or as UCUM
    writes it.
    """
    text = (quantity.unit or "").strip()
    return (
        not quantity.code
        and bool(text)
        and (text in concept.plain_units or is_unit_of(concept, text))
    )


def _rating(
    found: Observation, concept: Concept, *, start: Moment, end: Moment | None
) -> _Measured:
    if end is not None and end.at != start.at:
        return None, "found a Period, expected a moment: it is pain at a point in time"
    instrument, item = concept.item
    low, high = INSTRUMENTS[instrument][item]
    value = None if found.status == _IN_ERROR else _answer(found, concept)
    if isinstance(value, str):
        return None, value
    if value is not None and not low <= value <= high:
        return None, f"found {value:g}, expected {low:g} to {high:g}"
    return start, {"instrument": instrument, "answered_at": str(start), "items": {item: value}}


def _answer(found: Observation, concept: Concept) -> float | str:
    """The rating: a number, or the place of the answer in LOINC's list. What the answer's text says
    does not count.
    """
    if found.value_integer is not None:
        return float(found.value_integer)
    if found.value_codeable_concept is None:
        return _value(found.value_quantity, concept)
    codes = {c.code for c in found.value_codeable_concept.coding if c.system in LOINC_SYSTEMS}
    places = [place for place, code in enumerate(PAIN_ANSWERS) if code in codes]
    return (
        float(places[0])
        if len(places) == 1
        else "found an answer that is none of LOINC's list for it"
    )


def _steps(concept: Concept, value: float, start: Moment, end: Moment | None) -> _Measured:
    day = _whole_day(start, end) if end else start if concept.metric == "daily_step_count" else None
    if day:
        # at the time as given, so that of two totals of a day the one taken later counts
        return start, _series("daily_step_count", value, day.midnight, _DAY_S)
    if concept.metric == "daily_step_count":
        return (
            None,
            "found a Period that is no local day, expected the day: it is steps in 24 hours",
        )
    if end is None:
        return None, "found no Period: it is not known in which interval the steps were made"
    interval_s = (end.at - start.at).total_seconds()
    if start.is_day or end.is_day or not 0 < interval_s < _DAY_S:
        return None, "found a Period that is neither a local day nor an interval within a day"
    return start, _series("step_count", value, start, interval_s)


def _whole_day(start: Moment, end: Moment) -> Moment | None:
    """The day that a Period is: a day to itself, or midnight to (about) midnight on the local
    clock.
    """
    if start.is_day and end.is_day:
        return start if start.day == end.day else None
    if (end.at - start.at).total_seconds() < _SHORTEST_DAY_S:
        return None
    is_midnight = start.at == start.midnight.at
    ends_within = end.day == start.day and (end.at.hour, end.at.minute) == (23, 59)
    ends_after = (end.day - start.day).days == 1 and end.at == end.midnight.at
    return start if is_midnight and (ends_within or ends_after) else None


def _pulse(concept: Concept, value: float, start: Moment, end: Moment | None) -> _Measured:
    if start.is_day or (end and end.is_day):
        return None, "found a day, expected an instant or a short Period"
    interval_s = (end.at - start.at).total_seconds() if end else 0
    if interval_s > _LONGEST_MEAN_S:
        return (
            None,
            f"found a Period of more than {_LONGEST_MEAN_S // 60} min: a summary is no reading",
        )
    return start, _series(concept.metric, value, start, interval_s or _SINGLE_S)


def _series(metric: str, value: float, start: Moment, interval_s: float) -> dict[str, Any]:
    return {
        "metric": metric,
        "unit": METRICS[metric][0],
        "started_at": str(start),
        "interval_s": interval_s,
        "values": [value],
    }
