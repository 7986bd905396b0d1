"""The cohort page's charts of single patients' change: beyond measurement error, and what patients
call much improved.

Here: which rows of mart.reliable_change and mart.important_change, which figure, which sentence.
Not here: asking the lake (page.py), responder rules and means (charts.py).
"""

from dataclasses import replace

import polars as pl

from transforms.facts.responses import CHANGE_CLASSES

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...gate import SUPPRESSED
from ...parameters import digits_of
from ...theme import Look

RELIABLE, IMPORTANT = "reliable_change", "pgic_anchor_mic"
_NUMBERS = ("percent", "low", "high")


# --- beyond measurement error -------------------------------------------------------------------


def reliable(rows: pl.DataFrame, code: str, visit: str | None, *, of: Look) -> Drawn:
    """One row per class of change, with its share of those who have a class; `rows`: of the
    parameter, with `series`.
    """
    if visit is None:
        return nothing(f"Nobody has a change of {words.parameter_title(code)} yet.", of=of)
    title = f"Who changed by more than measurement error at {visit}?"
    mine = rows.filter(pl.col("visit") == visit).sort("series")
    if mine.is_empty():
        none = f"Nobody is due at {visit} who was asked for {words.parameter_title(code)} and has a baseline."
        return nothing(none, of=of, title=title)
    first = mine.row(0, named=True)
    counts = tuple(
        _not_counted(r, mine.height > 1)
        for r in mine.iter_rows(named=True)
        if r["n_due"] is not None
    )
    common = {"metrics": (RELIABLE,), "data_to": mine["data_cutoff"].max()}
    if mine["unchanged"].null_count() == mine.height:
        why = f"{words.parameter_title(code)} at {visit}: {first['reason'] or 'no class is known'}."
        return replace(nothing(why, of=of, title=title), notes=counts, **common)
    shown = _class_rows(mine)
    axis = Panel("", *_NUMBERS, "beside", "patients, %")
    figure = interval_panels(shown, panels=(axis,), of=of, text_share=0.24)
    figure.update_xaxes(range=[-2, 102])
    return Drawn(
        figure=figure,
        title=title,
        summary=_class_sentence(shown, visit),
        notes=(*counts, *_smallest(mine), words.NOT_AN_EFFECT),
        table=shown.select(patients="group", change="label", count="count", share="said"),
        **common,
    )


def _class_rows(mine: pl.DataFrame) -> pl.DataFrame:
    has_cut = mine["recovered_at"].null_count() < mine.height
    shown = []
    for name in CHANGE_CLASSES if has_cut else CHANGE_CLASSES[1:]:  # the first is recovered
        label = "Improved, not recovered" if name == "improved" and has_cut else words.name_of(name)
        for r in mine.iter_rows(named=True):
            limits = [r[f"{name}{side}"] for side in ("", "_lower", "_upper")]
            none = r["reason"] or "not known"
            count = f"{words.count(r[f'n_{name}'])} / {words.count(r['n_evaluable'])}"
            short = SUPPRESSED.partition(" ")[0] if none == SUPPRESSED else words.NOTHING
            shown.append(
                {
                    "label": label,
                    "group": r["series"],
                    **{
                        c: None if v is None else 100 * v
                        for c, v in zip(_NUMBERS, limits, strict=True)
                    },
                    "beside": short if limits[0] is None else count,
                    "count": none if limits[0] is None else count,
                    "said": none if limits[0] is None else words.percent(*limits),
                }
            )
    return pl.DataFrame(
        shown, infer_schema_length=None, schema_overrides=dict.fromkeys(_NUMBERS, pl.Float64)
    )


def _class_sentence(shown: pl.DataFrame, visit: str) -> str:
    parts = []
    for (name,), rows in shown.group_by("group", maintain_order=True):
        phrases = [
            f"{r['label'][0].lower()}{r['label'][1:]} {r['count']}, {r['said']}"
            for r in rows.iter_rows(named=True)
            if r["percent"] is not None
        ]
        parts.append(f"{name}: {'; '.join(phrases) or rows['said'][0]}")
    return f"At {visit}, {'. '.join(parts)}."


def _not_counted(r: dict, has_series: bool) -> str:
    who = f"{r['series'][0].upper()}{r['series'][1:]}: of" if has_series else "Of"
    return (
        f"{who} {words.plural(r['n_patients'], 'patient')} {words.count(r['n_missing'])} missing, "
        f"{words.count(r['n_not_evaluable'])} not evaluable, {words.count(r['n_pending'])} not yet due."
    )


def _smallest(mine: pl.DataFrame) -> tuple[str, ...]:
    """What counts as a change and as recovered, with their sources; facts of the parameter, the
    same in every row.
    """
    first = mine.filter(pl.col("unchanged").is_not_null()).row(0, named=True)
    unit = first["unit"] or ""
    source = f" ({first['source']}; {first['verification']})" if first["source"] else ""
    if first["smallest_change"] is None:
        change = (
            f"What counts as a change differs by score, each has its own standard error{source}."
        )
    else:
        more = "at least" if first["standard_error_of_measurement"] is None else "more than"
        change = f"Counted as a change: {more} {_amount(first['smallest_change'], unit)}{source}."
    if first["recovered_at"] is None:
        return change, "No functional cut is known: who recovered can't be told among the improved."
    cut = f"Recovered: improved so, and at or past {_amount(first['recovered_at'], unit)}, not so at baseline"
    return change, f"{cut} ({first['recovered_source']})." if first[
        "recovered_source"
    ] else f"{cut}."


def _amount(value: float, unit: str | None) -> str:
    """As many digits as it has, two at most: 2.38 points, 2 points, 500 steps/day."""
    unit = unit or ""
    digits = 2 if digits_of(unit) else 0
    return f"{words.short(value, digits)} {unit}".strip()


# --- what patients call much improved -----------------------------------------------------------


def important(
    rows: pl.DataFrame, code: str, visit: str | None, *, visits: list[str], of: Look
) -> Drawn:
    """One row per visit: how well the change tells the improved from the others, and the cut;
    `rows`: of the parameter.
    """
    title = "Which improvement do patients themselves call much improved?"
    place = {name: k for k, name in enumerate(visits)}
    last = len(place)
    rows = rows.sort(
        pl.col("visit").replace_strict(place, default=last, return_dtype=pl.Int64), "visit"
    )
    if rows.is_empty():
        none = f"Nobody of this selection has a change of {words.parameter_title(code)} yet."
        return nothing(none, of=of, title=title)
    rows = rows.with_columns(
        text=pl.Series([_cut(r) for r in rows.iter_rows(named=True)], dtype=pl.String),
        label="visit",
    )
    common = {
        "notes": _published(rows),
        "metrics": (IMPORTANT,),
        "table": _cut_table(rows),
        "data_to": rows["data_cutoff"].max(),
    }
    summary = _cut_sentence(rows, visit)
    if rows["auc"].null_count() == rows.height:
        return replace(nothing(summary, of=of, title=title), **common)
    axis = Panel(
        "",
        "auc",
        "auc_lower",
        "auc_upper",
        "text",
        "area under the ROC curve (0.5 = chance)",
        reference=0.5,
        at_zero=False,
    )
    figure = interval_panels(rows, panels=(axis,), of=of, text_share=0.5)
    figure.update_xaxes(range=[min(0.4, rows["auc_lower"].min() or 0) - 0.02, 1.02])
    return Drawn(figure=figure, title=title, summary=summary, **common)


def _cut(r: dict) -> str:
    """The cut with both groups' sizes; where there is none the reason."""
    if r["anchored_change"] is None:
        return r["reason"] or words.NOTHING
    sizes = f"{words.count(r['n_improved'])} improved, {words.count(r['n_not_improved'])} not"
    return f"from {_amount(r['anchored_change'], r['unit'])}:<br>{sizes}"


def _cut_sentence(rows: pl.DataFrame, visit: str) -> str:
    at_visit = rows.filter(pl.col("visit") == visit)
    if at_visit.is_empty():
        return (
            f"Nobody has a change at {visit}." if visit else "Nobody has a change at a visit yet."
        )
    r = at_visit.row(0, named=True)
    if r["anchored_change"] is None:
        return f"At {visit} no cut can be given: {r['reason'] or 'not known'}."
    least = r["anchored_change_least"]
    equal = (
        f" (equally good from {_amount(least, r['unit'])})"
        if least not in (None, r["anchored_change"])
        else ""
    )
    return (
        f"At {visit} an improvement of {_amount(r['anchored_change'], r['unit'])} or more{equal} best tells the "
        f"{words.count(r['n_improved'])} patients who call themselves much improved from the "
        f"{words.count(r['n_not_improved'])} others: AUC {_area(r)}; {words.count(r['n_without_pgic'])} without a global "
        "impression."
    )


def _area(r: dict) -> str:
    return words.interval(r["auc"], r["auc_lower"], r["auc_upper"])


def _published(rows: pl.DataFrame) -> tuple[str, ...]:
    """The important change from the literature, or the site's; nothing where it is hidden with the
    rest.
    """
    with_published = rows.filter(pl.col("published_change").is_not_null())
    if with_published.is_empty():
        is_hidden = (rows["reason"] == SUPPRESSED).any()
        return () if is_hidden else ("No published important change of it is known.",)
    r = with_published.row(0, named=True)
    source = "; ".join(filter(None, (r["published_source"], r["published_verification"])))
    sentence = f"Published important change: {_amount(r['published_change'], r['unit'])}" + (
        f" ({source})" if source else ""
    )
    return (f"{sentence}. The responder rules use the published one.",)


def _cut_table(rows: pl.DataFrame) -> pl.DataFrame:
    shown = [
        {
            "visit": r["visit"],
            "cut": r["reason"] or words.NOTHING
            if r["anchored_change"] is None
            else _amount(r["anchored_change"], r["unit"]),
            "AUC (95 % CI)": _area(r),
            "much improved": r["n_improved"],
            "not": r["n_not_improved"],
            "no global impression": r["n_without_pgic"],
            "sensitivity": r["sensitivity"],
            "specificity": r["specificity"],
            "published": words.NOTHING
            if r["published_change"] is None
            else _amount(r["published_change"], r["unit"]),
        }
        for r in rows.iter_rows(named=True)
    ]
    counts = dict.fromkeys(("much improved", "not", "no global impression"), pl.Int64)
    shares = dict.fromkeys(("sensitivity", "specificity"), pl.Float64)
    return pl.DataFrame(shown, infer_schema_length=None, schema_overrides=counts | shares)
