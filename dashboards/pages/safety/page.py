"""The safety page: what wants a person now, how often events happen, how bad and how long, signals,
what is due.

Here: its cards. Not here: the alerts on top (alerts/page.py), what is asked (rows.py), how rows
become charts (charts.py, ratio_charts.py, between_charts.py) and lists (lists.py), what of devices
and people who are no patients is said (devices/device_events.py).
"""

from dash import html
from dash.development.base_component import Component

from transforms.facts.restrictions import RESTRICTIONS

from ... import ids, words
from ...components import panel, side_by_side
from ...reader import Reader
from ...tables import grid
from ..alerts import page as alerts
from ..cards import Card, CardPage, listing, staff_only
from ..controls import FILTERS, Control, Fill
from ..devices import device_events
from ..records import OF_EVERY_STUDY
from ..survival_charts import survival_card
from . import between_charts as between
from . import charts, group_charts, lists
from .beside import rate_tiles, unread_notices
from .drawn import (
    CLINIC_RATES_TITLE,
    RATIOS_TITLE,
    clinic_rates_chart,
    control_chart,
    funnel_chart_of,
    grades_chart,
    ratios_chart,
    severity_chart,
    term_rates_chart,
)
from .rows import Shown

_RESTRICTION = Control(
    name=ids.RESTRICTION,
    label="Which events count",
    placeholder="any event",
    options=lambda s: [{"value": r.id, "label": r.words} for r in RESTRICTIONS.values()],
)
_FUNNEL_OF = Control(
    name=ids.FUNNEL_OF,
    label="Compare clinics by",
    placeholder="first metric",
    width=360,
    options=lambda s: [{"value": m, "label": words.metric_title(m)} for m in s.funnels],
)
_GROUPING = Control(
    name=ids.GROUPING,
    label="Group events by",
    placeholder="body system",
    width=260,
    options=lambda s: [
        {"value": name, "label": text} for name, text in group_charts.GROUPINGS.items()
    ],
)
_CHART_OF = Control(
    name=ids.CHART_OF,
    label="Chart of",
    placeholder="first chart",
    width=560,
    options=lambda s: [{"value": key, "label": name} for key, name in s.charts.items()],
)


def _body(cards: dict[str, Component], reader: Reader) -> list:
    return [
        staff_only(_serious(), reader),
        html.Div(id=ids.SAFETY_TILES),
        cards[ids.SEVERITY],
        side_by_side(cards[ids.RESOLUTION], cards[ids.GRADES]),
        cards[ids.CLINIC_RATES],
        cards[ids.RATE_RATIOS],
        cards[ids.TERM_RATES],
        panel(
            "All terms",
            grid(ids.RATES_TABLE, columns=lists.RATE_COLUMNS, label="Rates of all terms"),
        ),
        html.Div([_GROUPING.select(), cards[ids.EVENT_GROUPS]], className="stack"),
        html.Div([_FUNNEL_OF.select(), cards[ids.FUNNEL]], className="stack"),
        html.Div(
            [
                _CHART_OF.select(),
                html.Div(id=ids.SPC_ICONS, className="icons"),
                cards[ids.CONTROL_CHART],
            ],
            className="stack",
        ),
        panel(
            "What the latest point of every chart says",
            grid(
                ids.ALL_CHARTS,
                columns=lists.CHART_COLUMNS,
                label="Latest point of every control chart",
            ),
            subtitle="All clinics together, then each by name: no ranking. Few reported events are never shown as "
            "improvement.",
        ),
        cards[ids.DEVICE_RATES],
        panel(
            "Devices, staff and visitors, clinic by clinic",
            grid(
                ids.DEVICE_CLINICS,
                columns=device_events.RATE_COLUMNS,
                label="Device events of each clinic",
                height=340,
            ),
            subtitle="In the order of the clinics' names: no ranking. A clinic that reports more may look more closely.",
        ),
        staff_only(_device_records(), reader),
        staff_only(_due(), reader),
    ]


def _device_records() -> Component:
    title = "Device deficiencies, faults and incidents, one by one"
    listed = grid(ids.DEVICE_RECORDS, columns=device_events.RECORD_COLUMNS, label=title, height=300)
    return panel(
        title,
        listed,
        subtitle="Of every study, of the chosen clinic and modality; the newest first.",
    )


def _due() -> Component:
    due = grid(
        ids.DEADLINES,
        columns=lists.DEADLINE_COLUMNS,
        label="Reports and their due dates",
        height=260,
    )
    caption = (
        "By the rules of the clinic's country, as far as they are known here; the law's own words and the clinic's "
        "procedure come first. Days are counted to the data cut."
    )
    return panel("Reports that are due", due, subtitle=caption)


def _serious() -> Component:
    title = "Serious events and cold injuries"
    caption = html.P(id=ids.SERIOUS_SAID, className="caption")
    listed = html.Div(
        [caption, grid(ids.SERIOUS, columns=lists.SERIOUS_COLUMNS, label=title, height=300)]
    )
    return panel(title, listed, subtitle=OF_EVERY_STUDY)


SAFETY = CardPage(
    path="/safety",
    name="Safety",
    heading="Safety",
    lead="How often something went wrong, over patients, sessions and time at risk. No event seen does not mean safe: the "
    "interval says how often it may still happen.",
    above=alerts.above,
    registers=alerts.register,
    shown=Shown,
    bar=(*FILTERS, _RESTRICTION),
    apart=(_GROUPING, _FUNNEL_OF, _CHART_OF),
    cards=(
        Card(
            ids.CLINIC_RATES,
            CLINIC_RATES_TITLE,
            380,
            draw=clinic_rates_chart,
            least_width=900,
            mart="adverse_event_rates",
        ),
        Card(
            ids.SEVERITY,
            "Are they mild?",
            420,
            draw=severity_chart,
            least_width=900,
            mart="adverse_event_rates",
        ),
        Card(ids.GRADES, "Which are severe?", 480, draw=grades_chart, mart="adverse_event_rates"),
        survival_card(
            ids.RESOLUTION, "Do they pass quickly?", parameter="TTAERES", what="Time to resolution"
        ),
        Card(
            ids.TERM_RATES,
            "Which events?",
            600,
            draw=term_rates_chart,
            least_width=900,
            mart="adverse_event_rates",
        ),
        Card(
            ids.EVENT_GROUPS,
            group_charts.TITLE,
            520,
            draw=lambda s, of: group_charts.card(
                s.groups, grouping=s.grouping, restriction=s.restriction, of=of
            ),
            least_width=900,
            mart=group_charts.MART,
        ),
        Card(
            ids.RATE_RATIOS,
            RATIOS_TITLE,
            520,
            draw=ratios_chart,
            least_width=640,
            mart="adverse_event_comparisons",
        ),
        Card(
            ids.DEVICE_RATES,
            device_events.TITLE,
            300,
            draw=lambda s, of: device_events.rates_card(s.device_rates, s.choice, s.clinics, of=of),
            least_width=900,
            mart=device_events.MART,
        ),
        Card(
            ids.FUNNEL,
            "Does a clinic differ by more than chance?",
            420,
            draw=funnel_chart_of,
            mart="clinic_funnel",
        ),
        Card(
            ids.CONTROL_CHART,
            "Has something changed?",
            420,
            draw=control_chart,
            mart="control_charts",
        ),
    ),
    beside=(
        Fill(ids.UNREAD, unread_notices),
        Fill(ids.SAFETY_TILES, rate_tiles),
        *listing(
            ids.RATES_TABLE,
            lambda s: charts.grid_rows(s.by_term),
            mart="adverse_event_rates",
            none="Nobody of this selection has been treated yet.",
        ),
        *listing(
            ids.DEADLINES,
            lambda s: lists.deadlines(s.reader, s.choice, s.clinics),
            mart="report_deadlines",
            none="No report is due: no event of this selection starts a clock.",
        ),
        *listing(
            ids.DEVICE_CLINICS,
            lambda s: device_events.grid_rows(s.device_rates_by_clinic, s.clinics),
            mart=device_events.MART,
            none="No session or device of this selection is on record yet.",
        ),
        *listing(
            ids.DEVICE_RECORDS,
            lambda s: device_events.record_rows(
                device_events.records(s.reader, s.choice), s.clinics
            ),
            mart="device_events",
            none=device_events.NONE_ON_RECORD,
        ),
        *listing(
            ids.SERIOUS,
            lambda s: lists.serious(s.records, s.clinics),
            mart="adae",
            none=lists.NONE_SERIOUS,
        ),
        Fill(ids.SERIOUS_SAID, lambda s: lists.serious_said(s.records)),
        Fill(ids.SPC_ICONS, lambda s: between.icons_of(s.control)),
        *listing(
            ids.ALL_CHARTS,
            lambda s: between.overview(s.control_rows.filter(s.of_clinic), s.clinics),
            mart="control_charts",
            none="No chart of this selection has a point yet.",
        ),
    ),
    body=_body,
)
