"""What is chosen, and nothing but the URL says it: a link gives the same screen.

Here: the URL's query as a `Chosen`. Not here: the stratum that it names (strata.py), the controls
(components.py), which write the query (assets/floe.js).

A page stands on one study, and on one of its arms where it has several: those that the query names,
else routine care, else the first study; else the patients without an arm, else the first arm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

import polars as pl

from transforms.facts.estimands import ESTIMANDS, STRATEGIES
from transforms.facts.strata import COLUMNS_OF, STRATUM_COLUMNS
from transforms.facts.values import ALL, FIRST, LATEST, MASKED, NONE, ROUTINE

from . import ids, words
from .strata import Stratum, stratum

# query name -> column of the marts
COLUMN = {
    "study": "study_id",
    "arm": "arm",
    "clinic": "clinic_id",
    "modality": "modality",
    "indication": "indication",
}


EPISODES = {
    FIRST: "first treatment episode",
    LATEST: "latest treatment episode",
    ALL: "all treatment episodes",
}


def of_episodes(episode: str) -> str:
    """The episodes as they follow "of": of the first, of all."""
    name = EPISODES[episode]
    return name if episode == ALL else f"the {name}"


_STRATEGY_NAMES = {
    "composite": "after an event no response",
    "treatment_policy": "whatever happened",
    "while_on_treatment": "as before the event",
}
STRATEGY_NAMES = {name: _STRATEGY_NAMES[name] for name in STRATEGIES}


@dataclass(frozen=True)
class Chosen:
    """`dimensions`: column -> value, those in force; `others`: the rest of the query; `arms`: of
    the study.

    `asked`: those of `dimensions` that the query names.
    """

    dimensions: dict[str, str]
    others: dict[str, str]
    arms: tuple[str, ...] = ()
    asked: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.others.get(name)

    def stratum(self, *extra: str) -> Stratum:
        """The chosen stratum, split further by the columns `extra`."""
        return stratum(self.dimensions, *extra)

    @property
    def episode(self) -> str:
        """Of which treatment episodes outcomes are: each patient's first, unless another is asked
        for.
        """
        asked = self.get(ids.EPISODE)
        if asked in EPISODES:
            return asked
        return FIRST

    def strategy(self, statistic: str) -> str:
        """The strategy for intercurrent events of a statistic: the one asked for where it has it."""
        estimand, asked = ESTIMANDS[statistic], self.get(ids.STRATEGY)
        if asked in estimand.strategies:
            return asked
        return estimand.default

    @property
    def is_of_others(self) -> bool:
        """Whether other episodes or strategies than the usual ones are asked for."""
        return self.episode != FIRST or bool(self.get(ids.STRATEGY))

    def is_asked_for(self) -> pl.Expr:
        """Rows of mart.cohort_outcomes of these episodes and strategies; those that no episode is
        asked of are.
        """
        strategies = {name: self.strategy(name) for name in ESTIMANDS}
        wanted = pl.col("statistic").replace_strict(
            strategies, default=pl.col("strategy"), return_dtype=pl.String
        )
        is_wanted = (pl.col("episode") == self.episode) & (pl.col("strategy") == wanted)
        return pl.col("episode").is_null() | is_wanted

    @property
    def narrowed(self) -> dict[str, str]:
        """The dimensions in force but the study and its arm."""
        others = [c for c in STRATUM_COLUMNS if c not in COLUMNS_OF["study_arm"]]
        return {c: self.dimensions[c] for c in others if c in self.dimensions}

    @property
    def study(self) -> str:
        """The study in force, in words; empty where there is none."""
        study = self.dimensions.get("study_id")
        if study is None:
            return ""
        return "routine care" if study == ROUTINE else f"study {study}"

    @property
    def frame(self) -> str:
        """The study and arm in force, in words; empty where there is none."""
        name, arm = self.study, self.dimensions.get("arm")
        if not name:
            return ""
        if arm == MASKED:
            return f"{name}, its arms masked"
        return name if arm in (None, NONE) else f"{name}, arm {arm}"

    def in_words(
        self,
        clinics: Mapping[str, str],
        *,
        is_of_a_study: bool = True,
        is_by_arm: bool = False,
        episode: str | None = None,
    ) -> str:
        """Whom the chosen filters leave, as captions, tables and cards name them; `clinics`: id to
        name.

        `is_of_a_study`: False for what is counted over all studies together. `is_by_arm`: its arms
        are set side by side. `episode`: of what is counted of these episodes whichever are chosen,
        or of none of them (empty).
        """
        frame = self.frame if is_of_a_study or not self.frame else "all studies"
        frame = f"{self.study}, by arm" if is_by_arm else frame
        others = [
            _value_in_words(column, value, clinics) for column, value in self.narrowed.items()
        ]
        counted = self.episode if episode is None else episode
        episodes = [EPISODES[counted]] if counted and self.episode != FIRST else []
        parts = [part for part in (frame, *others) if part] or ["all patients"]
        return ", ".join([*parts, *episodes])

    def key(self) -> str:
        """The same for the same choice."""
        chosen = {**self.dimensions, **self.others}
        return urlencode(sorted(chosen.items()))


def _value_in_words(dimension: str, value: str, clinics: Mapping[str, str]) -> str:
    if dimension == "clinic_id":
        return clinics.get(value, value)
    return words.name_of(value)


def chosen(search: str | None) -> Chosen:
    """The choice of a URL's query; what it does not know is kept and ignored."""
    query = {name: values[0] for name, values in parse_qs((search or "").lstrip("?")).items()}
    asked = {COLUMN[name]: value for name, value in query.items() if name in COLUMN}
    others = {name: value for name, value in query.items() if name not in COLUMN}
    return Chosen(asked, others, asked=asked)


def settled(choice: Chosen, studies: dict[str, list[str]]) -> Chosen:
    """The choice with a study and arm in force; `studies`: of the summaries, each with its arms in
    order.

    An arm that the study has not is no choice of one; without any study the choice stays.
    """
    if not studies:
        return choice
    usual = ROUTINE if ROUTINE in studies else min(studies)
    study = choice.asked.get("study_id", usual)
    arms = studies.get(study, [])
    asked = {c: v for c, v in choice.asked.items() if c != "arm" or v in arms}
    arm = asked.get("arm") or (NONE if NONE in arms or not arms else arms[0])
    return Chosen(
        {**asked, "study_id": study, "arm": arm}, choice.others, arms=tuple(arms), asked=asked
    )


def search_of(query: dict[str, str | None]) -> str:
    """The URL's query of these names; null and empty ones are left out."""
    kept = {name: value for name, value in query.items() if value}
    if not kept:
        return ""
    return f"?{urlencode(kept)}"


def kept_search(search: str | None, names: Sequence[str] = ids.FILTERS) -> str:
    """What another page takes over of a URL's query: the filters."""
    query = parse_qs((search or "").lstrip("?"))
    return search_of({name: query[name][0] for name in names if name in query})
