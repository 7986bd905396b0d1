"""Single records of the chosen selection: those of the chosen clinic and modality, of patients of the other filters.

Here: which rows. Not here: who may see them (reader.py gives a reader from outside none).
"""

import polars as pl

from ..filters import MASKED, NONE, Chosen
from ..reader import Reader

_OF_PLACE = {"clinic_id": "CLINICID", "modality": "MODALITY"}
_OF_PATIENT = {"study_id": "STUDYID", "indication": "INDICATN", "arm": "ARM"}
UNKNOWN = "(unknown)"


def of_selection(reader: Reader, rows: pl.DataFrame, choice: Chosen) -> pl.DataFrame:
    """`rows` of mart.adex or mart.adae: clinic, modality and study are the record's own, indication and arm the patient's."""
    for dimension, column in _OF_PLACE.items():
        if dimension in choice.dimensions:
            rows = rows.filter(pl.col(column).fill_null(UNKNOWN) == choice.dimensions[dimension])
    asked = {column: choice.dimensions[d] for d, column in _OF_PATIENT.items() if d in choice.dimensions}
    if not asked:
        return rows
    arm = pl.when(pl.col("MASKFL") == "Y").then(pl.lit(MASKED)).otherwise(pl.col("ARM").fill_null(NONE))
    people = reader.mart("adsl").with_columns(pl.col("INDICATN").fill_null(UNKNOWN), ARM=arm)
    people = people.filter(*(pl.col(column) == value for column, value in asked.items()))
    return rows.join(people, on=["STUDYID", "USUBJID"], how="semi")
