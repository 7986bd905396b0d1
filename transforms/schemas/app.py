"""The tables of `app`: what a release to readers from outside the clinic fills, and which release
wrote this lake.

Here: their columns; the number of the lake's format. Not here: which marts take part (each says so
of its columns), what a release holds back (transforms/disclosure), when it is made
(orchestration/releases.py).

A release keeps its summaries as they were, as tables of their own: what outside readers see then
depends on no old snapshot of the lake, so neither on upkeep nor on columns that came since.
"""

import polars as pl

from .base import COUNT, TIMESTAMP, Column, Json, Outside, Table
from .mart import MART_TABLES


def _as_released(table: Table) -> Table:
    comment = f"As last released to readers from outside the clinic, with the release's marks: {table.comment}"
    return Table("app", f"released_{table.name}", comment, table.columns, table.key)


# A summary's name -> its table of the last release
RELEASED: dict[str, Table] = {
    t.name: _as_released(t) for t in MART_TABLES.values() if t.is_released
}

RELEASES = Table(
    "app",
    "releases",
    "One row a release: what readers from outside the clinic are shown, the last one at present.",
    (
        Column("release_id", pl.Int64, "number, from 1", required=True, outside=Outside.KEY),
        Column(
            "lake_snapshot",
            pl.Int64,
            "snapshot of the lake that its marts were computed from",
            required=True,
        ),
        Column(
            "data_cutoff",
            TIMESTAMP,
            "newest plausible event time in it, capped at the time it was ingested",
            required=True,
            outside=Outside.OPEN,
        ),
        Column("released_at", TIMESTAMP, "when it was made", required=True, outside=Outside.OPEN),
        Column(
            "marts_snapshot",
            pl.Int64,
            "snapshot of the lake in which its marts stand; null = of a release of Floe that did not note it",
        ),
        Column("options", Json, "settings that its figures were computed under"),
        Column("code", pl.String, "fingerprint of the code and libraries that computed them"),
    ),
    ("release_id",),
)

RELEASED_CELLS = Table(
    "app",
    "released_cells",
    "One row a mart, cell and counts that a release has shown: what later ones are held against.",
    (
        Column("mart", pl.String, "mart", required=True),
        Column("cell", pl.String, "the row's key, as JSON", required=True),
        Column(
            "counts",
            pl.List(pl.Float64),
            "its counts, in the order of the mart's module; 0 for none",
            required=True,
        ),
        Column("release_id", pl.Int64, "last release that showed it so", required=True),
    ),
    ("mart", "cell", "counts"),
)

# Of the lake's tables as a whole. A release of Floe whose lakes an earlier one must not write gets
# the next number: 3 is that from which on what tells of an arm is sealed in `raw`.
LAKE_FORMAT = 3
SEALED_FROM_FORMAT = 3

LAKE_FORMATS = Table(
    "app",
    "lake_formats",
    "One row a release of Floe that brought this lake forward, the last one by opened_at in force.",
    (
        Column(
            "format",
            pl.Int64,
            "number of the lake's format; a release refuses a higher one",
            required=True,
        ),
        Column(
            "fingerprint",
            pl.String,
            "of all tables' columns and all metrics' versions",
            required=True,
        ),
        Column("opened_at", TIMESTAMP, "when that release first wrote this lake", required=True),
    ),
    ("format", "fingerprint", "opened_at"),
)

OUTDATED_TABLES = Table(
    "app",
    "outdated_tables",
    "One row a table of core, mart or a release that an earlier release of Floe computed, until it is computed anew.",
    (
        Column("table_name", pl.String, "schema and name", required=True),
        Column(
            "is_empty",
            pl.Boolean,
            "its columns changed: made anew, without rows until then",
            required=True,
        ),
        Column("since", TIMESTAMP, "when this release first wrote this lake", required=True),
    ),
    ("table_name",),
)

CURSORS = Table(
    "app",
    "cursors",
    "One row a table of core or mart: of what it was computed, so that a run computes only what has changed since.",
    (
        Column("table_name", pl.String, "schema and name", required=True),
        Column(
            "raw_snapshot",
            pl.Int64,
            "snapshot of the lake up to which it holds what landed",
            required=True,
        ),
        Column(
            "read_at",
            pl.Int64,
            "snapshot of the lake up to which it holds what other tables of core and mart say",
            required=True,
        ),
        Column("data_cutoff", TIMESTAMP, "data cut that it stands on", required=True),
        Column(
            "fingerprint",
            pl.String,
            "of the code, the settings and the libraries that computed it",
            required=True,
        ),
        Column("computed_at", TIMESTAMP, "when it was last computed", required=True),
        Column(
            "rows_changed",
            pl.Int64,
            "rows added, changed or removed then",
            unit=COUNT,
            required=True,
        ),
    ),
    ("table_name",),
)

FILE_CHECKSUMS = Table(
    "app",
    "file_checksums",
    "One row a file of this lake, as it was when it was written: what floe verify --deep holds the file against.",
    (
        Column("path", pl.String, "path below FLOE_DATA", required=True),
        Column("size_bytes", pl.Int64, "length", unit="bytes", required=True),
        Column("checksum", pl.String, "BLAKE2b-128 over all bytes, 32 hex digits", required=True),
        Column(
            "recorded_at",
            TIMESTAMP,
            "when; a file of an earlier release, or on S3, by the next upkeep",
            required=True,
        ),
    ),
    ("path",),
)

COMPARISONS = Table(
    "app",
    "comparisons",
    "One row a table of core or mart that follows the change: how it stood against a full computation when it was last held against one (floe materialize --compare).",
    (
        Column("table_name", pl.String, "schema and name", required=True),
        Column("compared_at", TIMESTAMP, "when it last was; null = never"),
        Column("rows", pl.Int64, "rows of the full computation", unit=COUNT),
        Column(
            "rows_differing",
            pl.Int64,
            "rows, by key, that one of the two lacks or has otherwise; floats within 1e-9 are the same",
            unit=COUNT,
        ),
        Column("example", Json, "key of one of those rows; null = none differs"),
        Column(
            "skipped_because",
            pl.String,
            "why the newest comparison left the table out; null = it did not",
        ),
    ),
    ("table_name",),
)

UPKEEP_FAULTS = Table(
    "app",
    "upkeep_faults",
    "One row a step of upkeep after which a table had another number of rows than before: until somebody has looked after it no file is removed and no snapshot expires.",
    (
        Column("found_at", TIMESTAMP, "when", required=True),
        Column("step", pl.String, "flush, merge, rewrite or expire", required=True),
        Column("table_name", pl.String, "schema and name", required=True),
        Column("snapshot_before", pl.Int64, "newest snapshot of the lake before it", required=True),
        Column("rows_before", pl.Int64, "rows before it", unit=COUNT, required=True),
        Column("rows_after", pl.Int64, "rows after it", unit=COUNT, required=True),
        Column(
            "detail",
            pl.String,
            "files that do not hold as many rows as the catalog says; null = none",
        ),
    ),
    ("found_at", "step", "table_name"),
)

_OWN = (
    RELEASES,
    RELEASED_CELLS,
    LAKE_FORMATS,
    OUTDATED_TABLES,
    CURSORS,
    FILE_CHECKSUMS,
    COMPARISONS,
    UPKEEP_FAULTS,
)

APP_TABLES: dict[str, Table] = {t.name: t for t in (*_OWN, *RELEASED.values())}
