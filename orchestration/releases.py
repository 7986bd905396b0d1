"""Releases to readers from outside the clinic: when one is made, and where it is kept.

Here: whether one is due, and its steps. Not here: what it holds back (transforms/disclosure), who
is shown it (dashboards/gate.py).

A release: 1. the marts, whole and of one data cut; 2. what was shown before; 3. each summary's rows with their marks;
4. of them what a release holds: rounded counts, and nothing of marked rows; 5. less what tells with other tables that a
count is one of a few; 6. all of it in one transaction. Until that
is committed the last release is in force, whatever happens.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl

from ingest.inspection import last_release, outdated_tables
from ingest.lake import Lake, Writer
from ingest.masked_arms import masked_studies
from transforms.disclosure.release import SEEN, release
from transforms.errors import FloeError
from transforms.facts.values import MASKED
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.released.as_released import as_released, base_of, to_hour
from transforms.released.whole_release import untold
from transforms.restating.reasons import settings_of
from transforms.schemas import APP_TABLES, TIMESTAMP
from transforms.schemas.app import OUTDATED_TABLES, RELEASED

from .cut import cut_in_force, waiting
from .following import CURSORS, code_fingerprint

RELEASES, RELEASED_CELLS = APP_TABLES["releases"], APP_TABLES["released_cells"]


def release_if_due(lake: Lake, *, every: timedelta, options: Options, now: datetime) -> str:
    """Makes a release where the last is at least `every` old, there is none, another release of
    Floe made the last (its rows may be gone), or it shows arms of a study that has been masked
    since, once no table waits; says in a sentence what was done.
    """
    last = last_release(lake)
    stays = last and now - last["released_at"] < every and not tells_arms(lake)
    if stays and not outdated_tables(lake, schemas=("app",)):
        return f"release {last['release_id']} of {last['released_at']:%Y-%m-%d %H:%M} UTC stays: {every} are not over"
    if waiting(lake):
        return "a release is due, and waits for tables that stand on an older data cut"
    return make_release(lake, options=options, now=now)


def tells_arms(lake: Lake) -> bool:
    """Whether the release in force has figures of arms of a study that is masked by now."""
    studies = list(masked_studies(lake))
    if not studies:
        return False
    by_arm = [table.full_name for table in RELEASED.values() if "arm" in table.names]
    count = " + ".join(
        f"(SELECT count(*) FROM {name} WHERE list_contains($1, study_id) AND arm <> $2)"
        for name in by_arm
    )
    return lake.sql(f"SELECT {count} AS n", [studies, MASKED])["n"][0] > 0


def make_release(lake: Lake, *, options: Options, now: datetime) -> str:
    """Makes a release of the marts as they are; none of a lake that counts nobody yet. Says what
    was done.

    FloeError where the marts are not of one data cut: an asset failed or was computed alone.
    """
    if lake.sql("SELECT count(*) AS n FROM mart.adsl")["n"][0] == 0:
        return "no release yet: the marts count no patient"
    cut, last, stands_in = cut_in_force(lake), last_release(lake), lake.snapshot()
    number = 1 + (last["release_id"] if last else 0)
    marts = _marts(lake, cut=cut)
    all_seen = lake.table(RELEASED_CELLS.full_name)
    rows, seen = {}, []
    for name, table in RELEASED.items():
        marked, of_mart = release(
            marts[name],
            cells=MARTS[name].cells(options),
            key=table.key,
            previous=lake.table(table.full_name),
            seen=all_seen.filter(mart=name).select(SEEN.names()),
            number=number,
        )
        rows[name] = as_released(table, marked, options=options)
        seen.append(of_mart.with_columns(mart=pl.lit(name)))
    rows = untold(marts, rows, base=base_of(options), min_cell=options.min_cell)
    made = {
        "marts_snapshot": stands_in,
        "options": settings_of(options),
        "code": code_fingerprint(),
        "release_id": number,
        "lake_snapshot": cut.lake_snapshot,
        "data_cutoff": to_hour(cut.data_cutoff),
        "released_at": now,
    }
    lake.write(_stored(rows, seen=pl.concat(seen), made=RELEASES.conform(pl.DataFrame([made]))))
    hidden = sum(r["is_suppressed"].sum() for r in rows.values())
    height = sum(r.height for r in rows.values())
    return f"release {number}: {height - hidden:,} of {height:,} rows are shown, data to {cut.data_cutoff:%Y-%m-%d %H:%M} UTC"


def _marts(lake: Lake, *, cut: Cut) -> dict[str, pl.DataFrame]:
    """The marts, every row with the cut that they all stand on: when a row last changed is told to
    nobody outside.
    """
    marts = {name: lake.table(MARTS[name].table.full_name) for name in RELEASED}
    standing = dict(lake.rows(f"SELECT table_name, raw_snapshot FROM {CURSORS.full_name}"))
    stale = sorted(name for name, rows in marts.items() if _of_others(name, rows, standing, cut))
    if stale:
        raise FloeError(
            f"found {', '.join(stale)} computed from another data cut than the rest, a release is of one: "
            "floe materialize --full, then try again"
        )
    of_cut = {
        "lake_snapshot": pl.lit(cut.lake_snapshot),
        "data_cutoff": pl.lit(cut.data_cutoff).cast(TIMESTAMP),
    }
    return {name: _released_rows(name, rows.with_columns(**of_cut)) for name, rows in marts.items()}


def _of_others(name: str, rows: pl.DataFrame, standing: dict[str, int], cut: Cut) -> bool:
    """Whether a mart stands on another cut than the one in force; one without a cursor says it by
    its rows.
    """
    full_name = MARTS[name].table.full_name
    if full_name in standing:
        return standing[full_name] != cut.lake_snapshot
    return (rows["lake_snapshot"] != cut.lake_snapshot).any()


def _released_rows(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    is_released = MARTS[name].is_released
    return rows if is_released is None else rows.filter(is_released())


def _stored(
    rows: dict[str, pl.DataFrame], *, seen: pl.DataFrame, made: pl.DataFrame
) -> Callable[[Writer], None]:
    def work(writer: Writer) -> None:
        for name, frame in rows.items():
            writer.replace(RELEASED[name], frame)
        writer.replace(RELEASED_CELLS, seen)
        writer.append(RELEASES, made)
        writer.execute(f"DELETE FROM {OUTDATED_TABLES.full_name} WHERE table_name LIKE 'app.%'")

    return work
