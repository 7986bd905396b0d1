"""Which records call for an alert, of which tier: events decoded, landed and computed to core, then
judged.

Here: records and the causes that must come of them. Not here: what is told of them (test_news.py).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

import polars as pl
import pytest

from ingest.contract import encode, record_key
from tests.computed import computed
from transforms.alerting.causes import aged
from transforms.alerting.judging import TABLES, of_core
from transforms.alerting.rules import RULES
from transforms.facts.limits import FLAGS, LIMITS
from transforms.options import Options
from transforms.schemas import TOPIC_BY_NAME

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
LANDED = AT + timedelta(hours=1)
PROTOCOL = {
    "protocol_id": "A",
    "effective_from": AT - timedelta(days=300),
    "modality": "whole_body",
    "cabin_min_temp_c": -120.0,
    "cabin_max_temp_c": -100.0,
    "max_duration_s": 180.0,
    "min_hours_between_sessions": 20.0,
    "max_sessions_per_week": 3,
    "skin_min_temp_c": 8.0,
    "room_min_oxygen_pct": 20.0,
}
HOME = (
    ("clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}),
    (
        "patients",
        {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": "2026-04-01", "birth_year": 1970},
    ),
    ("protocols", PROTOCOL),
    (
        "consults",
        {
            "consult_id": "K1",
            "patient_id": "P1",
            "occurred_at": AT - timedelta(days=20),
            "recorded_at": AT - timedelta(days=20),
            "outcome": "cleared",
        },
    ),
)


def session(k: int = 1, **given) -> tuple[str, dict]:
    fields = {
        "session_id": f"S{k}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "whole_body",
        "protocol_id": "A",
        "started_at": AT,
    }
    return "sessions", fields | given


def event(**given) -> tuple[str, dict]:
    fields = {
        "ae_id": "E1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "term": "soreness",
        "onset_at": AT,
    }
    return "adverse_events", fields | given


def device(**given) -> tuple[str, dict]:
    return "devices", {"device_id": "D1", "clinic_id": "C1", "kind": "cryo"} | given


def causes(*records: tuple[str, dict], options: Options | None = None) -> pl.DataFrame:
    """The causes of these records beside a clinic, a patient who was cleared, and a protocol."""
    return judged([*HOME, *records], options=options)


def judged(records: Iterable[tuple[str, dict]], *, options: Options | None = None) -> pl.DataFrame:
    """The causes of these records alone."""
    events = []
    for k, (name, data) in enumerate(records):
        topic = TOPIC_BY_NAME[name].type
        events.append(
            (
                topic,
                record_key(topic, data),
                encode(topic, data, id=f"e{k}", source="urn:emr", time=AT),
            )
        )
    tables = computed(events, landed=LANDED, marts=())
    assert tables["raw.rejects"].is_empty()
    return of_core({name: tables[f"core.{name}"] for name in TABLES}, options=options or Options())


class Apart:
    """Causes of the cases of a test's table, each case beside a home of its own: all of the table are
    judged at once, where the first is asked for, since a judgement of few records costs what one of
    many does.
    """

    def __init__(self, *cases: Sequence[tuple[str, dict]]) -> None:
        self._cases = list(cases)

    @cached_property
    def _causes(self) -> pl.DataFrame:
        given = [
            (name, {field: _of_case(field, value, k) for field, value in data.items()})
            for k, records in enumerate(self._cases)
            for name, data in (*HOME, *records)
        ]
        return judged(given).with_columns(case=pl.col("subject_id").str.extract("~([0-9]+)$"))

    def causes(self, *records: tuple[str, dict]) -> pl.DataFrame:
        """As `causes` of a case's records."""
        assert self._causes["case"].null_count() == 0
        return self._causes.filter(pl.col("case") == str(self._cases.index(records))).drop("case")

    def told(self, *records: tuple[str, dict]) -> list[tuple[str, str]]:
        """As `told` of a case's records."""
        return told_of(self.causes(*records))


def _of_case(field: str, value: object, case: int) -> object:
    return f"{value}~{case}" if field.endswith("_id") and value is not None else value


def told(*records: tuple[str, dict], **given) -> list[tuple[str, str]]:
    """(rule, tier) of each cause."""
    return told_of(causes(*records, **given))


def told_of(found: pl.DataFrame) -> list[tuple[str, str]]:
    return sorted(aged(found).select("rule", "tier").iter_rows())


HARM = (
    ({"grade": 1}, []),
    ({"grade": 2}, []),
    ({}, []),
    ({"grade": 3}, [("harm", "now")]),
    ({"is_serious": True}, [("harm", "now")]),
    ({"is_serious": True, "related": "not_related"}, [("harm", "now")]),
    ({"serious_criteria": ["hospitalisation"]}, [("harm", "now")]),
    ({"outcome": "fatal"}, [("harm", "now")]),
    ({"injury_kind": "burn", "grade": 1}, [("harm", "now")]),
    ({"injury_kind": "syncope"}, [("harm", "now")]),
    ({"injury_kind": "asphyxia"}, [("harm", "now")]),
    ({"injury_kind": "nerve"}, [("harm", "today")]),
    ({"term": "Freeze burn on the left calf"}, [("harm", "now")]),
    ({"term": "Fainted"}, [("harm", "now")]),
    ({"term": "burning sensation"}, []),
    ({"term": "heartburn"}, []),
    ({"term": "faint redness of the calf"}, []),
    ({"term": "dizziness without loss of consciousness"}, []),
    ({"term": "no burn, sore calf"}, []),
    ({"term": "sensation de brûlure"}, []),
    ({"term": "Sodbrennen"}, []),
    ({"term": "FROST-BITTEN toe"}, [("harm", "now")]),
    ({"term": "burned skin, no blister"}, [("harm", "now")]),
    ({"term": "patient lost consciousness"}, [("harm", "now")]),
    ({"term": "pre-syncope"}, [("harm", "now")]),
    ({"term": "Kälteverbrennung am Rücken"}, [("harm", "now")]),
    ({"term": "Ohnmacht"}, [("harm", "now")]),
    ({"term": "gelure du pied"}, [("harm", "now")]),
    ({"term": "x", "preferred_term": "Syncope"}, [("harm", "now")]),
    (
        {"injury_kind": "Freeze burn"},
        [("harm", "now")],
    ),  # none of the contract's kinds: other, its words kept
    ({"injury_kind": "other"}, []),
    ({"injury_kind": "nerve", "grade": 3}, [("harm", "now")]),
    ({"injury_kind": "nerve", "onset_at": AT - timedelta(days=31)}, [("harm", "noted")]),
    ({"initial_grade": 3}, [("harm", "now")]),
    ({"initial_grade": 3, "grade": 2}, [("harm", "now")]),  # what was that bad once is told
    ({"initial_grade": 1, "grade": 3}, [("harm", "now")]),
    ({"initial_grade": 2, "grade": 1}, []),
    ({"term": "burn_2nd_degree"}, [("harm", "now")]),
    ({"injury_kind": "cold_burn"}, [("harm", "now")]),
    ({"injury_kind": " Frostbite"}, [("harm", "now")]),
    ({"injury_kind": "Nerve "}, [("harm", "today")]),
    ({"outcome": " Fatal"}, [("harm", "now")]),
    ({"outcome": "mort"}, [("harm", "now")]),
    ({"outcome": "tot aufgefunden"}, [("harm", "now")]),
    ({"outcome": "not yet known"}, []),
    ({"term": "cardiac arrest"}, [("harm", "now")]),
    ({"is_serious": False, "serious_criteria": []}, []),
    ({"is_serious": False, "serious_criteria": ["hospitalisation"]}, [("harm", "now")]),
    ({"outcome": "died", "is_serious": False}, [("harm", "now")]),
    (
        {"patient_id": "nobody", "injury_kind": "burn"},
        [("harm", "now")],
    ),  # a patient who is not known yet
    # told when it landed long after it happened: nobody can act at once
    ({"grade": 3, "onset_at": AT - timedelta(days=31)}, [("harm", "today")]),
    ({"grade": 3, "onset_at": LANDED - timedelta(days=30)}, [("harm", "now")]),
    ({"grade": 3, "onset_at": LANDED - timedelta(days=30, seconds=1)}, [("harm", "today")]),
    ({"grade": 3, "onset_at": None}, [("harm", "now")]),
    # from the later of the onset and of when they became aware
    ({"grade": 3, "onset_at": AT - timedelta(days=31), "aware_at": AT}, [("harm", "now")]),
    ({"grade": 3, "onset_at": AT, "aware_at": AT - timedelta(days=31)}, [("harm", "now")]),
    (
        {"grade": 3, "onset_at": AT - timedelta(days=50), "aware_at": AT - timedelta(days=31)},
        [("harm", "today")],
    ),
    (
        {"is_serious": True, "onset_at": AT - timedelta(days=50)},
        [("harm", "now")],
    ),  # nobody says when
    ({"outcome": "Fatal", "onset_at": AT - timedelta(days=50)}, [("harm", "now")]),
    (
        {"outcome": "fatal", "onset_at": AT - timedelta(days=50), "aware_at": AT},
        [("harm", "now")],
    ),
    (
        {
            "is_serious": True,
            "onset_at": AT - timedelta(days=50),
            "aware_at": AT - timedelta(days=40),
        },
        [("harm", "today")],
    ),
    ({"grade": 3, "record_status": "entered_in_error"}, []),
)
HARM_APART = Apart(*((event(**given),) for given, _ in HARM))


@pytest.mark.parametrize(("given", "expected"), HARM)
def test_harm_to_a_patient_is_told_by_its_grade_seriousness_and_kind(given, expected):
    """Serious, fatal, grade 3 or more, a cold injury, asphyxia or syncope: at once. A nerve's
    injury: in the morning.
    """
    assert HARM_APART.told(event(**given)) == expected


GRAVE = (
    ({"injury_kind": "burn"}, 0),
    ({"injury_kind": "burn", "grade": 1}, 1),
    ({"injury_kind": "burn", "grade": 1, "is_serious": True}, 3),
    ({"grade": 4, "is_serious": True}, 4),
    ({"grade": 1, "outcome": "fatal"}, 5),
    ({"serious_criteria": ["death"]}, 5),
    ({"serious_criteria": ["Results in Death"]}, 5),
    ({"term": "death of unknown cause"}, 5),
    ({"term": "not breathing"}, 5),
    ({"grade": 1, "outcome": "FATAL"}, 5),
    ({"grade": 1, "outcome": "tot"}, 5),
    ({"grade": 1, "initial_grade": 4}, 4),
)
GRAVE_APART = Apart(*((event(**given),) for given, _ in GRAVE))


@pytest.mark.parametrize(("given", "level"), GRAVE)
def test_harm_is_as_grave_as_the_graver_of_grade_and_seriousness(given, level):
    """Serious counts as grade 3 and fatal as 5, so that a correction to it tells again; what is not
    graded counts as 0.
    """
    assert GRAVE_APART.causes(event(**given))["level"].to_list() == [level]


EXCEEDED = (
    ({"cabin_min_temp_c": None}, []),
    ({"cabin_min_temp_c": -120.01}, [("cabin_too_cold", "noted")]),
    ({"cabin_min_temp_c": -121.01}, [("cabin_too_cold", "now")]),
    ({"cabin_min_temp_c": -200.0, "protocol_id": None}, []),  # no limit is known
    ({"cabin_min_temp_c": -100.0}, []),
    ({"cabin_min_temp_c": -99.0}, [("cabin_too_warm", "noted")]),
    ({"cabin_min_temp_c": -98.9}, [("cabin_too_warm", "today")]),
    ({"duration_s": None}, []),
    ({"duration_s": 180.5}, [("exposure_too_long", "noted")]),
    ({"duration_s": 185}, [("exposure_too_long", "noted")]),
    ({"duration_s": 185.1}, [("exposure_too_long", "now")]),
    ({"duration_s": 186, "status": "aborted"}, [("exposure_too_long", "now")]),
    (
        {"duration_s": 186, "status": "missed"},
        [("contradiction", "today"), ("exposure_too_long", "now")],
    ),
    ({"skin_temp_min_c": None}, []),
    ({"skin_temp_min_c": 7.5}, [("skin_too_cold", "noted")]),
    ({"skin_temp_min_c": 7.49}, [("skin_too_cold", "now")]),
    ({"skin_temp_min_c": 5.01, "protocol_id": None}, []),
    ({"skin_temp_min_c": 2.01, "protocol_id": None}, [("skin_too_cold", "today")]),
    ({"room_min_oxygen_pct": None}, []),
    ({"room_min_oxygen_pct": 19.5}, [("oxygen_too_low", "noted")]),
    ({"room_min_oxygen_pct": 19.49}, [("oxygen_too_low", "now")]),
    # fresh for a day: at a day exactly still now
    (
        {"duration_s": 200, "started_at": LANDED - timedelta(days=1)},
        [("exposure_too_long", "now")],
    ),
    (
        {"duration_s": 200, "started_at": LANDED - timedelta(days=1, seconds=1)},
        [("exposure_too_long", "today")],
    ),
    (
        {"duration_s": 181, "started_at": LANDED - timedelta(days=2)},
        [("exposure_too_long", "noted")],
    ),
    ({"cabin_min_temp_c": -120.0}, []),
    ({"cabin_min_temp_c": -120.5}, [("cabin_too_cold", "noted")]),
    ({"cabin_min_temp_c": -121.0}, [("cabin_too_cold", "noted")]),
    ({"cabin_min_temp_c": -121.1}, [("cabin_too_cold", "now")]),
    ({"cabin_min_temp_c": -99.5}, [("cabin_too_warm", "noted")]),
    ({"cabin_min_temp_c": -98.0}, [("cabin_too_warm", "today")]),
    ({"duration_s": 180}, []),
    ({"duration_s": 181}, [("exposure_too_long", "noted")]),
    ({"duration_s": 186}, [("exposure_too_long", "now")]),
    ({"skin_temp_min_c": 8.0}, []),
    ({"skin_temp_min_c": 7.6}, [("skin_too_cold", "noted")]),
    ({"skin_temp_min_c": 7.0}, [("skin_too_cold", "now")]),
    ({"skin_temp_min_c": 5.1, "protocol_id": None}, []),
    ({"skin_temp_min_c": 5.0, "protocol_id": None}, [("skin_too_cold", "today")]),
    ({"skin_temp_min_c": 2.0, "protocol_id": None}, [("skin_too_cold", "now")]),
    ({"room_min_oxygen_pct": 20.0}, []),
    ({"room_min_oxygen_pct": 19.6}, [("oxygen_too_low", "noted")]),
    ({"room_min_oxygen_pct": 19.4}, [("oxygen_too_low", "now")]),
    ({"room_min_oxygen_pct": 19.5, "protocol_id": None}, []),
    ({"room_min_oxygen_pct": 19.4, "protocol_id": None}, [("oxygen_too_low", "now")]),
    # nobody can act on a session of the week before
    (
        {"duration_s": 200, "started_at": AT - timedelta(days=7)},
        [("exposure_too_long", "today")],
    ),
    (
        {"duration_s": 200, "status": "cancelled"},
        [("contradiction", "today"), ("exposure_too_long", "now")],
    ),
)
EXCEEDED_APART = Apart(*((session(**given),) for given, _ in EXCEEDED))


@pytest.mark.parametrize(("given", "expected"), EXCEEDED)
def test_a_limit_is_told_by_how_far_it_was_exceeded(given, expected):
    """By no more than the instrument errs by: noted. The product's own floors hold without a
    protocol too.
    """
    assert EXCEEDED_APART.told(session(**given)) == expected


MARGINS = (
    ({"cabin_min_temp_c": -120.5}, 1),  # noted
    ({"cabin_min_temp_c": -121.5}, 1),
    ({"cabin_min_temp_c": -122.0}, 2),  # 2 K are twice the margin of 1 K
    ({"cabin_min_temp_c": -123.9}, 2),
    ({"cabin_min_temp_c": -128.0}, 4),
    ({"cabin_min_temp_c": -196.0}, 7),  # 76 K: doubled six times
    ({"duration_s": 14_000}, 9),  # as grave as it gets
    (
        {"skin_temp_min_c": 2.0, "protocol_id": None},
        3,
    ),  # 3 K below amber: twice doubled from 0.5 K
    (
        {"room_min_oxygen_pct": 15.5, "protocol_id": None},
        4,
    ),  # 4 below 19.5: 0.5 doubled three times
)
MARGINS_APART = Apart(*((session(**given),) for given, _ in MARGINS))


@pytest.mark.parametrize(("given", "level"), MARGINS)
def test_a_limits_cause_is_graver_with_each_doubling_of_its_margin(given, level):
    """So that what is corrected, or measured later, to be far worse is told again; never as grave
    as the next tier.
    """
    [found] = MARGINS_APART.causes(session(**given)).filter(
        pl.col("rule") != "session_without_clearance"
    )["level"]
    assert found == level


UNKNOWN_PATIENT = {"patient_id": "P9"}  # whom nothing clears


@pytest.mark.parametrize(
    "status",
    [
        "Completed",
        "done",
        "stopped early",
        "Delivered",
        "DELIVERED ",
        "aborted",
        "?",
        "no show",
        None,
    ],
)
def test_a_status_of_no_list_silences_no_rule(status):
    """Nothing clears it, the screening says no, it was too long, and its device is out of use: all
    four are told.
    """
    screening = {
        "screening_id": "X",
        "patient_id": "P9",
        "session_id": "S1",
        "occurred_at": AT,
        "items": {"I": "present"},
    }
    records = [
        session(**UNKNOWN_PATIENT, status=status, duration_s=300, device_id="D1"),
        ("screenings", screening),
        device(retired_on="2026-05-01"),
    ]
    assert {rule for rule, _ in told(*records)} == {
        "session_without_clearance",
        "session_contraindicated",
        "exposure_too_long",
        "device_retired_in_use",
    }


NOT_HELD = ("missed", "cancelled", "Cancelled", " MISSED", "canceled")
MEASURED = (
    ({}, False),
    ({"duration_s": 0}, False),
    ({"setpoint_c": -110.0}, False),
    ({"skin_temp_pre_c": 31.0}, False),  # before: the reason why it was not held, perhaps
    ({"duration_s": 1}, True),
    ({"cabin_min_temp_c": -110.0}, True),
    ({"skin_temp_min_c": 12.0}, True),
    ({"skin_temp_post_c": 12.0}, True),
    ({"room_min_oxygen_pct": 20.5}, True),
)
NOT_HELD_APART = Apart(
    *(
        (session(**UNKNOWN_PATIENT, status=status, **given),)
        for status in NOT_HELD
        for given, _ in MEASURED
    )
)


@pytest.mark.parametrize("status", NOT_HELD)
@pytest.mark.parametrize(("given", "is_measured"), MEASURED)
def test_a_session_that_is_said_not_to_have_been_held_began_where_it_was_measured(
    status, given, is_measured
):
    """What was measured outweighs the word: judged, and the contradiction told; without it the
    session was not held.
    """
    expected = (
        [("contradiction", "today"), ("session_without_clearance", "now")] if is_measured else []
    )
    record = session(**UNKNOWN_PATIENT, status=status, **given)
    assert NOT_HELD_APART.told(record) == expected


def series_of_cabin(**given) -> tuple[str, dict]:
    fields = {
        "device_id": "D1",
        "session_id": "S1",
        "signal": "cabin_temp_c",
        "interval_s": 60.0,
        "started_at": AT,
    }
    return "telemetry", fields | {"values": [-110.0, -140.0]} | given


def test_a_series_is_a_measurement_of_a_cancelled_session():
    """Far too cold, by the device, in a session that nobody had, it is said."""
    found = told(session(status="cancelled"), series_of_cabin())
    assert found == [("cabin_too_cold", "now"), ("contradiction", "today")]


def test_a_week_counts_what_was_held_by_whatever_word():
    """The fourth of three allowed, of `Completed` ones."""
    four = [session(k, started_at=AT - timedelta(days=k), status="Completed") for k in range(4)]
    assert told(*four) == [("sessions_too_many", "today")]


@pytest.mark.parametrize(
    "start", [datetime(2036, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
)
def test_a_session_whose_clock_is_wrong_is_judged_by_what_was_in_force_when_it_was_sent(start):
    """Limits, clearance and contraindication of that moment; of spacing and week nothing is
    known.
    """
    wrong = session(started_at=start, duration_s=300, cabin_min_temp_c=-130.0, device_id="D1")
    told_always = [
        ("cabin_too_cold", "now"),
        ("exposure_too_long", "now"),
        ("implausible_safety_record", "today"),
    ]
    assert told(wrong, session(2, started_at=AT - timedelta(hours=3))) == told_always
    later = PROTOCOL | {
        "effective_from": AT + timedelta(days=1),
        "cabin_min_temp_c": -140.0,
        "max_duration_s": 400.0,
    }
    assert told(wrong, ("protocols", later)) == told_always
    refused = {"consult_id": "K2", "patient_id": "P1", "outcome": "contraindicated"}
    refused |= {"occurred_at": AT - timedelta(days=1), "recorded_at": AT - timedelta(days=1)}
    more = [("session_contraindicated", "now"), ("session_without_clearance", "now")]
    assert told(wrong, ("consults", refused)) == sorted(told_always + more)
    out = device(retired_on="2026-05-04")
    assert told(wrong, out) == sorted([*told_always, ("device_retired_in_use", "now")])
    assert causes(wrong)["occurred_at"].max() <= LANDED


@pytest.mark.parametrize("outcome", ["Contraindicated", " contraindicated "])
def test_a_consult_is_read_in_whatever_letters(outcome):
    """It was none of the list's words, and said no."""
    fields = {"consult_id": "K2", "patient_id": "P1", "outcome": outcome}
    fields |= {"occurred_at": AT - timedelta(days=2), "recorded_at": AT - timedelta(days=2)}
    expected = [("session_contraindicated", "now"), ("session_without_clearance", "now")]
    assert told(session(), ("consults", fields)) == expected
    assert (
        told(
            session(modality="Whole body"),
            ("consults", fields | {"outcome": "CLEARED", "modalities": ["whole_body"]}),
        )
        == []
    )


def test_harm_of_a_session_is_on_its_sessions_device():
    """The event names no device, its session does; its own counts first."""
    held = session(device_id="D1")
    burns = [
        event(injury_kind="burn", session_id="S1"),
        event(ae_id="E2", injury_kind="burn", session_id="S1", device_id="D2"),
    ]
    found = causes(held, *burns).filter(pl.col("rule") == "harm").sort("subject_id")
    assert found["device_id"].to_list() == ["D1", "D2"]


def test_harm_is_told_to_the_clinic_that_the_patient_was_in():
    """An event that names no clinic and no session is of where the patient was at its onset, as in
    mart.adae; another patient's session says nothing of it.
    """
    moved = {"status_id": "T1", "patient_id": "P1", "status": "transferred", "clinic_id": "C2"}
    moved |= {"effective_on": f"{AT - timedelta(days=1):%Y-%m-%d}"}
    before = {"clinic_id": None, "injury_kind": "burn", "session_id": "S9"}
    burns = [
        event(**before),
        event(ae_id="E2", **before | {"onset_at": AT - timedelta(days=9)}),
    ]
    of_another = session(9, patient_id="P9", clinic_id="C9")
    told = causes(("patient_status", moved), of_another, *burns).filter(pl.col("rule") == "harm")
    assert told.sort("subject_id")["clinic_id"].to_list() == ["C2", "C1"]


def test_the_skin_settings_are_the_sites_own():
    """FLOE_SKIN_AMBER_C and FLOE_SKIN_RED_C decide."""
    cold = session(skin_temp_min_c=9.0, protocol_id=None)
    assert told(cold, options=Options(skin_amber_c=10.0)) == [("skin_too_cold", "today")]
    assert told(cold, options=Options(skin_red_c=9.0)) == [("skin_too_cold", "now")]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (20 * 60, []),
        (20 * 60 - 1 / 60, [("sessions_too_close", "noted")]),
        (20 * 60 - 15, [("sessions_too_close", "noted")]),
        (20 * 60 - 15 - 1 / 60, [("sessions_too_close", "today")]),
        (600, [("sessions_too_close", "today")]),
    ],
)
def test_spacing_and_weeks_are_of_the_patient(minutes, expected):
    """The second of two sessions is the one that came too soon."""
    earlier = session(2, started_at=AT - timedelta(minutes=minutes))
    assert told(session(), earlier) == expected


def test_a_week_with_one_session_too_many_is_told():
    """Three are allowed, the fourth is told."""
    four = [session(k, started_at=AT - timedelta(days=k)) for k in range(4)]
    assert told(*four) == [("sessions_too_many", "today")]
    assert told(*four[:3]) == []
    assert told(*four[:3], session(9, started_at=AT - timedelta(days=7))) == []
    assert told(*four[:3], session(9, started_at=AT - timedelta(days=3), status="cancelled")) == []


@pytest.mark.parametrize(
    ("consult", "expected"),
    [
        ({"outcome": "deferred"}, [("session_without_clearance", "now")]),
        ({"valid_until": AT - timedelta(days=1)}, [("session_without_clearance", "now")]),
        ({"modalities": ["local"]}, [("session_without_clearance", "now")]),
        ({"recorded_at": AT + timedelta(minutes=5)}, []),  # the one before cleared it
        ({"recorded_at": AT}, []),
        ({"valid_until": AT}, []),
        ({"valid_until": AT - timedelta(seconds=1)}, [("session_without_clearance", "now")]),
        ({"occurred_at": AT + timedelta(seconds=1), "recorded_at": AT + timedelta(seconds=1)}, []),
        ({"recorded_at": None}, [("session_without_clearance", "noted")]),
        # the one before clears it: which of the two counts is not known
        ({"recorded_at": None, "outcome": "deferred"}, [("session_without_clearance", "noted")]),
        (
            {"outcome": "contraindicated"},
            [("session_contraindicated", "now"), ("session_without_clearance", "now")],
        ),
        ({"outcome": "cleared"}, []),
    ],
)
def test_a_session_without_clearance_is_told(consult, expected):
    """By the latest consult that had occurred and been recorded; unknown is noted, never told."""
    fields = {"consult_id": "K2", "patient_id": "P1", "outcome": "cleared"}
    fields |= {
        "occurred_at": AT - timedelta(days=2),
        "recorded_at": AT - timedelta(days=2),
    } | consult
    assert told(session(), ("consults", fields)) == expected


def test_a_session_that_nothing_could_have_cleared_is_told():
    """No consult at all; or the only one did not clear it, whenever it was recorded."""
    other = (
        "patients",
        {"patient_id": "P2", "clinic_id": "C1", "enrolled_on": "2026-04-01", "birth_year": 1970},
    )
    of_other = session(patient_id="P2")
    consult = {"consult_id": "K2", "patient_id": "P2", "occurred_at": AT - timedelta(days=2)}
    assert told(other, of_other) == [("session_without_clearance", "now")]
    for outcome, tier in (("deferred", "now"), ("cleared", "noted")):
        assert told(other, of_other, ("consults", consult | {"outcome": outcome})) == [
            ("session_without_clearance", tier)
        ]
    expired = {"outcome": "cleared", "valid_until": AT - timedelta(days=1)}
    assert told(other, of_other, ("consults", consult | expired)) == [
        ("session_without_clearance", "now")
    ]


def test_a_contraindication_of_the_screening_is_told():
    """An item that is present."""
    screening = {
        "screening_id": "X1",
        "patient_id": "P1",
        "session_id": "S1",
        "occurred_at": AT,
        "items": {"I73": "present"},
    }
    assert told(session(), ("screenings", screening)) == [("session_contraindicated", "now")]


def test_devices_out_of_use_or_calibration_are_told():
    """Out of use: each session on it. Calibration: once a device and due day, however many
    sessions.
    """
    uses = [
        session(k, device_id="D1", started_at=AT - timedelta(days=k), protocol_id=None)
        for k in range(3)
    ]
    now, day_before = ("device_retired_in_use", "now"), ("device_retired_in_use", "today")
    assert told(*uses, device(retired_on="2026-05-03")) == [now, day_before]
    assert told(*uses, device(retired_on="2026-05-05")) == []
    assert told(*uses, device(retired_on="2026-05-04")) == [now]
    assert told(session(device_id="D2", protocol_id=None), device(retired_on="2026-05-04")) == []
    assert told(*uses, device(calibration_due_on="2026-05-03")) == [
        ("device_calibration_overdue", "today")
    ]
    assert told(*uses, device(calibration_due_on="2026-05-04")) == []
    found = causes(*uses, device(calibration_due_on="2026-05-02"))
    assert found.select("rule", "tier").rows() == [("device_calibration_overdue", "today")]
    assert found["evidence"].list.len().to_list() == [2]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            (
                "deficiencies",
                {"deficiency_id": "F1", "device_id": "D1", "occurred_at": AT, "kind": "door"},
            ),
            "today",
        ),
        (
            (
                "deficiencies",
                {
                    "deficiency_id": "F1",
                    "device_id": "D1",
                    "occurred_at": AT,
                    "kind": "valve",
                    "could_have_led_to_sae": True,
                },
            ),
            "now",
        ),
        (
            (
                "deficiencies",
                {
                    "deficiency_id": "F1",
                    "device_id": "D1",
                    "occurred_at": AT,
                    "kind": "valve",
                    "could_have_led_to_sae": False,
                },
            ),
            "today",
        ),
        (
            (
                "incidents",
                {
                    "incident_id": "I1",
                    "clinic_id": "C1",
                    "occurred_at": AT,
                    "subject_kind": "staff",
                    "kind": "slipped",
                },
            ),
            "today",
        ),
        (
            (
                "incidents",
                {
                    "incident_id": "I1",
                    "clinic_id": "C1",
                    "occurred_at": AT,
                    "subject_kind": "staff",
                    "kind": "slipped",
                    "is_serious": True,
                },
            ),
            "now",
        ),
        (
            (
                "incidents",
                {
                    "incident_id": "I1",
                    "clinic_id": "C1",
                    "occurred_at": AT,
                    "subject_kind": "staff",
                    "kind": "asphyxia in the gas room",
                    "is_serious": False,
                },
            ),
            "now",
        ),
        (
            (
                "incidents",
                {
                    "incident_id": "I1",
                    "clinic_id": "C1",
                    "occurred_at": AT,
                    "subject_kind": "none",
                    "kind": "door stuck, no burn",
                },
            ),
            "today",
        ),
    ],
)
def test_deficiencies_and_incidents_are_told(record, expected):
    """At once where they could have led to, or are, serious harm."""
    assert [tier for _, tier in told(record)] == [expected]


@pytest.mark.parametrize(
    ("kind", "tier"),
    [
        ("fatal", "now"),
        ("Fatality", "now"),
        ("person_found_dead", "now"),
        ("cold_burn", "now"),
        ("dead battery", "today"),
    ],
)
def test_the_kind_of_an_incident_is_read_as_words(kind, tier):
    """A death or an injury of staff, however it is coded."""
    fields = {
        "incident_id": "I1",
        "clinic_id": "C1",
        "occurred_at": AT,
        "subject_kind": "staff",
        "kind": kind,
    }
    assert told(("incidents", fields)) == [("incident", tier)]


@pytest.mark.parametrize(
    ("given", "tier"),
    [
        ({}, "now"),
        ({"aware_at": AT}, "now"),
        ({"aware_at": AT - timedelta(days=31)}, "today"),
        ({"kind": "burn"}, "now"),
    ],
)
def test_a_serious_incident_is_as_old_as_somebodys_knowing_of_it(given, tier):
    """It happened 50 days before it landed; who does not say since when they know is told at
    once.
    """
    fields = {
        "incident_id": "I1",
        "clinic_id": "C1",
        "subject_kind": "staff",
        "kind": "slipped",
        "is_serious": True,
    }
    assert told(("incidents", fields | {"occurred_at": AT - timedelta(days=50)} | given)) == [
        ("incident", tier)
    ]


def test_contradictions_and_clashes_are_told():
    """Care after a death, and one id of two patients' things."""
    died = (
        "patient_status",
        {"status_id": "Z", "patient_id": "P1", "status": "died", "effective_on": "2026-05-01"},
    )
    assert ("contradiction", "today") in told(session(), died)
    other = ("patients", {"patient_id": "P2", "clinic_id": "C2", "enrolled_on": "2026-04-01"})
    clash = session(patient_id="P2", clinic_id="C2")
    assert ("clash_of_ids", "today") in told(
        ("clinics", {"clinic_id": "C2", "timezone": "UTC"}), other, session(), clash
    )


def series(k: int, patient: str = "P1") -> tuple[str, dict]:
    fields = {"patient_id": patient, "started_at": AT - timedelta(hours=k), "metric": "heart_rate"}
    return "readings", fields | {
        "device_id": "W1",
        "unit": "/min",
        "interval_s": 60.0,
        "values": [60.0],
    }


def test_series_that_run_on_past_a_death_are_one_alert_a_patient():
    """Whoever wears a watch sends a series an hour: one alert each patient, with the series as its
    evidence.
    """
    died = [
        (
            "patient_status",
            {"status_id": f"Z{p}", "patient_id": p, "status": "died", "effective_on": "2026-05-01"},
        )
        for p in ("P1", "P2")
    ]
    other = ("patients", {"patient_id": "P2", "clinic_id": "C1", "enrolled_on": "2026-04-01"})
    of_first = [series(k) for k in range(5)]
    found = causes(other, *died, *of_first, series(9, "P2"), session())
    found = found.filter(pl.col("rule") == "contradiction").sort("subject_id")
    evidence = [len(ids) for ids in found["evidence"]]
    assert list(zip(found["subject_id"], evidence, strict=True)) == [
        ("readings/P1", 5),
        ("readings/P2", 1),
        ("sessions/S1", 1),
    ]
    assert found["patient_id"].to_list() == ["P1", "P2", "P1"]


# One input a rule that must make its cause: a rule that nothing raises has no place here, and the
# test below fails.
OWN = {"harm": [event(injury_kind="burn")], "session_without_clearance": [session(patient_id="P9")]}
OWN["session_contraindicated"] = [
    session(),
    (
        "screenings",
        {
            "screening_id": "X",
            "patient_id": "P1",
            "session_id": "S1",
            "occurred_at": AT,
            "items": {"I73": "present"},
        },
    ),
]
BROKEN = {
    "cabin_too_cold": {"cabin_min_temp_c": -130.0},
    "cabin_too_warm": {"cabin_min_temp_c": -80.0},
    "exposure_too_long": {"duration_s": 300},
    "skin_too_cold": {"skin_temp_min_c": 1.0},
    "oxygen_too_low": {"room_min_oxygen_pct": 18.0},
}
OWN |= {rule: [session(**given)] for rule, given in BROKEN.items()}
OWN["sessions_too_close"] = [session(), session(2, started_at=AT - timedelta(hours=3))]
OWN["sessions_too_many"] = [session(k, started_at=AT - timedelta(days=k)) for k in range(4)]
OWN["device_retired_in_use"] = [session(device_id="D1"), device(retired_on="2026-05-01")]
OWN["device_calibration_overdue"] = [
    session(device_id="D1"),
    device(calibration_due_on="2026-05-01"),
]
OWN["device_deficiency"] = [
    ("deficiencies", {"deficiency_id": "F", "device_id": "D1", "occurred_at": AT, "kind": "door"})
]
OWN["incident"] = [
    (
        "incidents",
        {
            "incident_id": "I",
            "clinic_id": "C1",
            "occurred_at": AT,
            "subject_kind": "staff",
            "kind": "slipped",
        },
    )
]
OWN["clash_of_ids"] = [
    ("patients", {"patient_id": "P2", "clinic_id": "C2", "enrolled_on": "2026-04-01"}),
    event(),
    event(patient_id="P2", clinic_id="C2"),
]
OWN["contradiction"] = [
    session(),
    (
        "patient_status",
        {"status_id": "Z", "patient_id": "P1", "status": "died", "effective_on": "2026-05-01"},
    ),
]
OWN["implausible_safety_record"] = [event(onset_at=datetime(2036, 1, 1, tzinfo=UTC))]
# Raised elsewhere, and by whom.
ELSEWHERE = {
    "unreadable_safety_record": "ingest/reject_alerts.py",
    "not_judged": "records.of_unjudged",
    "report_due": "reports.of_reports",
    "silence": "system.of_silence",
    "disk_filling": "system.of_disk",
    "clock_wrong": "system.of_clocks",
    "check_failed": "system.of_checks",
    "marts_stale": "system.of_marts",
    "tables_stale": "system.of_tables",
    "figures_restated": "system.of_restatements",
    "comparison_differs": "system.of_comparisons",
    "upkeep_behind": "system.of_small_files",
    "upkeep_stopped": "system.of_upkeep_faults",
}


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_is_raised_by_something(rule):
    """A rule without a cause here, or a function elsewhere that names it, would be a promise that
    nothing keeps.
    """
    if rule in ELSEWHERE:
        assert rule not in OWN
        return
    assert rule in set(causes(*OWN[rule])["rule"])


def test_every_limit_of_a_protocol_has_a_rule():
    """A further limit of the contract without one fails here."""
    fields = {field.name for field in TOPIC_BY_NAME["protocols"].fields}
    limits = fields - {"protocol_id", "effective_from", "clinic_id", "modality"}
    assert {limit.field for limit in LIMITS.values()} == limits
    assert {limit.alert.id for limit in LIMITS.values()} <= set(RULES)
    assert len(set(FLAGS)) == len(FLAGS)


def test_every_rule_says_in_words_what_it_does():
    """Condition, who is told and what clears it are there; of a limit with a margin, the margin."""
    for rule in RULES.values():
        assert all((rule.when, rule.told, rule.clears, rule.title)), rule.id
    for limit in LIMITS.values():
        assert limit.alert.margin == 0 or "{margin}" in limit.alert.words, limit.id
