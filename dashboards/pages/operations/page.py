"""The operations page: is it healthy, and if not, where?

Here: layout, tiles, tables. Not here: asking (facts.py).
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import polars as pl
from dash import Dash, Output, html

from transforms.schemas import MART_TABLES

from ... import ids, words
from ...components import (
    Chart,
    Drawn,
    chart_card,
    filled,
    nothing,
    outputs,
    panel,
    side_by_side,
    tiles,
)
from ...computed import computed_facts
from ...figures.operations import lag_bars, throughput
from ...reader import Reader
from ...tables import table_of
from ...theme import Look, look
from ..base import STREAM_INPUTS, Page, guarded, off_loop, waiting, why_unknown
from ..restated import restated_table
from . import outside as operations_outside
from .compared import compared
from .facts import Stream, failing_checks, stream_facts, waiting_records, workers
from .parts import parts_table
from .tiles import ago, health_tiles

_THROUGHPUT = Chart(ids.THROUGHPUT, "How fast do events land?", height=320, least_width=300)
_LAG = Chart(ids.LAG, "Does anything wait?", height=320, least_width=300)
_TABLES = (
    (ids.PARTS, "Parts", "What floe up started, what is down, what was started again."),
    (ids.WORKERS, "Workers", "The last sign of life of each ingest process of this home."),
    (ids.CHECKS, "Checks that fail", "Tables that are not as promised."),
    (ids.COMPARED, "Against a full computation", "Tables that follow the change, one by one."),
    (ids.RESTATED, "Restated figures", "Changed since the last release by more than new data."),
    (
        ids.REJECTS,
        "Rejected records, by reason",
        [
            "Set aside whole; ",
            html.Code("floe rejects replay"),
            " publishes them again after a fix.",
        ],
    ),
    (
        ids.REJECT_EXAMPLES,
        "The newest rejected records",
        [
            "Without their content, which ",
            html.Code("floe rejects show TOPIC PARTITION OFFSET"),
            " gives.",
        ],
    ),
    (ids.TOPICS, "Landed, by topic", "Rows in the lake and records set aside."),
    (
        ids.UNKNOWN,
        "Content that the contract does not know",
        "Kept, counted, and not in any outcome.",
    ),
)
_NONE_YET = "None so far."
# side by side what fits there at 1280 pixels
_ROWS = (
    (ids.PARTS,),
    (ids.WORKERS,),
    (ids.CHECKS,),
    (ids.COMPARED,),
    (ids.RESTATED,),
    (ids.REJECTS,),
    (ids.REJECT_EXAMPLES,),
    (ids.TOPICS, ids.UNKNOWN),
)


def layout(reader: Reader) -> list:
    tables = {
        id: panel(title, html.Div(id=id), subtitle=subtitle) for id, title, subtitle in _TABLES
    }
    return [
        html.H1("Operations"),
        html.P("Is it healthy, and if not, where? From Kafka to the marts.", className="lead"),
        html.Div(
            [
                html.Div(id=ids.OPERATIONS_TILES),
                side_by_side(chart_card(_THROUGHPUT), chart_card(_LAG)),
                *[
                    side_by_side(*(tables[id] for id in row)) if len(row) > 1 else tables[row[0]]
                    for row in _ROWS
                ],
            ],
            className="stack",
        ),
    ]


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        *outputs((_THROUGHPUT,)),
        Output(ids.OPERATIONS_TILES, "children"),
        *[Output(id, "children") for id, _, _ in _TABLES],
        *STREAM_INPUTS,
    )
    async def show(_search, _version, scheme):
        return await off_loop(view, reader, scheme)

    # A broker that does not answer takes seconds to say so: the lag comes on its own.
    @app.callback(*outputs((_LAG,)), *STREAM_INPUTS)
    async def show_lag(_search, _version, scheme):
        return await off_loop(lag_view, reader, scheme)


def view(reader: Reader, scheme: str | None) -> list:
    """Values of the page's outputs, the lag's apart."""
    of = look(scheme)
    if reader.is_outside:
        return _outside_view(reader, of)
    facts, computed = stream_facts(reader), computed_facts(reader)
    drawn = {ids.THROUGHPUT: guarded(lambda: _throughput(reader, facts, of), of=of)}
    return [
        *filled((_THROUGHPUT,), drawn, of=of, keep="operations", options=reader.settings.options),
        tiles(health_tiles(reader, facts, computed)),
        parts_table(reader),
        _workers(reader),
        _failing(reader),
        compared(reader),
        restated_table(reader),
        *_stream_tables(reader, facts),
    ]


def _outside_view(reader: Reader, of: Look) -> list:
    """The same outputs in words."""
    drawn = {ids.THROUGHPUT: operations_outside.chart(of=of)}
    tables = {id: operations_outside.for_staff() for id, _, _ in _TABLES}
    tables[ids.CHECKS] = operations_outside.failing(reader)
    return [
        *filled((_THROUGHPUT,), drawn, of=of, keep="operations", options=reader.settings.options),
        operations_outside.health(reader),
        *tables.values(),
    ]


def lag_view(reader: Reader, scheme: str | None) -> list:
    of = look(scheme)
    draw = (
        partial(operations_outside.chart, of=of) if reader.is_outside else partial(_lag, reader, of)
    )
    drawn = {ids.LAG: guarded(draw, of=of)}
    return filled((_LAG,), drawn, of=of, keep="operations", options=reader.settings.options)


def _throughput(reader: Reader, facts: Stream | None, of: Look) -> Drawn:
    if facts is None or facts.throughput.is_empty():
        return nothing(waiting(reader), of=of)
    busiest = facts.throughput["events_per_s"].max()
    return Drawn(
        figure=throughput(facts.throughput, of=of),
        summary=f"Over the last 15 minutes in which anything landed, at most {words.count(busiest)} events a second "
        f"in 10 seconds; n = {words.count(facts.rows + facts.rejects)} records so far. Landed last "
        f"{ago(facts.landed_at)}; what came since is {facts.why_unknown or 'on the way'}.",
        table=_named(facts.throughput),
        data_to=facts.newest_event_at,
        computed_at=datetime.now(UTC),
    )


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("bucket").dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%d %H:%M:%S")
    return rows.select(
        at.alias("from (UTC)"),
        pl.col("events_per_s").alias("landed a second"),
        pl.col("rejects_per_s").alias("set aside a second"),
    ).reverse()


def _lag(reader: Reader, of: Look) -> Drawn:
    rows, sentence = waiting_records(reader)
    if rows is None:
        return nothing(sentence, of=of)
    table = rows.sort("lag", "kafka_topic", descending=[True, False])
    shown = table.select(topic="kafka_topic", partition="kafka_partition", waiting="lag")
    if not rows["lag"].sum():
        return replace(nothing(f"Nothing waits. {sentence}", of=of), table=shown)
    busy = rows.filter(
        pl.col("kafka_topic").is_in(
            table.filter(pl.col("lag") > 0)["kafka_topic"].unique().to_list()
        )
    )
    return Drawn(
        figure=lag_bars(busy, of=of), summary=sentence, table=shown, computed_at=datetime.now(UTC)
    )


_STAYS = "Checks that fail: each of these tables stays as of its last good rows, and what is computed from it waits, releases too"


def _failing(reader: Reader):
    unknown = why_unknown(reader, MART_TABLES["check_results"].full_name)
    none = (
        f"Not known: no check has run. {unknown}"
        if unknown
        else "Every check of the marts' promises passes."
    )
    return table_of(_checks(reader), caption=_STAYS, none=none)


def _workers(reader: Reader):
    rows = [
        {
            "worker": b["worker"],
            "process": str(b["pid"]),
            "health": _health(b),
            "seen": ago(datetime.fromisoformat(b["updated_at"])),
            "events a second": words.number(b["events_per_s"], 0),
            "events": words.count(b["events"]),
            "rejects": words.count(b["rejects"]),
            "waiting": words.count(b["lag"]),
            "not known": b["unknown"] or "",
        }
        for b in workers(reader)
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None) if rows else None
    return table_of(
        frame, caption="Ingest processes", none="No ingest process has run in this home yet."
    )


def _health(beat: dict) -> str:
    """Its state, too, where that is another word."""
    if beat["state"] == beat["health"]:
        return beat["health"]
    return f"{beat['health']} ({beat['state']})"


def _checks(reader: Reader) -> pl.DataFrame:
    rows = failing_checks(reader)
    at = pl.col("checked_at").dt.strftime("%Y-%m-%d %H:%M").alias("checked (UTC)")
    columns = {"failing_rows": "rows that fail", "rows": "rows", "sample": "an example"}
    of_staff = [
        pl.col(column).alias(name) for column, name in columns.items() if column in rows.columns
    ]
    return rows.select("table", "check", *of_staff, at)


def _stream_tables(reader: Reader, facts: Stream | None) -> list:
    """Rejects, examples, topics, unknown content: for the clinic's staff."""
    if facts is None:
        return [table_of(None, caption="", none=f"Not known. {waiting(reader)}")] * 4
    none = _NONE_YET if reader.has_landed else f"Not known. {waiting(reader)}"
    by_reason = facts.rejects_by_reason.select(
        "reason",
        pl.col("kafka_topic").alias("topic"),
        "records",
        "replayed",
        _at("first_at", "first (UTC)"),
        _at("last_at", "last (UTC)"),
    )
    examples = facts.reject_examples.select(
        pl.col("kafka_topic").alias("topic"),
        pl.col("kafka_partition").alias("partition"),
        pl.col("kafka_offset").cast(pl.String).alias("offset"),
        "reason",
        "field",
        _at("ingested_at", "set aside (UTC)"),
        _at("replayed_at", "replayed (UTC)"),
    )
    topics = facts.topics.select(
        pl.col("kafka_topic").alias("topic"),
        "rows",
        "rejects",
        _at("landed_at", "last landed (UTC)"),
    )
    of_staff = (
        (examples, "The newest rejected records"),
        (topics, "Landed records by topic"),
        (facts.unknown, "Unknown content by topic"),
    )
    return [
        table_of(by_reason, caption="Rejected records by reason and topic", none=none),
        *[table_of(rows, caption=caption, none=none) for rows, caption in of_staff],
    ]


def _at(column: str, name: str) -> pl.Expr:
    moment = pl.col(column).dt.convert_time_zone("UTC")
    return moment.dt.strftime("%Y-%m-%d %H:%M:%S").alias(name)


OPERATIONS = Page(path="/operations", name="Operations", layout=layout, register=register)
