"""What `floe status` tells: of the stream, the lake, the figures and the processes.

Here: asking, and a line each. Not here: the questions themselves (ingest/inspection.py and its
neighbours).
"""

from datetime import UTC, datetime

import polars as pl

from ingest import cluster, heartbeat, inspection, masked_arms, running, stream
from ingest.lag import stream_lag
from ingest.lake import Lake, StillLake
from ingest.lake_files import small_files
from ingest.log_proofs import log_proofs
from ingest.proofs import missing_positions
from ingest.secrecy import hidden
from transforms.errors import BrokerMissing, FloeError
from transforms.schemas import APP_TABLES

from .printing import print_frame
from .telling import tell


def system_status(settings) -> dict:
    """Everything that `floe status` tells, as plain values. What is unknown is null, and
    `lag_unknown`, `rate_unknown` say why: the lag is Kafka's ends less the lake's positions, not
    what a worker last said.
    """
    with StillLake.open(settings.of_one_thread, read_only=True) as lake:
        waiting, lag_unknown = lag_or_reason(settings, lake)
        workers = heartbeat.heartbeats(settings)
        rate_unknown = heartbeat.ingest_unknown(settings)
        counts = inspection.row_counts(lake)
        cut = lake.table("core.data_cut")
        checks = lake.table("mart.check_results", where="NOT is_passed")
        newest = inspection.newest_event_time(
            lake, clock_tolerance_min=settings.clock_tolerance_min
        )
        return {
            "now": datetime.now(UTC),
            "kafka": hidden(settings.bootstrap, settings),
            "lag": None if waiting is None else int(waiting["lag"].sum()),
            "lag_unknown": lag_unknown,
            "events_per_s": None
            if rate_unknown
            else sum(beat["events_per_s"] or 0.0 for beat in workers),
            "rate_unknown": rate_unknown,
            "rows": int(counts["rows"].sum()),
            "rejects": int(counts["rejects"].sum()),
            "last_landed_at": counts["landed_at"].max(),
            "newest_event_at": newest,
            "materialised": None if cut.is_empty() else cut.row(0, named=True),
            "changed": _changed(lake),
            "released": inspection.last_release(lake),
            "restated": inspection.restated_since_release(lake),
            "records_not_materialised": inspection.landed_records(lake)
            - (0 if cut.is_empty() else cut["records"][0]),
            "failed_checks": checks.select("table", "check", "failing_rows").to_dicts(),
            "topics": counts.to_dicts(),
            "rejects_by_reason": inspection.reject_counts(lake).to_dicts(),
            "set_aside": inspection.set_aside(lake),
            "unknown_content": inspection.unknown_content(lake).to_dicts(),
            "workers": workers,
            "masked_studies": _masked_studies(lake),
            "files": _files(lake),
            "up": running.running(settings),
            "down": running.parts_down(settings),
            "stream_faults": [hidden(s, settings) for s in stream_faults(settings, lake)],
            "outdated": inspection.outdated_sentence(lake),
        }


def lag_or_reason(settings, lake: Lake) -> tuple[pl.DataFrame | None, str | None]:
    """What waits, one row per partition, or why nobody knows."""
    try:
        waiting = stream_lag(lake, settings)
    except FloeError as error:
        return None, hidden(f"unknown: {error}", settings)
    address = hidden(settings.bootstrap, settings)
    return waiting, f"unknown: no Kafka answers at {address}" if waiting is None else None


def stream_faults(settings, lake: Lake) -> list[str]:
    """What is wrong with the stream, a sentence each: another home's Kafka, topics that lose
    records, what is lost.
    """
    sentences = missing_positions(lake)
    try:
        cluster.require_own(settings, stream.cluster_id(settings))
        sentences += [
            sentence
            for is_true, sentence in list(log_proofs(lake, settings))[1:]
            if is_true is False
        ]
        sentences += [f"{fault}; remedy: {fault.remedy}" for fault in stream.topic_faults(settings)]
    except BrokerMissing:
        pass  # said as an unknown lag
    except FloeError as error:
        sentences.append(str(error))
    return sentences


def _masked_studies(lake: Lake) -> list[dict]:
    masked = masked_arms.masked_studies(lake)
    return [{"study_id": study, "masked_until": until} for study, until in masked.items()]


def _files(lake: Lake) -> dict:
    """How many files the lake has, and what keeps upkeep from its work."""
    tables = small_files(lake.rows)
    most = tables[0] if tables else None
    faults = lake.table(APP_TABLES["upkeep_faults"].full_name).sort("found_at")
    return {
        "files": sum(one.files for one in tables),
        "small_files": sum(one.small for one in tables),
        "most_small_files": None if most is None else {"table": most.table, "files": most.small},
        "upkeep_faults": faults.to_dicts(),
    }


def print_status(facts: dict) -> None:
    _print_up(facts["up"])
    for sentence in facts["down"]:
        tell(f"down               {sentence}")
    _print_stream(facts)
    _print_computed(facts)
    _print_checks(facts["failed_checks"])
    aside = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in facts["set_aside"].items()
    )
    tell(
        f"contradictions     {aside or 'never computed'} (core.conflicts and so on, as of the materialisation)"
    )
    _print_files(facts["files"])
    _print_masked(facts["masked_studies"])
    if facts["outdated"]:
        tell(f"figures            {facts['outdated']}")
    for sentence in facts["stream_faults"]:
        tell(f"stream             {sentence}")
    for beat in facts["workers"]:
        tell(f"worker             {beat['worker']} {beat['health']}: {_told(beat)}")
    for title, rows in (
        ("topics", facts["topics"]),
        ("rejects", facts["rejects_by_reason"]),
        ("unknown", facts["unknown_content"]),
    ):
        if rows:
            tell(f"\n{title}")
            print_frame(pl.DataFrame(rows, infer_schema_length=None), format="table")


def _print_stream(facts: dict) -> None:
    lag = facts["lag_unknown"] or f"{facts['lag']:,} records"
    rate = facts["rate_unknown"] or f"{facts['events_per_s']:,.0f} events a second"
    landed = f"{facts['rows']:,} rows, {facts['rejects']:,} rejects"
    tell(f"kafka              {facts['kafka']}")
    tell(f"lag                {lag}")
    tell(f"rate               {rate}")
    tell(f"landed             {landed}, last at {facts['last_landed_at']}")
    tell(f"newest event       {facts['newest_event_at']}")


def _changed(lake: Lake) -> dict[str, int] | None:
    """What the last materialisation computed, of how many tables, and the rows that it changed;
    None before the first.
    """
    rows = lake.sql(
        f"""SELECT count(*) FILTER (c.computed_at >= d.started_at) AS computed, count(*) AS tables,
                   coalesce(sum(c.rows_changed) FILTER (c.computed_at >= d.started_at), 0)::BIGINT AS rows
            FROM {APP_TABLES["cursors"].full_name} c, core.data_cut d"""
    )
    return rows.row(0, named=True) if rows["tables"][0] else None


def _print_computed(facts: dict) -> None:
    when, released = "never", "never"
    if made := facts["materialised"]:
        when = f"{made['started_at']}, of snapshot {made['lake_snapshot']}, data cut {made['data_cutoff']}"
    if out := facts["released"]:
        released = (
            f"{out['released_at']}, release {out['release_id']}, data cut {out['data_cutoff']}"
        )
    tell(f"materialised       {when}; {facts['records_not_materialised']:,} records since")
    if changed := facts["changed"]:
        tell(
            f"changed            {changed['rows']:,} rows; {changed['computed']} of {changed['tables']} tables were computed, "
            "in the others nothing had changed"
        )
    tell(f"released           {released}")
    _print_restated(facts["restated"])


def _print_restated(restated: dict | None) -> None:
    """How many figures of the last release are others now."""
    if restated is None:
        return
    why = ", ".join(
        f"{reason.replace('_', ' ')} {n:,}" for reason, n in restated["reasons"].items()
    )
    told = f"; last at {restated['last_at']}: {why}" if restated["figures"] else ""
    tell(
        f"restated           {restated['figures']:,} figures since release {restated['release_id']}{told}"
    )


def _print_checks(failed: list[dict]) -> None:
    tell(f"checks that fail   {len(failed)}")
    for check in failed:
        tell(
            f"                   {check['table']}: {check['check']} ({check['failing_rows']} rows)"
        )
    if failed:
        tell(
            "                   these tables stay as of their last good rows; what is computed from them waits, releases too"
        )


def _print_files(files: dict) -> None:
    most = files["most_small_files"]
    where = f", most of them ({most['files']:,}) in {most['table']}" if files["small_files"] else ""
    tell(
        f"files              {files['files']:,}, {files['small_files']:,} of them below 1 MiB{where}"
    )
    for fault in files["upkeep_faults"]:
        tell(
            f"upkeep             stopped: after {fault['step']} {fault['table_name']} had {fault['rows_after']:,} rows, "
            f"before it {fault['rows_before']:,} (snapshot {fault['snapshot_before']}); floe upkeep says more"
        )


def _print_masked(studies: list[dict]) -> None:
    for study in studies:
        tell(
            f"masked             {study['study_id']} until {study['masked_until']}: its arms are sealed in raw, and in no other table"
        )


def _print_up(up: dict | None) -> None:
    """What `floe up` runs, one line per part."""
    if up is None:
        tell("floe up            has not run in this home")
        return
    tell(f"floe up            {up['state']}, process {up['pid']}, started {up['started_at']}")
    for part in up["parts"]:
        ports = ", ".join(map(str, part["ports"]))
        words = [f"since {part['since']}", f"port {ports}" if ports else "", part["said"]]
        tell(f"{'':<19}{part['name']} {part['state']}: {'; '.join(filter(None, words))}")


def _told(beat: dict) -> str:
    """A worker's own figures, as far as they hold."""
    if beat["unknown"] and beat["events"] is None:
        return f"{beat['unknown']} (since {beat['updated_at']})"
    rate = beat["unknown"] or f"{beat['events_per_s']:,.0f} a second"
    return f"{beat['events']:,} events, {beat['rejects']:,} rejects, {rate}, told at {beat['updated_at']}"
