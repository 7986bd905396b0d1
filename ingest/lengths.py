"""How long the texts of an event may be, and which characters an id may have: checked on whole
columns.

Here: which limit a field has, and when a value breaks it. Not here: the other rules (rules.py),
texts within objects (record.py).
"""

from collections.abc import Iterator

import polars as pl

from transforms.schemas import Column

from .contract import LONGEST_ID, LONGEST_TERM, LONGEST_TEXT

Limit = tuple[str, str, pl.Expr, pl.Expr]
# What identifies an event; an importer's names file, patient and zone, so they may be longer than
# an id of `data`
_NAMING = ("event_id", "source")
_MORE_IDS = ("merged_into", "continues")
_TERMS = ("term", "preferred_term")
# C0, C1 and delete; marks, embeddings, overrides and isolates of direction (Unicode's Bidi_Control)
_UNSEEN = r"[\p{Cc}\x{61C}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}]"


def is_id(column: Column) -> bool:
    """Whether a field holds one id."""
    is_named_so = column.name.endswith("_id") or column.name in _MORE_IDS
    return is_named_so and column.dtype == pl.String


def is_no_id(value: pl.Expr) -> pl.Expr:
    """Whether a text is longer than an id may be, or has a character that no id may have."""
    is_too_long = value.str.len_chars() > LONGEST_ID
    is_unseen = value.str.contains(_UNSEEN)
    return is_too_long | is_unseen


def limits(columns: tuple[Column, ...]) -> Iterator[Limit]:
    """(reason, field, fails, detail) of the envelope's texts and of each text field, null where
    there is no text.
    """
    for name in _NAMING:
        value = pl.col(name)
        yield _too_long(name, value.str.len_chars(), LONGEST_TEXT)
        yield _bad_id(name, value.str.contains(_UNSEEN), most=LONGEST_TEXT)
    for column in columns:
        value = pl.col(column.name)
        if is_id(column):
            yield _bad_id(column.name, is_no_id(value))
        elif column.dtype == pl.String:
            most = LONGEST_TERM if column.name in _TERMS else LONGEST_TEXT
            yield _too_long(column.name, value.str.len_chars(), most)
        elif column.dtype == pl.List(pl.String):
            longest = value.list.eval(pl.element().str.len_chars()).list.max()
            yield _too_long(column.name, longest, LONGEST_TEXT)
    yield _bad_id(
        "subject", is_no_id(pl.col("subject"))
    )  # after a patient's own id, which it mostly repeats


def _bad_id(name: str, fails: pl.Expr, *, most: int = LONGEST_ID) -> Limit:
    is_unseen = pl.col(name).str.contains(_UNSEEN)
    length = _characters(pl.col(name).str.len_chars())
    what = pl.when(is_unseen).then(pl.lit("a character that can't be seen")).otherwise(length)
    expected = f"expected at most {most} characters, none of them of control or direction"
    return "bad_id", name, fails, pl.format("found {}, {}", what, pl.lit(expected))


def _too_long(name: str, length: pl.Expr, most: int) -> Limit:
    expected = f"expected at most {most}"
    return (
        "too_long",
        name,
        length > most,
        pl.format("found {}, {}", _characters(length), pl.lit(expected)),
    )


def _characters(length: pl.Expr) -> pl.Expr:
    return pl.format("{} characters", length)
