"""mart.device_events and mart.device_event_rates: what counts, over which sessions and hours, with
exact limits.

Here: rows by hand, and the simulator's own account. Not here: what must be reported
(test_report_deadlines.py).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.simulate import Plan, simulate
from tests.computed import computed
from transforms.checks import check_table
from transforms.facts.device_events import DEVICE_EVENTS
from transforms.marts import device_event_rates, device_events
from transforms.options import Cut, Options
from transforms.released.as_released import as_released
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES
from transforms.schemas.app import RELEASED
from transforms.statistics.rates import poisson_rate

NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)  # the first session of C1
CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2025, 3, 20, 12, 40, tzinfo=UTC))
REJECTS = next(t for t in BOOKKEEPING if t.name == "rejects")
DEVICES = (
    {"device_id": "D1", "clinic_id": "C1", "kind": "cryo", "modality": "whole_body"},
    {"device_id": "R1", "clinic_id": "C1", "kind": "room_monitor"},
)


def table(of, *rows: dict) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(of.names) | row for row in rows], schema=of.polars_schema)


def core(name: str, *rows: dict) -> pl.DataFrame:
    return table(
        CORE_TABLES[name],
        *({"event_id": f"e{k}", "source": "s", **row} for k, row in enumerate(rows)),
    )


def session(number: int, **given) -> dict:
    """The n-th session of P1 in C1 on D1, of 180 s, an hour after the one before."""
    usual = {
        "session_id": f"S{number}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "device_id": "D1",
        "duration_s": 180.0,
    }
    usual |= {
        "modality": "whole_body",
        "started_at": NOON + timedelta(hours=number),
        "status": "delivered",
    }
    return usual | given


def deficiency(number: int, **given) -> dict:
    usual = {
        "deficiency_id": f"F{number}",
        "device_id": "D1",
        "occurred_at": NOON + timedelta(days=1),
        "kind": "door",
    }
    return usual | given


def incident(number: int, **given) -> dict:
    usual = {
        "incident_id": f"I{number}",
        "clinic_id": "C1",
        "occurred_at": NOON + timedelta(days=1),
        "kind": "fall",
    }
    return usual | {"subject_kind": "staff"} | given


def made(*, sessions=(), deficiencies=(), incidents=(), rejects=(), implausible=(), cut=CUT):
    """Both marts of these records."""
    places = {
        "sessions": core("sessions", *sessions),
        "clinics": core(
            "clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}, {"clinic_id": "C2"}
        ),
        "patients": core("patients", {"patient_id": "P1", "clinic_id": "C1"}),
        "patient_status": core("patient_status"),
    }
    events = device_events.compute(
        deficiencies=core("deficiencies", *deficiencies),
        incidents=core("incidents", *incidents),
        devices=core("devices", *DEVICES),
        **places,
        options=Options(),
        cut=cut,
    )
    rates = device_event_rates.compute(
        device_events=events,
        **places,
        implausible=table(CORE_TABLES["implausible"], *implausible),
        rejects=table(REJECTS, *rejects),
        options=Options(),
        cut=cut,
    )
    for mart, rows in (("device_events", events), ("device_event_rates", rates)):
        assert check_table(MART_TABLES[mart], rows)["is_passed"].all()
    return events, rates


def row_of(rates: pl.DataFrame, kind: str, **place) -> dict:
    """The row of a kind, of the whole where no place is named."""
    strata = [c for c in ("clinic_id", "modality", "device_id") if c in place]
    is_it = (pl.col("strata") == pl.lit(strata, pl.List(pl.String))) & (pl.col("kind") == kind)
    (row,) = rates.filter(is_it, *(pl.col(c) == v for c, v in place.items())).iter_rows(named=True)
    return row


# --- records ------------------------------------------------------------------------------------


def test_a_row_a_record():
    """A deficiency, an incident with harm, one without, a session that the interlock stopped: each
    with its place.
    """
    events, _ = made(
        sessions=[session(0), session(1, stop_reason="interlock", status="aborted")],
        deficiencies=[deficiency(1, could_have_led_to_sae=True)],
        incidents=[incident(1, is_serious=False), incident(2, subject_kind="none", device_id="R1")],
    )
    columns = ("kind", "record_id", "clinic_id", "modality", "person", "is_grave", "counted_as")
    assert sorted(events.select(columns).rows()) == [
        ("deficiency", "F1", "C1", "whole_body", None, True, "counted"),
        ("device_fault", "S1", "C1", "whole_body", None, None, "counted"),
        ("incident", "I1", "C1", "(none)", "staff", False, "counted"),
        ("near_miss", "I2", "C1", "(none)", None, None, "counted"),
    ]


@pytest.mark.parametrize(
    ("record", "clinic", "modality"),
    [
        ({}, "C1", "whole_body"),  # of the device
        ({"clinic_id": "C2"}, "C2", "whole_body"),  # its own
        ({"session_id": "S0", "device_id": "R1"}, "C2", "(none)"),  # of the session
        ({"device_id": "D9"}, "(unknown)", "(unknown)"),  # no record describes the device
    ],
)
def test_where_it_happened(record, clinic, modality):
    """The record's own clinic, else its session's, else the device's; unknown is said, never
    guessed.
    """
    events, _ = made(sessions=[session(0, clinic_id="C2")], deficiencies=[deficiency(1, **record)])
    assert events.select("clinic_id", "modality").rows() == [(clinic, modality)]


@pytest.mark.parametrize(
    ("occurred_at", "clinic_id", "counted_as", "events", "outside", "unknown"),
    [
        (NOON, "C1", "counted", 1, 0, 0),  # at the first session's start
        (NOON - timedelta(microseconds=1), "C1", "before_sessions", 0, 1, 0),
        (
            CUT.data_cutoff.replace(minute=0),
            "C1",
            "counted",
            1,
            0,
            0,
        ),  # the hour to which figures run
        (CUT.data_cutoff.replace(minute=1), "C1", "after_cut", 0, 0, 0),  # waits
        (None, "C1", "counted", 1, 0, 1),  # what was sent can't be true: it counts, and is said
        (NOON, "C2", "no_sessions", 0, 1, 0),
    ],
)
def test_when_it_counts(occurred_at, clinic_id, counted_as, events, outside, unknown):
    """From the clinic's first session that began to the hour of the data cut, both included; else
    it says why not.
    """
    found, rates = made(
        sessions=[session(0), session(-24, status="missed")],
        deficiencies=[deficiency(1, occurred_at=occurred_at, clinic_id=clinic_id)],
    )
    assert found["counted_as"].to_list() == [counted_as]
    row = row_of(rates, "deficiency")
    assert (row["events"], row["events_outside"], row["unknown_moment"]) == (
        events,
        outside,
        unknown,
    )


def test_an_interlock_that_keeps_a_session_from_beginning():
    """A cancelled session that the interlock stopped is a fault, and no session."""
    _, rates = made(sessions=[session(0), session(1, status="cancelled", stop_reason="interlock")])
    row = row_of(rates, "device_fault")
    assert (row["events"], row["sessions"]) == (1, 1)


# --- rates --------------------------------------------------------------------------------------


def test_rates_and_their_denominators():
    """2 deficiencies in 40 sessions and 41 x 180 s = 2.05 h: 5 per 100 sessions, 975.6 per 1,000 h,
    Garwood's limits.
    """
    sessions = [session(k) for k in range(40)] + [
        session(40, status="aborted"),
        session(41, status="missed"),
    ]
    _, rates = made(
        sessions=sessions, deficiencies=[deficiency(1, could_have_led_to_sae=True), deficiency(2)]
    )
    for place in (
        {},
        {"clinic_id": "C1"},
        {"modality": "whole_body"},
        {"clinic_id": "C1", "device_id": "D1"},
    ):
        row = row_of(rates, "deficiency", **place)
        assert (row["events"], row["grave"], row["grave_unknown"], row["sessions"]) == (2, 1, 1, 40)
        assert row["device_hours"] == pytest.approx(2.05, rel=1e-12)
        for name, exact in (
            ("events_per_100_sessions", poisson_rate(2, 40)),
            ("events_per_1000_device_hours", poisson_rate(2, 2.05, per=1000)),
        ):
            given = (row[name], row[f"{name}_lower"], row[f"{name}_upper"])
            assert given == pytest.approx((exact.estimate, exact.lower, exact.upper), rel=1e-12)
    assert row_of(rates, "deficiency")["events_per_100_sessions"] == 5


def test_no_event_seen_has_an_upper_limit():
    """0 in 100 sessions: 0, and at most 3.69 per 100 (-ln 0.025): the kind has a row though nothing
    happened.
    """
    _, rates = made(sessions=[session(k) for k in range(100)])
    for kind in DEVICE_EVENTS:
        row = row_of(rates, kind)
        limits = (
            row["events"],
            row["events_per_100_sessions"],
            row["events_per_100_sessions_upper"],
        )
        assert limits == (0, 0.0, pytest.approx(3.688879, abs=1e-6))


@pytest.mark.parametrize(
    ("sessions", "reason"),
    [
        ([], "no session was delivered: there is no rate per session"),
        ([{"status": "missed"}], "no session was delivered: there is no rate per session"),
        (
            [{}, {"duration_s": None}],
            "device-hours are not known: no duration is on record of 1 of the sessions that began",
        ),
    ],
)
def test_what_is_unknown_says_why(sessions, reason):
    """Without sessions there is no rate; where a duration is missing none per hour: never one over
    too few hours.
    """
    _, rates = made(
        sessions=[session(k, **given) for k, given in enumerate(sessions)],
        deficiencies=[deficiency(1)],
    )
    row = row_of(rates, "deficiency")
    assert row["reason"] == reason
    assert row["events_per_1000_device_hours"] is None
    assert (row["events_per_100_sessions"] is None) == (row["sessions"] == 0)


def test_records_that_could_not_be_read_or_be_true():
    """Beside each rate: unread records of the three topics, not of others nor those replayed;
    implausible ones here.
    """
    rejects = [
        {"kafka_topic": f"floe.{name}.v1", "ingested_at": NOON, "replayed_at": at}
        for name, at in (
            ("deficiencies", None),
            ("incidents", NOON),
            ("sessions", None),
            ("consults", None),
        )
    ]
    false = [
        {"table": name, "record_id": "x", "field": f, "source": "s", "clinic_id": clinic}
        for name, f, clinic in (
            ("deficiencies", "occurred_at", "C1"),
            ("sessions", "started_at", "C2"),
            ("sessions", "recorded_at", "C2"),  # the same record
            ("consults", "occurred_at", "C1"),
        )
    ]
    _, rates = made(sessions=[session(0)], rejects=rejects, implausible=false)
    whole, here = row_of(rates, "incident"), row_of(rates, "incident", clinic_id="C1")
    assert (whole["unread_records"], whole["implausible_records"], here["implausible_records"]) == (
        2,
        2,
        1,
    )


@given(order=st.permutations(range(6)), split=st.integers(0, 6))
def test_order_and_place_change_no_sum(order, split):
    """However rows stand, the figures are the same; those of two clinics add up to the whole."""
    sessions = [
        session(k, clinic_id="C1" if k < split else "C2", duration_s=0.1 + k) for k in range(6)
    ]
    deficiencies = [
        deficiency(k, session_id=f"S{k}", occurred_at=NOON + timedelta(days=1)) for k in range(6)
    ]
    _, rates = made(sessions=sessions, deficiencies=deficiencies)
    _, turned = made(
        sessions=[sessions[k] for k in order], deficiencies=[deficiencies[k] for k in order]
    )
    assert rates.equals(turned)
    clinics = rates.filter((pl.col("strata").list.len() == 1) & (pl.col("kind") == "deficiency"))
    clinics = clinics.filter(pl.col("clinic_id").is_not_null())
    whole = row_of(rates, "deficiency")
    assert whole["events"] == clinics["events"].sum() == 6
    assert whole["sessions"] == clinics["sessions"].sum() == 6
    assert whole["device_hours"] == pytest.approx(clinics["device_hours"].sum())


# --- outside ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("events", "is_hidden"), [(0, False), (1, True), (4, True), (5, False)])
def test_few_events_are_for_nobody_outside(events, is_hidden):
    """1 to 4 deficiencies hide their row, 0 and 5 do not; a single device's row is the clinic's
    own, always.
    """
    sessions = [session(k) for k in range(30)]
    grave = {"could_have_led_to_sae": True}
    _, rates = made(sessions=sessions, deficiencies=[deficiency(k, **grave) for k in range(events)])
    released = as_released(RELEASED["device_event_rates"], rates, options=Options())
    row = row_of(released, "deficiency")
    assert (row["is_suppressed"], row["events"] is None) == (is_hidden, is_hidden)
    of_device = released.filter(pl.col("device_id").is_not_null())
    assert of_device["is_suppressed"].all()
    assert of_device["events"].null_count() == of_device.height > 0


def test_grave_ones_of_many_are_for_nobody_outside():
    """Of 20 deficiencies 3 that could have led to harm, or 3 that could not: the row is hidden in
    both cases.
    """
    for grave in (3, 17):
        _, rates = made(
            sessions=[session(k) for k in range(30)],
            deficiencies=[deficiency(k, could_have_led_to_sae=k < grave) for k in range(20)],
        )
        assert row_of(rates, "deficiency")["is_suppressed"]


def test_a_release_has_rates_of_its_rounded_counts():
    """12 deficiencies in 33 sessions are shown as 10 in 35; per hour none, for a duration is
    missing, though 1 rounds to 0.
    """
    sessions = [session(k, duration_s=None if k == 0 else 3600.0) for k in range(33)]
    _, rates = made(
        sessions=sessions,
        deficiencies=[deficiency(k, could_have_led_to_sae=k < 6) for k in range(12)],
    )
    released = as_released(RELEASED["device_event_rates"], rates, options=Options())
    row = row_of(released, "deficiency")
    assert (row["events"], row["sessions"], row["sessions_without_duration"]) == (10, 35, 0)
    assert row["events_per_100_sessions"] == pytest.approx(1000 / 35)
    assert row["events_per_1000_device_hours"] is None
    assert row["period_start"] == date(2025, 3, 1)


# --- as simulated -------------------------------------------------------------------------------


def test_as_the_simulator_counts():
    """Deficiencies and incidents of simulated clinics, faults of the stream included, are those
    that it says it sent.
    """
    plan = Plan(
        patients=60,
        days=500,
        clinics=4,
        seed=23,
        duplicates_share=0.03,
        late_share=0.05,
        broken_share=0.02,
        with_readings=False,
        with_telemetry=False,
    )
    simulation = simulate(plan)
    records = [
        record for record in simulation if record[0].split(".")[1] not in ("telemetry", "readings")
    ]
    landed = datetime(2027, 6, 1, tzinfo=UTC)
    tables = computed(records, landed=landed, marts=("device_events", "device_event_rates"))
    events, truth = tables["mart.device_events"], simulation.truth
    incidents = events.filter(pl.col("kind").is_in(["incident", "near_miss"]))
    for rows, sent in (
        (events.filter(pl.col("kind") == "deficiency"), truth.deficiencies),
        (incidents, truth.incidents),
    ):
        assert rows.height == len(sent) > 3
        assert rows["is_grave"].fill_null(False).sum() == sum(trouble.is_grave for trouble in sent)
    row = row_of(tables["mart.device_event_rates"], "deficiency")
    assert row["sessions"] == sum(
        n for (_, status), n in truth.session_counts().items() if status == "delivered"
    )
