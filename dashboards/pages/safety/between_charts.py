"""The safety page's charts between clinics and over time: funnel, control charts and what their
latest point says.

Here: which rows, which figure, which sentence. Not here: asking the lake, the layout (page.py).
Clinics stand in the order of their names: this is no ranking.
"""

import polars as pl

from transforms.facts.catalogue import METRICS

from ... import icons, words
from ...components import Drawn, nothing
from ...figures.clinics import control_chart, funnel
from ...gate import SUPPRESSED
from ...theme import Look

_RULES = {
    "outside": "a point beyond the limits",
    "trend": "points going one way",
    "two_of_three": "2 of 3 points near a limit",
    "shift": "a run of points on one side of the center",
}
_NEAR = 0.75  # share of a limit from which a clinic is named
_UPWARDS = {"high": True, "rising": True, "low": False, "falling": False}


def funnel_chart(rows: pl.DataFrame, labels: pl.Expr, *, of: Look) -> Drawn:
    """One metric's funnel; without rows the reason."""
    title = "Does a clinic differ by more than chance?"
    if rows.is_empty():
        return nothing(
            "No data yet: the funnel is drawn once the clinics' comparison has been computed.",
            of=of,
            title=title,
        )
    drawn = rows.filter(pl.col("estimate").is_not_null())
    if drawn.is_empty():
        return nothing(
            rows["reason"].drop_nulls().first() or "No limits can be given.", of=of, title=title
        )
    drawn = drawn.with_columns(name=labels, label="clinic_id")
    is_proportion = drawn["kind"][0] == "proportion"
    outside = drawn.filter(pl.col("signal").fill_null("none") != "none")["name"].sort().to_list()
    verdict = f"outside a limit: {', '.join(outside)}" if outside else "all within the limits"
    return Drawn(
        figure=funnel(
            drawn,
            of=of,
            axis_title="proportion" if is_proportion else "observed / expected",
            is_proportion=is_proportion,
            denominator_title="patients" if is_proportion else "events expected",
        ),
        title=f"{title} {words.metric_title(drawn['metric_id'][0])}",
        summary=f"{drawn.height} clinics, {verdict}. Not a ranking: a point outside asks for a look at its data, case mix "
        "and practice, in this order.",
        notes=tuple(_funnel_notes(drawn)),
        metrics=tuple(drawn["metric_id"].unique()),
        table=drawn.select(
            clinic="name",
            in_words="nearness",
            numerator="numerator",
            denominator="denominator",
            value="estimate",
            lower_95="lower_95",
            upper_95="upper_95",
            lower_998="lower_998",
            upper_998="upper_998",
            signal="signal",
            signal_beside_the_reference="reference_signal",
        ).sort("clinic"),
        data_to=drawn["data_cutoff"].max(),
    )


def _funnel_notes(drawn: pl.DataFrame) -> list[str]:
    """Which limits are drawn, what stands beside a stated reference, and how near the clinics are,
    by name.
    """
    notes = []
    if drawn["upper_95"].is_not_null().any():
        notes.append(
            "Limits of each clinic are those of all the others: 95 and 99.8 %, by exact tails."
        )
    if drawn["upper_95_od"].is_not_null().any():
        notes.append("Widened by how much the others differ among themselves.")
    missing = drawn["reference_reason"].drop_nulls()
    if len(missing):
        notes.append(f"{missing[0][:1].upper()}{missing[0][1:]}.")
    stated = drawn.filter(pl.col("reference").is_not_null())
    if stated.height:
        beyond = (
            stated.filter(pl.col("reference_signal").fill_null("none") != "none")["name"]
            .sort()
            .to_list()
        )
        share, source = words.number(100 * stated["reference"][0], 2), stated["reference_source"][0]
        notes.append(
            f"Reference {share} % ({source}): {'beyond it ' + ', '.join(beyond) if beyond else 'nobody beyond'}."
        )
    near = drawn.filter((pl.col("limit_share") >= _NEAR).fill_null(False)).sort("name")
    notes += [f"{row['name']}: {row['nearness']}." for row in near.iter_rows(named=True)]
    return notes


def _title(metric: str) -> str:
    """The metric's title without what the chart says itself."""
    return words.metric_title(metric).removesuffix(", over time").removesuffix(", CUSUM")


def kind_of(chart: str) -> str:
    """A kind of chart as it is written: u-chart, XmR chart, CUSUM."""
    return {"xmr": "XmR chart", "cusum": "CUSUM"}.get(chart, f"{chart}-chart")


def chart_name(row: dict, clinics: dict[str, str]) -> str:
    """A control chart in words."""
    where = clinics.get(row["clinic_id"], row["clinic_id"]) if row["clinic_id"] else "all clinics"
    term = f", {row['term']}" if row["term"] else ""
    return f"{_title(row['metric_id'])}{term}: {where} ({kind_of(row['chart'])})"


def control(rows: pl.DataFrame, *, of: Look, name: str) -> Drawn:
    """One series with its limits; without rows the reason."""
    title = "Has something changed?"
    if rows.is_empty():
        return nothing(
            "No data yet: a chart needs its first months of sessions.", of=of, title=title
        )
    seen = rows.filter(pl.col("value").is_not_null())
    if seen.is_empty():
        return nothing(_why_none(rows), of=of, title=title)
    signals = seen.filter(
        pl.any_horizontal(
            pl.col("is_outside", "is_trend", "is_two_of_three", "is_shift").fill_null(False)
        )
    )
    metric = seen["metric_id"][0]
    return Drawn(
        figure=control_chart(seen, of=of, axis_title=_axis(metric, seen["chart"][0])),
        title=f"{title} {name}",
        summary=f"{words.plural(seen.height, 'point')}, {signals.height} with a signal.",
        notes=tuple(_control_notes(seen, metric)),
        metrics=(metric,),
        table=seen.sort("point").select(
            "point",
            "period_start",
            "value",
            "numerator",
            "denominator",
            "center",
            "lower",
            "upper",
            pl.col("point_type").fill_null("no limits").replace(_RULES).alias("signal"),
        ),
        data_to=seen["data_cutoff"].max(),
    )


def _why_none(rows: pl.DataFrame) -> str:
    return (
        SUPPRESSED
        if rows["is_suppressed"].any()
        else rows["reason"].drop_nulls().first() or "No value is known."
    )


def _axis(metric: str, chart: str) -> str:
    """The unit, not the title, which stands above; a g-chart counts sessions."""
    definition = METRICS.get(metric)
    return (
        "sessions between two events"
        if chart == "g"
        else (definition.unit if definition and definition.unit else "value")
    )


def _control_notes(seen: pl.DataFrame, metric: str) -> list[str]:
    better = METRICS[metric].direction if metric in METRICS else "none"
    if seen["chart"][0] == "g" and better in ("lower", "higher"):
        better = "higher" if better == "lower" else "lower"
    notes = [f"{better.capitalize()} is better."] if better in ("lower", "higher") else []
    if seen["center"].null_count() == seen.height:
        notes.append(f"No limits: {seen['reason'].drop_nulls().first() or 'too few points'}.")
    elif seen["is_trial_limits"].fill_null(False).any():
        few = seen["baseline_points"].drop_nulls().min()
        notes.append(f"Trial limits: from {few} points of the 12 that fixed limits need.")
    for row in seen.unique("rebased_from", keep="first", maintain_order=True).iter_rows(named=True):
        if row["rebased_from"] is not None:
            notes.append(
                f"Limits begun anew from {words.day(row['rebased_from'])}: {row['rebase_reason']}."
            )
    near = seen.sort("point")["nearness"].drop_nulls()
    if len(near):
        notes.append(f"{near[-1][:1].upper()}{near[-1][1:]}.")
    arl = seen["in_control_arl"].drop_nulls()
    if len(arl):
        notes.append(
            f"In control all clinics' charts together cross the limit once in {words.number(arl[0], 0)} months."
        )
    return notes


# --- what the latest point says -----------------------------------------------------------------


def latest(rows: pl.DataFrame) -> dict | None:
    """The last point of one chart that has a value."""
    seen = rows.filter(pl.col("value").is_not_null()).sort("point")
    if not seen.height:
        return None
    return seen.row(-1, named=True)


def icons_of(rows: pl.DataFrame) -> list:
    """The icons of one chart's latest point, each with its words; nothing where no rule could be
    applied.
    """
    point = latest(rows)
    if point is None:
        return []
    rule, way = _RULES.get(point["point_type"]), point["signal_direction"]
    text = f": {rule}, {way}" if rule and way else ""
    drawn = [
        icons.variation(point["variation_icon"], is_high=_UPWARDS.get(way), words=text),
        icons.assurance(point["assurance_icon"]),
    ]
    return [icon for icon in drawn if icon is not None]


def overview(rows: pl.DataFrame, clinics: dict[str, str]) -> list[dict]:
    """One row per chart, all together first, then by clinic's name: its latest point, limits and
    what they say.
    """
    shown = []
    for _, chart in rows.group_by("metric_id", "chart", "clinic_id", "term", maintain_order=True):
        first, point = chart.row(0, named=True), latest(chart)
        clinic = (
            clinics.get(first["clinic_id"], first["clinic_id"])
            if first["clinic_id"]
            else "all clinics"
        )
        what = f"{_title(first['metric_id'])} ({kind_of(first['chart'])})"
        row = {"clinic": clinic, "what": what, "signals": _signals(chart)}
        shown.append(row | (_point(point) if point else {"said": _why_none(chart)}))
    return sorted(shown, key=lambda r: (r["clinic"] != "all clinics", r["clinic"], r["what"]))


def _signals(chart: pl.DataFrame) -> int | None:
    judged = chart["point_type"].drop_nulls()
    if not len(judged):
        return None
    return int((judged != "common_cause").sum())


def _point(r: dict) -> dict:
    verdict = icons.VARIATION.get(
        r["variation_icon"], (None, None, r["reason"] or "no limits yet")
    )[2].partition(": ")[0]
    target = icons.ASSURANCE.get(r["assurance_icon"], (None, None, "no target set"))[2]
    digits = 3 if max(abs(r["value"]), abs(r["upper"] or 0)) < 1 else 2
    lower, upper = words.number(r["lower"], digits), words.number(r["upper"], digits)
    limits = (
        upper
        if r["upper"] is None
        else f"up to {upper}"
        if r["lower"] is None
        else f"{lower} to {upper}"
    )
    return {
        "when": f"{r['period_start']:%Y-%m}",
        "value": round(r["value"], digits),
        "limits": limits,
        "said": verdict,
        "target": target,
    }
