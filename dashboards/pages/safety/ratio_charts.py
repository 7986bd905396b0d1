"""The safety page's rate ratios: arms, modalities and clinics against each other, from
mart.adverse_event_comparisons.

Here: which rows, which figure, which sentence. Not here: asking the lake (rows.py), the rates
themselves (charts.py), each clinic's funnel (between_charts.py). Pairs stand by name: this is no
ranking.
"""

import polars as pl

from transforms.facts.values import COMPARED, EVENT_RATE_RATIO, NONE, OTHERS

from ... import words
from ...components import Drawn, nothing
from ...figures.ratios import ratio_intervals
from ...filters import Chosen
from ...theme import Look

_CAUTION = (
    "Not a ranking: each clinic stands by name, against all others together. Few reported events are not fewer "
    "events. Not adjusted for case mix."
)
_OF_ALL = "Intervals and p-values allow for events that cluster in patients. Each pair is of all its patients: a filter chooses pairs, it does not narrow them."
_BEYOND = (
    "An open triangle: no events in one of the two groups, so the ratio lies beyond that edge."
)


def of_choice(rows: pl.DataFrame, choice: Chosen) -> pl.DataFrame:
    """The pairs that a chosen arm, modality or clinic is in, all of them where none is chosen; of
    arms the study's.
    """
    rows = rows.filter(
        (pl.col("dimension") != "arm")
        | (pl.col("study_id") == choice.dimensions.get("study_id", ""))
    )
    chosen = [
        (pl.col("dimension") == d) & ((pl.col("compared") == v) | (pl.col("reference") == v))
        for d, v in choice.asked.items()
        if d in COMPARED
    ]
    if not chosen:
        return rows
    return rows.filter(pl.any_horizontal(chosen))


def ratios(
    rows: pl.DataFrame, clinics: dict[str, str], *, of: Look, title: str, is_outside: bool
) -> Drawn:
    """One row per pair of any term; `clinics`: names by id. From outside nothing but why."""
    if is_outside:
        none = "Comparisons between groups are for the clinic's own staff: a pair's counts give those of others away."
        return nothing(none, of=of, title=title)
    if rows.is_empty():
        return nothing(
            "There are no two groups to compare in this selection yet.", of=of, title=title
        )
    shown = _pairs(rows, clinics)
    has_beyond = (
        shown.filter(pl.col("lower").is_not_null() & (pl.col("ratio").fill_null(0) == 0)).height > 0
    )
    return Drawn(
        figure=ratio_intervals(
            shown,
            of=of,
            axis_title="ratio of events per session (log scale)",
        ),
        title=title,
        summary=f"{_first(shown)} {_CAUTION}",
        notes=((_BEYOND,) if has_beyond else ()) + (_OF_ALL,),
        metrics=(EVENT_RATE_RATIO,),
        table=_table(shown),
        data_to=rows["data_cutoff"].max(),
    )


def _pairs(rows: pl.DataFrame, clinics: dict[str, str]) -> pl.DataFrame:
    """`label`, `ratio`, `lower`, `upper`, `said`, `text`; arms first, then modalities and clinics,
    each by name.
    """
    shown = []
    for r in rows.iter_rows(named=True):
        pair = [_name(r, side, clinics) for side in ("compared", "reference")]
        reasons = [r[f"{exposure}_reason"] for exposure in ("sessions", "patient_years")]
        counts = f"{_counts(r, '')} v {_counts(r, 'reference_')}"
        p = words.p_value(r["sessions_p_value"])
        line = counts if r["sessions_p_value"] is None else f"{counts}, {p}"
        shown.append(
            {
                "place": COMPARED.index(r["dimension"]),
                "label": " v ".join(pair),
                "ratio": r["sessions_rate_ratio"],
                "lower": r["sessions_rate_ratio_lower"],
                "upper": r["sessions_rate_ratio_upper"],
                "said": _phrase(r, "sessions"),
                "counts": counts,
                "line": line,
                "text": f"{line}<br>{reasons[0]}" if reasons[0] else line,
                "years": _phrase(r, "patient_years"),
                "p": p,
                "p_years": words.p_value(r["patient_years_p_value"]),
                "why": "; ".join(dict.fromkeys(filter(None, reasons))) or words.NOTHING,
                "how": r["allocation"] or words.NOTHING,
                "phi": r["sessions_overdispersion"],
            }
        )
    numbers = dict.fromkeys(("ratio", "lower", "upper", "phi"), pl.Float64)
    return pl.DataFrame(shown, infer_schema_length=None, schema_overrides=numbers).sort(
        "place", "label"
    )


def _name(r: dict, side: str, clinics: dict[str, str]) -> str:
    value = r[side]
    if value == OTHERS:
        return "all others"
    if r["dimension"] == "clinic_id":
        return clinics.get(value, value)
    if side == "reference" and value == NONE:
        return "no reference arm"
    return words.name_of(value) if r["dimension"] == "modality" else value


def _counts(r: dict, side: str) -> str:
    events, sessions = r[f"{side}events"], r[f"{side}sessions"]
    return f"{words.count(events)} / {words.count(sessions)}"


def _phrase(r: dict, exposure: str) -> str:
    """The ratio with its limits; without events in the reference the lower limit alone."""
    name = f"{exposure}_rate_ratio"
    ratio, lower, upper = r[name], r[f"{name}_lower"], r[f"{name}_upper"]
    if ratio is not None:
        return words.interval(ratio, lower, upper)
    if lower is None:
        return words.NOTHING
    return f"lower limit {words.number(lower)}"


def _first(shown: pl.DataFrame) -> str:
    estimated = shown.filter(pl.col("ratio").is_not_null())
    pairs = words.plural(shown.height, "pair")
    if estimated.is_empty():
        return f"{pairs}, of none of them a ratio: {shown['why'][0]}."
    r = estimated.row(0, named=True)
    return f"{pairs}; the first, {r['label']}: ratio {r['said']}, events / sessions {r['line']}."


def _table(shown: pl.DataFrame) -> pl.DataFrame:
    return shown.select(
        pl.col("label").alias("pair"),
        pl.col("counts").alias("events / sessions"),
        pl.col("said").alias("ratio per session (95 % CI)"),
        pl.col("phi").alias("over-dispersion"),
        pl.col("p").alias("p, per session"),
        pl.col("years").alias("ratio per patient-year (95 % CI)"),
        pl.col("p_years").alias("p, per patient-year"),
        pl.col("why").alias("why no ratio or limit"),
        pl.col("how").alias("how the arms came about"),
    )
