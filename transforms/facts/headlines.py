"""The outcomes that stand for a patient: the columns of mart.patient_outcomes, the rows of the
patient's page, the one pain outcome of curves and responder flags.

Here: a record an outcome, and which of several parameters counts; what clinics are compared by. Not
here: the arithmetic (rules/pain.py), parameters themselves (parameters.py, mobility_parameters.py).
"""

from dataclasses import dataclass

from .parameters import PARAMETERS


@dataclass(frozen=True, kw_only=True)
class Headline:
    """An outcome. `parameters`: the first of which a patient has a baseline counts, else the first
    answered at all. `words`: what people read; `unit`: of its columns, a score where it is that of
    the parameter.
    """

    id: str
    words: str
    parameters: tuple[str, ...]
    unit: str = "score"


# in the order of the columns
HEADLINES: dict[str, Headline] = {
    outcome.id: outcome
    for outcome in (
        Headline(
            id="pain",
            words="Pain",
            parameters=(
                "NRS7D",
                "NRSBACK",
                "NRSNECK",
                "NRSLEG",
                "VAS7D",
                "VASBACK",
                "VASNECK",
                "VASLEG",
                "PAINIDX",
                "PAINDAYS",
                "NRSNOW",
                "VASNOW",
            ),
        ),
        Headline(
            id="disability",
            words="Disability",
            parameters=("ODI", "RMDQ", "NDI", "PF6B", "PI6A", "PI4A"),
        ),
        Headline(id="steps", words="Steps a day", parameters=("STEPS",), unit="steps/day"),
        Headline(id="walking_speed", words="Walking speed", parameters=("WALKSPD",), unit="m/s"),
        Headline(
            id="quality_of_life",
            words="Quality of life",
            parameters=("EQ5D", "P29PHYS", "EQVAS", "P29MENT"),
        ),
    )
}
PAIN_PARAMETERS = HEADLINES["pain"].parameters
_OF_A_PLACE_OR_MOMENT = ("back_7d", "leg_7d", "neck_7d", "now")
# of pain as a whole: of two with as many patients the first is shown first
OVERALL_PAIN = tuple(
    code for code in PAIN_PARAMETERS if PARAMETERS[code].item not in _OF_A_PLACE_OR_MOMENT
)
# what clinics are compared by, beside one another and over time
CLINICS_PARAMETER, CLINICS_VISIT, CLINICS_RESPONSE = PAIN_PARAMETERS[0], "Week 8", "pct30"
