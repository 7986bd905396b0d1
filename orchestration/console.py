"""What the looking verbs print: sql, status, rejects, alerts, verify.

Here: opening the lake, asking ingest/inspection.py, printing. Not here: the questions themselves.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

import polars as pl

from ingest import cluster, heartbeat, inspection, reject_alerts, replaying, running, stream, worker
from ingest.alerting import standing
from ingest.lake import Lake
from ingest.lake_damage import sentences
from ingest.lake_pages import page_sentences
from ingest.log_proofs import log_proofs
from ingest.secrecy import hidden
from transforms.counting import counted
from transforms.errors import BrokerMissing, FloeError, LakeDamaged, UnreadableFile, UsageError
from transforms.schemas import TOPIC_BY_NAME

from .answer_files import new_file, write_parquet
from .interrupts import end_at_once
from .printing import print_frame, print_rows, require_format
from .releases import last_release
from .telling import tell

_LONGEST_STATEMENT = 1_000_000  # bytes
_ALERT_COLUMNS = (
    "alert_id",
    "tier",
    "rule",
    "clinic_id",
    "subject_kind",
    "subject_id",
    "occurred_at",
    "told_at",
    "state",
    "assigned_role",
    "by",
    "since",
    "finding",
)
_ALERT_STATES = next(f.closed for f in TOPIC_BY_NAME["alerts"].fields if f.name == "state")


def statement_of(words: str | None, *, file: Path | None) -> str:
    """The statement: the argument, standard input for `-`, or a file's text. Raises UsageError, UnreadableFile."""
    if (words is None) == (file is None):
        raise UsageError("found no query, or two, expected one: as the argument, as - (standard input), or by --file")
    if words is not None and words != "-":
        if words.startswith("-") and not any(c.isspace() for c in words):
            raise UsageError(f"no such option: {words}: floe sql --help tells what it takes")
        return words
    try:
        with file.open("rb") if file else nullcontext(sys.stdin.buffer) as source:
            text = source.read(_LONGEST_STATEMENT + 1)
        if len(text) > _LONGEST_STATEMENT:
            raise UsageError(f"found a statement of more than {_LONGEST_STATEMENT:,} bytes, expected a shorter one")
        return text.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise UnreadableFile(f"{file or 'standard input'}: found {reason}, expected a query as text") from error


def answer(settings, statement: str, *, as_of: str | None, format: str, to: Path | None) -> None:
    """Prints what the lake answers, or writes it to a file."""
    if format != "parquet":
        require_format(format)
    elif to is None:
        raise UsageError("found --format parquet and no file, expected --to FILE beside it")
    with ExitStack() as ending:
        file = ending.enter_context(new_file(to, settings=settings)) if to else None
        lake = ending.enter_context(Lake.open(settings, read_only=True, as_of=as_of))
        if as_of is None and (sentence := inspection.outdated_sentence(lake)):
            tell(f"floe: {sentence}", file=sys.stderr)
        count = _answered(lake, statement, format=format, file=file)
    if to:
        tell(f"{counted(count, 'row')} in {to}", file=sys.stderr)


def _answered(lake: Lake, statement: str, *, format: str, file: BinaryIO | None) -> int:
    """How many rows were written to the file, or printed where it is None."""
    if format == "parquet":
        with lake.answer_batches(statement, abandon=end_at_once) as (columns, schema, batches):
            return write_parquet(columns, schema, batches, file)
    with lake.answer(statement, abandon=end_at_once) as (columns, rows):
        if file is None:
            return print_rows(columns, rows, format=format)
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        count = print_rows(columns, rows, format=format, file=text)
        text.detach()  # flushed, and not closed
        return count


def system_status(settings) -> dict:
    """Everything that `floe status` tells, as plain values. What is unknown is null, and `lag_unknown`, `rate_unknown`
    say why: the lag is Kafka's ends less the lake's positions, not what a worker last said."""
    with Lake.open(settings, read_only=True) as lake:
        lag, lag_unknown = lag_or_reason(settings, lake)
        workers = worker.heartbeats(settings)
        rate_unknown = heartbeat.ingest_unknown(settings)
        counts = inspection.row_counts(lake)
        cut = lake.table("core.data_cut")
        checks = lake.table("mart.check_results", where="NOT is_passed")
        newest = inspection.newest_event_time(lake, clock_tolerance_min=settings.clock_tolerance_min)
        return {
            "now": datetime.now(UTC),
            "kafka": hidden(settings.bootstrap, settings),
            "lag": None if lag is None else int(lag["lag"].sum()),
            "lag_unknown": lag_unknown,
            "events_per_s": None if rate_unknown else sum(beat["events_per_s"] or 0.0 for beat in workers),
            "rate_unknown": rate_unknown,
            "rows": int(counts["rows"].sum()),
            "rejects": int(counts["rejects"].sum()),
            "last_landed_at": counts["landed_at"].max(),
            "newest_event_at": newest,
            "materialised": None if cut.is_empty() else cut.row(0, named=True),
            "released": last_release(lake),
            "records_not_materialised": inspection.landed_records(lake) - (0 if cut.is_empty() else cut["records"][0]),
            "failed_checks": checks.select("table", "check", "failing_rows").to_dicts(),
            "topics": counts.to_dicts(),
            "rejects_by_reason": inspection.reject_counts(lake).to_dicts(),
            "set_aside": inspection.set_aside(lake),
            "unknown_content": inspection.unknown_content(lake).to_dicts(),
            "workers": workers,
            "up": running.running(settings),
            "down": running.parts_down(settings),
            "stream_faults": [hidden(s, settings) for s in stream_faults(settings, lake)],
            "outdated": inspection.outdated_sentence(lake),
        }


def lag_or_reason(settings, lake: Lake) -> tuple[pl.DataFrame | None, str | None]:
    """What waits, a row a partition, or why nobody knows."""
    try:
        lag = inspection.lag(lake, settings)
    except FloeError as error:
        return None, hidden(f"unknown: {error}", settings)
    address = hidden(settings.bootstrap, settings)
    return lag, f"unknown: no Kafka answers at {address}" if lag is None else None


def stream_faults(settings, lake: Lake) -> list[str]:
    """What is wrong with the stream, a sentence each: another home's Kafka, topics that lose records, what is lost."""
    sentences = inspection.missing_positions(lake)
    try:
        cluster.require_own(settings, stream.cluster_id(settings))
        sentences += [sentence for is_true, sentence in list(log_proofs(lake, settings))[1:] if is_true is False]
        sentences += [f"{fault}; remedy: {fault.remedy}" for fault in stream.topic_faults(settings)]
    except BrokerMissing:
        pass  # said as an unknown lag
    except FloeError as error:
        sentences.append(str(error))
    return sentences


def print_status(found: dict) -> None:
    lag = found["lag_unknown"] or f"{found['lag']:,} records"
    rate = found["rate_unknown"] or f"{found['events_per_s']:,.0f} events a second"
    cut = found["materialised"]
    _print_up(found["up"])
    for sentence in found["down"]:
        tell(f"down               {sentence}")
    tell(f"kafka              {found['kafka']}")
    tell(f"lag                {lag}")
    tell(f"rate               {rate}")
    tell(f"landed             {found['rows']:,} rows, {found['rejects']:,} rejects, last at {found['last_landed_at']}")
    tell(f"newest event       {found['newest_event_at']}")
    made = (
        "never"
        if cut is None
        else f"{cut['started_at']}, of snapshot {cut['lake_snapshot']}, data cut {cut['data_cutoff']}"
    )
    tell(f"materialised       {made}; {found['records_not_materialised']:,} records since")
    out = found["released"]
    made = (
        "never" if out is None else f"{out['released_at']}, release {out['release_id']}, data cut {out['data_cutoff']}"
    )
    tell(f"released           {made}")
    tell(f"checks that fail   {len(found['failed_checks'])}")
    for check in found["failed_checks"]:
        tell(f"                   {check['table']}: {check['check']} ({check['failing_rows']} rows)")
    aside = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in found["set_aside"].items())
    tell(f"contradictions     {aside or 'never computed'} (core.conflicts and so on, as of the materialisation)")
    if found["outdated"]:
        tell(f"figures            {found['outdated']}")
    for sentence in found["stream_faults"]:
        tell(f"stream             {sentence}")
    for beat in found["workers"]:
        tell(f"worker             {beat['worker']} {beat['health']}: {_told(beat)}")
    for title, rows in (
        ("topics", found["topics"]),
        ("rejects", found["rejects_by_reason"]),
        ("unknown", found["unknown_content"]),
    ):
        if rows:
            tell(f"\n{title}")
            print_frame(pl.DataFrame(rows, infer_schema_length=None), format="table")


def _print_up(up: dict | None) -> None:
    """What `floe up` runs, a line a part."""
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


def list_rejects(settings, *, reason: str | None, topic: str | None, limit: int) -> pl.DataFrame:
    with Lake.open(settings, read_only=True) as lake:
        return inspection.list_rejects(lake, reason=reason, topic=topic, limit=limit)


def show_reject(settings, *, topic: str, partition: int, offset: int) -> str:
    with Lake.open(settings, read_only=True) as lake:
        found = inspection.one_reject(lake, topic=topic, partition=partition, offset=offset)
    if found.is_empty():
        raise UsageError(f"found no reject at {topic} {partition} {offset}; `floe rejects` lists those there are")
    return "\n\n".join(_shown_reject(row) for row in found.sort("part").iter_rows(named=True))


def _shown_reject(row: dict) -> str:
    value = row.pop("value")
    shown = "(no value)" if value is None else value.decode(errors="backslashreplace")
    if row["checksum"]:
        shown = "(not kept: beyond FLOE_REJECTS_WHOLE_MB; in Kafka at this position as long as that holds it)"
    return "\n".join(f"{name:<16} {v}" for name, v in row.items()) + f"\n{'value':<16} {shown}"


def replay_rejects(settings, *, reason: str | None, topic: str | None) -> tuple[int, list[str]]:
    """Publishes those not replayed yet that can be read now, marks them, and closes the alerts of which none is left;
    gives their number and a sentence for each kind that still can't be read, or be sent. A crash in between sends them
    twice, which counts once.
    """
    with Lake.open(settings) as lake:
        rejects = lake.table(
            "raw.rejects",
            where="replayed_at IS NULL AND ($1 IS NULL OR reason = $1) AND ($2 IS NULL OR kafka_topic = $2)",
            params=[reason, topic],
        )
        now = datetime.now(UTC)
        whole, gone = replaying.restored(rejects, fetch=partial(stream.records_at, settings))
        readable, left = replaying.sorted_out(whole, now=now)
        sent = stream.publish(settings, replaying.records(readable))
        inspection.mark_replayed(lake, readable, now=now)
        closing = reject_alerts.closing_alerts(lake, now=now)
        stream.publish(settings, closing.events)
        reject_alerts.note_told(lake, closing)
    return sent, [*_still_unread(left), *_not_kept(gone)]


def _still_unread(rejects: pl.DataFrame) -> Iterator[str]:
    kinds = rejects.group_by("kafka_topic", "reason").len().sort("kafka_topic", "reason")
    for topic, reason, n in kinds.iter_rows():
        yield f"{counted(n, 'record')} of {topic} still can't be read ({reason}): nothing was sent, nothing is changed"


def _not_kept(rejects: pl.DataFrame) -> Iterator[str]:
    """Of records kept as a checksum, which Kafka doesn't hold any more."""
    places = rejects.group_by("kafka_topic", "kafka_partition", "reason").agg(
        pl.len().alias("n"), pl.col("kafka_offset").min().alias("first"), pl.col("kafka_offset").max().alias("last")
    )
    for topic, partition, reason, n, first, last in places.sort("kafka_topic", "kafka_partition", "reason").iter_rows():
        yield (
            f"{counted(n, 'record')} of {topic} ({reason}) can't be sent: in a flood only position and checksum were kept, and "
            f"Kafka no longer holds them at {topic}/{partition}, offsets {first} to {last}: ask who sent them"
        )


def list_alerts(settings, *, state: str) -> pl.DataFrame:
    if state not in (states := (*_ALERT_STATES, "all")):
        raise UsageError(f"found --state {state!r}, expected one of {', '.join(states)}")
    with Lake.open(settings, read_only=True) as lake:
        rows = standing.alerts(lake)
    return rows.select(_ALERT_COLUMNS).filter((pl.col("state") == state) | (state == "all"))


def alert_times(settings) -> pl.DataFrame:
    with Lake.open(settings, read_only=True) as lake:
        return standing.times(lake, now=datetime.now(UTC))


def act_on_alert(settings, alert_id: str, act: standing.Act) -> None:
    """Publishes what a person did; it shows once that has landed."""
    with Lake.open(settings, read_only=True) as lake:
        rows = lake.table(standing.TABLE, where="alert_id = $1", params=[alert_id])
        event = standing.act(rows, alert_id, act, now=datetime.now(UTC))
    stream.publish(settings, [event])
    tell(f"alert {alert_id} is {act.state} once the change has landed")


def verify_lake(settings, *, deep: bool = False) -> Iterator[tuple[bool | None, str]]:
    """Catalog and files first: where one is damaged the other proofs may not be possible, and that is said in their place."""
    if deep:
        yield from page_sentences(settings)
    with Lake.open(settings, read_only=True) as lake:
        if deep:
            yield from sentences(lake.check_files())
        try:
            yield from inspection.proofs(lake)
            yield from _log_proofs(lake, settings)
        except LakeDamaged as error:
            yield False, str(error)


def _log_proofs(lake: Lake, settings) -> list[tuple[bool | None, str]]:
    try:
        return list(log_proofs(lake, settings))
    except FloeError as error:
        return [(None, f"whether Kafka's log is the one that landed: {error}")]


def check_alerts(settings, *, send: bool) -> None:
    """Says what the file of duties leaves to be desired and, where asked to, how each sink took a test.

    Raises FloeError where anything is left to be desired or was not delivered.
    """
    from ingest.alerting import trying
    from ingest.alerting.duty import read_duty

    duty = read_duty(settings.alerts)
    if not settings.alerts:
        tell(trying.NOBODY)
        return
    faults = trying.faults(duty)
    for fault in faults:
        tell(fault)
    results = list(trying.trial(duty, now=datetime.now(UTC))) if send else []
    for name, failure in results:
        tell(f"not delivered: {failure}" if failure else f"{name} took a test delivery")
    failures = sum(failure is not None for _, failure in results)
    if faults or failures:
        raise FloeError(
            f"{counted(len(faults), 'thing')} to mend and {failures} of {len(results)} test deliveries not taken: see above"
        )
    if not send:
        tell(f"the file can be meant so; its sinks: {', '.join(sink.name for sink in duty.sinks)}; --send tries them")
