"""Numbers and codes as people read them."""

from datetime import UTC, datetime

import pytest

from dashboards import words
from dashboards.filters import chosen, kept_search, settled


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((-4.604, -7.047, -2.16), "\N{MINUS SIGN}4.60 (\N{MINUS SIGN}7.05 to \N{MINUS SIGN}2.16)"),
        ((1.5, None, None), "1.50 (no interval)"),
        ((None, None, None), words.NOTHING),
        ((0.0, 0.0, 0.5196), "0.00 (0.00 to 0.52)"),
    ],
)
def test_interval(values, text):
    """An estimate never stands without its limits; without them it says so, and null is a dash, not
    0.
    """
    assert words.interval(*values) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.375, "2.38"),
        (2.5, "2.5"),
        (-42.0, "\N{MINUS SIGN}42"),
        (1_200.0, "1,200"),
        (0.0, "0"),
        (None, words.NOTHING),
    ],
)
def test_short(value, text):
    """As many digits as it has, two at most; the zeros of a whole number stay."""
    assert words.short(value) == text


def test_percent():
    """49 of 161: 30 % (24 to 38)."""
    assert words.percent(0.304, 0.239, 0.379) == "30 % (24 to 38)"
    assert words.percent(0.304, None, None) == "30 % (no interval)"
    assert words.percent(None, None, None) == words.NOTHING


@pytest.mark.parametrize(
    ("p", "text"), [(0.0003, "p < 0.001"), (0.0312, "p = 0.031"), (None, words.NOTHING)]
)
def test_p_value(p, text):
    """Three digits; below them an inequality."""
    assert words.p_value(p) == text


def test_names():
    """Codes are read in words; what has no name is a dash."""
    assert [words.name_of(c) for c in ("whole_body", "(none)", "ancova", None)] == [
        "Whole body",
        "none",
        "ANCOVA",
        words.NOTHING,
    ]
    assert words.moment(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)) == "02 Jan 2026, 03:04 UTC"
    assert words.better_is("NRS7D") == "lower"
    assert words.better_is("STEPS") == "higher"
    assert words.better_is("NOPE") is None


def test_the_url_is_the_choice():
    """Filters name a stratum; its dimensions stand in the marts' order, whatever the URL's; a
    further one splits it.
    """
    choice = chosen("?parameter=NRS7D&modality=local&clinic=C1")
    where, params = choice.stratum().condition()
    assert where == 'strata = $1 AND "clinic_id" = $2 AND "modality" = $3'
    assert params == [("clinic_id", "modality"), "C1", "local"]
    assert choice.stratum("arm").condition()[1] == [
        ("clinic_id", "modality", "study_arm"),
        "C1",
        "local",
    ]
    assert choice.stratum().condition(after=2)[0].startswith('strata = $3 AND "clinic_id" = $4')
    assert choice.get("parameter") == "NRS7D"
    assert chosen(None).stratum().condition() == ("strata = $1", [()])


STUDIES = {"ROUTINE": ["(none)"], "A": ["control", "sham"], "M": ["(masked)"]}


@pytest.mark.parametrize(
    ("search", "studies", "in_force", "said"),
    [
        ("", STUDIES, ("ROUTINE", "(none)"), "routine care"),
        ("?study=A", STUDIES, ("A", "control"), "study A, arm control"),
        ("?study=A&arm=sham", STUDIES, ("A", "sham"), "study A, arm sham"),
        (
            "?study=A&arm=cold",
            STUDIES,
            ("A", "control"),
            "study A, arm control",
        ),  # an arm of another study
        ("?study=M", STUDIES, ("M", "(masked)"), "study M, its arms masked"),
        (
            "",
            {"B": ["x"], "A": ["y"]},
            ("A", "y"),
            "study A, arm y",
        ),  # no routine care: the first study
        (
            "?study=gone",
            STUDIES,
            ("gone", "(none)"),
            "study gone",
        ),  # nobody is in it, and the page says so
    ],
)
def test_a_page_stands_on_one_study(search, studies, in_force, said):
    """Routine care by default; the arm is one of the study's, that of patients without one, or the
    first.
    """
    choice = settled(chosen(search), studies)
    where, params = choice.stratum().condition()
    assert where == 'strata = $1 AND "study_id" = $2 AND "arm" = $3'
    assert params == [("study_arm",), *in_force]
    assert choice.frame == said
    assert choice.stratum("arm").condition() == (
        'strata = $1 AND "study_id" = $2',
        [("study_arm",), in_force[0]],
    )
    assert choice.narrowed == {}


def test_without_any_study_the_choice_stays():
    """Before there is data nothing is in force but what is asked for."""
    assert settled(chosen("?clinic=C1"), {}).dimensions == {"clinic_id": "C1"}


def test_same_choice_same_key():
    """The order of a URL's names does not matter, so that a zoom stays."""
    assert (
        chosen("?a=1&clinic=C1").key()
        == chosen("?clinic=C1&a=1").key()
        != chosen("?clinic=C2&a=1").key()
    )


def test_other_pages_keep_the_filters():
    """Filters go along to another page; what belongs to one page does not."""
    assert kept_search("?clinic=C1&parameter=NRS7D&arm=a%20b") == "?arm=a+b&clinic=C1"
    assert kept_search(None) == ""
