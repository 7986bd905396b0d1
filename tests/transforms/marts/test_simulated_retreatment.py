"""Who comes back among simulated patients: times and curves equal the simulator's truth exactly.

Here: a chain in which a third are prescribed a second course, some have surgery, withdraw or die
before. Not here: other marts (test_simulated_truth.py), how the simulator counts (its own tests).
"""

from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction
from types import SimpleNamespace

import polars as pl
import pytest

from ingest.simulate import Plan, simulate
from tests.computed import computed

PLAN = Plan(
    clinics=4,
    patients=220,
    days=420,
    seed=5,
    duplicates_share=0.02,
    late_share=0.05,
    study_share=0.2,
    wrong_clock_share=0.01,
    with_readings=False,
    with_telemetry=False,
)
MADE = ("adsl", "adex", "subject_episodes", "time_at_risk", "adae", "adqs", "adtte")
MADE_OF_THEM = ("competing_risks", "survival_curves")
CODES = {"next episode": 0, "surgery": 2, "death": 2}
EVENTS = tuple(CODES)


@pytest.fixture(scope="module")
def world():
    """The simulator's truth and the marts of what it sent."""
    simulation = simulate(PLAN)
    tables = computed(
        list(simulation), landed=datetime(2028, 1, 1, tzinfo=UTC), marts=[*MADE, *MADE_OF_THEM]
    )
    return SimpleNamespace(truth=simulation.truth, tables=tables)


def test_episodes(world):
    """The first day of each episode of each patient."""
    episodes = world.tables["core.episodes"].sort("patient_id", "aperiod")
    seen = {}
    for who, day in episodes.select("patient_id", "first_session_on").rows():
        seen.setdefault(who, []).append(day)
    expected = {p.patient_id: world.truth.episodes(p) for p in world.truth.patients}
    assert seen == {who: days for who, days in expected.items() if days}
    assert sum(len(days) > 1 for days in seen.values()) > 30


def test_times_to_what_came_first(world):
    """Of each treated patient the days and what came first; of each kind there are some."""
    rows = world.tables["mart.adtte"].filter(PARAMCD="TTRETRT")
    what = pl.coalesce("EVNTDESC", "CNSDTDSC")
    seen = {who: (int(t), text) for who, t, text in rows.select("USUBJID", "AVAL", what).rows()}
    expected = world.truth.retreatment()
    assert seen == expected
    kinds = Counter(text for _, text in expected.values())
    assert min(kinds[event] for event in ("next episode", "surgery", "data cut")) >= 3
    codes = rows.filter(pl.col("EVNTDESC").is_not_null()).select("EVNTDESC", "CNSR")
    assert set(codes.rows()) <= set(CODES.items())


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
    expected = _incidence(list(world.truth.retreatment().values()))
    rows = _whole(world, "competing_risks")
    seen = {
        (event, int(day)): (n, d, share)
        for event, day, n, d, share in rows.select(
            "event", "time_days", "at_risk", "events", "incidence"
        ).rows()
    }
    assert set(seen) == set(expected)
    for place, (at_risk, events, share) in expected.items():
        assert seen[place][:2] == (at_risk, events)
        assert seen[place][2] == pytest.approx(float(share), abs=1e-12)


def test_kaplan_meier_beside_it(world):
    """With surgery and death censored: 1 - KM is at least the cumulative incidence, more at the
    end.
    """
    times = list(world.truth.retreatment().values())
    curve = _whole(world, "survival_curves").sort("time_days")
    free = Fraction(1)
    for day in sorted({t for t, _ in times}):
        events = sum(t == day and what == "next episode" for t, what in times)
        free *= 1 - Fraction(events, sum(t >= day for t, _ in times))
    assert curve["survival"][-1] == pytest.approx(float(free), abs=1e-12)
    back = _whole(world, "competing_risks").filter(event="next episode").sort("time_days")
    assert 1 - curve["survival"][-1] > back["incidence"][-1]
