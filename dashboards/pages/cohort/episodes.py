"""What the cohort page says of treatment episodes: how many came back, and what of it is not known.

Here: sentences from rows of mart.subject_episodes, for staff. Not here: choosing (filters.py).
"""

import polars as pl

from transforms.facts.values import ALL, FIRST, LATEST

from ... import words
from ...filters import Chosen
from ...reader import Reader

_OF = {
    FIRST: "Outcomes are of each patient's first treatment episode here.",
    LATEST: "Outcomes are of each patient's latest treatment episode.",
    ALL: "Outcomes are of all treatment episodes; each patient's are a cluster.",
}
# column of the strata -> that of mart.subject_episodes
_COLUMNS = {"study_id": "STUDYID", "clinic_id": "SITEID", "modality": "MODALITY"}


def sentences(reader: Reader, choice: Chosen) -> str:
    """Of the chosen study, clinic and modality; empty for a reader from outside, or of nobody."""
    names = [c for c in _COLUMNS if c in choice.dimensions]
    where = " AND ".join(f'"{_COLUMNS[c]}" = ${k}' for k, c in enumerate(names, 1)) or "true"
    rows = reader.mart("subject_episodes", where, [choice.dimensions[c] for c in names])
    treated = rows.filter(pl.col("APERIOD").is_not_null())
    if treated.is_empty():
        return ""
    return " ".join([_OF[choice.episode], *_of_further(treated), *_of_before(treated)])


def _of_further(treated: pl.DataFrame) -> list[str]:
    patients = treated["USUBJID"].n_unique()
    further = treated.filter(FRSTEPFL="N")
    back = further["USUBJID"].n_unique()
    if not back:
        return [f"None of {words.plural(patients, 'treated patient')} came back for another."]
    overlapping = (further["BLFUPFL"] == "Y").sum()
    ended = treated.filter(FRSTEPFL="Y")["EPENDRS"]
    return [
        f"{words.count(back)} of {words.plural(patients, 'treated patient')} came back for another "
        "(coming back may be failure or habit), "
        f"{words.count((ended == 'new_course').sum())} with a new course and "
        f"{words.count((ended == 'gap').sum())} after a gap.",
        f"Of {words.plural(further.height, 'further episode')} {words.count(overlapping)} have a "
        "baseline within the follow-up of the one before.",
    ]


def _of_before(treated: pl.DataFrame) -> list[str]:
    people = treated.filter(FRSTEPFL="Y")["PRIORFL"]
    before, unknown = (people == "Y").sum(), people.null_count()
    return [
        f"Before the records begin {words.count(before)} had cryotherapy; of "
        f"{words.count(unknown)} it is not known."
    ]
