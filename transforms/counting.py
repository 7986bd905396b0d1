"""Counts of things, and how long, in a sentence.

Here: one thing, two things; 40 s, 3 min. Not here: numbers on pages (dashboards/words.py).
"""


def counted(count: int, thing: str, things: str | None = None) -> str:
    """1 event, 2 events, 1,000 events; `things` where an s does not make the plural."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def spoken(seconds: float) -> str:
    """Seconds in the unit that people would say: 40 s, 12 min, 3 h, 5 days."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
