"""Patients who moved or were split: whose events can be one person's, and at which clinic that person
then was.

Here: from the statuses `split` and `transferred` to the patients' events with both. Not here: which
events are one thing (clashes.py).
"""

import polars as pl


def moved(events: pl.DataFrame, status: pl.DataFrame) -> pl.DataFrame:
    """Patients' events with `group` (whose events can be one person's at all) and `person_clinic`,
    by the statuses.

    `split` puts the events of its clinic in a group of their own, if need be of none; `transferred`
    makes the clinic that the patient came from and its own one.
    """
    splits = status.filter(pl.col("status") == "split", pl.col("clinic_id").is_not_null())
    splits = splits.select(_sent_id("patient_id", "clinic_id"), "clinic_id").unique()
    moves = _moves(events, status)
    placed = pl.concat([splits, moves.select("record_id", "clinic_id")]).unique()
    without_events = placed.join(events, on=["record_id", "clinic_id"], how="anti").join(
        events.select("record_id").unique(), on="record_id", how="semi"
    )
    return (
        pl.concat([events, without_events], how="diagonal")
        .join(splits.with_columns(group="clinic_id"), on=["record_id", "clinic_id"], how="left")
        .join(moves, on=["record_id", "clinic_id"], how="left")
        .with_columns(person_clinic=pl.coalesce("came_from", "clinic_id"))
        .drop("came_from")
    )


def _sent_id(patient: str, clinic: str) -> pl.Expr:
    """The id as sent of a patient who may be named by the clinic that the status is about."""
    prefix = pl.format("{}:", clinic)
    return pl.col(patient).str.strip_prefix(prefix).alias("record_id")


def _moves(events: pl.DataFrame, status: pl.DataFrame) -> pl.DataFrame:
    """One row per transfer: `record_id` (patient as sent), `clinic_id` (from then on), `came_from`
    (where it is known).

    The clinic that a patient came from is that of the patient's name, else the only other one of
    its records, else of those of the status's own source.
    """
    moves: dict[tuple[str, str], str] = {}
    transfers = status.filter(pl.col("status") == "transferred", pl.col("clinic_id").is_not_null())
    rows = (
        transfers.sort("effective_on", "status_id")
        .select("patient_id", "clinic_id", "source")
        .iter_rows()
    )
    for patient, into, source in rows:
        own = events.filter((pl.col("record_id") == patient) & (pl.col("clinic_id") != into))
        if own.is_empty():
            name = pl.format("{}:{}", "clinic_id", "record_id")
            own = events.filter((name == patient) & (pl.col("clinic_id") != into))
        if own["clinic_id"].n_unique() > 1:
            own = own.filter(pl.col("source") == source)
        if own["clinic_id"].n_unique() == 1:
            record_id, origin = own.select("record_id", "clinic_id").row(0)
            moves[record_id, into] = moves.get((record_id, origin), origin)
    columns = {"record_id": pl.String, "clinic_id": pl.String, "came_from": pl.String}
    return pl.DataFrame(
        [(*key, origin) for key, origin in moves.items()], schema=columns, orient="row"
    )
