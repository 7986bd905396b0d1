"""What surrounds every page: navigation, freshness, light and dark, refreshing, the filters'
options.

Here: the shell's layout and callbacks. Not here: pages (pages/*.py), serving (app.py).
"""

import time
from datetime import UTC, datetime, timedelta

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from transforms.counting import spoken
from transforms.errors import FloeError
from transforms.released.as_released import base_of

from . import ids, words
from .components import notice
from .computed import Computed, computed_facts
from .filters import COLUMN, chosen, kept_search, settled
from .pages import PAGES
from .pages.base import MARTS_INPUTS, clinic_names, off_loop, studies_of, values_of
from .reader import Reader

_EVERY_MS = 5_000
_AGE_S = 15
_STALE = timedelta(minutes=10)
# Mantine's dark shades, from text to page, in the hue of the charts' dark surface
_DARK = [
    "#eef1f5",
    "#b3bcc8",
    "#8a94a2",
    "#5b6675",
    "#3b4553",
    "#2b333f",
    "#232a35",
    "#1c222b",
    "#161b22",
    "#12161c",
]
_TITLES = {page.path: page.name for page in PAGES.values()}
_OF_ANOTHER = (
    "The figures below are of the selection before; those of the new one are on their way."
)


def layout(reader: Reader):
    """Fresh for each visitor: the versions that it starts from are those of now."""
    marts, stream = versions(reader)
    return dmc.MantineProvider(
        id=ids.PROVIDER,
        theme={"defaultRadius": "md", "colors": {"dark": _DARK}},
        defaultColorScheme="auto",
        children=[
            dcc.Location(id=ids.URL, refresh="callback-nav"),
            dcc.Store(id=ids.SCHEME, storage_type="local"),
            dcc.Store(id=ids.MARTS_VERSION, data=marts),
            dcc.Store(id=ids.STREAM_VERSION, data=stream),
            dcc.Store(id=ids.TITLES, data=_TITLES),
            dcc.Interval(id=ids.CLOCK, interval=_EVERY_MS),
            html.A("Skip to the page", href="#main", className="skip"),
            html.Div(id=ids.CONNECTION, role="alert"),
            html.Header(html.Div(_top(), className="top-inner"), className="top"),
            html.Main(
                [
                    html.Div(id=ids.NOTICE),
                    *_how_released(reader),
                    html.P(_OF_ANOTHER, className="waiting-note"),
                    html.Div(id=ids.CONTENT),
                ],
                className="page",
                id="main",
                tabIndex="-1",
            ),
        ],
    )


def _how_released(reader: Reader) -> list:
    """What a figure is for a reader from outside the clinic, above every page; nothing for the
    clinic's staff.
    """
    if not reader.is_outside:
        return []
    options = reader.settings.options
    text = (
        f"Figures are those of the last release. Counts are rounded to the nearest {base_of(options)}, and shares, rates "
        f"and intervals are computed from the rounded counts. Groups of fewer than {options.min_cell} people are not shown."
    )
    return [html.P(text, className="small released-note")]


def _top() -> list:
    return [
        html.Span("Floe", className="brand"),
        html.Nav(id=ids.NAVIGATION, className="navigation", **{"aria-label": "Pages"}),
        html.Div(
            [
                html.P(id=ids.FRESHNESS),
                dmc.Switch(id=ids.PAUSE, label="Pause", size="sm"),
                dmc.Button(
                    "Dark",
                    id=ids.SCHEME_SWITCH,
                    variant="default",
                    size="xs",
                    **{"aria-label": "Switch light and dark"},
                ),
            ],
            className="live",
        ),
    ]


def register(app: Dash, reader: Reader) -> None:
    _register_browser(app)

    @app.callback(Output(ids.CONTENT, "children"), Input(ids.URL, "pathname"))
    def show_page(pathname):
        return page_content(reader, pathname)

    @app.callback(
        Output(ids.NAVIGATION, "children"), Input(ids.URL, "pathname"), Input(ids.URL, "search")
    )
    def show_navigation(pathname, search):
        return navigation(pathname, search)

    @app.callback(
        Output(ids.MARTS_VERSION, "data"),
        Output(ids.STREAM_VERSION, "data"),
        Input(ids.CLOCK, "n_intervals"),
        State(ids.MARTS_VERSION, "data"),
        State(ids.STREAM_VERSION, "data"),
        prevent_initial_call=True,
    )
    async def look_for_news(_n, marts, stream):
        return await off_loop(news, reader, marts, stream)

    @app.callback(
        Output(ids.FRESHNESS, "children"),
        Output(ids.NOTICE, "children"),
        Input(ids.STREAM_VERSION, "data"),
        Input(ids.MARTS_VERSION, "data"),
    )
    async def show_freshness(_stream, _marts):
        return await off_loop(freshness, reader)

    @app.callback(
        *[Output(ids.control(name), "data") for name in ids.FILTERS],
        *[Output(ids.control(name), "placeholder") for name in ("study", "arm")],
        *MARTS_INPUTS[:2],
        Input(ids.CONTENT, "children"),
    )
    async def show_options(search, _version, _content):
        options = await off_loop(filter_options, reader, search)
        return [*options, *await off_loop(usual_study_and_arm, reader, search)]


def _register_browser(app: Dash) -> None:
    """What needs no server: scheme, pausing, title, the URL's query and the controls that write
    it.
    """
    app.clientside_callback(
        ClientsideFunction("floe", "scheme"),
        Output(ids.SCHEME, "data"),
        Output(ids.PROVIDER, "forceColorScheme"),
        Output(ids.SCHEME_SWITCH, "children"),
        Input(ids.SCHEME_SWITCH, "n_clicks"),
        State(ids.SCHEME, "data"),
    )
    app.clientside_callback(
        ClientsideFunction("floe", "paused"),
        Output(ids.CLOCK, "disabled"),
        Input(ids.PAUSE, "checked"),
    )
    app.clientside_callback(
        ClientsideFunction("floe", "title"), Input(ids.URL, "pathname"), State(ids.TITLES, "data")
    )
    app.clientside_callback(ClientsideFunction("floe", "searched"), Input(ids.URL, "search"))
    for name in dict.fromkeys(name for page in PAGES.values() for name in page.controls):
        control = ids.control(name)
        app.clientside_callback(
            ClientsideFunction("floe", "choose"),
            Input(control, "value"),
            State(control, "id"),
            prevent_initial_call=True,
        )
        app.clientside_callback(
            ClientsideFunction("floe", "chosen"),
            Output(control, "value"),
            Input(ids.URL, "search"),
            State(control, "id"),
        )


# --- what the callbacks give --------------------------------------------------------------------


def page_content(reader: Reader, pathname: str | None) -> list:
    page = PAGES.get(pathname or "/")
    if page is None:
        return [
            html.H1("There is no such page"),
            html.P(f"Found {pathname}; the pages are {', '.join(PAGES)}."),
        ]
    return page.layout(reader)


def navigation(pathname: str | None, search: str | None) -> list:
    """Links to the pages; the filters go along."""
    kept = kept_search(search)
    here = {"aria-current": "page"}
    return [
        dmc.Anchor(
            page.name, href=page.path + kept, anchorProps=here if page.path == pathname else None
        )
        for page in PAGES.values()
    ]


def versions(reader: Reader) -> tuple[int, str]:
    """What the pages of the marts, and those of the stream, were last drawn from."""
    home = reader.settings.home
    try:
        if (
            reader.is_outside
        ):  # each record that lands makes a snapshot: from outside the page looks anew each minute
            return reader.newest(("mart",)), f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
        newest = reader.newest(("raw", "core", "mart"))
        beats = sum(
            path.stat().st_mtime_ns // 10**10
            for path in (*home.glob("ingest-*-of-*.json"), *home.glob("up.json"))
        )
        tick = int(
            time.monotonic() // _AGE_S
        )  # what is known of a stream grows old though nothing arrives
        return reader.newest(("core", "mart")), f"{newest}/{beats}/{tick}"
    except (FloeError, OSError):
        return -1, "-1"


def news(reader: Reader, marts: int, stream: str) -> tuple:
    """The versions where they changed: what did not change is not drawn again."""
    now_marts, now_stream = versions(reader)
    return (
        no_update if now_marts == marts else now_marts,
        no_update if now_stream == stream else now_stream,
    )


def freshness(reader: Reader) -> tuple:
    """The header's line, and a notice where the numbers are older than what has landed."""
    try:
        computed = computed_facts(reader)
    except FloeError as error:
        return "No data", notice(
            f"The lake can't be read: {error}", title="Nothing here is up to date", color="red"
        )
    if computed.data_cutoff is None:
        return "Nothing released yet" if reader.is_outside else "No outcomes yet", None
    return f"Data to {words.moment(computed.data_cutoff)}", _stale(computed)


def _stale(computed: Computed):
    age = datetime.now(UTC) - computed.started_at
    if not computed.records_since or age < _STALE:
        return None
    is_one = computed.records_since == 1
    text = (
        f"{words.plural(computed.records_since, 'record')} {'has' if is_one else 'have'} landed since these outcomes "
        f"were computed, {spoken(age.total_seconds())} ago: {'it is' if is_one else 'they are'} not in these numbers."
    )
    return notice(text, title="Newer data has landed", color="orange")


def usual_study_and_arm(reader: Reader, search: str | None = None) -> list[str]:
    """What stands for no choice of a study and of an arm, in words."""
    in_force = settled(chosen(search), studies_of(reader)).dimensions
    study, arm = in_force.get("study_id"), in_force.get("arm")
    return [words.study(study) if study else "none yet", words.arm(arm) if arm else "none yet"]


def filter_options(reader: Reader, search: str | None = None) -> list[list[dict]]:
    """Options of the filters: the values that the summaries have; of arms those of the study in
    force.
    """
    choices = values_of(reader, ["clinic_id", "modality", "indication"], "len(strata) <= 2")
    studies, clinics = studies_of(reader), clinic_names(reader)
    arms = settled(chosen(search), studies).arms
    values = {"study": sorted(studies), "arm": arms} | {
        name: choices[COLUMN[name]].drop_nulls().unique().sort().to_list()
        for name in ids.FILTERS
        if name not in ("study", "arm")
    }
    label = {"study": words.study, "arm": words.arm, "clinic": lambda v: clinics.get(v, v)}
    return [
        [{"value": v, "label": label.get(name, words.name_of)(v)} for v in values[name]]
        for name in ids.FILTERS
    ]
