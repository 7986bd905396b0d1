"""mart.responder_curves, responder_disagreement, dose_response: each equals what is counted by
hand, by stratum.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests import treatment_episodes
from transforms.checks import check_table
from transforms.facts.parameters import PARAMETERS
from transforms.facts.strata import STORED
from transforms.marts import MARTS
from transforms.marts.visit_values import due_of, people_of
from transforms.options import Cut, Options
from transforms.rules import exposure
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.statistics.rates import proportion

DAY1 = date(2025, 1, 6)
CUT = Cut(lake_snapshot=3, data_cutoff=datetime(2025, 6, 10, 12, tzinfo=UTC))
STRATA = {
    "clinic_id": "SITEID",
    "modality": "MODALITY",
    "indication": "INDICATN",
    "study_id": "STUDYID",
    "arm": "ARM",
}
SUMMARIES = ("responder_curves", "responder_disagreement", "dose_response")


def frame(schema, rows):
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def made(name, tables, **options):
    mart = MARTS[name]
    inputs = {full.split(".")[1]: tables[full.split(".")[1]] for full in mart.inputs}
    return mart.compute(
        *(() if mart.is_summary else (None,)), **inputs, options=Options(**options), cut=CUT
    )


def world(people, answers, sessions):
    """Marts of patients (name, clinic, modality, arm, Day 1), answers (name, study day, instrument,
    item, value) and delivered sessions (name, study day).
    """
    tables = {name: t.empty() for name, t in (CORE_TABLES | MART_TABLES).items()}
    day1 = {p[0]: p[4] for p in people}

    def moment(name, ady):
        return datetime.combine(day1[name], datetime.min.time(), UTC) + timedelta(
            days=ady - 1, hours=12
        )

    first = {n: moment(n, ady) for n, ady in reversed(sessions)}
    tables["adsl"] = frame(
        MART_TABLES["adsl"],
        [
            {
                "STUDYID": "s",
                "USUBJID": n,
                "SITEID": c,
                "MODALITY": m,
                "INDICATN": "other",
                "ARM": a,
                "DAY1DT": d,
                "ENRLDT": d,
                "NSESS": 0,
                "TRTSDT": first.get(n) and first[n].date(),
                "TRTSDTM": first.get(n),
            }
            for n, c, m, a, d in people
        ],
    )
    tables["responses"] = frame(
        CORE_TABLES["responses"],
        [
            {
                "response_id": f"{n}{ady}{i}",
                "event_id": f"{n}{ady}{i}",
                "patient_id": n,
                "clinic_id": "c",
                "answered_at": moment(n, ady),
                "instrument": i,
                "items": f'{{"{item}": {value}}}',
            }
            for n, ady, i, item, value in answers
        ],
    )
    tables["adex"] = frame(
        MART_TABLES["adex"],
        [
            {
                "STUDYID": "s",
                "USUBJID": n,
                "SESSIONID": f"{n}{k}",
                "EXSEQ": k,
                "EXSTAT": "delivered",
                "EXSTDTM": moment(n, ady),
                "ASTDT": moment(n, ady).date(),
                "CLINICID": "c",
                "MODALITY": "local",
            }
            for k, (n, ady) in enumerate(sessions)
        ],
    )
    tables["sessions"] = frame(
        CORE_TABLES["sessions"],
        [
            {
                "patient_id": n,
                "session_id": f"{n}{k}",
                "clinic_id": "c",
                "modality": "local",
                "status": "delivered",
                "started_at": moment(n, ady),
            }
            for k, (n, ady) in enumerate(sessions)
        ],
    )
    core = ("sessions", "patients", "clinics", "patient_status")
    tables["subject_episodes"] = treatment_episodes.of_sessions(
        tables["adsl"], **{name: tables[name] for name in core}
    )
    stated = tables["adsl"].select("STUDYID", "USUBJID", "DAY1DT", "MODALITY")
    tables["subject_episodes"] = MART_TABLES["subject_episodes"].conform(
        tables["subject_episodes"]
        .drop("DAY1DT", "MODALITY")
        .join(stated, on=["STUDYID", "USUBJID"])
    )
    numbers = tables["subject_episodes"].select("STUDYID", "USUBJID", "APERIOD")
    tables["adex"] = MART_TABLES["adex"].conform(
        tables["adex"].drop("APERIOD").join(numbers, on=["STUDYID", "USUBJID"], how="left")
    )
    for name in ("adqs", *SUMMARIES):
        tables[name] = made(name, tables)
    return tables


def nrs(name, ady, value):
    return (name, ady, "nrs_pain", "average_7d", value)


@pytest.fixture(scope="module")
def clinics():
    rng = np.random.default_rng(5)
    people, answers, sessions = [], [], []
    for k in range(70):
        name, start = f"p{k:02}", DAY1 + timedelta(days=int(rng.integers(0, 120)))
        people.append(
            (
                name,
                f"c{rng.integers(3)}",
                str(rng.choice(["local", "whole_body"])),
                [None, "a"][k % 2],
                start,
            )
        )
        sessions += [
            (name, 2 + int(d)) for d in range(0, int(rng.integers(5, 60)), int(rng.integers(1, 9)))
        ]
        for target in (1, 29, 57, 92):
            if rng.random() < 0.8:
                answers.append(nrs(name, target + 3 * (target > 1), int(rng.integers(0, 11))))
            if target > 1 and rng.random() < 0.6:
                answers.append((name, target + 3, "pgic", "pgic", int(rng.integers(1, 8))))
    return world(people, answers, sessions)


def due_rows(tables, row):
    """adqs of a row's stratum and visit: of the patients due."""
    chosen = tables["adsl"]
    for dimension, column in STRATA.items():
        if row[dimension] is not None:
            chosen = chosen.filter(pl.col(column).fill_null("(none)") == row[dimension])
    due = due_of(people_of(tables["adsl"], tables["subject_episodes"], options=Options()), cut=CUT)
    due = due.filter("is_due", AVISIT=row["visit"]).select(USUBJID="patient_id")
    return tables["adqs"].join(due, on="USUBJID", how="semi").join(chosen, on="USUBJID", how="semi")


FIXED = pl.col("visit") != "End of course"


def test_a_curve_is_that_of_its_patients(clinics):
    """In every stratum and visit of a fixed day: those of the due who improved by each cut-off,
    baselines of 0 apart.
    """
    curves = clinics["responder_curves"].filter(FIXED)
    seen = 0
    for (_, *_), curve in curves.group_by(["parameter", "visit", *STRATA], maintain_order=True):
        row = curve.row(0, named=True)
        adqs = due_rows(clinics, row)
        based = adqs.filter(PARAMCD=row["parameter"], ABLFL="Y").filter(pl.col("AVAL") > 0)
        visit = adqs.filter(PARAMCD=row["parameter"], AVISIT=row["visit"], ANL01FL="Y")
        people = based.select("USUBJID").join(
            visit.select("USUBJID", "PCHG"), on="USUBJID", how="left"
        )
        improved = [round(-change, 9) for change in people["PCHG"].drop_nulls()]
        expected = [sum(percent >= cutoff for percent in improved) for cutoff in range(101)]
        assert curve["n"].unique().to_list() == [people.height]
        assert curve["n_missing"].unique().to_list() == [people["PCHG"].null_count()]
        assert curve["cutoff_pct"].to_list() == list(range(101))
        assert curve["x"].to_list() == expected
        if people.height:
            shares = [proportion(x, people.height) for x in expected]
            assert curve["estimate"].to_list() == pytest.approx(
                [share.estimate for share in shares]
            )
            assert curve["ci_upper"].to_list() == pytest.approx([share.upper for share in shares])
        else:
            assert curve["estimate"].null_count() == curve.height
        seen += 1
    assert seen > 20


def test_a_curve_meets_the_rules_of_cohort_outcomes(clinics):
    """At 30 and 50 % the curve is the share of responders with the missing counted as none, in
    every stratum.
    """
    tables = {**clinics, "patient_outcomes": made("patient_outcomes", clinics)}
    outcomes = treatment_episodes.usual(made("cohort_outcomes", tables))
    outcomes = outcomes.filter(population="missing_as_nonresponder")
    for percent in (30, 50):
        rule = outcomes.filter(metric_id=f"nrs7d_pct{percent}").select(
            *STRATA, "visit", "n_event", rule="estimate"
        )
        curve = clinics["responder_curves"].filter(cutoff_pct=percent, parameter="NRS7D")
        both = curve.join(rule, on=[*STRATA, "visit"], nulls_equal=True)
        assert both.height == curve.height > 20
        assert both["x"].to_list() == both["n_event"].to_list()
        assert both["estimate"].to_list() == pytest.approx(both["rule"].to_list())


def test_rules_disagree_as_pain_counts_it(clinics):
    """In every stratum and visit of a fixed day the three verdicts are counted over the due, and
    add up to n.
    """
    rows = clinics["responder_disagreement"].filter(FIXED)
    seen = 0
    for (_, *_), part in rows.group_by(["parameter", "visit", *STRATA], maintain_order=True):
        row = part.row(0, named=True)
        visit = due_rows(clinics, row).filter(AVISIT=row["visit"], ANL01FL="Y")
        pgic = dict(visit.filter(PARAMCD="PGIC").select("USUBJID", "CRIT3FL").iter_rows())
        flags = visit.filter(PARAMCD=row["parameter"]).select("USUBJID", "CRIT1FL", "CRIT3FL")
        expected = Counter(
            (pct30, points, pgic.get(name)) for name, pct30, points in flags.iter_rows()
        )
        found = {
            tuple(verdicts): x
            for *verdicts, x in part.select("pct30", "points", "pgic", "x").iter_rows()
        }
        assert found == expected
        assert part["x"].sum() == row["n"]
        seen += 1
    assert seen > 20


def test_7_to_5_and_3_to_2():
    """Each passes one rule and fails the other."""
    people = [(n, "c", "local", None, DAY1) for n in ("seven", "three")]
    answers = [nrs("seven", 1, 7), nrs("seven", 29, 5), nrs("three", 1, 3), nrs("three", 29, 2)]
    rows = world(people, answers, [])["responder_disagreement"].filter(
        pl.col("strata").list.len() == 0
    )
    assert rows.select("pct30", "points", "pgic", "n", "x").rows() == [
        ("N", "Y", None, 2, 1),
        ("Y", "N", None, 2, 1),
    ]


def test_dose_response_is_that_of_its_patients(clinics):
    """In every stratum and visit of a fixed day the bins are exposure.dose_response of the due;
    never causal.
    """
    rows = clinics["dose_response"].filter(FIXED)
    seen = 0
    for (_, *_), part in rows.group_by(["parameter", "visit", *STRATA], maintain_order=True):
        row = part.row(0, named=True)
        adqs = due_rows(clinics, row)
        expected = exposure.dose_response(
            clinics["adex"], adqs, parameter=row["parameter"], visit=row["visit"]
        )
        found = part.sort("from_per_week").select(expected.columns)
        assert_frame_equal(found, expected)
        seen += 1
    assert seen > 20
    assert rows["is_causal"].unique().to_list() == [False]
    assert "Not causal" in MART_TABLES["dose_response"].comment


def test_the_regression_to_the_mean_line_stands_beside_a_pain_change():
    """With the four numbers -0.305 (entry at 4) stands beside every mean change of an NRS; without
    them nothing.
    """
    people = [("p", "c", "local", None, DAY1)]
    tables = world(people, [nrs("p", 1, 8), nrs("p", 29, 4)], [("p", d) for d in (2, 5, 8)])
    assert (
        tables["dose_response"]["rtm_expected"].null_count() == tables["dose_response"].height > 0
    )
    settings = {
        "rtm_mean": 5,
        "rtm_sd": 2,
        "rtm_reliability": 0.7,
        "rtm_cutoff": 4,
        "rtm_source": "a survey",
    }
    rows = made("dose_response", tables, **settings)
    assert rows["rtm_expected"].to_list() == pytest.approx([-0.3054963] * rows.height)
    assert rows["rtm_source"].unique().to_list() == ["a survey"]


def test_end_of_course_takes_its_own_record():
    """The last of three sessions is on day 8: the answer of day 7 is Week 1's, that of day 12, 8 to
    4, is 50 %.
    """
    people = [("p", "c", "local", None, DAY1)]
    tables = world(
        people, [nrs("p", 1, 8), nrs("p", 7, 7), nrs("p", 12, 4)], [("p", d) for d in (2, 5, 8)]
    )
    ends = tables["responder_curves"].filter(
        pl.col("strata").list.len() == 0, visit="End of course"
    )
    assert ends.filter(pl.col("x") == 1)["cutoff_pct"].to_list() == list(range(51))


def test_a_small_curve_is_marked_whole():
    """12 patients, 6 improved by half: shown; with 3 improved the curve is hidden at every
    cut-off.
    """
    people = [(f"p{k:02}", "c", "local", None, DAY1) for k in range(12)]
    for improved, is_hidden in ((6, False), (3, True)):
        answers = [
            nrs(p[0], ady, v)
            for k, p in enumerate(people)
            for ady, v in ((1, 8), (29, 4 if k < improved else 8))
        ]
        curves = world(people, answers, [])["responder_curves"].filter(visit="Week 4")
        assert curves["is_suppressed"].unique().to_list() == [is_hidden]


@pytest.mark.parametrize("name", SUMMARIES)
def test_promises_of_the_schema(clinics, name):
    """Keys are unique, closed lists closed, required columns filled; the whole, each
    dimension and each pair.
    """
    table = clinics[name]
    assert table.height > 0
    assert check_table(MART_TABLES[name], table)["is_passed"].all()
    found = {tuple(s) for s in table["strata"].to_list()}
    assert found == set(STORED)
    assert set(table["parameter"]) <= set(PARAMETERS)


@pytest.mark.parametrize("name", SUMMARIES)
def test_nobody(name):
    """Without patients there are no rows, with every column."""
    assert world([], [], [])[name].schema == MART_TABLES[name].polars_schema
