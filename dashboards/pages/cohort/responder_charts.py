"""Responders on the cohort page: shares by rule, in a figure and a sentence.

Here: which rows, which figure, which sentence. Not here: trajectories (charts.py), asking the lake.
"""

import polars as pl

from transforms.facts.estimands import ESTIMANDS
from transforms.facts.responses import POPULATIONS, RESPONDER_RULES
from transforms.facts.values import MISSING_AS_NONRESPONDER

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...parameters import is_of, metrics_of
from ...theme import Look
from ..both_intervals import LIKE_THESE, like_these, which_is_drawn
from .charts import or_reason

_RULES = {id: rule.words for id, rule in RESPONDER_RULES.items() if not rule.percent_option}


def responders(rows: pl.DataFrame, code: str, visit: str | None, *, of: Look) -> Drawn:
    """Shares by responder rule at a visit, over patients with a value and with the missing as
    non-responders.
    """
    title = f"Who responded at {visit}, by which rule?" if visit else "Who responded?"
    mine = rows.filter(is_of([code], *_RULES) & (pl.col("visit") == visit))
    if mine.is_empty():
        return nothing(
            f"No responder rule applies to {words.parameter_title(code)} here yet.",
            of=of,
            title=title,
        )
    has_series = mine["series"].n_unique() > 1
    shown = _responder_rows(mine, has_series=has_series)
    axis = Panel("", "percent", "low", "high", "text", "patients, %")
    figure = interval_panels(shown, panels=(axis,), of=of, text_share=0.24)
    figure.update_xaxes(range=[-2, 102])
    return Drawn(
        figure=figure,
        title=title,
        summary=_responder_sentence(shown, visit),
        notes=(
            which_is_drawn(mine),
            *_estimands(mine),
            *_decided(mine, visit),
            "The two ways of counting are both given: leaving out who has no value flatters the result.",
            words.NOT_AN_EFFECT,
        ),
        metrics=metrics_of([code], *_RULES),
        table=shown.select(
            pl.col("label").str.replace("<br>", ", ").alias("rule"),
            LIKE_THESE,
            counted="group",
            share="said",
            count="text",
        ),
        data_to=mine["data_cutoff"].max(),
    )


def _estimands(mine: pl.DataFrame) -> tuple[str, ...]:
    """What the shares say, in a sentence for each strategy among them."""
    responses = mine.filter(pl.col("statistic") != "worse")
    sentences = {
        ESTIMANDS[statistic].sentence(strategy, episode=episode)
        for statistic, strategy, episode in responses.select("statistic", "strategy", "episode")
        .unique()
        .rows()
    }
    return tuple(sorted(sentences))


def _decided(mine: pl.DataFrame, visit: str) -> tuple[str, ...]:
    """Of the first rule's row: who could not respond, whom an event decided, whose windows ended."""
    r = mine.sort("statistic").row(0, named=True)
    sentences = {
        "n_cannot_respond": "{} of those due started where the rule can't be met",
        "n_events_between": "an event in between decided {}",
        "n_ended": f"of {{}} a further treatment episode or study began before {visit}",
    }
    parts = [text.format(words.count(r[c])) for c, text in sentences.items() if r[c]]
    if parts:
        return (f"{_RULES[r['statistic']].capitalize()}: {'; '.join(parts)}.",)
    return ()


def _responder_rows(mine: pl.DataFrame, *, has_series: bool) -> pl.DataFrame:
    place = {rule: k for k, rule in enumerate(_RULES)}
    order = {id: k for k, id in enumerate(POPULATIONS)}
    rows = sorted(
        mine.iter_rows(named=True),
        key=lambda r: (place[r["statistic"]], r["series"], order[r["population"]]),
    )
    shown = [
        {
            "label": _RULES[r["statistic"]].capitalize()
            + (f"<br>{r['series']}" if has_series else ""),
            "group": words.name_of(r["population"]).capitalize(),
            **{
                name: None if r[c] is None else 100 * r[c]
                for name, c in (("percent", "estimate"), ("low", "ci_lower"), ("high", "ci_upper"))
            },
            "text": _counted(r),
            "said": or_reason(r, words.percent(r["estimate"], r["ci_lower"], r["ci_upper"])),
            LIKE_THESE: like_these(r, digits=0, scale=100),
        }
        for r in rows
    ]
    return pl.DataFrame(
        shown,
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(("percent", "low", "high"), pl.Float64),
    )


def _counted(r: dict) -> str:
    """numerator / denominator; who is missing counts in the second population."""
    if r["estimate"] is None:
        return r["reason"] or words.NOTHING
    n = r["n_evaluable"] + (r["n_missing"] if r["population"] == MISSING_AS_NONRESPONDER else 0)
    return f"{words.count(r['n_event'])} / {words.count(n)}"


def _responder_sentence(shown: pl.DataFrame, visit: str) -> str:
    first = shown.row(0, named=True)
    label = first["label"].replace("<br>", ", ")
    return f"At {visit}, {label[0].lower()}{label[1:]}: {first['text']}, {first['said']}, among {first['group'].lower()}."


def rule_name(criterion: str | None) -> str | None:
    """A responder rule of mart.arm_comparisons in words."""
    return (
        None
        if criterion is None
        else _RULES.get(criterion.lower(), "better by the site's own percentage")
    )
