"""Limits of survival curves whose units are of persons with several of them.

Here: against Greenwood, and against the jackknife worked out unit by unit. Not here: the curve
itself (test_survival.py).
"""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transforms.statistics import repeated_survival, survival


def units(seed: int = 5, size: int = 60, persons: int = 60) -> pl.DataFrame:
    """Whole days, with ties of events and of censorings, of two groups."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "time": rng.integers(1, 25, size).astype(float),
            "event": rng.random(size) < 0.6,
            "person": [f"p{k % persons}" for k in range(size)],
            "group": ["a" if k % persons % 2 else "b" for k in range(size)],
        }
    )


def limited(rows: pl.DataFrame) -> pl.DataFrame:
    curve = survival.kaplan_meier(rows, "time", "event", by="group")
    return repeated_survival.with_limits(curve, rows, "time", "event", person="person", by="group")


def test_of_persons_with_one_unit_each_the_limits_are_greenwoods():
    """The same curve, before the first event and at 0, too."""
    rows = units()
    assert_frame_equal(limited(rows), survival.kaplan_meier(rows, "time", "event", by="group"))


def test_the_jackknife_of_single_units_is_greenwood():
    """Of one person with two units, the first censored before anything, the rest of the curve has the
    variance of independent units, but for the few persons: f of the first is 0.
    """
    rows = units()
    early = pl.DataFrame(
        {"time": [0.5], "event": [False], "person": ["p1"], "group": ["a"]},
        schema=rows.schema,
    )
    rows = pl.concat([rows, early])
    greenwood = survival.kaplan_meier(rows, "time", "event", by="group")
    between = (pl.col("survival") > 0) & (pl.col("survival") < 1)
    columns = ["time", "standard_error"]
    mine = limited(rows).filter(between, group="a")
    assert mine.height > 10
    expected = greenwood.filter(between, group="a").select(columns)
    assert_frame_equal(mine.select(columns), for_few(expected, persons=30))


def for_few(curve: pl.DataFrame, persons: int) -> pl.DataFrame:
    factor = (persons / (persons - 1)) ** 0.5
    return curve.with_columns(pl.col("standard_error") * factor)


def numerically(rows: pl.DataFrame, at: float) -> float:
    """The variance of S(at): each person's weight moved a little, and what the curve makes of it."""

    def curve(weights: np.ndarray) -> float:
        time, event = rows["time"].to_numpy(), rows["event"].to_numpy()
        s = 1.0
        for t in np.unique(time[event & (time <= at)]):
            s *= 1 - weights[event & (time == t)].sum() / weights[time >= t].sum()
        return s

    whole, step, total = np.ones(rows.height), 1e-6, 0.0
    for person in rows["person"].unique():
        is_theirs = (rows["person"] == person).to_numpy()
        moved = curve(whole + step * is_theirs) - curve(whole - step * is_theirs)
        total += (moved / (2 * step)) ** 2
    return total


@pytest.mark.parametrize("at", [3.0, 9.0, 16.0])
def test_of_persons_with_several_units_it_is_the_derivative_by_their_weights(at):
    """20 persons with three units each."""
    rows = units(persons=20).filter(group="a")
    row = limited(rows).filter(pl.col("time") <= at).tail(1).row(0, named=True)
    persons = rows["person"].n_unique()
    variance = numerically(rows, at) * persons / (persons - 1)
    assert row["standard_error"] == pytest.approx(variance**0.5, rel=1e-5)


def test_the_same_unit_twice_in_each_person_tells_no_more_than_once():
    """The error of every unit once, but for the few persons; Greenwood of the doubled units is
    smaller.
    """
    once = units(size=40, persons=40)
    twice = pl.concat([once, once])
    columns = ["time", "survival", "standard_error"]
    between = (pl.col("survival") > 0) & (pl.col("survival") < 1)
    mine = limited(twice).filter(between)
    alone = limited(once).filter(between)
    assert_frame_equal(mine.select(columns), for_few(alone.select(columns), persons=20))
    greenwood = survival.kaplan_meier(twice, "time", "event", by="group").filter(between)
    assert (greenwood["standard_error"] < mine["standard_error"]).all()


def test_where_nobody_or_everybody_had_it_no_limits_are_given():
    """No number is put where clusters have none."""
    rows = units(persons=20)
    ends = limited(rows).filter((pl.col("survival") == 1) | (pl.col("survival") == 0))
    assert ends.height
    assert ends.select("lower", "upper", "ci_method").null_count().row(0) == (ends.height,) * 3


@pytest.mark.parametrize("persons", [["p1"] * 4, ["p1", "p1", "p1", "p2"]])
def test_units_of_hardly_anybody_give_no_narrow_limits(persons):
    """What adds up to 0 over units shows nothing of one person, and next to nothing of two: none, or
    wider than of as many independent units.
    """
    rows = pl.DataFrame(
        {
            "time": [10.0, 20.0, 30.0, 40.0],
            "event": [True, False, True, False],
            "person": persons,
            "group": ["a"] * 4,
        }
    )
    mine = limited(rows).filter(pl.col("survival").is_between(0.01, 0.99))
    greenwood = survival.kaplan_meier(rows, "time", "event", by="group")
    both = mine.join(greenwood, on="time", suffix="_independent")
    assert both.height == 4
    if len(set(persons)) == 1:
        assert (
            both.select("standard_error", "lower", "upper", "ci_method").null_count().row(0)
            == (4,) * 4
        )
    else:
        assert (both["lower"] < both["lower_independent"]).all()
        assert (both["upper"] > both["upper_independent"]).all()
