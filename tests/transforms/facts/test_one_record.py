"""One record is enough: what a fact names is there, and what must name a fact does.

Here: limits, values of sessions, metrics of wearables, instruments. Not here: restrictions
(test_restrictions.py), codes of others (test_vocabulary.py), the arithmetic.
"""

from datetime import UTC, datetime

import polars as pl
import pytest

from transforms.alerting.rules import RULES
from transforms.alerting.sessions import of_sessions
from transforms.facts.catalogue import METRICS as CATALOGUE
from transforms.facts.instruments import INSTRUMENTS
from transforms.facts.limits import FLAGS, LIMITS
from transforms.facts.measurements import DAY_VALUES, METRICS
from transforms.facts.mobility_parameters import WEEKLY_PARAMETERS
from transforms.facts.parameters import PARAMETERS
from transforms.facts.sessions import BEGUN, BOOKED, DELIVERED, SESSION_VALUES
from transforms.instruments import score
from transforms.marts.cohort_sessions import SHARES
from transforms.options import Options
from transforms.rules.exposure import with_limit_flags
from transforms.schemas import CORE_TABLES, MART_TABLES, TOPIC_BY_NAME

# worn says whether a day counts; steps have columns of their own
_OF_NO_DAY_VALUE = {"step_count", "daily_step_count", "worn"}


def fields(topic: str) -> set[str]:
    return {field.name for field in TOPIC_BY_NAME[topic].fields}


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_a_limit_is_named_wherever_it_must_be(limit):
    """The protocol's field, the flag of a session, the metric and its share of sessions, the alert."""
    assert limit.field in fields("protocols")
    assert limit.flag in MART_TABLES["adex"].names
    assert limit.metric in CATALOGUE
    assert limit.metric in {share.metric for share in SHARES}
    assert limit.alert.id in RULES


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_a_limit_is_judged(limit):
    """Beyond it Y, at it and within it N; null without a value, without a limit, and where the
    session did not begin.
    """
    allowed, step = 40.0, -1.0 if limit.is_lowest else 1.0
    rows = [  # value, limit, has begun, what comes of it
        (allowed + step, allowed, True, "Y"),
        (allowed, allowed, True, "N"),
        (allowed - step, allowed, True, "N"),
        (None, allowed, True, None),
        (allowed, None, True, None),
        (allowed + step, allowed, False, None),
    ]
    at = datetime(2026, 3, 1, tzinfo=UTC)
    empty = dict.fromkeys(
        [other.measured for other in LIMITS.values()]
        + [other.column for other in LIMITS.values()]
        + ["CABMINC", "cabin_max_measured_c"]
    )
    # a first session keeps its spacing; the warmest temperature is telemetry's
    is_first = limit.measured == "hours_since_previous"
    measured = "cabin_max_measured_c" if limit.measured == "cabin_max_c" else limit.measured
    frame = pl.DataFrame(
        [
            empty
            | {
                measured: value,
                limit.column: bound,
                "is_begun": begun,
                "started_at": None if is_first and value is None else at,
            }
            for value, bound, begun, _ in rows
        ],
        schema=dict.fromkeys(empty, pl.Float64)
        | {"is_begun": pl.Boolean, "started_at": pl.Datetime("us", "UTC")},
    )
    assert with_limit_flags(frame)[limit.flag].to_list() == [row[-1] for row in rows]


def test_each_limit_that_is_exceeded_is_told():
    """A session beyond each limit, far enough to be clear: the alert of that limit, no other."""
    rows = [
        {"session_id": limit.id, limit.flag: "Y", limit.measured: 40.0}
        | {limit.column: 40.0 + (50.0 if limit.is_lowest else -50.0)}
        for limit in LIMITS.values()
    ]
    names = {name for limit in LIMITS.values() for name in (limit.measured, limit.column)}
    schema = dict.fromkeys([*names, "CABMINC", "cabin_max_measured_c"], pl.Float64)
    schema |= dict.fromkeys(
        [*FLAGS, "session_id", "clinic_id", "patient_id", "device_id"], pl.String
    )
    schema |= dict.fromkeys(
        ["is_begun", "is_cleared", "may_be_cleared", "is_contraindicated"], pl.Boolean
    )
    moments = ["started_at", "event_time", "ingested_at"]
    schema |= dict.fromkeys(moments, pl.Datetime("us", "UTC")) | {"event_id": pl.String}
    for row in rows:
        row |= {
            "is_begun": True,
            "is_cleared": True,
            "cabin_max_measured_c": row.get("cabin_max_c"),
        }
    judged = pl.DataFrame(rows, schema=schema)
    alerts = of_sessions(judged, options=Options())
    expected = {(limit.id, limit.alert.id) for limit in LIMITS.values()}
    assert set(alerts.select("subject_id", "rule").rows()) == expected


def test_every_field_of_a_protocol_that_limits_is_a_limit():
    """What a protocol says beside its names and its moment is held against sessions."""
    others = {"protocol_id", "effective_from", "clinic_id", "modality"}
    assert fields("protocols") - others == {limit.field for limit in LIMITS.values()}
    assert len(set(FLAGS)) == len(FLAGS)


# --- sessions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", SESSION_VALUES, ids=lambda value: value.field)
def test_a_value_of_a_session_is_named_wherever_it_must_be(value):
    """A field of the record, a column of mart.adex, and the device's own measurement."""
    assert set(value.fields) <= fields("sessions")
    assert value.column in MART_TABLES["adex"].names
    assert value.device is None or value.device in CORE_TABLES["telemetry_sessions"].names


def test_states_of_sessions():
    """The contract's closed list; of each the share of sessions is published."""
    (status,) = (f for f in TOPIC_BY_NAME["sessions"].fields if f.name == "status")
    assert status.closed == BOOKED
    assert {f"sessions_{state}" for state in BOOKED} <= set(CATALOGUE)
    assert DELIVERED in BEGUN


# --- wearables ----------------------------------------------------------------------------------


def test_every_metric_of_wearables_has_a_value_of_its_day():
    """A metric that landed and was never looked at would be lost."""
    assert {value.metric for value in DAY_VALUES} == set(METRICS) - _OF_NO_DAY_VALUE
    assert {value.column for value in DAY_VALUES} <= set(CORE_TABLES["activity_days"].names)


def test_every_value_of_a_day_is_a_weekly_parameter():
    """What a day comes to is published by week; what a parameter is made of is a column."""
    weekly = {p.column for p in WEEKLY_PARAMETERS if p.table == "activity_days"}
    assert {value.column for value in DAY_VALUES} <= weekly
    for parameter in WEEKLY_PARAMETERS:
        assert parameter.column in CORE_TABLES[parameter.table].names, parameter.code


# --- instruments --------------------------------------------------------------------------------

_BY_VALUE_SET = {"eq_5d_5l"}  # which is the site's


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=INSTRUMENTS)
def test_an_instrument_is_scored_into_its_parameters(instrument):
    """The lowest and the highest answers to all items give a score of each parameter, and of no
    other; one answer beyond its range gives none and says why.
    """
    own = {p.code: p for p in PARAMETERS.values() if p.instrument == instrument.id}
    assert {p.item for p in own.values() if p.item} <= set(instrument.items)
    for end in (0, 1):
        answers = {item: limits[end] for item, limits in instrument.items.items()}
        scores = score(instrument.id, answers, odi_licensed=True)
        assert set(scores) == set(own)
        if instrument.id not in _BY_VALUE_SET:
            assert [s.reason for s in scores.values()] == [None] * len(own)
    for item, (_, highest) in instrument.items.items():
        wrong = score(instrument.id, answers | {item: highest + 1}, odi_licensed=True)
        assert any(s.value is None and f"item {item} " in (s.reason or "") for s in wrong.values())


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=INSTRUMENTS)
def test_every_parameter_of_an_instrument_is_published(instrument):
    """With the site's own options in its rule."""
    for parameter in (p for p in PARAMETERS.values() if p.instrument == instrument.id):
        metric = CATALOGUE[f"{parameter.code.lower()}_score"]
        assert metric.rule == f"{instrument.rule}; asked of {instrument.recall}"
        assert metric.source.endswith(instrument.form or "")
        assert metric.parameters == instrument.options
