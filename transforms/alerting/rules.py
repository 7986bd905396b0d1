"""The rules of alerts as data: condition, tier, who is told, how soon somebody must have it in hand,
what clears it.

Here: one record a rule. Not here: what a record says (rule.py), those of a protocol's limits
(limit_rules.py), finding the causes (the modules beside this one). Titles leave the site: they name
no person and no value.
"""

from transforms.alerting.limit_rules import LIMIT_RULES
from transforms.alerting.rule import CORRECTED, DAY_H, MONTH_H, AlertRule

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
        clears=CORRECTED,
        fresh_h=MONTH_H,
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
        clears=CORRECTED,
        fresh_h=DAY_H,
    ),
    AlertRule(
        id="session_contraindicated",
        title="a session despite a contraindication",
        when="a session began although its patient's latest consult or the session's screening names a contraindication; "
        f"{_BEGAN}",
        tier="now",
        told="duty_clinician",
        clears=CORRECTED,
        fresh_h=DAY_H,
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
        clears=CORRECTED,
        fresh_h=DAY_H,
    ),
    AlertRule(
        id="device_calibration_overdue",
        title="a device in use after its calibration was due",
        when="a session began on a device after the day on which its calibration was due; one alert a device and due day",
        tier="today",
        told="technician",
        clears="the device's record names a later day",
        fresh_h=MONTH_H,
    ),
    AlertRule(
        id="device_deficiency",
        title="a device deficiency",
        when="a device deficiency could have led to a serious adverse event (today: could not have, or it is not said)",
        tier="now",
        told="safety_officer",
        clears=CORRECTED,
        fresh_h=MONTH_H,
    ),
    AlertRule(
        id="incident",
        title="an incident",
        when="an incident is serious, or its kind is a death, burn, frostbite, asphyxia or syncope (today: it is neither, or "
        "that is not said)",
        tier="now",
        told="safety_officer",
        clears=CORRECTED,
        fresh_h=MONTH_H,
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
        fresh_h=DAY_H,
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
        clears=CORRECTED,
    ),
    AlertRule(
        id="implausible_safety_record",
        title="a safety record that can't be true",
        when="a field of a safety record can't be true and counts as not known",
        tier="today",
        told="data_steward",
        clears=CORRECTED,
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
        fresh_h=MONTH_H,
        acknowledge_min=60,
        is_closing_final=True,
    ),
)
# Of one table: more than an hour of landings a second leaves, and upkeep comes every hour.
MOST_SMALL_FILES = 5_000

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
    AlertRule(
        id="tables_stale",
        title="tables that are not brought up to date",
        when="tables have stood on an older data cut than the one in force, and held nothing that landed since, for six hours; one "
        "alert for all of them, none while a check fails, for which there is that check's",
        tier="today",
        told="operator",
        clears="they stand on the data cut in force",
    ),
    AlertRule(
        id="figures_restated",
        title="figures of a release that are others now",
        when="figures that the last release has shown were changed afterwards by more than new data, as mart.restatements lists; "
        "one alert a release (noted: by events that came late alone)",
        tier="today",
        told="data_steward",
        clears="the next release shows them as they are",
    ),
    AlertRule(
        id="comparison_differs",
        title="figures that are not as a full computation has them",
        when="the last comparison of a table of core or mart with a full computation of it (each night, or floe materialize "
        "--compare) found rows that differ, which no run may leave; one alert a table",
        tier="today",
        told="operator",
        clears="a comparison finds the table equal",
    ),
    AlertRule(
        id="upkeep_behind",
        title="the lake's small files are not merged",
        when=f"a table has more than {MOST_SMALL_FILES:,} files that upkeep has not merged, so that each query of it opens them all; "
        "one alert for the table that has most",
        tier="today",
        told="operator",
        clears="upkeep has merged them",
    ),
    AlertRule(
        id="upkeep_stopped",
        title="upkeep found other rows than before",
        when="after a step of upkeep a table had another number of rows than before it: upkeep does nothing any more until somebody "
        "has looked after it, and what the step replaced still lies there",
        tier="now",
        told="operator",
        clears="somebody has looked after it (floe upkeep --after-fault)",
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
        *LIMIT_RULES,
        *_OF_DEVICES,
        *_OF_RECORDS,
        *_OF_DUTIES,
        *_OF_THE_SYSTEM,
    )
}
