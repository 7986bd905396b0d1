"""The treatment page: was everybody cleared, did exposure stay within the protocol, was the course
delivered?

Here: its cards, what is asked, the sessions to look at. Not here: how rows become charts
(charts.py).
"""

import polars as pl
from dash import html
from dash.development.base_component import Component

from transforms.facts.limits import ANY_EXCEEDED, LIMITS
from transforms.facts.sessions import BEGUN

from ... import ids, words
from ...components import Drawn, nothing, panel, side_by_side, tile, tiles
from ...filters import Chosen
from ...finer import rows_of
from ...parameters import parameter_options
from ...reader import Reader
from ...tables import WRAPPED, grid, table_of
from ...theme import Look
from .. import cards
from ..cards import Card, CardPage, listing, staff_only
from ..controls import FILTERS, Control, Fill
from ..durability.charts import parameters, usual_visit, visits
from ..records import OF_EVERY_STUDY, of_selection
from ..series import of_episodes
from . import charts

# flag of mart.adex -> (its value, what people read)
_FINDINGS = {
    "CLEARFL": ("N", "no valid clearance"),
    "CONTRAFL": ("Y", "contraindication known"),
    **{limit.flag: ("Y", limit.words) for limit in LIMITS.values()},
}
_MOST_SESSIONS = 500
_SESSION_COLUMNS = [
    {"field": "when", "headerName": "Started", "minWidth": 185, **WRAPPED},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 200, **WRAPPED},
    {"field": "found", "headerName": "What was found", "minWidth": 165, **WRAPPED},
    {"field": "modality", "headerName": "Modality", "minWidth": 120},
    {
        "field": "measured",
        "headerName": "Duration; coldest cabin, skin; oxygen",
        "minWidth": 235,
        **WRAPPED,
    },
    {"field": "patient", "headerName": "Patient", "minWidth": 115},
    {"field": "session", "headerName": "Session", "minWidth": 155, **WRAPPED},
]


class Shown(cards.Shown):
    """Rows by clinic; of dose the parameter and the visit."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        self.by_clinic = of_episodes(reader, "cohort_outcomes", choice, "clinic_id")
        doses = rows_of(reader, "dose_response", choice.stratum()).with_columns(n="n_patients")
        self.codes = parameters(doses)
        self.code = self.asked(ids.DOSE_OF, self.codes)
        mine = doses.filter(pl.col("parameter") == (self.code or ""))
        self.visits = visits(mine)
        self.visit = self.asked(ids.DOSE_AT, self.visits, usual=usual_visit(mine))
        self.doses = mine.filter(pl.col("visit") == (self.visit or ""))


def _clearance(shown: Shown, of: Look) -> Drawn:
    return charts.clearance(
        shown.outcomes, of=of, none=shown.none_of("sessions_not_cleared", "Sessions")
    )


def _limits(shown: Shown, of: Look) -> Drawn:
    return charts.limits(shown.outcomes, of=of, none=shown.none_of(ANY_EXCEEDED, "Sessions"))


def _course(shown: Shown, of: Look) -> Drawn:
    return charts.course(
        shown.outcomes, of=of, none=shown.none_of("sessions_delivered", "Sessions")
    )


def _by_clinic(shown: Shown, of: Look) -> Drawn:
    none = shown.none(shown.by_clinic, "Sessions, clinic by clinic", "clinic_id")
    return charts.by_clinic(shown.by_clinic, shown.clinics, of=of, none=none)


def _dose(shown: Shown, of: Look) -> Drawn:
    none = shown.none(shown.doses, "Change by sessions a week")
    if not shown.visit:
        return nothing(none, of=of)
    return charts.dose(shown.doses, shown.code, shown.visit, of=of, none=none)


def _tiles(shown: Shown) -> Component:
    """Two targets of 0, adherence, and how often nobody asked."""
    course = shown.metric("course_adherence")
    ratio = words.percent(course["estimate"], course["ci_lower"], course["ci_upper"])
    return tiles(
        [
            _count_tile("Sessions not cleared (target 0)", shown.metric("sessions_not_cleared")),
            _count_tile("Sessions beyond a limit (target 0)", shown.metric(ANY_EXCEEDED)),
            tile(
                "Delivered of the sessions prescribed",
                ratio.partition(" (")[0],
                course["reason"]
                or f"95 % CI {ratio.partition('(')[2].rstrip(')')}; "
                f"{words.count(course['n_evaluable'])} courses that are over, {words.count(course['n_pending'])} still run",
            ),
            _count_tile(
                "Sessions at which nobody asked about side effects",
                shown.metric("sessions_not_asked"),
                is_target=False,
            ),
        ]
    )


def _count_tile(label: str, r: dict, *, is_target: bool = True):
    """x of n with the share's interval; above a target of 0 a concern."""
    if r["estimate"] is None:
        return tile(label, words.NOTHING, r["reason"] or "none yet")
    share = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"], digits=1)
    value = f"{words.count(r['n_event'])} of {words.count(r['n_evaluable'])}"
    unknown = f"; {words.count(r['n_missing'])} not known" if r["n_missing"] else ""
    return tile(label, value, share + unknown, is_concern=is_target and r["n_event"] > 0)


def _amounts(shown: Shown) -> list[Component]:
    amounts = table_of(
        charts.amounts(shown.outcomes), caption="Duration, dose, rewarming and exposure"
    )
    return [amounts, html.P(_rewarming(shown.metric("sessions_rewarming_seen")), className="small")]


def _rewarming(r: dict) -> str:
    """How complete the time to rewarming is."""
    if r["estimate"] is None:
        return ""
    return (
        f"The skin was seen warm again at {words.count(r['n_event'])} of {words.count(r['n_evaluable'])} sessions, "
        f"{words.percent(r['estimate'], r['ci_lower'], r['ci_upper'])}: slow rewarming is understated."
    )


def _session_rows(shown: Shown) -> list[dict]:
    """Sessions that began with a finding, the newest first; of single patients, so nothing for a
    reader from outside.
    """
    has_finding = " OR ".join(f"\"{flag}\" = '{value}'" for flag, (value, _) in _FINDINGS.items())
    rows = shown.reader.mart("adex", f"({has_finding})").filter(pl.col("EXSTAT").is_in(BEGUN))
    rows = of_selection(shown.reader, rows, shown.choice).sort(
        "EXSTDTM", "SESSIONID", descending=True
    )
    return [
        {
            "when": words.moment(r["EXSTDTM"]),
            "clinic": shown.clinics.get(r["CLINICID"], r["CLINICID"]),
            "found": ", ".join(
                text for flag, (value, text) in _FINDINGS.items() if r[flag] == value
            ),
            "modality": words.name_of(r["MODALITY"]),
            "measured": f"{words.number(r['EXDUR'], 0)} s; {words.number(r['CABMINC'], 0)} °C, "
            f"{words.number(r['SKINMINC'], 1)} °C; {words.number(r['O2MINPCT'], 1)} %",
            "patient": r["USUBJID"],
            "session": r["SESSIONID"],
        }
        for r in rows.head(_MOST_SESSIONS).iter_rows(named=True)
    ]


def _body(cards: dict[str, Component], reader: Reader) -> list:
    listed = panel(
        "Sessions to look at",
        grid(
            ids.SESSIONS_TO_SEE,
            columns=_SESSION_COLUMNS,
            label="Sessions not cleared or beyond a limit",
        ),
        subtitle=f"Not cleared, or beyond a limit of the protocol; the newest first, at most {_MOST_SESSIONS}. {OF_EVERY_STUDY}",
    )
    return [
        html.Div(id=ids.TREATMENT_TILES),
        side_by_side(cards[ids.CLEARANCE], cards[ids.COURSE_DELIVERED]),
        side_by_side(cards[ids.WITHIN_LIMITS], cards[ids.DOSE]),
        cards[ids.CLINIC_TREATMENT],
        panel(
            "How much cold",
            html.Div(id=ids.AMOUNTS),
            subtitle="One value per patient, then the median.",
        ),
        staff_only(listed, reader),
    ]


TREATMENT = CardPage(
    path="/treatment",
    name="Treatment",
    heading="Treatment kept to protocol",
    lead="Sessions against what was cleared, set and prescribed. A session is counted at the clinic and in the modality "
    "where it happened.",
    shown=Shown,
    bar=(
        *FILTERS,
        Control(
            name=ids.DOSE_OF,
            label="Outcome against dose",
            placeholder="pain",
            width=240,
            options=lambda s: parameter_options(s.codes),
            usual=lambda s: s.code,
        ),
        Control(
            name=ids.DOSE_AT,
            label="Visit",
            placeholder="usual",
            width=150,
            options=lambda s: s.visits,
            usual=lambda s: s.visit,
        ),
    ),
    cards=(
        Card(
            ids.CLEARANCE,
            "Was everybody cleared first?",
            300,
            draw=_clearance,
            is_of_episodes=False,
        ),
        Card(
            ids.COURSE_DELIVERED,
            "Was the course delivered?",
            300,
            draw=_course,
            is_of_episodes=False,
        ),
        Card(
            ids.WITHIN_LIMITS,
            "Did temperature and exposure stay within the protocol?",
            420,
            draw=_limits,
            is_of_episodes=False,
        ),
        Card(
            ids.DOSE, "Does it go with how often they come?", 420, draw=_dose, mart="dose_response"
        ),
        Card(
            ids.CLINIC_TREATMENT,
            "Clinic by clinic",
            380,
            draw=_by_clinic,
            least_width=900,
            is_of_episodes=False,
        ),
    ),
    beside=(
        Fill(ids.TREATMENT_TILES, _tiles),
        Fill(ids.AMOUNTS, _amounts),
        *listing(
            ids.SESSIONS_TO_SEE,
            _session_rows,
            mart="adex",
            none="No session of this selection is on record as not cleared or beyond a limit.",
        ),
    ),
    body=_body,
)
