"""How the stream runs: events a second, records waiting.

Here: two bar charts. Not here: what is healthy.
"""

from datetime import timedelta

import plotly.graph_objects as go
import polars as pl

from ..theme import Look

_LEAST = timedelta(minutes=5)


def throughput(rows: pl.DataFrame, *, of: Look) -> go.Figure:
    """`rows`: bucket (moment), events_per_s, rejects_per_s."""
    figure = go.Figure()
    for column, name, colour in (
        ("events_per_s", "landed", of.series[0]),
        ("rejects_per_s", "set aside", of.series[3]),
    ):
        figure.add_bar(
            x=rows["bucket"].to_list(),
            y=rows[column].to_list(),
            name=name,
            marker={"color": colour},
            width=9_000 if rows.height < 2 else None,
        )  # ms; of one bar plotly knows no width
    figure.update_layout(barmode="stack", bargap=0.15)
    first, last = rows["bucket"].min(), rows["bucket"].max()
    if last - first < _LEAST:  # one bar alone would fill the picture
        figure.update_xaxes(range=[last - _LEAST, last + _LEAST / 10])
    return figure.update_yaxes(title={"text": "records a second"}, rangemode="tozero")


def lag_bars(rows: pl.DataFrame, *, of: Look) -> go.Figure:
    """`rows`: kafka_topic, kafka_partition, lag; a bar a topic, stacked by partition."""
    figure = go.Figure()
    totals = rows.group_by("kafka_topic").agg(pl.col("lag").sum()).sort("lag", "kafka_topic")
    for k, partition in enumerate(sorted(rows["kafka_partition"].unique().to_list())):
        mine = totals.join(
            rows.filter(pl.col("kafka_partition") == partition),
            on="kafka_topic",
            how="left",
            suffix="_of",
        )
        figure.add_bar(
            y=mine["kafka_topic"].to_list(),
            x=mine["lag_of"].to_list(),
            name=f"partition {partition}",
            orientation="h",
            marker={"color": of.series[k % len(of.series)]},
        )
    figure.update_layout(barmode="stack", bargap=0.3)
    return figure.update_xaxes(title={"text": "records waiting"}, rangemode="tozero", showgrid=True)
