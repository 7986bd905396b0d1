"""The cohort page: pain over time, responders, what wearables measure, arms against each other.

Here: its cards, what is asked. Not here: how rows become charts (charts.py, change_charts.py,
arm_charts.py).
"""

import json

import polars as pl
from dash import html
from dash.development.base_component import Component

from transforms.facts.mobility_parameters import VITALS
from transforms.facts.values import ROUTINE

from ... import ids, words
from ...components import WRAPPED, Drawn, grid, notice, panel, side_by_side, tile, tiles
from ...filters import Chosen
from ...parameters import parameter_options
from ...reader import Reader
from ...theme import Look
from .. import cards
from ..base import waiting
from ..cards import FILTERS, Card, CardPage, Control, Fill, listing
from . import arm_charts, change_charts, charts

# Widths for a page of 1280 px: the grid is not in sight at first, so that nothing can be fitted.
_GRID_COLUMNS = [
    {"field": "visit", "headerName": "Visit", "width": 110},
    {"field": "outcome", "headerName": "Outcome", "width": 220, **WRAPPED},
    {"field": "population", "headerName": "Counted", "width": 180, **WRAPPED},
    {"field": "method", "headerName": "Method", "width": 140},
    {"field": "said", "headerName": "Arm minus reference (95 % CI)", "width": 190},
    {"field": "counts", "headerName": "Patients", "width": 190, **WRAPPED},
    {"field": "adjusted", "headerName": "Adjusted for", "width": 140, **WRAPPED},
]


class Shown(cards.Shown):
    """The parameter and the visit; rows split by arm where the parameter has arms; the arms'
    comparisons.
    """

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        self.rows = self.outcomes.with_columns(series=pl.lit(self.selection))
        self.codes = charts.parameters(self.rows)
        self.code = self.asked(ids.PARAMETER, self.codes)
        self.visits = charts.visits(self.rows, self.code) if self.code else []
        usual = charts.usual_visit(self.rows, self.code) if self.code else None
        self.visit = self.asked(ids.VISIT, self.visits, usual=usual)
        split = reader.mart("cohort_outcomes", *choice.stratum("arm"))
        self.arms = charts.arms(split, self.code) if self.code and "arm" not in choice.asked else []
        # the rows of the outcome's lines: an arm each, where there are arms
        self.series = self._by_arm(split) if self.arms else self.rows
        self.comparisons = self._comparisons()
        if not self.code:
            is_empty = self.rows.is_empty() and not choice.dimensions
            self.why_nothing = (
                waiting(reader)
                if is_empty
                else ("No patients with outcomes in this selection, or too few to be shown.")
            )

    def of_change(self, mart: str, *, is_by_arm: bool) -> pl.DataFrame:
        """The mart's rows of the parameter, with `series`; `is_by_arm`: an arm each, where there
        are arms.
        """
        is_split = is_by_arm and bool(self.arms)
        where, params = self.choice.stratum(*(["arm"] if is_split else []))
        rows = self.reader.mart(
            mart, f"{where} AND parameter = ${len(params) + 1}", [*params, self.code]
        )
        return self._by_arm(rows) if is_split else rows.with_columns(series=pl.lit(self.selection))

    def _by_arm(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("arm").is_in(self.arms)).with_columns(series=pl.col("arm"))

    def _comparisons(self) -> pl.DataFrame:
        """Of the study, parameter and chosen indication's subgroup; clinics and modalities are not
        compared by arm.
        """
        indication = self.choice.dimensions.get("indication")
        where = "parameter = $1 AND indication IS NOT DISTINCT FROM $2 AND study_id = $3"
        study = self.choice.dimensions.get("study_id", ROUTINE)
        return self.reader.mart("arm_comparisons", where, [self.code or "", indication, study])


def _trajectory(shown: Shown, of: Look) -> Drawn:
    title = f"How does it change over time? {words.parameter_title(shown.code)}"
    change = important_change(shown.reader, shown.code)
    drawn = charts.mean_by_visit(
        shown.series, shown.code, of=of, title=title, important_change=change
    )
    return _of_arms(shown, drawn)


def _responders(shown: Shown, of: Look) -> Drawn:
    return _of_arms(shown, charts.responders(shown.series, shown.code, shown.visit, of=of))


def _of_arms(shown: Shown, drawn: Drawn) -> Drawn:
    return shown.by_arm(drawn) if shown.arms else drawn


def important_change(reader: Reader, code: str) -> float | None:
    """The important change that the parameter's rule in points was computed with; null where it has
    no such rule.
    """
    rows = reader.mart("metric_definitions", "parameter = $1 AND statistic = 'points'", [code])
    settings = json.loads(rows["parameters"][0] or "{}") if rows.height else {}
    return next((float(v) for v in settings.values() if isinstance(v, int | float)), None)


def _reliable(shown: Shown, of: Look) -> Drawn:
    rows = shown.of_change("reliable_change", is_by_arm=True)
    return _of_arms(shown, change_charts.reliable(rows, shown.code, shown.visit, of=of))


def _important(shown: Shown, of: Look) -> Drawn:
    rows = shown.of_change("important_change", is_by_arm=False)
    return change_charts.important(rows, shown.code, shown.visit, visits=shown.visits, of=of)


# --- beside the charts --------------------------------------------------------------------------


def _tiles(shown: Shown) -> Component:
    """Patients, baseline, change and responders of everybody in the selection."""
    if not shown.code:
        return tiles([tile("Patients", words.NOTHING, shown.why_nothing)])
    base = shown.statistic(shown.code, "mean", visit="Baseline")
    change, response = (
        shown.statistic(shown.code, name, visit=shown.visit) for name in ("change", "pct30")
    )
    unit = base["unit"] or ""
    return tiles(
        [
            tile(
                "Patients in the selection",
                words.count(base["n_patients"]),
                f"{words.count(base['n_evaluable'])} with a baseline of {shown.code}",
            ),
            tile(
                f"Baseline {shown.code}, mean",
                words.number(base["estimate"], 1),
                f"{_limits(base)} {unit}, n = {words.count(base['n_evaluable'])}",
            ),
            tile(
                f"Change at {shown.visit}, not an effect",
                words.number(change["estimate"], 1),
                f"{_limits(change)} {unit}, n = {words.count(change['n_evaluable'])}",
            ),
            _responder_tile(f"At least 30 % better at {shown.visit}", response, shown.code),
        ]
    )


def _responder_tile(label: str, row: dict, code: str) -> Component:
    """x of n with the share's interval; a score without the rule has no such numbers, which is not
    0 of 0.
    """
    if row["n_evaluable"] is None:
        return tile(
            label, words.NOTHING, row["reason"] or f"no responder rule applies to {code} here"
        )
    share = words.percent(row["estimate"], row["ci_lower"], row["ci_upper"])
    value = f"{words.count(row['n_event'])} of {words.count(row['n_evaluable'])}"
    return tile(label, value, f"{share}; {words.count(row['n_missing'])} missing")


def _limits(row: dict) -> str:
    if row["ci_lower"] is None:
        return row["reason"] or "no interval"
    return f"95 % CI {words.number(row['ci_lower'], 1)} to {words.number(row['ci_upper'], 1)}"


def _comparison_rows(shown: Shown) -> list[dict]:
    return [
        {
            "visit": r["visit"],
            "population": words.name_of(r["population"].partition(",")[0]),
            "outcome": ", ".join(filter(None, (r["parameter"], charts.rule_name(r["criterion"])))),
            "method": words.name_of(r["method"]),
            "said": charts.or_reason(
                r,
                words.interval(
                    r["estimate"], r["ci_lower"], r["ci_upper"], digits=3 if r["criterion"] else 2
                ),
            ),
            "counts": arm_charts.arm_counts(r),
            "adjusted": ", ".join(r["adjusted_for"] or ()),
        }
        for r in shown.comparisons.sort(
            "visit", "method", "criterion", "population", nulls_last=True
        ).iter_rows(named=True)
    ]


def _body(cards: dict[str, Component], reader: Reader) -> list:
    compared = grid(
        ids.COMPARISON_TABLE,
        columns=_GRID_COLUMNS,
        label="Comparisons between arms",
        height=340,
        fits=False,
    )
    by_arm = [
        side_by_side(cards[ids.DIFFERENCES], cards[ids.RISK_DIFFERENCES]),
        panel("All comparisons between arms", compared),
    ]
    return [
        html.Div(id=ids.COHORT_TILES),
        side_by_side(cards[ids.TRAJECTORY], cards[ids.RESPONDERS]),
        side_by_side(cards[ids.RELIABLE_CHANGE], cards[ids.IMPORTANT_CHANGE]),
        html.Div(by_arm, id=ids.COMPARISONS, className="stack", style={"display": "none"}),
        side_by_side(cards[ids.STEPS], cards[ids.WALKING_SPEED]),
        side_by_side(*(cards[ids.vital(parameter.code)] for parameter in VITALS)),
    ]


def _vital(code: str, title: str) -> Card:
    """A mean of everybody in the selection: nobody says whether more of it is better."""
    return Card(
        ids.vital(code),
        f"{title}, over time",
        340,
        draw=lambda s, of: charts.mean_by_visit(s.rows, code, of=of),
    )


COHORT = CardPage(
    path="/",
    name="Cohort outcomes",
    heading="Cohort outcomes",
    lead="What happened to the patients of a selection: each number with interval and count.",
    above=lambda _reader: notice(
        "No whole-body cryotherapy device is cleared by the FDA for medical treatment. A before/after change is not an "
        "effect: pain that is treated at its worst gets better on average without any treatment.",
        title="Read this first",
    ),
    shown=Shown,
    bar=(
        *FILTERS,
        Control(
            name=ids.PARAMETER,
            label="Outcome",
            placeholder="most patients",
            width=260,
            options=lambda s: parameter_options(s.codes),
            usual=lambda s: s.code and f"{s.code}: most patients",
        ),
        Control(
            name=ids.VISIT,
            label="Visit for shares",
            placeholder="usual",
            width=150,
            options=lambda s: s.visits,
            usual=lambda s: s.visit,
        ),
    ),
    cards=(
        Card(ids.TRAJECTORY, "How does pain change over time?", 420, draw=_trajectory),
        Card(ids.RESPONDERS, "Who responded, by which rule?", 420, draw=_responders),
        Card(
            ids.RELIABLE_CHANGE,
            "Who changed by more than measurement error?",
            380,
            draw=_reliable,
            mart="reliable_change",
        ),
        Card(
            ids.IMPORTANT_CHANGE,
            "Which improvement do patients themselves call much improved?",
            380,
            draw=_important,
            mart="important_change",
        ),
        Card(
            ids.STEPS,
            "Do patients walk more?",
            340,
            draw=lambda s, of: charts.mean_by_visit(s.rows, "STEPS", of=of),
        ),
        Card(
            ids.WALKING_SPEED,
            "Do patients walk faster?",
            340,
            draw=lambda s, of: charts.mean_by_visit(s.rows, "WALKSPD", of=of),
        ),
        *(_vital(parameter.code, parameter.title) for parameter in VITALS),
        Card(
            ids.DIFFERENCES,
            "How do the arms differ?",
            340,
            mart="arm_comparisons",
            draw=lambda s, of: s.by_arm(arm_charts.differences(s.comparisons, s.code, of=of)),
        ),
        Card(
            ids.RISK_DIFFERENCES,
            "How do the arms differ in responders?",
            400,
            mart="arm_comparisons",
            draw=lambda s, of: s.by_arm(arm_charts.risk_differences(s.comparisons, s.code, of=of)),
        ),
    ),
    beside=(
        Fill(ids.COHORT_TILES, _tiles),
        Fill(
            ids.COMPARISONS, lambda s: {} if s.comparisons.height else {"display": "none"}, "style"
        ),
        *listing(
            ids.COMPARISON_TABLE,
            _comparison_rows,
            mart="arm_comparisons",
            none="No arms are compared here.",
        ),
    ),
    body=_body,
)
