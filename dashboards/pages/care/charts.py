"""The care page's charts: pain killers before and at the latest, procedures.

Here: which rows, which figure, which sentence. Not here: asking the lake (page.py), function and
quality of life (life_charts.py), curves of time (survival_charts.py).
"""

import polars as pl

from transforms.facts.catalogue import STATISTICS

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...parameters import is_of, metrics_of
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
_SAME_PATIENTS = "Before and latest are of the same patients: those whose care is known in both."


def medication(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    """Use before and at the latest, one row per kind, of the same patients."""
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
    sentence = "; ".join(
        f"{name} {_pair(shown.filter(pl.col('label') == name))}"
        for name in shown["label"].unique(maintain_order=True)
    )
    return Drawn(
        figure=figure,
        summary=f"{sentence}.",
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
    row_of = {
        r["metric_id"]: r
        for r in rows.filter(pl.col("metric_id").is_in(list(_TURNS))).iter_rows(named=True)
    }
    sentences = [
        f"{text.replace('<br>', ' ')} {counted(row_of[m])}"
        for m, text in _TURNS.items()
        if m in row_of
    ]
    return shares_chart(
        rows,
        _TURNS,
        of=of,
        none=none,
        axis_title="% of the patients named",
        notes=(words.NOT_AN_EFFECT,),
        sentence=f"{'; '.join(sentences)}.",
    )


def procedures(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    """Injections and surgeries per 100 patient-years of known care."""
    row_of = {
        r["metric_id"]: r
        for r in rows.filter(pl.col("metric_id").is_in(list(_PROCEDURES))).iter_rows(named=True)
    }
    shown = pl.DataFrame(
        [_procedure(text, row_of[m]) for m, text in _PROCEDURES.items() if m in row_of],
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
