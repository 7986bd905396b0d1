"""The true effects of a simulation, all of them parameters, and what they imply.

Here: `Effects`, `SideEffect`. Not here: size and faults (plan.py), what is drawn at random. The
numbers are invented for the demonstration; none is a published rate.
"""

from dataclasses import dataclass

import numpy as np

from transforms.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class SideEffect:
    """One kind of harm: `rate` is per session, or per patient-year for what treatment does not
    cause.
    """

    term: str
    rate: float
    body_system: str
    grades: tuple[float, ...] = (0.85, 0.13, 0.02)  # probabilities of CTCAE grades 1, 2, ...
    median_hours: float = 12.0
    serious_share: float = 0.0
    injury_kind: str | None = None
    free_text: tuple[str, ...] = ()  # other words for it, sent without a coded term


SIDE_EFFECTS = (
    SideEffect(
        term="numbness",
        rate=0.020,
        body_system="Nervous system disorders",
        median_hours=4,
        free_text=("tingling in the left foot", "fingers felt asleep"),
    ),
    SideEffect(term="skin erythema", rate=0.022, body_system="Skin disorders", median_hours=3),
    SideEffect(
        term="muscle soreness", rate=0.012, body_system="Musculoskeletal disorders", median_hours=30
    ),
    SideEffect(
        term="stiffness",
        rate=0.010,
        body_system="Musculoskeletal disorders",
        median_hours=16,
        free_text=("back locked up in the evening",),
    ),
    SideEffect(term="headache", rate=0.006, body_system="Nervous system disorders", median_hours=6),
    SideEffect(
        term="dizziness", rate=0.004, body_system="Nervous system disorders", median_hours=1
    ),
    SideEffect(term="anxiety", rate=0.002, body_system="Psychiatric disorders", median_hours=1),
    SideEffect(
        term="burn",
        rate=0.0015,
        body_system="Injury",
        grades=(0.45, 0.45, 0.10),
        median_hours=120,
        serious_share=0.08,
        injury_kind="burn",
        free_text=("red blister where the nozzle was",),
    ),
    SideEffect(
        term="frostbite",
        rate=0.0004,
        body_system="Injury",
        grades=(0.4, 0.4, 0.2),
        median_hours=240,
        serious_share=0.25,
        injury_kind="frostbite",
    ),
    SideEffect(
        term="syncope",
        rate=0.0005,
        body_system="Nervous system disorders",
        grades=(0.0, 0.4, 0.6),
        median_hours=0.2,
        serious_share=0.3,
        injury_kind="syncope",
    ),
)
BACKGROUND = (
    SideEffect(
        term="upper respiratory infection", rate=0.5, body_system="Infections", median_hours=140
    ),
    SideEffect(
        term="fall",
        rate=0.12,
        body_system="Injury",
        grades=(0.6, 0.3, 0.1),
        median_hours=60,
        serious_share=0.1,
    ),
    SideEffect(
        term="depressed mood", rate=0.10, body_system="Psychiatric disorders", median_hours=400
    ),
    SideEffect(
        term="myocardial infarction",
        rate=0.01,
        body_system="Cardiac disorders",
        grades=(0, 0, 0.6, 0.4),
        median_hours=200,
        serious_share=1.0,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Effects:
    """The truth that outcomes are drawn from. Pain in NRS points, times in days, shares between 0
    and 1.
    """

    pain_mean: float = 5.0  # of the unselected population
    pain_sd: float = 2.0
    pain_reliability: float = (
        0.7  # share of the variance that stays with the patient between visits
    )
    pain_cutoff: int = (
        4  # lowest pain at which a patient is enrolled: regression to the mean follows from it
    )
    natural_improvement: float = 0.3  # everybody's, treated or not
    natural_days: float = 60.0
    pain_improvement: float = 1.4  # treated patients' mean, at its height
    pain_improvement_sd: float = 1.2  # between patients
    onset_days: float = 14.0
    fade_after_days: float = 40.0
    fade_half_life_days: float = 400.0
    steps_mean: float = 6200.0  # a day
    steps_improvement_pct: float = 8.0
    walking_speed_mps: float = 1.05
    walking_speed_improvement_mps: float = 0.05
    opioid_share: float = 0.25
    opioid_mean_mme: float = 30.0
    opioid_reduction_pct: float = 35.0  # treated patients', reached after `opioid_reduction_days`
    opioid_reduction_days: float = 180.0
    side_effects: tuple[SideEffect, ...] = SIDE_EFFECTS
    background: tuple[SideEffect, ...] = BACKGROUND
    deaths_per_patient_year: float = 0.01
    asked_share: float = 0.92  # sessions at which the patient is asked about side effects
    spontaneous_share: float = 0.35  # mild side effects that are told where nobody asked
    burn_clinic: int | None = 2  # position of the clinic with more burns
    burn_multiplier: float = 8.0
    under_asking_clinic: int | None = 3
    under_asked_share: float = 0.40
    exceedance_share: float = 0.004  # of sessions, for each protocol limit

    def __post_init__(self):
        highest = min(10.0, self.pain_mean + 3 * self.pain_sd)
        if not 0 <= self.pain_cutoff <= highest:
            raise UsageError(
                f"pain_cutoff is {self.pain_cutoff}; with a mean of {self.pain_mean:g} and an SD of {self.pain_sd:g} "
                f"patients reach 0 to {highest:g} points. Give a cutoff between them."
            )

    def course(self, day: float | np.ndarray) -> float | np.ndarray:
        """How much of the full treatment effect is there `day` days after the first session (0 to
        1).
        """
        day = np.maximum(day, 0.0)
        fade = 0.5 ** (np.maximum(day - self.fade_after_days, 0.0) / self.fade_half_life_days)
        return (1.0 - np.exp(-day / self.onset_days)) * fade

    def natural(self, day: float | np.ndarray) -> float | np.ndarray:
        """Points by which pain falls in everybody, `day` days after Day 1."""
        times = np.maximum(day, 0.0) / self.natural_days
        return self.natural_improvement * (1.0 - np.exp(-times))

    def asked(self, clinic: int) -> float:
        if clinic == self.under_asking_clinic:
            return self.under_asked_share
        return self.asked_share

    def rate(self, effect: SideEffect, *, clinic: int) -> float:
        """Events per session of one kind at the clinic at that position."""
        more = (
            self.burn_multiplier
            if clinic == self.burn_clinic and effect.injury_kind == "burn"
            else 1.0
        )
        return effect.rate * more

    def implied(self, day: float = 57.0, *, draws: int = 100_000) -> dict[str, float]:
        """What treated patients with a baseline at the cutoff or above show on `day`, by simulation
        (fixed seed).

        `mean_change` (points, negative is better) = true improvement + regression to the mean; the
        share of responders (at least 30 % lower), of 50 %, and of 2 points.
        """
        rng = np.random.default_rng(20_260_101)
        spread = self.pain_sd * np.sqrt(1 - self.pain_reliability)
        trait = rng.normal(self.pain_mean, self.pain_sd * np.sqrt(self.pain_reliability), draws)
        base = np.clip(np.rint(trait + rng.normal(0, spread, draws)), 0, 10)
        kept = base >= self.pain_cutoff
        gain = rng.normal(self.pain_improvement, self.pain_improvement_sd, draws) * self.course(day)
        later = trait - gain - self.natural(day) + rng.normal(0, spread, draws)
        base, later = base[kept], np.clip(np.rint(later), 0, 10)[kept]
        drop = base - later
        return {
            "day": day,
            "mean_change": float(-drop.mean()),
            "true_improvement": float(self.pain_improvement * self.course(day) + self.natural(day)),
            "responders_30_pct": float((10 * drop >= 3 * base).mean()),
            "responders_50_pct": float((2 * drop >= base).mean()),
            "responders_2_points": float((drop >= 2).mean()),
        }
