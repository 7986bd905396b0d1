"""Order and copies change nothing: what landed in no order and many times over gives the same tables.

Here: every table of core and mart of both. Not here: what must be in them
(tests/end_to_end/test_simulated_clinics.py).
"""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transforms.schemas import CORE_TABLES, MART_TABLES

# What says where and when something landed or was computed, which a second run may do elsewhere and
# later
STAMPS = (
    "kafka_topic_id",
    "kafka_partition",
    "kafka_offset",
    "ingested_at",
    "lake_snapshot",
    "checked_at",
    "restated_at",
)
# Alerts are about positions of unreadable records; the cut is a stamp as a whole
OF_A_RUN = ("core.alerts", "mart.alerts", "core.data_cut", "mart.check_results")
TABLES = [
    t.full_name
    for t in (*CORE_TABLES.values(), *MART_TABLES.values())
    if t.full_name not in OF_A_RUN
]

pytestmark = pytest.mark.timeout(900)  # whoever comes first waits for two whole systems


@pytest.fixture(scope="module")
def tables(clinics) -> dict[str, pl.DataFrame]:
    """Every table of core and mart."""
    with clinics.lake() as lake:
        return {name: lake.table(name) for name in TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_order_and_copies_change_nothing(tables, busy, name):
    """The same records in no order, sent many times, computed while they came in, then as a whole:
    the same table.

    But for stamps, and the last digits of sums of fractions, which depend on their order.
    """
    with busy.lake() as lake:
        found = lake.table(name)
    expected, found = (comparable(frame) for frame in (tables[name], found))
    assert_frame_equal(found, expected, check_exact=False, rel_tol=1e-12, abs_tol=1e-12)


def comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """Without stamps, in an order of its own; the sign of a zero in a text is not content."""
    frame = frame.drop([c for c in STAMPS if c in frame.columns])
    if "differs" in frame.columns:
        frame = frame.with_columns(pl.col("differs").str.replace_all(r"-0\.0([,\]])", "0.0${1}"))
    fractions = [
        pl.col(c).round_sig_figs(9).alias(f"_{c}")
        for c, dtype in frame.schema.items()
        if dtype.is_float()
    ]
    plain = [
        c for c, dtype in frame.schema.items() if not dtype.is_nested() and not dtype.is_float()
    ]
    ordered = (
        frame.unique()
        .with_columns(fractions)
        .sort(*plain, *(e.meta.output_name() for e in fractions))
    )
    return ordered.select(frame.columns)
