"""The truth in words and numbers, for the end of `floe simulate`.

Here: the effects in words, counts as lists. Not here: the counts (truth.py).
"""

from collections import Counter

from .plan import Plan


def count_rows(counts: Counter, *names: str) -> list[dict]:
    return [
        dict(zip((*names, "count"), (*key, n), strict=True)) for key, n in sorted(counts.items())
    ]


def totals(counts: Counter, position: int) -> Counter:
    total = Counter()
    for key, n in counts.items():
        total[key[position]] += n
    return total


def listed(counts: Counter) -> str:
    parts = (f"{name} {n:,}" for name, n in counts.most_common())
    return ", ".join(parts) or "none"


def effects_in_words(plan: Plan) -> list[str]:
    e, implied = plan.effects, plan.effects.implied()
    differing = [
        f"clinic {k + 1} {text}"
        for k, text in (
            (e.burn_clinic, f"has {e.burn_multiplier:g} times the burns"),
            (
                e.under_asking_clinic,
                f"asks at {e.under_asked_share:.0%} of sessions, the others at {e.asked_share:.0%}",
            ),
        )
        if k is not None and k < plan.clinics
    ]
    return [
        f"True effect on pain: {e.pain_improvement:g} points (SD {e.pain_improvement_sd:g}) at its height, reached "
        f"with a time constant of {e.onset_days:g} days, half of it gone {e.fade_half_life_days:g} days after day "
        f"{e.fade_after_days:g}; beside it everybody improves by {e.natural_improvement:g}.",
        f"Implied at day {implied['day']:g} in patients enrolled at {e.pain_cutoff} or more: mean change "
        f"{implied['mean_change']:.2f} points, of which {implied['true_improvement']:.2f} would "
        "come without regression to the mean and the ends of the scale; responders "
        f"{implied['responders_30_pct']:.0%} (30 %), {implied['responders_50_pct']:.0%} (50 %), "
        f"{implied['responders_2_points']:.0%} (2 points).",
        "True side effects per 100 sessions: "
        + ", ".join(f"{s.term} {100 * s.rate:g}" for s in e.side_effects)
        + ".",
        f"Mobility: steps +{e.steps_improvement_pct:g} %, walking speed +{e.walking_speed_improvement_mps:g} m/s. "
        f"Opioids: {e.opioid_share:.0%} take them, -{e.opioid_reduction_pct:g} % after "
        f"{e.opioid_reduction_days:g} days.",
        f"Clinics that differ: {'; '.join(differing) or 'none'}.",
    ]
