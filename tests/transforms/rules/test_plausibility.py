"""Rules on moments and days: every field is covered, each rule has its boundary, what is lost is
listed.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.options import Options
from transforms.rules import life_bounds, plausibility, plausibility_rules, plausible_fields
from transforms.schemas import CORE_RECORDS, TIMESTAMP, TOPIC_BY_NAME, TOPICS
from transforms.schemas.raw import CORRECTION, ENVELOPE

LANDED = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
OPTIONS = Options()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def record(topic: str, **given) -> pl.DataFrame:
    """A row of core.TOPIC before it is judged: landed on 1 June 2026, the given fields, all others
    null.
    """
    table = CORE_RECORDS[topic]
    shared = {
        "event_id": "E",
        "source": "clinic",
        "event_time": NOON,
        "ingested_at": LANDED,
        "patient_id": "P",
        "clinic_id": "C",
        TOPIC_BY_NAME[topic].record_id: "R",
        "is_recorded_at_given": False,
    }
    return pl.DataFrame(
        [{n: (shared | given).get(n) for n in table.names}], schema=table.polars_schema
    )


def people(**given) -> pl.DataFrame:
    """One patient: born 1970, enrolled in April 2026, alive unless said otherwise; the clinic is in
    Berlin.
    """
    patient = {
        "patient_id": "P",
        "clinic_id": "C",
        "birth_year": 1970,
        "enrolled_on": date(2026, 4, 1),
    } | given
    died_on = patient.pop("died_on", None)
    died = {"status_id": "D", "patient_id": "P", "status": "died", "effective_on": died_on}
    return life_bounds.people(
        _frame("patients", patient),
        _frame("patient_status", *([died] if died_on else [])),
        _frame("clinics", {"clinic_id": "C", "timezone": "Europe/Berlin"}),
    )


def _frame(name: str, *rows: dict) -> pl.DataFrame:
    table = CORE_RECORDS[name]
    return pl.DataFrame(
        [{n: row.get(n) for n in table.names} for row in rows], schema=table.polars_schema
    )


def broken(topic: str, *, who: pl.DataFrame | None = None, **given) -> list[tuple[str, str]]:
    """(field, rule) of what is listed; the judged record has lost that and nothing else."""
    sent, who = record(topic, **given), people() if who is None else who
    listed = plausibility.listed(topic, sent, people=who, options=OPTIONS)
    kept = plausibility.judged(topic, sent, people=who, options=OPTIONS)
    lost = {
        c for c in plausibility_rules.nullable_fields(topic) if sent[c][0] not in (None, kept[c][0])
    }
    if not listed["is_set_aside"].any():
        assert lost == set(listed["field"])
    return sorted(listed.select("field", "rule").rows())


# --- every field --------------------------------------------------------------------------------


def test_every_moment_and_day_has_its_rules_or_a_reason():
    """A date or time of any topic is judged, or is exempt and says why; none is both."""
    known = {*plausible_fields.FIELDS, *plausible_fields.EXEMPT}
    assert not set(plausible_fields.FIELDS) & set(plausible_fields.EXEMPT)
    fields = {(t.name, c.name) for t in TOPICS for c in t.fields if c.dtype in (TIMESTAMP, pl.Date)}
    assert fields - known == set()
    assert all(len(reason) > 20 for reason in plausible_fields.EXEMPT.values())
    common = {c.name for c in (*CORRECTION, *ENVELOPE) if c.dtype in (TIMESTAMP, pl.Date)}
    assert common - {"ingested_at"} == set(plausible_fields.COMMON)


@pytest.mark.parametrize("topic", [t.name for t in TOPICS if not t.is_series])
def test_every_judged_field_loses_a_time_that_cannot_be(topic):
    """Each judged field alone, in 2050 and on 1 January 1970 (a clock at zero), is listed and
    null.
    """
    fields = plausible_fields.fields_of(topic)
    assert fields or topic in ("alerts",)
    for field in fields:
        is_day = CORE_RECORDS[topic].column(field).dtype == pl.Date
        for at in (datetime(2050, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)):
            given = {field: at.date() if is_day else at}
            given |= {"is_recorded_at_given": True} if field == "recorded_at" else {}
            assert field in [f for f, _ in broken(topic, **given)], (field, at)


def test_a_rule_is_named_once_for_a_field():
    """Rules of a topic have a name and field of their own or are held against different fields, and
    a sentence.
    """
    for topic in CORE_RECORDS:
        rules = plausibility_rules.rules(topic, options=OPTIONS)
        assert len({(r.name, r.field, r.against) for r in rules}) == len(rules)
        assert all(r.sentence.endswith(".") and r.field in CORE_RECORDS[topic].names for r in rules)


# --- one record by itself -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "given", "expected"),
    [
        # a moment may lie an hour after its landing: clocks are a little off
        ("sessions", {"started_at": LANDED + HOUR}, []),
        (
            "sessions",
            {"started_at": LANDED + HOUR + timedelta(seconds=1)},
            [("started_at", "in_the_future")],
        ),
        (
            "sessions",
            {"started_at": datetime(1990, 1, 1, tzinfo=UTC)},
            [("started_at", "long_before_enrolment")],
        ),
        (
            "sessions",
            {"started_at": datetime(1989, 12, 31, 23, tzinfo=UTC)},
            [("started_at", "long_ago")],
        ),
        ("sessions", {"started_at": None}, []),
        # on 1 June 23:00 UTC it is 2 June in Auckland: a day is ahead only where nobody has it yet
        ("devices", {"calibrated_on": date(2026, 6, 2)}, []),
        ("devices", {"calibrated_on": date(2026, 6, 3)}, [("calibrated_on", "in_the_future")]),
        (
            "devices",
            {"calibrated_on": date(2026, 5, 1), "calibration_due_on": date(2026, 5, 1)},
            [],
        ),
        (
            "devices",
            {"calibrated_on": date(2026, 5, 2), "calibration_due_on": date(2026, 5, 1)},
            [("calibration_due_on", "end_before_start")],
        ),
        ("patients", {"birth_year": 2026, "enrolled_on": date(2026, 4, 1)}, []),
        (
            "patients",
            {"birth_year": 2027, "enrolled_on": date(2026, 4, 1)},
            [("birth_year", "in_the_future")],
        ),
        (
            "patients",
            {"birth_year": 2026, "enrolled_on": date(2025, 4, 1)},
            [("birth_year", "birth_after_enrolment")],
        ),
        ("patients", {"birth_year": 1906, "enrolled_on": date(2026, 4, 1)}, []),
        (
            "patients",
            {"birth_year": 1905, "enrolled_on": date(2026, 4, 1)},
            [("birth_year", "too_old")],
        ),
        (
            "patients",
            {"birth_year": None, "enrolled_on": date(1970, 1, 1)},
            [("enrolled_on", "long_ago")],
        ),
        # a wrong enrolment makes no birth wrong
        (
            "patients",
            {"birth_year": 1980, "enrolled_on": date(1970, 1, 1)},
            [("enrolled_on", "long_ago")],
        ),
        (
            "patients",
            {"birth_year": 2000, "enrolled_on": date(2026, 4, 1), "allocated_on": date(1999, 1, 1)},
            [("allocated_on", "before_birth")],
        ),
        ("courses", {"starts_on": date(2026, 5, 4), "ends_on": date(2026, 5, 4)}, []),
        (
            "courses",
            {"starts_on": date(2026, 5, 4), "ends_on": date(2026, 5, 3)},
            [("ends_on", "end_before_start")],
        ),
        ("courses", {"starts_on": date(2036, 5, 4)}, [("starts_on", "too_far_ahead")]),
        ("courses", {"starts_on": date(2026, 9, 1), "ends_on": date(2026, 12, 1)}, []),
        ("consults", {"occurred_at": NOON, "valid_until": NOON}, []),
        (
            "consults",
            {"occurred_at": NOON, "valid_until": NOON - HOUR},
            [("valid_until", "end_before_start")],
        ),
        ("consults", {"occurred_at": LANDED + DAY}, [("occurred_at", "in_the_future")]),
        ("patient_status", {"status": "completed", "effective_on": date(2026, 7, 1)}, []),
        (
            "patient_status",
            {"status": "completed", "effective_on": date(2036, 7, 1)},
            [("effective_on", "too_far_ahead")],
        ),
        (
            "patient_status",
            {"status": "died", "effective_on": date(2026, 7, 1)},
            [("effective_on", "in_the_future")],
        ),
        ("adverse_events", {"onset_at": NOON, "resolved_at": NOON}, []),
        (
            "adverse_events",
            {"onset_at": NOON, "resolved_at": NOON - HOUR},
            [("resolved_at", "end_before_start")],
        ),
        # a day without a time of day: midnight in Berlin is 22:00 UTC
        (
            "adverse_events",
            {"onset_at": NOON, "resolved_at": NOON - 14 * HOUR, "utc_offset_min": 120},
            [],
        ),
        (
            "adverse_events",
            {"onset_at": NOON, "resolved_at": NOON - 14 * HOUR, "utc_offset_min": 0},
            [("resolved_at", "end_before_start")],
        ),
        ("adverse_events", {"onset_at": datetime(1985, 5, 4, tzinfo=UTC)}, []),
        (
            "adverse_events",
            {"onset_at": datetime(1970, 1, 1, 1, tzinfo=UTC)},
            [("onset_at", "clock_at_zero")],
        ),
        (
            "adverse_events",
            {"onset_at": datetime(1969, 6, 1, tzinfo=UTC)},
            [("onset_at", "before_birth")],
        ),
        # a clinic may be aware of an event before the onset that counts, that of its worst grade
        ("adverse_events", {"onset_at": NOON, "aware_at": NOON - DAY}, []),
        (
            "adverse_events",
            {"aware_at": NOON, "reported_at": NOON - DAY},
            [("reported_at", "end_before_start")],
        ),
        # a wrong start makes no end wrong
        (
            "adverse_events",
            {"onset_at": LANDED + 2 * DAY, "resolved_at": NOON},
            [("onset_at", "in_the_future")],
        ),
        ("care", {"kind": "surgery", "occurred_at": datetime(1995, 5, 4, tzinfo=UTC)}, []),
        ("care", {"occurred_at": NOON, "ended_at": LANDED + 30 * DAY}, []),
        ("care", {"occurred_at": NOON, "ended_at": NOON - DAY}, [("ended_at", "end_before_start")]),
        (
            "care",
            {"occurred_at": NOON, "reported_through": LANDED + DAY},
            [("reported_through", "in_the_future")],
        ),
        (
            "incidents",
            {"occurred_at": NOON, "aware_at": LANDED + DAY},
            [("aware_at", "in_the_future")],
        ),
        (
            "responses",
            {"answered_at": NOON, "recorded_at": LANDED + DAY, "is_recorded_at_given": True},
            [("recorded_at", "in_the_future")],
        ),
        ("responses", {"answered_at": datetime(2016, 4, 1, tzinfo=UTC)}, []),
        (
            "responses",
            {"answered_at": datetime(2016, 3, 31, tzinfo=UTC)},
            [("answered_at", "long_before_enrolment")],
        ),
        ("clinics", {"timezone": "Europe/Berlin"}, []),
        ("clinics", {"timezone": "europe/berlin"}, [("timezone", "unknown_timezone")]),
        ("clinics", {"timezone": "PST"}, [("timezone", "unknown_timezone")]),
        ("clinics", {"timezone": "+01:00"}, [("timezone", "unknown_timezone")]),
        ("clinics", {"timezone": None}, []),
    ],
)
def test_rules_and_their_boundaries(topic, given, expected):
    """What is listed of one record, of a patient born in 1970 and enrolled on 1 April 2026."""
    assert broken(topic, **given) == expected


def test_a_recording_time_that_cannot_be_is_not_the_events_time():
    """`recorded_at` falls back to the event's time; whether it was given is then no longer said."""
    sent = record("consults", occurred_at=NOON, recorded_at=LANDED + DAY, is_recorded_at_given=True)
    kept = plausibility.judged("consults", sent, people=people(), options=OPTIONS)
    assert kept.select("recorded_at", "is_recorded_at_given").row(0) == (NOON, False)


def test_nobody_known_nothing_held_against_anybody():
    """A record of a patient who is not known yet is judged by itself alone."""
    stranger = {"patient_id": "X", "started_at": datetime(1995, 1, 1, tzinfo=UTC)}
    assert broken("sessions", **stranger) == []


# --- after a death ------------------------------------------------------------------------------

DIED = date(2026, 5, 4)
# the day of death ends in Berlin at 22:00 UTC
LAST = datetime(2026, 5, 4, 21, 59, 59, 999_999, tzinfo=UTC)
AFTER = LAST + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("topic", "field", "other"),
    [
        ("sessions", "started_at", {"status": "delivered"}),
        ("sessions", "started_at", {"status": "aborted"}),
        ("responses", "answered_at", {}),
        ("performance_tests", "performed_at", {}),
        ("consults", "occurred_at", {"valid_until": AFTER + DAY}),
        ("screenings", "occurred_at", {}),
        ("walking_bouts", "started_at", {}),
        ("care", "occurred_at", {"ended_at": AFTER + DAY}),
    ],
)
def test_what_lies_after_a_death_is_set_aside(topic, field, other):
    """The last moment of the day of death counts; after it the record has no moment left and is a
    contradiction.
    """
    who = people(died_on=DIED)
    assert broken(topic, who=who, **{field: LAST}) == []
    sent = record(topic, **{field: AFTER} | other)
    [row] = plausibility.listed(topic, sent, people=who, options=OPTIONS).to_dicts()
    assert (row["field"], row["rule"], row["is_contradiction"], row["is_set_aside"]) == (
        field,
        "after_death",
        True,
        True,
    )
    kept = plausibility.judged(topic, sent, people=who, options=OPTIONS)
    own = [f for f in plausible_fields.fields_of(topic) if f not in plausible_fields.COMMON]
    assert kept.select(*own, "is_set_aside").row(0) == (*[None] * len(own), True)


@pytest.mark.parametrize(
    ("topic", "given"),
    [
        ("sessions", {"started_at": AFTER, "status": "missed"}),  # missed because of the death
        ("sessions", {"started_at": AFTER, "status": "cancelled"}),
        ("courses", {"starts_on": DIED + DAY}),  # prescribed before it
        ("patient_status", {"status": "merged", "effective_on": DIED + DAY}),  # paperwork
        ("patient_status", {"status": "died", "effective_on": DIED}),
        ("consents", {"effective_at": AFTER}),
        ("adverse_events", {"aware_at": AFTER, "reported_at": AFTER}),
    ],
)
def test_what_may_follow_a_death(topic, given):
    """Plans, appointments that were not kept and paperwork contradict no death."""
    assert broken(topic, who=people(died_on=DIED), **given) == []


def test_an_adverse_event_after_a_death_is_whole_and_listed():
    """It keeps its onset and is counted apart (`is_set_aside`); a status after a death has no day
    left.
    """
    who = people(died_on=DIED)
    sent = record("adverse_events", onset_at=AFTER, term="burn")
    [row] = plausibility.listed("adverse_events", sent, people=who, options=OPTIONS).to_dicts()
    assert (row["rule"], row["is_set_aside"], row["is_safety"]) == ("after_death", True, True)
    kept = plausibility.judged("adverse_events", sent, people=who, options=OPTIONS)
    assert kept.select("onset_at", "is_set_aside").row(0) == (AFTER, True)
    status = record("patient_status", status="completed", effective_on=DIED + DAY)
    assert plausibility.judged("patient_status", status, people=who, options=OPTIONS)[
        "effective_on"
    ].to_list() == [None]


def test_the_first_of_several_deaths_counts():
    """Of two days of death the earlier stands, the later is a status after a death."""
    both = _frame(
        "patient_status",
        {"status_id": "1", "patient_id": "P", "status": "died", "effective_on": DIED},
        {"status_id": "2", "patient_id": "P", "status": "died", "effective_on": DIED + DAY},
    )
    who = life_bounds.people_of("patient_status", {"patient_status": both})
    assert who["_died_on"].to_list() == [DIED]
