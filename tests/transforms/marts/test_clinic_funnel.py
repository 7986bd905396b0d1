"""mart.clinic_funnel: who is compared with what, by hand and by a plain re-computation of random
clinics.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from transforms.checks import check_table
from transforms.facts.catalogue import METRICS
from transforms.marts import MARTS, adverse_event_rates, clinic_funnel
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES
from transforms.statistics import left_out

DAY1 = date(2025, 1, 6)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
CUT = Cut(lake_snapshot=3, data_cutoff=datetime(2025, 12, 31, tzinfo=UTC))
REJECTS = next(t for t in BOOKKEEPING if t.name == "rejects")


def table(name: str, rows: list[dict]) -> pl.DataFrame:
    schema = MART_TABLES[name]
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def at(day: int) -> datetime:
    return datetime(DAY1.year, DAY1.month, DAY1.day, 10, tzinfo=UTC) + timedelta(days=day)


def patient(name: str, clinic: str) -> dict:
    return {
        "STUDYID": "s",
        "USUBJID": name,
        "SITEID": clinic,
        "NSESS": 1,
        "TIMEZONE": "UTC",
        "INDICATN": "other",
    }


def session(name: str, clinic: str, k: int, **columns) -> dict:
    when = at(2 * k)
    return {
        "STUDYID": "s",
        "USUBJID": name,
        "CLINICID": clinic,
        "EXSEQ": k,
        "SESSIONID": f"{name}-{k}",
        "MODALITY": "local",
        "EXSTAT": "delivered",
        "EXSTDTM": when,
        "ASTDT": when.date(),
        "ASKEDFL": "Y",
        **columns,
    }


def event(name: str, clinic: str, k: int = 1, **columns) -> dict:
    return {
        "STUDYID": "s",
        "USUBJID": name,
        "CLINICID": clinic,
        "AESEQ": k,
        "AEID": f"{name}-{k}",
        "AEDECOD": f"t{k}",
        "AESER": "N",
        "NEWFL": "Y",
        "ATRISKFL": "Y",
        "ASTDTM": at(2 * k + 1),
        "ASTDT": at(2 * k + 1).date(),
        "MODALITY": "local",
        **columns,
    }


def stretches(sessions) -> pl.DataFrame:
    """Time at risk from each patient's first session that began to 30 days after the last."""
    begun = {}
    for s in sessions:
        if s["EXSTAT"] in ("delivered", "aborted"):
            begun.setdefault(s["USUBJID"], []).append(s["EXSTDTM"])
    rows = [
        {
            "patient_id": name,
            "episode": 1,
            "from_at": min(starts),
            "to_at": max(starts) + timedelta(days=30),
            "planned_to_at": max(starts) + timedelta(days=30),
            "ended_by": "risk_window",
        }
        for name, starts in begun.items()
    ]
    return table("time_at_risk", rows)


def compute(patients, sessions, events, *, outcomes=None, **options) -> pl.DataFrame:
    """From patients, sessions and events through the real rates to the funnel."""
    given = {
        "adsl": table("adsl", patients),
        "adex": table("adex", sessions),
        "adae": table("adae", events),
    }
    options = Options(**options)
    listed = {name: CORE_TABLES[name].empty() for name in ("implausible", "likely_doubles")}
    rates = adverse_event_rates.compute(
        **given,
        **listed,
        time_at_risk=stretches(sessions),
        rejects=REJECTS.empty(),
        options=options,
        cut=CUT,
    )
    outcomes = MART_TABLES["cohort_outcomes"].empty() if outcomes is None else outcomes
    return clinic_funnel.compute(
        adex=given["adex"],
        adae=given["adae"],
        adverse_event_rates=rates,
        cohort_outcomes=outcomes,
        options=options,
        cut=CUT,
    )


def clinics_of(sizes: dict[str, int]):
    people = [(f"{c}{k}", c) for c, n in sizes.items() for k in range(n)]
    return [patient(*p) for p in people], [session(*p, 1) for p in people], people


def test_five_clinics_are_compared_and_four_are_not():
    """From five clinics on there are limits and a signal; with fewer the counts stand alone, with
    the reason.
    """
    for clinics, reason in (
        ("ABCDE", None),
        ("ABCD", "4 clinics to compare: at least 5 are needed"),
    ):
        patients, sessions, people = clinics_of(dict.fromkeys(clinics, 20))
        frame = compute(patients, sessions, [event(*p) for p in people[::2]]).filter(
            metric_id="funnel_any_event"
        )
        assert frame["estimate"].to_list() == [0.5] * len(clinics)
        assert frame["reason"].to_list() == [reason] * len(clinics)
        assert frame["target"].to_list() == [None if reason else 0.5] * len(clinics)
        assert frame["signal"].to_list() == [None if reason else "none"] * len(clinics)


def test_no_events_are_never_better():
    """A clinic of 60 without an event is flagged low, with the note and the share of sessions at
    which it asked, of those that say whether it did: 6 say nothing, 6 of the other 54 yes.
    """
    patients, sessions, people = clinics_of(dict.fromkeys("ABCDEF", 60))
    sessions = [
        s | {"ASKEDFL": {"0": "Y", "1": None}.get(s["USUBJID"][-1], "N")}
        if s["CLINICID"] == "A"
        else s
        for s in sessions
    ]
    events = [event(*p) for k, p in enumerate(people) if p[1] != "A" and k % 3 == 0]
    row = (
        compute(patients, sessions, events)
        .filter(metric_id="funnel_any_event", clinic_id="A")
        .row(0, named=True)
    )
    assert row["signal"].startswith("low")
    assert row["note"] == clinic_funnel.FEW_EVENTS
    assert row["asked_share"] == pytest.approx(6 / 54)
    asked = compute(patients, sessions, events).filter(
        metric_id="funnel_sessions_asked", clinic_id="A"
    )
    assert asked.select("numerator", "denominator").row(0) == (6, 54)
    others = compute(patients, sessions, events).filter(
        pl.col("clinic_id") != "A", metric_id="funnel_any_event"
    )
    assert others["note"].null_count() == 5


def test_expected_events_follow_the_modality():
    """A: 10 local and 10 whole-body sessions. The others have 5 events in 30 local sessions and 30
    in 50 of whole body: 10 · 5/30 + 10 · 30/50.
    """
    sizes = dict.fromkeys("ABCDE", 20)
    patients, _, people = clinics_of(sizes)
    whole = {
        p
        for k, p in enumerate(people)
        if (p[1] == "A" and k < 10) or (p[1] in "BC") or (p[1] == "D" and k < 70)
    }
    sessions = [session(*p, 1, MODALITY="whole_body" if p in whole else "local") for p in people]
    assert len(whole) == 60
    mild = [p for p in people if p not in whole and p[1] == "E"][:5]
    bad = [p for p in whole if p[1] in "BC"][:30]
    events = [event(*p, MODALITY="local") for p in mild] + [
        event(*p, MODALITY="whole_body") for p in bad
    ]
    frame = compute(patients, sessions, events).filter(metric_id="funnel_event_ratio")
    row = frame.filter(clinic_id="A").row(0, named=True)
    assert len(sessions) - len(whole) == 40
    assert row["denominator"] == pytest.approx(10 * 5 / 30 + 10 * 30 / 50)


def injured(clinics: dict[str, tuple[int, int]], **columns):
    """Patients, sessions and a burn of the first so many patients of each clinic (`clinics`:
    injured, treated).
    """
    patients, sessions, people = clinics_of({c: n for c, (_, n) in clinics.items()})
    hurt = [p for c, (x, _) in clinics.items() for p in [q for q in people if q[1] == c][:x]]
    return (
        patients,
        sessions,
        [event(*p, AEINJ="burn", ASTDTM=at(3), ASTDT=at(3).date(), **columns) for p in hurt],
    )


SIX_CLINICS = {"A": (6, 37), "B": (2, 39), **dict.fromkeys("CDEF", (0, 39))}


def test_a_clinic_is_judged_by_the_others_alone():
    """6 burns in 37 patients beside 2 of 195: beyond 99.8 %, by exact tails, without
    over-dispersion from six clinics.
    """
    frame = compute(*injured(SIX_CLINICS)).filter(metric_id="funnel_cold_injury")
    row = frame.row(0, named=True)
    assert (row["signal"], row["target"]) == ("high_998", pytest.approx(2 / 195))
    assert row["tail_probability_at_target"] == pytest.approx(2.06e-6, abs=5e-9)
    assert row["tail_probability"] == pytest.approx(2.5e-4, abs=5e-6)
    assert frame["overdispersion"].null_count() == frame["upper_95_od"].null_count() == 6
    assert set(frame["signal"][1:]) == {"none"}


def test_how_near_a_clinic_is_to_its_limit_is_in_words():
    """Above the limit, under it as a share of the first count that would be a signal, and none,
    which is not better.
    """
    rows = {
        r["clinic_id"]: r
        for r in compute(*injured(SIX_CLINICS))
        .filter(metric_id="funnel_cold_injury")
        .iter_rows(named=True)
    }
    assert (
        rows["A"]["nearness"]
        == "6 cold injuries in 6 of 37 patients, rising since January 2025; above the 99.8 % limit"
    )
    assert rows["B"]["limit_share"] == pytest.approx(0.4)
    assert rows["B"]["nearness"] == "2 cold injuries in 2 of 39 patients; 40 % of the limit"
    assert rows["C"]["nearness"] == "no cold injury in 39 patients: not a sign of better care"


def test_rising_is_since_the_clinic_left_the_others_rate():
    """Ten months of 20 sessions; the others have an event in every second month, A one in March and
    five from August on.
    """
    patients, sessions, events = [], [], []
    for clinic in "ABCDE":
        for month in range(1, 11):
            for k in range(20):
                name = f"{clinic}{month}-{k}"
                when = datetime(2025, month, 5 + k % 10, 10, tzinfo=UTC)
                patients.append(patient(name, clinic))
                sessions.append(session(name, clinic, 1, EXSTDTM=when, ASTDT=when.date()))
                of_a = {3: 1, 8: 1, 9: 2, 10: 2}.get(month, 0)
                if k < (of_a if clinic == "A" else month % 2):
                    events.append(
                        event(name, clinic, AEINJ="frostbite", ASTDTM=when, ASTDT=when.date())
                    )
    row = (
        compute(patients, sessions, events)
        .filter(metric_id="funnel_cold_injury", clinic_id="A")
        .row(0, named=True)
    )
    assert row["nearness"].startswith(
        "6 cold injuries in 6 of 200 patients, rising since August 2025; "
    )


def test_history_before_the_first_session_is_in_no_funnel():
    """A clinic that writes down a burn of the year before is not flagged for it."""
    patients, sessions, events = injured(SIX_CLINICS)
    before = [
        e | {"ASTDTM": at(-300), "ASTDT": at(-300).date(), "ATRISKFL": "N"}
        if e["CLINICID"] == "A"
        else e
        for e in events
    ]
    row = (
        compute(patients, sessions, before)
        .filter(metric_id="funnel_cold_injury", clinic_id="A")
        .row(0, named=True)
    )
    assert (row["numerator"], row["signal"]) == (0, "none")


def test_grade_2_and_serious_events_are_judged_against_a_reference_too():
    """All clinics alike bad: nobody is an outlier, all are beyond a stated 1 %; without one that is
    said. Each is news.
    """
    alike = injured(dict.fromkeys("ABCDE", (8, 40)), AETOXGR=2, AESER="Y")
    for metric in clinic_funnel.REFERENCES:
        plain = compute(*alike).filter(metric_id=metric)
        assert set(plain["signal"]) == {"none"}
        assert plain["reference_reason"][0].startswith("no reference is stated (FLOE_")
        assert set(plain["note"]) == {clinic_funnel.EACH_IS_NEWS}
        stated = compute(
            *alike,
            serious_event_reference_pct=1,
            cold_injury_reference_pct=1,
            safety_reference_source="a registry",
        ).filter(metric_id=metric)
        assert set(stated["reference_signal"]) == {"high_998"}
        assert stated.select("reference", "reference_source", "reference_reason").row(0) == (
            0.01,
            "a registry",
            None,
        )
    two = compute(*injured(dict.fromkeys("AB", (8, 40)), AETOXGR=1), cold_injury_reference_pct=1)
    grade_2 = two.filter(metric_id="funnel_cold_injury_grade_2")
    assert (grade_2["numerator"].sum(), set(grade_2["reference_signal"])) == (
        0,
        {"none"},
    )  # in any number of clinics
    assert grade_2["reason"][0].startswith("2 clinics to compare")


def test_serious_events_have_no_over_dispersion_however_many_clinics():
    """Fifteen clinics that differ: patients with any event have a dispersion of the other fourteen,
    serious ones none.
    """
    many = injured({c: (k % 7, 30) for k, c in enumerate("ABCDEFGHIJKLMNO")}, AESER="Y", AETOXGR=3)
    frame = compute(*many)
    by = {
        m: frame.filter(metric_id=m)["overdispersion"].null_count()
        for m in clinic_funnel._OF_EVENTS
    }
    assert by == {
        "funnel_any_event": 0,
        "funnel_serious_event": 15,
        "funnel_cold_injury": 0,
        "funnel_cold_injury_grade_2": 15,
        "funnel_event_ratio": 0,
    }


def outcome(clinic, n_event, n_evaluable, n_missing):
    return {
        "metric_id": "nrs7d_pct30",
        "metric_version": "1",
        "lake_snapshot": 1,
        "data_cutoff": CUT.data_cutoff,
        "is_suppressed": False,
        "clinic_id": clinic,
        "strata": ["clinic_id"],
        "visit": "Week 8",
        "population": "completers",
        "episode": "first",
        "strategy": "composite",
        "n_event": n_event,
        "n_evaluable": n_evaluable,
        "n_missing": n_missing,
    }


def test_a_response_is_compared_only_where_enough_answered():
    """17 of 30 due (57 %) is under 60 %: that clinic has a share and a reason, and is not in the
    target.
    """
    clinics = [outcome(c, 10, 20, 2) for c in "ABCDE"] + [outcome("F", 17, 17, 13)]
    frame = compute([], [], [], outcomes=table("cohort_outcomes", clinics)).filter(
        metric_id="funnel_response"
    )
    last = frame.filter(clinic_id="F").row(0, named=True)
    assert last["reason"] == "values of 17 of 30 patients due: compared from 60 % on"
    assert (last["estimate"], last["target"], last["signal"]) == (1.0, None, None)
    assert frame.filter(pl.col("clinic_id") != "F")["target"].to_list() == [0.5] * 5
    assert frame["clinics"].to_list() == [5] * 6


def test_small_counts_and_their_complement_are_marked():
    """3 patients with an event at A; the target gives the total, so one more clinic is marked."""
    patients, sessions, people = clinics_of(dict.fromkeys("ABCDE", 20))
    of = {c: [p for p in people if p[1] == c] for c in "ABCDE"}
    events = [event(*p) for c in "ABCDE" for p in of[c][: 3 if c == "A" else 10]]
    frame = compute(patients, sessions, events).filter(metric_id="funnel_any_event")
    assert frame["is_suppressed"].to_list() == [True, True, False, False, False]


def test_random_clinics_by_a_plain_recomputation():
    """Numerators and denominators by loops over patients, with two clinics a patient, aborted and
    missed sessions, repeated records and unknown answers; limits and signals from the estimators on
    those counts.
    """
    generator = np.random.default_rng(4)
    patients, sessions, events = [], [], []
    for k in range(160):
        name, home = f"p{k}", "ABCDEFG"[generator.integers(7)]
        patients.append(patient(name, home))
        for j in range(generator.integers(0, 6)):
            clinic = home if generator.random() < 0.9 else "ABCDEFG"[generator.integers(7)]
            sessions.append(
                session(
                    name,
                    clinic,
                    j,
                    EXSTAT=str(generator.choice(["delivered", "aborted", "missed"])),
                    ASKEDFL=[None, "Y", "N"][generator.integers(3)],
                    MODALITY=str(generator.choice(["local", "whole_body"])),
                )
            )
        for j in range(generator.integers(0, 3)):
            events.append(
                event(
                    name,
                    home,
                    j,
                    AESER=[None, "Y", "N"][generator.integers(3)],
                    AEINJ=[None, "burn", "syncope", "frostbite"][generator.integers(4)],
                    MODALITY=str(generator.choice(["local", "whole_body"])),
                )
            )
    frame = compute(patients, sessions, events)
    begun = {(s["USUBJID"], s["CLINICID"]) for s in sessions if s["EXSTAT"] != "missed"}
    place_of = lambda r: (r["USUBJID"], r["CLINICID"])  # noqa: E731
    starts = [s for s in sessions if s["EXSTAT"] != "missed"]
    first_there = {
        place: min(s["EXSTDTM"] for s in starts if place_of(s) == place) for place in begun
    }
    sizes = Counter(clinic for _, clinic in begun)
    kinds = {
        "funnel_any_event": lambda e: True,
        "funnel_serious_event": lambda e: e["AESER"] == "Y",
    }
    for metric, meets in kinds.items():
        # sessions and events lie within 12 days, so that only what came before the first session
        # there is not at risk
        seen = {
            place_of(e)
            for e in events
            if meets(e) and e["ASTDTM"] >= first_there.get(place_of(e), NEVER)
        }
        counts = Counter(clinic for _, clinic in seen)
        rows = frame.filter(metric_id=metric)
        assert {r["clinic_id"]: r["numerator"] for r in rows.iter_rows(named=True)} == {
            c: counts[c] for c in sizes
        }
        assert {r["clinic_id"]: r["denominator"] for r in rows.iter_rows(named=True)} == dict(sizes)
        chart = left_out.proportions(*([of[c] for c in sorted(sizes)] for of in (counts, sizes)))
        assert rows["upper_998"].to_list() == pytest.approx(chart["upper_998"].to_list())
        assert rows["signal"].to_list() == chart["signal"].to_list()
    cold = {
        (e["USUBJID"], e["CLINICID"]) for e in events if e["AEINJ"] in ("burn", "frostbite")
    } & begun
    rows = frame.filter(metric_id="funnel_cold_injury")
    assert dict(rows.select("clinic_id", "numerator").rows()) == {
        c: sum(clinic == c for _, clinic in cold) for c in sizes
    }
    assert all(
        r["is_passed"]
        for r in check_table(MART_TABLES["clinic_funnel"], frame).iter_rows(named=True)
    )


def test_without_data_there_is_an_empty_table():
    """No patient: the table's columns and no row; the registry holds the mart; every metric is in
    the catalogue.
    """
    frame = compute([], [], [])
    assert frame.schema == MART_TABLES["clinic_funnel"].polars_schema
    assert frame.is_empty()
    assert MARTS["clinic_funnel"].is_summary
    assert {m for m in METRICS if m.startswith("funnel_")} == {
        *clinic_funnel._OF_EVENTS,
        "funnel_sessions_asked",
        "funnel_response",
    }
