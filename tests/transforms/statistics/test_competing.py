"""Cumulative incidence and Gray's test against SAS, R and textbooks' data, and plain counting."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import UsageError
from transforms.statistics import competing, gray, survival

# Days from a transplant of bone marrow to relapse (r) or death in remission (d), "+" = neither yet
# (Klein & Moeschberger 2003, Survival Analysis, 2nd edition, data 1.3; as analysed by Guo & So 2018,
# SAS Global Forum 2159-2018)
_MARROW = {
    "ALL": "2081+ 1602+ 1496+ 1462+ 1433+ 1377+ 1330+ 996+ 226+ 1199+ 1111+ 530+ 1182+ 1167+ 418d "
    "383r 276d 104r 609r 172d 487d 662r 194d 230r 526d 122d 129r 74r 122r 86d 466d 192r 109r 55r 1d "
    "107d 110r 332d",
    "AML low risk": "2569+ 2506+ 2409+ 2218+ 1857+ 1829+ 1562+ 1470+ 1363+ 1030+ 860+ 1258+ 2246+ "
    "1870+ 1799+ 1709+ 1674+ 1568+ 1527+ 1324+ 957+ 932+ 847+ 848+ 1850+ 1843+ 1535+ 1447+ 1384+ "
    "414d 2204d 1063d 481d 105d 641d 390d 288d 421r 79d 748r 486r 48d 272r 1074d 381r 10d 53d 80d "
    "35d 248r 704d 211r 219r 606r",
    "AML high risk": "2640+ 2430+ 2252+ 2140+ 2133+ 1238+ 1631+ 2024+ 1345+ 1136+ 845+ 422r 162d "
    "84r 100r 2d 47r 242r 456r 268r 318d 32r 467r 47r 390r 183d 105d 115r 164d 93r 120r 80d 677d "
    "64r 168d 74d 16d 157r 625r 48r 273r 63d 76r 113r 363d",
}
# Years to graft-versus-host disease (a), relapse (b) or death (c) first (the data of SAS's example
# liftcrsk; Pintilie 2006, Competing Risks)
_GRAFT = (
    "0.52a 0.408a 0.348a 0.482a 0.378a 0.416b 0.381a 0.914a 0.923a 0.397a 0.479a 0.991a 0.474a "
    "0.339a 0.277a 0.367a 0.742a 0.408a 0.958a 0.063c 0.282a 0.413a 0.394a 0.342a 0.367a 0.277a "
    "0.367a 0.331a 0.32a 0.329a 0.444a 0.438b 0.964a 0.564a 0.402a 0.277a 0.4a 0.446a 0.474a "
    "0.329a 0.323a 0.392a 0.496a 0.63a 0.383a 1.205+ 0.361a 0.277a 0.287a 0.619a 0.452a 0.29a "
    "0.479a 0.11c 0.857a 1.993a 0.463a 0.496a 0.422a 0.307a 0.701a 0.279a 0.419a 0.616a 0.331a "
    "0.181c 0.567a 0.287c 0.057+ 0.764a 0.381a 0.274b 2.776+ 0.172b 0.553a 0.287a 0.345a 0.375a "
    "0.517a 0.457a 0.345a 0.219c 0.422a 0.479a 0.29a 0.35a 0.372a 0.277a 0.301b 0.474a 0.465a "
    "0.433a 0.359a 1.202+ 0.408a 0.402a 0.35a 0.411a 0.301a 0.32a"
)
# The 100 patients of the tests of R's cmprsk 2.2-12, in order of time: group, stratum, and cause 1 or
# 2 or + (set.seed(2), R 1.6.2's generators)
_CMPRSK = (
    "c2+ a1+ a1+ c22 c11 b12 a2+ b21 c12 a12 a21 a12 a12 a1+ c22 c11 c2+ b1+ b2+ c12 c12 c11 b21 "
    "a1+ b12 a21 b11 c21 b21 c21 b12 b12 a22 c2+ a22 c21 a11 b12 a2+ c1+ b11 c11 b21 c11 b12 a22 "
    "c21 a1+ a21 c12 b12 b21 c2+ a12 b22 b12 b22 c21 a21 b12 c12 a22 a12 a1+ b1+ c21 a1+ b1+ b2+ "
    "b1+ c2+ b11 b22 a21 a1+ a1+ c2+ b1+ b12 b12 b22 a2+ c11 a2+ b22 a21 a2+ b11 c1+ c21 a21 a22 "
    "a22 b12 a1+ b11 c22 c2+ a2+ a11"
)


def patients(text, **group):
    """`12.5r` had event r at 12.5; `3+` was followed for 3 without any."""
    rows = [(float(t[:-1]), None if t.endswith("+") else t[-1]) for t in text.split()]
    frame = pl.DataFrame(rows, schema={"time_on": pl.Float64, "what": pl.String}, orient="row")
    return frame.with_columns(**{name: pl.lit(value) for name, value in group.items()})


MARROW = pl.concat([patients(text, disease=name) for name, text in _MARROW.items()])
CMPRSK = pl.DataFrame(
    [
        (float(k), None if t[2] == "+" else t[2], t[0], t[1])
        for k, t in enumerate(_CMPRSK.split(), 1)
    ],
    schema={"time_on": pl.Float64, "what": pl.String, "group": pl.String, "stratum": pl.String},
    orient="row",
)


def curves_of(frame, by=None, **options):
    return competing.cumulative_incidence(frame, "time_on", "what", by, **options)


def reached(curves, event, time):
    """The row in force at a time."""
    mine = curves.filter((pl.col("event") == event) & (pl.col("time") <= time))
    return mine.row(-1, named=True)


samples = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["a", "b", "c", None])), min_size=1, max_size=40
)


def frame_of(sample, **group):
    rows = pl.DataFrame(
        sample, schema={"time_on": pl.Int64, "what": pl.String}, orient="row", strict=False
    )
    return rows.with_columns(**{name: pl.lit(value) for name, value in group.items()})


# --- published figures --------------------------------------------------------------------------


def test_a_table_by_hand():
    """Five patients: a at 1 (of 5), b at 2 (of 4), 3+, a at 4 (of 2), 5+.

    F_a: 1/5, then S = .8 before 2; b: .8/4 = .2, S = .6; at 4: .2 + .6/2 = .5; S = .3.
    """
    curves = curves_of(patients("1a 2b 3+ 4a 5+"))
    columns = ("time", "at_risk", "events", "competing", "censored", "incidence")
    assert curves.filter(event="a").select(columns).rows() == [
        (1, 5, 1, 0, 0, pytest.approx(0.2)),
        (2, 4, 0, 1, 0, pytest.approx(0.2)),
        (3, 3, 0, 0, 1, pytest.approx(0.2)),
        (4, 2, 1, 0, 0, pytest.approx(0.5)),
        (5, 1, 0, 0, 1, pytest.approx(0.5)),
    ]
    assert curves.filter(event="b")["incidence"].to_list() == pytest.approx([0, 0.2, 0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("event", "time", "incidence", "lower", "upper"),
    [
        ("a", 0.277, 0.05050505, 0.01878907, 0.10615195),
        ("a", 0.287, 0.09090909, 0.04463628, 0.15734511),
        ("a", 0.345, 0.24242424, 0.16335929, 0.33010976),
        ("a", 0.419, 0.50505051, 0.40301410, 0.59842330),
        ("a", 2.776, 0.87878788, 0.79162926, 0.93104078),
        ("b", 0.345, 0.03030303, 0.00815729, 0.07868450),
        ("b", 0.419, 0.04040404, 0.01319573, 0.09263083),
        ("c", 2.776, 0.05050505, 0.01878907, 0.10615195),
    ],
)
def test_limits_as_sas_gives_them(event, time, incidence, lower, upper):
    """PROC LIFETEST, error=delta, conftype=loglog, of its example liftcrsk, as kept in
    scikit-survival's tests (cgvhd_delta.npy).
    """
    row = reached(curves_of(patients(_GRAFT)), event, time)
    figures = [row[c] for c in ("incidence", "lower", "upper")]
    assert figures == pytest.approx([incidence, lower, upper], abs=5e-9)


def test_marrow_incidence_as_r_and_sas_print_it():
    """Relapse after AML of low risk at 1, 1.5, 2 and 3 years, by tidycmprsk 1.1.1 and PROC LIFETEST
    (CAMIS). Their standard error, Aalen's, is .0360 at one year; until then nobody was censored,
    and that of 4 in 54 is √(.0741 · .9259 / 54) = .0356.
    """
    curves = curves_of(MARROW.filter(disease="AML low risk"))
    printed = {0.5: 0, 1: 0.0741, 1.5: 0.1296, 2: 0.1481, 3: 0.1667}
    seen = {years: reached(curves, "r", years * 365.25)["incidence"] for years in printed}
    assert seen == pytest.approx(printed, abs=5e-5)
    error = reached(curves, "r", 365.25)["standard_error"]
    assert error == pytest.approx((4 / 54 * 50 / 54 / 54) ** 0.5)
    assert error == pytest.approx(0.0360, abs=5e-4)


@pytest.mark.parametrize(
    ("event", "statistic", "p_value"), [("r", 11.9228820, 0.0025762), ("d", 0.1374108, 0.9336017)]
)
def test_gray_between_three_diseases(event, statistic, p_value):
    """The bone marrow data, as cmprsk 2.2-12 prints it (CAMIS, R/survival_cif)."""
    test = gray.gray_test(MARROW, "time_on", "what", "disease", of=event)
    assert test.statistic == pytest.approx(statistic, abs=5e-8)
    assert test.p_value == pytest.approx(p_value, abs=5e-8)
    assert test.degrees_of_freedom == 2
    assert test.groups["n"].to_list() == [38, 45, 54]


@pytest.mark.parametrize(
    ("without", "event", "statistic", "p_value"),
    [
        (None, "1", 3.393977, 0.1832345),
        (None, "2", 1.989511, 0.3698139),
        ("b", "1", 3.5151549, 0.06080997),
        ("b", "2", 0.1400145, 0.70826655),
    ],
)
def test_gray_within_strata(without, event, statistic, p_value):
    """cuminc(ss, cc, gg, strt) of R's cmprsk, tests/test.Rout.save: all, and without group b."""
    rows = CMPRSK.filter(pl.col("group") != (without or ""))
    test = gray.gray_test(rows, "time_on", "what", "group", of=event, strata="stratum")
    assert test.statistic == pytest.approx(statistic, rel=5e-7)
    assert test.p_value == pytest.approx(p_value, rel=5e-7)


def test_incidence_as_cmprsk_prints_it():
    """At 5 in its data, after all but the last patient: .4247898 and .4911861."""
    curves = curves_of(CMPRSK)
    seen = [reached(curves, event, 99)["incidence"] for event in ("1", "2")]
    assert seen == pytest.approx([0.4247898, 0.4911861], abs=5e-8)


# --- properties ---------------------------------------------------------------------------------


@given(samples)
def test_causes_and_survival_add_up(sample):
    """Of each time the incidences and the survival free of any event are 1 together."""
    frame = frame_of(sample)
    curves = curves_of(frame, events=["a", "b", "c"])
    any_event = frame.with_columns(pl.col("what").is_not_null())
    free = survival.kaplan_meier(any_event, "time_on", "what")
    total = curves.group_by("time").agg(pl.col("incidence").sum()).sort("time")["incidence"]
    assert (total + free["survival"]).to_list() == pytest.approx([1.0] * free.height)


@given(samples)
def test_one_event_is_kaplan_meier(sample):
    """With one event, incidence, its standard error and counts are those of 1 - Kaplan-Meier; where
    log-log limits do not exist, so are the limits.
    """
    frame = frame_of([(t, e and "a") for t, e in sample])
    curve = curves_of(frame, events=["a"])
    other = survival.kaplan_meier(
        frame.with_columns(pl.col("what").is_not_null()), "time_on", "what"
    )
    assert curve["incidence"].to_list() == pytest.approx((1 - other["survival"]).to_list())
    assert curve.select("time", "at_risk", "events", "censored").equals(
        other.select("time", "at_risk", "events", "censored").cast({"time": pl.Float64})
    )
    both = curve.select("ci_method", error="standard_error", low="lower", high="upper")
    both = pl.concat(
        [both, other.select("standard_error", "lower", "upper")], how="horizontal_extend"
    )
    is_inside = both.filter(ci_method="log_log")
    assert is_inside["error"].to_list() == pytest.approx(is_inside["standard_error"].to_list())
    at_ends = both.filter(ci_method="beta_product")
    assert at_ends["low"].to_list() == pytest.approx((1 - at_ends["upper"]).to_list())
    assert at_ends["high"].to_list() == pytest.approx((1 - at_ends["lower"]).to_list())


@given(samples.filter(lambda s: all(e for _, e in s)))
def test_without_censoring_it_is_a_share(sample):
    """Nobody censored: F is the share with the event so far, its variance F (1 - F) / n."""
    n = len(sample)
    for row in curves_of(frame_of(sample)).iter_rows(named=True):
        share = sum(t <= row["time"] and e == row["event"] for t, e in sample) / n
        assert row["incidence"] == pytest.approx(share)
        if 0 < share < 1:
            assert row["standard_error"] == pytest.approx((share * (1 - share) / n) ** 0.5)


@given(samples, st.randoms())
def test_order_and_splitting_change_nothing(sample, random):
    """Shuffled rows give the same curves; curves by group are those of each group alone."""
    shuffled = list(sample)
    random.shuffle(shuffled)
    whole = curves_of(frame_of(sample))
    assert curves_of(frame_of(shuffled)).equals(whole)
    both = pl.concat([frame_of(sample, arm="x"), frame_of(shuffled[:1], arm="y")])
    split = curves_of(both, "arm", events=["a", "b", "c"]).filter(arm="x").drop("arm")
    assert split.filter(pl.col("event").is_in(whole["event"].unique().to_list())).equals(whole)


@given(samples)
def test_everybody_twice(sample):
    """Duplicated patients: the same incidence, half the variance."""
    once, twice = (curves_of(frame_of(rows)) for rows in (sample, sample * 2))
    assert once["incidence"].to_list() == pytest.approx(twice["incidence"].to_list())
    errors = pl.DataFrame({"one": once["standard_error"], "two": twice["standard_error"]})
    errors = errors.drop_nulls()
    assert (errors["one"] ** 2).to_list() == pytest.approx((2 * errors["two"] ** 2).to_list())


@given(samples)
def test_limits_hold_the_incidence(sample):
    """0 <= lower <= incidence <= upper <= 1, none of them null."""
    curves = curves_of(frame_of(sample))
    low, mid, high = (curves[c].to_numpy() for c in ("lower", "incidence", "upper"))
    assert not curves.select("lower", "incidence", "upper").null_count().sum_horizontal().sum()
    assert np.all(low >= 0)
    assert np.all(high <= 1)
    assert np.all(low <= mid + 1e-12)
    assert np.all(mid <= high + 1e-12)


@given(samples, samples)
def test_gray_does_not_depend_on_names_or_order(first, second):
    """Groups the other way round, and rows shuffled: the same statistic. A second stratum that is
    the same doubles it.
    """
    pair = pl.concat([frame_of(first, arm="x"), frame_of(second, arm="y")])
    other = pl.concat([frame_of(second, arm="a"), frame_of(first, arm="b")])
    one, two = (gray.gray_test(rows, "time_on", "what", "arm", of="a") for rows in (pair, other))
    assert one.reason == two.reason
    if one.statistic is None:
        return
    assert one.statistic == pytest.approx(two.statistic, rel=1e-6, abs=1e-9)
    strata = pl.concat([pair.with_columns(stratum=pl.lit(s)) for s in ("1", "2")])
    both = gray.gray_test(strata, "time_on", "what", "arm", of="a", strata="stratum")
    assert both.statistic == pytest.approx(2 * one.statistic, rel=1e-6, abs=1e-9)


# --- edges --------------------------------------------------------------------------------------


def test_an_event_that_nobody_had_is_a_curve_at_zero():
    """Of three patients none died: 0, at most 1 - .025^(1/n), n being those at risk just before."""
    curves = curves_of(patients("1a 2+ 3a"), events=["a", "death"]).filter(event="death")
    assert curves["incidence"].to_list() == curves["lower"].to_list() == [0, 0, 0]
    assert curves["upper"].to_list() == pytest.approx([1 - 0.025 ** (1 / n) for n in (3, 2, 1)])
    assert curves["ci_method"].unique().to_list() == ["beta_product"]


def test_nobody():
    """No row: no curve, its columns; no test, and why."""
    nobody = patients("1a").clear()
    assert curves_of(nobody).columns == curves_of(patients("1a")).columns
    assert curves_of(nobody).is_empty()
    test = gray.gray_test(nobody.with_columns(arm=pl.lit("x")), "time_on", "what", "arm", of="a")
    assert (test.statistic, test.reason) == (None, "fewer than two groups at risk")


def test_gray_says_why_there_is_none():
    """Without an event of the kind; with one group."""
    quiet = pl.concat([patients("1b 2+", arm="x"), patients("3b 4+", arm="y")])
    assert gray.gray_test(quiet, "time_on", "what", "arm", of="a").reason == "no events"
    alone = patients("1a 2+", arm="x")
    test = gray.gray_test(alone, "time_on", "what", "arm", of="a")
    assert test.reason == "fewer than two groups at risk"


def test_rows_without_a_time_or_group_are_left_out():
    """A null event is censored; a null or NaN time, a null group is nobody's observation."""
    holes = pl.DataFrame(
        {"time_on": [None, float("nan"), 5.0], "what": ["a", "a", "a"], "arm": ["x", "x", None]}
    )
    own = patients("1a 2b 3+", arm="x")
    assert curves_of(pl.concat([own, holes]), "arm").equals(curves_of(own, "arm"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda f: curves_of(f.with_columns(time_on=-pl.col("time_on"))), "finite and from 0"),
        (lambda f: curves_of(f.with_columns(what=pl.lit(1))), "must name the event"),
        (lambda f: curves_of(f.with_columns(time_on=pl.lit("1"))), "durations as numbers"),
        (lambda f: curves_of(f, events=["b"]), "name all"),
        (lambda f: curves_of(f.rename({"what": "x"})), "no column what"),
        (lambda f: curves_of(f.with_columns(event=pl.lit("x")), "event"), "rename it"),
        (lambda f: gray.gray_test(f, "time_on", "what", [], of="a"), "by is not given"),
    ],
)
def test_what_is_wrong_is_said(wrong, says):
    """A usage error that says what was wrong."""
    with pytest.raises(UsageError, match=says):
        wrong(patients("1a 2a 3+"))
