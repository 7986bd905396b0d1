"""When a patient has responded, what kind a change is, and who is counted.

Here: a record a responder rule (the criteria of mart.adqs, in order), the classes of a change, a
record a population. Not here: the arithmetic (rules/pain.py, statistics/reliable_change.py).
"""

from dataclasses import dataclass

from .values import COMPLETERS, MISSING_AS_NONRESPONDER, OBSERVED


@dataclass(frozen=True, kw_only=True)
class ResponderRule:
    """`id`: the statistic of mart.cohort_outcomes; `name`: the criterion of mart.adqs.

    `percent` of baseline, or the option with it; neither: the parameter's own important change.
    """

    id: str
    words: str
    percent: float | None = None
    percent_option: str | None = None
    is_worsening: bool = False

    @property
    def name(self) -> str:
        return self.id.upper()

    @property
    def is_percent(self) -> bool:
        return self.percent is not None or self.percent_option is not None


RESPONDER_RULES: dict[str, ResponderRule] = {
    rule.id: rule
    for rule in (
        ResponderRule(id="pct30", words="at least 30 % better", percent=30),
        ResponderRule(id="pct50", words="at least 50 % better", percent=50),
        ResponderRule(id="points", words="better by the important change"),
        ResponderRule(id="worse", words="worse by the important change", is_worsening=True),
        ResponderRule(
            id="pctx",
            words="better by the site's own percentage",
            percent_option="responder_extra_pct",
        ),
    )
}
CRITERIA = tuple(rule.name for rule in RESPONDER_RULES.values())
(WORSENING,) = (rule.name for rule in RESPONDER_RULES.values() if rule.is_worsening)
BY_POINTS = RESPONDER_RULES["points"].name

# from the best on
CHANGE_CLASSES = ("recovered", "improved", "unchanged", "deteriorated")


@dataclass(frozen=True, kw_only=True)
class Population:
    """Who is counted, in the order in which they are shown. `of_missing`: what a patient without a
    value counts as.
    """

    id: str
    words: str
    of_missing: str


POPULATIONS: dict[str, Population] = {
    population.id: population
    for population in (
        Population(id=COMPLETERS, words="patients with a value", of_missing="observed cases only"),
        Population(
            id=MISSING_AS_NONRESPONDER,
            words="missing counted as no response",
            of_missing="no value counts as no response",
        ),
        Population(id=OBSERVED, words="observed cases", of_missing="observed cases only"),
    )
}
