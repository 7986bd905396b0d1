"""Control charts and sums against published and worked cases, their own definitions and
simulation.
"""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import UsageError
from transforms.statistics import spc

# R: set.seed(123); rnorm(20)
NORMAL_20 = [
    -0.56047565,
    -0.23017749,
    1.55870831,
    0.07050839,
    0.12928774,
    1.71506499,
    0.46091621,
    -1.26506123,
    -0.68685285,
    -0.44566197,
    1.22408180,
    0.35981383,
    0.40077145,
    0.11068272,
    -0.55584113,
    1.78691314,
    0.49785048,
    -1.96661716,
    0.70135590,
    -0.47279141,
]
FIXED_12 = [
    2.1,
    3.4,
    2.8,
    3.9,
    2.5,
    3.1,
    2.9,
    3.6,
    2.2,
    3.0,
    3.3,
    2.7,
    4.4,
    4.1,
    4.6,
    4.2,
    4.8,
    4.5,
    4.9,
    7.5,
]
MONTGOMERY = [
    9.45,
    7.99,
    9.29,
    11.66,
    12.16,
    10.18,
    8.04,
    11.46,
    9.20,
    10.34,
    9.03,
    11.47,
    10.51,
    9.40,
    10.08,
    9.37,
    10.62,
    10.31,
    8.52,
    10.84,
    10.90,
    9.33,
    12.29,
    11.50,
    10.60,
    11.08,
    10.38,
    11.62,
    11.31,
    10.52,
]
RULES = ("is_outside", "is_trend", "is_two_of_three", "is_shift")


def points(frame, rule):
    return frame.filter(pl.col(rule))["point"].to_list()


# --- XmR ----------------------------------------------------------------------------------------


def test_row_17_xmr():
    """Reference 17: Twenty standard normal values: the limits of NHSRplotthedots, and no signal."""
    chart = spc.xmr(NORMAL_20)
    last = chart.row(-1, named=True)
    assert last["center"] == pytest.approx(0.1416, abs=5e-5)
    assert last["mean_moving_range"] == pytest.approx(1.1853, abs=5e-5)
    assert (last["lower"], last["upper"]) == pytest.approx((-3.011, 3.295), abs=5e-4)
    assert chart["point_type"].to_list() == ["common_cause"] * 20
    assert chart["variation_icon"].to_list() == ["common_cause"] * 20


def test_row_18_rules_with_a_fixed_baseline():
    """Reference 18: Limits from the first 12 points; the rules of NHSRplotthedots, each alone and
    by precedence.
    """
    chart = spc.xmr(FIXED_12, baseline=12)
    last = chart.row(-1, named=True)
    assert (last["center"], last["mean_moving_range"]) == pytest.approx(
        (2.958333, 0.818182), abs=1e-6
    )
    assert (last["lower"], last["upper"]) == pytest.approx((0.781970, 5.134697), abs=1e-6)
    assert (last["near_lower"], last["near_upper"]) == pytest.approx((1.507424, 4.409242), abs=1e-6)
    assert points(chart, "is_shift") == list(range(13, 21))
    assert points(chart, "is_two_of_three") == [15, 17, 18, 19]
    assert points(chart, "is_outside") == [20]
    assert points(chart, "is_trend") == []
    assert chart["point_type"].to_list()[12:] == [
        "shift",
        "shift",
        "two_of_three",
        "shift",
        *["two_of_three"] * 3,
        "outside",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]),  # six successive rises
        ([7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7]),  # six falls
        ([1, 2, 3, 4, 5, 6], []),  # five
        ([1, 2, 3, 4, 4, 5, 6, 7], []),  # a tie breaks it
        ([1, 2, 3, None, 4, 5, 6, 7], [1, 2, 3, 5, 6, 7, 8]),  # a missing value is passed over
    ],
)
def test_trend_needs_six_successive_moves(values, expected):
    """Seven points that rise, or fall, each on the one before are all part of the trend."""
    assert points(spc.xmr(values), "is_trend") == expected


def icon(chart, point):
    return chart.row(point - 1, named=True)["variation_icon"].removeprefix("special_cause_")


_RAMP = [
    5.0,
    4.5,
    5.5,
    5.0,
    4.5,
    5.5,
    5.0,
    4.5,
    5.5,
    5.0,
    4.5,
    5.5,
]  # mean 5, mean moving range 7.5/11, limits 5 ± 1.81


@pytest.mark.parametrize(
    ("points_after", "direction", "way", "expected"),
    [
        # eight months that fall from far above the mean: worse where higher is better, though all
        # lie above it
        ([6.7, 6.6, 6.5, 6.4, 6.3, 6.2, 6.1, 6.0], "higher", "falling", "concern"),
        ([6.7, 6.6, 6.5, 6.4, 6.3, 6.2, 6.1, 6.0], "lower", "falling", "improvement"),
        ([6.7, 6.6, 6.5, 6.4, 6.3, 6.2, 6.1, 6.0], None, "falling", "neither"),
        # and the other three: rising above, falling below, rising below
        ([6.0, 6.1, 6.2, 6.3, 6.4, 6.5, 6.6, 6.7], "higher", "rising", "improvement"),
        ([4.0, 3.9, 3.8, 3.7, 3.6, 3.5, 3.4, 3.3], "higher", "falling", "concern"),
        ([3.3, 3.4, 3.5, 3.6, 3.7, 3.8, 3.9, 4.0], "lower", "rising", "concern"),
        # through the mean: one trend, one icon
        ([4.0, 4.3, 4.6, 4.9, 5.1, 5.4, 5.7, 6.0], "higher", "rising", "improvement"),
    ],
)
def test_a_trend_is_judged_by_its_direction_not_by_its_side(points_after, direction, way, expected):
    """Better or worse is the way the points go, wherever they lie; each point of the trend says the
    same.
    """
    chart = spc.xmr([*_RAMP, *points_after], baseline=12, direction=direction).tail(8)
    assert set(chart["point_type"]) == {"trend"}
    assert set(chart["signal_direction"]) == {way}
    assert set(chart["variation_icon"]) == {f"special_cause_{expected}"}


def test_other_rules_are_judged_by_their_side():
    """Outside, two of three and shift say high or low; the first rule that holds gives the icon,
    also against a trend.
    """
    wave = [1, -1] * 6  # mean 0, limits 5.32, near 3.55
    outside = spc.xmr([*wave, 9, 8, 7, 6, 5, 4.5, 4], baseline=12, direction="lower")
    assert outside.tail(7)["point_type"].to_list() == ["outside"] * 4 + ["trend"] * 3
    assert outside.tail(7)["signal_direction"].to_list() == ["high"] * 4 + ["falling"] * 3
    assert [icon(outside, k) for k in range(13, 20)] == ["concern"] * 4 + ["improvement"] * 3
    two = spc.xmr([*wave, -4, -1, -4], baseline=12, direction="lower")
    assert (two["signal_direction"][12], icon(two, 13)) == ("low", "improvement")
    shift = spc.xmr([*wave, *[1, 2] * 4], baseline=12, direction="higher")
    assert (shift["point_type"][-1], shift["signal_direction"][-1], icon(shift, 20)) == (
        "shift",
        "high",
        "improvement",
    )
    assert shift["signal_direction"][0] is None


def test_a_turning_point_belongs_to_the_trend_that_it_ends():
    """Seven that rise, then six more that fall: the highest was seen as the end of the rise."""
    wave = [1, -1] * 6  # mean 0, limits 5.32
    chart = spc.xmr([*wave, -3, -2, -1, 0, 1, 2, 3, 2, 1, 0, -1, -2, -3], baseline=12).tail(13)
    assert chart["signal_direction"].to_list() == ["rising"] * 7 + ["falling"] * 6


@pytest.mark.parametrize("run", [6, 7])
def test_six_points_make_a_run_where_that_is_chosen(run):
    """Six rising points, and six above the mean, are signals by the rule of six and none by that of
    seven.
    """
    expected = list(range(13, 19)) if run == 6 else []
    rising = [5.0, 5.1, 5.2, 5.3, 5.4, 5.6]  # after one of 5.5
    assert points(spc.xmr([*_RAMP, *rising], baseline=12, run=run), "is_trend") == expected
    low_end = [*_RAMP[:10], 5.5, 4.5]
    assert (
        points(spc.xmr([*low_end, *[5.3, 5.2] * 3], baseline=12, run=run), "is_shift") == expected
    )


def test_other_runs_are_refused():
    """A run of eight, say, is no choice."""
    with pytest.raises(UsageError, match="has 6 or 7 points"):
        spc.xmr(_RAMP, run=8)


def test_a_baseline_is_of_points_with_a_value():
    """Nine empty months and three with a value are no twelve: the limits go on with the next nine
    that have one.
    """
    sparse = [2.0, None, None, None, 2.0, None, None, None, 5.0, None, None, None]
    later = [2.0, 3.0, 2.0, 3.0, 2.0, 3.0, 2.0, 3.0, 2.0]
    chart = spc.xmr([*sparse, *later, 9.0], baseline=12)
    assert chart["center"][0] == pytest.approx((2 + 2 + 5 + 22) / 12)
    assert (chart["baseline_points"][0], chart["is_trial_limits"][0]) == (12, False)
    trial = spc.xmr(sparse, baseline=12)
    assert (trial["baseline_points"][0], trial["is_trial_limits"][0]) == (3, True)
    shares = spc.p_chart([1, 0, 3, *[2] * 10], [10, 0, 10, *[10] * 10], baseline=12)
    assert shares["center"][0] == pytest.approx((1 + 3 + 20) / 120)
    rates = spc.u_chart([1, 9, 3, *[2] * 11], [10, 0, 10, *[10] * 11], baseline=12)
    assert rates["center"][0] == pytest.approx((1 + 3 + 20) / 120)


def test_moving_ranges_pass_over_gaps():
    """A value every other month: ranges 1, 1, 2 between successive values; there were none at all
    otherwise.
    """
    chart = spc.xmr([1.0, None, 2.0, None, 3.0, None, 1.0])
    assert chart["moving_range"].to_list() == [None, None, 1.0, None, 1.0, None, 2.0]
    assert chart["mean_moving_range"][0] == pytest.approx(4 / 3)
    plain = spc.xmr([1.0, 2.0, 3.0, 1.0])
    assert chart["upper"][0] == plain["upper"][0]


def test_shift_needs_seven_on_one_side():
    """Six are none; a point on the mean is on neither side."""
    wave = [1, -1] * 6
    for run, expected in ((6, []), (7, list(range(13, 20)))):
        chart = spc.xmr([*wave, *[1] * run], baseline=12)
        assert chart["center"][0] == 0
        assert points(chart, "is_shift") == expected
    assert points(spc.xmr([*wave, 1, 1, 1, 0, 1, 1, 1], baseline=12), "is_shift") == []


def test_two_of_three_needs_one_side():
    """Two near one limit with a third on the other side are no signal; with the third on the same
    side they are.
    """
    wave = [1, -1] * 6  # mean 0, mean moving range 2, limits 5.32, near 3.55
    assert points(spc.xmr([*wave, 4, -4, 4], baseline=12), "is_two_of_three") == []
    assert points(spc.xmr([*wave, 4, 1, 4], baseline=12), "is_two_of_three") == [13, 15]


@pytest.mark.parametrize(
    ("direction", "target", "icon", "assurance"),
    [
        ("higher", 0.5, "special_cause_improvement", "pass"),
        ("higher", 6, "special_cause_improvement", "fail"),
        ("lower", 6, "special_cause_concern", "pass"),
        ("lower", 0.5, "special_cause_concern", "fail"),
        ("lower", 3, "special_cause_concern", "inconsistent"),
        (None, 3, "special_cause_neither", None),
        ("lower", None, "special_cause_concern", None),
    ],
)
def test_icons_follow_the_direction_of_improvement(direction, target, icon, assurance):
    """A signal above the mean is good or bad by the direction; the target is met where limits lie
    wholly beyond it.
    """
    last = spc.xmr(FIXED_12, baseline=12, direction=direction, target=target).row(-1, named=True)
    assert (last["variation_icon"], last["assurance_icon"]) == (icon, assurance)


def test_screening_takes_out_great_moving_ranges_once():
    """Ranges 1,1,1,1,1,1,1,20,20: mean 5.2, 20 >= 3.267 · 5.2 = 17.1 goes; the mean is then 1."""
    values = [0, 1, 0, 1, 0, 1, 0, 1, 21, 1]
    assert spc.xmr(values)["mean_moving_range"][0] == pytest.approx(47 / 9)
    assert spc.xmr(values, screen=True)["mean_moving_range"][0] == 1


@pytest.mark.parametrize(
    ("values", "limits", "trial"),
    [
        ([], [], None),
        ([3.0], [(3.0, None, None)], True),
        ([None, None], [(None, None, None)] * 2, True),
        ([0.1] * 12, [(pytest.approx(0.1),) * 3] * 12, False),
    ],
)
def test_xmr_at_its_edges(values, limits, trial):
    """No value gives no line, one no limits; a process that never varies is not outside its own
    limits.
    """
    chart = spc.xmr(pl.Series(values, dtype=pl.Float64))
    assert chart.select("center", "lower", "upper").rows() == limits
    assert not chart.select(pl.any_horizontal(*RULES).any()).item()
    if values:
        assert chart["is_trial_limits"][0] == trial


# --- counts -------------------------------------------------------------------------------------


def test_u_chart_limits_follow_the_exposure():
    """ū = (4 + 6 + 0) / (100 + 200 + 100) = 0.025: per 100 it is 2.5 ± 300·√(0.025/n), from 0."""
    chart = spc.u_chart([4, 6, 0, 3], [100, 200, 100, 0], per=100, baseline=3)
    assert chart["value"].to_list() == [4, 3, 0, None]
    assert chart["center"].to_list() == [2.5] * 4
    assert chart["upper"].to_list()[:2] == pytest.approx(
        [2.5 + 300 * (0.025 / n) ** 0.5 for n in (100, 200)]
    )
    assert chart["lower"].to_list() == [0, 0, 0, None]
    assert not chart["is_outside"].any()


def test_p_chart_stays_within_0_and_1():
    """p̄ = 27/30, limits 0.9 ± 3·√(0.9·0.1/10) = 0.9 ± 0.2846: 0.6154 to 1."""
    chart = spc.p_chart([9, 10, 8], [10, 10, 10])
    assert chart.select("center", "lower", "upper").row(0) == pytest.approx(
        (0.9, 0.6153950, 1), abs=1e-6
    )


def test_c_chart():
    """c̄ = 4: limits 4 ± 6, from 0; a count of 11 lies outside."""
    chart = spc.c_chart([4, 3, 5, 4, 11], baseline=4)
    assert chart.select("center", "lower", "upper").row(0) == (4, 0, 10)
    assert points(chart, "is_outside") == [5]


def test_g_chart_judges_shifts_about_the_median():
    """ḡ = 9: limits 9 ± 3·√90 from 0; the geometric with mean 9 (p = 0.1) has the median 6."""
    chart = spc.g_chart([9, 9, 9, *[7] * 7, 60], baseline=3)
    first = chart.row(0, named=True)
    assert (first["center"], first["lower"], first["median"]) == (9, 0, 6)
    assert first["upper"] == pytest.approx(9 + 3 * 90**0.5)
    assert points(chart, "is_outside") == [11]
    assert points(chart, "is_shift") == list(
        range(1, 12)
    )  # all above the median, though below the mean


def test_t_chart_is_an_xmr_chart_of_the_transformed_gaps():
    """Nelson 1994: lines of gap^(1/3.6), taken back."""
    gaps = [3.0, 10, 0.5, 7, 22, 1]
    chart, plain = spc.t_chart(gaps), spc.xmr([g ** (1 / 3.6) for g in gaps])
    assert chart["value"].to_list() == gaps
    assert chart["upper"][0] == pytest.approx(plain["upper"][0] ** 3.6)
    assert chart["center"][0] == pytest.approx(plain["center"][0] ** 3.6)
    assert chart["lower"][0] == 0


_BOARDS = [
    21,
    24,
    16,
    12,
    15,
    5,
    28,
    20,
    31,
    25,
    20,
    24,
    16,
    19,
    10,
    17,
    13,
    22,
    18,
    39,
    30,
    24,
    16,
    19,
    17,
    15,
]
_CANS = [
    12,
    15,
    8,
    10,
    4,
    7,
    16,
    9,
    14,
    10,
    5,
    6,
    17,
    12,
    22,
    8,
    10,
    5,
    13,
    11,
    20,
    18,
    24,
    15,
    9,
    12,
    7,
    13,
    9,
    6,
]
_CANS_ADJUSTED = [9, 6, 12, 5, 6, 4, 6, 3, 7, 6, 2, 4, 3, 6, 5, 4, 8, 5, 6, 7, 5, 6, 3, 5]
_COMPUTERS = [10, 12, 8, 14, 10, 16, 11, 7, 10, 15, 9, 5, 7, 11, 12, 6, 8, 10, 7, 5]


def test_montgomery_s_charts():
    """His worked examples: 26 circuit boards (c), 30 samples of juice cans (p), 10 rolls of cloth
    (u), viscosity (XmR).

    c 19.85 (6.48 to 33.22), samples 6 and 20 outside; p 0.2313 (0.0524 to 0.4102), 15 and 23
    outside; u 1.42 with 0.29 to 2.55 at ten units; mean 33.52, moving range 0.48, 32.24 to 34.80.
    R's qcc: 193 in 20 samples of five computers, u 1.93 (0.07 to 3.79).
    """
    chart = spc.c_chart(_BOARDS)
    assert chart.select("center", "lower", "upper").row(0) == pytest.approx(
        (19.85, 6.48, 33.21), abs=0.005
    )
    assert points(chart, "is_outside") == [6, 20]
    chart = spc.p_chart(_CANS, 50)
    assert chart.select("center", "lower", "upper").row(0) == pytest.approx(
        (0.2313, 0.0524, 0.4102), abs=5e-5
    )
    assert points(chart, "is_outside") == [15, 23]
    units = [10, 8, 13, 10, 9.5, 10, 12, 10.5, 12, 12.5]
    chart = spc.u_chart([14, 12, 20, 11, 7, 10, 21, 16, 19, 23], units)
    assert chart.select("center", "lower", "upper").row(0) == pytest.approx(
        (1.42, 0.29, 2.555), abs=0.005
    )
    chart = spc.u_chart(_COMPUTERS, 5)
    assert chart.select("center", "lower", "upper").row(0) == pytest.approx(
        (1.93, 0.07, 3.79), abs=0.005
    )
    viscosity = [
        33.75,
        33.05,
        34.00,
        33.81,
        33.46,
        34.02,
        33.68,
        33.27,
        33.49,
        33.20,
        33.62,
        33.00,
        33.54,
        33.12,
        33.84,
    ]
    chart = spc.xmr(viscosity)
    lines = chart.select("center", "mean_moving_range", "lower", "upper").row(0)
    assert lines == pytest.approx((33.52, 0.48, 32.24, 34.80), abs=0.005)


def without(counts, *samples):
    return [x for sample, x in enumerate(counts, 1) if sample not in samples]


@pytest.mark.parametrize(
    ("chart", "center", "lower", "upper"),
    [
        (spc.c_chart(_BOARDS), 19.84615, 6.481447, 33.21086),
        (spc.c_chart(without(_BOARDS, 6, 20)), 19.66667, 6.362532, 32.9708),
        (spc.u_chart(without(_BOARDS, 6, 20), 100, per=1), 0.1966667, 0.06362532, 0.329708),
        (spc.p_chart(_CANS, 50), 0.2313333, 0.05242755, 0.4102391),
        (spc.p_chart(without(_CANS, 15, 23), 50), 0.215, 0.04070284, 0.3892972),
        (spc.p_chart(_CANS_ADJUSTED, 50), 0.1108333, 0, 0.2440207),
        (spc.u_chart(_COMPUTERS, 5, per=1), 1.93, 0.06613305, 3.793867),
    ],
)
def test_counts_as_r_s_qcc_prints_them(chart, center, lower, upper):
    """The vignette of R's qcc 3.0: Montgomery's boards, cans and computers, also without the
    samples outside.
    """
    assert chart.select("center", "lower", "upper").row(0) == pytest.approx(
        (center, lower, upper), rel=5e-7, abs=5e-8
    )


def test_single_values_as_r_s_qcc_prints_them():
    """Its first 20 viscosities, then without the fourth; qcc divides by 1.128 where 2.66 is
    rounded.
    """
    batches = [
        34.05,
        34.40,
        33.59,
        35.96,
        34.70,
        33.51,
        33.79,
        34.04,
        34.52,
        33.75,
        33.27,
        33.71,
        34.03,
        34.58,
        34.02,
        33.97,
        34.05,
        34.04,
        33.73,
        34.05,
    ]
    for values, center, lower, upper in (
        (batches, 34.088, 32.56504, 35.61096),
        (without(batches, 4), 33.98947, 32.75425, 35.2247),
    ):
        row = spc.xmr(values).select("center", "lower", "upper").row(0)
        assert row[0] == pytest.approx(center, abs=5e-6)
        assert row[1:] == pytest.approx((lower, upper), abs=1e-3)


_VERIFYING = [
    5045,
    4350,
    4350,
    3975,
    4290,
    4430,
    4485,
    4285,
    3980,
    3925,
    3645,
    3760,
    3300,
    3685,
    3463,
    5200,
]
_PEAK_FLOW = [
    120,
    140,
    100,
    150,
    260,
    150,
    100,
    120,
    300,
    300,
    275,
    300,
    140,
    170,
    150,
    150,
    190,
    180,
]


@pytest.mark.parametrize(
    ("values", "lines", "digits"),
    [
        (_VERIFYING, (4135.50, 355.93, 3188.72, 5082.28), 0.005),
        (_PEAK_FLOW, (183.1, 52.4, 43.7, 322.5), 0.2),  # limits from rounded lines in the book
    ],
)
def test_wheeler_s_data_to_verify_software(values, lines, digits):
    """Making Sense of Data, pages 382 and 130: mean, mean moving range, limits (in the tests of
    statprocon).
    """
    row = spc.xmr(values).select("center", "mean_moving_range", "lower", "upper").row(0)
    assert row == pytest.approx(lines, abs=digits)


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        ([1, 0, 1], [1, 3]),
        ([0, 1, 1], [2, 3]),
        ([1, 1, 0], [1, 2]),
        ([0, 0, 1, 0, 1, 0, 0], [3, 5]),
        ([1, 0, 0, 1], []),
        ([1, 0, 0, 1, 1], [4, 5]),
    ],
)
def test_two_of_three_as_nhsrplotthedots_flags_it(near, expected):
    """The cases of its tests/testthat/test-ptd_calculate_point_type.R; near the upper limit is 4,
    else 1 here.
    """
    wave = [1, -1] * 6  # mean 0, limits 5.32, near 3.55
    chart = spc.xmr([*wave, *(4 if n else 1 for n in near)], baseline=12)
    assert points(chart, "is_two_of_three") == [12 + k for k in expected]


def test_screening_as_nhsrplotthedots_prints_it():
    """Its _snaps/ptd_spc_standard.md: reference 17's values, then 10 in place of the 15th, with and
    without screening.
    """
    spiked = [*NORMAL_20[:14], 10, *NORMAL_20[15:]]
    for values, screen, center, lower, upper in (
        (NORMAL_20, True, 0.1416238, -3.01138, 3.294627),
        (spiked, True, 0.6694159, -2.383666, 3.722497),
        (spiked, False, 0.6694159, -4.596625, 5.935457),
    ):
        row = spc.xmr(values, screen=screen).select("center", "lower", "upper").row(0)
        assert row == pytest.approx((center, lower, upper), abs=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 400)), min_size=2, max_size=20),
    st.randoms(),
)
def test_limits_do_not_depend_on_the_order_of_points(counts, random):
    """Without a baseline the lines of a u-chart belong to the points, whatever their order; values
    keep their own.
    """
    shuffled = random.sample(counts, len(counts))
    one, other = (
        spc.u_chart(*zip(*c, strict=True)).select("value", "center", "lower", "upper").rows()
        for c in (counts, shuffled)
    )
    assert np.allclose(sorted(one), sorted(other))


def test_sequences_arrays_and_series_are_alike():
    """The same numbers as a list, an array and a polars series give the same frame."""
    given_as = [(list, list), (np.array, np.array), (pl.Series, pl.Series)]
    charts = [spc.p_chart(a([1, 2, 3]), b([10, 20, 30])) for a, b in given_as]
    assert charts[0].equals(charts[1])
    assert charts[0].equals(charts[2])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: spc.u_chart([1.5], [10]), "whole numbers"),
        (lambda: spc.u_chart([1, 2], [10, 10, 10]), "shapes"),
        (lambda: spc.p_chart([3], [2]), "exceed"),
        (lambda: spc.xmr([1, 2], baseline=0), "baseline"),
        (lambda: spc.xmr([1, float("inf")]), "infinite"),
        (lambda: spc.xmr([1, 2], direction="up"), "direction"),
        (lambda: spc.cusum([1], kind="ewma"), "tabular"),
        (lambda: spc.cusum([1]), "target"),
        (lambda: spc.cusum([0.5], kind="bernoulli", in_control=0.1), "1 \\(event\\)"),
        (lambda: spc.cusum([1], kind="bernoulli", in_control=0), "between 0 and 1"),
        (lambda: spc.cusum([1], kind="poisson", in_control=2, out_of_control=2), "no change"),
        (lambda: spc.cusum_limit(arl=0.5, seed=1), "ARL"),
        (lambda: spc.cusum([1], target="ten", sd=1), "target and an sd above 0"),
        (lambda: spc.cusum([1], target=1, sd=0), "target and an sd above 0"),
        (lambda: spc.cusum([1], target=1, sd=1, h=0), "limit above 0"),
        (lambda: spc.cusum([float("inf")], target=1, sd=1), "infinite"),
        (lambda: spc.c_chart(pl.DataFrame({"x": [1]})), "column of numbers"),
        (lambda: spc.xmr(["high"]), "no numbers"),
        (lambda: spc.xmr([1, 2], baseline="all"), "baseline"),
    ],
)
def test_nonsense_is_refused_with_what_was_found(call, said):
    """Bad values raise a UsageError that says what to give."""
    with pytest.raises(UsageError, match=said):
        call()


# --- CUSUM --------------------------------------------------------------------------------------


def test_row_15_tabular_cusum():
    """Reference 15: Montgomery's table 9.2: C+ in full, 4.47, 5.28, 5.30 at the end, the signal at
    29; C- at most 1.77, at 3.
    """
    chart = spc.cusum(MONTGOMERY, target=10, sd=1)
    rises = [
        0,
        0,
        0,
        1.16,
        2.82,
        2.50,
        0.04,
        1.00,
        0,
        0,
        0,
        0.97,
        0.98,
        0,
        0,
        0,
        0.12,
        0,
        0,
        0.34,
        0.74,
        0,
        1.79,
        2.79,
        2.89,
        3.47,
        3.35,
        4.47,
        5.28,
        5.30,
    ]
    assert chart["c_plus"].to_list() == pytest.approx(rises, abs=1e-9)
    assert points(chart, "is_outside") == [29, 30]
    assert chart["c_minus"].max() == pytest.approx(1.77, abs=1e-9)
    assert chart["c_minus"].arg_max() == 2
    assert chart.select("center", "lower", "upper").row(0) == (0, -5, 5)


def test_row_38_parameters():
    """Reference 38: k of rates 2 to 4 and 1 to 2, and the log-likelihood ratios of p 0.02 against
    twice the odds.
    """
    assert spc.poisson_reference(2, 4) == pytest.approx(2.885390, abs=1e-6)
    assert spc.poisson_reference(1, 2) == pytest.approx(1.442695, abs=1e-6)
    assert spc.bernoulli_weights(0.02, 2) == pytest.approx((0.6733446, -0.0198026), abs=1e-7)


def slow_sums(steps):
    total, sums = 0.0, []
    for step in steps:
        total = max(0.0, total + step)
        sums.append(total)
    return sums


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_sums_are_the_loop_that_defines_them(counts):
    """C = max(0, C + step), not set back after a signal: poisson upwards and downwards,
    bernoulli.
    """
    up = spc.cusum(counts, kind="poisson", in_control=1, out_of_control=2, exposure=1.5, h=4)
    k = spc.poisson_reference(1, 2)
    assert up["c_plus"].to_list() == pytest.approx(slow_sums(x - 1.5 * k for x in counts), abs=1e-9)
    down = spc.cusum(counts, kind="poisson", in_control=2, out_of_control=1, h=4)
    assert down["c_minus"].to_list() == pytest.approx(slow_sums(k - x for x in counts), abs=1e-9)
    assert down["c_plus"].null_count() == len(counts)
    happened = [int(x > 4) for x in counts]
    event, none = spc.bernoulli_weights(0.1, 2)
    sums = spc.cusum(happened, kind="bernoulli", in_control=0.1, h=1)
    assert sums["c_plus"].to_list() == pytest.approx(
        slow_sums(event if y else none for y in happened), abs=1e-9
    )


def test_missing_values_leave_the_sum():
    """A null adds nothing and signals nothing, even while the sum stands above its limit."""
    chart = spc.cusum([1, None, 1, 0], kind="bernoulli", in_control=0.02, h=0.6)
    assert chart["c_plus"].to_list() == pytest.approx(
        [0.6733446, 0.6733446, 1.3466892, 1.3268866], abs=1e-6
    )
    assert points(chart, "is_outside") == [1, 3, 4]


@pytest.mark.parametrize(("h", "arl"), [(4, 336), (5, 930)])
def test_simulated_limit_of_the_tabular_cusum(h, arl):
    """One-sided with k = 0.5: h 4 and 5 have the run lengths 336 and 930 (two-sided 168 and 465,
    Montgomery).
    """
    limit = spc.cusum_limit(arl=arl, seed=7)
    assert limit.h == pytest.approx(h, abs=0.12)
    assert limit == spc.cusum_limit(arl=arl, seed=7)
    assert abs(limit.arl - arl) < 3 * limit.standard_error


@pytest.mark.parametrize(
    ("arl", "k", "h"),
    [
        (1000, 1.12, 2.40),
        (1000, 0.65, 4.06),
        (500, 1.04, 2.26),
        (500, 0.60, 3.80),
        (250, 0.94, 2.11),
        (250, 0.54, 3.51),
    ],
)
def test_simulated_limits_of_ewan_and_kemp(arl, k, h):
    """Table 2 of Ewan & Kemp 1960 (Biometrika 47:363), one-sided, as the help of R's spc
    (xcusum.crit.L0L1) has it.
    """
    assert spc.cusum_limit(arl=arl, k=k, seed=7).h == pytest.approx(h, abs=0.05)


def test_simulated_limit_of_the_bernoulli_cusum_holds_on_plain_sequences():
    """The limit for an ARL of 1,000 people gives about that on processes simulated person by
    person.
    """
    limit = spc.cusum_limit(kind="bernoulli", in_control=0.05, arl=1000, seed=3)
    happened = np.random.default_rng(11).random((400, 6000)) < 0.05
    event, none = spc.bernoulli_weights(0.05, 2)
    walk = np.cumsum(np.where(happened, event, none), axis=1)
    sums = walk - np.minimum(np.minimum.accumulate(walk, axis=1), 0)
    is_out = sums >= limit.h - 1e-9
    first = np.where(is_out.any(axis=1), is_out.argmax(axis=1) + 1, 6000)
    arl = first.sum() / is_out.any(axis=1).sum()
    assert arl == pytest.approx(1000, rel=0.2)


def test_three_sigma_limits_flag_one_in_370():
    """In control, normal values lie outside known limits about 0.27 % of the time (XmR: limits from
    2,000 points).
    """
    chart = spc.xmr(np.random.default_rng(1).standard_normal(100_000), baseline=2000)
    assert chart["is_outside"].mean() == pytest.approx(0.0027, abs=0.0012)
