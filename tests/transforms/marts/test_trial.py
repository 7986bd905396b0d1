"""The real trial's published table (Vickers 2004, BMJ 328:744) through adqs and arm_comparisons."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from transforms.marts import adqs, arm_comparisons
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

TRIAL = Path(__file__).parents[4] / "shared" / "data" / "acupuncture.ndjson"
CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2003, 1, 1, tzinfo=UTC))


def events(topic: str) -> list[dict]:
    if not TRIAL.exists():
        pytest.skip(f"{TRIAL.name} is not there")
    lines = (json.loads(line) for line in TRIAL.read_text().splitlines())
    return [line["value"] for line in lines if line["topic"] == f"floe.{topic}.v1"]


def core_responses() -> pl.DataFrame:
    rows = [e["data"] | {"event_id": e["id"], "source": e["source"]} for e in events("responses")]
    frame = pl.DataFrame([{**r, "items": json.dumps(r["items"])} for r in rows])
    frame = frame.with_columns(
        answered_at=pl.col("answered_at").str.to_datetime(time_zone="UTC", time_unit="us")
    )
    return fill(frame, CORE_TABLES["responses"])


def fill(frame: pl.DataFrame, table) -> pl.DataFrame:
    missing = [
        pl.lit(None, dtype=c.polars).alias(c.name) for c in table.columns if c.name not in frame.columns
    ]
    return table.conform(frame.with_columns(missing))


def subjects() -> pl.DataFrame:
    patients = pl.DataFrame([e["data"] for e in events("patients")], infer_schema_length=None)
    day = pl.col("allocated_on").str.to_date()
    frame = patients.select(
        STUDYID=pl.lit("/trials/acupuncture"), USUBJID="patient_id", SITEID="clinic_id", ARM="arm",
        AGE=(day.dt.year() - pl.col("birth_year")).cast(pl.Float64), INDICATN="indication",
        SEX=pl.col("sex").replace_strict({"female": "F", "male": "M"}), PAINDUR="pain_duration_months",
        ALLOCATN="allocation", ALLOCDT=day, ENRLDT=pl.col("enrolled_on").str.to_date(),
        DAY1DT=pl.col("enrolled_on").str.to_date(), TIMEZONE=pl.lit("Europe/London"), NSESS=pl.lit(0),
    )  # fmt: skip
    return fill(frame, MART_TABLES["adsl"])


@pytest.fixture(scope="module")
def trial() -> dict[str, pl.DataFrame]:
    clinics = fill(pl.DataFrame([e["data"] for e in events("clinics")]), CORE_TABLES["clinics"])
    adsl, sessions = subjects(), CORE_TABLES["sessions"].empty()
    marts = {"adsl": adsl}
    marts["adqs"] = adqs.compute(
        None,
        responses=core_responses(),
        sessions=sessions,
        clinics=clinics,
        adsl=adsl,
        options=Options(),
        cut=CUT,
    )
    marts["arms"] = arm_comparisons.compute(adqs=marts["adqs"], adsl=adsl, options=Options(), cut=CUT)
    return marts


def one(trial: dict, **where) -> dict:
    frame = trial["arms"].filter(arm="acupuncture", reference_arm="control")
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
    """Least squares on arm, baseline, age, sex, diagnosis, chronicity and site, arm minus reference, to the printed digit."""
    row = one(trial, parameter=parameter, visit=visit, indication=indication, **ANCOVA)
    digits = 1 if indication else 2
    assert [round(row[c], digits) for c in ("estimate", "ci_lower", "ci_upper")] == [estimate, lower, upper]
    if indication is None:
        assert (row["n_arm"], row["n_reference"]) == (n_arm, n_reference)
