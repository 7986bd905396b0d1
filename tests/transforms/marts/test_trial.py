"""The real trial's published table (Vickers 2004, BMJ 328:744) through adqs and arm_comparisons."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.rules import studies
from transforms.schemas import CORE_TABLES, TIMESTAMP

TRIAL = Path(__file__).parents[4] / "shared" / "data" / "acupuncture.ndjson"
CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2003, 1, 1, tzinfo=UTC))


def events(topic: str) -> list[dict]:
    if not TRIAL.exists():
        pytest.skip(f"{TRIAL.name} is not there")
    lines = (json.loads(line) for line in TRIAL.read_text().splitlines())
    return [line["value"] for line in lines if line["topic"] == f"floe.{topic}.v1"]


def core(topic: str) -> pl.DataFrame:
    """A table of core made of the file's events of one topic, each event as it is: the trial has no
    revisions.
    """
    table = CORE_TABLES[topic]
    rows = [
        e["data"] | {"event_id": e["id"], "source": e["source"], "event_time": e["time"]}
        for e in events(topic)
    ]
    rows = [
        {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()} for row in rows
    ]
    present = [c for c in table.columns if any(c.name in row for row in rows)]
    frame = pl.DataFrame(
        [{c.name: row.get(c.name) for c in present} for row in rows], infer_schema_length=None
    )
    parsed = [_parse(c) for c in present]
    missing = [
        pl.lit(None, dtype=c.polars).alias(c.name) for c in table.columns if c not in present
    ]
    return table.conform(frame.with_columns(*parsed, *missing))


def _parse(column) -> pl.Expr:
    if column.dtype == TIMESTAMP:
        return pl.col(column.name).str.to_datetime(time_zone="UTC", time_unit="us")
    return pl.col(column.name).str.to_date() if column.dtype == pl.Date else pl.col(column.name)


@pytest.fixture(scope="module")
def trial() -> dict[str, pl.DataFrame]:
    """The marts of the trial; `cut` is long after it, so that every window has closed."""
    tables = {name: CORE_TABLES[name].empty() for name in CORE_TABLES}
    tables |= {topic: core(topic) for topic in ("clinics", "patients", "responses")}
    tables["study_enrolments"] = studies.enrolments(tables["study_enrolments"], tables["patients"])
    for name in ("adsl", "adex", "subject_episodes", "adqs", "arm_comparisons"):
        mart = MARTS[name]
        inputs = {full.split(".")[1]: tables[full.split(".")[1]] for full in mart.inputs}
        keys = () if mart.is_summary else (None,)
        tables[name] = mart.compute(*keys, **inputs, options=Options(), cut=CUT)
    return tables


def one(trial: dict, **where) -> dict:
    frame = trial["arm_comparisons"].filter(arm="acupuncture", reference_arm="control")
    frame = frame.filter(*[pl.col(k).eq_missing(pl.lit(v)) for k, v in where.items()])
    assert frame.height == 1, frame
    return frame.row(0, named=True)


ANCOVA = {"method": "ancova", "criterion": None}


@pytest.mark.parametrize(
    ("parameter", "visit", "indication", "estimate", "lower", "upper", "n_arm", "n_reference"),
    [
        ("PAINIDX", "Month 12", None, -4.60, -7.05, -2.16, 161, 140),
        ("PAINDAYS", "Month 12", None, -1.76, -2.93, -0.60, 161, 140),
        ("PAINIDX", "Month 3", None, -4.18, -6.60, -1.76, 173, 153),
        ("PAINIDX", "Month 12", "migraine", -4.9, -7.5, -2.4, 152, 132),
    ],
)
def test_adjusted_differences_are_those_printed(
    trial, parameter, visit, indication, estimate, lower, upper, n_arm, n_reference
):
    """Least squares on arm, baseline, age, sex, diagnosis, chronicity and site; arm minus
    reference, as printed.
    """
    row = one(trial, parameter=parameter, visit=visit, indication=indication, **ANCOVA)
    digits = 1 if indication else 2
    assert [round(row[c], digits) for c in ("estimate", "ci_lower", "ci_upper")] == [
        estimate,
        lower,
        upper,
    ]
    if indication is None:
        assert (row["n_arm"], row["n_reference"]) == (n_arm, n_reference)
    assert row["p_value"] is not None


@pytest.mark.parametrize(
    ("parameter", "criterion", "x_arm", "x_reference", "estimate", "lower", "upper"),
    [
        ("PAINIDX", "PCTX", 87, 45, 0.22, 0.11, 0.33),
        ("PAINDAYS", "PCT50", 49, 21, 0.15, 0.06, 0.25),
    ],
)
def test_responders_are_those_printed(
    trial, parameter, criterion, x_arm, x_reference, estimate, lower, upper
):
    """35 % better score and 50 % fewer days at 12 months, completers; the printed intervals are
    Wald's.
    """
    row = one(
        trial,
        parameter=parameter,
        visit="Month 12",
        criterion=criterion,
        population="completers",
        indication=None,
    )
    assert (row["x_arm"], row["n_arm"], row["x_reference"], row["n_reference"]) == (
        x_arm,
        161,
        x_reference,
        140,
    )
    assert [round(row[c], 2) for c in ("estimate", "wald_lower", "wald_upper")] == [
        estimate,
        lower,
        upper,
    ]
    assert row["ci_lower"] > row["wald_lower"] - 0.01


def test_three_months_of_those_with_a_last_visit(trial):
    """As the paper prints it, 159 v 136 and -3.9 (-6.3 to -1.6): a row of its own, only where the
    setting asks for it.
    """
    mart = MARTS["arm_comparisons"]
    inputs = {full.split(".")[1]: trial[full.split(".")[1]] for full in mart.inputs}
    frame = mart.compute(**inputs, options=Options(completers_of_last_visit=True), cut=CUT)
    part = {"population": "completers_of_last_visit"}
    row = one(
        {"arm_comparisons": frame}, parameter="PAINIDX", visit="Month 3", indication=None, **part
    )
    assert [round(row[c], 1) for c in ("estimate", "ci_lower", "ci_upper")] == [-3.9, -6.3, -1.6]
    assert (row["n_arm"], row["n_reference"], round(row["p_value"], 3)) == (159, 136, 0.001)
    assert trial["arm_comparisons"].filter(**part).is_empty()


def test_means_of_the_arms_stand_beside_the_difference(trial):
    """Least-squares means of the score at 12 months: their difference is the adjusted one,
    -4.60.
    """
    row = one(trial, parameter="PAINIDX", visit="Month 12", indication=None, **ANCOVA)
    assert round(row["lsmean_arm"] - row["lsmean_reference"], 2) == -4.60
    assert row["lsmean_reference_lower"] < row["lsmean_reference"] < row["lsmean_reference_upper"]


def test_missing_counts_as_no_response(trial):
    """With everyone due, the denominators are all 205 and 196 patients and the responders stay the
    same.
    """
    where = {"parameter": "PAINDAYS", "visit": "Month 12", "criterion": "PCT50", "indication": None}
    row = one(trial, population="missing_as_nonresponder", **where)
    assert (row["x_arm"], row["n_arm"], row["x_reference"], row["n_reference"]) == (
        49,
        205,
        21,
        196,
    )
    assert row["estimate"] == pytest.approx(49 / 205 - 21 / 196)


def test_one_row_an_assessment(trial):
    """The file has 2,056 responses of one answer each: so many rows, each counting for its
    visit.
    """
    adqs = trial["adqs"]
    assert adqs.height == 2056
    counted = adqs.filter(ANL01FL="Y").group_by("PARAMCD", "AVISIT").len()
    expected = {"Baseline": 401, "Month 3": 326, "Month 12": 301}
    assert {(r[0], r[1]): r[2] for r in counted.iter_rows()} == {
        (code, visit): n for code in ("PAINIDX", "PAINDAYS") for visit, n in expected.items()
    }


def test_means_are_those_printed(trial):
    """Score at baseline 24.6 (14.1) v 26.7 (16.8) and at 12 months 16.2 (13.7) v 22.3 (17.0), of
    those with both.
    """
    adqs = (
        trial["adqs"]
        .filter(PARAMCD="PAINIDX", ANL01FL="Y")
        .join(trial["adsl"].select("USUBJID", "ARM"), on="USUBJID")
    )
    adqs = adqs.join(adqs.filter(AVISIT="Month 12"), on="USUBJID", how="semi")
    means = adqs.group_by("ARM", "AVISIT").agg(
        pl.col("AVAL").mean().round(1), sd=pl.col("AVAL").std().round(1)
    )
    found = {(arm, visit): (mean, sd) for arm, visit, mean, sd in means.iter_rows()}
    assert found["acupuncture", "Baseline"] == (24.6, 14.1)
    assert found["control", "Baseline"] == (26.7, 16.8)
    assert found["acupuncture", "Month 12"] == (16.2, 13.7)
    assert found["control", "Month 12"] == (22.3, 17.0)


def test_all_visits_modelled_together_agree(trial):
    """The repeated-measures model of both visits is near the analysis of covariance of each, and
    says so by method.
    """
    for visit, estimate in (("Month 3", -4.18), ("Month 12", -4.60)):
        row = one(trial, parameter="PAINIDX", visit=visit, indication=None, method="mmrm")
        assert abs(row["estimate"] - estimate) < 0.2
        assert (row["reason"], row["population"]) == (None, "observed")


def test_subgroups_are_named_in_their_population(trial):
    """Who reads without `indication` never mixes a subgroup in: its population names it."""
    frame = trial["arm_comparisons"]
    assert (
        frame.filter(population="completers")["indication"].null_count()
        == frame.filter(population="completers").height
    )
    assert set(frame["indication"].drop_nulls()) == {"migraine", "other"}
