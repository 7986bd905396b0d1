"""Where lineage starts: a topic and the raw table that `floe ingest` lands it in.

Here: specifications only; ingest is a process of its own, not a run. Not here: anything that
computes.
"""

import dagster as dg

from transforms.schemas import BOOKKEEPING, RAW_TABLES, TOPICS

from .build import column_schema, table_key


def topic_key(topic) -> dg.AssetKey:
    name = topic.type.replace(".", "_")
    return dg.AssetKey(["kafka", name])


def raw_assets() -> list[dg.AssetSpec]:
    topics = [
        dg.AssetSpec(topic_key(t), description=t.comment, group_name="kafka", kinds={"kafka"})
        for t in TOPICS
    ]
    tables = [
        dg.AssetSpec(
            table_key(f"raw.{t.name}"),
            deps=[topic_key(t)],
            description=RAW_TABLES[t.name].comment,
            group_name="raw",
            kinds={"duckdb"},
            metadata={"dagster/column_schema": column_schema(RAW_TABLES[t.name])},
        )
        for t in TOPICS
    ]
    bookkeeping = [
        dg.AssetSpec(
            table_key(table.full_name),
            deps=[topic_key(t) for t in TOPICS],
            description=table.comment,
            group_name="raw",
            kinds={"duckdb"},
            metadata={"dagster/column_schema": column_schema(table)},
        )
        for table in BOOKKEEPING
    ]
    return [*topics, *tables, *bookkeeping]
