"""Whom a look is taken at, some hundred patients at a time.

Here: dividing them. Not here: whom rows touch (touched.py), the look (look.py).
"""

from collections.abc import Iterator

from .touched import Touched

_MOST_PATIENTS = 200  # of one look


def parts_of(whom: Touched) -> Iterator[Touched]:
    """The patients some hundred at a time, in an order; devices and single records with the first
    of them.
    """
    patients = sorted(whom.patients)
    for k in range(
        0, len(patients) or min(1, len(whom.devices) + len(whom.single)), _MOST_PATIENTS
    ):
        some = frozenset(patients[k : k + _MOST_PATIENTS])
        yield Touched(some, whom.devices if k == 0 else frozenset(), whom.single if k == 0 else {})
