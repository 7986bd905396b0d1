"""Codes of others for what Floe measures: LOINC and UCUM, as data.

Here: each LOINC code that is met in practice, its units, what it is here or why it is none of ours,
the source; and what has no code. Not here: how a record with such a code is read
(ingest/importers), what a metric means (catalogue).

Codes are mixed up in public software, so each is bound to its unit and to nothing else. Seen there:
41950-7 (steps) for a walking distance, 8867-4 (heart rate) for a diastolic pressure, 39106-0 (skin
temperature) for the look or the thickness of skin, an answer's code (LA29042-4) and 8686-8 for a
walking speed.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType

LOINC_SYSTEMS = ("http://loinc.org", "urn:oid:2.16.840.1.113883.6.1")
UCUM_SYSTEMS = ("http://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8")


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A LOINC code. It is one of `metric` (of readings), `test`, `item` (instrument, item), or has
    a `refusal`: why not.

    `units`: UCUM, the preferred one first; none = a questionnaire's panel. `plain_units`: texts
    that stand for the unit where a source gives no UCUM code. `parameter`: the parameter of mart
    whose value the code names. `verification`: as in the catalogue.
    """

    code: str
    label: str
    units: tuple[str, ...]
    source: str
    verification: str = "verified"
    metric: str | None = None
    test: str | None = None
    item: tuple[str, str] | None = None
    parameter: str | None = None
    plain_units: tuple[str, ...] = ()
    refusal: str | None = None


_ACCESS = "CMS ACCESS API 0.9.8"
_APPLE = "StanfordBDHG/HealthKitOnFHIR, HKSampleMapping.json"
_MIX_UPS = "public code lists and FHIR profiles that use it so"
_PROMIS_3A = (
    "LOINC's own form 75259-2 (LForms); cqframework/cds4cpm (PROMIS Pain Intensity 3a). MII PRO 2026 gives 75262-6 and, "
    "later, 75261-8 for the 0-10 item"
)

_COMPUTED = (
    "a computed score is not taken over: send the answers to the items, they are scored here"
)
_FIVE_WORDS = "an item of five words, not a 0-10 rating, and named with other questions elsewhere: send the answer as nrs_pain"
_NO_METRIC = "nothing here is computed from it"
_NO_SPEED = "no walking speed, though used for one: LOINC has none that is confirmed; send walking_speed_mps of a bout"

CONCEPTS: MappingProxyType[str, Concept] = MappingProxyType(
    {
        c.code: c
        for c in (
            # pain: a verbal rating at a point in time. It says nothing of the last 7 days and is
            # never pooled with such.
            Concept(
                code="72514-3",
                label="Pain severity, 0-10 verbal numeric rating",
                units=("{score}",),
                parameter="NRSNOW",
                item=("nrs_pain", "now"),
                source=f"{_ACCESS}; HL7 Belgium patient monitoring, ValueSet pain-scale",
            ),
            Concept(
                code="61583-1",
                label="PROMIS Global07, pain on average",
                units=("{score}",),
                verification="unverified",
                source="MII PRO 2026 (promis-global07: in general); a Questionnaire of PACIO (in the past 7 days)",
                refusal="sources differ on whether it asks about 7 days: send the answer as nrs_pain or promis_29",
            ),
            *(
                Concept(
                    code=code,
                    label=f"PROMIS pain intensity, {label}",
                    units=(),
                    source=_PROMIS_3A,
                    refusal=_FIVE_WORDS,
                )
                for code, label in (
                    ("75262-6", "worst in 7 days"),
                    ("75261-8", "average in 7 days"),
                    ("75260-0", "right now"),
                )
            ),
            # what wearables measure
            Concept(
                code="41950-7",
                label="Steps in 24 hours, measured",
                units=("/d", "{steps}"),
                metric="daily_step_count",
                source="US Physical Activity IG 1.0.0, ExampleDailySteps",
                plain_units=("steps", "steps per day"),
            ),
            Concept(
                code="55423-8",
                label="Steps in unspecified time, pedometer",
                units=("{steps}",),
                metric="step_count",
                source=_APPLE,
                plain_units=("steps",),
            ),
            Concept(
                code="8867-4",
                label="Heart rate",
                units=("/min",),
                metric="heart_rate",
                source=_APPLE,
            ),
            Concept(
                code="80404-7",
                label="R-R interval, standard deviation (SDNN)",
                units=("ms",),
                metric="heart_rate_variability_sdnn",
                source=_APPLE,
            ),
            Concept(
                code="40443-4",
                label="Heart rate at rest",
                units=("/min",),
                source=_APPLE,
                refusal="never pooled with the heart rate, and nothing here is computed from it",
            ),
            # performance tests
            Concept(
                code="64098-7",
                label="Six-minute walk test, distance",
                units=("m",),
                parameter="SIXMWD",
                test="six_minute_walk",
                source="My Heart Counts (Stanford), LOINC list",
            ),
            # temperatures
            Concept(
                code="39106-0",
                label="Temperature of skin",
                units=("Cel",),
                source=_MIX_UPS,
                refusal="neither a treated site's, which comes with its session or as telemetry, nor a wearable's nightly "
                "deviation in K",
            ),
            Concept(
                code="8310-5",
                label="Body temperature",
                units=("Cel",),
                source=_APPLE,
                refusal=_NO_METRIC,
            ),
            # codes that are used for a walking speed
            Concept(
                code="LA29042-4",
                label="a LOINC answer",
                units=(),
                source=_MIX_UPS,
                refusal=_NO_SPEED,
            ),
            Concept(
                code="8686-8",
                label="another LOINC term",
                units=(),
                source=_MIX_UPS,
                refusal=_NO_SPEED,
            ),
            # questionnaires: panels and computed scores
            Concept(
                code="97908-8",
                label="Oswestry Disability Index, panel",
                units=(),
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
            Concept(
                code="97909-6",
                label="Oswestry Disability Index, score",
                units=("%",),
                parameter="ODI",
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
            Concept(
                code="82226-2",
                label="Neck Disability Index, score",
                units=("%",),
                parameter="NDI",
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
            Concept(
                code="90973-9",
                label="PROMIS Pain Interference 6a",
                units=(),
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
            Concept(
                code="89923-7",
                label="PROMIS Pain Interference CAT",
                units=(),
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
            Concept(
                code="77865-4",
                label="PROMIS Pain Interference, T-score",
                units=("{Tscore}",),
                parameter="PI6A",
                source=f"{_ACCESS}; MII PRO",
                refusal=_COMPUTED,
            ),
            Concept(
                code="90974-7",
                label="PROMIS Pain Interference 6a, raw",
                units=(),
                source="CMS ACCESS API 0.9.11",
                refusal=_COMPUTED,
            ),
            # MII PRO's overview lists 61758-9 to 61764-7 as domains; two of these are items of PI
            # 6a in CMS ACCESS API 0.9.11
            Concept(
                code="61764-7",
                label="an item of PROMIS Pain Interference, it seems; in MII PRO the domain",
                units=(),
                verification="unverified",
                source="MII PRO, overview of PROMIS-29; its T-score has 77865-4",
                refusal=_COMPUTED,
            ),
            Concept(
                code="76804-4",
                label="PROMIS Physical Function 6b",
                units=(),
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
            Concept(
                code="77797-9",
                label="PROMIS Physical Function 6b, raw",
                units=(),
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
            Concept(
                code="91722-9",
                label="PROMIS Physical Function CAT",
                units=(),
                source=_ACCESS,
                refusal=_COMPUTED,
            ),
        )
    }
)

# parameter or metric -> why it has no LOINC code here
WITHOUT_CODE: MappingProxyType[str, str] = MappingProxyType(
    {
        "PGIC": "no code: a local one",
        "WALKSPD": "no code that is confirmed: a local one, with IEEE 1752.1's or the vendor's name",
        "heart_rate_variability_rmssd": "80404-7 is SDNN, which is another statistic: never one code for both",
        "nightly_skin_temperature_deviation": "39106-0 is a temperature in degrees Celsius, this a difference from the "
        "wearer's own nights",
    }
)

# The answers to 72514-3 in order, 0 to 10: LOINC shows LA6113-0 as "2 or more", so the place
# counts, never the text.
PAIN_ANSWERS = (
    "LA6111-4",
    "LA6112-2",
    "LA6113-0",
    "LA6114-8",
    "LA6115-5",
    "LA10137-0",
    "LA10138-8",
    "LA10139-6",
    "LA10140-4",
    "LA10141-2",
    "LA13942-0",
)

# A vendor's own code beside the LOINC code that says that it is something else.
CONTRADICTIONS: MappingProxyType[tuple[str, str], str] = MappingProxyType(
    {
        (
            "64098-7",
            "HKQuantityTypeIdentifierSixMinuteWalkTestDistance",
        ): "a watch's estimate of the distance is no six-minute walk test",
    }
)

_ANNOTATION = re.compile(r"\{[^{}]*\}")


def plain_unit(ucum: str) -> str:
    """A UCUM code without annotations, which change nothing in UCUM: {steps}/d is /d, {score} is 1;
    1/min is /min.
    """
    plain = _ANNOTATION.sub("", ucum) or "1"
    if plain.startswith("1/"):
        return plain[1:]
    return plain


def is_unit_of(concept: Concept, ucum: str) -> bool:
    """Whether the UCUM code is one of the concept's units, annotations apart."""
    return plain_unit(ucum) in {plain_unit(unit) for unit in concept.units}


# parameter -> the code that names its value
BY_PARAMETER: MappingProxyType[str, Concept] = MappingProxyType(
    {c.parameter: c for c in CONCEPTS.values() if c.parameter}
)
