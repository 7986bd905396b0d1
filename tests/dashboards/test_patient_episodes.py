"""A patient's treatment episodes in words.

Here: episodes by the rule, as the table says them. Not here: the rule (tests/transforms/rules).
"""

from dashboards.pages.patient import episodes
from tests.dashboards.looking import payload
from tests.transforms.rules.test_episodes import of, sessions


def said(*rows: tuple) -> str:
    return payload([episodes.table(of(sessions(*rows)))])


def test_visits_count_until_the_next_baseline_begins_and_of_the_last_with_no_end():
    """Day 0, a second course on day 60: its baseline, from day 32 on, lies in the first one's follow-up."""
    text = said((0, "A"), (7, "A"), (60, "B"))
    assert "in the follow-up of the one before" in text
    assert text.count("until ") == 1
    assert text.count("with no end") == 1
    assert "a new course" in text


def test_an_episode_on_whose_day_the_next_began_has_no_visits():
    """Not that they count until the day before it began."""
    text = said((0, "A"), (0.1, "B"))
    assert "none: the next began on the same day" in text
    assert "until " not in text


def test_a_pause_that_ended_an_episode_is_said():
    assert "a long time without a session" in said((0, None), (200, None))
