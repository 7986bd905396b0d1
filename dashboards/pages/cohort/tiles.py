"""What stands beside the cohort page's charts: tiles, and comparisons of arms as rows.

Here: rows -> tiles and a table. Not here: the cards (page.py).
"""

from dash.development.base_component import Component

from ... import words
from ...components import tile, tiles
from . import arm_charts, charts, responder_charts
from .shown import Shown


def change_tiles(shown: Shown) -> Component:
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


def comparison_rows(shown: Shown) -> list[dict]:
    return [
        {
            "visit": r["visit"],
            "population": words.name_of(r["population"].partition(",")[0]),
            "outcome": ", ".join(
                filter(None, (r["parameter"], responder_charts.rule_name(r["criterion"])))
            ),
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
