"""The limits of a protocol, which sessions are held against.

Here: a record a limit: the protocol's field, what is held against it, its flag in mart.adex, what
people read, the alert. Not here: judging (rules/exposure.py), causes of alerts
(alerting/sessions.py).
"""

from dataclasses import dataclass
from typing import Literal

from .sessions import COLDEST_C, HOTTEST_C

Tier = Literal["now", "today", "noted"]


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A value, or the option of that name, at or below which (`is_inclusive`; else below which) a
    measurement is of `tier`.
    """

    value: str | float
    tier: Tier
    is_inclusive: bool


@dataclass(frozen=True, kw_only=True)
class LimitAlert:
    """The alert rule of a limit. A breach by at most `margin` (of the limit's unit) is noted, one by
    more is of `tier`. `floors` hold whatever the protocol says. `words`: when, with {margin} and
    {floors[0].value} in it.
    """

    id: str
    title: str
    words: str
    tier: Tier
    margin: float
    floors: tuple[Floor, ...] = ()

    @property
    def when(self) -> str:
        return self.words.format(margin=f"{self.margin:g}", floors=self.floors)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit: `field` of the protocol, a lowest (`is_lowest`) or highest value of `measured`, a
    column of judged sessions; a value at its limit is within it.

    `meaning`: the field in words. `flag`: of mart.adex. `words`: what was found, where it is
    exceeded. `comparative`: sessions … than the protocol allows. `lower`, `upper`: what the field
    can be, `is_whole`: a whole number.
    """

    id: str
    field: str
    meaning: str
    unit: str
    measured: str
    is_lowest: bool
    flag: str
    words: str
    comparative: str
    alert: LimitAlert
    lower: float = 0
    upper: float | None = None
    is_whole: bool = False

    @property
    def column(self) -> str:
        """The limit in force, in a frame of judged sessions."""
        return f"limit_{self.field}"

    @property
    def metric(self) -> str:
        return f"limit_{self.id}_exceeded"


ANY_EXCEEDED = "limit_any_exceeded"  # the metric of sessions beyond at least one

# Margins: what the instrument may err by. Cabin: a class B platinum thermometer, 0.30 + 0.005 |t| K,
# 1.0 K at -140 degrees C (IEC 60751). Oxygen 19.5 %: OSHA's oxygen-deficient (29 CFR 1910.134). The
# skin's red and amber settings, and the margins of skin, oxygen, exposure and spacing, are proposals
# of this project.
LIMITS: dict[str, Limit] = {
    limit.id: limit
    for limit in (
        Limit(
            id="temperature_low",
            field="cabin_min_temp_c",
            meaning="coldest cabin temperature allowed",
            unit="°C",
            lower=COLDEST_C,
            upper=HOTTEST_C,
            measured="CABMINC",
            is_lowest=True,
            flag="TEMPLOFL",
            words="cabin too cold",
            comparative="colder",
            alert=LimitAlert(
                id="cabin_too_cold",
                title="a cabin colder than its protocol allows",
                words="the coldest cabin temperature lies more than {margin} K below the protocol's lowest "
                "(noted: by {margin} K or less)",
                tier="now",
                margin=1.0,
            ),
        ),
        Limit(
            id="temperature_high",
            field="cabin_max_temp_c",
            meaning="warmest cabin temperature allowed",
            unit="°C",
            lower=COLDEST_C,
            upper=HOTTEST_C,
            measured="cabin_max_c",
            is_lowest=False,
            flag="TEMPHIFL",
            words="cabin too warm",
            comparative="warmer",
            alert=LimitAlert(
                id="cabin_too_warm",
                title="a cabin warmer than its protocol allows",
                words="the cabin was more than {margin} K warmer than the protocol allows (noted: by "
                "{margin} K or less)",
                tier="today",
                margin=1.0,
            ),
        ),
        Limit(
            id="duration",
            field="max_duration_s",
            meaning="longest exposure allowed",
            unit="s",
            measured="EXDUR",
            is_lowest=False,
            flag="DURFL",
            words="too long",
            comparative="longer",
            alert=LimitAlert(
                id="exposure_too_long",
                title="an exposure longer than its protocol allows",
                words="the exposure was more than {margin} s longer than the protocol allows (noted: "
                "by {margin} s or less)",
                tier="now",
                margin=5.0,
            ),
        ),
        Limit(
            id="spacing",
            field="min_hours_between_sessions",
            meaning="shortest spacing allowed",
            unit="h",
            measured="hours_since_previous",
            is_lowest=True,
            flag="SPACEFL",
            words="too soon after another",
            comparative="sooner after the one before",
            alert=LimitAlert(
                id="sessions_too_close",
                title="two sessions closer together than their protocol allows",
                words="a session began more than {margin} h sooner after the one before than the "
                "protocol allows (noted: {margin} h or less)",
                tier="today",
                margin=0.25,
            ),
        ),
        Limit(
            id="weekly_count",
            field="max_sessions_per_week",
            meaning="most sessions in seven days",
            unit="sessions",
            is_whole=True,
            measured="sessions_in_week",
            is_lowest=False,
            flag="WEEKFL",
            words="too many in a week",
            comparative="more often in a week",
            alert=LimitAlert(
                id="sessions_too_many",
                title="more sessions in a week than the protocol allows",
                words="a session was one more in seven days than the protocol allows",
                tier="today",
                margin=0.0,
            ),
        ),
        Limit(
            id="skin_temperature",
            field="skin_min_temp_c",
            meaning="coldest skin temperature allowed",
            unit="°C",
            lower=COLDEST_C,
            upper=HOTTEST_C,
            measured="SKINMINC",
            is_lowest=True,
            flag="SKINFL",
            words="skin too cold",
            comparative="with colder skin",
            alert=LimitAlert(
                id="skin_too_cold",
                title="skin colder than allowed",
                words="the skin was at or below the red setting, or more than {margin} K below the "
                "protocol's lowest (today: at or below the amber setting; noted: below the protocol's "
                "lowest by {margin} K or less)",
                tier="now",
                margin=0.5,
                floors=(
                    Floor(value="skin_red_c", tier="now", is_inclusive=True),
                    Floor(value="skin_amber_c", tier="today", is_inclusive=True),
                ),
            ),
        ),
        Limit(
            id="oxygen",
            field="room_min_oxygen_pct",
            meaning="lowest room oxygen allowed",
            unit="%",
            upper=100,
            measured="O2MINPCT",
            is_lowest=True,
            flag="O2FL",
            words="too little oxygen",
            comparative="with less oxygen in the room",
            alert=LimitAlert(
                id="oxygen_too_low",
                title="less oxygen in the room than allowed",
                words="the room's oxygen fell below {floors[0].value} % (OSHA: oxygen-deficient), or more than "
                "{margin} % below the protocol's lowest (noted: below the protocol's lowest by {margin} % "
                "or less)",
                tier="now",
                margin=0.5,
                floors=(Floor(value=19.5, tier="now", is_inclusive=False),),
            ),
        ),
    )
}
FLAGS = tuple(limit.flag for limit in LIMITS.values())
