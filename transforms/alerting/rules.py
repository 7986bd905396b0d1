"""The rules of alerts as data: condition, tier, who is told, how soon somebody must have it in
hand, what clears it.

Here: one record a rule, and one a protocol limit with its margin. Not here: finding the causes (the
modules beside this one). Titles leave the site: they name no person and no value.

Tiers: `now` (harm, or a limit whose breach may harm: told at once, whatever the hour), `today` (a
digest by clinic, in the clinic's morning), `noted` (in the list only).
"""

from dataclasses import dataclass
from typing import Literal

Tier = Literal["now", "today", "noted"]
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


_CORRECTED = "a correction or mark of error takes the record, or what is wrong with it, out"
_DAY_H, _MONTH_H = 24.0, 30 * 24.0
_BEGAN = "a session began whatever its status, but for one missed or cancelled in which nothing was measured"
_DATED = "one whose start can't be true is judged, by its limits too, by what was in force when its event happened, or landed"

_OF_PATIENTS = (
    AlertRule(
        id="harm",
        title="harm to a patient",
        when="an adverse event is serious, fatal (by its outcome, criteria or words), or of grade 3 or more at first or later, or "
        "is a burn, frostbite, asphyxia or syncope of any grade, by its kind or its words (today: an injury of a nerve, or what is newly told and landed more than 30 days after the "
        "later of its onset and of when the clinic became aware; where it is serious or fatal and nobody says when they became "
        "aware, it is as new as its record); "
        "told again, at once however old it is, when its grade rises or it becomes serious",
        tier="now",
        told="duty_clinician",
        clears=_CORRECTED,
        fresh_h=_MONTH_H,
        acknowledge_min=10,
    ),
    AlertRule(
        id="session_without_clearance",
        title="a session without valid clearance",
        when="a session began and the latest consult that had occurred and been recorded by then did not clear it, had "
        f"expired or does not cover the modality; {_BEGAN}; {_DATED} (noted: a consult that would clear it may have been recorded by then, which is "
        "not known)",
        tier="now",
        told="duty_clinician",
        clears=_CORRECTED,
        fresh_h=_DAY_H,
    ),
    AlertRule(
        id="session_contraindicated",
        title="a session despite a contraindication",
        when="a session began although its patient's latest consult or the session's screening names a contraindication; "
        f"{_BEGAN}",
        tier="now",
        told="duty_clinician",
        clears=_CORRECTED,
        fresh_h=_DAY_H,
    ),
)
_OF_DEVICES = (
    AlertRule(
        id="device_retired_in_use",
        title="a session on a device that is out of use",
        when="a session began on a device, which it names or whose series name it, on or after the day on which it was taken "
        "out of use",
        tier="now",
        told="technician",
        clears=_CORRECTED,
        fresh_h=_DAY_H,
    ),
    AlertRule(
        id="device_calibration_overdue",
        title="a device in use after its calibration was due",
        when="a session began on a device after the day on which its calibration was due; one alert a device and due day",
        tier="today",
        told="technician",
        clears="the device's record names a later day",
        fresh_h=_MONTH_H,
    ),
    AlertRule(
        id="device_deficiency",
        title="a device deficiency",
        when="a device deficiency could have led to a serious adverse event (today: could not have, or it is not said)",
        tier="now",
        told="safety_officer",
        clears=_CORRECTED,
        fresh_h=_MONTH_H,
    ),
    AlertRule(
        id="incident",
        title="an incident",
        when="an incident is serious, or its kind is a death, burn, frostbite, asphyxia or syncope (today: it is neither, or "
        "that is not said)",
        tier="now",
        told="safety_officer",
        clears=_CORRECTED,
        fresh_h=_MONTH_H,
    ),
)
_OF_RECORDS = (
    AlertRule(
        id="unreadable_safety_record",
        title="safety records that could not be read",
        when="a record of a safety topic could not be read; one alert a topic, reason and hour, in which the rest count",
        tier="now",
        told="operator",
        clears="all of them could be read when they were sent again",
        fresh_h=_DAY_H,
    ),
    AlertRule(
        id="not_judged",
        title="records that the rules could not be held against",
        when="a look at a patient's records, a device deficiency or an incident failed, while looks at others did not: no other "
        "alert of it comes or closes until it can be judged",
        tier="now",
        told="operator",
        clears="it could be judged",
    ),
    AlertRule(
        id="clash_of_ids",
        title="two things under one id",
        when="records of one id are of two things (noted: all but the first, the tenth, the hundredth and so on that two clinics "
        "have of one topic, for they number alike)",
        tier="today",
        told="data_steward",
        clears="one of them was marked entered in error or corrected",
        is_of_many=True,
    ),
    AlertRule(
        id="contradiction",
        title="records that contradict each other",
        when="a record lies after its patient's death, so that one of the two is wrong; or a session is said to have been missed "
        "or cancelled, and something was measured in it (it is judged as one that began)",
        tier="today",
        told="data_steward",
        clears=_CORRECTED,
    ),
    AlertRule(
        id="implausible_safety_record",
        title="a safety record that can't be true",
        when="a field of a safety record can't be true and counts as not known",
        tier="today",
        told="data_steward",
        clears=_CORRECTED,
    ),
)

_OF_DUTIES = (
    AlertRule(
        id="report_due",
        title="a report that is due",
        when="by the rules of the clinic's country a report of an event is overdue, or without delay and not made on the day "
        "on which the clinic became aware, or due today (today: due within three days, or without delay); a day begins at "
        "eight of the clinic's clock; told again on the last day and when it is overdue",
        tier="now",
        told="safety_officer",
        clears="the report is on record, or a correction takes the duty away; a person closes it where no field holds a report",
        fresh_h=_MONTH_H,
        acknowledge_min=60,
        is_closing_final=True,
    ),
)
_OF_THE_SYSTEM = (
    AlertRule(
        id="silence",
        title="something that always spoke is silent",
        when="a topic, clinic or device (not one that is out of use) that sent events on ten of the 28 days before has sent "
        "none for a day and for longer than twice its longest silence in them (noted: for more than 28 days)",
        tier="today",
        told="operator",
        clears="it speaks again",
    ),
    AlertRule(
        id="disk_filling",
        title="the disk is filling",
        when="less than a tenth of the disk is left, or less than 2 GB (now: less than 0.5 GB)",
        tier="now",
        told="operator",
        clears="there is room again",
    ),
    AlertRule(
        id="clock_wrong",
        title="a clock that is wrong",
        when="more than one event in a hundred that landed from a source in the last hour lies further in the future than clocks may be off",
        tier="today",
        told="operator",
        clears="its events are in time again",
    ),
    AlertRule(
        id="check_failed",
        title="a check of the tables that failed",
        when="the newest run of a check of a table failed",
        tier="today",
        told="operator",
        clears="its newest run passed",
    ),
    AlertRule(
        id="marts_stale",
        title="figures that are not up to date",
        when="events landed and no figure has taken them in for six hours",
        tier="today",
        told="operator",
        clears="the figures have taken them in",
    ),
)


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
    id: str, title: str, when: str, tier: Tier, *, clears: str = _CORRECTED
) -> AlertRule:
    return AlertRule(
        id=id,
        title=title,
        when=when,
        tier=tier,
        told="duty_clinician",
        clears=clears,
        fresh_h=_DAY_H,
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

# What an alert of another program on the alerts' topic counts as: its own words stay on the site.
OTHER = AlertRule(
    id="other",
    title="an alert of another program",
    when="another program wrote an alert on the alerts' topic under a rule that is none of Floe's",
    tier="now",
    told="operator",
    clears="whoever wrote it, or a person, closes it",
)

RULES: dict[str, AlertRule] = {
    rule.id: rule
    for rule in (
        *_OF_PATIENTS,
        *(limit.rule for limit in LIMITS),
        *_OF_DEVICES,
        *_OF_RECORDS,
        *_OF_DUTIES,
        *_OF_THE_SYSTEM,
    )
}
