"""The alert rules that follow from a protocol's limits, as data: one record a limit, with its margin.

Here: limits, margins, floors. Not here: judging sessions by them (sessions.py), the other rules
(rules.py). Titles leave the site: they name no person and no value.
"""

from dataclasses import dataclass

from transforms.alerting.rule import CORRECTED, DAY_H, AlertRule, Tier


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A value, or the option of that name, at or below which (`is_inclusive`; else below which) a
    measurement is of `tier`.
    """

    value: str | float
    tier: Tier
    is_inclusive: bool


@dataclass(frozen=True, kw_only=True)
class LimitRule:
    """A limit of a protocol and, where there is one, of the product; the alert rule that follows
    from them.

    `flag`, `measured`, `limit`: columns of judged sessions. A breach by at most `margin` (of the
    measurement's unit) is `noted`, one by more is of the rule's tier, and graver, so that it is
    told again, with each doubling of the margin (of no margin: of one unit). `floors` hold whatever
    the protocol says.
    """

    rule: AlertRule
    flag: str
    measured: str
    limit: str
    is_lowest: bool
    margin: float
    unit: str
    floors: tuple[Floor, ...] = ()


def _limit_rule(
    id: str, title: str, when: str, tier: Tier, *, clears: str = CORRECTED
) -> AlertRule:
    return AlertRule(
        id=id,
        title=title,
        when=when,
        tier=tier,
        told="duty_clinician",
        clears=clears,
        fresh_h=DAY_H,
    )


# Margins: what the instrument may err by. Cabin: a class B platinum thermometer, 0.30 + 0.005 |t| K, 1.0 K at -140
# degrees C (IEC 60751). Oxygen 19.5 %: OSHA's oxygen-deficient (29 CFR 1910.134). The skin's red and amber settings, and
# the margins of skin, oxygen, exposure and spacing, are proposals of this project.
LIMITS = (
    LimitRule(
        rule=_limit_rule(
            "cabin_too_cold",
            "a cabin colder than its protocol allows",
            "the coldest cabin temperature lies more than 1 K below the protocol's lowest (noted: by 1 K or less)",
            "now",
        ),
        flag="TEMPLOFL",
        measured="CABMINC",
        limit="limit_cabin_min_temp_c",
        is_lowest=True,
        margin=1.0,
        unit="°C",
    ),
    LimitRule(
        rule=_limit_rule(
            "cabin_too_warm",
            "a cabin warmer than its protocol allows",
            "the cabin was more than 1 K warmer than the protocol allows (noted: by 1 K or less)",
            "today",
        ),
        flag="TEMPHIFL",
        measured="cabin_max_c",
        limit="limit_cabin_max_temp_c",
        is_lowest=False,
        margin=1.0,
        unit="°C",
    ),
    LimitRule(
        rule=_limit_rule(
            "exposure_too_long",
            "an exposure longer than its protocol allows",
            "the exposure was more than 5 s longer than the protocol allows (noted: by 5 s or less)",
            "now",
        ),
        flag="DURFL",
        measured="EXDUR",
        limit="limit_max_duration_s",
        is_lowest=False,
        margin=5.0,
        unit="s",
    ),
    LimitRule(
        rule=_limit_rule(
            "skin_too_cold",
            "skin colder than allowed",
            "the skin was at or below the red setting, or more than 0.5 K below the protocol's lowest (today: at or "
            "below the amber setting; noted: below the protocol's lowest by 0.5 K or less)",
            "now",
        ),
        flag="SKINFL",
        measured="SKINMINC",
        limit="limit_skin_min_temp_c",
        is_lowest=True,
        margin=0.5,
        unit="°C",
        floors=(
            Floor(value="skin_red_c", tier="now", is_inclusive=True),
            Floor(value="skin_amber_c", tier="today", is_inclusive=True),
        ),
    ),
    LimitRule(
        rule=_limit_rule(
            "oxygen_too_low",
            "less oxygen in the room than allowed",
            "the room's oxygen fell below 19.5 % (OSHA: oxygen-deficient), or more than 0.5 % below the protocol's lowest "
            "(noted: below the protocol's lowest by 0.5 % or less)",
            "now",
        ),
        flag="O2FL",
        measured="O2MINPCT",
        limit="limit_room_min_oxygen_pct",
        is_lowest=True,
        margin=0.5,
        unit="%",
        floors=(Floor(value=19.5, tier="now", is_inclusive=False),),
    ),
    LimitRule(
        rule=_limit_rule(
            "sessions_too_close",
            "two sessions closer together than their protocol allows",
            "a session began more than a quarter of an hour sooner after the one before than the protocol allows (noted: "
            "a quarter of an hour or less)",
            "today",
        ),
        flag="SPACEFL",
        measured="hours_since_previous",
        limit="limit_min_hours_between_sessions",
        is_lowest=True,
        margin=0.25,
        unit="h",
    ),
    LimitRule(
        rule=_limit_rule(
            "sessions_too_many",
            "more sessions in a week than the protocol allows",
            "a session was one more in seven days than the protocol allows",
            "today",
        ),
        flag="WEEKFL",
        measured="sessions_in_week",
        limit="limit_max_sessions_per_week",
        is_lowest=False,
        margin=0.0,
        unit="sessions",
    ),
)
