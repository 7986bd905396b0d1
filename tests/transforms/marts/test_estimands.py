"""Responders under each strategy for intercurrent events, and outcomes of first, latest and all
treatment episodes, of a cohort by hand.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests import treatment_episodes
from transforms.facts.estimands import ESTIMANDS, STRATEGIES
from transforms.facts.values import ALL, FIRST, LATEST
from transforms.marts import MARTS, outcomes_asked
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

DAY1 = date(2025, 1, 6)
CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2026, 6, 1, tzinfo=UTC))


def at(ady: int, hour: int = 12) -> datetime:
    return datetime(2025, 1, 6, hour, tzinfo=UTC) + timedelta(days=ady - 1 if ady > 0 else ady)


def table(name: str, rows: list[dict]) -> pl.DataFrame:
    schema = (CORE_TABLES | {f"mart.{n}": t for n, t in MART_TABLES.items()})[name]
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **row} for row in rows], schema=schema.polars_schema
    )


def answer(patient: str, ady: int, value: float) -> dict:
    key = f"{patient}{ady}"
    return {
        "response_id": key,
        "event_id": key,
        "patient_id": patient,
        "clinic_id": "c",
        "answered_at": at(ady, 8),
        "instrument": "nrs_pain",
        "items": f'{{"average_7d": {value}}}',
    }


def session(patient: str, ady: int, course: str = "first") -> dict:
    return {
        "session_id": f"{patient}{ady}",
        "patient_id": patient,
        "clinic_id": "c",
        "course_id": f"{course} of {patient}",
        "modality": "local",
        "status": "delivered",
        "started_at": at(ady),
    }


def cared(patient: str, ady: int, kind: str, **more) -> dict:
    return {
        "care_id": f"{patient}{ady}{kind}",
        "event_id": f"{patient}{ady}{kind}",
        "patient_id": patient,
        "clinic_id": "c",
        "kind": kind,
        "occurred_at": at(ady),
        "reported_through": at(400),
        **more,
    }


def outcomes(answers: list[dict], sessions: list[dict], care: list[dict] = ()) -> pl.DataFrame:
    """mart.cohort_outcomes, of everybody, through the real marts."""
    frame = computed(answers, sessions, care)["cohort_outcomes"]
    return frame.filter(pl.col("strata").list.len() == 0)


def computed(
    answers: list[dict], sessions: list[dict], care: list[dict] = ()
) -> dict[str, pl.DataFrame]:
    """Tables by their bare names, up to mart.cohort_outcomes."""
    names = sorted({s["patient_id"] for s in sessions} | {a["patient_id"] for a in answers})
    tables = {name: t.empty() for name, t in (MART_TABLES | CORE_TABLES).items()}
    tables |= {
        "responses": table("responses", answers),
        "sessions": table("sessions", sessions),
        "care": table("care", list(care)),
        "clinics": table("clinics", [{"clinic_id": "c", "timezone": "UTC"}]),
        "patients": table(
            "patients",
            [{"patient_id": n, "clinic_id": "c", "enrolled_on": DAY1} for n in names],
        ),
    }
    tables["episodes"] = treatment_episodes.core(tables)
    for name in ("adsl", "adex", "subject_episodes", "adqs", "cohort_outcomes"):
        inputs = {full.split(".")[1]: tables[full.split(".")[1]] for full in MARTS[name].inputs}
        keys = () if MARTS[name].is_summary else (None,)
        tables[name] = MARTS[name].compute(*keys, **inputs, options=Options(), cut=CUT)
    return tables


def row(
    frame: pl.DataFrame,
    metric: str,
    visit: str,
    *,
    episode=FIRST,
    strategy="treatment_policy",
    **of,
) -> dict:
    population = of.pop("population", "completers")
    [found] = frame.filter(
        metric_id=metric, visit=visit, episode=episode, strategy=strategy, population=population
    ).to_dicts()
    return found


# name -> (answers by study day, care, [composite, treatment policy, while on treatment] at Month 3)
Y, N, MISSING = True, False, None
RESPONDS = {-1: 8, 29: 7, 57: 2, 92: 2}
COHORT = {
    "nothing happens": (RESPONDS, [], (Y, Y, Y)),
    "surgery before": (RESPONDS, [(50, "surgery")], (N, Y, N)),
    "injection after a response": (RESPONDS, [(60, "injection")], (N, Y, Y)),
    "on the day": (RESPONDS, [(92, "surgery")], (N, Y, Y)),
    "the day after": (RESPONDS, [(93, "surgery")], (Y, Y, Y)),
    "no value, event before": ({-1: 8, 57: 2}, [(80, "injection")], (N, MISSING, Y)),
    "no value, event after target": ({-1: 8, 57: 2}, [(93, "injection")], (MISSING,) * 3),
    "no judgement before": ({-1: 8, 92: 2}, [(20, "surgery")], (N, Y, MISSING)),
    "an opioid begun": (RESPONDS, [(40, "opioid")], (N, Y, N)),
    "an opioid renewed": (RESPONDS, [(-10, "opioid"), (40, "opioid")], (Y, Y, Y)),
    "surgery before Day 1": (RESPONDS, [(-3, "surgery")], (Y, Y, Y)),
    "physiotherapy": (RESPONDS, [(40, "physiotherapy")], (Y, Y, Y)),
}


def cohort(only: str | None = None) -> pl.DataFrame:
    chosen = {n: c for n, c in COHORT.items() if only in (None, n)}
    answers = [answer(n, d, v) for n, (days, _, _) in chosen.items() for d, v in days.items()]
    # Another patient's answers at Month 3: the clinic asks then
    answers += [answer("other", -1, 8), answer("other", 92, 8)]
    care = [cared(n, d, kind) for n, (_, cares, _) in chosen.items() for d, kind in cares]
    return outcomes(answers, [session(n, 1) for n in (*chosen, "other")], care)


@pytest.mark.parametrize("name", COHORT)
def test_each_strategy_judges_each_patient(name):
    """Beside a patient who does not respond: 1 or 0 of 2, or of 1 where there is no judgement."""
    frame = cohort(name)
    expected = dict(zip(STRATEGIES, COHORT[name][2], strict=True))
    for strategy, is_responder in expected.items():
        found = row(frame, "nrs7d_pct30", "Month 3", strategy=strategy)
        n = 1 if is_responder is None else 2
        assert (found["n_event"], found["n_evaluable"]) == (int(bool(is_responder)), n), strategy
        assert found["n_missing"] == 2 - n


def test_the_whole_cohort_adds_up():
    """The shares of all together are the sums of each alone; decided by an event are those of whom
    the strategy says something else than their value, or something without one.
    """
    frame = cohort()
    for k, strategy in enumerate(STRATEGIES):
        verdicts = [verdict[k] for _, _, verdict in COHORT.values()]
        found = row(frame, "nrs7d_pct30", "Month 3", strategy=strategy)
        assert found["n_event"] == sum(v is True for v in verdicts)
        assert found["n_evaluable"] == sum(v is not None for v in verdicts) + 1
        worst = row(
            frame,
            "nrs7d_pct30",
            "Month 3",
            strategy=strategy,
            population="missing_as_nonresponder",
        )
        assert worst["estimate"] == pytest.approx(found["n_event"] / 13)
    assert row(frame, "nrs7d_pct30", "Month 3", strategy="composite")["n_events_between"] == 6


def test_a_rescue_is_one_whatever_it_was():
    care = [cared("p", 40, "physiotherapy", is_rescue=True)]
    answers = [answer("p", d, v) for d, v in RESPONDS.items()]
    frame = outcomes(answers, [session("p", 1)], care)
    assert row(frame, "nrs7d_pct30", "Month 3", strategy="composite")["n_event"] == 0
    assert row(frame, "nrs7d_pct30", "Week 4", strategy="composite")["n_event"] == 0
    assert row(frame, "nrs7d_pct30", "Month 3")["n_event"] == 1


# name -> (answers by study day, care, is the response sustained, is the last one a response of 30 %)
SUSTAINED = {-1: 8, 29: 2, 57: 2}
LASTING = {
    "nothing happens": (SUSTAINED, [], True, True),
    "confirmed before": (SUSTAINED, [(58, "surgery")], True, True),
    "before the confirmation": (SUSTAINED, [(57, "surgery")], False, False),
    "before any response": (SUSTAINED, [(20, "injection")], False, False),
    "one assessment, then an event": ({-1: 8, 29: 2}, [(40, "opioid")], False, True),
    "one assessment alone": ({-1: 8, 29: 2}, [], None, True),
    "no response, no event": ({-1: 8, 29: 8, 57: 8}, [], False, False),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_sustained_response_is_confirmed_before_any_event(name):
    """Of the patient and in the summary alike: composite, as of every response."""
    days, cares, is_sustained, is_responder = LASTING[name]
    answers = [answer("p", d, v) for d, v in days.items()]
    tables = computed(answers, [session("p", 1)], [cared("p", d, kind) for d, kind in cares])
    inputs = {
        full.split(".")[1]: tables[full.split(".")[1]] for full in MARTS["patient_outcomes"].inputs
    }
    [patient] = (
        MARTS["patient_outcomes"].compute(None, **inputs, options=Options(), cut=CUT).to_dicts()
    )
    assert patient["is_sustained_responder"] is is_sustained
    assert patient["is_responder_30_pct"] is is_responder
    assert (patient["sustained_reason"] is None) == (is_sustained is not None)
    of_all = tables["cohort_outcomes"].filter(pl.col("strata").list.len() == 0)
    [share] = of_all.filter(metric_id="sustained_response", episode=FIRST).to_dicts()
    assert share["strategy"] == "composite"
    assert share["n_evaluable"] == (is_sustained is not None)
    assert share["n_event"] == bool(is_sustained)


# --- episodes -----------------------------------------------------------------------------------

# "back" returns on day 120 with a new course, whose baseline begins on day 92; "stays" does not
ANSWERS = [
    *(answer("stays", d, v) for d, v in {-1: 6, 29: 4, 57: 4, 92: 5, 183: 5}.items()),
    *(answer("back", d, v) for d, v in {-1: 8, 29: 2, 57: 4, 119: 7, 148: 1, 211: 6}.items()),
]
SESSIONS = [session("stays", 1), session("back", 1), session("back", 120, course="second")]


@pytest.fixture(scope="module")
def returning() -> pl.DataFrame:
    return outcomes(ANSWERS, SESSIONS)


@pytest.mark.parametrize(
    ("episode", "visit", "expected"),
    [
        (FIRST, "Week 4", (2, 2, 0, 3.0, -4.0)),  # 4 and 2; -2 and -6
        (LATEST, "Week 4", (2, 2, 0, 2.5, -4.0)),  # 4 and 1; -2 and -6
        (ALL, "Week 4", (2, 3, 0, 7 / 3, -14 / 3)),  # 4, 2 and 1; -2, -6 and -6
        (FIRST, "Month 6", (2, 1, 1, 5.0, -1.0)),  # the second baseline began before its window
        (LATEST, "Month 3", (2, 2, 0, 5.5, -1.0)),  # 5 and 6; -1 and -1
    ],
)
def test_outcomes_of_an_episode(returning, episode, visit, expected):
    """Patients, episodes due, episodes that a further one ended, mean and change from the episode's
    own baseline.
    """
    mean = row(returning, "nrs7d_mean", visit, episode=episode)
    change = row(returning, "nrs7d_change", visit, episode=episode)
    assert (mean["n_patients"], mean["n_due"], mean["n_ended"]) == expected[:3]
    assert mean["estimate"] == pytest.approx(expected[3])
    assert change["estimate"] == pytest.approx(expected[4])


def test_all_episodes_have_the_intervals_of_their_patients(returning):
    """Changes -2 of one patient, -6 and -6 of another: totals -2 of 1 and -12 of 2 about -14/3 are
    8/3 and -8/3: variance 2 x 2 x (8/3)² / 9, its root times the t of one degree of freedom.
    """
    found = row(returning, "nrs7d_change", "Week 4", episode=ALL)
    margin = 12.706205 * (4 * (8 / 3) ** 2 / 9) ** 0.5
    assert found["ci_upper"] - found["estimate"] == pytest.approx(margin, rel=1e-6)
    assert (found["n_patients"], found["n_episodes"], found["n_evaluable"]) == (2, 3, 3)


@pytest.mark.parametrize("missing", ["", "f", "bdf"])
def test_who_has_one_episode_is_the_same_in_each_choice(missing):
    """With one episode each first, latest and all agree, interval included, also where some have no
    value and count as no response.
    """
    answers = [answer(n, d, v) for n in "abcdef" for d, v in {-1: 8, 29: ord(n) % 5}.items()]
    is_late = [a["answered_at"] > at(1) for a in answers]
    answers = [
        a
        for a, late in zip(answers, is_late, strict=True)
        if not (late and a["patient_id"] in missing)
    ]
    frame = outcomes(answers, [session(n, 1) for n in "abcdef"])
    columns = ["metric_id", "visit", "population", "strategy"]
    values = ["n_patients", "n_due", "n_evaluable", "n_event", "estimate", "ci_lower", "ci_upper"]
    first, latest, all_ = (
        frame.filter(episode=e).select(*columns, *values).sort(columns)
        for e in (FIRST, LATEST, ALL)
    )
    assert first.height > 20
    assert first.equals(latest)
    assert first.select(columns).equals(all_.select(columns))
    for name in values:
        assert all_[name].to_list() == pytest.approx(first[name].to_list(), nan_ok=True), name


@pytest.mark.parametrize("episode", [FIRST, LATEST, ALL])
@pytest.mark.parametrize(
    "stratum",
    [{}, {"clinic_id": "c"}, {"study_id": "ROUTINE"}, {"study_id": "ROUTINE", "modality": "local"}],
)
def test_what_is_asked_for_is_what_is_stored(episode, stratum):
    """Of strata and episodes that are stored, row for row; the default strategies."""
    tables = computed(ANSWERS, SESSIONS)
    inputs = {n.split(".")[1]: tables[n.split(".")[1]] for n in outcomes_asked.INPUTS}
    asked = outcomes_asked.outcomes_of(
        stratum, episode=episode, options=Options(), cut=CUT, **inputs
    )
    stored = tables["cohort_outcomes"].filter(
        pl.col("strata").list.len() == len(stratum), *(pl.col(c) == v for c, v in stratum.items())
    )
    of_episode = stored.filter((pl.col("episode") == episode) | pl.col("episode").is_null())
    default = pl.col("statistic").replace_strict(
        {name: e.default for name, e in ESTIMANDS.items()}, default=pl.col("strategy")
    )
    expected = of_episode.filter(pl.col("strategy").is_null() | (pl.col("strategy") == default))
    key = MART_TABLES["cohort_outcomes"].key
    names = [c for c in asked.columns if c not in ("is_suppressed", "clustered_reason", "strata")]
    left, right = (f.select(names).sort([k for k in key if k in names]) for f in (asked, expected))
    assert left.height > 20
    assert_frame_equal(left, right)


def test_a_stratum_that_is_not_stored_is_computed():
    """Clinic, modality, indication and study of the latest episodes, by another strategy."""
    tables = computed(ANSWERS, SESSIONS)
    inputs = {n.split(".")[1]: tables[n.split(".")[1]] for n in outcomes_asked.INPUTS}
    stratum = {
        "clinic_id": "c",
        "modality": "local",
        "indication": "(unknown)",
        "study_id": "ROUTINE",
    }
    rows = outcomes_asked.outcomes_of(
        stratum,
        episode=LATEST,
        strategy="while_on_treatment",
        options=Options(),
        cut=CUT,
        **inputs,
    )
    [found] = rows.filter(
        metric_id="nrs7d_pct30", visit="Week 4", population="completers"
    ).to_dicts()
    assert (found["strategy"], found["n_event"], found["n_evaluable"]) == (
        "while_on_treatment",
        2,
        2,
    )
    assert found["strata"] == ["clinic_id", "modality", "indication", "study_arm"]


def test_a_reader_from_outside_sees_the_first_under_the_default_alone(returning):
    others = returning.filter(pl.col("episode") != FIRST)
    policy = returning.filter(statistic="pct30", strategy="treatment_policy")
    assert others["is_suppressed"].all()
    assert policy["is_suppressed"].all()
    assert others.height > 0 < policy.height


def test_an_estimand_names_the_episodes_that_are_asked_for():
    """As a definition it is of any; a figure of all episodes does not say that it is of the first."""
    pct30 = ESTIMANDS["pct30"]
    assert "in the treatment episode asked for (the first)" in pct30.sentence()
    for episode, words in (
        ("first", "their first"),
        ("latest", "their latest"),
        ("all", "each of"),
    ):
        said = pct30.sentence(episode=episode)
        assert words in said
        assert "asked for" not in said


def test_each_estimand_is_a_sentence():
    """It names population, variable, what an event does, and the summary."""
    for estimand in ESTIMANDS.values():
        for strategy in estimand.strategies:
            sentence = estimand.sentence(strategy)
            assert sentence.startswith("Of patients")
            assert "surgery" in sentence
            assert "a new treatment episode or another study ends the visit windows" in sentence
            assert "{" not in sentence
    assert ESTIMANDS["pct30"].default == "composite"
    assert ESTIMANDS["change"].default == "treatment_policy"
