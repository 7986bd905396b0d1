"""The care page's charts: pain killers before and at the latest, procedures, function and quality
of life.

Here: which rows, which figure, which sentence. Not here: asking the lake (page.py), curves of time
(survival_charts.py).
"""

import polars as pl

from transforms.facts.catalogue import STATISTICS
from transforms.facts.values import COMPLETERS
from transforms.instruments import PARAMETERS

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...parameters import PAIN_INSTRUMENTS, digits_of, is_of, metrics_of
from ...theme import Look
from ..both_intervals import LIKE_THESE, like_these, which_is_drawn
from ..shares import SHOWN, counted, share_rows, shares_chart

_KINDS = {"opioid_use": "Opioids", "analgesic_use": "Other analgesics"}
_WHEN = {"before": "28 days before Day 1", "latest": "latest 28 days known"}
_TURNS = {
    "opioid_use_stopped": "Opioids: stopped,<br>of the users before",
    "opioid_use_started": "Opioids: started,<br>of the others",
    "analgesic_use_stopped": "Other analgesics: stopped,<br>of the users before",
    "analgesic_use_started": "Other analgesics: started,<br>of the others",
}
_PROCEDURES = {
    "injections_per_100_patient_years": "Injections",
    "surgeries_per_100_patient_years": "Surgeries",
}
LIFE = "Is life better? Function and quality of life"
_SAME_PATIENTS = "Before and latest are of the same patients: those whose care is known in both."


def medication(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    """Use before and at the latest, a row a kind, of the same patients."""
    parts = []
    for when, text in _WHEN.items():
        labels = {STATISTICS[use, when].id: name for use, name in _KINDS.items()}
        parts.append(share_rows(rows, labels).with_columns(group=pl.lit(text)))
    shown = (
        pl.concat([p for p in parts if p.width > 1], how="vertical")
        if any(p.width > 1 for p in parts)
        else None
    )
    if shown is None or shown["percent"].null_count() == shown.height:
        return nothing(none, of=of)
    figure = interval_panels(
        shown,
        panels=(Panel("", *SHOWN, "n", "% of patients whose care is known in both windows"),),
        of=of,
        text_share=0.2,
    )
    figure.update_xaxes(range=[-2, 102])
    said = "; ".join(
        f"{name} {_pair(shown.filter(pl.col('label') == name))}"
        for name in shown["label"].unique(maintain_order=True)
    )
    return Drawn(
        figure=figure,
        summary=f"{said}.",
        notes=(
            _SAME_PATIENTS,
            _unknown(rows, "opioid_use_before"),
            which_is_drawn(rows.filter(is_of(_KINDS, *_WHEN))),
            words.NOT_AN_EFFECT,
        ),
        metrics=metrics_of(_KINDS, *_WHEN),
        table=shown.select("label", "group", "n", "said", LIKE_THESE).rename(
            {"label": "medication", "group": "when", "n": "patients", "said": "share (95 % CI)"}
        ),
        data_to=rows["data_cutoff"].max(),
    )


def _pair(shown: pl.DataFrame) -> str:
    return " and ".join(
        f"{r['n']} in the {r['group']}, {r['said']}" for r in shown.iter_rows(named=True)
    )


def _unknown(rows: pl.DataFrame, metric: str) -> str:
    missing = rows.filter(pl.col("metric_id") == metric)["n_missing"].drop_nulls()
    return (
        f"Of {words.count(missing[0])} patients it is not known."
        if len(missing) and missing[0]
        else ""
    )


def turns(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    """Who stopped, of those who used; who started, of those who did not."""
    found = {
        r["metric_id"]: r
        for r in rows.filter(pl.col("metric_id").is_in(list(_TURNS))).iter_rows(named=True)
    }
    said = [
        f"{text.replace('<br>', ' ')} {counted(found[m])}"
        for m, text in _TURNS.items()
        if m in found
    ]
    return shares_chart(
        rows,
        _TURNS,
        of=of,
        none=none,
        axis_title="% of the patients named",
        notes=(words.NOT_AN_EFFECT,),
        sentence=f"{'; '.join(said)}.",
    )


def procedures(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    """Injections and surgeries per 100 patient-years of known care."""
    found = {
        r["metric_id"]: r
        for r in rows.filter(pl.col("metric_id").is_in(list(_PROCEDURES))).iter_rows(named=True)
    }
    shown = pl.DataFrame(
        [_procedure(text, found[m]) for m, text in _PROCEDURES.items() if m in found],
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(("rate", "low", "high"), pl.Float64),
    )
    if shown.is_empty() or shown["rate"].null_count() == shown.height:
        return nothing(none, of=of)
    figure = interval_panels(
        shown,
        panels=(Panel("", "rate", "low", "high", "text", "per 100 patient-years"),),
        of=of,
        text_share=0.42,
    )
    figure.update_xaxes(rangemode="tozero")
    return Drawn(
        figure=figure,
        summary="; ".join(
            f"{r['label']}: {r['text']}, {r['said']} per 100 patient-years"
            for r in shown.iter_rows(named=True)
        )
        + ".",
        notes=(
            "Exact limits; time counts while care was reported.",
            which_is_drawn(rows.filter(pl.col("metric_id").is_in(list(_PROCEDURES)))),
            _unknown(rows, next(iter(_PROCEDURES))),
        ),
        metrics=tuple(_PROCEDURES),
        table=shown.select("label", "text", "said", LIKE_THESE).rename(
            {"label": "what", "text": "number / patient-years", "said": "rate (95 % CI)"}
        ),
        data_to=rows["data_cutoff"].max(),
    )


def _procedure(label: str, r: dict) -> dict:
    is_known = r["estimate"] is not None
    text = (
        f"{words.count(r['n_event'])} / {words.number(r['patient_years'], 1)} years"
        if is_known
        else (r["reason"] or words.NOTHING)
    )
    return {
        "label": label,
        "rate": r["estimate"],
        "low": r["ci_lower"],
        "high": r["ci_upper"],
        "text": text,
        "said": words.interval(r["estimate"], r["ci_lower"], r["ci_upper"], digits=1),
        LIKE_THESE: like_these(r, digits=1),
    }


# --- function and quality of life ---------------------------------------------------------------


def life_visits(rows: pl.DataFrame) -> list[str]:
    """Visits at which somebody's function or life can be judged, by day; those without a day
    last.
    """
    mine = rows.filter(is_of(_codes(), "change") & (pl.col("n_evaluable") > 0))
    return (
        mine.select("visit", "visit_day")
        .unique()
        .sort("visit_day", nulls_last=True)["visit"]
        .to_list()
    )


def usual_life_visit(rows: pl.DataFrame) -> str | None:
    """The latest visit with at least half of the most values that a visit has."""
    is_after_first = pl.col("visit_day") > 1
    changes = rows.filter(is_of(_codes(), "change") & is_after_first)
    visits = changes.group_by("visit", "visit_day").agg(n=pl.col("n_evaluable").sum())
    is_half = 2 * pl.col("n") >= pl.col("n").max()
    enough = visits.sort("visit_day").filter(is_half & (pl.col("n") > 0))
    if enough.height:
        return enough["visit"][-1]
    return next(iter(life_visits(rows)), None)


def _codes() -> list[str]:
    return [
        c for c, p in PARAMETERS.items() if p.instrument not in (*PAIN_INSTRUMENTS, "start_back")
    ]


def life(rows: pl.DataFrame, visit: str | None, *, of: Look, none: str) -> Drawn:
    """Shares better, and worse, by the important change, a row an instrument; the mean change
    stands in the table.
    """
    at = rows.filter((pl.col("visit") == (visit or "")) & (pl.col("population") == COMPLETERS))
    by_statistic = {(r["parameter"], r["statistic"]): r for r in at.iter_rows(named=True)}
    shown = pl.DataFrame(
        [_life_row(code, by_statistic) for code in _codes() if _is_asked(code, by_statistic)],
        infer_schema_length=None,
        schema_overrides={f"{side}_{c}": pl.Float64 for side in ("points", "worse") for c in SHOWN},
    )
    title = f"{LIFE} at {visit}" if visit else LIFE
    judged = (
        shown.filter(pl.col("points_percent").is_not_null() | pl.col("worse_percent").is_not_null())
        if (shown.height)
        else shown
    )
    if judged.is_empty():
        return nothing(none, of=of, title=title)
    panels = tuple(
        Panel(text, *(f"{side}_{c}" for c in SHOWN), f"{side}_n", "% of patients with a value")
        for side, text in (("points", "Better by the important change"), ("worse", "Worse by it"))
    )
    figure = interval_panels(judged, panels=panels, of=of, text_share=0.2)
    figure.update_xaxes(range=[-2, 102])
    first = judged.row(0, named=True)
    return Drawn(
        figure=figure,
        title=title,
        summary=f"{first['label']}: better {first['points_n']}, {first['points_said']}; worse {first['worse_n']}, "
        f"{first['worse_said']}.",
        notes=(
            "Each instrument's important change is in its definition; who has no value is left out.",
            words.NOT_AN_EFFECT,
        ),
        metrics=metrics_of(judged["code"], "points", "worse"),
        table=shown.select(
            "title", "change", "points_n", "points_said", "worse_n", "worse_said"
        ).rename(
            {
                "title": "instrument",
                "change": "mean change (95 % CI)",
                "points_n": "better, n",
                "points_said": "better (95 % CI)",
                "worse_n": "worse, n",
                "worse_said": "worse (95 % CI)",
            }
        ),
        data_to=at["data_cutoff"].max(),
    )


def _is_asked(code: str, by_statistic: dict) -> bool:
    change = by_statistic.get((code, "change")) or by_statistic.get((code, "points"))
    return bool(change) and (change["n_evaluable"] is None or change["n_evaluable"] > 0)


def _life_row(code: str, by_statistic: dict) -> dict:
    row = {"code": code, "title": words.parameter_title(code), "label": _short(code)}
    for side in ("points", "worse"):
        r = by_statistic.get((code, side))
        value, low, high = (
            None if r is None or r[c] is None else 100 * r[c]
            for c in ("estimate", "ci_lower", "ci_upper")
        )
        row |= {
            f"{side}_percent": value,
            f"{side}_low": low,
            f"{side}_high": high,
            f"{side}_n": counted(r) if r else "no rule",
            f"{side}_said": words.percent(r["estimate"], r["ci_lower"], r["ci_upper"])
            if r
            else words.NOTHING,
        }
    change = by_statistic.get((code, "change"))
    row["change"] = words.NOTHING if change is None else _change(change)
    return row


def _short(code: str) -> str:
    """The title without its scale."""
    return (
        words.parameter_title(code)
        .partition(", T-score")[0]
        .partition(", 0-")[0]
        .partition(", 1 ")[0]
    )


def _change(r: dict) -> str:
    if r["estimate"] is None:
        return r["reason"] or words.NOTHING
    text = words.interval(r["estimate"], r["ci_lower"], r["ci_upper"], digits=digits_of(r["unit"]))
    return f"{text} {r['unit']}, n = {words.count(r['n_evaluable'])}"
