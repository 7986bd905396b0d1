"""mart.cohort_outcomes: denominators of a small cohort by hand, and a plain re-computation of a
random one.
"""

import math
from datetime import UTC, date, datetime, timedelta
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from tests import treatment_episodes
from transforms.checks import check_table
from transforms.facts.catalogue import METRICS
from transforms.marts import MARTS, cohort_estimates, cohort_outcomes, visit_values
from transforms.marts.clustered_columns import ONE_CLINIC
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.statistics.clinics_like_these import mean_limits, proportion_limits
from transforms.statistics.rates import proportion

DAY1 = date(2025, 1, 6)
CUT = Cut(lake_snapshot=3, data_cutoff=datetime(2025, 3, 10, 12, tzinfo=UTC))  # study day 64


def table(schema, rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def subject(
    name: str, *, day1: date = DAY1, clinic="c1", modality="local", indication="other", arm=None
) -> dict:
    return {
        "STUDYID": "s",
        "USUBJID": name,
        "SITEID": clinic,
        "MODALITY": modality,
        "INDICATN": indication,
        "ARM": arm,
        "DAY1DT": day1,
        "ENRLDT": day1,
        "NSESS": 0,
        "TIMEZONE": "UTC",
    }


def answer(name: str, ady: int, value: float, *, day1: date = DAY1, item="average_7d") -> dict:
    at = datetime(day1.year, day1.month, day1.day, 12, tzinfo=UTC) + timedelta(
        days=ady - 1 if ady > 0 else ady
    )
    key = f"{name}{ady}{item}"
    return {
        "response_id": key,
        "event_id": key,
        "patient_id": name,
        "clinic_id": "c1",
        "answered_at": at,
        "instrument": "nrs_pain",
        "items": f'{{"{item}": {value}}}',
    }


def compute(subjects: list[dict], answers: list[dict], **options) -> pl.DataFrame:
    """From answers to the summary through the real marts."""
    tables = {name: CORE_TABLES[name].empty() for name in CORE_TABLES}
    tables |= {name: t.empty() for name, t in MART_TABLES.items() if name not in tables}
    tables |= {
        "adsl": table(MART_TABLES["adsl"], subjects),
        "responses": table(CORE_TABLES["responses"], answers),
    }
    tables["subject_episodes"] = treatment_episodes.alone(tables["adsl"])
    for name in ("adqs", "cohort_outcomes"):
        inputs = {full.split(".")[1]: tables[full.split(".")[1]] for full in MARTS[name].inputs}
        keys = () if MARTS[name].is_summary else (None,)
        tables[name] = MARTS[name].compute(*keys, **inputs, options=Options(**options), cut=CUT)
    return treatment_episodes.usual(tables["cohort_outcomes"])


def overall(frame: pl.DataFrame, metric: str, visit: str | None, population="completers") -> dict:
    rows = frame.filter(
        pl.col("strata").list.len() == 0, metric_id=metric, population=population
    ).filter(pl.col("visit").eq_missing(pl.lit(visit)))
    assert rows.height == 1
    return rows.row(0, named=True)


def test_a_pooled_row_has_limits_for_clinics_like_these():
    """Six clinics of 3 to 8 patients: means and shares of the whole have both intervals, a clinic's
    and a stratum's of few clinics only the one of their patients, and say why. The limits are those
    of the clinics' own sums.
    """
    generator = np.random.default_rng(2)
    people = [
        (f"{clinic}{k}", clinic) for size, clinic in enumerate("uvwxyz", 3) for k in range(size)
    ]
    subjects = [
        subject(name, clinic=clinic, indication="other" if clinic < "x" else "migraine")
        for name, clinic in people
    ]
    after = {name: float(generator.integers(0, 9)) for name, _ in people}
    answers = [a for name, _ in people for a in (answer(name, 1, 8), answer(name, 29, after[name]))]
    frame = compute(subjects, answers)
    mean, share = (overall(frame, f"nrs7d_{name}", "Week 4") for name in ("mean", "pct50"))
    values = {clinic: [after[name] for name, c in people if c == clinic] for clinic in "uvwxyz"}
    sizes = [[len(v) for v in values.values()]]
    for row, limits in (
        (mean, mean_limits([[sum(v) for v in values.values()]], sizes)),
        (share, proportion_limits([[sum(x <= 4 for x in v) for v in values.values()]], sizes)),
    ):
        assert row["ci_clustered_lower"] == pytest.approx(limits.lower[0], rel=1e-5)
        assert row["ci_clustered_upper"] == pytest.approx(limits.upper[0], rel=1e-5)
        assert row["clustered_reason"] is None
        assert row["ci_lower"] is not None
    others = frame.filter(pl.col("strata").list.len() == 1, metric_id="nrs7d_mean", visit="Week 4")
    reasons = dict(others.select(pl.coalesce("clinic_id", "indication"), "clustered_reason").rows())
    assert reasons["u"] == ONE_CLINIC
    assert reasons["migraine"] == reasons["other"] == "3 clinics: at least 5 are needed"
    assert others.filter(pl.col("modality").is_not_null())["clustered_reason"][0] is None


COHORT = [
    *(subject(name) for name in ("responds", "stays", "leaves", "from_0", "no_base")),
    subject("recent", day1=date(2025, 2, 20)),
]
ANSWERS = [
    answer("responds", 1, 8),
    answer("responds", 29, 4),
    answer("stays", 1, 6),
    answer("stays", 29, 6),
    answer("leaves", 1, 7),
    answer("from_0", 1, 0),
    answer("from_0", 29, 2),
    answer("no_base", 29, 5),
    answer("recent", 1, 9, day1=date(2025, 2, 20)),
    answer("recent", 16, 2, day1=date(2025, 2, 20)),
]


@pytest.mark.parametrize(
    ("zone", "cut_at", "is_due"),
    [
        # Week 1 of Day 1 = 6 January closes with day 14, the 19th
        ("UTC", datetime(2025, 1, 19, 23, 59, tzinfo=UTC), False),
        ("UTC", datetime(2025, 1, 20, 0, 0, tzinfo=UTC), True),
        (
            "Australia/Sydney",
            datetime(2025, 1, 19, 12, tzinfo=UTC),
            False,
        ),  # 23:00 of the 19th there
        ("Australia/Sydney", datetime(2025, 1, 19, 13, tzinfo=UTC), True),  # midnight of the 20th
        ("America/Denver", datetime(2025, 1, 20, 6, tzinfo=UTC), False),  # 23:00 of the 19th
        ("America/Denver", datetime(2025, 1, 20, 7, tzinfo=UTC), True),
        (None, datetime(2025, 1, 20, 0, 0, tzinfo=UTC), True),
    ],
)
def test_a_window_closes_at_midnight_where_the_patient_is(zone, cut_at, is_due):
    """A patient is pending, not missing, for as long as the window's last day goes on at the
    enrolling clinic.
    """
    adsl = table(MART_TABLES["adsl"], [subject("p") | {"TIMEZONE": zone}])
    people = visit_values.people_of(adsl, treatment_episodes.alone(adsl), options=Options())
    due = visit_values.due_of(people, cut=Cut(lake_snapshot=1, data_cutoff=cut_at))
    assert due.filter(AVISIT="Week 1")["is_due"].to_list() == [is_due]


def test_denominators_of_a_responder_rule():
    """Week 4 closes on day 42. Of 6 patients 5 are due, 1 is pending although it has answered. Of
    those due, who has a baseline of 0 and with none are not evaluable, 2 have a value, 1 is
    missing: 1 of 2, or 1 of 3 with it.
    """
    frame = compute(COHORT, ANSWERS)
    seen = overall(frame, "nrs7d_pct30", "Week 4")
    counts = (
        "n_patients",
        "n_due",
        "n_pending",
        "n_evaluable",
        "n_missing",
        "n_not_evaluable",
        "n_event",
    )
    assert [seen[c] for c in counts] == [6, 5, 1, 2, 1, 2, 1]
    exact = proportion(1, 2, method="clopper_pearson")
    assert (seen["estimate"], seen["ci_lower"], seen["ci_upper"]) == pytest.approx(
        (0.5, exact.lower, exact.upper)
    )
    filled = overall(frame, "nrs7d_pct30", "Week 4", "missing_as_nonresponder")
    assert [filled[c] for c in counts] == [6, 5, 1, 2, 1, 2, 1]
    assert filled["estimate"] == pytest.approx(1 / 3)
    assert filled["missing_rule"] == "no value counts as no response"


def test_mean_and_change_have_their_own_denominators():
    """The mean needs no baseline: 4, 6, 2, 5. The change is of those with one: -4, 0, 2, t interval
    on 2 degrees.
    """
    frame = compute(COHORT, ANSWERS)
    mean = overall(frame, "nrs7d_mean", "Week 4")
    assert (mean["n_evaluable"], mean["n_missing"], mean["n_not_evaluable"], mean["estimate"]) == (
        4,
        1,
        0,
        17 / 4,
    )
    change = overall(frame, "nrs7d_change", "Week 4")
    assert (change["n_evaluable"], change["n_missing"], change["n_not_evaluable"]) == (3, 1, 1)
    margin = stats.t.ppf(0.975, 2) * np.std([-4, 0, 2], ddof=1) / math.sqrt(3)
    assert (change["estimate"], change["ci_upper"] - change["estimate"]) == pytest.approx(
        (-2 / 3, margin)
    )
    assert change["median_day"] == 29


def test_one_value_has_no_interval_and_worse_is_of_completers_only():
    """A mean of one value has no limits and says so; a worsening is never filled in for the
    missing.
    """
    frame = compute(COHORT[:1], ANSWERS[:2])
    mean = overall(frame, "nrs7d_mean", "Week 4")
    assert (mean["estimate"], mean["ci_lower"], mean["reason"]) == (
        4,
        None,
        "one value: no interval",
    )
    populations = frame.filter(metric_id="nrs7d_worse")["population"].unique().to_list()
    assert populations == ["completers"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((4, 4), cohort_estimates.EQUAL_VALUES),
        ((0, 0, 0), cohort_estimates.EQUAL_VALUES),
        (
            (0.1, 0.1, 0.1),
            cohort_estimates.EQUAL_VALUES,
        ),  # whose floating-point deviations are not quite 0
        ((4, 4.001), None),
        ((4,), cohort_estimates.ONE_VALUE),
        ((), cohort_estimates.NO_VALUE),
    ],
)
def test_equal_values_have_no_interval(values, reason):
    """Two patients at 4 don't make a mean of 4 certain: no interval of no width, but none and the
    reason.
    """
    row = pl.DataFrame({"value": values}, schema={"value": pl.Float64}).select(
        mean=pl.col("value").mean(), sd=pl.col("value").std(), n_evaluable=pl.len()
    )
    found = cohort_estimates.as_mean(row).row(0, named=True)
    assert found["reason"] == reason
    assert (found["ci_lower"] is None) == (found["ci_upper"] is None) == (reason is not None)
    assert found["estimate"] == (pytest.approx(sum(values) / len(values)) if values else None)


def test_a_clinic_that_never_asks_has_nobody_missing():
    """One study: c1 asks for the global impression at both visits, c2 at Week 1 only, c3 for pain
    alone; of c4 nothing is heard. At Week 4 the silent of c1, c2 and c4 are missing and count as no
    response; those of c3 were not asked.
    """

    def says(name: str, ady: int, value: int) -> dict:
        return answer(name, ady, value, item="pgic") | {"instrument": "pgic"}

    subjects = [subject(f"{n}{c}", clinic=c) for c in ("c1", "c2", "c3", "c4") for n in "ab"]
    answers = [says("ac1", 8, 2), says("ac1", 29, 2), says("ac2", 8, 3), answer("ac3", 8, 5)]
    frame = compute(subjects, answers).filter(
        pl.col("strata") == pl.lit(["clinic_id"], pl.List(pl.String)),
        metric_id="pgic_points",
        visit="Week 4",
        population="missing_as_nonresponder",
    )
    columns = ("n_due", "n_evaluable", "n_missing", "n_not_evaluable", "estimate", "reason")
    found = {r["clinic_id"]: tuple(r[c] for c in columns) for r in frame.to_dicts()}
    assert found == {
        "c1": (2, 1, 1, 0, 0.5, None),
        "c2": (2, 0, 2, 0, 0, None),
        "c4": (2, 0, 2, 0, 0, None),
    }
    everybody = overall(
        compute(subjects, answers), "pgic_points", "Week 4", "missing_as_nonresponder"
    )
    assert tuple(everybody[c] for c in columns) == (8, 1, 5, 2, pytest.approx(1 / 6), None)


def test_what_wearables_measure_beside_movement_is_no_answer():
    """c2, of which only heart rate is known, is as silent as c3: both miss the pain that the study
    asks for. By steps alone c4 is heard, and asks for no pain.
    """
    people = pl.DataFrame(
        {"USUBJID": list("abcd"), "clinic_id": ["c1", "c2", "c3", "c4"]}
    ).with_columns(STUDYID=pl.lit("s"))
    seen = [("a", "NRS7D"), ("b", "HRMEAN"), ("d", "STEPS")]
    rows = pl.DataFrame(seen, schema=["USUBJID", "PARAMCD"], orient="row").with_columns(
        AVISIT=pl.lit("Week 4")
    )
    asked = visit_values.asked_of(rows, people)
    asking = {
        code: sorted(asked.filter(PARAMCD=code)["clinic_id"])
        for code in ("NRS7D", "HRMEAN", "STEPS")
    }
    assert asking == {
        "NRS7D": ["c1", "c2", "c3"],
        "HRMEAN": ["c2", "c3"],
        "STEPS": ["c2", "c3", "c4"],
    }
    assert asked.is_unique().all()


def test_median_day_is_of_the_values_counted():
    """Without a baseline on day 40, judged on days 29 and 31: the mean is of all three days, the
    change of two; where nobody can be judged there is no day either.
    """
    answers = [
        answer("a", 1, 8),
        answer("a", 29, 4),
        answer("b", 1, 6),
        answer("b", 31, 5),
        answer("c", 40, 5),
    ]
    frame = compute([subject(name) for name in "abc"], answers)
    days = {
        m: overall(frame, f"nrs7d_{m}", "Week 4")["median_day"]
        for m in ("mean", "change", "pct30", "worse")
    }
    assert days == {"mean": 31, "change": 30, "pct30": 30, "worse": 30}
    from_0 = compute([subject("a")], [answer("a", 1, 0), answer("a", 29, 4)])
    seen = overall(from_0, "nrs7d_pct30", "Week 4")
    assert (seen["n_evaluable"], seen["median_day"]) == (0, None)
    assert overall(from_0, "nrs7d_change", "Week 4")["median_day"] == 29


def test_regression_to_the_mean_is_beside_the_change_only_with_its_settings():
    """Without the four numbers there is no line; with them it stands beside the change, and nowhere
    else.
    """
    assert compute(COHORT, ANSWERS)["rtm_expected"].null_count() == compute(COHORT, ANSWERS).height
    frame = compute(
        COHORT,
        ANSWERS,
        rtm_mean=5,
        rtm_sd=2,
        rtm_reliability=0.7,
        rtm_cutoff=4,
        rtm_source="a survey",
    )
    change = overall(frame, "nrs7d_change", "Week 4")
    assert (change["rtm_expected"], change["rtm_source"]) == (pytest.approx(-0.3054963), "a survey")
    others = frame.filter(pl.col("metric_id") != "nrs7d_change")
    assert others["rtm_expected"].null_count() == others.height


def test_small_cells_are_marked():
    """Fewer than 5 patients in a cell or its complement are marked; the counts stay true."""
    people = [subject(f"p{k}") for k in range(12)]
    answers = [
        answer(f"p{k}", ady, v) for k in range(12) for ady, v in ((1, 8), (29, 4 if k < 6 else 8))
    ]
    frame = compute(people, answers)
    assert not overall(frame, "nrs7d_pct30", "Week 4")["is_suppressed"]  # 6 of 12
    assert overall(compute(people, answers, min_cell=7), "nrs7d_pct30", "Week 4")["is_suppressed"]
    assert overall(compute(people[:8], answers[:16]), "nrs7d_pct30", "Week 4")[
        "is_suppressed"
    ]  # 6 of 8: 2 are not


def test_sustained_response_and_metrics_without_a_visit():
    """A share of all patients with evaluable assessments; the others are not evaluable."""
    answers = [*ANSWERS, answer("responds", 57, 4), answer("stays", 57, 6)]
    found = overall(compute(COHORT, answers), "sustained_response", None)
    assert (
        found["n_evaluable"],
        found["n_event"],
        found["n_not_evaluable"],
        found["estimate"],
    ) == (2, 1, 4, 0.5)


def opioids(name: str, before: float, latest: float | None) -> list[dict]:
    """A dose from 40 days before Day 1 to it, and one from Day 1 on, known for 60 days; None = care
    known to Day 1.
    """
    shared = {"patient_id": name, "kind": "opioid", "clinic_id": "c1", "source": "s"}
    day1 = datetime(2025, 1, 6, 12, tzinfo=UTC)
    first = {
        **shared,
        "care_id": f"{name}0",
        "event_id": f"{name}0",
        "daily_dose_mme": before,
        "occurred_at": day1 - timedelta(days=40),
        "ended_at": day1 - timedelta(days=1),
        "reported_through": day1,
    }
    second = {
        **shared,
        "care_id": f"{name}1",
        "event_id": f"{name}1",
        "daily_dose_mme": latest,
        "occurred_at": day1,
        "reported_through": day1 + timedelta(days=60),
    }
    return [first] if latest is None else [first, second]


def test_opioid_dose_before_and_at_the_latest_are_of_the_same_patients():
    """Doses 40 to 10 and 20 to 20 are known twice, 90 only before: means 30 and 15, change -15; one
    missing.
    """
    tables = {name: t.empty() for name, t in (CORE_TABLES | MART_TABLES).items()}
    names = ("a", "b", "c")
    doses = [(40.0, 10.0), (20.0, 20.0), (90.0, None)]
    tables["adsl"] = table(MART_TABLES["adsl"], [subject(n) for n in names])
    tables["subject_episodes"] = treatment_episodes.alone(tables["adsl"])
    tables["care"] = table(
        CORE_TABLES["care"],
        [
            row
            for n, (before, latest) in zip(names, doses, strict=True)
            for row in opioids(n, before, latest)
        ],
    )
    inputs = {
        full.split(".")[1]: tables[full.split(".")[1]] for full in MARTS["cohort_outcomes"].inputs
    }
    frame = treatment_episodes.usual(cohort_outcomes.compute(**inputs, options=Options(), cut=CUT))
    for metric, estimate in (
        ("opioid_dose_before", 30),
        ("opioid_dose_latest", 15),
        ("opioid_change", -15),
    ):
        row = overall(frame, metric, None)
        assert (
            row["estimate"],
            row["n_evaluable"],
            row["n_missing"],
            row["n_not_evaluable"],
            row["unit"],
        ) == (
            estimate,
            2,
            1,
            0,
            "MME/day",
        )


def test_change_is_never_called_an_effect():
    """Every before/after change of the catalogue says in its title that it is no effect."""
    titles = [m.title for m in METRICS.values() if m.id.endswith("_change")]
    assert titles
    assert all("a change, not an effect" in t for t in titles)


def test_nobody():
    """Without patients there are no rows, with every column."""
    assert compute([], []).schema == MART_TABLES["cohort_outcomes"].polars_schema


# --- plain re-computation -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_cohort():
    rng = np.random.default_rng(11)
    people, answers = [], []
    for k in range(60):
        name, day1 = f"p{k}", DAY1 - timedelta(days=int(rng.integers(0, 120)))
        modality = str(rng.choice(["local", "whole_body"]))
        indication = str(rng.choice(["migraine", "other"]))
        people.append(
            subject(
                name,
                day1=day1,
                clinic=f"c{rng.integers(3)}",
                modality=modality,
                indication=indication,
                arm=[None, "a", "b"][rng.integers(3)],
            )
        )
        for target in (1, 8, 29, 57, 92):
            if rng.random() < 0.7:
                ady = target + int(rng.integers(0, 6)) * (target > 1)
                answers.append(answer(name, ady, int(rng.integers(0, 11)), day1=day1))
    return people, answers, compute(people, answers)


def test_every_combination_of_the_dimensions_is_there(random_cohort):
    """The whole, each dimension and each pair, a dimension not in force null, one in force never; the key is unique."""
    frame = random_cohort[2]
    names = {
        "clinic_id": "clinic_id",
        "modality": "modality",
        "indication": "indication",
        "study_arm": "arm",
    }
    found = {tuple(s) for s in frame["strata"].to_list()}
    assert found == {c for size in range(3) for c in combinations(names, size)}
    for name, column in names.items():
        assert frame.filter(
            pl.col("strata").list.contains(name) == pl.col(column).is_null()
        ).is_empty()
    assert frame.filter(pl.col("study_id").is_null() != pl.col("arm").is_null()).is_empty()
    assert check_table(MART_TABLES["cohort_outcomes"], frame)["is_passed"].all()


def test_a_plain_recomputation_agrees(random_cohort):
    """Loops over patients give the same counts and estimates, in every stratum and visit, for 30 %
    and the change.
    """
    people, answers, frame = random_cohort
    closes = {"Week 1": 14, "Week 4": 42, "Week 8": 70, "Month 3": 136}
    starts = {"Week 1": 2, "Week 4": 15, "Week 8": 43, "Month 3": 71}
    by_patient = {p["USUBJID"]: {} for p in people}
    for a in answers:
        day1 = next(p["DAY1DT"] for p in people if p["USUBJID"] == a["patient_id"])
        by_patient[a["patient_id"]][(a["answered_at"].date() - day1).days + 1] = float(
            a["items"].split(":")[1][:-1]
        )
    checked = 0
    columns = (
        ("clinic_id", "SITEID"),
        ("modality", "MODALITY"),
        ("indication", "INDICATN"),
        ("arm", "ARM"),
    )
    rows = frame.filter(pl.col("metric_id").is_in(["nrs7d_pct30", "nrs7d_change"])).iter_rows(
        named=True
    )
    for row in rows:
        chosen = [
            p
            for p in people
            if all(row[d] is None or row[d] == (p[c] or "(none)") for d, c in columns)
        ]
        last = closes[row["visit"]]
        due = [p for p in chosen if p["DAY1DT"] + timedelta(days=last - 1) < CUT.data_cutoff.date()]
        changes, responses, missing, unevaluable = [], [], 0, 0
        for p in due:
            values = by_patient[p["USUBJID"]]
            base = values.get(1)
            at = [v for ady, v in values.items() if starts[row["visit"]] <= ady <= last]
            if base is None or (base == 0 and row["metric_id"] == "nrs7d_pct30"):
                unevaluable += 1
            elif not at:
                missing += 1
            else:
                changes.append(at[0] - base)
                responses.append(10 * (base - at[0]) >= 3 * base)
        assert (row["n_patients"], row["n_due"]) == (len(chosen), len(due))
        assert (row["n_evaluable"], row["n_missing"], row["n_not_evaluable"]) == (
            len(changes),
            missing,
            unevaluable,
        )
        if row["metric_id"] == "nrs7d_change" and changes:
            assert row["estimate"] == pytest.approx(np.mean(changes))
        if row["metric_id"] == "nrs7d_pct30":
            n = len(changes) + (missing if row["population"] == "missing_as_nonresponder" else 0)
            assert row["n_event"] == sum(responses)
            assert row["estimate"] == (pytest.approx(sum(responses) / n) if n else None)
        checked += 1
    assert checked > 500


def test_order_of_the_input_changes_nothing(random_cohort):
    """The same patients and answers in another order give the same rows."""
    people, answers, frame = random_cohort
    assert_frame_equal(compute(people[::-1], answers[::-1]), frame)
    assert cohort_outcomes.TABLE.key[0] == "metric_id"
