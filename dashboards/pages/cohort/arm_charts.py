"""The cohort page's comparisons of arms: differences of means and of shares, from
mart.arm_comparisons.

Here: which rows, which figure, which sentence. Not here: asking the lake (page.py), the comparison
itself.
"""

import polars as pl

from transforms.facts.visits import named_day

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...theme import Look
from .charts import or_reason
from .responder_charts import rule_name

_OF_ONE_MODEL = "Interval and p-value of a row are of the one model that it names; p stands only between randomised arms."


def differences(rows: pl.DataFrame, code: str, *, of: Look) -> Drawn:
    """Arm minus reference, means; `rows`: mart.arm_comparisons of the parameter."""
    mine = rows.filter(pl.col("criterion").is_null())
    title = f"How do the arms differ in {code}?"
    if mine["estimate"].null_count() == mine.height:
        return nothing(
            "No comparison of means can be given for this selection.", of=of, title=title
        )
    unit = mine["unit"].drop_nulls()[0] if mine["unit"].null_count() < mine.height else "units"
    shown = _compared(mine, scale=1)
    better = mine["direction"].drop_nulls()
    side = (
        f"; below 0 favours the {shown['arm'][0]} arm"
        if len(better) and better[0] == "lower"
        else ""
    )
    axis = Panel(
        "",
        "value",
        "low",
        "high",
        "text",
        f"difference of means, {unit}{side}",
        reference=0,
        at_zero=False,
    )
    return Drawn(
        figure=interval_panels(shown, panels=(axis,), of=of, text_share=0.42),
        title=title,
        summary=_difference_sentence(shown, unit),
        notes=(_OF_ONE_MODEL,),
        metrics=tuple(mine["metric_id"].unique().sort()),
        table=shown.select(
            pl.col("label").str.replace("<br>", ", ").alias("comparison"),
            difference="said",
            details="text",
        ),
        data_to=mine["data_cutoff"].max(),
    )


def risk_differences(rows: pl.DataFrame, code: str, *, of: Look) -> Drawn:
    """Arm minus reference, shares of responders, in percentage points."""
    mine = rows.filter(pl.col("criterion").is_in(["PCT30", "PCT50", "POINTS"]))
    title = f"How do the arms differ in the share of responders ({code})?"
    if mine["estimate"].null_count() == mine.height:
        return nothing(
            "No comparison of responders can be given for this selection.", of=of, title=title
        )
    shown = _compared(mine, scale=100)
    axis = Panel(
        "",
        "value",
        "low",
        "high",
        "text",
        "difference, percentage points",
        reference=0,
        at_zero=False,
    )
    return Drawn(
        figure=interval_panels(shown, panels=(axis,), of=of, text_share=0.42),
        title=title,
        summary=_difference_sentence(shown, "percentage points"),
        metrics=tuple(mine["metric_id"].unique().sort()),
        table=shown.select(
            pl.col("label").str.replace("<br>", ", ").alias("comparison"),
            difference="said",
            details="text",
        ),
        data_to=mine["data_cutoff"].max(),
    )


def _compared(mine: pl.DataFrame, *, scale: int) -> pl.DataFrame:
    day = pl.col("visit").map_elements(named_day, return_dtype=pl.Float64)
    rows = mine.sort(day, "visit", "criterion", "method", "population", nulls_last=True)
    digits = 0 if scale == 100 else 2
    shown = []
    for r in rows.iter_rows(named=True):
        value, low, high = (
            None if r[c] is None else scale * r[c] for c in ("estimate", "ci_lower", "ci_upper")
        )
        population = words.name_of(r["population"].partition(",")[0])
        rule = rule_name(r["criterion"])
        shown.append(
            {
                "label": f"{r['visit']}: {rule or words.name_of(r['method'])}<br>{population}",
                "arm": r["arm"],
                "reference_arm": r["reference_arm"],
                "value": value,
                "low": low,
                "high": high,
                "text": arm_counts(r),
                "said": or_reason(r, words.interval(value, low, high, digits=digits)),
            }
        )
    numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(shown, infer_schema_length=None, schema_overrides=numbers)


def arm_counts(r: dict) -> str:
    """Patients (or responders of patients) of both arms, and p where the arms were randomised."""
    if r["estimate"] is None:
        return r["reason"] or words.NOTHING
    sides = [
        f"{words.count(r[f'x_{side}'])}/{words.count(r[f'n_{side}'])}"
        if r[f"x_{side}"] is not None
        else words.count(r[f"n_{side}"])
        for side in ("arm", "reference")
    ]
    p = f", {words.p_value(r['p_value'])}" if r["p_value"] is not None else ""
    return f"n {sides[0]} v {sides[1]}{p}"


def _difference_sentence(shown: pl.DataFrame, unit: str) -> str:
    last = shown.filter(pl.col("value").is_not_null()).row(-1, named=True)
    pair = f"{last['arm']} minus {last['reference_arm']}"
    return f"{last['label'].replace('<br>', ', ')}: {pair} {last['said']} {unit} ({last['text']})."
