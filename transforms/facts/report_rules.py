"""Rules of reporting, as data: what a clinic that uses a device must tell, to whom, by when, and
where that stands.

Here: a record a rule, and which countries have rules at all. Not here: which events they cover and
whether a report is due (rules/report_duties.py), and duties of manufacturers, importers and
sponsors of studies, who are others than the clinic.

The clinic's own procedure and the law's own words come first; whether an event has to be reported
is a decision of people. `verified`: the provision's words were read; `unverified`: it is known, but
its words were not read.

What the European Union asks: Regulation (EU) 2017/745, Art. 87 (1) to (5), gives manufacturers 2,
10 or 15 days; of users it asks nothing itself: by Art. 87 (10) a member state encourages and
enables them to report suspected serious incidents. Whether they must is the state's own law, so
that each state is a rule of its own, or none is known. Great Britain's regulations on surveillance
after marketing (SI 2024/1368, Part 4A of the Medical Devices Regulations 2002) put duties on
manufacturers too.
"""

from dataclasses import dataclass
from typing import Literal

# What happened to somebody, or could have: a serious event is `serious_expected` only where it is
# recorded as expected.
Harm = Literal["death", "serious", "serious_expected", "near_miss"]
Person = Literal["patient", "staff", "visitor", "other", "nobody"]
Holder = Literal["user_facility", "not_user_facility", "hospital", "professional_user"]
# `at_once`: the law says without delay and gives no number of days; `unstated`: it says that, but
# not when.
Timing = Literal["work_days", "days", "at_once", "unstated", "voluntary"]

HARMED: tuple[Harm, ...] = ("death", "serious", "serious_expected")
SERIOUS_INCIDENT: tuple[Harm, ...] = (*HARMED, "near_miss")
ANYBODY: tuple[Person, ...] = ("patient", "staff", "visitor", "other", "nobody")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A duty, or an invitation, to report.

    `countries`: ISO 3166 codes of clinics; `holder`: whose duty it is; `harms`, `people`: what it
    covers; `days`: the period of `work_days` and `days`, counted from the day after the clock's
    start; `recipients`: words, in small letters, one of which the field `reported_to` has where the
    report went to where it must; `duty`: in words.
    """

    id: str
    countries: tuple[str, ...]
    holder: Holder
    harms: tuple[Harm, ...]
    people: tuple[Person, ...] = ANYBODY
    timing: Timing
    days: int | None = None
    clock: Literal["aware", "documented"] = "aware"
    recipients: tuple[str, ...]
    duty: str
    source: str
    verification: Literal["verified", "unverified"]


# --- United States ------------------------------------------------------------------------------

_US = "21 CFR 803.30; work days and becoming aware: 21 CFR 803.3; holidays: 5 U.S.C. 6103"
_US_STAFF = _US + "; that employees count as patients of the facility: 21 CFR 803.3"
_MEDWATCH = "FDA, MedWatch (Form 3500); user facilities' duties in 21 CFR 803.30 are for deaths and serious injuries"
_UNITED_STATES = (
    Rule(
        id="us_user_facility_death_to_fda",
        countries=("US",),
        holder="user_facility",
        harms=("death",),
        people=("patient",),
        timing="work_days",
        days=10,
        recipients=("fda",),
        duty="A death to the FDA, no more than 10 work days after the day of becoming aware",
        source=_US,
        verification="verified",
    ),
    Rule(
        id="us_user_facility_death_to_manufacturer",
        countries=("US",),
        holder="user_facility",
        harms=("death",),
        people=("patient",),
        timing="work_days",
        days=10,
        recipients=("manufacturer",),
        duty="A death to the device's manufacturer, no more than 10 work days after the day of becoming aware",
        source=_US,
        verification="verified",
    ),
    Rule(
        id="us_user_facility_serious_injury",
        countries=("US",),
        holder="user_facility",
        harms=("serious", "serious_expected"),
        people=("patient",),
        timing="work_days",
        days=10,
        recipients=("manufacturer", "fda"),
        duty="A serious injury to the device's manufacturer (to the FDA where that is not known), no more than 10 work "
        "days after the day of becoming aware",
        source=_US,
        verification="verified",
    ),
    Rule(
        id="us_user_facility_staff_injury",
        countries=("US",),
        holder="user_facility",
        harms=HARMED,
        people=("staff",),
        timing="work_days",
        days=10,
        recipients=("manufacturer", "fda"),
        duty="A serious injury of an employee to the device's manufacturer (to the FDA where that is not known; a death "
        "to both), no more than 10 work days after the day of becoming aware",
        source=_US_STAFF,
        verification="unverified",
    ),
    Rule(
        id="us_medwatch_near_miss",
        countries=("US",),
        holder="professional_user",
        harms=("near_miss",),
        timing="voluntary",
        recipients=("fda", "medwatch", "manufacturer"),
        duty="A device that failed without harm may be told to the FDA (MedWatch) or the manufacturer",
        source=_MEDWATCH,
        verification="unverified",
    ),
    Rule(
        id="us_medwatch_no_user_facility",
        countries=("US",),
        holder="not_user_facility",
        harms=HARMED,
        timing="voluntary",
        recipients=("fda", "medwatch", "manufacturer"),
        duty="A clinic that is no device user facility may tell the FDA (MedWatch) or the manufacturer",
        source=_MEDWATCH,
        verification="unverified",
    ),
)

# --- European Union, Switzerland -----------------------------------------------------------------

# Its members and those of the European Economic Area, in which Regulation (EU) 2017/745 holds.
EUROPE = (
    *(
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IS",
        "IT",
        "LI",
        "LT",
    ),
    *("LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
)
EUROPE_SOURCE = "Regulation (EU) 2017/745, Art. 87 (1) and (10): manufacturers must, users are encouraged to report"
_POLAND = "Act of 7 April 2022 on medical devices (Dz.U. 2022 poz. 974), Art. 48 (2) to (6)"
_SWITZERLAND = "MepV (SR 812.213) Art. 66 (4), with Art. 87 (3) and (5) of Regulation (EU) 2017/745"
_EUROPE = (
    # The officer for device safety (MPBetreibV) sees to it in larger institutions; that is no clock
    # of its own.
    Rule(
        id="de_operator_serious_incident",
        countries=("DE",),
        holder="professional_user",
        harms=SERIOUS_INCIDENT,
        timing="at_once",
        recipients=("bfarm", "bundesinstitut"),
        duty="A suspected serious incident, also one that could have become one, to the BfArM without delay",
        source="MPAMIV § 3, with § 2 (what a suspected serious incident is)",
        verification="verified",
    ),
    Rule(
        id="pl_user_serious_incident_to_manufacturer",
        countries=("PL",),
        holder="professional_user",
        harms=SERIOUS_INCIDENT,
        timing="at_once",
        recipients=("manufacturer", "producent", "supplier"),
        duty="A serious incident to the device's manufacturer or its representative (else to the supplier) without delay",
        source=_POLAND,
        verification="verified",
    ),
    Rule(
        id="pl_user_serious_incident_copy_to_office",
        countries=("PL",),
        holder="professional_user",
        harms=SERIOUS_INCIDENT,
        timing="at_once",
        recipients=("urpl", "prezes", "president"),
        duty="A copy of the report of a serious incident to the President of the URPL",
        source=_POLAND,
        verification="verified",
    ),
    Rule(
        id="fr_user_serious_incident",
        countries=("FR",),
        holder="professional_user",
        harms=SERIOUS_INCIDENT,
        timing="unstated",
        recipients=("ansm",),
        duty="A serious incident to the ANSM",
        source="Code de la santé publique, Art. L5212-2 (read in translation)",
        verification="verified",
    ),
    Rule(
        id="ie_user_voluntary",
        countries=("IE",),
        holder="professional_user",
        harms=SERIOUS_INCIDENT,
        timing="voluntary",
        recipients=("hpra",),
        duty="A safety issue with a device may be told to the HPRA, which strongly encourages it",
        source="HPRA, Reporting safety issues",
        verification="verified",
    ),
    *(
        Rule(
            id=f"ch_professional_{days}_days_to_{to}",
            countries=("CH",),
            holder="professional_user",
            harms=harms,
            timing="days",
            days=days,
            recipients=recipients,
            duty=f"{what} to {name}, no later than {days} days after becoming aware (2 where public health is at risk)",
            source=_SWITZERLAND,
            verification="verified",
        )
        for days, harms, what in (
            # the shorter period unless the event is recorded as expected
            (
                10,
                ("death", "serious"),
                "A death, or a serious deterioration that was not expected,",
            ),
            (15, ("serious_expected", "near_miss"), "A serious incident"),
        )
        for to, name, recipients in (
            ("swissmedic", "Swissmedic", ("swissmedic",)),
            (
                "supplier",
                "the device's supplier",
                ("supplier", "manufacturer", "distributor", "lieferant"),
            ),
        )
    ),
)

# --- others --------------------------------------------------------------------------------------

_AUSTRALIA = (
    "Therapeutic Goods Amendment (2022 Measures No. 1) Act 2023, mandatory from 21 March 2026; periods as in advisory "
    "AS25/01 of the Commission on Safety and Quality in Health Care; the regulations themselves were not read"
)
_OTHERS = (
    Rule(
        id="gb_yellow_card",
        countries=("GB",),
        holder="professional_user",
        harms=SERIOUS_INCIDENT,
        timing="voluntary",
        recipients=(
            "mhra",
            "yellow card",
            "niaic",
            "northern ireland",
            "health facilities scotland",
            "iric",
        ),
        duty="An adverse incident should be told as soon as possible, which the law does not demand: Yellow Card (England, "
        "Wales), Health Facilities Scotland, Northern Ireland Adverse Incident Centre",
        source="MHRA, Yellow Card scheme; guidance for adopters of 13 January 2023 (not legally required)",
        verification="verified",
    ),
    Rule(
        id="au_hospital_serious",
        countries=("AU",),
        holder="hospital",
        harms=HARMED,
        timing="days",
        days=10,
        recipients=("tga",),
        duty="A hospital or day hospital: a death or serious deterioration to the TGA within 10 days; others may",
        source=_AUSTRALIA,
        verification="unverified",
    ),
    Rule(
        id="au_hospital_near_miss",
        countries=("AU",),
        holder="hospital",
        harms=("near_miss",),
        timing="days",
        days=45,
        recipients=("tga",),
        duty="A hospital or day hospital: an event that might have led to death or serious injury to the TGA within 45 "
        "days; others may",
        source=_AUSTRALIA,
        verification="unverified",
    ),
    Rule(
        id="ca_hospital_incident",
        countries=("CA",),
        holder="hospital",
        harms=SERIOUS_INCIDENT,
        timing="days",
        days=30,
        clock="documented",
        recipients=("health canada", "minister"),
        duty="A hospital: an incident with a device to the Minister of Health within 30 days after the day on which it was "
        "first documented in the hospital",
        source="Medical Devices Regulations (SOR/98-282), s. 62",
        verification="verified",
    ),
    Rule(
        id="in_materiovigilance",
        countries=("IN",),
        holder="professional_user",
        harms=SERIOUS_INCIDENT,
        timing="voluntary",
        recipients=("ipc", "mvpi", "cdsco"),
        duty="An adverse event with a device may be told to the Materiovigilance Programme (Indian Pharmacopoeia Commission)",
        source="Materiovigilance Programme of India: healthcare professionals can report",
        verification="unverified",
    ),
)

RULES: tuple[Rule, ...] = (*_UNITED_STATES, *_EUROPE, *_OTHERS)
COUNTRIES = frozenset(country for rule in RULES for country in rule.countries)
