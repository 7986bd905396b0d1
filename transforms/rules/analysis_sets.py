"""Who is in which analysis set of a study, why not, and how that was decided.

Here: the rule, as functions of frames. Not here: which sets there are (facts/analysis_sets.py), the
mart (marts/analysis_sets.py), comparisons by set (marts/arm_comparisons.py).

What a study files decides: `in`, or the reason for leaving a patient out; where it files a set, a
patient of whom it says nothing is in. A set that it does not file is derived where a rule can:
ITT, FAS and safety; per protocol stays undecided.
"""

import json
from collections.abc import Iterator, Mapping

import polars as pl

from ..facts.analysis_sets import (
    DERIVED,
    FAS,
    FILED,
    IN_SET,
    ITT,
    PP,
    SAFETY,
    SETS,
    UNDECIDED,
    set_code,
)

NOT_ALLOCATED = "not allocated"
NOT_TREATED = "no session began"
NOT_FILED = "the study files no per-protocol set"

Decision = tuple[bool | None, str | None, str]  # is in; why not, or why unknown; how decided


def decided(
    subjects: pl.DataFrame, *, has_value: Mapping[str, bool], why: str | None
) -> Iterator[dict]:
    """One row per patient and set of one study: `USUBJID`, `set_code`, `is_in`, `reason`,
    `decided_by`.

    `subjects`: rows of mart.adsl of the study. `has_value`: each patient with a
    baseline of the primary parameter, and whether a value follows it; `why`: why there is no such
    parameter.
    """
    filed = {row["USUBJID"]: _filed(row["ANLSETS"]) for row in subjects.iter_rows(named=True)}
    codes = {code for of_patient in filed.values() for code in of_patient}
    for row in subjects.iter_rows(named=True):
        derived = {
            ITT: _allocated(row),
            FAS: _full(row, has_value, why),
            PP: (None, NOT_FILED, UNDECIDED),
            SAFETY: (True, None, DERIVED) if row["SAFFL"] == "Y" else (False, NOT_TREATED, DERIVED),
        }
        for code in (*SETS, *sorted(codes - set(SETS))):
            word = filed[row["USUBJID"]].get(code, IN_SET)
            is_in, reason, decided_by = _of_word(word) if code in codes else derived[code]
            yield {
                "USUBJID": row["USUBJID"],
                "set_code": code,
                "is_in": is_in,
                "reason": reason,
                "decided_by": decided_by,
            }


def _filed(sets: str | None) -> dict[str, str]:
    """Code of a set to what the study files; of two names of one set the word that leaves out."""
    words: dict[str, str] = {}
    for name, word in sorted(json.loads(sets or "{}").items()):
        code = set_code(name)
        if words.get(code, IN_SET) == IN_SET:
            words[code] = str(word)
    return words


def _of_word(word: str) -> Decision:
    if word == IN_SET:
        return (True, None, FILED)
    return (False, word, FILED)


def _allocated(row: dict) -> Decision:
    is_in = row["ALLOCFL"] == "Y"
    return is_in, None if is_in else NOT_ALLOCATED, DERIVED


def _full(row: dict, has_value: Mapping[str, bool], why: str | None) -> Decision:
    if row["ALLOCFL"] != "Y":
        return _allocated(row)
    if why is not None:
        return None, why, UNDECIDED
    if row["USUBJID"] not in has_value:
        return False, "no baseline of the primary parameter", DERIVED
    is_in = has_value[row["USUBJID"]]
    return is_in, None if is_in else "no value of the primary parameter after the baseline", DERIVED
