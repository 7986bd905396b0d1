"""Two computations of the same raw give the same values, whatever the order of its rows and however
many threads.

Here: all of core and mart of simulated clinics, twice. Not here: what the values must be.
"""

from datetime import UTC, datetime

import polars as pl
import pytest

from ingest.simulate import Plan, simulate
from tests.computed import computed
from transforms.core import CORE
from transforms.marts import MARTS

LANDED = datetime(2027, 6, 1, tzinfo=UTC)
PLAN = Plan(
    patients=30, days=45, seed=5, clinics=3, study_share=0.3, duplicates_share=0.02, late_share=0.05
)
TABLES = [f"core.{name}" for name in CORE] + [f"mart.{name}" for name in MARTS]


@pytest.fixture(scope="module")
def twice():
    """Every table, computed by one thread of raw as it landed, and by four of raw shuffled."""
    records = list(simulate(PLAN))
    return computed(records, landed=LANDED), computed(records, landed=LANDED, threads=4, shuffle=1)


@pytest.mark.parametrize("name", TABLES)
def test_the_same_raw_gives_the_same_values(twice, name):
    """To the last digit: a sum of floating-point numbers is taken in one order. Rows may stand in
    any.
    """
    one, other = (_in_order(tables[name]) for tables in twice)
    differing = [column for column in one.columns if not one[column].equals(other[column])]
    assert (one.height, differing) == (other.height, [])


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    plain = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
    return frame.sort(plain, nulls_last=True)
