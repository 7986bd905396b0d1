"""A summary of which those strata alone are computed in which something changed equals one that is
computed whole.

Here: the pure functions, of records that come late, patients who move and what couples strata. Not
here: whom a change touches in a lake (tests/orchestration/test_following.py).
"""

import random
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ingest.simulate import Plan, simulate
from tests.computed import OPTIONS, computed
from tests.transforms.marts.test_strata_asked import marts_behind
from transforms.facts.strata import STRATUM_COLUMNS
from transforms.marts import MARTS
from transforms.marts.by_stratum import brought_forward, strata_of
from transforms.options import Cut

LANDED = datetime(2026, 12, 1, tzinfo=UTC)
FOLLOWING = [name for name, mart in MARTS.items() if mart.coupled]
PLAN = Plan(clinics=6, patients=30, days=120, seed=5, with_readings=False, with_telemetry=False)
LATE = ("floe.responses.v1", "floe.sessions.v1", "floe.care.v1")
_PATIENTS = ("USUBJID", "patient_id")


@pytest.fixture(scope="module")
def records() -> list[tuple]:
    return list(simulate(PLAN))


@pytest.fixture(scope="module")
def cut(records) -> Cut:
    tables = computed(records, landed=LANDED, marts=())
    return Cut(lake_snapshot=1, data_cutoff=tables["core.data_cut"]["data_cutoff"][0])


def state(records: list[tuple], cut: Cut) -> dict[str, pl.DataFrame]:
    marts = marts_behind(FOLLOWING)
    return computed(records, landed=LANDED, marts=marts, data_cutoff=cut.data_cutoff)


def inputs_of(tables: dict[str, pl.DataFrame], name: str) -> dict[str, pl.DataFrame]:
    return {full_name.split(".")[1]: tables[full_name] for full_name in MARTS[name].inputs}


def touched(before: dict[str, pl.DataFrame], now: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The patients of whom a row came, changed or went."""
    parts = [pl.DataFrame(schema={"patient_id": pl.String})]
    for name, frame in now.items():
        whose = next((c for c in _PATIENTS if c in frame.columns), None)
        if whose:
            pair = (before[name], frame)
            for one, other in (pair, pair[::-1]):
                parts.append(
                    one.join(other, on=one.columns, how="anti", nulls_equal=True).select(
                        patient_id=whose
                    )
                )
    return pl.concat(parts).unique()


@pytest.fixture(scope="module")
def now(records, cut):
    return state(records, cut)


@pytest.mark.parametrize("name", FOLLOWING)
@pytest.mark.parametrize("seed", range(2))
def test_late_records_of_a_few_patients(records, cut, now, name, seed):
    """Some of two patients' answers, sessions and care came later than all else."""
    chance = random.Random(seed)
    keys = sorted({key for topic, key, _ in records if topic == "floe.responses.v1"})
    late = set(chance.sample(keys, 2))
    own = [k for k, (topic, key, _) in enumerate(records) if key in late and topic in LATE]
    later = set(chance.sample(own, 6))
    early = [record for k, record in enumerate(records) if k not in later]
    before = state(early, cut)
    mart = MARTS[name]
    then, given = inputs_of(before, name), inputs_of(now, name)
    pairs = zip(*(mart.coupled(**i, options=OPTIONS) for i in (then, given)), strict=True)
    assert all(one.equals(other) for one, other in pairs), (
        "choose other seeds: it is computed whole"
    )
    patients = touched(then, given)
    assert 0 < patients.height <= 2
    strata = strata_of(patients, then, given)
    stored = before[f"mart.{name}"]
    rows, keys = brought_forward(
        mart, stored=stored, touched=strata, inputs=given, options=OPTIONS, cut=cut
    )
    assert 0 < keys.height < now[f"mart.{name}"].select(STRATUM_COLUMNS).n_unique()
    kept = stored.join(keys, on=STRATUM_COLUMNS, how="anti", nulls_equal=True)
    order = [c for c in mart.table.key if c != "strata"]
    found, expected = (
        f.sort(*order, nulls_last=True) for f in (pl.concat([kept, rows]), now[f"mart.{name}"])
    )
    assert_frame_equal(found, expected, rel_tol=1e-9)
    assert seed or not stored.equals(now[f"mart.{name}"])  # of the first seed figures change
