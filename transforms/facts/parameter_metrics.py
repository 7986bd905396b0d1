"""What `mart` says of each questionnaire parameter, as rows of the catalogue: score, mean, change,
responder rules.

Here: the definitions that follow from a parameter (`PARAMETERS`) and its source. Not here: the
computation, and metrics that follow from no parameter (transforms/facts/catalogue, which holds
the record type `Metric`).
"""

from .instruments import INSTRUMENTS
from .parameters import PARAMETERS, Parameter

T_INTERVAL = "t interval, none of one value or of equal ones"
_SHARE = "Wilson limits, Clopper-Pearson where 5 patients or fewer have it"

# statistic: (title, rule, unit; None = the parameter's)
STATISTICS = {
    "mean": ("mean", f"mean of the values at the visit, {T_INTERVAL}", None),
    "change": (
        "mean change from baseline (a change, not an effect)",
        f"mean of AVAL - BASE at the visit, {T_INTERVAL}; without a comparator it says nothing about a cause",
        None,
    ),
    "pct30": (
        "improved by at least 30 %",
        f"share with 10 (BASE - AVAL) >= 3 BASE; {_SHARE}",
        "proportion",
    ),
    "pct50": (
        "improved by at least 50 %",
        f"share with 2 (BASE - AVAL) >= BASE; {_SHARE}",
        "proportion",
    ),
    "points": (
        "improved by at least the important change",
        f"share whose improvement reaches the important change; {_SHARE}",
        "proportion",
    ),
    "worse": (
        "worse by at least the important change",
        f"share whose worsening reaches the important change; {_SHARE}",
        "proportion",
    ),
    "pctx": (
        "improved by at least the site's own percentage",
        f"share improved by at least {{responder_extra_pct}} % of baseline; {_SHARE}",
        "proportion",
    ),
}

RULE_SOURCES = {
    "pct30": ("Dworkin 2008 (IMMPACT): moderate", "verified"),
    "pct50": ("Dworkin 2008 (IMMPACT): substantial", "verified"),
    "pctx": ("a setting; 35 % in Vickers 2004", "proposal"),
    "nrs_points": ("Ostelo 2008, Spine 33:90: NRS 2", "verified"),
    "vas_points": ("Ostelo 2008, Spine 33:90: VAS 15", "verified"),
    "odi_points": ("Ostelo 2008, Spine 33:90: ODI 10", "verified"),
    "rmdq_points": ("Ostelo 2008, Spine 33:90: RMDQ 5", "verified"),
    "ndi_points": (
        "CMS ACCESS targets as reproduced by a secondary source: NDI 8; others: 7.5 (MIPS MSK1; Young 2009, "
        "10.1016/j.spinee.2009.06.002), 5 of 50 (Vernon)",
        "unverified",
    ),
    "promis_points": ("Amtmann 2016, DOI 10.2147/JPR.S93391: 3.5-5.5 T", "verified"),
    "eq5d_points": ("PMC7053735: 0.08 against 2 NRS points", "verified"),
}

# the standard error of measurement that a parameter's option holds by default, or its table; the
# functional cut
ERROR_SOURCES = {
    "nrs_sem": (
        "Childs 2005, Spine 30:1331: SEM 1.02 (its MDC of 2 is 1.96 SEM, without the √2)",
        "verified",
    ),
    "odi_sem": ("form 2.1a states an MDC90 of about 10 points: SEM = 10 / (1.645 √2)", "verified"),
    "rmdq_sem": (
        "Stratford 1996, Phys Ther 76:359: MDC90 4-5, here 5: SEM = 5 / (1.645 √2)",
        "verified",
    ),
    "ndi_sem": (
        "MDC90 5 of 50 in uncomplicated neck pain: Stratford 1999 (4.7), Vernon's notes (chiro.org), MacDermid "
        "2009, J Orthop Sports Phys Ther 39:400; with arm symptoms 10.2: Young 2009",
        "verified",
    ),
}
SCORE_ERROR_SOURCE = (
    "standard errors of both scores by the form's table (transforms/instruments/promis.py)"
)
RECOVERED_SOURCES = {
    "nrs_recovered_at": "Kamper 2010, PMC2989296: NRS 0",
    "rmdq_recovered_at": "Kamper 2010, PMC2989296: RMDQ 2 or less",
}


def statistics_of(parameter: Parameter) -> list[str]:
    """The statistics that a cohort gets of a parameter."""
    names = ["mean", "change"] if INSTRUMENTS[parameter.instrument].has_change else ["mean"]
    if parameter.has_percent_rules:
        names += ["pct30", "pct50", "pctx"]
    if parameter.points_option is not None or parameter.code == "PGIC":
        names += ["points", "worse"]
    return names


def metric_id(code: str, statistic: str) -> str:
    return f"{code.lower()}_{statistic}"


def definitions(instruments: tuple[str, ...]) -> list[dict]:
    """Fields of `Metric` for the score and each statistic of every parameter of the instruments
    named.
    """
    chosen = [p for p in PARAMETERS.values() if p.instrument in instruments]
    return [
        d for p in chosen for d in (_score(p), *(_statistic(p, name) for name in statistics_of(p)))
    ]


def _score(p: Parameter) -> dict:
    instrument = INSTRUMENTS[p.instrument]
    # PF6B 1: the lowest sum was not 21.5, by the range of theta that gives the printed tables
    # before 3 (the others: 2) an answer that names no clinic had the day in UTC
    version = "3" if p.code == "PF6B" else "2"
    return {
        "id": metric_id(p.code, "score"),
        "parameter": p.code,
        "statistic": "score",
        "version": version,
        "title": p.title,
        "rule": instrument.published_rule,
        "unit": p.unit,
        "direction": p.better,
        "source": instrument.published_source,
        "verification": instrument.verification,
        "parameters": instrument.options,
        "tests": ("tests/transforms/test_instruments.py",),
    }


def _statistic(p: Parameter, name: str) -> dict:
    title, rule, unit = STATISTICS[name]
    source, verification = _rule_source(p, name)
    if p.code == "PGIC" and unit:
        rule = f"share in categories {'1 and 2' if name == 'points' else '6 and 7'}; {_SHARE}"
    # before 4 Day 1 was the first session ever, whatever course came next, and an opioid, injection,
    # surgery or rescue left a response one; before 3 an answer that names no clinic had the day in UTC; 1 closed windows at midnight UTC,
    # took the median day of the unjudged too, and gave equal values an interval
    options = {"pctx": "responder_extra_pct", "points": p.points_option, "worse": p.points_option}
    if name in ("points", "worse") and p.points_option:
        rule = rule.replace(
            "the important change", f"the important change, {{{p.points_option}}} on its scale"
        )
    direction = p.better if unit is None else ("lower" if name == "worse" else "higher")
    return {
        "id": metric_id(p.code, name),
        "parameter": p.code,
        "statistic": name,
        "version": "4",
        "title": f"{p.title}: {title}",
        "rule": rule,
        "unit": unit or p.unit,
        "direction": direction,
        "source": source,
        "verification": verification,
        "parameters": tuple(o for o in [options.get(name)] if o),
        "tests": (
            "tests/transforms/rules/test_pain.py",
            "tests/transforms/marts/test_cohort_outcomes.py",
        ),
    }


def _rule_source(p: Parameter, name: str) -> tuple[str, str]:
    if name in RULE_SOURCES:
        return RULE_SOURCES[name]
    if name in ("points", "worse"):
        if p.code == "PGIC":
            return "Dworkin 2008 (IMMPACT)", "verified"
        source, verification = RULE_SOURCES[p.points_option]
        return source, verification if name == "points" else "proposal"
    instrument = INSTRUMENTS[p.instrument]
    return instrument.published_source, instrument.verification
