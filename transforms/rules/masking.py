"""What tells of an arm, and who is without it while a study is masked: everybody.

Here: which studies are masked, records without what tells. Not here: which fields tell
(facts/masking.py), how arms are kept in `raw` (ingest/sealing.py), what is computed of arms (the
marts).

Until the day `masked_until` no table that people read has them. A monitoring committee that may see
them is a role, each of whose looks is recorded: it is not there yet, and this is its place.
"""

from collections.abc import Iterable
from datetime import date

import polars as pl

from ..facts.masking import TELLING


def masked(studies: pl.DataFrame, *, on: date | None) -> list[str]:
    """The ids of the studies whose arms are masked on a day: `masked_until` is later. Without a day
    (no data cut yet) all that have ever been masked.
    """
    until = pl.col("masked_until")
    is_masked = until.is_not_null() if on is None else until > on
    return studies.filter(is_masked)["study_id"].unique().sort().to_list()


def records_that_mask(sent: pl.DataFrame, counting: pl.DataFrame) -> pl.DataFrame:
    """`study_id` and `masked_until` of the records of studies that count, and of studies of which
    none does any more, for to mark a record as an error unmasks nobody, all that were sent.
    """
    columns = ("study_id", "masked_until")
    gone = sent.join(counting, on="study_id", how="anti")
    return pl.concat([counting.select(columns), gone.select(columns)])


def without_arms(
    topic: str, frame: pl.DataFrame, *, masked: Iterable[str], among: Iterable[str] | None = None
) -> pl.DataFrame:
    """The topic's records, in those of a masked study null for all that tells of an arm.

    `among`: where a record of a study could not be read, the studies of which one could: any other
    may be the one that it masks.
    """
    columns = [c for c in TELLING.get(topic, ()) if c in frame.columns]
    is_masked = pl.col("study_id").is_in(list(masked))
    if among is not None:
        is_masked = is_masked | ~pl.col("study_id").is_in(list(among))
    is_masked = is_masked.fill_null(False)
    return frame.with_columns(pl.when(~is_masked).then(c).alias(c) for c in columns)
