"""The time zones that a clinic or an import may have: the names of the IANA database, in its own
capitals.

Here: which names there are, and the one that was meant. Not here: days in a zone
(transforms/rules/local_time.py).

DuckDB knows 41 names more (abbreviations such as PST, `SystemV/…`), polars reads bare offsets
(`+01:00`), and some systems have the zones `Factory` and `localtime`: a day must not depend on
which of them places it.
"""

import difflib
import zoneinfo
from functools import cache

from transforms.errors import UsageError

_NO_PLACES = ("Factory", "localtime", "posixrules")
_SIMILAR = 0.8
_FEWEST_LETTERS = 5  # of what may be a misspelt place; shorter ones are abbreviations, of which some name several zones


@cache
def zone_names() -> frozenset[str]:
    """Every name that is taken."""
    names = zoneinfo.available_timezones()
    return frozenset(
        name
        for name in names
        if name not in _NO_PLACES and not name.startswith(("posix/", "right/"))
    )


def zone_named(name: str | None) -> str:
    """The name itself, where it is one. Raises UsageError, with the name meant where one is
    near.
    """
    if name in zone_names():
        return name
    raise UsageError(f"found time zone {name!r}, expected {expected_instead_of(name)}")


def expected_instead_of(name: str | None) -> str:
    """What to write in place of a name that is none, as the end of a message."""
    meant = _meant(name or "")
    return (
        f"the IANA name {meant}"
        if meant
        else "an IANA name such as Europe/Berlin, in its own capitals"
    )


def _meant(name: str) -> str | None:
    """The name that this is in other capitals, whose city this is, or that differs by a letter or
    two.
    """
    wanted = name.strip().replace(" ", "_").casefold()
    by_fold = {zone.casefold(): zone for zone in sorted(zone_names())}
    places = {
        fold: zone for fold, zone in by_fold.items() if "/" in zone and not zone.startswith("Etc/")
    }
    if wanted in by_fold:
        return by_fold[wanted]
    of_city = [zone for fold, zone in places.items() if fold.rpartition("/")[2] == wanted]
    if len(of_city) == 1:
        return of_city[0]
    if len(wanted) < _FEWEST_LETTERS or any(letter.isdigit() for letter in wanted):
        return None
    near = difflib.get_close_matches(wanted, places, n=1, cutoff=_SIMILAR)
    if not near:
        return None
    return places[near[0]]
