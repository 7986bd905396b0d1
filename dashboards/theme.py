"""How everything looks: colours for light and dark, the figure template, the one wrapper around a
graph.

Here: colours, fonts, plotly's template and config, the heights. Not here: what is drawn
(figures/*.py). No other module makes a dcc.Graph: plotly's own "share" button would send a chart to
its maker's cloud.
"""

from dataclasses import dataclass

import plotly.graph_objects as go
from dash import dcc

FONT = '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Helvetica, Arial, sans-serif'
# Marker shapes go with the colours: no meaning by colour alone.
SYMBOLS = ("circle", "diamond", "square", "triangle-up")
DASHES = ("solid", "dash", "dot", "dashdot")
# Nothing leaves this machine: no button that uploads, no address to upload to.
CONFIG = {
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg"},
}


@dataclass(frozen=True)
class Look:
    """Colours of one scheme; each of `series` has at least 3:1 against `surface` (WCAG 1.4.11)."""

    name: str
    surface: str
    text: str
    muted: str
    grid: str
    rule: str
    concern: str
    series: tuple[str, ...]


# Government Analysis Function main palette; for dark surfaces the same hues, lighter.
LIGHT = Look(
    "light",
    surface="#ffffff",
    text="#1a1f2b",
    muted="#545d6b",
    grid="#e4e7ec",
    rule="#8a929e",
    concern="#b3261e",
    series=("#12436D", "#28A197", "#801650", "#F46A25"),
)
DARK = Look(
    "dark",
    surface="#1c222b",
    text="#eef1f5",
    muted="#b3bcc8",
    grid="#353d49",
    rule="#7f8a99",
    concern="#ff8a80",
    series=("#74B0E4", "#3CC4B8", "#E07AB5", "#F9935B"),
)


def look(scheme: str | None) -> Look:
    """The look of "dark"; of anything else the light one."""
    if scheme == "dark":
        return DARK
    return LIGHT


def template(of: Look) -> go.layout.Template:
    axis = {
        "gridcolor": of.grid,
        "linecolor": of.rule,
        "zerolinecolor": of.rule,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": of.rule,
        "automargin": True,
        "title": {"standoff": 12, "font": {"size": 13}},
        "tickfont": {"size": 12, "color": of.muted},
        "separatethousands": True,
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "color": of.text, "size": 13},
            "paper_bgcolor": of.surface,
            "plot_bgcolor": of.surface,
            "colorway": list(of.series),
            "xaxis": axis | {"showgrid": False},
            "yaxis": axis,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "font": {"size": 13},
            },
            "hoverlabel": {
                "bgcolor": of.surface,
                "bordercolor": of.rule,
                "font": {"color": of.text, "family": FONT},
            },
            "margin": {"l": 56, "r": 16, "t": 36, "b": 48},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": of.muted, "activecolor": of.text},
        }
    )


def dressed(figure: go.Figure, of: Look, *, keep: str, height: int) -> go.Figure:
    """The figure in this look; a reader's zoom stays while `keep` stays the same."""
    return figure.update_layout(
        template=template(of), uirevision=keep, height=height, autosize=True
    )


def graph(id: str, *, height: int, least_width: int) -> dcc.Graph:
    """The one graph of the application: fixed height (nothing jumps), nothing uploads."""
    style = {"height": f"{height}px", "minWidth": f"{least_width}px"}
    return dcc.Graph(id=id, config=CONFIG, style=style, responsive=True)
