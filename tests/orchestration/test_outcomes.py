"""`floe outcomes` on a lake: any stratum, stored or not, and what it refuses.

Here: the question and what is printed. Not here: the counting
(tests/transforms/marts/test_estimands.py).
"""

import csv
import io
from datetime import UTC, datetime

import orjson
import polars as pl
import pytest

from ingest.lake import Lake
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.outcomes import Asked, print_outcomes
from tests.computed import computed
from transforms.errors import Missing, UsageError
from transforms.marts import MARTS, outcomes_asked
from transforms.schemas import CORE_TABLES, MART_TABLES

LANDED = datetime(2026, 12, 1, tzinfo=UTC)
PATIENTS = 24


def marts_behind(names: list[str]) -> list[str]:
    """These marts and those that they are computed from."""
    wanted = list(names)
    for name in wanted:
        behind = [i.removeprefix("mart.") for i in MARTS[name].inputs if i.startswith("mart.")]
        wanted += [mart for mart in behind if mart not in wanted]
    return wanted


@pytest.fixture(scope="module")
def home(tmp_path_factory, with_lake) -> Settings:
    """A home with the tables that are asked, of simulated clinics."""
    home = with_lake(tmp_path_factory.mktemp("outcomes") / "home")
    settings = Settings(home=home, kafka_bootstrap="", catalog="", data="")
    marts = [n.removeprefix("mart.") for n in outcomes_asked.INPUTS if n.startswith("mart.")]
    plan = Plan(
        clinics=2,
        patients=PATIENTS,
        days=150,
        seed=3,
        with_readings=False,
        with_telemetry=False,
    )
    records = simulate(plan)
    tables = computed(records, landed=LANDED, marts=marts_behind([*marts, "cohort_outcomes"]))
    described = {t.full_name: t for t in (*CORE_TABLES.values(), *MART_TABLES.values())}
    stored = {*outcomes_asked.INPUTS, "core.data_cut", "mart.cohort_outcomes"}
    with Lake.open(settings) as lake:
        lake.write(lambda w: [w.replace(described[n], tables[n]) for n in sorted(stored)])
    return settings


def asked(home, capsys, format: str = "json", **question) -> str:
    stratum = question.pop("stratum", {})
    print_outcomes(home, Asked(stratum=stratum, **question), format=format)
    return capsys.readouterr().out


def test_a_stored_stratum_is_what_the_mart_holds(home, capsys):
    """The same function on the same tables: the same rows."""
    printed = orjson.loads(asked(home, capsys, stratum={"clinic_id": "C3-01"}, visit="Week 4"))
    with Lake.open(home, read_only=True) as lake:
        stored = lake.table(
            "mart.cohort_outcomes",
            where="strata = ['clinic_id'] AND clinic_id = 'C3-01' AND visit = 'Week 4' AND episode = 'first'",
        )
    key = ["metric_id", "population", "strategy"]
    values = [*key, "n_due", "n_evaluable", "n_missing", "estimate", "ci_lower", "ci_upper"]
    rows = pl.DataFrame(printed, infer_schema_length=None).select(values)
    joined = rows.join(stored.select(values), on=key, how="left", nulls_equal=True)
    assert joined.height == rows.height > 10
    for name in values[3:]:
        assert joined[name].to_list() == pytest.approx(
            joined[f"{name}_right"].to_list(), nan_ok=True
        )


def test_finer_than_what_is_stored(home, capsys):
    """Three dimensions add up to two of them: nobody is lost or counted twice."""
    common = {"metric": "nrs7d_mean", "visit": "Baseline"}
    place = {"clinic_id": "C3-01", "study_id": "ROUTINE"}
    whole = orjson.loads(asked(home, capsys, stratum=place, **common))
    with Lake.open(home, read_only=True) as lake:
        modalities = lake.sql("SELECT DISTINCT MODALITY AS m FROM mart.adsl WHERE m IS NOT NULL")
    parts = [
        row["n_due"]
        for m in modalities["m"]
        for row in orjson.loads(asked(home, capsys, stratum=place | {"modality": m}, **common))
    ]
    assert sum(row["n_due"] for row in whole) == sum(parts) > 0


def test_a_table_is_narrow_and_says_whose_outcomes_these_are(home, capsys):
    """On a terminal: the columns that say something; CSV has all."""
    print_outcomes(home, Asked(stratum={}, metric="nrs7d_mean", episode="latest"), format="table")
    printed = capsys.readouterr()
    assert "latest treatment episodes" in printed.err
    assert "n_event" not in printed.out
    whole = asked(home, capsys, format="csv", metric="nrs7d_mean")
    assert set(next(csv.reader(io.StringIO(whole)))) == set(MART_TABLES["cohort_outcomes"].names)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"metric": "pain"}, "found the metric 'pain'"),
        ({"episode": "second"}, "found the episode 'second', expected first, latest, all"),
        ({"strategy": "none"}, "found the strategy 'none'"),
        ({"stratum": {"arm": "control"}}, "found --arm without --study"),
        (
            {"stratum": {"clinic_id": "hudson"}},
            "found the clinic 'hudson', expected one of the lake",
        ),
        ({"stratum": {"modality": "laser"}}, "found the modality 'laser'"),
    ],
)
def test_what_is_refused(home, capsys, question, sentence):
    """A name that nobody has is told, with those that there are; it is no empty answer."""
    with pytest.raises(UsageError, match=sentence):
        asked(home, capsys, **question)


def test_before_the_first_materialisation(tmp_path, with_lake, capsys):
    """An empty lake has no outcomes yet, and says what computes them."""
    home = Settings(home=with_lake(tmp_path / "home"), kafka_bootstrap="", catalog="", data="")
    with pytest.raises(Missing, match="floe materialize computes them"):
        asked(home, capsys)
