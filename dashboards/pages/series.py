"""Which rows of a summary a chart draws: the selection as one, or an arm each where there are arms.

Here: that choice, and why there may be no row. Not here: what is drawn of them.
"""

from collections.abc import Sequence

import polars as pl

from transforms.facts.values import FIRST, NONE

from ..filters import Chosen
from ..finer import is_seen, rows_of
from ..gate import SUPPRESSED
from ..reader import Reader
from ..strata import FIRST_IS_RELEASED, NOT_RELEASED
from .base import clinic_names, waiting


def of_episodes(reader: Reader, mart: str, choice: Chosen, *extra: str) -> pl.DataFrame:
    """Rows of a summary that has episodes and strategies: of the selection and those chosen, split
    further by the columns `extra`.
    """
    stratum, only = choice.stratum(*extra), (choice.episode,)
    rows = rows_of(reader, mart, stratum, episodes=only, choices=(stratum.combination,))
    return rows.filter(choice.is_asked_for())


def in_series(
    reader: Reader,
    mart: str,
    choice: Chosen,
    *,
    meets: pl.Expr,
    known: str,
    episode: str = FIRST,
) -> pl.DataFrame:
    """Rows that meet the condition, of the treatment episodes, with `series`: by arm where two or
    more arms have a `known` value, else of the selection.
    """
    if "arm" not in choice.asked:
        split = rows_of(reader, mart, choice.stratum("arm"), episode=episode)
        split = split.filter(meets & (pl.col("arm") != NONE))
        if split.filter(pl.col(known).is_not_null())["arm"].n_unique() > 1:
            return split.with_columns(series="arm")
    return (
        rows_of(reader, mart, choice.stratum(), episode=episode)
        .filter(meets)
        .with_columns(series=pl.lit(choice.in_words(clinic_names(reader), episode=episode)))
    )


def why_not_seen(reader: Reader, choice: Chosen, *split_by: str) -> str | None:
    """Why a reader from outside sees nothing of the selection, where it is another one than those
    that are released.
    """
    if not is_seen(reader, choice.stratum(*split_by)):
        return NOT_RELEASED
    return FIRST_IS_RELEASED if reader.is_outside and choice.is_of_others else None


def why_none(
    reader: Reader, rows: pl.DataFrame, choice: Chosen, *, what: str, split_by: Sequence[str] = ()
) -> str:
    """Why nothing of `rows` can be drawn; `split_by`: columns that they are split by further."""
    if rows.height and rows["is_suppressed"].any():
        return f"{what}: {SUPPRESSED}"
    if rows.height and "reason" in rows.columns and rows["reason"].null_count() < rows.height:
        return f"{what}: {rows['reason'].drop_nulls()[0]}."
    if why := why_not_seen(reader, choice, *split_by):
        return f"{what}: {why}"
    if not choice.dimensions and reader.newest(("mart",)) < 0:
        return waiting(reader)
    return f"{what}: nobody in this selection yet."
