"""When and what one FHIR Observation measured: readings, a pain rating or a performance test, or why
it is not taken over.

Here: time, unit and value of an Observation whose code is understood. Not here: whose it is, and
whether it counts (fhir_observation.py).
"""

from typing import Any
from zoneinfo import ZoneInfo

from transforms.facts.instruments import INSTRUMENTS
from transforms.facts.measurements import METRICS
from transforms.facts.vocabulary import (
    LOINC_SYSTEMS,
    PAIN_ANSWERS,
    UCUM_SYSTEMS,
    Concept,
    is_unit_of,
)

from .fhir_json import Moment, Observation, Quantity, moment

IN_ERROR = "entered-in-error"

_DAY_S = 86_400.0
_SINGLE_S = 1.0  # interval of a series of one: the resolution of most times
_SHORTEST_DAY_S = (22 * 60 + 59) * 60.0  # of the day without its skipped hour, to its last minute
_LONGEST_MEAN_S = 3_600  # a heart rate over more than this is a summary, no reading (a proposal)


_Measured = (
    tuple[Moment, dict[str, Any]] | tuple[None, str]
)  # the event's time and data, or why there is none


def measured(observation: Observation, concept: Concept, *, where: ZoneInfo | None) -> _Measured:
    start, end, why = _effective(observation, where=where)
    if start is None:
        return None, why
    if concept.item:
        return _rating(observation, concept, start=start, end=end)
    if concept.test and observation.status == IN_ERROR:
        return start, {"performed_at": str(start), "test": concept.test}
    value = _value(observation.value_quantity, concept)
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
    observation: Observation, *, where: ZoneInfo | None
) -> tuple[Moment | None, Moment | None, str]:
    """Start and end (None = of a moment) of what was observed, or None and why."""
    period = observation.effective_period
    texts = (
        [observation.effective_date_time or observation.effective_instant]
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
    observation: Observation, concept: Concept, *, start: Moment, end: Moment | None
) -> _Measured:
    if end is not None and end.at != start.at:
        return None, "found a Period, expected a moment: it is pain at a point in time"
    instrument, item = concept.item
    low, high = INSTRUMENTS[instrument].items[item]
    value = None if observation.status == IN_ERROR else _answer(observation, concept)
    if isinstance(value, str):
        return None, value
    if value is not None and not low <= value <= high:
        return None, f"found {value:g}, expected {low:g} to {high:g}"
    return start, {"instrument": instrument, "answered_at": str(start), "items": {item: value}}


def _answer(observation: Observation, concept: Concept) -> float | str:
    """The rating: a number, or the place of the answer in LOINC's list. What the answer's text says
    does not count.
    """
    if observation.value_integer is not None:
        return float(observation.value_integer)
    if observation.value_codeable_concept is None:
        return _value(observation.value_quantity, concept)
    codes = {c.code for c in observation.value_codeable_concept.coding if c.system in LOINC_SYSTEMS}
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
    if is_midnight and (ends_within or ends_after):
        return start
    return None


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
