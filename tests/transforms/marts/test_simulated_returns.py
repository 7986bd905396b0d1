"""A simulated chain whose patients come back, some with an opioid, an injection, surgery, rescue or
another study in between: episodes, windows, responders under each strategy, curves of coming back
and relief per course equal the simulator's truth exactly.

Here: the records from the decoder on, through core and marts, against what the simulator counts of
what it drew. Not here: other marts (test_simulated_truth.py), how the simulator counts (its own
tests).
"""

from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction
from itertools import product
from types import SimpleNamespace

import polars as pl
import pytest

from ingest.simulate import Effects, Plan, Returns, simulate
from ingest.simulate.episode_truth import episodes_of, standing
from ingest.simulate.response_truth import responders
from tests.computed import computed
from transforms.facts.estimands import STRATEGIES

PLAN = Plan(
    clinics=4,
    patients=260,
    days=800,
    seed=5,
    duplicates_share=0.02,
    late_share=0.05,
    study_share=0.2,
    wrong_clock_share=0.01,
    with_readings=False,
    with_telemetry=False,
    effects=Effects(deaths_per_patient_year=0.04),
    returns=Returns(),
)
MADE = ("adsl", "adex", "subject_episodes", "time_at_risk", "adae", "adqs", "adact", "adtte")
MADE_OF_THEM = (
    "study_plans",
    "analysis_sets",
    "cohort_outcomes",
    "competing_risks",
    "survival_curves",
    "course_relief",
)
CODES = {"next episode": 0, "surgery": 2, "death": 2}
EVENTS = tuple(CODES)
EPISODES = ("first", "latest", "all")
VISITS = ("Month 3", "Month 6", "Month 12")
COUNTS = (
    "n_patients",
    "n_episodes",
    "n_due",
    "n_ended",
    "n_cannot_respond",
    "n_evaluable",
    "n_missing",
    "n_event",
    "n_events_between",
)
ARMS = (
    None,
    ("ROUTINE", "(none)"),
    (PLAN.study_id, "cryotherapy"),
    (PLAN.study_id, "usual_care"),
    *((PLAN.other_study_id, arm) for arm in Returns.ARMS),
)


@pytest.fixture(scope="module")
def world():
    """The simulator's truth and the marts of what it sent."""
    simulation = simulate(PLAN)
    tables = computed(
        list(simulation), landed=datetime(2029, 1, 1, tzinfo=UTC), marts=[*MADE, *MADE_OF_THEM]
    )
    return SimpleNamespace(
        truth=simulation.truth, outcomes=simulation.truth.outcomes, tables=tables
    )


# --- episodes and windows -----------------------------------------------------------------------


def test_a_third_come_back_and_much_happens_in_between(world):
    """What is simulated is what the chain is for: else the rest would agree on nothing."""
    patients = [p for p in world.truth.patients if p.delivered]
    back = [p for p in patients if len(episodes_of(p)) > 1]
    assert len(patients) > 200
    assert 0.25 < len(back) / len(patients) < 0.45
    begun = Counter(e.ended_by for p in back for e in episodes_of(p))
    assert min(begun["new_course"], begun["gap"]) >= 10
    units = world.outcomes.units
    between = Counter(
        c.kind if not c.is_rescue else "rescue"
        for one in units
        for c in one.unit.patient.care
        if c.day >= one.unit.day1 and one.decided_on is not None
    )
    assert min(between[kind] for kind in ("opioid", "injection", "surgery", "rescue")) >= 10
    assert sum(len(p.enrolments) > 1 or (p.arm is None and p.enrolments != []) for p in back) >= 10
    assert sum(s.course_id is None for p in patients for s in p.delivered) > 20


def test_episodes(world):
    """First and last session, baseline, end of the windows and what ended it, of each episode."""
    columns = (
        "patient_id",
        "aperiod",
        "first_session_on",
        "last_session_on",
        "sessions",
        "baseline_from",
        "baseline_to",
        "windows_to",
        "ended_by",
        "is_baseline_in_follow_up",
    )
    seen = world.tables["core.episodes"].select(columns).rows()
    expected = [
        (
            patient.patient_id,
            e.number,
            e.first_day,
            e.sessions[-1].day,
            len(e.sessions),
            e.baseline_from,
            e.first_day,
            e.windows_to,
            e.ended_by,
            e.is_baseline_in_follow_up,
        )
        for patient in world.truth.patients
        for e in episodes_of(patient)
    ]
    assert sorted(seen) == sorted(expected)
    assert sum(e[-1] is True for e in expected) > 30


def test_episodes_in_each_study(world):
    """A row a patient, study and episode: Day 1, sessions, end of the first course, windows."""
    columns = (
        "STUDYID",
        "USUBJID",
        "APERIOD",
        "DAY1DT",
        "NSESS",
        "CRSENDT",
        "BLSTDT",
        "WINENDT",
    )
    seen = world.tables["mart.subject_episodes"].select(columns).rows()
    units = [one.unit for one in world.outcomes.units]
    expected = [
        (
            u.study_id,
            u.patient.patient_id,
            u.number,
            u.day1,
            len(u.sessions),
            u.course_ended_on,
            u.baseline_from,
            u.windows_to,
        )
        for u in units
    ]
    assert Counter(seen) == Counter(expected)
    assert len({u.study_id for u in units}) == 3


def test_windows(world):
    """Each rating of each episode: the visit in whose window it lies, which counts, the change."""
    rows = world.tables["mart.adqs"].filter(PARAMCD="NRS7D", AVISIT=pl.col("AVISIT"))
    at_visits = rows.filter(pl.col("AVISIT").is_in(["Baseline", *VISITS]))
    seen = Counter(
        at_visits.select(
            "STUDYID", "USUBJID", "APERIOD", "AVISIT", "ADTM", "AVAL", "CHG", "ANL01FL"
        ).rows()
    )
    expected = Counter()
    for one in world.outcomes.units:
        for rating in one.ratings:
            visit = one.visit_of(rating)
            if visit in ("Baseline", *VISITS):
                counts = one.base if visit == "Baseline" else one.at_visit(visit)
                place = (one.unit.study_id, one.unit.patient.patient_id, one.unit.number, visit)
                at = datetime.fromtimestamp(rating.at, UTC)
                flag = "Y" if counts is rating else None
                expected[*place, at, rating.value, one.change(rating), flag] += 1
    assert seen == expected
    assert sum(n for (*_, flag), n in expected.items() if flag == "Y") > 500


# --- responders ---------------------------------------------------------------------------------


def _row(world, metric, visit, *, episode, strategy, population, of):
    rows = world.tables["mart.cohort_outcomes"].filter(
        metric_id=metric, visit=visit, episode=episode, strategy=strategy, population=population
    )
    if of is None:
        rows = rows.filter(pl.col("strata").list.len() == 0)
    else:
        rows = rows.filter(pl.col("strata").list.join(",") == "study_arm").filter(
            study_id=of[0], arm=of[1]
        )
    return rows.to_dicts()


@pytest.mark.parametrize("of", ARMS, ids=str)
@pytest.mark.parametrize("percent", [30, 50])
def test_responders(world, of, percent):
    """Under each strategy, of first, latest and all episodes, at 3, 6 and 12 months: who is due,
    ended, can't respond, is judged, responds, was decided by an event; and both shares.
    """
    where = {} if of is None else {"study_id": of[0], "arm": of[1]}
    compared = 0
    for visit, episode, strategy in product(VISITS, EPISODES, STRATEGIES):
        people = world.outcomes.people(episode=episode, **where)
        expected = responders(people, visit, strategy, percent=percent)
        for population in ("completers", "missing_as_nonresponder"):
            found = _row(
                world,
                f"nrs7d_pct{percent}",
                visit,
                episode=episode,
                strategy=strategy,
                population=population,
                of=of,
            )
            if not expected["n_due"]:
                continue
            [row] = found
            place = (visit, episode, strategy, population)
            assert {c: row[c] for c in COUNTS} == {c: expected[c] for c in COUNTS}, place
            whole = expected["n_evaluable"]
            if population == "missing_as_nonresponder":
                whole += expected["n_missing"]
            share = expected["n_event"] / whole if whole else None
            assert row["estimate"] == (None if share is None else pytest.approx(share, abs=1e-12))
            compared += whole
    assert compared > 0


def test_the_strategies_and_the_choices_differ(world):
    """Where they all agreed, that they equal the truth would say little."""
    of_everybody = {
        (visit, episode, strategy): tuple(
            world.outcomes.responders(visit, episode=episode, strategy=strategy)[c]
            for c in ("n_evaluable", "n_event")
        )
        for visit, episode, strategy in product(VISITS, EPISODES, STRATEGIES)
    }
    for visit in VISITS:
        assert len({of_everybody[visit, "first", strategy] for strategy in STRATEGIES}) == 3
        assert len({of_everybody[visit, episode, "composite"] for episode in EPISODES}) >= 2
        counts = world.outcomes.responders(visit, episode="first", strategy="composite")
        assert counts["n_ended"] > 10
    second = world.outcomes.responders("Month 3", episode="all", strategy="composite")
    assert second["n_cannot_respond"] > 0


# --- coming back --------------------------------------------------------------------------------


def test_times_to_what_came_first(world):
    """Of each treated patient in each study the days and what came first; of each kind some."""
    rows = world.tables["mart.adtte"].filter(PARAMCD="TTRETRT")
    what = pl.coalesce("EVNTDESC", "CNSDTDSC")
    columns = rows.select("STUDYID", "USUBJID", "AVAL", what).rows()
    seen = {(study, who): (int(t), text) for study, who, t, text in columns}
    expected = world.outcomes.retreatment()
    assert seen == expected
    kinds = Counter(text for _, text in expected.values())
    assert min(kinds[event] for event in (*EVENTS, "data cut", "withdrawal from follow-up")) >= 3
    codes = rows.filter(pl.col("EVNTDESC").is_not_null()).select("EVNTDESC", "CNSR")
    assert set(codes.rows()) <= set(CODES.items())


def _times(world) -> list[tuple[int, str]]:
    """Of everybody, each patient once."""
    first = {}
    for one in standing((one.unit for one in world.outcomes.units), episode="first"):
        first[one.study_id, one.patient.patient_id] = one
    return [t for place, t in world.outcomes.retreatment().items() if place in first]


def _incidence(times):
    """(event, day) -> (at risk, events, cumulative incidence), by plain counting with fractions."""
    free, share, curve = Fraction(1), Counter(), {}
    for day in sorted({t for t, _ in times}):
        at_risk = sum(t >= day for t, _ in times)
        now = Counter(what for t, what in times if t == day and what in EVENTS)
        for event in EVENTS:
            share[event] += free * Fraction(now[event], at_risk)
            curve[event, day] = (at_risk, now[event], share[event])
        free *= 1 - Fraction(now.total(), at_risk)
    return curve


def _whole(world, mart):
    rows = world.tables[f"mart.{mart}"].filter(parameter="TTRETRT")
    return rows.filter(pl.col("strata").list.len() == 0)


def test_cumulative_incidence(world):
    """Of everybody, each event and day: numbers and Aalen-Johansen from the truth's times."""
    expected = _incidence(_times(world))
    rows = _whole(world, "competing_risks")
    columns = ("event", "time_days", "at_risk", "events", "incidence")
    seen = {(e, int(day)): (n, d, share) for e, day, n, d, share in rows.select(columns).rows()}
    assert set(seen) == set(expected)
    for place, (at_risk, events, share) in expected.items():
        assert seen[place][:2] == (at_risk, events)
        assert seen[place][2] == pytest.approx(float(share), abs=1e-12)


def test_kaplan_meier_beside_it(world):
    """With surgery and death censored: at each day the share that has not come back; 1 - KM is more
    than the cumulative incidence at the end.
    """
    times = _times(world)
    curve = _whole(world, "survival_curves").sort("time_days")
    free, expected = Fraction(1), {}
    for day in sorted({t for t, _ in times}):
        events = sum(t == day and what == "next episode" for t, what in times)
        free *= 1 - Fraction(events, sum(t >= day for t, _ in times))
        expected[day] = float(free)
    assert dict(curve.select(pl.col("time_days").cast(int), "survival").rows()) == pytest.approx(
        expected, abs=1e-12
    )
    back = _whole(world, "competing_risks").filter(event="next episode").sort("time_days")
    assert 1 - curve["survival"][-1] > back["incidence"][-1]


@pytest.mark.parametrize("visit", ["End of course", "Month 3", "Month 6"])
def test_relief_per_course(world, visit):
    """The second course's change beside the first's in the same patients: counts and means."""
    expected = world.outcomes.relief(visit)
    rows = world.tables["mart.course_relief"].filter(parameter="NRS7D", visit=visit)
    [row] = rows.filter(pl.col("strata").list.len() == 0).to_dicts()
    for name, value in expected.items():
        assert row[name] == (value if isinstance(value, int) else pytest.approx(float(value)))
    difference = expected["change_second"] - expected["change_first"]
    assert row["difference"] == pytest.approx(float(difference))
    assert expected["n_pairs"] >= 2


# --- a study with visits of its own -------------------------------------------------------------


def test_a_studys_figures_are_of_its_own_visits_and_reference(world):
    """The other study plans Month 3 on day 100 and Month 6 on day 180, no Month 12, and compares
    with the arm that comes second by name; routine care has the usual days.
    """
    days = {v.visit: v.target_day for v in Returns.VISITS}
    outcomes = world.tables["mart.cohort_outcomes"].filter(metric_id="nrs7d_mean", episode="first")
    of_study = outcomes.filter(study_id=PLAN.other_study_id)
    assert dict(of_study.select("visit", "visit_day").unique().rows()) == days | {
        "Baseline": 1,
        "End of course": None,
    }
    routine = outcomes.filter(study_id="ROUTINE").select("visit", "visit_day").unique()
    assert {("Month 3", 92), ("Month 6", 183), ("Month 12", 366)} <= set(routine.rows())
    [plan] = world.tables["mart.study_plans"].filter(study_id=PLAN.other_study_id).to_dicts()
    assert plan["reference_arm"] == Returns.ARMS[1] > Returns.ARMS[0]
