"""Tables of a page: a chart's own, and grids that are sorted and filtered.

Here: rows -> a table. Not here: cards and tiles (components.py).
"""

from collections.abc import Sequence

import dash_ag_grid as dag
import polars as pl
from dash import html

from . import ids, words

_MOST_ROWS = 200
_LONG = 32  # characters


def table_of(frame: pl.DataFrame | None, *, caption: str, none: str = "No rows."):
    """A plain table of a frame whose columns are named and whose values are written for people;
    `none`: why it is empty.
    """
    if frame is None or frame.is_empty():
        return html.P(none, className="small")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in frame.columns]))
    body = html.Tbody(
        [html.Tr([_cell(_text(v)) for v in row]) for row in frame.head(_MOST_ROWS).iter_rows()]
    )
    more = f"; the first {_MOST_ROWS} of {frame.height:,} rows" if frame.height > _MOST_ROWS else ""
    return html.Div(
        html.Table([html.Caption(caption + more), head, body], className="plain"),
        className="scroller",
        tabIndex="0",
        role="region",
        **{"aria-label": f"Table: {caption}"},
    )


def _cell(text: str) -> html.Td:
    """Numbers and names stay on one line, sentences do not."""
    name = "long" if len(text) > _LONG else None
    return html.Td(text, className=name)


def _text(value: object) -> str:
    if isinstance(value, float):
        return words.number(value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: words.NOTHING}[value]
    if isinstance(value, int):
        return words.count(value)
    return str(value)


WRAPPED = {"wrapText": True, "autoHeight": True}  # of a grid's column


def grid(
    id: str,
    *,
    columns: Sequence[dict],
    label: str,
    height: int = 420,
    fits: bool = True,
) -> html.Div:
    """An AG Grid with sorting and filters; `cards.listing` fills it, and the line above that says
    why it is empty.

    `fits`: columns fill its width (of a grid that is not in sight at first there is none).
    """
    return html.Div(
        [
            html.P(id=ids.part(id, "none"), className="caption none"),
            dag.AgGrid(
                id=id,
                columnDefs=list(columns),
                rowData=[],
                # not by flex, with which a grid may stay hidden (AG Grid's delayed rendering)
                columnSize="responsiveSizeToFit" if fits else None,
                defaultColDef={
                    "sortable": True,
                    "filter": True,
                    "resizable": True,
                    "wrapHeaderText": True,
                    "autoHeaderHeight": True,
                    "minWidth": 110,
                    # at their least until they are sized: AG Grid's 200 px each is wider than the
                    # page
                    **({"width": 80} if fits else {}),
                },
                dashGridOptions={
                    "animateRows": False,
                    "enableCellTextSelection": True,
                    "ensureDomOrder": True,
                    "suppressColumnVirtualisation": True,
                    "theme": {"function": "themeFloe(themeQuartz)"},
                    "localeText": {"noRowsToShow": "No rows"},
                },
                style={"height": f"{height}px"},
            ),
        ],
        role="region",
        **{"aria-label": label},
    )
