"""Counts and durations as a sentence has them."""

import pytest

from transforms.counting import counted, spoken


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 events"), (1, "1 event"), (1_000, "1,000 events")]
)
def test_counted(count, text):
    """One is one thing, none and more are things."""
    assert counted(count, "event") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2 days")],
)
def test_spoken(seconds, text):
    """A unit is used from two of it on."""
    assert spoken(seconds) == text
