"""What is to be simulated: the size and the faults, all of them parameters.

Here: `Plan`, `Returns` and their checks. Not here: the true effects (effects.py), what is drawn at random for a
patient (patients.py and its like).
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from ingest.simulate.effects import Effects
from transforms.errors import UsageError

VISIT_DAYS = (-4, 8, 29, 57, 92, 183, 366)


class PlannedVisit(NamedTuple):
    """A visit of a study, in study days."""

    visit: str
    target_day: int
    from_day: int
    to_day: int


@dataclass(frozen=True, kw_only=True)
class Returns:
    """Who comes back, and what happens in between: shares of all patients but where it is said."""

    new_course_share: float = 0.34
    prolonged_share: float = 0.07  # a course that continues the first
    resumed_share: float = 0.07  # the same course goes on after a pause of more than 90 days
    third_course_share: float = 0.3  # of those with a second
    unnamed_course_share: float = 0.02  # of sessions: written down without their course
    opioid_share: float = 0.12
    injection_share: float = 0.12
    surgery_share: float = 0.1
    rescue_share: float = 0.12
    other_study_share: float = 0.2
    # of the other study
    ARMS: ClassVar[tuple[str, ...]] = ("booster", "observation")
    VISITS: ClassVar[tuple[PlannedVisit, ...]] = (
        PlannedVisit("Month 3", 100, 60, 120),
        PlannedVisit("Month 6", 180, 150, 220),
    )

    def __post_init__(self):
        _check_shares(self)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One simulation. The same plan gives the same bytes. Shares are of distinct events, between 0
    and 1.
    """

    clinics: int = 6
    patients: int = 240
    days: int = 270
    seed: int = 7
    start: date = date(2026, 1, 5)
    duplicates_share: float = 0.01  # sent again, byte for byte
    conflicts_share: float = 0.0005  # sent again under the same identity with other content
    late_share: float = 0.03  # arriving more than a day late
    broken_share: float = 0.001  # a broken record beside the event
    unknown_share: float = (
        0.003  # with a field, or a value of a closed list, that the contract does not know
    )
    with_readings: bool = True
    with_telemetry: bool = True
    wearables_share: float = 0.45  # patients who wear something
    minute_level_share: float = (
        0.22  # of them: minute by minute, the others by the quarter of an hour
    )
    study_share: float = 0.15  # patients in a randomised study beside routine care
    arms: tuple[str, ...] = (
        "cryotherapy",
        "usual_care",
    )  # of the study; "usual_care" has no sessions
    overlapping_clinics: int = (
        2  # so many first clinics each number sessions and adverse events from 1
    )
    wrong_clock_share: float = (
        0.001  # sessions written down by a tablet whose clock is ten years ahead
    )
    unfiled_loss_share: float = (
        0.5  # of the patients who are lost: those whose clinic never says so
    )
    effects: Effects = field(default_factory=Effects)
    returns: Returns | None = None  # a chain of its own, whose patients come back

    def __post_init__(self):
        for name in ("clinics", "patients", "days"):
            if (value := getattr(self, name)) < 1:
                raise UsageError(
                    f"{name} is {value}; a simulation needs at least 1. Give a positive number."
                )
        if self.study_share and not self.arms:
            raise UsageError(
                f"study_share is {self.study_share:g} and there are no arms. Name arms, or set it to 0."
            )
        if self.overlapping_clinics < 0:
            raise UsageError(
                f"overlapping_clinics is {self.overlapping_clinics}; expected 0 or more."
            )
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it must be 0 or more. Give another number.")
        _check_shares(self)

    @cached_property
    def starts_at(self) -> int:
        """First second of the simulation, Unix time."""
        return int(
            datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC).timestamp()
        )

    @cached_property
    def ends_at(self) -> int:
        """Nothing happens from this second on, Unix time; late arrivals still come in after it."""
        return self.starts_at + 86_400 * self.days

    @property
    def end(self) -> date:
        return self.start + timedelta(days=self.days)

    def source(self, part: str) -> str:
        """CloudEvents source of one of the sending systems: records, app, wearables, devices."""
        return f"/simulation/{self.seed}/{part}"

    @property
    def study_id(self) -> str:
        return f"TRIAL{self.seed}"

    @property
    def other_study_id(self) -> str:
        """The study in which some are enrolled later, in a chain of returns."""
        return f"FURTHER{self.seed}"

    def has_own_numbers(self, clinic: int) -> bool:
        """The clinic at that position numbers its sessions and adverse events from 1, as others do
        too.
        """
        return clinic < min(self.overlapping_clinics, self.clinics)

    def records_of(self, clinic: int) -> str:
        """The part of the sending system that a clinic's records come from: one that numbers alone
        sends alone.
        """
        if not self.has_own_numbers(clinic):
            return "records"
        return f"records-{clinic + 1}"

    def rng(self, stream: int, index: int) -> np.random.Generator:
        """An independent generator for one thing (patient, day), whatever else was drawn before."""
        return np.random.default_rng([self.seed, stream, index])


def _check_shares(parameters: Plan | Returns):
    for name in (n for n in parameters.__dataclass_fields__ if n.endswith("_share")):
        if not 0.0 <= (value := getattr(parameters, name)) <= 1.0:
            raise UsageError(
                f"{name} is {value}; a share lies between 0 and 1. Give such a number."
            )
