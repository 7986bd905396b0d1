"""Rows of mart.cohort_outcomes about other care: paired use, what stopped and started, procedures
in known time.
"""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from transforms.checks import check_table
from transforms.marts import MARTS, cohort_care
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.statistics.rates import poisson_rate

DAY1 = date(2025, 3, 3)
T0 = datetime(2025, 3, 3, 12, tzinfo=UTC)
CUT = Cut(lake_snapshot=1, data_cutoff=T0 + timedelta(days=400))
STRATA = {
    "clinic_id": "SITEID",
    "modality": "MODALITY",
    "indication": "INDICATN",
    "study_id": "STUDYID",
    "arm": "ARM",
}


def frame(schema, rows):
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def subject(name, *, clinic="c", died=None):
    return {
        "STUDYID": "s",
        "USUBJID": name,
        "SITEID": clinic,
        "MODALITY": "local",
        "INDICATN": "other",
        "NSESS": 0,
        "DAY1DT": DAY1,
        "DTHDT": died and DAY1 + timedelta(days=died),
    }


def record(name, day, kind="none_since_last", *, through=None, until=None):
    """A record of care on `day` from Day 1, known `through` (else that day), lasting `until`."""
    moment = lambda d: None if d is None else T0 + timedelta(days=d)  # noqa: E731
    return {
        "care_id": f"{name}{day}{kind}",
        "patient_id": name,
        "kind": kind,
        "occurred_at": moment(day),
        "ended_at": moment(until),
        "reported_through": moment(day if through is None else through),
    }


def compute(people, care):
    tables = {name: t.empty() for name, t in (CORE_TABLES | MART_TABLES).items()}
    tables |= {"adsl": frame(MART_TABLES["adsl"], people), "care": frame(CORE_TABLES["care"], care)}
    for name in ("patient_outcomes", "cohort_outcomes"):
        mart = MARTS[name]
        inputs = {n.split(".")[1]: tables[n.split(".")[1]] for n in mart.inputs}
        given = () if mart.is_summary else (None,)
        tables[name] = mart.compute(*given, **inputs, options=Options(), cut=CUT)
    return tables["cohort_outcomes"]


def overall(people, care):
    rows = compute(people, care).filter(pl.col("strata").list.len() == 0)
    return {r["metric_id"]: r for r in rows.to_dicts()}


COUNTS = ("n_patients", "n_evaluable", "n_missing", "n_not_evaluable", "n_event")
USERS = [
    record("stops", -10, "opioid", until=20),
    record("stops", 90),
    record("stays", -10, "opioid"),
    record("stays", 90, "visit"),
    record("starts", -10),
    record("starts", 80, "opioid", through=90),
    record("never", -10),
    record("never", 90),
    record("late", 5, "opioid", through=90),  # nothing is known of before Day 1
    record("short", -10, "opioid", through=10),  # the last 28 known days do not all lie after Day 1
]
NAMES = ("stops", "stays", "starts", "never", "late", "short", "unasked")


def test_use_is_counted_of_the_same_patients_before_and_after():
    """Of 7 patients 4 are known in both windows: 2 of 4 before, 2 of 4 at the latest; 1 of 2
    stopped, 1 of 2 started. Who is known in one window only, or in none, is missing.
    """
    rows = overall([subject(n) for n in NAMES], USERS)
    assert [rows["opioid_use_before"][c] for c in COUNTS] == [7, 4, 3, 0, 2]
    assert [rows["opioid_use_latest"][c] for c in COUNTS] == [7, 4, 3, 0, 2]
    assert [rows["opioid_use_stopped"][c] for c in COUNTS] == [7, 2, 3, 2, 1]
    assert [rows["opioid_use_started"][c] for c in COUNTS] == [7, 2, 3, 2, 1]
    assert rows["opioid_use_stopped"]["estimate"] == 0.5
    assert [rows["analgesic_use_stopped"][c] for c in COUNTS] == [7, 0, 3, 4, 0]
    assert rows["analgesic_use_stopped"]["reason"] == cohort_care.NO_USER


def test_care_that_is_not_known_gives_no_share():
    """Nobody known in both windows: no estimate, and why; without any record no rate either."""
    rows = overall(
        [subject("late"), subject("unasked")], [r for r in USERS if r["patient_id"] == "late"]
    )
    assert (rows["opioid_use_before"]["estimate"], rows["opioid_use_before"]["reason"]) == (
        None,
        cohort_care.NOT_KNOWN,
    )
    rows = overall([subject("unasked")], [])
    rate = rows["surgeries_per_100_patient_years"]
    assert (rate["estimate"], rate["n_missing"], rate["reason"]) == (None, 1, cohort_care.NO_TIME)


def test_procedures_per_100_patient_years_of_known_care():
    """Known 0 to 99 and, ended by death, 0 to 49: 150 days. Two injections, one on Day 1; those
    before Day 1, after death and after what was reported do not count. No surgery: 0 with Garwood's
    upper limit.
    """
    care = [
        record("a", -3, "injection"),
        record("a", 0, "injection"),
        record("a", 60, "injection", through=99),
        {**record("a", 120, "injection"), "reported_through": None},
        record("b", 10, through=80),
        record("b", 70, "injection", through=80),
    ]
    rows = overall([subject("a"), subject("b", died=49), subject("unasked")], care)
    rate, none = rows["injections_per_100_patient_years"], rows["surgeries_per_100_patient_years"]
    years = 150 / 365.25
    assert [rate[c] for c in COUNTS] == [3, 2, 1, 0, 2]
    assert rate["patient_years"] == pytest.approx(years)
    for row, events in ((rate, 2), (none, 0)):
        exact = poisson_rate(events, years)
        found = (row["estimate"], row["ci_lower"], row["ci_upper"])
        assert found == pytest.approx((exact.estimate, exact.lower, exact.upper))
    assert none["ci_upper"] == pytest.approx(100 * 3.688879 / years, rel=1e-6)


@pytest.fixture(scope="module")
def random_care():
    rng = np.random.default_rng(8)
    people = [subject(f"p{k}", clinic=f"c{rng.integers(3)}", died=None) for k in range(40)]
    care = []
    for p in people:
        for k, day in enumerate(
            sorted(rng.choice(np.arange(-40, 200), size=rng.integers(0, 7), replace=False))
        ):
            kind = str(rng.choice(["opioid", "analgesic", "injection", "surgery", "visit"]))
            until = int(day) + int(rng.integers(0, 40)) if kind in ("opioid", "analgesic") else None
            care.append({**record(p["USUBJID"], int(day), kind, until=until), "code": f"code {k}"})
    return people, care, compute(people, care)


def test_a_plain_recount_agrees(random_care):
    """Day by day, in every stratum: who took what in which window, and procedures by known days."""
    people, care, rows = random_care
    of = {p["USUBJID"]: [r for r in care if r["patient_id"] == p["USUBJID"]] for p in people}
    day = lambda moment: (moment.date() - DAY1).days  # noqa: E731

    def windows(name):
        if not of[name]:
            return None
        known = (
            min(day(r["occurred_at"]) for r in of[name]),
            max(day(r["reported_through"]) for r in of[name]),
        )
        if not known[0] <= -1 <= known[1] or known[1] - 27 < max(0, known[0]):
            return None
        return range(-28, 0), range(known[1] - 27, known[1] + 1)

    def takes(name, kind, days):
        spans = [
            range(day(r["occurred_at"]), day(r["ended_at"]) + 1)
            for r in of[name]
            if r["kind"] == kind
        ]
        return any(d in span for span in spans for d in days)

    seen = 0
    for row in rows.filter(pl.col("metric_id").str.contains("_use_|_per_100")).iter_rows(
        named=True
    ):
        chosen = [
            p["USUBJID"]
            for p in people
            if all(row[d] in (None, p.get(c) or "(none)") for d, c in STRATA.items())
        ]
        if row["patient_years"] is not None or "_per_100" in row["metric_id"]:
            kind = {"injections": "injection", "surgeries": "surgery"}[
                row["metric_id"].split("_")[0]
            ]
            through = {
                n: max([day(r["reported_through"]) for r in of[n]], default=-1) for n in chosen
            }
            events = sum(
                r["kind"] == kind and day(r["occurred_at"]) >= 0 for n in chosen for r in of[n]
            )
            assert row["n_event"] == events
            assert row["patient_years"] == pytest.approx(
                sum(max(t + 1, 0) for t in through.values()) / 365.25
            )
        else:
            kind, _, which = row["metric_id"].split("_")
            known = {n: windows(n) for n in chosen if windows(n)}
            used = {n: [takes(n, kind, w) for w in both] for n, both in known.items()}
            meant = [
                n
                for n in known
                if {"stopped": used[n][0], "started": not used[n][0]}.get(which, True)
            ]
            hit = {
                "before": lambda u: u[0],
                "latest": lambda u: u[1],
                "stopped": lambda u: not u[1],
                "started": lambda u: u[1],
            }[which]
            assert (row["n_evaluable"], row["n_event"]) == (
                len(meant),
                sum(hit(used[n]) for n in meant),
            )
            assert row["n_missing"] == len(chosen) - len(known)
        seen += 1
    assert seen > 100
    assert check_table(MART_TABLES["cohort_outcomes"], rows)["is_passed"].all()
