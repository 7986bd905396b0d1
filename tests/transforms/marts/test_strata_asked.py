"""What is computed of a stratum that somebody asks for is what the summary says of it, or would.

Here: every summary that has strata, over simulated clinics. Not here: what a summary counts (its
own tests), who asks (tests/dashboards/test_finer.py, tests/orchestration/test_outcomes.py).
"""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import combinations

import polars as pl
import polars.selectors as cs
import pytest
from polars.testing import assert_frame_equal

from ingest.simulate import Plan, simulate
from tests.computed import OPTIONS, computed
from transforms.facts.strata import COLUMNS_OF, DIMENSIONS, STORED, STORED_OF_CHOICES
from transforms.marts import MARTS
from transforms.marts.asked import rows_of_stratum
from transforms.options import Cut

LANDED = datetime(2026, 12, 1, tzinfo=UTC)
EVERY = tuple(c for size in range(len(DIMENSIONS) + 1) for c in combinations(DIMENSIONS, size))
FINER = tuple(c for c in EVERY if c not in STORED)
SUMMARIES = tuple(name for name, mart in MARTS.items() if mart.has_strata)


@pytest.fixture(scope="module")
def site() -> dict[str, pl.DataFrame]:
    """Tables of simulated clinics, of which six are enough for limits over clinics, under a seed of
    the day: what holds, holds of any.
    """
    seed = int(os.environ.get("STRATA_SEED", date.today().toordinal()))
    print(f"STRATA_SEED={seed}")
    plan = Plan(
        clinics=6, patients=30, days=120, seed=seed, with_readings=False, with_telemetry=False
    )
    return computed(simulate(plan), landed=LANDED, marts=marts_behind(SUMMARIES))


def marts_behind(names: Sequence[str]) -> list[str]:
    """These marts and those that they are computed from."""
    wanted = list(names)
    for name in wanted:
        behind = [i.removeprefix("mart.") for i in MARTS[name].inputs if i.startswith("mart.")]
        wanted += [mart for mart in behind if mart not in wanted]
    return wanted


def given(site: dict[str, pl.DataFrame], name: str) -> dict:
    inputs = {full_name.split(".")[1]: site[full_name] for full_name in MARTS[name].inputs}
    cut = Cut(lake_snapshot=1, data_cutoff=site["core.data_cut"]["data_cutoff"][0])
    return {**inputs, "options": OPTIONS, "cut": cut}


def choices(name: str, *over: tuple[str, ...]) -> dict:
    return {"choices": over} if name == "cohort_outcomes" else {}


def same(asked: pl.DataFrame, expected: pl.DataFrame) -> None:
    """But for marks, which are of all rows together."""
    left, right = (
        rows.drop("is_suppressed").with_columns(pl.col("strata").list.join(","))
        for rows in (asked, expected)
    )
    keys = left.select(~cs.float()).columns
    assert_frame_equal(left.sort(keys), right.sort(keys), rel_tol=1e-9)


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_whole_each_dimension_and_each_pair_are_stored(site, name):
    """And nothing finer; that of few people, too."""
    stored = {tuple(strata) for strata in site[f"mart.{name}"]["strata"].to_list()}
    assert stored == set(STORED)


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_stored_stratum_that_is_asked_for_is_the_stored_rows(site, name):
    """Of every episode and strategy that is stored of it; the whole, dimensions, pairs."""
    stored = site[f"mart.{name}"]
    for combination in STORED[::3]:
        few = choices(name, *({combination} & set(STORED_OF_CHOICES)))
        asked = rows_of_stratum(MARTS[name].compute, combination, {}, **given(site, name), **few)
        same(asked, stored.filter(pl.col("strata").list.join(",") == ",".join(combination)))


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_finer_stratum_is_what_every_combination_together_gives(site, name):
    """Three and four dimensions, as a table of all combinations would hold them."""
    whole = MARTS[name].compute(**given(site, name), over=EVERY, **choices(name, *EVERY))
    assert {tuple(strata) for strata in whole["strata"].to_list()} == set(EVERY)
    for combination in FINER:
        of_it = whole.filter(pl.col("strata").list.join(",") == ",".join(combination))
        one = of_it.row(0, named=True)
        values = {c: one[c] for d in combination for c in COLUMNS_OF[d] if c != "arm"}
        asked = rows_of_stratum(
            MARTS[name].compute,
            combination,
            values,
            **given(site, name),
            **choices(name, combination),
        )
        same(asked, of_it.filter(*(pl.col(c) == v for c, v in values.items())))
