"""Single records of the chosen selection: those of the chosen clinic and modality, of patients of
the other filters.

Here: which rows. Not here: who may see them (reader.py gives a reader from outside none).
"""

import polars as pl

from transforms.facts.values import MASKED, NONE, UNKNOWN

from ..filters import Chosen
from ..reader import Reader

_OF_PLACE = {"clinic_id": "CLINICID", "modality": "MODALITY"}
_OF_PATIENT = {"study_id": "STUDYID", "indication": "INDICATN", "arm": "ARM"}
OF_EVERY_STUDY = "Of routine care and every study, unless a study is chosen."


def of_selection(reader: Reader, rows: pl.DataFrame, choice: Chosen) -> pl.DataFrame:
    """`rows` of mart.adex or mart.adae: clinic, modality and study are the record's own, indication
    and arm the patient's.

    Only what somebody chose leaves a record out: the study on which a page stands by itself hides
    no harm.
    """
    for dimension, column in _OF_PLACE.items():
        if dimension in choice.asked:
            rows = rows.filter(pl.col(column).fill_null(UNKNOWN) == choice.asked[dimension])
    asked = {column: choice.asked[d] for d, column in _OF_PATIENT.items() if d in choice.asked}
    if not asked:
        return rows
    arm = (
        pl.when(pl.col("MASKFL") == "Y")
        .then(pl.lit(MASKED))
        .otherwise(pl.col("ARM").fill_null(NONE))
    )
    people = reader.mart("adsl").with_columns(pl.col("INDICATN").fill_null(UNKNOWN), ARM=arm)
    people = people.filter(*(pl.col(column) == value for column, value in asked.items()))
    return rows.join(people, on=["STUDYID", "USUBJID"], how="semi")
