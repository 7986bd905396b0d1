"""What a record that names a clashing id means by it: of two sessions 1001, the one of its own
clinic.

Here: the attribution of references to clashing ids. Not here: which ids clash (clashes.py) and the
list of what could not be attributed (orphans.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

# What a field refers to, by the name of the topic.
TOPIC_OF = {
    "patient_id": "patients",
    "merged_into": "patients",
    "device_id": "devices",
    "protocol_id": "protocols",
    "course_id": "courses",
    "continues": "courses",
    "session_id": "sessions",
}
_CRITERIA = ("is_of_patient", "is_of_clinic", "is_of_device", "is_of_source")


@dataclass(frozen=True)
class Register:
    """What references are looked up in: `core.identities`, and the clinics of devices and patients
    (by core's names).

    A record without a clinic has that of its patient, a device that of its register.
    """

    identities: pl.DataFrame
    device_clinics: pl.DataFrame
    patient_clinics: pl.DataFrame


def attributed(references: pl.DataFrame, things: pl.DataFrame) -> pl.DataFrame:
    """The thing that each reference means: columns `reference` and `name`, a row where it fits
    exactly one.

    `references`: `reference` (its number), `record_id` (the id as sent), `patient_id`, `clinic_id`,
    `device_id`, `device_clinic_id`, `source` of the record that refers. `things`: rows of
    `core.identities` of one topic.

    Things of another patient are out. Of the others those of the same patient are meant where there
    are any, of these those of the record's own clinic, then of its device (the same one, or of the
    device's clinic), then of its source: what is left must be one, and must have had something in
    common with the record.
    """

    def same(one: str, other: str) -> pl.Expr:
        is_same = pl.col(one) == pl.col(other)
        return is_same.fill_null(False).any()

    pairs = (
        references.join(
            things.filter(pl.col("name").is_not_null()), on="record_id", suffix="_thing"
        )
        .group_by("reference", "name")
        .agg(
            pl.any_horizontal(pl.col("patient_id").is_null(), pl.col("patient_id_thing").is_null())
            .any()
            .alias("_open"),
            same("patient_id", "patient_id_thing").alias("is_of_patient"),
            same("clinic_id", "clinic_id_thing").alias("is_of_clinic"),
            (
                same("device_id", "device_id_thing") | same("device_clinic_id", "clinic_id_thing")
            ).alias("is_of_device"),
            same("source", "source_thing").alias("is_of_source"),
        )
        .filter(pl.col("_open") | pl.col("is_of_patient"))
        .with_columns(_matches=pl.any_horizontal(_CRITERIA))
    )
    for criterion in _CRITERIA:
        pairs = pairs.filter(pl.col(criterion) | ~pl.col(criterion).any().over("reference"))
    single = pairs.filter(pl.len().over("reference") == 1, pl.col("_matches"))
    return single.select("reference", "name").sort("reference")


def with_names(frame: pl.DataFrame, columns: Iterable[str], *, among: Register) -> pl.DataFrame:
    """The frame with the names of core in its references to clashing ids; what fits several or none
    keeps the id.

    `frame`: records with `source` and perhaps the fields of `TOPIC_OF`; `columns`: those of them to
    name.
    """
    for column in columns:
        things = among.identities.filter(pl.col("topic") == TOPIC_OF[column])
        if column in frame.columns and things.height:
            frame = _with_name(frame, things, among, column=column)
    return frame


def _with_name(
    frame: pl.DataFrame, things: pl.DataFrame, among: Register, *, column: str
) -> pl.DataFrame:
    numbered = frame.with_row_index("reference")
    concerned = numbered.filter(pl.col(column).is_in(things["record_id"].unique().implode()))
    if concerned.is_empty():
        return frame
    names = attributed(_references(concerned, among, column=column), things)
    named = numbered.join(names, on="reference", how="left", maintain_order="left")
    return named.with_columns(pl.coalesce("name", column).alias(column)).select(frame.columns)


def _references(frame: pl.DataFrame, among: Register, *, column: str) -> pl.DataFrame:
    """The columns of `attributed`: null where the record has no such field, or where it is the one
    referred by.
    """
    fields: Mapping[str, pl.Expr] = {
        name: pl.col(name)
        if name in frame.columns and name != column
        else pl.lit(None, dtype=pl.String)
        for name in ("patient_id", "clinic_id", "device_id")
    }
    references = frame.select("reference", "source", record_id=pl.col(column), **fields)
    of_device = among.device_clinics.select("device_id", device_clinic_id="clinic_id").unique(
        "device_id"
    )
    of_patient = among.patient_clinics.select("patient_id", "clinic_id").unique("patient_id")
    return (
        references.join(of_device, on="device_id", how="left", maintain_order="left")
        .join(of_patient, on="patient_id", how="left", suffix="_of_patient", maintain_order="left")
        .with_columns(pl.coalesce("clinic_id", "clinic_id_of_patient").alias("clinic_id"))
    )
