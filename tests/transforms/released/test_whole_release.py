"""A reader from outside who solves all tables of a release at once: no count of a few people is
told.

Here: simulated clinics, marts, a release, and the reader's bounds. Not here: single tables
(test_hidden_cells.py), several releases (test_release.py), rules.
"""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from ingest.simulate import Plan, simulate
from tests.computed import computed
from transforms.options import Options
from transforms.released.as_released import as_released, base_of
from transforms.released.counts import COUNTS
from transforms.released.quantities import Quantities
from transforms.released.strata_lines import Strata
from transforms.released.whole_release import untold
from transforms.schemas import MARK, Outside
from transforms.schemas.app import RELEASED

OPTIONS = Options()
BASE, MIN_CELL = base_of(OPTIONS), OPTIONS.min_cell
SERIES = ("telemetry", "readings")


@pytest.fixture(scope="module")
def world():
    """The marts, and what is released of them before and after `untold`."""
    plan = Plan(
        patients=110,
        days=150,
        clinics=4,
        seed=3,
        study_share=0.3,
        with_readings=False,
        with_telemetry=False,
    )
    records = [r for r in simulate(plan) if r[0].split(".")[1] not in SERIES]
    tables = computed(records[: int(len(records) * 0.9)], landed=datetime(2027, 6, 1, tzinfo=UTC))
    exact = {name: tables[f"mart.{name}"] for name in COUNTS}
    rows = {name: as_released(RELEASED[name], exact[name], options=OPTIONS) for name in COUNTS}
    return exact, rows, untold(exact, rows, base=BASE, min_cell=MIN_CELL)


def reader_of(
    exact: dict[str, pl.DataFrame], released: dict[str, pl.DataFrame], strata: Strata
) -> Quantities:
    q = Quantities(strata, base=BASE, min_cell=MIN_CELL)
    for name, counts in COUNTS.items():
        q.add(name, *(rows[name].filter(counts.looked_at) for rows in (exact, released)), counts)
    q.solve()
    return q


def told(q: Quantities) -> int:
    """How many counts of 1 to 4 the reader knows to be such; the bounds hold of every exact
    count.
    """
    there = ~np.isnan(q.exact)
    assert (q.lower[there] <= q.exact[there]).all()
    assert (q.exact[there] <= q.upper[there]).all()
    return len(q.given_away())


def test_no_count_of_a_few_is_told_by_a_whole_release(world):
    """All tables at once, counts of different names that are one among them: without `untold` some
    are told, then none.
    """
    exact, rows, shown = world
    strata = Strata(exact.values())
    assert told(reader_of(exact, rows, strata)) > 20
    assert told(reader_of(exact, shown, strata)) == 0


def test_what_is_hidden_more(world):
    """Nothing is shown that was not, no figure of a row that stays is another, and little goes:
    under a seventh of the rows.
    """
    _, rows, shown = world
    for name in COUNTS:
        table = RELEASED[name]
        before, after = (frame.filter(~pl.col(MARK)) for frame in (rows[name], shown[name]))
        both = after.join(
            before, on=table.key, how="left", nulls_equal=True, suffix=" before", validate="1:1"
        )
        assert both["metric_version before"].null_count() == 0
        for column in table.of(Outside.COUNT, Outside.MEASURED):
            if column not in table.key:
                is_other = pl.col(column).ne_missing(pl.col(f"{column} before"))
                changed = both.filter(is_other)
                assert column in COUNTS[name].apart or changed.is_empty(), (name, column)
                assert changed[column].null_count() == changed.height
        assert after.height >= 6 / 7 * before.height - 5, name


def test_of_no_rows_nothing_is_hidden():
    """A lake without outcomes: the tables stay as they are."""
    empty = {name: table.empty() for name, table in RELEASED.items()}
    assert untold(empty, empty, base=BASE, min_cell=MIN_CELL) == empty
