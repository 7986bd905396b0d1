"""Rows of a summary that a release has shown and that say something else now.

Here: which differ, in which columns, which figure each is in words. Not here: why (reasons.py).

A curve (`ALONG`) is one figure, told by its last row: who has an event later moves the steps of all
that follow. Of a curve over cut-offs 30 % and 50 % are followed (`ONLY`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from ..facts.catalogue import METRICS
from ..facts.strata import STRATUM_COLUMNS
from ..facts.values import MASKED
from ..schemas import Table

# Of a curve over cut-offs those that people quote
ONLY = {"responder_curves": "cutoff_pct IN (30, 50)"}
ALONG = {"survival_curves": "time_days", "competing_risks": "time_days"}
# What clinics are held against is made of all of them, and arms are compared with each other
_ONLY_BY = {"clinic_funnel": (), "arm_comparisons": ("study_id", "indication")}
_TOLERANCE = 1e-9
_NOW = "_now"
_NO_WORDS = ("metric_id", "strata", "population", "parameter", *STRATUM_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure that was published, and as it is now (`restated` null: it is no more)."""

    table: str
    key: str
    metric_id: str | None
    parameter: str | None
    stratum: tuple[tuple[str, str], ...]
    in_words: str
    versions: tuple[str | None, str | None]
    changed: tuple[str, ...]
    published: str
    restated: str | None


def figure_key(table: Table) -> list[str]:
    """The columns that name a figure of a summary."""
    return [name for name in table.key if name != ALONG.get(table.name)]


def of_masked_arms(restatements: pl.DataFrame, studies: Collection[str]) -> pl.DataFrame:
    """The rows whose figure is of an arm of one of these studies, which are masked by now."""
    arm = pl.col("figure").str.json_path_match("$.arm")
    study = pl.col("figure").str.json_path_match("$.study_id")
    is_of_arm = arm.is_not_null() & (arm != MASKED)
    return restatements.filter(study.is_in(list(studies)) & is_of_arm)


def figures(table: Table, published: pl.DataFrame, now: pl.DataFrame) -> Iterator[Figure]:
    """Each figure of `published`, rows as of a release, beside the row of `now` with its key."""
    key = [c for c in figure_key(table) if c in published.columns]
    values = [
        c.name
        for c in table.columns
        if c.outside.is_of_people and c.name not in key and c.name in published.columns
    ]
    rule = [c for c in ("metric_version", "parameter") if c in published.columns]
    before = published.select(*key, *(c for c in (*rule, *values) if c not in key))
    there = now.select(
        *key, *(pl.col(c).alias(c + _NOW) for c in (*values, "metric_version")), is_there=True
    )
    both = before.join(there, on=key, how="left", nulls_equal=True, maintain_order="left")
    frame = both.with_columns(
        _key=pl.struct(key).struct.json_encode(),
        _published=pl.struct(values).struct.json_encode(),
        _restated=pl.when("is_there").then(
            pl.struct(pl.col(c + _NOW).alias(c) for c in values).struct.json_encode()
        ),
        _changed=pl.concat_list(
            pl.when(_differs(c, both.schema[c])).then(pl.lit(c)) for c in values
        ).list.drop_nulls(),
    )
    for row in frame.iter_rows(named=True):
        yield _figure(table, row, key)


def _differs(column: str, dtype: pl.DataType) -> pl.Expr:
    was, is_now = pl.col(column), pl.col(column + _NOW)
    if not dtype.is_float():
        return was.ne_missing(is_now)
    is_near = (was - is_now).abs() <= _TOLERANCE * pl.max_horizontal(was.abs(), pl.lit(1.0))
    return (was.is_null() != is_now.is_null()) | ~is_near.fill_null(True)


def _figure(table: Table, row: Mapping, key: list[str]) -> Figure:
    by = _ONLY_BY.get(table.name, STRATUM_COLUMNS)
    return Figure(
        table=table.name,
        key=row["_key"],
        metric_id=row.get("metric_id"),
        parameter=row.get("parameter"),
        stratum=tuple((c, row[c]) for c in by if row.get(c) is not None),
        in_words=_in_words(row, key),
        versions=(row.get("metric_version"), row["metric_version" + _NOW]),
        changed=tuple(row["_changed"]),
        published=row["_published"],
        restated=row["_restated"],
    )


def _in_words(row: Mapping, key: list[str]) -> str:
    metric = METRICS.get(row.get("metric_id") or "")
    what = metric.title if metric else row.get("parameter") or "figure"
    return ", ".join([what, *_particulars(row, key), _of_whom(row)])


def _particulars(row: Mapping, key: list[str]) -> Iterator[str]:
    for name in key:
        value = row[name]
        if name in _NO_WORDS or value is None or value is False:
            continue
        if value is True:
            yield name.removeprefix("is_").replace("_", " ")
        else:
            yield f"{value}" if name == "visit" else f"{name.replace('_', ' ')} {value}"


def _of_whom(row: Mapping) -> str:
    of = [
        f"{c.removesuffix('_id').replace('_', ' ')} {row[c]}"
        for c in STRATUM_COLUMNS
        if row.get(c) is not None
    ]
    return ", ".join(of) or "everybody"
