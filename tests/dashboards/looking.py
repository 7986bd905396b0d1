"""How tests look at a page: its view called as Dash calls it, a chart's part, what would go over
the wire.

Here: that. Not here: rows (small_lake.py), expectations.
"""

import json

import plotly.io

from dashboards import ids
from dashboards.components import outputs
from dashboards.pages import PAGES
from dashboards.pages.before import page as before
from dashboards.pages.devices import page as devices
from dashboards.pages.operations import page as operations
from dashboards.reader import Reader


def payload(values: list) -> str:
    """What would go over the wire."""
    return json.dumps(values, cls=plotly.utils.PlotlyJSONEncoder)


def view(reader: Reader, path: str, search: str = "", scheme: str | None = None) -> list:
    if path == "/operations":
        return operations.view(reader, scheme) + operations.lag_view(reader, scheme)
    if path == before.PATH:
        return before.view(reader, search)
    if path == devices.PATH:
        return [*devices.view(reader, search)]
    return PAGES[path].view(reader, search, scheme)


def part(values: list, charts, chart_id: str, name: str):
    """A part of a chart's card, by its name."""
    prop = "figure" if name == "figure" else "children"
    place = [(o.component_id, o.component_property) for o in outputs(charts)].index(
        (ids.part(chart_id, name), prop)
    )
    return values[place]


def beside(values: list, page, component_id: str, prop: str = "children"):
    """What fills a component beside the page's charts."""
    fills = [(fill.id, fill.prop) for fill in page._fills()]
    return values[len(outputs(page.cards)) + fills.index((component_id, prop))]


def caption(values: list, charts, chart_id: str) -> str:
    """The sentence below a chart, with its notes."""
    said = part(values, charts, chart_id, "caption")
    return " ".join(text if isinstance(text, str) else text.children for text in said)
