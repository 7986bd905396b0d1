"""Who is expected, and what is to be looked at first: events decoded, landed and computed to core,
then listed.

Here: records and what the list must say of them. Not here: reading them from a lake
(tests/ingest/alerting).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ingest.contract import encode, record_key
from tests.computed import computed
from transforms.alerting.before import before
from transforms.alerting.concerns import CONCERNS
from transforms.alerting.devices import as_sent, spells
from transforms.alerting.expected import expected
from transforms.options import Options
from transforms.schemas import TOPIC_BY_NAME

NOW = datetime(2026, 5, 5, 7, tzinfo=UTC)  # a Tuesday, 9 in Berlin
TODAY, TOMORROW = date(2026, 5, 5), date(2026, 5, 6)
HOME = (
    ("clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}),
    (
        "devices",
        {"device_id": "D1", "clinic_id": "C1", "kind": "cryo", "calibrated_on": "2026-01-10"},
    ),
    (
        "patients",
        {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": "2026-01-01", "birth_year": 1970},
    ),
)
CLEARED = (
    "consults",
    {
        "consult_id": "K0",
        "patient_id": "P1",
        "clinic_id": "C1",
        "occurred_at": datetime(2026, 3, 1, 9, tzinfo=UTC),
        "recorded_at": datetime(2026, 3, 1, 9, tzinfo=UTC),
        "outcome": "cleared",
    },
)
COURSE = (
    "courses",
    {"course_id": "K1", "patient_id": "P1", "clinic_id": "C1", "starts_on": "2026-03-02"},
)


def course(**given) -> tuple[str, dict]:
    return "courses", COURSE[1] | given


def session(at: datetime, **given) -> tuple[str, dict]:
    fields = {
        "session_id": f"S{at:%m%d%H%M}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "whole_body",
    }
    return "sessions", fields | {"device_id": "D1", "course_id": "K1", "started_at": at} | given


def tuesdays(*weeks_ago: int, **given) -> list[tuple[str, dict]]:
    """Sessions at 10 UTC of the Tuesdays so many weeks before today."""
    return [
        session(datetime(2026, 5, 5, 10, tzinfo=UTC) - timedelta(weeks=k), **given)
        for k in weeks_ago
    ]


def core_of(
    *records: tuple[str, dict], now: datetime = NOW
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    events = []
    for k, (name, data) in enumerate([*HOME, *records]):
        topic = TOPIC_BY_NAME[name].type
        source = "/floe" if data.get("retired_reason") else "urn:emr"
        events.append(
            (
                topic,
                record_key(topic, data),
                encode(topic, data, id=f"e{k}", source=source, time=now),
            )
        )
    tables = computed(events, landed=now, marts=())
    assert tables["raw.rejects"].is_empty()
    core = {
        name.removeprefix("core."): frame
        for name, frame in tables.items()
        if name.startswith("core.")
    }
    return core, spells(as_sent(tables["raw.devices"], core["identities"]))


def who(
    *records: tuple[str, dict], now: datetime = NOW, of: str = "P1"
) -> list[tuple[date, str, str]]:
    """(day, expected, why) of one patient."""
    core, _ = core_of(*records, now=now)
    frame = expected(core, now=now, options=Options()).filter(pl.col("patient_id") == of)
    return frame.select("day", "expected", "why").rows()


def listed(*records: tuple[str, dict], now: datetime = NOW) -> pl.DataFrame:
    core, out = core_of(*records, now=now)
    return before(core, out, now=now, options=Options())


def concerns(
    *records: tuple[str, dict], day: date = TODAY, now: datetime = NOW
) -> list[tuple[str, str]]:
    """(code, sentence) of the patient, who comes on Tuesdays, on a day."""
    rows = listed(COURSE, *tuesdays(1, 2, 3, 4), *records, now=now).filter(pl.col("day") == day)
    assert rows.height == 1
    return list(zip(rows["codes"][0], rows["concerns"][0], strict=True))


# --- who is expected ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "today"),
    [
        ([COURSE, *tuesdays(1, 2, 3, 4)], ("likely", "came on 4 of the last 4 Tuesdays")),
        ([COURSE, *tuesdays(1, 3)], ("likely", "came on 2 of the last 3 Tuesdays")),
        ([COURSE, *tuesdays(1, 2)], ("likely", "came on 2 of the last 2 Tuesdays")),
        # once is no habit, and nothing else points to the day
        ([COURSE, *tuesdays(4)], ("possible", None)),
        # two gaps of two days: every other day, whatever weekday
        (
            [
                COURSE,
                *(session(datetime(2026, 5, d, 10, tzinfo=UTC)) for d in (1, 3)),
                session(datetime(2026, 4, 29, 10, tzinfo=UTC)),
            ],
            ("likely", "comes every 2 days, last 2 days before"),
        ),
        # a course that begins, or has begun without a session
        ([course(starts_on="2026-05-05")], ("likely", "the course begins that day")),
        (
            [course(starts_on="2026-05-01")],
            ("likely", "the course began on 1 May 2026, and no session is on record"),
        ),
        # one that was never begun and is long ago is not under way
        ([course(starts_on="2026-03-02")], None),
        # no course at all: under way as long as sessions follow one another
        (tuesdays(1, 2, course_id=None), ("likely", "came on 2 of the last 2 Tuesdays")),
        (tuesdays(5, 6, 7, course_id=None), None),
        # over by its day: listed while the habit lasts, never as likely
        (
            [course(ends_on="2026-05-04"), *tuesdays(1, 2)],
            ("possible", "came on 2 of the last 2 Tuesdays"),
        ),
        (
            [course(ends_on="2026-05-05"), *tuesdays(1, 2)],
            ("likely", "came on 2 of the last 2 Tuesdays"),
        ),
        ([course(ends_on="2026-04-20"), *tuesdays(1, 2)], None),
        # over by its number
        (
            [course(prescribed_sessions=2), *tuesdays(1, 2)],
            ("possible", "came on 2 of the last 2 Tuesdays"),
        ),
        (
            [course(prescribed_sessions=3), *tuesdays(1, 2)],
            ("likely", "came on 2 of the last 2 Tuesdays"),
        ),
        # a session that was missed or cancelled is no habit
        ([COURSE, *tuesdays(1, 2, status="missed")], None),
        # entered in error: as if it had never been
        ([course(record_status="entered_in_error"), *tuesdays(5, 6)], None),
        # here already
        ([COURSE, *tuesdays(1, 2), session(NOW - timedelta(hours=1))], None),
        # the dead
        (
            [
                COURSE,
                *tuesdays(1, 2),
                (
                    "patient_status",
                    {
                        "status_id": "X",
                        "patient_id": "P1",
                        "status": "died",
                        "effective_on": "2026-05-01",
                    },
                ),
            ],
            None,
        ),
    ],
)
def test_who_is_expected_today_and_why(records, today):
    """By the course that runs, by the weekday's and the spacing's habit; nothing is a booking."""
    found = [row[1:] for row in who(*records) if row[0] == TODAY]
    if today is None:
        assert found == []
    else:
        [(likelihood, why)] = found
        assert likelihood == today[0]
        assert why == (
            today[1] or "treatment is under way; neither weekday nor spacing points to that day"
        )


def protocol(**limits) -> tuple[str, dict]:
    fields = {
        "protocol_id": "A",
        "effective_from": datetime(2026, 1, 1, tzinfo=UTC),
        "modality": "whole_body",
    }
    return "protocols", fields | limits


@pytest.mark.parametrize(
    ("hours", "today"),
    [
        (None, "likely"),
        (23.0, "likely"),
        (168.0, "likely"),
        (7 * 24 + 11.9, "likely"),
        (7 * 24 + 12.0, "possible"),
    ],
)
def test_what_the_protocol_does_not_allow_all_day_is_not_likely(hours, today):
    """The last was at 10 UTC a week before; today ends at 22 UTC in Berlin: at 12 hours more not a
    minute is left.
    """
    named = protocol(min_hours_between_sessions=hours)
    rows = who(course(protocol_id="A"), named, *tuesdays(1, 2, 3, 4))
    assert [row[1] for row in rows if row[0] == TODAY] == [today]


def test_a_full_week_is_not_likely():
    """Two of at most two delivered in the seven days that end today; tomorrow the first of them has
    left the week.
    """
    named = protocol(max_sessions_per_week=2)
    more = [session(datetime(2026, 4, 29 + k, 10, tzinfo=UTC)) for k in (0, 1)]
    rows = who(course(protocol_id="A"), named, *tuesdays(1, 2, 3, 4), *more)
    assert [row[1] for row in rows if row[0] == TODAY] == ["possible"]


@pytest.mark.parametrize(
    ("timezone", "now", "days"),
    [
        (
            "Europe/Berlin",
            datetime(2026, 5, 4, 21, 59, tzinfo=UTC),
            (date(2026, 5, 4), date(2026, 5, 5)),
        ),
        (
            "Europe/Berlin",
            datetime(2026, 5, 4, 22, 0, tzinfo=UTC),
            (date(2026, 5, 5), date(2026, 5, 6)),
        ),
        (
            "America/New_York",
            datetime(2026, 5, 5, 3, 59, tzinfo=UTC),
            (date(2026, 5, 4), date(2026, 5, 5)),
        ),
        (
            "Pacific/Auckland",
            datetime(2026, 5, 4, 12, 0, tzinfo=UTC),
            (date(2026, 5, 5), date(2026, 5, 6)),
        ),
    ],
)
def test_today_is_the_clinics_own(timezone, now, days):
    """One moment is two days in two clinics."""
    records = [("clinics", {"clinic_id": "C1", "timezone": timezone, "revision": 1})]
    rows = who(*records, course(starts_on="2026-05-01"), now=now)
    assert tuple(row[0] for row in rows) == days


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 3, 28, 9, tzinfo=UTC), (24, 23)),
        (datetime(2026, 10, 24, 9, tzinfo=UTC), (24, 25)),
    ],
)
def test_days_are_as_long_as_the_clock_makes_them(now, hours):
    """The night in which the clock is put on has 23 hours, that in which it is put back 25."""
    core, _ = core_of(course(starts_on=(now - timedelta(days=3)).date()), now=now)
    frame = expected(core, now=now, options=Options())
    assert tuple((frame["day_to"] - frame["day_from"]).dt.total_hours()) == hours


def test_a_patient_is_where_the_last_session_was_or_was_moved_to():
    """Habit counts across clinics; a transfer after the last session moves the patient on the
    list.
    """
    other = ("clinics", {"clinic_id": "C2", "timezone": "Europe/Berlin"})
    elsewhere = tuesdays(1, clinic_id="C2")
    core, _ = core_of(other, COURSE, *tuesdays(2, 3), *elsewhere)
    assert set(expected(core, now=NOW, options=Options())["clinic_id"]) == {"C2"}
    move = {
        "status_id": "X",
        "patient_id": "P1",
        "status": "transferred",
        "clinic_id": "C1",
        "effective_on": "2026-05-01",
    }
    core, _ = core_of(other, COURSE, *tuesdays(2, 3), *elsewhere, ("patient_status", move))
    assert set(expected(core, now=NOW, options=Options())["clinic_id"]) == {"C1"}


def test_nobody_is_expected_of_nothing():
    """Empty frames give an empty list with its columns."""
    assert who() == []
    assert listed().is_empty()


# --- what is to be looked at --------------------------------------------------------------------


def consult(at: datetime = datetime(2026, 5, 4, 9, tzinfo=UTC), **given) -> tuple[str, dict]:
    fields = {
        "consult_id": f"K{at:%m%d}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "occurred_at": at,
        "recorded_at": at,
    }
    return "consults", fields | {"outcome": "cleared"} | given


END_OF_TODAY = datetime(2026, 5, 5, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], [("clearance", "no consult is on record: nothing clears the session")]),
        ([CLEARED], []),
        (
            [consult(outcome="deferred")],
            [("clearance", "the latest consult (4 May 2026, 11:00) does not clear it: deferred")],
        ),
        # a later consult clears again; one that is still to come does not
        ([consult(outcome="deferred"), consult(NOW - timedelta(hours=1))], []),
        (
            [CLEARED, consult(modalities=["local"])],
            [("clearance", "the latest consult (4 May 2026, 11:00) does not cover whole body")],
        ),
        ([consult(modalities=["local", "whole_body"])], []),
        (
            [consult(valid_until=NOW - timedelta(minutes=1))],
            [("clearance", "clearance ended: 5 May 2026, 08:59")],
        ),
        # it ends during the day: a session before it is covered, one after is not
        ([consult(valid_until=NOW)], [("clearance", "clearance ends that day: 5 May 2026, 09:00")]),
        (
            [consult(valid_until=END_OF_TODAY - timedelta(minutes=1))],
            [("clearance", "clearance ends that day: 5 May 2026, 23:59")],
        ),
        (
            [consult(valid_until=END_OF_TODAY)],
            [("clearance_ends", "clearance ends soon: 6 May 2026, 00:00")],
        ),
        ([consult(valid_until=END_OF_TODAY + timedelta(days=7))], []),
    ],
)
def test_clearance_that_ends_or_ended_is_said(records, said):
    """By the latest consult until now, for whatever hour of the day."""
    assert concerns(*records) == said


def test_clearance_that_ends_between_is_said_of_tomorrow():
    """Valid until the end of today: soon over for today's session, over for tomorrow's."""
    records = [consult(valid_until=END_OF_TODAY - timedelta(hours=1))]
    assert [code for code, _ in concerns(*records)] == ["clearance"]
    assert concerns(*records, day=TOMORROW) == [
        ("clearance", "clearance ends before that day: 5 May 2026, 23:00")
    ]


def screening(at: datetime, **items) -> tuple[str, dict]:
    fields = {
        "screening_id": f"N{at:%m%d%H%M}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "occurred_at": at,
    }
    return "screenings", fields | {"items": items}


LAST = datetime(2026, 4, 28, 10, tzinfo=UTC)  # the last session
SCREENED = screening(LAST - timedelta(hours=1), raynaud="absent")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([SCREENED], []),
        (
            [SCREENED, screening(NOW - timedelta(hours=1), raynaud="present", fever="absent")],
            ["new contraindication: raynaud at a screening (5 May 2026, 08:00)"],
        ),
        # it was known at the last session
        (
            [screening(LAST - timedelta(hours=1), raynaud="present")],
            ["contraindication, known before: raynaud at a screening (28 Apr 2026, 11:00)"],
        ),
        # denied since; not asked since leaves it
        (
            [
                SCREENED,
                screening(LAST + timedelta(days=1), fever="present"),
                screening(NOW - timedelta(hours=1), fever="absent"),
            ],
            [],
        ),
        (
            [
                SCREENED,
                screening(LAST + timedelta(days=1), fever="present"),
                screening(NOW - timedelta(hours=1), fever="not_asked"),
            ],
            ["new contraindication: fever at a screening (29 Apr 2026, 12:00)"],
        ),
        (
            [SCREENED, consult(outcome="contraindicated", contraindications=["cold_urticaria"])],
            [
                "the latest consult (4 May 2026, 11:00) does not clear it: contraindicated",
                "new contraindication: cold_urticaria (4 May 2026, 11:00)",
            ],
        ),
        # occurred before the last session, written down after it: not known then
        (
            [
                SCREENED,
                consult(
                    LAST - timedelta(days=1),
                    contraindications=["cold_urticaria"],
                    recorded_at=LAST + timedelta(days=1),
                ),
            ],
            ["new contraindication: cold_urticaria (27 Apr 2026, 12:00)"],
        ),
        (
            [
                SCREENED,
                (
                    "patient_status",
                    {
                        "status_id": "X",
                        "patient_id": "P1",
                        "status": "pregnant",
                        "effective_on": "2026-05-01",
                    },
                ),
            ],
            ["new contraindication: pregnant (1 May 2026, 02:00)"],
        ),
    ],
)
def test_a_contraindication_is_new_where_it_was_not_known_at_the_last_session(records, said):
    """By consult, screening or status; the latest answer to an item counts."""
    cleared = (
        []
        if any(name == "consults" and data["consult_id"] == "K0504" for name, data in records)
        else [CLEARED]
    )
    assert [sentence for _, sentence in concerns(*cleared, *records)] == said


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"grade": 1, "outcome": "ongoing"}, "adverse_event"),
        ({"grade": 1}, "adverse_event"),
        ({"grade": 1, "outcome": "unknown"}, "adverse_event"),
        ({"grade": 1, "outcome": "resolved"}, None),
        ({"grade": 1, "outcome": "resolved_with_sequelae"}, None),
        ({"grade": 1, "resolved_at": NOW - timedelta(hours=1)}, None),
        ({"grade": 3, "outcome": "resolving"}, "adverse_event_grave"),
        ({"grade": 1, "is_serious": True}, "adverse_event_grave"),
        ({"grade": 1, "injury_kind": "frostbite"}, "adverse_event_grave"),
        ({"onset_at": None}, "adverse_event"),
        ({"record_status": "entered_in_error"}, None),
    ],
)
def test_an_open_adverse_event_is_said(given, code):
    """One that is not known to be resolved is open; grave where it would be told at once."""
    fields = {"ae_id": "E1", "patient_id": "P1", "term": "sore back", "onset_at": LAST}
    found = concerns(CLEARED, SCREENED, ("adverse_events", fields | given))
    assert [found_code for found_code, _ in found] == ([code] if code else [])


def test_an_open_event_is_said_in_words():
    """Term, grade, since when, outcome; what is not known is said so."""
    fields = {"ae_id": "E1", "patient_id": "P1", "term": "sore back"}
    assert concerns(CLEARED, SCREENED, ("adverse_events", fields)) == [
        (
            "adverse_event",
            "open adverse event: sore back, not graded, onset not known (outcome not known)",
        )
    ]


@pytest.mark.parametrize(
    ("records", "is_missed"),
    [
        ([SCREENED], False),
        ([screening(LAST - timedelta(hours=24), raynaud="absent")], False),
        ([screening(LAST - timedelta(hours=24, minutes=1), raynaud="absent")], True),
        # one that names the session counts whenever it was written; one that asked nothing does not
        (
            [
                (
                    "screenings",
                    screening(LAST + timedelta(hours=1), raynaud="absent")[1]
                    | {"session_id": f"S{LAST:%m%d%H%M}"},
                )
            ],
            False,
        ),
        (
            [
                screening(LAST - timedelta(hours=1), raynaud="not_asked"),
                screening(LAST - timedelta(days=7), raynaud="absent"),
            ],
            True,
        ),
        # a clinic that never sends screenings has not missed one
        ([], False),
    ],
)
def test_a_missed_screening_is_said(records, is_missed):
    """The last session began without one in the day before, in a clinic that screens."""
    assert ("screening" in dict(concerns(CLEARED, *records))) == is_missed


@pytest.mark.parametrize(
    ("status", "on", "said"),
    [
        ("discontinued", "2026-05-01", ["discontinued since 1 May 2026"]),
        ("paused", "2026-05-05", ["paused since 5 May 2026"]),
        ("paused", "2026-05-06", []),
        ("withdrew", "2026-05-01", ["withdrew since 1 May 2026"]),
        # a session has followed: it did not end
        ("discontinued", "2026-04-20", []),
    ],
)
def test_treatment_that_ended_is_said(status, on, said):
    """The patient comes by habit all the same."""
    record = {"status_id": "X", "patient_id": "P1", "status": status, "effective_on": on}
    assert [
        sentence for _, sentence in concerns(CLEARED, SCREENED, ("patient_status", record))
    ] == said


def test_a_merge_is_said_and_the_list_has_one_person():
    """Sessions of both ids make one habit; that records were merged is to be known."""
    other = ("patients", {"patient_id": "P2", "clinic_id": "C1", "enrolled_on": "2026-01-01"})
    merge = {
        "status_id": "X",
        "patient_id": "P2",
        "status": "merged",
        "merged_into": "P1",
        "effective_on": "2026-05-02",
    }
    rows = listed(
        CLEARED,
        COURSE,
        other,
        *tuesdays(1),
        *tuesdays(2, patient_id="P2"),
        ("patient_status", merge),
    )
    today = rows.filter(pl.col("day") == TODAY)
    assert today.select("patient_id", "why").rows() == [("P1", "came on 2 of the last 2 Tuesdays")]
    assert today["concerns"].to_list() == [
        ["the records of P2 are this patient's since 2 May 2026"]
    ]


def device(**given) -> tuple[str, dict]:
    return "devices", {
        "device_id": "D1",
        "clinic_id": "C1",
        "kind": "cryo",
        "calibrated_on": "2026-01-10",
        "revision": 1,
    } | given


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([device(retired_on="2026-05-06")], []),
        (
            [device(retired_on="2026-05-05")],
            [("device_out", "device D1 is out of use since 5 May 2026")],
        ),
        (
            [device(retired_on="2026-05-05", retired_reason="leak")],
            [("device_out", "device D1 is out of use since 5 May 2026")],
        ),
        ([device(calibration_due_on="2026-05-05")], []),
        (
            [device(calibration_due_on="2026-05-04")],
            [("device", "calibration of device D1 was due on 4 May 2026")],
        ),
        (
            [
                (
                    "deficiencies",
                    {"deficiency_id": "F", "device_id": "D1", "occurred_at": LAST, "kind": "leak"},
                )
            ],
            [("device", "device D1: 1 deficiency since its last calibration")],
        ),
        (
            [
                (
                    "deficiencies",
                    {
                        "deficiency_id": "F",
                        "device_id": "D1",
                        "occurred_at": datetime(2026, 1, 9, tzinfo=UTC),
                        "kind": "leak",
                    },
                )
            ],
            [],
        ),
    ],
)
def test_the_device_of_the_last_session_is_looked_at(records, said):
    """Out of use from its day on, overdue after the due day, deficiencies since the last
    calibration.
    """
    assert concerns(CLEARED, SCREENED, *records) == said


def test_a_patient_whose_clinic_is_not_known_is_listed_with_concerns():
    """A course of somebody whom no record describes: expected all the same, and nothing clears the
    session.
    """
    stranger = {"course_id": "K7", "patient_id": "P7", "starts_on": "2026-05-05"}
    rows = listed(("courses", stranger)).filter(pl.col("day") == TODAY)
    assert rows.select("clinic_id", "patient_id", "codes").rows() == [(None, "P7", ["clearance"])]


def test_every_concern_is_described_and_the_grave_come_first():
    """Codes are those of CONCERNS; of two patients the one with something grave is first."""
    other = ("patients", {"patient_id": "P0", "clinic_id": "C1", "enrolled_on": "2026-01-01"})
    of_other = [
        (
            name,
            data | {"patient_id": "P0", "session_id": f"o{data['session_id']}", "course_id": None},
        )
        for name, data in tuesdays(1, 2)
    ]
    cleared = ("consults", CLEARED[1] | {"patient_id": "P0", "consult_id": "K9"})
    rows = listed(COURSE, *tuesdays(1, 2, 3, 4), other, *of_other, cleared)
    assert rows.filter(pl.col("day") == TODAY)["patient_id"].to_list() == ["P1", "P0"]
    assert set(rows["codes"].explode().drop_nulls()) <= set(CONCERNS)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_order_of_rows_changes_the_list(seed):
    """Core in another order gives the same rows in the same order."""
    core, out = core_of(COURSE, *tuesdays(1, 2, 3, 4), consult(outcome="deferred"), SCREENED)
    mixed = {
        name: frame.sample(fraction=1, shuffle=True, seed=seed) for name, frame in core.items()
    }
    one, other = (before(frames, out, now=NOW, options=Options()) for frames in (core, mixed))
    assert one.equals(other)
