"""Rules of mart.adverse_event_rates, and a slow plain recomputation of every number of it.

Here: small cases with their arithmetic, and simulated clinics counted by loops. Not here: the estimators (test_rates).
"""

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from transforms.marts import adae, adex, adsl, adverse_event_rates
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES

T0 = datetime(2025, 1, 6, 15, tzinfo=UTC)
CUT = Cut(lake_snapshot=9, data_cutoff=datetime(2025, 12, 31, tzinfo=UTC))
REJECTS = next(t for t in BOOKKEEPING if t.name == "rejects")
DIMENSIONS = ("clinic_id", "modality", "indication", "arm")
ONLY = [f"is_{r}_only" for r in ("serious", "related", "treatment_emergent", "session_emergent")]


def core(name, rows):
    """A frame of core: the given columns, all others null."""
    table = CORE_TABLES[name]
    shared = {"event_id": "e", "source": "urn:study", "is_recorded_at_given": False}
    full = [{**shared, **row} for row in rows]
    return pl.DataFrame([{k: r.get(k) for k in table.names} for r in full], schema=table.polars_schema)


def marts(*, patients, sessions=(), events=(), status=(), cut=CUT, options=None):
    """adsl, adex, adae and patient_status of the given core rows, by the marts' own functions."""
    options = options or Options()
    given = {"patients": patients, "sessions": sessions, "adverse_events": events, "patient_status": status,
             "clinics": [{"clinic_id": c, "timezone": "UTC"} for c in ("C1", "C2", "C3")]}  # fmt: skip
    made = {}
    for mart in (adsl, adex, adae):
        names = [full.split(".")[1] for full in mart.INPUTS]
        frames = {name: core(name, given.get(name, [])) for name in names}
        made[mart.TABLE.name] = mart.compute(None, **frames, options=options, cut=cut)
    return made | {"patient_status": core("patient_status", status)}


def run(*, rejects=None, cut=CUT, options=None, **given):
    frames = marts(cut=cut, options=options, **given)
    return adverse_event_rates.compute(
        **frames, rejects=REJECTS.empty() if rejects is None else rejects, options=options or Options(), cut=cut
    )


def patient(k=1, **columns):
    return {"patient_id": f"P{k}", "clinic_id": "C1", "enrolled_on": T0.date(), **columns}


def session(k, *, days=0.0, patient=1, **columns):
    return {"session_id": f"S{patient}-{k}", "patient_id": f"P{patient}", "clinic_id": "C1", "modality": "local",
            "status": "delivered", "started_at": T0 + timedelta(days=days), **columns}  # fmt: skip


def event(k, *, days=0.1, patient=1, **columns):
    return {"ae_id": f"A{patient}-{k}", "patient_id": f"P{patient}", "term": "burn",
            "onset_at": None if days is None else T0 + timedelta(days=days), **columns}  # fmt: skip


def cell(frame, *, term=None, only=None, min_grade=None, **stratum):
    """The one row of a stratum, term and restriction."""
    wanted = pl.col("strata").list.sort() == pl.lit(sorted(stratum), pl.List(pl.String))
    for column, value in {"term": term, "min_grade": min_grade, **stratum}.items():
        wanted = wanted & pl.col(column).eq_missing(pl.lit(value))
    for flag in ONLY:
        wanted = wanted & (pl.col(flag) == (flag == f"is_{only}_only"))
    rows = frame.filter(wanted)
    assert rows.height == 1, rows
    return rows.row(0, named=True)


def test_nobody_treated():
    """Without a session there is the stratum of everybody: zeros, the reason; untreated events don't count."""
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
    """Reference 36: 4 in 120 and 0 in 300 sessions; the upper bound is there when nothing happened."""
    people = 30
    frame = run(
        patients=[patient(k) for k in range(people)],
        sessions=[session(n, patient=k, days=n) for k in range(people) for n in range(sessions // people)],
        events=[event(1, patient=k, days=1.1) for k in range(events)],
    )
    row = cell(frame)
    name = "events_per_100_sessions"
    assert (row["events"], row["sessions"]) == (events, sessions)
    assert (row[name], row[f"{name}_lower"], row[f"{name}_upper"]) == pytest.approx(expected, abs=1e-6)
    assert row[f"{name}_od_upper"] >= row[f"{name}_upper"]


def test_person_time_and_first_event():
    """One session: 30 days at risk; of it 10 to the first event. A second patient without one: 30 days.

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
    """An onset that is not known: the event counts, its patient's whole time stays, no session window holds it."""
    frame = run(patients=[patient()], sessions=[session(1)], events=[event(1, days=None)])
    assert (cell(frame)["events"], cell(frame)["patient_years_at_risk"]) == (1, pytest.approx(30 / 365.25))
    assert cell(frame, only="treatment_emergent")["events"] == 1
    assert cell(frame, only="session_emergent")["events"] == 0


def test_event_of_an_aborted_session():
    """An aborted session exposes the patient but is not delivered: treated 1, sessions 0, the event is emergent."""
    frame = run(patients=[patient()], sessions=[session(1, status="aborted")], events=[event(1)])
    row = cell(frame, only="treatment_emergent")
    assert (row["patients"], row["patients_with_event"], row["sessions"], row["events"]) == (1, 1, 0, 1)
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
    """Treated at C1, harmed at C2: C2 has the event and nobody treated; C1 a patient and no event."""
    frame = run(patients=[patient()], sessions=[session(1)], events=[event(1, clinic_id="C2")])
    home, away = cell(frame, clinic_id="C1"), cell(frame, clinic_id="C2")
    assert (home["patients"], home["events"], away["patients"], away["events"]) == (1, 0, 0, 1)
    assert (away["incidence_proportion"], away["reason"]) == (None, "nobody was treated")
    assert cell(frame, clinic_id="C1", term="burn")["events_per_100_sessions_upper"] > 0


def test_unread_records_and_sessions_asked():
    """Rejects of safety topics that were not replayed are said; so is how often anybody asked."""
    position = {"kafka_topic": "t", "kafka_topic_id": "i", "kafka_partition": 0, "reason": "json", "ingested_at": T0}
    rows = [{**position, "kafka_offset": k, "is_safety": safe, "replayed_at": replayed}
            for k, (safe, replayed) in enumerate([(True, None), (True, T0), (False, None)])]  # fmt: skip
    rejects = pl.DataFrame([{n: r.get(n) for n in REJECTS.names} for r in rows], schema=REJECTS.polars_schema)
    asked = [session(k, days=k, adverse_events_asked=a) for k, a in enumerate((True, False, None))]
    row = cell(run(patients=[patient()], sessions=asked, rejects=rejects))
    assert (row["unread_records"], row["sessions"], row["sessions_asked"]) == (1, 3, 1)


def test_small_cells_are_marked():
    """A count from 1 to 4, or its complement, marks the row; the counts themselves stay true."""
    frame = run(patients=[patient(k) for k in range(6)], sessions=[session(1, patient=k) for k in range(6)],
                events=[event(1, patient=0)])  # fmt: skip
    assert cell(frame)["is_suppressed"]
    assert not cell(frame, only="serious")["is_suppressed"]
    assert cell(frame)["events"] == 1


def test_what_a_restriction_leaves_out_is_a_cell():
    """8 patients with an event, 6 with a serious one: 2 are left, so the serious row is marked and the other is not."""
    events = [event(k, patient=k, is_serious=k < 6) for k in range(8)]
    frame = run(patients=[patient(k) for k in range(20)], sessions=[session(1, patient=k) for k in range(20)],
                events=events)  # fmt: skip
    assert not cell(frame)["is_suppressed"]
    assert cell(frame, only="serious")["is_suppressed"]


# --- the slow way -----------------------------------------------------------------------------------

SEED = 20250101


def clinics_at_random(rng, *, people=40):
    """Core rows of patients who move, stop, abort, are harmed now and again, with unknowns."""
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    patients, sessions, events, status = [], [], [], []
    for k in range(people):
        patients.append(patient(k, clinic_id=pick("C1", "C2"), arm=pick("a", "b", None),
                                indication=pick("migraine", "other", None)))  # fmt: skip
        days = np.sort(rng.uniform(0, 120, rng.integers(0, 12)))
        for n, day in enumerate(days):
            sessions.append(session(
                n, patient=k, days=float(day), clinic_id=pick("C1", "C2", "C3"),
                modality=pick("local", "whole_body"),
                status=pick("delivered", "delivered", "delivered", "aborted", "missed"),
                course_id=pick(None, f"X{k}", f"Y{k}"), adverse_events_asked=pick(True, False, None),
            ))  # fmt: skip
        for n in range(rng.poisson(1.2)):
            onset = pick(None, *rng.uniform(-20, 170, 9))
            lasted = timedelta(days=float((onset or 0) + rng.exponential(5)))
            ended = None if onset is None or rng.random() < 0.3 else T0 + lasted
            events.append(event(
                n, patient=k, days=None if onset is None else float(onset), term=pick("burn", "pain"),
                grade=pick(1, 2, 3, None), is_serious=pick(True, False, None), resolved_at=ended,
                related=pick("not_related", "possible", None), clinic_id=pick("C1", "C2", None),
                outcome=pick("ongoing", "resolved", None),
                session_id=pick(None, f"S{k}-0", f"S{k}-1"),
            ))  # fmt: skip
        if rng.random() < 0.3:
            day = (T0 + timedelta(days=float(rng.uniform(0, 150)))).date()
            status.append({"status_id": f"T{k}", "patient_id": f"P{k}", "status": pick("died", "withdrew", "lost"),
                           "effective_on": day})  # fmt: skip
    return {"patients": patients, "sessions": sessions, "events": events, "status": status}


def plain_spans(sessions, status, *, options):
    """[(from, to)] of one patient, by loops, from the sentence in time_at_risk."""
    courses = {}
    for s in sorted(sessions, key=lambda s: s["EXSTDTM"]):
        courses.setdefault(s["COURSEID"], []).append(s)
    parts = []
    for course, members in courses.items():
        part = [members[0]]
        for s in members[1:]:
            if course is None and s["EXSTDTM"] - part[-1]["EXSTDTM"] > timedelta(days=options.course_gap_days):
                parts.append(part)
                part = []
            part.append(s)
        parts.append(part)
    spans = []
    for part in parts:
        end = min(part[-1]["EXSTDTM"] + timedelta(days=options.risk_window_days), CUT.data_cutoff)
        for row in status:
            midnight = datetime.combine(row["effective_on"], datetime.min.time(), UTC)
            if row["status"] == "died" or (
                row["status"] == "withdrew" and row["effective_on"] >= part[0]["EXSTDTM"].date()
            ):
                end = min(end, midnight)
        if end > part[0]["EXSTDTM"]:
            spans.append([part[0]["EXSTDTM"], end])
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    return merged


def seconds(spans, *, until=None):
    return sum(max((min(b, until or b) - a) / timedelta(seconds=1), 0) for a, b in spans)


MEETS = {
    (None, None): lambda e: True,
    ("serious", None): lambda e: e["AESER"] == "Y",
    ("related", None): lambda e: e["AERELFL"] == "Y",
    ("treatment_emergent", None): lambda e: e["TRTEMFL"] == "Y",
    ("session_emergent", None): lambda e: e["SESS72FL"] == "Y",
    (None, 2): lambda e: (e["AETOXGR"] or 0) >= 2,
    (None, 3): lambda e: (e["AETOXGR"] or 0) >= 3,
}


def plain_numbers(events):
    """(AEID -> number of its event): a record that is not new belongs to the event before it of its kind."""
    numbers, last = {}, {}
    for e in sorted(events, key=lambda e: e["AESEQ"]):
        kind = (e["USUBJID"], e["AEDECOD"], e["AELOC"])
        if e["NEWFL"] == "Y":
            last[kind] = e["AEID"]
        numbers[e["AEID"]] = last[kind]
    return numbers


def plain_cell(stratum, *, term, meets, frames, options):
    """All numbers of one cell, by loops over patients, sessions and events."""
    people = {r["USUBJID"]: r for r in frames["adsl"].to_dicts()}
    own = lambda p: {"indication": people[p]["INDICATN"] or "(unknown)", "arm": people[p]["ARM"] or "(none)"}  # noqa: E731
    begun = [s for s in frames["adex"].to_dicts() if s["EXSTAT"] in ("delivered", "aborted")]
    treated = {s["USUBJID"] for s in begun}
    place = lambda r: {"clinic_id": r["CLINICID"], "modality": r["MODALITY"], **own(r["USUBJID"])}  # noqa: E731
    inside = lambda r: all(place(r)[d] == v for d, v in stratum.items())  # noqa: E731
    begun = [s for s in begun if inside(s)]
    every = frames["adae"].to_dicts()
    numbers = plain_numbers(every)
    events = [e for e in every if e["USUBJID"] in treated and inside(e) and meets(e) and term in (None, e["AEDECOD"])]
    x, t, total, before, with_event = {}, {}, 0.0, 0.0, 0
    for p in {s["USUBJID"] for s in begun}:
        mine = [s for s in begun if s["USUBJID"] == p]
        status = [r for r in frames["patient_status"].to_dicts() if r["patient_id"] == p]
        spans = plain_spans(mine, status, options=options)
        theirs = [e for e in events if e["USUBJID"] == p]
        onsets = [e["ASTDTM"] for e in theirs if e["ASTDTM"]]
        total += seconds(spans)
        before += seconds(spans, until=min(onsets) if onsets else None)
        with_event += bool(theirs)
        t[p] = sum(s["EXSTAT"] == "delivered" for s in mine)
        x[p] = len({numbers[e["AEID"]] for e in theirs})
    year = 365.25 * 86_400
    n_events = len({numbers[e["AEID"]] for e in events})
    return {"patients": len(t), "patients_with_event": with_event, "events": n_events, "sessions": sum(t.values()),
            "patient_years": total / year, "patient_years_at_risk": before / year,
            "overdispersion": plain_phi(x, t)}  # fmt: skip


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
    return frames, run(**given)


def strata_of(frame):
    return [(row, {d: row[d] for d in row["strata"]}) for row in frame.iter_rows(named=True)]


def test_equals_a_plain_recomputation(simulated):
    """Every 23rd row of simulated clinics equals what loops over patients, sessions and events give."""
    frames, mart = simulated
    sample = mart.gather_every(23)
    assert sample.height > 100
    assert sample["events"].sum() > 100
    for row, stratum in strata_of(sample):
        only = next((f[3:-5] for f in ONLY if row[f]), None)
        expected = plain_cell(stratum, term=row["term"], meets=MEETS[only, row["min_grade"]], frames=frames,
                              options=Options())  # fmt: skip
        for name, value in expected.items():
            assert row[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), (name, stratum)


def test_rates_follow_from_their_columns(simulated):
    """Each rate is 100 x numerator / denominator with Garwood's limits; the wide limits never narrower."""
    for row, _ in strata_of(simulated[1].gather_every(11)):
        for name, x, exposure in (
            ("events_per_100_sessions", "events", "sessions"),
            ("eair_per_100_patient_years", "patients_with_event", "patient_years_at_risk"),
            ("events_per_100_patient_years", "events", "patient_years"),
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
    """16 combinations; each stratum has 7 restrictions of any term and of each term seen; keys are unique."""
    mart = simulated[1]
    combos = {tuple(c) for c in mart["strata"].unique()}
    assert combos == {c for n in range(5) for c in combinations(DIMENSIONS, n)}
    key = MART_TABLES["adverse_event_rates"].key
    assert mart.select(key).is_duplicated().sum() == 0
    counts = mart.group_by(*DIMENSIONS, "strata").len()["len"].unique().to_list()
    assert counts == [7 * (1 + 2)]


def test_totals_agree_over_strata(simulated):
    """Sessions add up over every combination; events too, but for those with records in two strata (never fewer)."""
    mart = simulated[1].filter(pl.col("term").is_null() & pl.col("min_grade").is_null() & ~pl.any_horizontal(ONLY))
    sums = mart.group_by("strata").agg(pl.col("sessions", "events").sum())
    assert sums["sessions"].n_unique() == 1
    whole = cell(simulated[1])["events"]
    assert sums["events"].min() == whole
    by_patient = sums.filter(pl.col("strata") == pl.lit(["indication", "arm"], pl.List(pl.String)))
    assert by_patient["events"].item() == whole


def test_order_of_the_input_changes_nothing():
    """Rows of every core table may come in any order."""
    given = clinics_at_random(np.random.default_rng(5), people=12)
    assert run(**given).equals(run(**{name: rows[::-1] for name, rows in given.items()}))
