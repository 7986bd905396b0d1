"""Rules of mart.adex: the protocol in force, each limit's flag, clearance, contraindication,
running counts.

Here: small tables of core and what must come out. Not here: what a device's samples add up to
(telemetry).
"""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.marts import adex
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2025, 6, 30, 12, tzinfo=UTC))
START = datetime(2025, 3, 3, 10, tzinfo=UTC)
LIMITS = {
    "cabin_min_temp_c": -120.0,
    "cabin_max_temp_c": -100.0,
    "max_duration_s": 180.0,
    "min_hours_between_sessions": 20.0,
    "max_sessions_per_week": 3,
    "skin_min_temp_c": 5.0,
    "room_min_oxygen_pct": 19.5,
}
FLAGS = ("TEMPLOFL", "TEMPHIFL", "DURFL", "SPACEFL", "WEEKFL", "SKINFL", "O2FL")


def core(name, *rows):
    """A frame of core: the given columns, all others null."""
    table = MART_TABLES["adsl"] if name == "adsl" else CORE_TABLES[name]
    shared = {"event_id": "e", "source": "urn:study", "is_recorded_at_given": False}
    full = [{**shared, **row} for row in rows]
    return pl.DataFrame(
        [{k: r.get(k) for k in table.names} for r in full], schema=table.polars_schema
    )


def session(k=1, *, days=0.0, **columns):
    return {
        "session_id": f"S{k}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "whole_body",
        "status": "delivered",
        "protocol_id": "A",
        "started_at": START + timedelta(days=days),
        **columns,
    }


def protocol(**columns):
    return {
        "protocol_id": "A",
        "effective_from": START - timedelta(days=99),
        "modality": "whole_body",
        **LIMITS,
        **columns,
    }


def consult(k=1, *, hours=-24.0, recorded=-24.0, **columns):
    given = {} if recorded is None else {"recorded_at": START + timedelta(hours=recorded)}
    return {
        "consult_id": f"K{k}",
        "patient_id": "P1",
        "outcome": "cleared",
        "occurred_at": START + timedelta(hours=hours),
        "recorded_at": START + timedelta(hours=hours),
        **given,
        "is_recorded_at_given": recorded is not None,
        **columns,
    }


def run(sessions, *, keys=None, **tables):
    given = {
        "adsl": [{"STUDYID": "ROUTINE", "USUBJID": "P1", "SITEID": "C1"}],
        "protocols": [protocol()],
        "clinics": [{"clinic_id": "C1", "timezone": "America/New_York"}],
        **tables,
    }
    names = [full.split(".")[1] for full in adex.INPUTS if full != "core.sessions"]
    frames = {name: core(name, *given.get(name, [])) for name in names}
    return adex.compute(
        keys, sessions=core("sessions", *sessions), **frames, options=Options(), cut=CUT
    )


def one(*args, **tables):
    return run([session(**args[0]) if args else session()], **tables).row(0, named=True)


def test_empty_and_unknown_patient():
    """No session gives an empty table of the schema; a session of a patient not known yet waits in
    core.orphans.
    """
    assert run([]).schema == MART_TABLES["adex"].polars_schema
    assert run([session(patient_id="P9")]).is_empty()
    assert run([session()], keys=pl.DataFrame({"patient_id": ["P2"]})).is_empty()


@pytest.mark.parametrize(
    ("flag", "measured", "expected"),
    [
        ("TEMPLOFL", {"cabin_min_temp_c": -120.0}, "N"),
        ("TEMPLOFL", {"cabin_min_temp_c": -120.1}, "Y"),
        ("TEMPLOFL", {}, None),
        ("TEMPHIFL", {"cabin_min_temp_c": -99.0}, "Y"),
        ("TEMPHIFL", {"cabin_min_temp_c": -110.0}, None),
        ("DURFL", {"duration_s": 180.0}, "N"),
        ("DURFL", {"duration_s": 181.0}, "Y"),
        ("DURFL", {}, None),
        ("SKINFL", {"skin_temp_min_c": 4.9}, "Y"),
        ("SKINFL", {"skin_temp_min_c": 5.0}, "N"),
        ("SKINFL", {"skin_temp_post_c": 4.0}, "Y"),
        ("O2FL", {"room_min_oxygen_pct": 19.4}, "Y"),
        ("O2FL", {"room_min_oxygen_pct": 19.5}, "N"),
        ("O2FL", {}, None),
        ("O2FL", {"room_min_oxygen_pct": 19.4, "status": "missed"}, None),
        ("DURFL", {"duration_s": 181.0, "status": "aborted"}, "Y"),
    ],
)
def test_limit_flags(flag, measured, expected):
    """A value at its limit is within it; what was not measured, or a session that did not begin,
    has no flag.
    """
    assert one(measured)[flag] == expected


def test_no_limit_no_flag():
    """Where the protocol names no limit, or no version is in force yet, every flag is null."""
    measured = {"cabin_min_temp_c": -150.0, "duration_s": 999.0, "room_min_oxygen_pct": 10.0}
    without = one(measured, protocols=[protocol(**dict.fromkeys(LIMITS))])
    later = one(measured, protocols=[protocol(effective_from=START + timedelta(seconds=1))])
    assert [row[f] for row in (without, later) for f in FLAGS] == [None] * 14


def test_device_evidence_counts_beside_the_sessions_own():
    """The colder temperature and the lower oxygen of session and device count, the warmest from the
    device.
    """
    device = {
        "session_id": "S1",
        "cabin_min_temp_c": -125.0,
        "cabin_max_temp_c": -90.0,
        "skin_min_temp_c": 9.0,
        "room_min_oxygen_pct": 20.0,
        "skin_rewarming_min": 12.5,
        "dose_k_s": 19_000.0,
        "samples": 5,
    }
    own = {"cabin_min_temp_c": -110.0, "skin_temp_min_c": 8.0, "room_min_oxygen_pct": 19.0}
    row = one(own, telemetry_sessions=[device])
    assert (row["CABMINC"], row["SKINMINC"], row["O2MINPCT"]) == (-125.0, 8.0, 19.0)
    assert [row[f] for f in ("TEMPLOFL", "TEMPHIFL", "SKINFL", "O2FL")] == ["Y", "Y", "N", "Y"]
    assert (row["REWARMMN"], row["DOSEKS"]) == (12.5, 19_000.0)


def test_protocol_version_in_force():
    """The latest version from the start on or before it; the clinic's own before one for all, and
    others last.
    """
    at_start = protocol(effective_from=START, max_duration_s=100.0)
    future = protocol(effective_from=START + timedelta(days=1), max_duration_s=500.0)
    ours = protocol(
        effective_from=START - timedelta(days=200), clinic_id="C1", max_duration_s=200.0
    )
    theirs = protocol(effective_from=START - timedelta(days=1), clinic_id="C2", max_duration_s=50.0)
    measured = {"duration_s": 150.0}
    assert one(measured, protocols=[protocol(), future])["DURFL"] == "N"
    assert one(measured, protocols=[protocol(), at_start, future])["DURFL"] == "Y"
    assert one(measured, protocols=[at_start, ours, theirs])["DURFL"] == "N"
    assert one(measured, protocols=[theirs])["DURFL"] == "Y"


def test_protocol_of_the_course_where_the_session_names_none():
    """A session without a protocol is judged by its course's."""
    course = {"course_id": "X", "patient_id": "P1", "protocol_id": "A"}
    row = one({"protocol_id": None, "course_id": "X", "duration_s": 181.0}, courses=[course])
    assert (row["PROTOCOL"], row["DURFL"]) == ("A", "Y")
    assert one({"protocol_id": None, "duration_s": 181.0})["DURFL"] is None


def test_spacing_and_weekly_count():
    """Spacing from the last session that began; at most 3 in seven local days, this one among them.

    Days 0, 0.5 (12 h), 2, 4, then 7: days 1 to 7 hold those of day 2, 4 and 7.
    """
    sessions = [session(k, days=d) for k, d in enumerate((0, 0.5, 2, 4, 7))]
    frame = run(
        [*sessions, session(9, days=1, status="missed"), session(8, days=3.9, status="aborted")]
    )
    by_id = {row["SESSIONID"]: row for row in frame.to_dicts()}
    assert [by_id[f"S{k}"]["SPACEFL"] for k in (0, 1, 2, 3, 4)] == ["N", "Y", "N", "Y", "N"]
    assert by_id["S3"]["HRSPREV"] == pytest.approx(
        2.4
    )  # from the aborted one of day 3.9: that exposes too
    assert [by_id[f"S{k}"]["WEEKFL"] for k in (0, 1, 2, 3, 4)] == ["N", "N", "N", "Y", "N"]
    assert (by_id["S9"]["SPACEFL"], by_id["S9"]["WEEKFL"], by_id["S9"]["HRSPREV"]) == (
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("consults", "expected"),
    [
        ([], "N"),
        ([consult()], "Y"),
        ([consult(hours=0, recorded=0)], "Y"),
        ([consult(hours=1, recorded=1)], "N"),
        ([consult(hours=-24, recorded=1)], "N"),
        ([consult(outcome="deferred")], "N"),
        ([consult(1, hours=-48, recorded=-48), consult(2, outcome="contraindicated")], "N"),
        ([consult(1, hours=-48, recorded=-48, outcome="deferred"), consult(2)], "Y"),
        ([consult(valid_until=START - timedelta(hours=1))], "N"),
        ([consult(valid_until=START + timedelta(hours=1))], "Y"),
        ([consult(modalities=["local"])], "N"),
        ([consult(modalities=["local", "whole_body"])], "Y"),
        ([consult(recorded=None)], None),
        ([consult(1, hours=-48, recorded=None), consult(2)], "Y"),
        ([consult(1, hours=-48, recorded=-48), consult(2, hours=-24, recorded=None)], None),
        ([consult(patient_id="P2")], "N"),
    ],
)
def test_clearance(consults, expected):
    """The latest consult that occurred and was recorded by the start; unknown where that time was
    not given.
    """
    assert one(consults=consults)["CLEARFL"] == expected


def screening(items, *, hours=-1.0, session_id="S1"):
    return {
        "screening_id": "G",
        "patient_id": "P1",
        "session_id": session_id,
        "items": items,
        "occurred_at": START + timedelta(hours=hours),
    }


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({}, None),
        ({"consults": [consult()]}, "N"),
        ({"consults": [consult(outcome="contraindicated")]}, "Y"),
        ({"consults": [consult(outcome="deferred", contraindications=["raynaud"])]}, "Y"),
        ({"consults": [consult(contraindications=[])]}, "N"),
        ({"consults": [consult(recorded=1, outcome="contraindicated")]}, None),
        ({"screenings": [screening('{"fever": "absent", "present": "not_asked"}')]}, "N"),
        ({"screenings": [screening('{"fever": "present"}')]}, "Y"),
        ({"screenings": [screening('{"fever": "not_asked"}')]}, None),
        ({"screenings": [screening('{"fever":"present"}', session_id=None)]}, "Y"),
        ({"screenings": [screening('{"fever":"present"}', session_id=None, hours=-25)]}, None),
        ({"screenings": [screening('{"fever":"present"}', session_id="S7")]}, None),
        ({"consults": [consult()], "screenings": [screening('{"fever": "present"}')]}, "Y"),
    ],
)
def test_contraindication(tables, expected):
    """Known at the start from the latest consult or the session's screening; items not asked say
    nothing.
    """
    assert one(**tables)["CONTRAFL"] == expected


def test_running_counts():
    """EXSEQ counts every session, CUMSESS the delivered; exposure stays unknown once a duration is
    missing.
    """
    frame = run(
        [
            session(1, duration_s=100.0),
            session(2, days=1, status="missed"),
            session(3, days=2, status="aborted", duration_s=30.0),
            session(4, days=3),
            session(5, days=4, duration_s=50.0),
        ]
    )
    assert frame["EXSEQ"].to_list() == [1, 2, 3, 4, 5]
    assert frame["CUMSESS"].to_list() == [1, 1, 1, 2, 3]
    assert frame["CUMDURS"].to_list() == [100.0, 100.0, 130.0, None, None]


def test_order_of_the_input_changes_nothing():
    """The rows of every input may come in any order."""
    sessions = [session(k, days=k / 2, duration_s=90.0 + 40 * k) for k in range(6)]
    consults = [
        consult(k, hours=-k, recorded=-k, outcome=o)
        for k, o in enumerate(("cleared", "deferred"), 1)
    ]
    protocols = [
        protocol(),
        protocol(effective_from=START + timedelta(days=1), max_duration_s=100.0),
    ]
    shuffled = random.Random(1).sample(sessions, 6)
    straight = run(sessions, consults=consults, protocols=protocols)
    assert straight.equals(run(shuffled, consults=consults[::-1], protocols=protocols[::-1]))
    assert straight["DURFL"].to_list() == ["N", "N", "Y", "Y", "Y", "Y"]
