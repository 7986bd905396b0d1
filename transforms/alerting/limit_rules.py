"""The alert rules that follow from a protocol's limits: one a limit.

Here: what a limit's record (facts/limits.py) says, as a rule. Not here: limits, margins, floors;
judging sessions by them (sessions.py), the other rules (rules.py).
"""

from ..facts.limits import LIMITS, Limit
from .rule import CORRECTED, DAY_H, AlertRule


def _rule_of(limit: Limit) -> AlertRule:
    alert = limit.alert
    return AlertRule(
        id=alert.id,
        title=alert.title,
        when=alert.when,
        tier=alert.tier,
        told="duty_clinician",
        clears=CORRECTED,
        fresh_h=DAY_H,
    )


LIMIT_RULES = tuple(_rule_of(limit) for limit in LIMITS.values())
