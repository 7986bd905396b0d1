"""What pages are made of: chart cards, tiles, tables, notices.

Here: the parts and how they are filled. Not here: numbers, colours (theme.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dash_mantine_components as dmc
import plotly.graph_objects as go
import polars as pl
from dash import Output, dcc, html

from transforms.facts.catalogue import METRICS
from transforms.options import Options

from . import ids, theme, words
from .figures.blank import blank
from .figures.plain import plain
from .tables import table_of

_PARTS = (
    ("title", "children"),
    ("selection", "children"),
    ("frame", "className"),
    ("figure", "figure"),
    ("caption", "children"),
    ("table", "children"),
    ("definition", "children"),
    ("note", "children"),
)


@dataclass(frozen=True)
class Chart:
    """A card's fixed part. Where there is less room than `least_width`, in pixels, the chart
    scrolls within its card.
    """

    id: str
    title: str
    height: int = 400
    least_width: int = 500


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What fills a card: `summary` is one sentence, `table` what the figure shows, `metrics` their
    definitions.

    `selection` says of whom it is; a card of no selection, such as the broker's lag, has none.
    `computed_at`, `data_to`: when the numbers were computed and the data cut they were computed
    from.
    """

    figure: go.Figure
    summary: str
    title: str | None = None
    selection: str = ""
    table: pl.DataFrame | None = None
    metrics: tuple[str, ...] = ()
    data_to: datetime | None = None
    computed_at: datetime | None = None
    notes: tuple[str, ...] = field(default=())
    is_empty: bool = False


def nothing(reason: str, *, of: theme.Look, title: str | None = None) -> Drawn:
    """A card that says why it is empty."""
    return Drawn(figure=blank(reason, of=of), summary=reason, title=title, is_empty=True)


def chart_card(chart: Chart) -> dmc.Paper:
    """Title, graph, one sentence, the same as a table, how it is counted, how fresh it is."""
    part = {name: ids.part(chart.id, name) for name, _ in _PARTS}
    return dmc.Paper(
        html.Figure(
            [
                html.H2(chart.title, id=part["title"], className="card-title"),
                html.P(id=part["selection"], className="selection"),
                html.Div(
                    theme.graph(part["figure"], height=chart.height, least_width=chart.least_width),
                    id=part["frame"],
                    className="frame",
                ),
                html.Figcaption(id=part["caption"], className="caption"),
                html.Details([html.Summary("View as table"), html.Div(id=part["table"])]),
                html.Details(
                    [html.Summary("How this is counted"), html.Div(id=part["definition"])]
                ),
                html.P(id=part["note"], className="note"),
            ]
        ),
        withBorder=True,
        radius="md",
        className="card",
    )


def outputs(charts: Sequence[Chart]) -> list[Output]:
    """What `filled` gives for each chart, in order."""
    return [Output(ids.part(chart.id, name), prop) for chart in charts for name, prop in _PARTS]


def filled(
    charts: Sequence[Chart], drawn: dict[str, Drawn], *, of: theme.Look, keep: str, options: Options
) -> list:
    """Values of `outputs(charts)`; `keep`: while it stays the same, a reader's zoom does.
    `options`: the site's, for what the definitions say.
    """
    return [
        value for chart in charts for value in _parts_of(chart, drawn[chart.id], of, keep, options)
    ]


def _parts_of(chart: Chart, drawn: Drawn, of: theme.Look, keep: str, options: Options) -> tuple:
    figure = theme.dressed(plain(drawn.figure), of, keep=keep, height=chart.height)
    summary = [drawn.summary, *[html.Span(f" {note}") for note in drawn.notes]]
    title = drawn.title or chart.title
    return (
        title,
        f"Of: {drawn.selection}" if drawn.selection else "",
        "frame empty"
        if drawn.is_empty
        else "frame",  # an empty chart takes no room: its sentence says why
        figure,
        summary,
        table_of(
            drawn.table, caption=f"{title} Of: {drawn.selection}" if drawn.selection else title
        ),
        _definitions(drawn.metrics, options),
        freshness(drawn),
    )


def _definitions(metrics: Sequence[str], options: Options):
    definitions = [METRICS[m] for m in dict.fromkeys(metrics) if m in METRICS]
    if not definitions:
        return html.P(
            "No metric stands behind this picture: it shows records as they are.", className="small"
        )
    return html.Dl(
        [
            item
            for m in definitions
            for item in (
                html.Dt(m.title),
                html.Dd(
                    f"{m.rule_by(options)}. Source: {m.source} ({m.verification}). Metric {m.id}, version {m.version}."
                ),
            )
        ],
        className="small",
    )


def freshness(drawn: Drawn) -> str:
    if drawn.data_to is None:
        return "" if drawn.computed_at is None else f"Computed {words.moment(drawn.computed_at)}"
    return f"Data to {words.moment(drawn.data_to)} · computed {words.moment(drawn.computed_at)}"


def panel(title: str, children, *, subtitle=None) -> dmc.Paper:
    """A card that holds no chart."""
    head = [html.H2(title, className="card-title")] + (
        [html.P(subtitle, className="caption")] if subtitle else []
    )
    return dmc.Paper([*head, children], withBorder=True, radius="md", className="card")


def tile(label: str, value: str, detail: str = "", *, is_concern: bool = False) -> dmc.Paper:
    """One number with its interval and count; a concern has a word and a mark, not only a
    colour.
    """
    marked = f"\N{WARNING SIGN}\N{VARIATION SELECTOR-15} {value}" if is_concern else value
    return dmc.Paper(
        [
            html.P(label, className="tile-label"),
            html.P(marked, className="tile-value concern" if is_concern else "tile-value"),
            html.P(detail, className="tile-detail"),
        ],
        withBorder=True,
        radius="md",
        className="tile",
    )


def tiles(children: Sequence) -> dmc.SimpleGrid:
    cols, spacing = {"base": 2, "md": min(4, len(children))}, {"base": "xs", "sm": "md"}
    return dmc.SimpleGrid(list(children), cols=cols, spacing=spacing, className="tiles")


def notice(text, *, title: str, color: str = "blue") -> dmc.Alert:
    return dmc.Alert(
        text, title=title, color=color, variant="light", radius="md", className="notice"
    )


def select(
    query_name: str,
    label: str,
    *,
    placeholder: str,
    is_clearable: bool = True,
    width: int = 180,
    options: Sequence[dict] = (),
) -> dmc.Select:
    """A control of one name of the URL's query; options that are not given come with the data."""
    return dmc.Select(
        id=ids.control(query_name),
        label=label,
        placeholder=placeholder,
        data=list(options),
        searchable=True,
        clearable=is_clearable,
        nothingFoundMessage="nothing found",
        w=width,
        clearButtonProps={"aria-label": f"Clear {label.lower()}"},
        comboboxProps={"withinPortal": True},
    )


def side_by_side(*children) -> dmc.SimpleGrid:
    """Two in a row where there is room."""
    columns = {"base": 1, "lg": 2}
    return dmc.SimpleGrid(list(children), cols=columns, spacing="lg", className="pair")


def link(text: str, href: str) -> dcc.Link:
    return dcc.Link(text, href=href)
