"""Rules of mart.adverse_event_rates, and a slow plain recomputation of every number of it.

Here: small cases with their arithmetic, and simulated clinics counted by loops. Not here: the
estimators (test_rates).
"""

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from transforms.facts.restrictions import RESTRICTIONS, flag_columns
from transforms.marts import adae, adex, adsl, adtte, adverse_event_rates, time_at_risk
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES

T0 = datetime(2025, 1, 6, 15, tzinfo=UTC)
CUT = Cut(lake_snapshot=9, data_cutoff=datetime(2025, 12, 31, tzinfo=UTC))
REJECTS = next(t for t in BOOKKEEPING if t.name == "rejects")
DIMENSIONS = ("clinic_id", "modality", "indication", "study_arm")
COLUMNS = ("clinic_id", "modality", "indication", "study_id", "arm")
ONLY = flag_columns()


def core(name, rows):
    """A frame of core: the given columns, all others null."""
    table = CORE_TABLES[name]
    shared = {"event_id": "e", "source": "urn:study", "is_recorded_at_given": False}
    full = [{**shared, **row} for row in rows]
    return pl.DataFrame(
        [{k: r.get(k) for k in table.names} for r in full], schema=table.polars_schema
    )


def marts(*, patients, sessions=(), events=(), status=(), care=None, cut=CUT, options=None, **more):
    """adsl, adex, time_at_risk and adae of the given core rows, by the marts' own functions.

    Without `care` everybody was seen at the cut, so that nobody is lost.
    """
    options = options or Options()
    care = [visit(p["patient_id"], cut.data_cutoff) for p in patients] if care is None else care
    given = {
        "patients": patients,
        "sessions": sessions,
        "adverse_events": events,
        "patient_status": status,
        "care": care,
        "clinics": [{"clinic_id": c, "timezone": "UTC"} for c in ("C1", "C2", "C3")],
        **more,
    }
    made = {}
    for mart in (adsl, adex, time_at_risk, adae):
        names = [full.split(".") for full in mart.INPUTS]
        frames = {
            name: made[name] if schema == "mart" else core(name, given.get(name, []))
            for schema, name in names
        }
        made[mart.TABLE.name] = mart.compute(None, **frames, options=options, cut=cut)
    return made


def run(*, rejects=None, cut=CUT, options=None, implausible=(), likely_doubles=(), **given):
    frames = marts(cut=cut, options=options, **given)
    listed = {
        "implausible": core("implausible", implausible),
        "likely_doubles": core("likely_doubles", likely_doubles),
    }
    return adverse_event_rates.compute(
        **frames,
        **listed,
        rejects=REJECTS.empty() if rejects is None else rejects,
        options=options or Options(),
        cut=cut,
    )


def visit(patient_id, at):
    return {
        "care_id": f"K{patient_id}{at}",
        "patient_id": patient_id,
        "kind": "visit",
        "occurred_at": at,
    }


def patient(k=1, **columns):
    return {"patient_id": f"P{k}", "clinic_id": "C1", "enrolled_on": T0.date(), **columns}


def session(k, *, days=0.0, patient=1, **columns):
    return {
        "session_id": f"S{patient}-{k}",
        "patient_id": f"P{patient}",
        "clinic_id": "C1",
        "modality": "local",
        "status": "delivered",
        "started_at": T0 + timedelta(days=days),
        **columns,
    }


def event(k, *, days=0.1, patient=1, **columns):
    return {
        "ae_id": f"A{patient}-{k}",
        "patient_id": f"P{patient}",
        "term": "burn",
        "onset_at": None if days is None else T0 + timedelta(days=days),
        **columns,
    }


def cell(frame, *, term=None, only=None, min_grade=None, **stratum):
    """The one row of a stratum, term and restriction."""
    dimensions = sorted("study_arm" if d == "arm" else d for d in stratum if d != "study_id")
    wanted = pl.col("strata").list.sort() == pl.lit(dimensions, pl.List(pl.String))
    for column, value in {"term": term, "min_grade": min_grade, **stratum}.items():
        wanted = wanted & pl.col(column).eq_missing(pl.lit(value))
    for flag in ONLY:
        wanted = wanted & (pl.col(flag) == (flag == f"is_{only}_only"))
    rows = frame.filter(wanted)
    assert rows.height == 1, rows
    return rows.row(0, named=True)


def test_nobody_treated():
    """Without a session there is the stratum of everybody: zeros, the reason; untreated events
    don't count.
    """
    frame = run(patients=[patient()], events=[event(1)])
    assert frame.schema == MART_TABLES["adverse_event_rates"].polars_schema
    row = cell(frame)
    assert (row["patients"], row["sessions"], row["events"], row["patient_years"]) == (0, 0, 0, 0.0)
    assert row["reason"] == "nobody was treated"
    rates = ("incidence_proportion", "events_per_100_sessions", "eair_per_100_patient_years")
    assert [row[r] for r in rates] == [None] * 3
    assert run(patients=[]).filter(pl.col("strata").list.len() == 0).height == frame.height


@pytest.mark.parametrize(
    ("events", "sessions", "expected"),
    [(0, 300, (0, 0, 1.229627)), (4, 120, (3.3333333, 0.908221, 8.534657))],
)
def test_reference_36_per_100_sessions(events, sessions, expected):
    """Reference 36: 4 in 120 and 0 in 300 sessions; the upper bound is there when nothing
    happened.
    """
    people = 30
    frame = run(
        patients=[patient(k) for k in range(people)],
        sessions=[
            session(n, patient=k, days=n) for k in range(people) for n in range(sessions // people)
        ],
        events=[event(1, patient=k, days=1.1) for k in range(events)],
    )
    row = cell(frame)
    name = "events_per_100_sessions"
    assert (row["events"], row["sessions"]) == (events, sessions)
    assert (row[name], row[f"{name}_lower"], row[f"{name}_upper"]) == pytest.approx(
        expected, abs=1e-6
    )
    assert row[f"{name}_od_upper"] >= row[f"{name}_upper"]


def test_person_time_and_first_event():
    """One session: 30 days at risk; of it 10 to the first event. A second patient without one: 30
    days.

    60 days = 60/365.25 years; EAIR = 100 x 1 / (40/365.25).
    """
    frame = run(
        patients=[patient(1), patient(2)],
        sessions=[session(1), session(1, patient=2)],
        events=[event(1, days=10), event(2, days=15, term="pain")],
    )
    row = cell(frame)
    assert row["patient_years"] == pytest.approx(60 / 365.25, rel=1e-12)
    assert row["patient_years_at_risk"] == pytest.approx(40 / 365.25, rel=1e-12)
    assert row["eair_per_100_patient_years"] == pytest.approx(100 / (40 / 365.25))
    assert row["events_per_100_patient_years"] == pytest.approx(100 * 2 / (60 / 365.25))
    assert (row["incidence_proportion"], row["patients_with_event"]) == (0.5, 1)
    assert row["session_window_time_share"] == pytest.approx(3 / 30)
    assert cell(frame, term="pain")["patient_years_at_risk"] == pytest.approx(45 / 365.25)


def test_unknown_onset_counts_but_not_in_windows():
    """An onset that is not known: the event counts, its patient's whole time stays, no session
    window holds it.
    """
    frame = run(patients=[patient()], sessions=[session(1)], events=[event(1, days=None)])
    assert (cell(frame)["events"], cell(frame)["patient_years_at_risk"]) == (
        1,
        pytest.approx(30 / 365.25),
    )
    assert cell(frame, only="treatment_emergent")["events"] == 1
    assert cell(frame, only="session_emergent")["events"] == 0


def test_event_of_an_aborted_session():
    """An aborted session exposes the patient but is not delivered: treated 1, sessions 0, the event
    is emergent.
    """
    frame = run(patients=[patient()], sessions=[session(1, status="aborted")], events=[event(1)])
    row = cell(frame, only="treatment_emergent")
    assert (row["patients"], row["patients_with_event"], row["sessions"], row["events"]) == (
        1,
        1,
        0,
        1,
    )
    assert (row["events_per_100_sessions"], row["reason"]) == (None, "no session was delivered")
    assert row["eair_per_100_patient_years"] is not None


def test_a_persisting_event_counts_once_in_every_restriction():
    """Two records of one event, only the second serious: one event, also among the serious ones."""
    frame = run(
        patients=[patient()],
        sessions=[session(1)],
        events=[event(1, days=1, outcome="ongoing"), event(2, days=3, is_serious=True, grade=3)],
    )
    assert cell(frame)["events"] == 1
    assert cell(frame, only="serious")["events"] == 1
    assert (cell(frame, min_grade=2)["events"], cell(frame, min_grade=3)["events"]) == (1, 1)


def test_events_count_where_they_happened():
    """Treated at C1, harmed at C2, where nobody is at risk: in the whole it counts, at C2 it is
    outside.
    """
    frame = run(patients=[patient()], sessions=[session(1)], events=[event(1, clinic_id="C2")])
    home, away = cell(frame, clinic_id="C1"), cell(frame, clinic_id="C2")
    assert (home["patients"], home["events"], away["patients"], away["events"]) == (1, 0, 0, 0)
    assert (cell(frame)["events"], home["events_outside"], away["events_outside"]) == (1, 0, 1)
    assert (away["incidence_proportion"], away["reason"]) == (None, "nobody was treated")
    assert cell(frame, clinic_id="C1", term="burn")["events_per_100_sessions_upper"] > 0


def lost(*, seen=0.0):
    """Care that a patient was last seen at, in days from the first session."""
    return [visit("P1", T0 + timedelta(days=seen))]


@pytest.mark.parametrize(
    ("case", "given", "expected"),
    [
        # (events, outside, days at risk, days to the first event)
        (
            "between two episodes",
            {"sessions": [(0, "A"), (100, "B")], "onsets": [50]},
            (0, 1, 60, 60),
        ),
        (
            "in both episodes",
            {"sessions": [(0, "A"), (100, "B")], "onsets": [10, 110]},
            (2, 0, 60, 10),
        ),
        ("before the first session", {"onsets": [-5]}, (0, 1, 30, 30)),
        ("on the last moment of the window", {"onsets": [30]}, (1, 0, 30, 30)),
        ("after the window", {"onsets": [30.1]}, (0, 1, 30, 30)),
        # T0 is 15:00 UTC: the day of day 10 ends 9 hours later
        (
            "on the day of withdrawal",
            {"onsets": [10.3], "status": [("withdrew", 10)]},
            (1, 0, 10.375, 10.3),
        ),
        (
            "on the day after withdrawal",
            {"onsets": [10.4], "status": [("withdrew", 10)]},
            (0, 1, 10.375, 10.375),
        ),
        ("on the day of death", {"onsets": [10.3], "status": [("died", 10)]}, (1, 0, 10.375, 10.3)),
        (
            "after treatment was stopped",
            {"onsets": [12], "status": [("discontinued", 10)]},
            (1, 0, 30, 12),
        ),
        (
            "while paused",
            {"onsets": [12], "status": [("paused", 10), ("resumed", 20)]},
            (1, 0, 30, 12),
        ),
        ("completed", {"onsets": [12], "status": [("completed", 10)]}, (1, 0, 30, 12)),
        ("lost, told on the last day", {"onsets": [10.3], "care": lost()}, (1, 0, 10.375, 10.3)),
        ("lost", {"care": lost(seen=5)}, (0, 0, 5.375, 5.375)),
        ("lost and filed", {"care": lost(seen=5), "status": [("lost", 70)]}, (0, 0, 5.375, 5.375)),
        ("seen again", {"care": lost() + lost(seen=320), "onsets": [20]}, (1, 0, 30, 20)),
        ("of unknown onset", {"onsets": [None]}, (1, 0, 30, 30)),
    ],
)
def test_events_and_time_are_of_one_definition(case, given, expected):
    """One patient with a session on day 0; an event in the time at risk counts in every rate, any
    other in none.
    """
    status = [
        {
            "status_id": f"T{k}",
            "patient_id": "P1",
            "status": what,
            "effective_on": (T0 + timedelta(days=n)).date(),
        }
        for k, (what, n) in enumerate(given.get("status", ()))
    ]
    frame = run(
        patients=[patient()],
        sessions=[
            session(k, days=d, course_id=c)
            for k, (d, c) in enumerate(given.get("sessions", [(0, "A")]))
        ],
        events=[
            event(k, days=d, term=f"t{k}", resolved_at=None)
            for k, d in enumerate(given.get("onsets", ()))
        ],
        status=status,
        care=given.get("care"),
    )
    row = cell(frame)
    events, outside, days, to_first = expected
    assert (row["events"], row["events_outside"]) == (events, outside), case
    assert row["patient_years"] == pytest.approx(days / 365.25, abs=1e-9)
    assert row["patient_years_at_risk"] == pytest.approx(to_first / 365.25, abs=1e-9)
    assert row["patients_with_event"] == min(events, 1)
    assert row["events_per_100_sessions"] == 100 * events / len(given.get("sessions", [0]))


def test_a_lost_patient_to_the_planned_end():
    """Lost on day 5 with an event on day 3: 100 x 1 / (5.375/365.25), beside it 100 x 1 /
    (30/365.25).
    """
    row = cell(
        run(
            patients=[patient()],
            sessions=[session(1)],
            events=[event(1, days=3)],
            care=lost(seen=5),
        )
    )
    assert row["events_per_100_patient_years"] == pytest.approx(100 / (5.375 / 365.25))
    assert row["events_per_100_patient_years_planned"] == pytest.approx(100 / (30 / 365.25))
    assert (row["patient_years_planned"], row["events_planned"]) == (pytest.approx(30 / 365.25), 1)


def test_an_event_that_lasts_is_not_at_risk_again():
    """A burn on days 5 to 8 and its clean week: 10 days not at risk of burn, and no new one on day
    12.

    Of burn 30 - 10 = 20 days, the next one on day 20 counts; any term keeps the 30 days.
    """
    burn = {"term": "burn", "resolved_at": T0 + timedelta(days=8)}
    frame = run(
        patients=[patient()],
        sessions=[session(1)],
        events=[
            event(1, days=5, **burn),
            event(2, days=12),
            event(3, days=20, **burn | {"resolved_at": None}),
        ],
    )
    burns = cell(frame, term="burn")
    assert (burns["events"], burns["patient_years"]) == (2, pytest.approx(20 / 365.25))
    assert burns["patient_years_at_risk"] == pytest.approx(5 / 365.25)
    whole = cell(frame)
    assert (whole["events"], whole["patient_years"]) == (2, pytest.approx(30 / 365.25))


def test_an_event_from_before_treatment_takes_its_time():
    """A rash since day -3 until day 4: outside; of its term 30 - 11 days remain, and a record on
    day 6 is no event.
    """
    frame = run(
        patients=[patient()],
        sessions=[session(1)],
        events=[
            event(1, days=-3, term="rash", resolved_at=T0 + timedelta(days=4)),
            event(2, days=6, term="rash"),
        ],
    )
    row = cell(frame, term="rash")
    assert (row["events"], row["events_outside"]) == (0, 1)
    assert row["patient_years"] == pytest.approx(19 / 365.25)


@pytest.mark.parametrize(("is_emergent", "events"), [(True, 1), (False, 0)])
def test_unknown_onset_by_the_setting(is_emergent, events):
    """It is counted as such either way, and in the rates where the site takes it for emergent."""
    options = Options(is_unknown_onset_emergent=is_emergent)
    row = cell(
        run(
            patients=[patient()],
            sessions=[session(1)],
            events=[event(1, days=None)],
            options=options,
        )
    )
    assert (row["events"], row["unknown_onset"], row["events_outside"]) == (events, 1, 0)


def test_two_clinics():
    """Sessions at C1 on day 0 and at C2 on day 20, an event at each on the day after: once in the
    whole, one in each.
    """
    frame = run(
        patients=[patient()],
        sessions=[session(1), session(2, days=20, clinic_id="C2")],
        events=[event(1, days=1), event(2, days=21, term="pain", clinic_id="C2")],
    )
    whole, here, there = cell(frame), cell(frame, clinic_id="C1"), cell(frame, clinic_id="C2")
    assert [r["patient_years"] for r in (whole, here, there)] == pytest.approx(
        [50 / 365.25, *[30 / 365.25] * 2]
    )
    assert [r["events"] for r in (whole, here, there)] == [2, 1, 1]


def test_what_waits_for_the_next_cut():
    """Cut at 10:40 on day 3, so at 10:00: an event at 10:20 waits, one at 10:00 counts, a session
    at 10:30 waits.
    """
    at = T0 + timedelta(days=3)
    cut = Cut(lake_snapshot=1, data_cutoff=at + timedelta(minutes=40))
    frame = run(
        patients=[patient()],
        sessions=[session(1), session(2, days=3 + 30 / 1440)],
        events=[event(1, days=3, term="a"), event(2, days=3 + 20 / 1440, term="b")],
        cut=cut,
    )
    row = cell(frame)
    assert (row["events"], row["events_outside"], row["sessions"]) == (1, 0, 1)
    assert row["patient_years"] == pytest.approx(3 / 365.25)


def test_a_true_rate_comes_out():
    """400 patients, seeded: harm at 100 per 100 patient-years of time at risk, and as much between
    and after it.

    Two episodes of a session a week; a third of the patients withdraw. The rate of what is in time
    at risk is 100 within four standard errors; all events over that time, as it was counted once,
    would be more than double.
    """
    rng = np.random.default_rng(100)
    patients, sessions, events, status = [], [], [], []
    for k in range(400):
        patients.append(patient(k))
        days = [*range(0, 36, 7), *range(150, 186, 7)]
        leaves = int(rng.integers(20, 180)) if k % 3 == 0 else None
        days = [d for d in days if leaves is None or d <= leaves]
        sessions += [
            session(n, patient=k, days=d, course_id="A" if d < 100 else "B")
            for n, d in enumerate(days)
        ]
        if leaves is not None:
            status.append(
                {
                    "status_id": f"T{k}",
                    "patient_id": f"P{k}",
                    "status": "withdrew",
                    "effective_on": (T0 + timedelta(days=leaves)).date(),
                }
            )
        onsets = np.sort(rng.uniform(-30, 330, rng.poisson(360 / 365.25)))
        events += [
            event(n, patient=k, days=float(d), term=f"t{n}", outcome="resolved")
            for n, d in enumerate(onsets)
        ]
    row = cell(run(patients=patients, sessions=sessions, events=events, status=status))
    error = 100 / math.sqrt(row["patient_years"])
    assert abs(row["events_per_100_patient_years"] - 100) < 4 * error
    assert (
        row["events_per_100_patient_years_lower"] < 100 < row["events_per_100_patient_years_upper"]
    )
    as_once = 100 * (row["events"] + row["events_outside"]) / row["patient_years"]
    assert as_once > 200


def test_rate_and_curve_agree():
    """Where each patient has one stretch of time, EAIR's events and time are those of the curve,
    day by day.
    """
    given = clinics_at_random(np.random.default_rng(8), people=30)
    given["sessions"] = [s | {"course_id": "A"} for s in given["sessions"]]
    given["events"] = [e for e in given["events"] if e["onset_at"] is not None]
    frames = marts(**given)
    first = frames["time_at_risk"].group_by("patient_id").len().filter(pl.col("len") == 1)
    given["patients"] = [
        p for p in given["patients"] if p["patient_id"] in set(first["patient_id"])
    ]
    frames = marts(**given)
    empty = {name: MART_TABLES[name].empty() for name in ("adqs", "subject_episodes")}
    tables = {
        name: core(name, given.get(name, []))
        for name in ("care", "patients", "clinics", "patient_status")
    }
    times = adtte.compute(None, **frames, **empty, **tables, options=Options(), cut=CUT).filter(
        pl.col("PARAMCD") == "TTAE"
    )
    row = cell(run(**given))
    assert times.filter(pl.col("CNSR") == 0).height == row["patients_with_event"] > 5
    assert times.height == row["patients"]
    # days are counted as whole ones there and to the microsecond here: at most a day apart for each
    # patient
    assert times["AVAL"].sum() == pytest.approx(
        365.25 * row["patient_years_at_risk"], abs=times.height
    )


def test_what_is_in_doubt_is_said():
    """Implausible safety records and likely double sessions stand beside: of the clinic, or of
    all.
    """
    shared = {
        "field": "f",
        "rule": "r",
        "sentence": "s",
        "is_contradiction": False,
        "is_set_aside": False,
        "ingested_at": T0,
    }
    listed = [
        {"table": "sessions", "record_id": k, "clinic_id": c, "is_safety": True, **shared}
        for k, c in (("1", "C1"), ("1", "C1"), ("2", None))
    ]
    doubles = [
        {
            "session_id": "S1-2",
            "double_of": "S1-1",
            "same": "patient",
            "patient_id": "P1",
            "clinic_id": "C1",
        }
    ]
    frame = run(
        patients=[patient()], sessions=[session(1)], implausible=listed, likely_doubles=doubles
    )
    whole, here = cell(frame), cell(frame, clinic_id="C1")
    assert (whole["implausible_records"], here["implausible_records"]) == (2, 1)
    assert (whole["likely_double_sessions"], here["likely_double_sessions"]) == (1, 1)


def test_an_event_after_a_death_is_set_aside():
    """Its onset lies after the death: in no rate, not among those outside, and said."""
    died = {
        "status_id": "T",
        "patient_id": "P1",
        "status": "died",
        "effective_on": (T0 + timedelta(days=5)).date(),
    }
    after = event(1, days=20, is_set_aside=True)
    row = cell(run(patients=[patient()], sessions=[session(1)], events=[after], status=[died]))
    assert (row["events"], row["events_outside"], row["set_aside"]) == (0, 0, 1)


def test_unread_records_and_sessions_asked():
    """Rejects of safety topics that were not replayed are said; so is how often anybody asked."""
    position = {
        "kafka_topic": "t",
        "kafka_topic_id": "i",
        "kafka_partition": 0,
        "reason": "json",
        "ingested_at": T0,
    }
    rows = [
        {**position, "kafka_offset": k, "is_safety": safe, "replayed_at": replayed}
        for k, (safe, replayed) in enumerate([(True, None), (True, T0), (False, None)])
    ]
    rejects = pl.DataFrame(
        [{n: r.get(n) for n in REJECTS.names} for r in rows], schema=REJECTS.polars_schema
    )
    asked = [session(k, days=k, adverse_events_asked=a) for k, a in enumerate((True, False, None))]
    row = cell(run(patients=[patient()], sessions=asked, rejects=rejects))
    assert (row["unread_records"], row["sessions"], row["sessions_asked"]) == (1, 3, 1)


def test_small_cells_are_marked():
    """A count from 1 to 4, or its complement, marks the row; the counts themselves stay true."""
    frame = run(
        patients=[patient(k) for k in range(6)],
        sessions=[session(1, patient=k) for k in range(6)],
        events=[event(1, patient=0)],
    )
    assert cell(frame)["is_suppressed"]
    assert not cell(frame, only="serious")["is_suppressed"]
    assert cell(frame)["events"] == 1


def test_what_a_restriction_leaves_out_is_a_cell():
    """8 patients with an event, 6 with a serious one: 2 are left, so the serious row is marked and
    the other is not.
    """
    events = [event(k, patient=k, is_serious=k < 6) for k in range(8)]
    frame = run(
        patients=[patient(k) for k in range(20)],
        sessions=[session(1, patient=k) for k in range(20)],
        events=events,
    )
    assert not cell(frame)["is_suppressed"]
    assert cell(frame, only="serious")["is_suppressed"]


# --- the slow way -------------------------------------------------------------------------------

SEED = 20250101


def clinics_at_random(rng, *, people=60):
    """Core rows of patients who move, stop, abort, are harmed now and again, with unknowns."""
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    patients, sessions, events, status, care = [], [], [], [], []
    for k in range(people):
        patients.append(
            patient(
                k,
                clinic_id=pick("C1", "C2"),
                arm=pick("a", "b", None),
                indication=pick("migraine", "other", None),
            )
        )
        days = np.sort(rng.uniform(0, 120, rng.integers(0, 12)))
        for n, day in enumerate(days):
            sessions.append(
                session(
                    n,
                    patient=k,
                    days=float(day),
                    clinic_id=pick("C1", "C2", "C3"),
                    modality=pick("local", "whole_body"),
                    status=pick("delivered", "delivered", "delivered", "aborted", "missed"),
                    course_id=pick(None, f"X{k}", f"Y{k}"),
                    adverse_events_asked=pick(True, False, None),
                )
            )
        for n in range(rng.poisson(2)):
            onset = pick(None, *rng.uniform(-20, 170, 5), *(days + rng.exponential(3, len(days))))
            lasted = timedelta(days=float((onset or 0) + rng.exponential(5)))
            ended = None if onset is None or rng.random() < 0.3 else T0 + lasted
            events.append(
                event(
                    n,
                    patient=k,
                    days=None if onset is None else float(onset),
                    term=pick("burn", "pain"),
                    grade=pick(1, 2, 3, None),
                    is_serious=pick(True, False, None),
                    resolved_at=ended,
                    related=pick("not_related", "possible", None),
                    clinic_id=pick("C1", "C2", "C3", None),
                    outcome=pick("ongoing", "resolved", None),
                    session_id=pick(None, f"S{k}-0", f"S{k}-1"),
                )
            )
        if rng.random() < 0.3:
            day = (T0 + timedelta(days=float(rng.uniform(0, 150)))).date()
            status.append(
                {
                    "status_id": f"T{k}",
                    "patient_id": f"P{k}",
                    "status": pick("died", "withdrew", "lost"),
                    "effective_on": day,
                }
            )
        if rng.random() < 0.3:
            care.append(visit(f"P{k}", T0 + timedelta(days=float(rng.uniform(0, 359)))))
    return {
        "patients": patients,
        "sessions": sessions,
        "events": events,
        "status": status,
        "care": care,
    }


def plain_stretches(sessions, contacts, status, *, options, is_planned=False):
    """[(from, to)] of one patient, by loops, from the sentences in time_at_risk."""
    day_ends = lambda *what: [  # noqa: E731
        datetime.combine(r["effective_on"] + timedelta(days=1), datetime.min.time(), UTC)
        - timedelta(microseconds=1)
        for r in status
        if r["status"] in what
    ]
    parts, courses = [], set()
    for s in sorted(sessions, key=lambda s: (s["EXSTDTM"], s["SESSIONID"])):
        is_new_course = s["COURSEID"] is not None and s["COURSEID"] not in courses
        courses.add(s["COURSEID"])
        last = parts[-1][-1]["EXSTDTM"] if parts else None
        is_late = last is None or s["EXSTDTM"] - last > timedelta(days=options.episode_gap_days)
        if (
            is_new_course
            or is_late
            or any(last < end < s["EXSTDTM"] for end in day_ends("withdrew"))
        ):
            parts.append([])
        parts[-1].append(s)
    stretches = []
    for k, part in enumerate(parts):
        first = part[0]["EXSTDTM"]
        ends = [
            CUT.data_cutoff,
            *day_ends("died"),
            *(end for end in day_ends("withdrew") if end >= first),
        ]
        seen = max(contacts)
        lost = datetime.combine(
            seen.date() + timedelta(days=1), datetime.min.time(), UTC
        ) - timedelta(microseconds=1)
        if seen + timedelta(days=options.lost_after_days) <= min(ends) and not is_planned:
            ends.append(lost)
        if k + 1 < len(parts):
            ends.append(parts[k + 1][0]["EXSTDTM"])
        end = min(part[-1]["EXSTDTM"] + timedelta(days=options.risk_window_days), *ends)
        if end >= first:
            stretches.append((first, end, part))
    return stretches


def plain_spans(stretches, sessions, *, options):
    """[(from, to)] of the time at risk at the place of `sessions`: theirs in each stretch's
    episode, merged.
    """
    here = {s["SESSIONID"] for s in sessions}
    spans = []
    for start, _, part in stretches:
        mine = [s["EXSTDTM"] for s in part if s["SESSIONID"] in here]
        if mine:
            spans.append((max(mine[0], start), mine[-1] + timedelta(days=options.risk_window_days)))
    inside = [
        (max(a, start), min(b, end)) for a, b in plain_union(spans) for start, end, _ in stretches
    ]
    return plain_union([(a, b) for a, b in inside if a <= b])


def plain_union(spans):
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def plain_without(spans, removed):
    """The spans without the times in `removed`, both disjoint and in order."""
    for start, end in removed:
        spans = [
            piece
            for a, b in spans
            for piece in ((a, min(b, start)), (max(a, end), b))
            if piece[0] < piece[1]
        ]
    return spans


def seconds(spans, *, until=None):
    return sum(max((min(b, until or b) - a) / timedelta(seconds=1), 0) for a, b in spans)


def meets(restriction):
    """Whether a row of mart.adae meets a restriction, a row at a time."""
    if restriction.flag:
        return lambda event: event[restriction.flag] == "Y"
    return lambda event: (event["AETOXGR"] or 0) >= (restriction.min_grade or 0)


# (column, grade) -> the rule
MEETS = {(r.column if r.flag else None, r.min_grade): meets(r) for r in RESTRICTIONS.values()}


def stratum_of(row):
    """Column -> value of the dimensions in force."""
    return {c: row[c] for c in COLUMNS if row[c] is not None}


def plain_numbers(events):
    """(AEID -> number of its event): a record that is not new belongs to the event before it of its
    kind.
    """
    numbers, last = {}, {}
    for e in sorted(events, key=lambda e: e["AESEQ"]):
        kind = (e["USUBJID"], e["AEDECOD"])
        if e["NEWFL"] == "Y":
            last[kind] = e["AEID"]
        numbers[e["AEID"]] = last[kind]
    return numbers


def plain_cell(stratum, *, term, meets, frames, options):
    """All numbers of one cell, by loops over patients, sessions and events."""
    people = {r["USUBJID"]: r for r in frames["adsl"].to_dicts()}

    def own(p):
        return {
            "indication": people[p]["INDICATN"] or "(unknown)",
            "study_id": "ROUTINE",
            "arm": people[p]["ARM"] or "(none)",
        }

    every_begun = [s for s in frames["adex"].to_dicts() if s["EXSTAT"] in ("delivered", "aborted")]
    place = lambda r: {"clinic_id": r["CLINICID"], "modality": r["MODALITY"], **own(r["USUBJID"])}  # noqa: E731
    inside = lambda r: all(place(r)[d] == v for d, v in stratum.items())  # noqa: E731
    every = frames["adae"].to_dicts()
    numbers = plain_numbers(every)
    began = {numbers[e["AEID"]]: e["ASTDTM"] for e in every if numbers[e["AEID"]] == e["AEID"]}
    events = [e for e in every if inside(e) and meets(e) and term in (None, e["AEDECOD"])]
    sums = {"": [0.0, 0.0, 0, set()], "_planned": [0.0, 0.0, 0, set()]}
    x, t, outside = {}, {}, {numbers[e["AEID"]] for e in events if began[numbers[e["AEID"]]]}
    for p in sorted({s["USUBJID"] for s in every_begun}):
        everywhere = [s for s in every_begun if s["USUBJID"] == p]
        status = [r for r in frames["status"] if r["patient_id"] == p]
        records = [e for e in every if e["USUBJID"] == p]
        contacts = [s["EXSTDTM"] for s in everywhere] + [
            e["ASTDTM"] for e in records if e["ASTDTM"]
        ]
        contacts += [e["AENDTM"] for e in records if e["AENDTM"]]
        contacts += [c["occurred_at"] for c in frames["care"] if c["patient_id"] == p]
        theirs = [e for e in events if e["USUBJID"] == p]
        lasting = plain_union(
            [span for e in records if e["AEDECOD"] == term for span in plain_lasting(e)]
        )
        for suffix, (_, _, _, counted) in sums.items():
            stretches = plain_stretches(
                everywhere, contacts, status, options=options, is_planned=bool(suffix)
            )
            mine = [
                s
                for s in everywhere
                if inside(s) and any(a <= s["EXSTDTM"] <= b for a, b, _ in stretches)
            ]
            spans = plain_spans(stretches, mine, options=options)
            if not spans:
                continue
            seen = {
                numbers[e["AEID"]]
                for e in theirs
                if plain_counts(e, began[numbers[e["AEID"]]], spans)
            }
            onsets = [began[n] for n in seen if began[n]]
            without = plain_without(spans, lasting)
            sums[suffix][0] += seconds(without)
            sums[suffix][1] += seconds(without, until=min(onsets) if onsets else None)
            sums[suffix][2] += bool(seen)
            counted |= seen
            if not suffix:
                t[p] = sum(s["EXSTAT"] == "delivered" for s in mine)
                x[p] = len(seen)
    year = 365.25 * 86_400
    figures = {
        "patients": len(t),
        "sessions": sum(t.values()),
        "overdispersion": plain_phi(x, t),
        "events_outside": len(outside - sums[""][3]),
    }
    for suffix, (total, before, with_event, counted) in sums.items():
        figures |= {
            f"patients_with_event{suffix}": with_event,
            f"events{suffix}": len(counted),
            f"patient_years{suffix}": total / year,
            f"patient_years_at_risk{suffix}": before / year,
        }
    return figures


def plain_lasting(record):
    """[(from, to)] in which a record covers further ones of its term: to 7 days after its end."""
    if record["ASTDTM"] is None:
        return []
    if record["AENDTM"] is not None:
        until = record["AENDTM"] + timedelta(days=7)
        return [(record["ASTDTM"], until)] if until > record["ASTDTM"] else []
    forever = datetime(2100, 1, 1, tzinfo=UTC)
    return [(record["ASTDTM"], forever)] if record["AEOUT"] in ("ongoing", "resolving") else []


def plain_counts(record, began, spans):
    """Whether the event of a record counts: begun in the time, or at an unknown moment and
    emergent.
    """
    if began is None:
        return record["TRTEMFL"] == "Y"
    return any(a <= began <= b for a, b in spans)


def plain_phi(x, t):
    exposed = [p for p in t if t[p] > 0]
    if len(exposed) < 2 or not sum(x[p] for p in exposed):
        return None
    rate = sum(x[p] for p in exposed) / sum(t[p] for p in exposed)
    return sum((x[p] - rate * t[p]) ** 2 / (rate * t[p]) for p in exposed) / (len(exposed) - 1)


def plain_limits(x, exposure):
    if not exposure:
        return None, None, None
    lower = stats.chi2.ppf(0.025, 2 * x) / 2 if x else 0.0
    return tuple(100 * v / exposure for v in (x, lower, stats.chi2.ppf(0.975, 2 * x + 2) / 2))


@pytest.fixture(scope="module")
def simulated():
    given = clinics_at_random(np.random.default_rng(SEED))
    frames = marts(**given)
    return {**frames, "status": given["status"], "care": given["care"]}, run(**given)


def strata_of(frame):
    return [(row, stratum_of(row)) for row in frame.iter_rows(named=True)]


def test_equals_a_plain_recomputation(simulated):
    """Every 7th row of simulated clinics equals what loops over patients, sessions and events
    give.
    """
    frames, mart = simulated
    sample = mart.gather_every(7)
    assert sample.height > 100
    assert sample["events"].sum() > 100
    for row, stratum in strata_of(sample):
        only = next((f for f in ONLY if row[f]), None)
        expected = plain_cell(
            stratum,
            term=row["term"],
            meets=MEETS[only, row["min_grade"]],
            frames=frames,
            options=Options(),
        )
        for name, value in expected.items():
            assert row[name] == (
                None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)
            ), (name, stratum)


def test_rates_follow_from_their_columns(simulated):
    """Each rate is 100 x numerator / denominator with Garwood's limits; the wide limits never
    narrower.
    """
    for row, _ in strata_of(simulated[1].gather_every(11)):
        for name, x, exposure in (
            ("events_per_100_sessions", "events", "sessions"),
            ("eair_per_100_patient_years", "patients_with_event", "patient_years_at_risk"),
            ("events_per_100_patient_years", "events", "patient_years"),
            (
                "eair_per_100_patient_years_planned",
                "patients_with_event_planned",
                "patient_years_at_risk_planned",
            ),
            ("events_per_100_patient_years_planned", "events_planned", "patient_years_planned"),
            ("events_per_100_sessions_planned", "events_planned", "sessions"),
        ):
            expected = plain_limits(row[x], row[exposure])
            seen = (row[name], row[f"{name}_lower"], row[f"{name}_upper"])
            assert seen == (expected if expected[0] is None else pytest.approx(expected, rel=1e-9))
        x, phi, rate = row["events"], row["overdispersion"], row["events_per_100_sessions"]
        if rate and phi and phi > 1:
            wide = rate * math.exp(stats.norm.ppf(0.975) * math.sqrt(phi / x))
            upper = max(wide, row["events_per_100_sessions_upper"])
            assert row["events_per_100_sessions_od_upper"] == pytest.approx(upper)


def test_every_combination_and_restriction_is_there(simulated):
    """The whole, each dimension and each pair; each stratum has all restrictions of any term and of each of two terms seen;
    keys are unique.
    """
    mart = simulated[1]
    combos = {tuple(c) for c in mart["strata"].unique()}
    assert combos == {c for n in range(3) for c in combinations(DIMENSIONS, n)}
    key = MART_TABLES["adverse_event_rates"].key
    assert mart.select(key).is_duplicated().sum() == 0
    counts = mart.group_by(*COLUMNS, "strata").len()["len"].unique().to_list()
    assert counts == [len(RESTRICTIONS) * (1 + 2)]


def test_totals_agree_over_strata(simulated):
    """Sessions add up over every combination; of events none is lost: what is at risk elsewhere is
    outside there.
    """
    mart = simulated[1].filter(
        pl.col("term").is_null() & pl.col("min_grade").is_null() & ~pl.any_horizontal(ONLY)
    )
    sums = mart.group_by("strata").agg(pl.col("sessions", "events", "events_outside").sum())
    assert sums["sessions"].n_unique() == 1
    whole = cell(simulated[1])["events"]
    assert (sums["events"] + sums["events_outside"]).min() >= whole
    by_patient = sums.filter(
        pl.col("strata") == pl.lit(["indication", "study_arm"], pl.List(pl.String))
    )
    assert by_patient["events"].item() == whole


def test_order_of_the_input_changes_nothing():
    """Rows of every core table may come in any order."""
    given = clinics_at_random(np.random.default_rng(5), people=12)
    assert run(**given).equals(run(**{name: rows[::-1] for name, rows in given.items()}))
