"""A clinic beside the others alone: scipy's exact tests, a clinic that made its own limits, false
alarms by simulation.
"""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics import funnel, left_out

# burns: 6 of 37 patients beside 2, 0, 0, 0, 0 of 39
BURNED, TREATED = [6, 2, 0, 0, 0, 0], [37, 39, 39, 39, 39, 39]


def test_a_clinic_that_made_its_own_limits_is_seen():
    """Pooled, its own 6 are target and spread (φ 4.1, limits 26 and 46 %) and nobody is flagged;
    left out, it is.
    """
    pooled = funnel.funnel_proportions(BURNED, TREATED)
    assert pooled["overdispersion"][0] == pytest.approx(4.1, abs=0.05)
    assert pooled.select("upper_95_od", "upper_998_od").row(0) == pytest.approx(
        (0.263, 0.457), abs=5e-4
    )
    assert set(pooled["signal"]) == {"none"}
    judged = left_out.proportions(BURNED, TREATED)
    assert judged["signal"].to_list() == ["high_998", *["none"] * 5]
    assert judged["center"][0] == pytest.approx(2 / 195)
    assert judged["overdispersion"].null_count() == 6


def test_its_tails_are_those_of_scipy():
    """At the others' 2 of 195 as if known: binomial, 2.06e-6. As an estimate: Fisher's exact test,
    2.5e-4.
    """
    first = left_out.proportions(BURNED, TREATED).row(0, named=True)
    assert first["tail_at_target"] == pytest.approx(stats.binom.sf(5, 37, 2 / 195))
    assert first["tail_at_target"] == pytest.approx(2.06e-6, abs=5e-9)
    fisher = stats.fisher_exact([[6, 31], [2, 193]], alternative="greater").pvalue
    assert first["tail"] == pytest.approx(fisher)
    assert fisher == pytest.approx(2.5e-4, abs=5e-6)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=5, max_size=8))
def test_tails_and_limits_agree_with_fisher_s_test(clinics):
    """Each clinic's tail is the smaller one-sided p; a value beyond a limit is a signal, and none
    within is.
    """
    x, n = zip(*((min(a, b), b) for a, b in clinics), strict=True)
    frame = left_out.proportions(x, n, overdispersion=False)
    for k, row in enumerate(frame.iter_rows(named=True)):
        y, m = sum(x) - x[k], sum(n) - n[k]
        table = [[x[k], n[k] - x[k]], [y, m - y]]
        tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("greater", "less")]
        assert row["tail"] == pytest.approx(min(tails), rel=1e-6, abs=1e-12)
        beyond = row["value"] > row["upper_95"] + 1e-9 or row["value"] < row["lower_95"] - 1e-9
        assert beyond == (row["signal"] != "none")
        if row["share_high"] is not None:
            assert (row["share_high"] >= 1) == row["signal"].startswith("high")


def test_near_is_a_share_of_the_first_count_that_would_be_a_signal():
    """Beside 2 of 195, 4 of 37 is the first count whose tail is at most 2.5 %: 3 are 75 %, 4 are
    100 %, none is 0.
    """
    for x, share, signal in (
        (0, 0, "none"),
        (3, 0.75, "none"),
        (4, 1.0, "high_95"),
        (6, 1.5, "high_998"),
    ):
        row = left_out.proportions([x, *BURNED[1:]], TREATED).row(0, named=True)
        assert (row["share_high"], row["signal"]) == (pytest.approx(share), signal)
    assert (
        left_out.proportions([1, 0, 0, 0, 0, 0], [1, 5, 5, 5, 5, 5])["share_high"][0] is None
    )  # no count would be


def test_others_without_an_event_flag_nobody_for_one():
    """At a share of 0 one event would be impossible; beside 0 of 40 it is not even rare: 10 of
    50.
    """
    row = left_out.proportions([1, 0, 0, 0, 0], [10] * 5).row(0, named=True)
    assert row["tail_at_target"] == 0
    assert row["tail"] == pytest.approx(0.2)
    assert row["signal"] == "none"


def test_dispersion_is_of_ten_others_at_least_and_leaves_the_clinic_out():
    """Ten clinics have nine others each: none. Eleven have it; the clinic's own count changes
    nothing of it.
    """
    x, n = [10, 14, 6, 12, 9, 15, 5, 11, 8, 13, 10], [50] * 11
    assert left_out.proportions(x[:10], n[:10])["overdispersion"].null_count() == 10
    frame, other = left_out.proportions(x, n), left_out.proportions([45, *x[1:]], n)
    pooled = funnel.funnel_proportions(x[1:], n[1:])
    for column in ("overdispersion", "tau2"):
        assert frame[column][0] == other[column][0] == pooled[column][0]
    assert left_out.proportions(x, n, overdispersion=False)["tau2"].null_count() == 11


def test_a_spread_takes_flags_away_and_gives_none():
    """Clinics that differ: beyond the exact tail and within the over-dispersed limit is no signal,
    never the reverse.
    """
    generator = np.random.default_rng(3)
    n = generator.integers(40, 400, 40)
    x = generator.binomial(n, generator.beta(6, 14, 40))
    wide, plain = left_out.proportions(x, n), left_out.proportions(x, n, overdispersion=False)
    order = {"none": 0, "95": 1, "998": 2}
    ranks = [[order[s.split("_")[-1]] for s in frame["signal"]] for frame in (wide, plain)]
    assert all(a <= b for a, b in zip(*ranks, strict=True))
    assert sum(ranks[0]) < sum(ranks[1])
    beyond = wide.filter(pl.col("signal") != "none")
    assert (beyond["value"] > beyond["upper_95_od"]).sum() + (
        beyond["value"] < beyond["lower_95_od"]
    ).sum() == beyond.height


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_flags_hold_their_level_in_simulation(share):
    """Of clinics in control at most 2.5 % on a side are flagged at 95 % and 0.1 % at 99.8 %, rare
    events or not.
    """
    generator = np.random.default_rng(11)
    n = [15, 30, 40, 60, 90, 200]
    signal = pl.concat(
        left_out.proportions(generator.binomial(n, share), n)["signal"] for _ in range(800)
    )
    for side in ("low", "high"):
        assert signal.str.starts_with(side).mean() < 0.027
        assert (signal == f"{side}_998").mean() < 0.003


def test_ratios_of_one_kind_are_the_conditional_binomial():
    """6 events in 37 sessions beside 2 in 195: P(X >= 6 | 8, 37/232); at the others' rate as if known, Poisson of 0.379."""
    frame = left_out.ratios([[x] for x in BURNED], [[n] for n in TREATED])
    first = frame.row(0, named=True)
    assert first["expected"] == pytest.approx(37 * 2 / 195)
    assert first["tail"] == pytest.approx(stats.binom.sf(5, 8, 37 / 232))
    assert first["tail_at_target"] == pytest.approx(stats.poisson.sf(5, 37 * 2 / 195))
    assert first["signal"] == "high_998"


def test_ratios_expect_each_kind_at_the_others_rate():
    """A: 10 local and 10 whole-body sessions; the others 30 and 50 with 5 and 30 events: 10 · 5/30
    + 10 · 30/50. What nobody else has is compared with nothing; what nobody else had an event of
    has no ratio and may be a signal.
    """
    row = left_out.ratios(
        [[0, 4, 9], [5, 0, 0], [0, 30, 0]], [[10, 10, 50], [30, 0, 0], [0, 50, 0]]
    ).row(0, named=True)
    assert (row["x"], row["expected"]) == (4, pytest.approx(10 * 5 / 30 + 10 * 30 / 50))
    row = left_out.ratios([[6], [0], [0]], [[10], [100], [100]]).row(0, named=True)
    assert (row["expected"], row["value"], row["signal"]) == (None, None, "high_998")
    assert row["tail"] == pytest.approx((10 / 210) ** 6)


def test_a_stated_reference_is_binomial():
    """3 of 40 at 1 %: P(X >= 3) = 0.0075, beyond 95 %; none of 40 is no signal; nobody gives
    none.
    """
    frame = left_out.against_reference([3, 0, 6, 0], [40, 40, 40, 0], 0.01)
    assert frame["tail"][0] == pytest.approx(stats.binom.sf(2, 40, 0.01))
    assert frame["signal"].to_list() == ["high_95", "none", "high_998", None]
    with pytest.raises(UsageError, match="share between 0 and 1"):
        left_out.against_reference([1], [2], 1.5)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 60)), min_size=5, max_size=14),
    st.randoms(),
)
def test_order_of_clinics_changes_nothing(clinics, random):
    """A clinic's row does not depend on where it stands."""
    clinics = [(min(x, n), n) for x, n in clinics]
    order = random.sample(range(len(clinics)), len(clinics))
    one, other = (
        left_out.proportions(*zip(*c, strict=True)) for c in (clinics, [clinics[k] for k in order])
    )
    numbers = [c for c in one.columns if c != "signal"]
    assert np.allclose(
        one[order].select(numbers).fill_null(-1), other.select(numbers).fill_null(-1), atol=1e-9
    )
    assert one["signal"][order].to_list() == other["signal"].to_list()


@pytest.mark.parametrize(
    ("x", "n"), [([], []), ([None, 2], [5, None]), ([0, 0], [0, 0]), ([3, 0], [3, 0])]
)
def test_edges(x, n):
    """No clinic, none known, nobody anywhere, one clinic alone: no value or none to compare with,
    and no signal.
    """
    frame = left_out.proportions(pl.Series(x, dtype=pl.Int64), pl.Series(n, dtype=pl.Int64))
    assert frame.height == len(x)
    assert set(frame["signal"]) <= {None, "none"}
