"""Which rows of a summary a chart draws: the selection as one, or an arm each where there are arms.

Here: that choice, and why there may be no row. Not here: what is drawn of them.
"""

import polars as pl

from transforms.facts.values import FIRST, NONE

from ..filters import Chosen
from ..gate import SUPPRESSED
from ..reader import Reader
from .base import clinic_names, waiting


def of_episodes(reader: Reader, mart: str, choice: Chosen, *extra: str) -> pl.DataFrame:
    """Rows of a summary that has episodes and strategies: of the selection and those chosen, split
    further by the columns `extra`.
    """
    return reader.mart(mart, *choice.stratum(*extra)).filter(choice.is_asked_for())


def in_series(
    reader: Reader, mart: str, choice: Chosen, *, meets: pl.Expr, known: str
) -> pl.DataFrame:
    """Rows that meet the condition, of first episodes, with `series`: by arm where two or more arms have a `known`
    value, else of the selection.
    """
    if "arm" not in choice.asked:
        split = reader.mart(mart, *choice.stratum("arm")).filter(meets & (pl.col("arm") != NONE))
        if split.filter(pl.col(known).is_not_null())["arm"].n_unique() > 1:
            return split.with_columns(series="arm")
    return (
        reader.mart(mart, *choice.stratum())
        .filter(meets)
        .with_columns(series=pl.lit(choice.in_words(clinic_names(reader), episode=FIRST)))
    )


def why_none(
    reader: Reader, rows: pl.DataFrame, choice: Chosen, *, what: str, is_of_few: bool = False
) -> str:
    """Why nothing of `rows` can be drawn. `is_of_few`: of a mart that has not all combinations of
    the filters.
    """
    if rows.height and rows["is_suppressed"].any():
        return f"{what}: {SUPPRESSED}"
    if rows.height and "reason" in rows.columns and rows["reason"].null_count() < rows.height:
        return f"{what}: {rows['reason'].drop_nulls()[0]}."
    if is_of_few and len(choice.narrowed) > 1 and set(choice.narrowed) != {"clinic_id", "modality"}:
        return f"{what}: computed for one filter at a time, or a clinic with a modality. Clear the other filters."
    if choice.is_of_others and len(choice.narrowed) > 1:
        return (
            f"{what}: of other episodes and strategies with one filter at a time; floe outcomes "
            "computes any selection."
        )
    if not choice.dimensions and reader.newest(("mart",)) < 0:
        return waiting(reader)
    return f"{what}: nobody in this selection yet."
