"""PROMIS short forms: raw sum to T-score by table, and the two summary scores of the PROMIS-29.

Here: the tables and their sources, the bands of pain interference. Not here: computer-adaptive
tests.

An item's answer is the score printed beside it on the form (so that "My sleep was refreshing: very
much" is 1, and "Without any difficulty" is 5): nothing is turned round here. T = 50, SD 10 in the
US general population. A form with a missing item is not evaluable: a sum in proportion is not a row
of the table.

Tables: PI 4a and those of the PROMIS-29 v2.1 are printed in the HealthMeasures scoring manual of
the adult profiles (2021-04-09, appendix). Two independent public copies of it have every T here,
and every standard error but three: at a sum of 13 of PF 4a one has 2.3, as here, the other 2.4; at
20 of depression one 3.6, as here, the other that of the row above; at 20 of PI 4a both 3.7, here
3.6, the error over theta -4 to 4. A third copy, of the manual of 2025-07-15, has the T of five
forms (not PF and social, whose v1.0 it uses). These tables are the expected a posteriori scores of
the sum (Lord-Wingersky recursion, standard normal prior, theta -4.5 to 4.5 in steps of 0.1) under
the graded response parameters of the banks as published in Stanford's choir-d (commit 408fec1), all
rows of six forms: a range of 4 or of 5 misses the highest ones. PF 4a is v2.0, in use with the
PROMIS-29 v2.1; no parameters of v2.0 were found, those of v1.2 give the printed table of v1.0, up
to 0.43 T away. The weights of the summary scores (Hays 2018) are in the manuals of 2024 and 2025
too, as two studies copied them.

PI 6a (v1.0, LOINC 90973-9) and PF 6b (v1.2, LOINC 76804-4) are computed in this way from the
parameters that choir-d gives for these very forms, because their printed tables were not at hand;
at its highest sum PI 6a is the score over theta -4 to 4 (76.2, else 76.3). They equal the printed
values that are known: PI 15 -> 58.6, PF 17 -> 36.8, and 14 of the 15 T of PF 6b that a notebook of
the back pain consortium BACPAC prints, made by its table; there 48.7 stands for the sum of 28,
computed 48.645. A table of PF 6b v2.0 can differ from v1.2's by as much as that of PF 4a.

Global-10: the table of the scoring manual of the PROMIS Global short form, as choir-d
(GlobalHealthScore) and awell-score (promis_10, commit 70bece9) copied it. It equals the developers'
notes (Hays, UCLA: ph4-summary of 2009-06-19, mh4-summary of 2009-06-22) in all 34 rows but one: a
mental sum of 4 is 21.1 in the note and 21.2 in the manual, which holds here.
"""

import polars as pl

from ..errors import UsageError
from ..facts.instruments import INSTRUMENTS
from .scoring import Scored, band, first_reason, n_answered, out_of_range, too_few, total

_COMPUTED = "computed from item parameters, printed table not at hand"

# form -> (lowest raw sum, T-scores from there on, standard errors, source)
TABLES: dict[str, tuple[int, tuple[float, ...], tuple[float, ...], str]] = {
    "PI4A": (
        4,
        (
            41.6,
            49.6,
            52.0,
            53.9,
            55.6,
            57.1,
            58.5,
            59.9,
            61.2,
            62.5,
            63.8,
            65.2,
            66.6,
            68.0,
            69.7,
            71.6,
            75.6,
        ),
        (6.1, 2.5, 2.0, 1.9, 1.9, 1.9, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.9, 2.1, 3.6),
        "printed table",
    ),
    "PI6A": (
        6,
        (
            41.1,
            48.6,
            50.7,
            52.2,
            53.4,
            54.5,
            55.6,
            56.6,
            57.6,
            58.6,
            59.5,
            60.4,
            61.2,
            62.1,
            63.0,
            63.8,
            64.8,
            65.7,
            66.7,
            67.6,
            68.7,
            69.8,
            71.0,
            72.6,
            76.2,
        ),
        (
            6.0,
            2.4,
            1.8,
            1.6,
            1.6,
            1.6,
            1.5,
            1.5,
            1.5,
            1.5,
            1.5,
            1.4,
            1.4,
            1.4,
            1.5,
            1.5,
            1.5,
            1.5,
            1.5,
            1.5,
            1.5,
            1.5,
            1.6,
            2.0,
            3.5,
        ),
        _COMPUTED,
    ),
    "PF6B": (
        6,
        (
            21.5,
            25.4,
            27.5,
            29.1,
            30.4,
            31.5,
            32.5,
            33.4,
            34.3,
            35.1,
            36.0,
            36.8,
            37.6,
            38.5,
            39.3,
            40.2,
            41.1,
            42.1,
            43.1,
            44.2,
            45.4,
            46.8,
            48.6,
            50.9,
            58.7,
        ),
        (
            3.7,
            2.6,
            2.2,
            2.1,
            2.0,
            1.9,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.8,
            1.9,
            1.9,
            2.0,
            2.2,
            2.6,
            2.9,
            6.2,
        ),
        _COMPUTED,
    ),
    "PF4A": (
        4,
        (
            22.5,
            26.6,
            28.9,
            30.5,
            31.9,
            33.2,
            34.4,
            35.6,
            36.7,
            37.9,
            39.2,
            40.5,
            41.9,
            43.5,
            45.5,
            48.3,
            57.0,
        ),
        (4.0, 2.8, 2.5, 2.4, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.4, 2.4, 2.5, 2.6, 2.8, 3.3, 6.6),
        "printed, v2.0",
    ),
    "ANX4A": (
        4,
        (
            40.3,
            48.0,
            51.2,
            53.7,
            55.8,
            57.7,
            59.5,
            61.4,
            63.4,
            65.3,
            67.3,
            69.3,
            71.2,
            73.3,
            75.4,
            77.9,
            81.6,
        ),
        (6.1, 3.6, 3.1, 2.8, 2.7, 2.6, 2.6, 2.6, 2.6, 2.7, 2.7, 2.7, 2.7, 2.7, 2.7, 2.9, 3.7),
        "printed table",
    ),
    "DEP4A": (
        4,
        (
            41.0,
            49.0,
            51.8,
            53.9,
            55.7,
            57.3,
            58.9,
            60.5,
            62.2,
            63.9,
            65.7,
            67.5,
            69.4,
            71.2,
            73.3,
            75.7,
            79.4,
        ),
        (6.2, 3.2, 2.7, 2.4, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.4, 2.4, 2.6, 3.6),
        "printed table",
    ),
    "FAT4A": (
        4,
        (
            33.7,
            39.7,
            43.1,
            46.0,
            48.6,
            51.0,
            53.1,
            55.1,
            57.0,
            58.8,
            60.7,
            62.7,
            64.6,
            66.7,
            69.0,
            71.6,
            75.8,
        ),
        (4.9, 3.1, 2.7, 2.6, 2.5, 2.5, 2.4, 2.4, 2.3, 2.3, 2.3, 2.4, 2.4, 2.4, 2.5, 2.7, 3.9),
        "printed table",
    ),
    "SLP4A": (
        4,
        (
            32.0,
            37.5,
            41.1,
            43.8,
            46.2,
            48.4,
            50.5,
            52.4,
            54.3,
            56.1,
            57.9,
            59.8,
            61.7,
            63.8,
            66.0,
            68.8,
            73.3,
        ),
        (5.2, 4.0, 3.7, 3.5, 3.5, 3.4, 3.4, 3.4, 3.4, 3.4, 3.3, 3.3, 3.3, 3.4, 3.4, 3.7, 4.6),
        "printed table",
    ),
    "SOC4A": (
        4,
        (
            27.5,
            31.8,
            34.0,
            35.7,
            37.3,
            38.8,
            40.5,
            42.3,
            44.2,
            46.2,
            48.1,
            50.0,
            51.9,
            53.7,
            55.8,
            58.3,
            64.2,
        ),
        (4.1, 2.5, 2.3, 2.2, 2.1, 2.2, 2.3, 2.3, 2.3, 2.3, 2.2, 2.2, 2.2, 2.3, 2.3, 2.7, 5.1),
        "printed table",
    ),
    "GPH": (
        4,
        (
            16.2,
            19.9,
            23.5,
            26.7,
            29.6,
            32.4,
            34.9,
            37.4,
            39.8,
            42.3,
            44.9,
            47.7,
            50.8,
            54.1,
            57.7,
            61.9,
            67.7,
        ),
        (4.8, 4.7, 4.5, 4.3, 4.2, 4.2, 4.1, 4.1, 4.1, 4.2, 4.3, 4.4, 4.6, 4.7, 4.9, 5.2, 5.9),
        "printed table",
    ),
    "GMH": (
        4,
        (
            21.2,
            25.1,
            28.4,
            31.3,
            33.8,
            36.3,
            38.8,
            41.1,
            43.5,
            45.8,
            48.3,
            50.8,
            53.3,
            56.0,
            59.0,
            62.5,
            67.6,
        ),
        (4.6, 4.1, 3.9, 3.7, 3.7, 3.7, 3.6, 3.6, 3.6, 3.6, 3.7, 3.7, 3.7, 3.8, 3.9, 4.2, 5.3),
        "printed table; first row printed 21.2, developers' note of 2009 21.1",
    ),
}

PI_BANDS = {
    "within normal limits": 55.0,
    "mild": 60.0,
    "moderate": 70.0,
}  # HealthMeasures, T below; else severe

_DOMAINS = {
    "pf": "PF4A",
    "anx": "ANX4A",
    "dep": "DEP4A",
    "fat": "FAT4A",
    "slp": "SLP4A",
    "soc": "SOC4A",
    "pi": "PI4A",
}
P29_ITEMS = list(INSTRUMENTS["promis_29"].items)

# Hays 2018 (PMC5999556): weights of PF, pain composite, social, fatigue, emotional composite, sleep
_WEIGHTS = {
    "P29PHYS": (0.872, -0.094, 0.113, -0.009, 0.003, 0.002),
    "P29MENT": (-0.015, -0.154, 0.252, -0.351, -0.257, -0.139),
}


def _look_up(raw: pl.Expr, form: str, column: int) -> pl.Expr:
    lowest, *columns, _ = TABLES[form]
    values = columns[column]
    return raw.replace_strict(
        [float(lowest + k) for k in range(len(values))],
        list(values),
        default=None,
        return_dtype=pl.Float64,
    )


def t_score(items: list[str], *, form: str) -> pl.Expr:
    """T-score of the items' sum by the form's table; null where one is not answered."""
    return pl.when(n_answered(items) == len(items)).then(_look_up(total(items), form, 0))


def _domain_items(domain: str) -> list[str]:
    return [f"{domain}{k}" for k in range(1, 5)]


def short_form(code: str, *, count: int) -> Scored:
    """A form of `count` items q1..., each 1-5, whose parameter has the form's name."""
    return _form(code, [f"q{k}" for k in range(1, count + 1)], form=code)


def _form(code: str, items: list[str], *, form: str) -> Scored:
    reason = first_reason(out_of_range(items, lower=1, upper=5), too_few(items, needed=len(items)))
    raw = total(items)
    error = pl.when(reason.is_null()).then(_look_up(raw, form, 1))
    value = _look_up(raw, form, 0)
    severity = (
        band(value, PI_BANDS, last="severe", is_inclusive=False)
        if form in ("PI4A", "PI6A")
        else None
    )
    return Scored(
        parameter=code,
        value=value,
        reason=reason,
        n_answered=n_answered(items),
        n_items=len(items),
        raw=raw,
        standard_error=error,
        band=severity,
    )


GLOBAL_SCALES = ("GPH", "GMH")


def global_t(raw: pl.Expr, *, scale: str) -> pl.Expr:
    """T-score of the Global-10's sum `raw` of four items, 4-20, on `scale`: GPH physical, GMH
    mental health.

    Null where `raw` is null or no row of the table. GPH sums Global03, 06, 07r and 08r, GMH
    Global02, 04, 05 and 10r, each 1-5 with 5 the best: the pain rating 0-10 of Global07 becomes 5
    (0), 4 (1-3), 3 (4-6), 2 (7-9) or 1 (10).
    """
    if scale not in GLOBAL_SCALES:
        raise UsageError(f"found scale {scale!r}; expected GPH (physical) or GMH (mental health)")
    return _look_up(raw.cast(pl.Float64), scale, 0)


def summaries(*, pf, pi, pain, social, fatigue, depression, anxiety, sleep) -> dict[str, pl.Expr]:
    """Physical and mental summary T-scores of seven domain T-scores and pain intensity 0-10 (Hays
    2018).

    z = (T - 50) / 10; of pain intensity (NRS - 2.31) / 2.34; the pain composite is the mean of the
    two pain z, the emotional one that of depression and anxiety; T = 50 + 10 x the weighted sum.
    """
    z = {
        "pf": pf,
        "pi": pi,
        "social": social,
        "fatigue": fatigue,
        "dep": depression,
        "anx": anxiety,
        "sleep": sleep,
    }
    z = {name: (t - 50) / 10 for name, t in z.items()}
    pain_composite = (z["pi"] + (pain - 2.31) / 2.34) / 2
    emotional = (z["dep"] + z["anx"]) / 2
    parts = (z["pf"], pain_composite, z["social"], z["fatigue"], emotional, z["sleep"])
    return {
        code: 50
        + 10 * sum((w * part for w, part in zip(weights, parts, strict=True)), start=pl.lit(0.0))
        for code, weights in _WEIGHTS.items()
    }


def promis_29() -> list[Scored]:
    """The two summaries of PROMIS-29 v2.1, of all 29 items, then the seven domains' T-scores, each
    of its own four.
    """
    forms, pain = P29_ITEMS[:-1], P29_ITEMS[-1]
    reason = first_reason(
        out_of_range(forms, lower=1, upper=5),
        out_of_range([pain], lower=0, upper=10),
        too_few(P29_ITEMS, needed=len(P29_ITEMS)),
    )
    t = {d: t_score(_domain_items(d), form=form) for d, form in _DOMAINS.items()}
    scores = summaries(
        pf=t["pf"],
        pi=t["pi"],
        pain=pl.col(pain),
        social=t["soc"],
        fatigue=t["fat"],
        depression=t["dep"],
        anxiety=t["anx"],
        sleep=t["slp"],
    )
    n = n_answered(P29_ITEMS)
    whole = [
        Scored(parameter=code, value=value, reason=reason, n_answered=n, n_items=len(P29_ITEMS))
        for code, value in scores.items()
    ]
    return whole + [
        _form(f"P29{d.upper()}", _domain_items(d), form=form) for d, form in _DOMAINS.items()
    ]
