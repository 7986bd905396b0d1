"""What stands beside a study's flow: what it plans, its primary analysis, its analysis sets.

Here: parts of the page from rows. Not here: asking the lake (page.py), the flow (diagram.py).
"""

import polars as pl
from dash import html
from dash.development.base_component import Component

from transforms.facts import flow
from transforms.facts.analysis_sets import SETS, set_title
from transforms.facts.values import COMPLETERS
from transforms.rules.studies import planned_visits

from ... import words
from ...components import notice, table_of, tile, tiles
from ..cohort import arm_charts
from . import diagram

_AS_ALLOCATED = "Each counts once, as first allocated (intention to treat)"
_MASKED = (
    "No page, table or figure tells its arms apart until then, and none compares them. What is "
    "counted here is of all arms together."
)


def masked(plan: dict) -> Component | None:
    """A line that says so while the study's arms are masked."""
    if not plan["is_masked"]:
        return None
    return notice(_MASKED, title=f"Arms are masked until {words.day(plan['masked_until'])}")


def facts(plan: dict) -> Component:
    """Title, reference arm and primary analysis as planned; the visits and their windows."""
    arm, basis = plan["reference_arm"], plan["reference_basis"]
    rows = [
        ("Title", plan["title"] or "none is filed"),
        ("Reference arm", f"{words.arm(arm)} ({basis})" if arm else f"none: {basis}"),
        ("Primary analysis", _planned(plan) or plan["primary_reason"]),
    ]
    pairs = [html.Div([html.Dt(name), html.Dd(text)]) for name, text in rows]
    return html.Div([html.Dl(pairs, className="facts"), _visits(plan["planned_visits"])])


def _planned(plan: dict) -> str | None:
    if plan["primary_reason"]:
        return None
    method = words.name_of(plan["primary_method"])
    return f"{plan['primary_parameter']} at {plan['primary_visit']}, {method}"


def _visits(plan: str | None) -> Component:
    visits = planned_visits(plan)
    rows = [
        {
            "Visit": v.name,
            "Target day": words.count(v.target),
            "From day": words.count(v.first),
            "To day": words.count(v.last),
        }
        for v in visits
    ]
    whose = "Default visits: the study plans none" if plan is None else "Planned visits"
    caption = f"{whose}. Study days from the day of allocation, there is no day 0"
    return table_of(pl.DataFrame(rows), caption=caption)


def primary(plan: dict, rows: pl.DataFrame) -> Component:
    """The study's primary analysis, one tile per pair of arms (of a risk difference a rule); else
    why there is none. `rows`: of mart.arm_comparisons.
    """
    label = f"Primary analysis: {_planned(plan)}" if _planned(plan) else "Primary analysis"
    if plan["is_masked"]:
        return tiles([tile(label, words.NOTHING, "not shown: the study's arms are masked")])
    if rows.is_empty():
        why = plan["primary_reason"] or "no comparison has been computed for it yet"
        return tiles([tile(label, words.NOTHING, why)])
    return tiles([_pair(row, label) for row in rows.iter_rows(named=True)])


def _pair(row: dict, label: str) -> Component:
    arms = f"{words.arm(row['arm'])} minus {words.arm(row['reference_arm'])}"
    rule = f", {row['criterion']}" if row["criterion"] else ""
    if row["estimate"] is None:
        return tile(label, words.NOTHING, f"{arms}: {row['reason'] or 'no figure'}")
    value = words.interval(row["estimate"], row["ci_lower"], row["ci_upper"])
    unit = f" {row['unit']}" if row["unit"] else ""
    return tile(label, value, f"{arms}{rule}, 95 % CI,{unit} {arm_charts.arm_counts(row)}")


def secondary(plan: dict, comparisons: pl.DataFrame) -> pl.DataFrame:
    """The primary parameter at every visit, everybody with a value, by the primary method."""
    return comparisons.filter(
        pl.col("indication").is_null(),
        pl.col("criterion").is_null(),
        parameter=plan["primary_parameter"] or "",
        population=COMPLETERS,
    )


def enrolled_again(rows: pl.DataFrame, *, is_masked: bool) -> str | None:
    """How many patients the study enrolled more than once, what counts of them, and how many were
    given another arm; None where nobody was, or it is not shown. `rows`: of mart.consort_flow.
    """
    row = next(rows.filter(step=flow.ENROLLED_AGAIN).iter_rows(named=True), None)
    if row is None or not row["n_patients"]:
        return None
    other = dict(diagram.reasons(row)).get(flow.OTHER_ARM, 0)
    has = "has" if other == 1 else "have"
    arms = f"; {words.count(other)} of them {has} another arm in a later enrolment" if other else ""
    if is_masked:
        arms = "; whether a later enrolment has another arm is not told while arms are masked"
    n = words.plural(row["n_patients"], "patient")
    return f"The study enrolled {n} more than once. {_AS_ALLOCATED}{arms}."


def sets(rows: pl.DataFrame) -> Component:
    """How many are in each set, who is left out and why, how it was decided. `rows`: of
    mart.analysis_sets.
    """
    codes = [*SETS, *sorted(set(rows["set_code"]) - set(SETS))]
    table = [_of_set(code, rows.filter(set_code=code)) for code in codes]
    return table_of(pl.DataFrame(table), caption="Analysis sets of the study's patients")


def _of_set(code: str, rows: pl.DataFrame) -> dict:
    out = rows.filter(pl.col("is_in").fill_null(False).not_())
    why = out.group_by("reason").len().sort("len", "reason", descending=[True, False])
    unknown = rows["is_in"].null_count()
    return {
        "Set": set_title(code),
        "In": words.count(int(rows["is_in"].sum())) if unknown < rows.height else words.NOTHING,
        "Left out": words.count(out.height - unknown) if unknown < rows.height else words.NOTHING,
        "Decided": ", ".join(rows["decided_by"].unique().sort()),
        "Rule where it is not filed": SETS[code].rule if code in SETS else "none: as filed",
        "Why left out, or not decided": "; ".join(
            f"{reason}: {words.count(n)}" for reason, n in why.iter_rows()
        ),
    }
