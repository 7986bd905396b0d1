"""The parameters that questionnaires give: code, title, unit, direction, which change rules apply.

Here: one record a parameter of `mart.adqs`, as data. Not here: scoring (transforms/instruments) and the metrics made of a parameter (transforms/facts/catalogue derives them from here).
"""

from dataclasses import dataclass

from .instruments import PAIN_RECALLS


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter. `instrument` and `item` say where it comes from (`item` = None: computed from
    many).

    `points_option`: field of `Options` with its important change, None = no such rule.
    `error_option`: that with its standard error of measurement, `recovered_option`: that with the
    functional cut, None = none known. `has_score_error`: every score has a standard error of its
    own, from the form's table. `has_percent_rules`: a percentage of baseline means something (a
    scale with a true zero: not a T-score, not a class). `lowest_baseline`: below it an improvement
    can't be seen (not evaluable); `highest_baseline`: above it a worsening can't.
    """

    code: str
    title: str
    instrument: str
    unit: str
    better: str = "lower"
    item: str | None = None
    points_option: str | None = None
    error_option: str | None = None
    recovered_option: str | None = None
    has_score_error: bool = False
    has_percent_rules: bool = False
    lowest_baseline: float | None = None
    highest_baseline: float | None = None


def _change_options(name: str) -> dict[str, str]:
    """The options of a scale that has all three: important change, measurement error, functional
    cut.
    """
    return {
        "points_option": f"{name}_points",
        "error_option": f"{name}_sem",
        "recovered_option": f"{name}_recovered_at",
    }


def _pain_scale(instrument: str, prefix: str, title: str, unit: str, name: str) -> list[Parameter]:
    return [
        Parameter(
            code=prefix + suffix,
            title=f"{title}, {text}",
            instrument=instrument,
            item=item,
            unit=unit,
            has_percent_rules=True,
            **_change_options(name),
        )
        for item, (suffix, text) in PAIN_RECALLS.items()
    ]


_P29_DOMAINS = [
    Parameter(
        code=code,
        title=f"PROMIS-29 {domain}, T-score",
        instrument="promis_29",
        unit="T",
        better=better,
        points_option=points,
        has_score_error=True,
    )
    for code, domain, better, points in (
        ("P29PF", "physical function", "higher", "promis_points"),
        ("P29ANX", "anxiety", "lower", None),
        ("P29DEP", "depression", "lower", None),
        ("P29FAT", "fatigue", "lower", None),
        ("P29SLP", "sleep disturbance", "lower", None),
        ("P29SOC", "social roles", "higher", None),
        ("P29PI", "pain interference", "lower", "promis_points"),
    )
]

_ALL = [
    *_pain_scale("nrs_pain", "NRS", "Pain, numerical rating scale 0-10", "points", "nrs"),
    *_pain_scale("vas_pain", "VAS", "Pain, visual analogue scale 0-100 mm", "mm", "vas"),
    Parameter(
        code="PAINIDX",
        title="Pain index of a diary, 0-100",
        instrument="pain_index",
        item="index",
        unit="score",
        has_percent_rules=True,
    ),
    Parameter(
        code="PAINDAYS",
        title="Days with pain in 28 days",
        instrument="pain_days_28",
        item="days",
        unit="days",
        has_percent_rules=True,
    ),
    Parameter(
        code="ODI",
        title="Oswestry Disability Index",
        instrument="odi",
        unit="%",
        has_percent_rules=True,
        **_change_options("odi"),
    ),
    Parameter(
        code="RMDQ",
        title="Roland-Morris Disability Questionnaire, 0-24",
        instrument="rmdq",
        unit="points",
        has_percent_rules=True,
        lowest_baseline=4,
        highest_baseline=20,
        **_change_options("rmdq"),
    ),
    Parameter(
        code="NDI",
        title="Neck Disability Index",
        instrument="ndi",
        unit="%",
        has_percent_rules=True,
        **_change_options("ndi"),
    ),
    Parameter(
        code="PI4A",
        title="PROMIS Pain Interference 4a, T-score",
        instrument="promis_pi_4a",
        unit="T",
        points_option="promis_points",
        has_score_error=True,
    ),
    Parameter(
        code="PI6A",
        title="PROMIS Pain Interference 6a, T-score",
        instrument="promis_pi_6a",
        unit="T",
        points_option="promis_points",
        has_score_error=True,
    ),
    Parameter(
        code="PF6B",
        title="PROMIS Physical Function 6b, T-score",
        instrument="promis_pf_6b",
        unit="T",
        better="higher",
        points_option="promis_points",
        has_score_error=True,
    ),
    Parameter(
        code="P29PHYS",
        title="PROMIS-29 physical health summary, T-score",
        instrument="promis_29",
        unit="T",
        better="higher",
        points_option="promis_points",
    ),
    Parameter(
        code="P29MENT",
        title="PROMIS-29 mental health summary, T-score",
        instrument="promis_29",
        unit="T",
        better="higher",
        points_option="promis_points",
    ),
    *_P29_DOMAINS,
    Parameter(
        code="PGIC",
        title="Patient global impression of change, 1 very much improved to 7 very much worse",
        instrument="pgic",
        item="pgic",
        unit="category",
    ),
    Parameter(
        code="EQ5D",
        title="EQ-5D-5L index",
        instrument="eq_5d_5l",
        unit="utility",
        better="higher",
        points_option="eq5d_points",
        error_option="eq5d_sem",
    ),
    Parameter(
        code="EQVAS",
        title="EQ-5D-5L visual analogue scale of health, 0-100",
        instrument="eq_5d_5l",
        item="vas",
        unit="points",
        better="higher",
    ),
    Parameter(
        code="STARTB",
        title="STarT Back screening tool, total 0-9",
        instrument="start_back",
        unit="points",
    ),
    Parameter(
        code="STBPSYCH",
        title="STarT Back psychosocial subscale, 0-5",
        instrument="start_back",
        unit="points",
    ),
    Parameter(
        code="STBCLASS",
        title="STarT Back class: 1 low, 2 medium, 3 high risk",
        instrument="start_back",
        unit="class",
    ),
]

PARAMETERS: dict[str, Parameter] = {p.code: p for p in _ALL}

CONTEXTS = {
    "pre_session": ("PRE", "just before a session"),
    "post_session": ("PST", "just after a session"),
}


def code_in_context(code: str, context: str) -> str:
    """The parameter code of an answer given around a session: such ratings are never pooled with
    scheduled ones.

    `now` before and after a session is NRSPRE and NRSPST; any other code keeps its first five
    characters.
    """
    if context not in CONTEXTS:
        return code
    stem = code[:3] if code in ("NRSNOW", "VASNOW") else code[:5]
    return stem + CONTEXTS[context][0]
