"""The cohort page: pain over time, responders, mobility, arms against each other.

Here: layout, what is asked, who is shown. Not here: how rows become charts (cohort_charts.py, change_charts.py,
arm_charts.py).
"""

import json
from dataclasses import replace

import polars as pl
from dash import Dash, Output, html

from .. import ids, words
from ..components import (
    Chart,
    Drawn,
    chart_card,
    filled,
    filter_controls,
    grid,
    nothing,
    notice,
    outputs,
    panel,
    select,
    side_by_side,
    tile,
    tiles,
)
from ..filters import Chosen, chosen
from ..reader import Reader
from ..theme import Look, look
from . import arm_charts, change_charts
from . import cohort_charts as charts
from .base import MARTS_INPUTS, Page, guarded, off_loop, waiting

_CHARTS = (
    Chart(ids.TRAJECTORY, "How does pain change over time?", height=420),
    Chart(ids.RESPONDERS, "Who responded, by which rule?", height=420),
    Chart(ids.RELIABLE_CHANGE, "Who changed by more than measurement error?", height=380),
    Chart(ids.IMPORTANT_CHANGE, "Which improvement do patients themselves call much improved?", height=380),
    Chart(ids.STEPS, "Do patients walk more?", height=340),
    Chart(ids.WALKING_SPEED, "Do patients walk faster?", height=340),
    Chart(ids.DIFFERENCES, "How do the arms differ?", height=340),
    Chart(ids.RISK_DIFFERENCES, "How do the arms differ in responders?", height=400),
)
_BY_ID = {chart.id: chart for chart in _CHARTS}
_GRID_COLUMNS = [
    {"field": "visit", "headerName": "Visit"},
    {"field": "population", "headerName": "Counted", "minWidth": 200},
    {"field": "indication", "headerName": "Subgroup"},
    {"field": "outcome", "headerName": "Outcome", "minWidth": 190},
    {"field": "method", "headerName": "Method"},
    {"field": "said", "headerName": "Arm minus reference (95 % CI)", "minWidth": 190},
    {"field": "counts", "headerName": "Patients", "minWidth": 190},
    {"field": "adjusted", "headerName": "Adjusted for", "minWidth": 220},
]


def layout(reader: Reader) -> list:
    cards = {chart.id: chart_card(chart) for chart in _CHARTS}
    return [
        html.H1("Cohort outcomes"),
        html.P("What happened to the patients of a selection: each number with interval and count.", className="lead"),
        notice(
            "No whole-body cryotherapy device is cleared by the FDA for medical treatment. A before/after change is "
            "not an effect: pain that is treated at its worst gets better on average without any treatment.",
            title="Read this first",
        ),
        html.Div(
            [
                *filter_controls(),
                select(ids.PARAMETER, "Outcome", placeholder="most patients", width=260),
                select(ids.VISIT, "Visit for shares", placeholder="usual", width=150),
            ],
            className="controls",
        ),
        html.Div(
            [
                html.Div(id=ids.COHORT_TILES),
                side_by_side(cards[ids.TRAJECTORY], cards[ids.RESPONDERS]),
                side_by_side(cards[ids.RELIABLE_CHANGE], cards[ids.IMPORTANT_CHANGE]),
                html.Div(
                    [
                        side_by_side(cards[ids.DIFFERENCES], cards[ids.RISK_DIFFERENCES]),
                        panel("All comparisons between arms", grid(ids.COMPARISON_TABLE, columns=_GRID_COLUMNS,
                                                                   label="Comparisons between arms", height=340, fits=False)),
                    ],
                    id=ids.COMPARISONS, className="stack", style={"display": "none"},
                ),
                side_by_side(cards[ids.STEPS], cards[ids.WALKING_SPEED]),
            ],
            className="stack",
        ),
    ]  # fmt: skip


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        *outputs(_CHARTS),
        Output(ids.COHORT_TILES, "children"),
        Output(ids.COMPARISONS, "style"),
        Output(ids.COMPARISON_TABLE, "rowData"),
        Output(ids.control(ids.PARAMETER), "data"),
        Output(ids.control(ids.PARAMETER), "placeholder"),
        Output(ids.control(ids.VISIT), "data"),
        Output(ids.control(ids.VISIT), "placeholder"),
        *MARTS_INPUTS,
    )
    async def show(search, _version, scheme):
        return await off_loop(view, reader, search, scheme)


def view(reader: Reader, search: str | None, scheme: str | None) -> list:
    """Values of the callback's outputs for the URL's query."""
    choice, of = chosen(search), look(scheme)
    shown = _Shown(reader, choice)
    drawn = guarded(lambda: _draw(shown, of), _CHARTS, of)
    return [
        *filled(_CHARTS, drawn, of=of, keep=choice.key()),
        tiles(_tiles(shown)),
        {} if shown.comparisons.height else {"display": "none"},
        _comparison_rows(shown.comparisons),
        charts.parameter_options(shown.codes),
        f"{shown.code}: most patients" if shown.code else "none yet",
        charts.visits(shown.rows, shown.code) if shown.code else [],
        f"{shown.visit}" if shown.visit else "none yet",
    ]


class _Shown:
    """What the choice stands for: the rows, the parameter, the visit; split by arm where a parameter has arms."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        self.reader, self.choice = reader, choice
        everybody = reader.mart("cohort_outcomes", *choice.stratum()).with_columns(series=pl.lit(charts.EVERYBODY))
        self.codes = charts.parameters(everybody)
        asked = choice.get(ids.PARAMETER)
        self.code = asked if asked in self.codes else next(iter(self.codes), None)
        self.rows, self.arms = everybody, []
        if self.code and "arm" not in choice.dimensions:
            split = reader.mart("cohort_outcomes", *choice.stratum("arm"))
            self.arms = charts.arms(split, self.code)
            self.by_arm = split.filter(pl.col("arm").is_in(self.arms)).with_columns(series=pl.col("arm"))
        known = charts.visits(self.rows, self.code) if self.code else []
        asked = choice.get(ids.VISIT)
        usual = charts.usual_visit(self.rows, self.code) if self.code else None
        self.visit = asked if asked in known else usual
        self.comparisons = self._comparisons()

    @property
    def series(self) -> pl.DataFrame:
        """The rows of the outcome's lines: an arm each, where there are arms."""
        return self.by_arm if self.arms else self.rows

    def of_change(self, mart: str, *, is_by_arm: bool) -> pl.DataFrame:
        """The mart's rows of the parameter, with `series`; `is_by_arm`: an arm each, where there are arms."""
        is_split = is_by_arm and bool(self.arms)
        where, params = self.choice.stratum(*(["arm"] if is_split else []))
        rows = self.reader.mart(mart, f"{where} AND parameter = ${len(params) + 1}", [*params, self.code])
        if not is_split:
            return rows.with_columns(series=pl.lit(charts.EVERYBODY))
        return rows.filter(pl.col("arm").is_in(self.arms)).with_columns(series=pl.col("arm"))

    def _comparisons(self) -> pl.DataFrame:
        """Of the parameter, and of the chosen indication's subgroup; clinics and modalities are not compared by arm."""
        indication = self.choice.dimensions.get("indication")
        where = "parameter = $1 AND indication IS NOT DISTINCT FROM $2"
        return self.reader.mart("arm_comparisons", where, [self.code or "", indication])


def _draw(shown: _Shown, of: Look) -> dict[str, Drawn]:
    if not shown.code:
        reason = waiting(shown.reader) if shown.rows.is_empty() and not shown.choice.dimensions else (
            "No patients with outcomes in this selection, or too few to be shown.")  # fmt: skip
        return {chart.id: nothing(reason, of=of) for chart in _CHARTS}
    title = words.parameter_title(shown.code)
    drawn = {
        ids.TRAJECTORY: charts.mean_by_visit(
            shown.series,
            shown.code,
            of=of,
            title=f"How does it change over time? {title}",
            important_change=important_change(shown.reader, shown.code),
        ),
        ids.RESPONDERS: charts.responders(shown.series, shown.code, shown.visit, of=of),
        ids.RELIABLE_CHANGE: change_charts.reliable(
            shown.of_change("reliable_change", is_by_arm=True), shown.code, shown.visit, of=of
        ),
        ids.IMPORTANT_CHANGE: change_charts.important(
            shown.of_change("important_change", is_by_arm=False),
            shown.code,
            shown.visit,
            visits=charts.visits(shown.rows, shown.code),
            of=of,
        ),
        ids.STEPS: charts.mean_by_visit(shown.rows, "STEPS", of=of, title=_BY_ID[ids.STEPS].title),
        ids.WALKING_SPEED: charts.mean_by_visit(shown.rows, "WALKSPD", of=of, title=_BY_ID[ids.WALKING_SPEED].title),
        ids.DIFFERENCES: arm_charts.differences(shown.comparisons, shown.code, of=of),
        ids.RISK_DIFFERENCES: arm_charts.risk_differences(shown.comparisons, shown.code, of=of),
    }
    return _dated(shown.reader, drawn)


def important_change(reader: Reader, code: str) -> float | None:
    """The important change that the parameter's rule in points was computed with; null where it has no such rule."""
    rows = reader.mart("metric_definitions", "metric_id = $1", [f"{code.lower()}_points"])
    settings = json.loads(rows["parameters"][0] or "{}") if rows.height else {}
    return next((float(v) for v in settings.values() if isinstance(v, int | float)), None)


def _dated(reader: Reader, drawn: dict[str, Drawn]) -> dict[str, Drawn]:
    marts = {ids.DIFFERENCES: "arm_comparisons", ids.RISK_DIFFERENCES: "arm_comparisons",
             ids.RELIABLE_CHANGE: "reliable_change", ids.IMPORTANT_CHANGE: "important_change"}  # fmt: skip
    at = {id: reader.changed_at(f"mart.{marts.get(id, 'cohort_outcomes')}") for id in drawn}
    return {id: replace(d, computed_at=at[id]) if d.data_to else d for id, d in drawn.items()}


def _tiles(shown: _Shown) -> list:
    """Patients, baseline, change and responders of everybody in the selection."""
    if not shown.code:
        return [tile("Patients", words.NOTHING, "none yet")]
    digits = 1

    def row(statistic: str, visit: str | None) -> dict:
        metric = f"{shown.code.lower()}_{statistic}"
        found = shown.rows.filter(
            (pl.col("metric_id") == metric) & (pl.col("visit") == visit) & (pl.col("population") == charts.COMPLETERS)
        )
        return found.row(0, named=True) if found.height else dict.fromkeys(shown.rows.columns)

    base, change, response = row("mean", "Baseline"), row("change", shown.visit), row("pct30", shown.visit)
    unit = base["unit"] or ""
    return [
        tile(
            "Patients in the selection",
            words.count(base["n_patients"]),
            f"{words.count(base['n_evaluable'])} with a baseline of {shown.code}",
        ),
        tile(
            f"Baseline {shown.code}, mean",
            words.number(base["estimate"], digits),
            f"{_limits(base, digits)} {unit}, n = {words.count(base['n_evaluable'])}",
        ),
        tile(
            f"Change at {shown.visit}, not an effect",
            words.number(change["estimate"], digits),
            f"{_limits(change, digits)} {unit}, n = {words.count(change['n_evaluable'])}",
        ),
        tile(
            f"At least 30 % better at {shown.visit}",
            f"{words.count(response['n_event'])} of {words.count(response['n_evaluable'])}",
            f"{words.percent(response['estimate'], response['ci_lower'], response['ci_upper'])}; "
            f"{words.count(response['n_missing'])} missing",
        ),
    ]


def _limits(row: dict, digits: int) -> str:
    if row["ci_lower"] is None:
        return row["reason"] or "no interval"
    return f"95 % CI {words.number(row['ci_lower'], digits)} to {words.number(row['ci_upper'], digits)}"


def _comparison_rows(rows: pl.DataFrame) -> list[dict]:
    return [
        {
            "visit": r["visit"],
            "population": words.name_of(r["population"].partition(",")[0]),
            "indication": words.name_of(r["indication"]) if r["indication"] else "all",
            "outcome": ", ".join(filter(None, (r["parameter"], charts.rule_name(r["criterion"])))),
            "method": words.name_of(r["method"]),
            "said": charts.or_reason(
                r, words.interval(r["estimate"], r["ci_lower"], r["ci_upper"], digits=3 if r["criterion"] else 2)
            ),
            "counts": arm_charts.arm_counts(r),
            "adjusted": ", ".join(r["adjusted_for"] or ()),
        }
        for r in rows.sort("visit", "method", "criterion", "population", nulls_last=True).iter_rows(named=True)
    ]


COHORT = Page(
    path="/",
    name="Cohort outcomes",
    layout=layout,
    register=register,
    controls=(*ids.FILTERS, ids.PARAMETER, ids.VISIT),
)
