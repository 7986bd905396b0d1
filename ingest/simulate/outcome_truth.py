"""Long-term outcomes of simulated patients: responders, relief per course, who comes back.

Here: `OutcomeTruth`, over all patients, for tests that compare marts with it. Not here: one unit's
judgements (response_truth.py), episodes (episode_truth.py).
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from transforms.facts.estimands import STRATEGIES

from .episode_truth import Unit, chosen, episodes_of, standing, units_of
from .plan import Plan
from .response_truth import Seen, relief, responders, with_ratings
from .state import Patient

LONG_TERM = ("Month 3", "Month 6", "Month 12")


@dataclass(eq=False)
class OutcomeTruth:
    """Of these patients at a data cut (Unix time)."""

    patients: list[Patient]
    plan: Plan
    cut: int

    @cached_property
    def units(self) -> list[Seen]:
        """Each patient in each study and treatment episode, with ratings."""
        return [
            one
            for patient in self.patients
            for one in with_ratings(units_of(patient), plan=self.plan, cut=self.cut)
        ]

    def people(
        self, *, episode: str, study_id: str | None = None, arm: str | None = None
    ) -> list[Seen]:
        """The units of a choice of episodes: of an arm of a study, or of everybody, each patient
        once.
        """
        by_unit = {id(one.unit): one for one in self.units}
        units = chosen((one.unit for one in self.units), episode=episode)
        if study_id is None:
            units = standing(units, episode=episode)
        else:
            units = [u for u in units if (u.study_id, u.arm) == (study_id, arm)]
        return [by_unit[id(unit)] for unit in units]

    def responders(
        self, visit: str, *, episode: str, strategy: str, percent: int = 30, **of: str
    ) -> Counter:
        """Counts of response_truth.responders, of everybody or (`study_id`, `arm`) of an arm."""
        people = self.people(episode=episode, **of)
        return responders(people, visit, strategy, percent=percent)

    def relief(self, visit: str) -> dict:
        """Second courses beside first ones (response_truth.relief), of everybody."""
        return relief(self.units, visit)

    def retreatment(self) -> dict[tuple[str, str], tuple[int, str]]:
        """(Study, patient) -> (days from the first episode's first day there, what came first), of
        the treated.

        The patient's next episode, surgery or death, of one day the first named; until the day of
        the data cut or of withdrawal, which end it otherwise.
        """
        first = chosen((one.unit for one in self.units), episode="first")
        return {
            (unit.study_id, unit.patient.patient_id): self._what_came(unit)
            for unit in first
            if unit.number is not None
        }

    def _what_came(self, unit: Unit) -> tuple[int, str]:
        patient, start = unit.patient, unit.day1
        end, why = unit.clinic.day(self.cut), "data cut"
        if patient.stop == "withdrew" and start <= patient.stopped_on <= end:
            end, why = patient.stopped_on, "withdrawal from follow-up"
        further = episodes_of(patient)[unit.number : unit.number + 1]
        happened = [(episode.first_day, 0, "next episode") for episode in further]
        surgeries = [c.day for c in patient.care if c.kind == "surgery"]
        happened += [(day, 1, "surgery") for day in surgeries if day >= start]
        if patient.stop == "died":
            happened.append((patient.stopped_on, 2, "death"))
        first = min((h for h in happened if h[0] <= end), default=(end, 3, why))
        return (first[0] - start).days, first[2]

    def as_rows(self) -> list[dict]:
        """Responders of everybody's first episode at the long-term visits, under each strategy."""
        return [
            {"visit": visit, "strategy": strategy}
            | self.responders(visit, episode="first", strategy=strategy)
            for visit in LONG_TERM
            for strategy in STRATEGIES
        ]
