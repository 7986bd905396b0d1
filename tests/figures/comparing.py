"""What of a table differs between two computations of it: columns that came or went, rows, values
by column.

Here: that, in sentences. Not here: computing them (computing.py).
"""

from collections.abc import Iterator, Mapping

import polars as pl

_SHOWN = 3


def differences(
    before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame]
) -> Iterator[str]:
    """A sentence for each thing that differs, by table; the order of rows and columns is none."""
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"{name}: gone ({before[name].height:,} rows before)"
        elif name not in before:
            yield f"{name}: new ({after[name].height:,} rows)"
        else:
            yield from (f"{name}: {text}" for text in _of_table(before[name], after[name]))


def _of_table(before: pl.DataFrame, after: pl.DataFrame) -> Iterator[str]:
    for word, columns in (("gone", _only(before, after)), ("new", _only(after, before))):
        if columns:
            yield f"{word}: column{'s' * (len(columns) > 1)} {', '.join(columns)}"
    both = [column for column in before.columns if column in after.columns]
    old, new = (_counted(frame.select(both)) for frame in (before, after))
    gone, come = (
        a.join(b, on=[*both, "_copy"], how="anti", nulls_equal=True)
        for a, b in ((old, new), (new, old))
    )
    if gone.is_empty() and come.is_empty():
        return
    yield f"{gone.height:,} of {before.height:,} rows are not as before, {come.height:,} of {after.height:,} are new"
    for label, rows in (("before", gone), ("after", come)):
        for row in rows.drop("_copy").head(_SHOWN).iter_rows(named=True):
            yield f"  {label}: {row}"


def _only(frame: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    return [column for column in frame.columns if column not in other.columns]


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    """Values as texts that can be compared, whatever their type; equal rows are told apart by their
    number.
    """
    texts = frame.with_columns(
        pl.all().map_elements(_text, return_dtype=pl.String, skip_nulls=False)
    )
    return (
        texts.with_columns(_copy=pl.int_range(pl.len()).over(texts.columns))
        if texts.width
        else texts
    )


def _text(value: object) -> str:
    return repr(value.to_list() if isinstance(value, pl.Series) else value)
