"""Counts of things in a sentence.

Here: one thing, two things. Not here: numbers on pages (dashboards/words.py).
"""


def counted(count: int, thing: str) -> str:
    """1 event, 2 events, 1,000 events."""
    return f"{count:,} {thing}{'s' * (count != 1)}"
