"""What a rule of alerts says.

Here: the record, its tiers, words that several rules share. Not here: the rules (rules.py,
limit_rules.py).

Tiers: `now` (harm, or a limit whose breach may harm: told at once, whatever the hour), `today` (a
digest by clinic, in the clinic's morning), `noted` (in the list only).
"""

from dataclasses import dataclass

from ..facts.limits import Tier

TIERS: tuple[Tier, ...] = ("noted", "today", "now")  # from the mildest on


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """`tier` is the gravest that a cause of the rule can have.

    `fresh_h`: a cause that landed later than so many hours after it happened is a tier lower, for
    nobody can act on it at once any more; null = it always counts as fresh. `acknowledge_min`:
    minutes after which an alert of tier `now` that nobody acknowledged goes to the next on the
    list. `is_closing_final`: what a person closed is not opened by its growing worse. `is_of_many`:
    one cause has many alerts, of which the first, tenth, hundredth … that stands open keeps the
    tier and the others are noted.
    """

    id: str
    title: str
    when: str
    tier: Tier
    told: str
    clears: str
    fresh_h: float | None = None
    acknowledge_min: int = 15
    is_closing_final: bool = False
    is_of_many: bool = False


CORRECTED = "a correction or mark of error takes the record, or what is wrong with it, out"
DAY_H, MONTH_H = 24.0, 30 * 24.0
