"""Estimands (ICH E9(R1)): of which figure which event in between counts how, as data.

Here: intercurrent events, strategies, which of them each statistic has, and the sentence. Not here:
when an event happened (rules/intercurrent.py), counting (marts/cohort_outcomes.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .values import ALL, FIRST, LATEST

TREATMENT_POLICY = "treatment_policy"
COMPOSITE = "composite"
WHILE_ON_TREATMENT = "while_on_treatment"
STRATEGIES = (COMPOSITE, TREATMENT_POLICY, WHILE_ON_TREATMENT)


@dataclass(frozen=True, kw_only=True)
class IntercurrentEvent:
    """What may happen between Day 1 and an assessment. `ends_windows`: the figure says nothing of
    the time after it, whatever the strategy.
    """

    id: str
    words: str
    ends_windows: bool = False


INTERCURRENT_EVENTS: dict[str, IntercurrentEvent] = {
    event.id: event
    for event in (
        IntercurrentEvent(id="opioid", words="an opioid begun"),
        IntercurrentEvent(id="injection", words="an injection"),
        IntercurrentEvent(id="surgery", words="surgery"),
        IntercurrentEvent(id="rescue", words="rescue medication or care"),
        IntercurrentEvent(id="new_episode", words="a new treatment episode", ends_windows=True),
        IntercurrentEvent(id="other_study", words="another study", ends_windows=True),
    )
}
DECIDING = tuple(e.id for e in INTERCURRENT_EVENTS.values() if not e.ends_windows)

IN_WORDS: Mapping[str, str] = {
    COMPOSITE: "after {events} a patient is not a responder any more, with a value or without",
    TREATMENT_POLICY: "the value counts whatever happened in between, also after {events}",
    WHILE_ON_TREATMENT: "after {events} the last judgement before it stands; without one the patient has no value",
}


_ASKED_FOR = "in the treatment episode asked for (the first)"
EPISODES_IN_WORDS: Mapping[str, str] = {
    FIRST: "in their first treatment episode",
    LATEST: "in their latest treatment episode",
    ALL: "in each of their treatment episodes",
}


@dataclass(frozen=True, kw_only=True)
class Estimand:
    """Of one kind of statistic: whom ({episode}: in which treatment episode), what of them, and how
    they are summarised.
    """

    population: str
    variable: str
    summary: str
    strategies: tuple[str, ...]

    @property
    def default(self) -> str:
        """The strategy of a figure where none is asked for."""
        return self.strategies[0]

    def sentence(self, strategy: str | None = None, *, episode: str | None = None) -> str:
        """The estimand in a sentence, under a strategy (None = the default one) and of an episode
        (None = as a definition, which is of any).
        """
        whom = self.population.format(episode=EPISODES_IN_WORDS.get(episode, _ASKED_FOR))
        between = between_in_words(strategy or self.default)
        return f"Of {whom}: {self.variable}; {between}; {self.summary}."


def between_in_words(strategy: str) -> str:
    """What a strategy makes of what happens between Day 1 and a visit."""
    ends = _listed([e.words for e in INTERCURRENT_EVENTS.values() if e.ends_windows])
    how = IN_WORDS[strategy].format(events=events_in_words())
    return f"{how}; {ends} ends the visit windows"


def events_in_words() -> str:
    """The intercurrent events that decide an outcome, in words."""
    return _listed([INTERCURRENT_EVENTS[event].words for event in DECIDING])


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


_LEVEL = Estimand(
    population="patients whose window has closed, {episode}",
    variable="the value at the visit",
    summary="its mean among those with a value",
    strategies=(TREATMENT_POLICY,),
)
_CHANGE = Estimand(
    population="patients with a baseline whose window has closed, {episode}",
    variable="the change from the episode's baseline to the visit",
    summary="its mean among those with a value",
    strategies=(TREATMENT_POLICY,),
)
_RESPONSE = Estimand(
    population="patients whose baseline allows the rule and whose window has closed, {episode}",
    variable="whether the rule is met at the visit",
    summary="the share, once of those with a value and once with the missing as no response",
    strategies=STRATEGIES,
)
_WORSENING = Estimand(
    population=_RESPONSE.population,
    variable="whether it is worse by the important change at the visit",
    summary="the share of those with a value",
    strategies=(TREATMENT_POLICY,),
)

_SUSTAINED = Estimand(
    population="patients with two evaluable assessments far enough apart, or with an event in between, {episode}",
    variable="whether the response was confirmed",
    summary="the share",
    strategies=(COMPOSITE,),
)

# statistic of the catalogue, or id of a metric without one -> its estimand
ESTIMANDS: dict[str, Estimand] = {
    "mean": _LEVEL,
    "change": _CHANGE,
    "worse": _WORSENING,
    "sustained_response": _SUSTAINED,
    **dict.fromkeys(("pct30", "pct50", "points", "pctx"), _RESPONSE),
}
