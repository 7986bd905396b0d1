"""A large computation in batches of keys: how many at a time, and what one batch is.

Here: the batch as data, the division. Not here: computing one (assets/of_batch.py), where that is done
(engines/), writing what came of it (assets/build.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from transforms.options import Cut

# Keys to a patient, of tables that are computed by something else than patients
_SESSIONS, _RECORDS = 40, 100


@dataclass(frozen=True)
class Batch:
    """Some keys of a table, and all that decides their rows: a snapshot of the lake, with the data cut
    in it, and the fingerprint of code, settings and libraries.
    """

    table: str
    keys: pl.Series
    snapshot: int
    cut: Cut
    fingerprint: str


FramesOf = Callable[[Sequence[Batch]], Iterator[pl.DataFrame]]  # in the order of the batches


def keys_at_once(key: str, *, patients: int) -> int:
    """Of a table that is computed by this column, so that a batch holds as much whatever its keys are."""
    if key in ("patient_id", "USUBJID"):
        return patients
    return patients * (_SESSIONS if key == "session_id" else _RECORDS)


def divided(keys: pl.Series, *, at_once: int) -> list[pl.Series]:
    """Each key in one part, in a fixed order."""
    ordered = keys.drop_nulls().unique().sort()
    return [ordered.slice(first, at_once) for first in range(0, ordered.len(), at_once)]
