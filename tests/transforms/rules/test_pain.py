"""When has a patient responded? The rules on the cases where they disagree, in exact arithmetic."""

from fractions import Fraction

import polars as pl
import pytest

from transforms.facts.headlines import PAIN_PARAMETERS
from transforms.facts.parameters import PARAMETERS
from transforms.facts.responses import CRITERIA
from transforms.options import Options
from transforms.rules import pain


def judge(parameter: str, base: float | None, value: float | None, **options) -> dict:
    row = pl.DataFrame(
        {"parameter": [parameter], "BASE": [base], "AVAL": [value]},
        schema_overrides={"BASE": pl.Float64, "AVAL": pl.Float64},
    )
    row = row.with_columns(is_judged=pl.col("BASE").is_not_null() & pl.col("AVAL").is_not_null())
    found = pain.judged(row, options=Options(**options)).row(0, named=True)
    return {c: found[f"CRIT{k}FL"] for k, c in enumerate(CRITERIA, 1)} | {
        "reason": found["rule_reason"]
    }


@pytest.mark.parametrize(
    ("base", "value", "pct30", "pct50", "points", "worse"),
    [
        (8, 5, "Y", "N", "Y", "N"),  # 3 of 8 = 37.5 %
        (7, 5, "N", "N", "Y", "N"),  # 2 of 7 = 28.6 %
        (10, 7, "Y", "N", "Y", "N"),  # exactly 30 %
        (3, 2, "Y", "N", "N", "N"),  # 33.3 %, one point
        (4, 2, "Y", "Y", "Y", "N"),  # exactly 50 %
        (5, 7, "N", "N", "N", "Y"),  # 2 points worse
        (5, 6, "N", "N", "N", "N"),
        (0, 3, None, None, None, "Y"),  # no percentage of 0; the worsening can be seen
        (6, None, None, None, None, None),
        (None, 4, None, None, None, None),
    ],
)
def test_nrs_rules_stay_apart(base, value, pct30, pct50, points, worse):
    """Worked cases of the NRS: 30 %, 50 %, 2 points and worsening each on its own; null is not
    evaluable.
    """
    found = judge("NRS7D", base, value)
    assert [found[c] for c in ("PCT30", "PCT50", "POINTS", "WORSE")] == [
        pct30,
        pct50,
        points,
        worse,
    ]


@pytest.mark.parametrize(
    ("parameter", "base", "value", "points", "pct30"),
    [
        ("NRS7D", 7, 5, "Y", "N"),
        ("ODI", 40, 31, "N", "N"),  # 9 points, 22.5 %
        ("ODI", 30, 20, "Y", "Y"),
        ("RMDQ", 14, 9, "Y", "Y"),  # 5 points, 35.7 %
        ("RMDQ", 6, 4, "N", "Y"),  # 2 points, 33.3 %
        ("VAS7D", 60, 44, "Y", "N"),  # 16 mm, 26.7 %
    ],
)
def test_important_change(parameter, base, value, points, pct30):
    """Reference 34: the cuts of Ostelo 2008, in points and 30 %."""
    found = judge(parameter, base, value)
    assert (found["POINTS"], found["PCT30"]) == (points, pct30)


@pytest.mark.parametrize(
    "base", [x / 10 for x in range(1, 101)] + [10.75, 33.3, 99.9, 20 * 16 / 9, 24 * 9 / 23]
)
@pytest.mark.parametrize("percent", [30, 35, 50, 12.5])
def test_exactly_the_percentage_is_a_response(base, percent):
    """A fall of exactly the percentage responds and one of a little less does not, whatever the
    binary fractions.
    """
    exact = base * (1 - percent / 100)
    rows = pl.DataFrame({"base": [base] * 2, "value": [exact, exact + 1e-5]})
    flags = rows.select(
        pain.is_percent_responder(pl.col("base"), pl.col("value"), percent=percent)
    ).to_series()
    assert flags.to_list() == [True, False]


def test_rules_agree_with_fractions():
    """On every pair of tenths up to 3 the 30 % rule is the one of exact fractions."""
    pairs = [(b, v) for b in range(1, 31) for v in range(31)]
    frame = pl.DataFrame({"base": [b / 10 for b, _ in pairs], "value": [v / 10 for _, v in pairs]})
    found = (
        frame.select(pain.is_percent_responder(pl.col("base"), pl.col("value"), percent=30))
        .to_series()
        .to_list()
    )
    assert found == [Fraction(b - v, b) >= Fraction(3, 10) for b, v in pairs]


def test_roland_morris_at_the_ends_of_its_scale():
    """Under 4 at baseline an improvement can't be seen; over 20 a worsening can't, but a response
    can.
    """
    low = judge("RMDQ", 3, 0)
    assert (low["PCT30"], low["POINTS"], low["WORSE"]) == (None, None, "N")
    assert low["reason"] == "baseline under 4: an improvement can't be seen"
    high = judge("RMDQ", 21, 10)
    assert (high["PCT50"], high["POINTS"], high["WORSE"]) == ("Y", "Y", None)
    assert judge("RMDQ", 4, 0)["PCT30"] == "Y"


@pytest.mark.parametrize(
    ("parameter", "base", "value", "points", "worse"),
    [
        ("PF6B", 36, 40, "Y", "N"),
        ("PF6B", 40, 36, "N", "Y"),
        ("PI6A", 60, 56.5, "Y", "N"),
        ("PI6A", 60, 56.6, "N", "N"),
        ("EQ5D", 0.7, 0.78, "Y", "N"),
        ("EQ5D", 0.7, 0.77, "N", "N"),
    ],
)
def test_direction_and_no_percentage_of_a_t_score(parameter, base, value, points, worse):
    """Higher physical function and utility are better, higher interference is worse; no percentage
    of such scores.
    """
    found = judge(parameter, base, value)
    assert (found["POINTS"], found["WORSE"], found["PCT30"]) == (points, worse, None)


@pytest.mark.parametrize(
    ("category", "improved", "worse"), [(1, "Y", "N"), (2, "Y", "N"), (3, "N", "N"), (6, "N", "Y")]
)
def test_pgic_needs_no_baseline(category, improved, worse):
    """Much or very much improved is 1 or 2; it judges change itself."""
    found = judge("PGIC", None, category)
    assert (found["POINTS"], found["WORSE"]) == (improved, worse)


def test_a_setting_changes_the_rule():
    """The site's own percentage and important change are settings, and the rule's words follow
    them.
    """
    assert judge("NRS7D", 10, 6, responder_extra_pct=40)["PCTX"] == "Y"
    assert judge("NRS7D", 10, 6, responder_extra_pct=41)["PCTX"] == "N"
    assert judge("NRS7D", 7, 4, nrs_points=4)["POINTS"] == "N"
    texts = pain.rule_texts(PARAMETERS["NRS7D"], options=Options(responder_extra_pct=41))
    assert texts["PCTX"] == "improvement of at least 41 % of baseline"


def test_headline_parameter():
    """The first parameter with a baseline stands for the patient; without any baseline the first
    with a value.
    """
    rows = pl.DataFrame(
        [
            ("a", "NRS7D", 5.0, None),
            ("a", "NRSBACK", 6.0, 7.0),
            ("b", "NRSLEG", 3.0, None),
            ("b", "NRS7D", None, None),
        ],
        schema=["USUBJID", "PARAMCD", "AVAL", "BASE"],
        orient="row",
    )
    found = pain.headline(rows, parameters=PAIN_PARAMETERS)
    assert sorted(found.select("USUBJID", "PARAMCD").rows()) == [("a", "NRSBACK"), ("b", "NRSLEG")]
