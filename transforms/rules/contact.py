"""Contact: the occasions at which a patient could have told of harm, and when the last one was.

Here: which records are such an occasion, and at which moment. Not here: when a patient counts as
lost, and what follows from that (time_at_risk.py).

What is worn is no contact, nor is a status record: whether a clinic files `lost`, or files anything
at all, must not decide how long its patients were seen. A session that was missed or cancelled is
none either.
"""

from datetime import datetime

import polars as pl

from ..facts.sessions import BEGUN, DELIVERED
from ..schemas import TIMESTAMP
from .local_time import Clocks, with_clock, with_local_day

_NOT_FATAL = pl.col("outcome").ne_missing("fatal")
# Of an adverse event without an onset and without a day of awareness: when it became known
_HAS_NO_MOMENT = pl.col("onset_at").is_null() & pl.col("aware_at").is_null()
# Table of core -> its moments of contact, each with the records that have it. Care is told of when
# it happens (a visit) and when it is asked about; that somebody died is news that nobody met the
# patient for.
CONTACTS: dict[str, tuple[tuple[str, pl.Expr], ...]] = {
    "sessions": (("started_at", pl.col("status").fill_null(DELIVERED).is_in(BEGUN)),),
    "consults": (("occurred_at", pl.lit(True)),),
    "screenings": (("occurred_at", pl.lit(True)),),
    "responses": (("answered_at", pl.lit(True)),),
    "performance_tests": (("performed_at", pl.lit(True)),),
    "care": (("occurred_at", pl.lit(True)), ("reported_through", pl.lit(True))),
    "adverse_events": (
        ("onset_at", pl.lit(True)),
        ("aware_at", _NOT_FATAL),
        ("resolved_at", _NOT_FATAL),
        ("event_time", _HAS_NO_MOMENT),
    ),
}


def last_contact(
    tables: dict[str, pl.DataFrame], *, clocks: Clocks, until: datetime
) -> pl.DataFrame:
    """One row per patient with a contact up to the moment `until`: `last_contact_at`,
    `last_contact_on` and its clock.

    `tables`: those of `CONTACTS` by name. What lies after `until` has not happened yet. The clock
    is that of the record (`timezone`, `utc_offset_min`); of two of one moment the one that shows
    the later day.
    """
    moments = [
        _of(tables[name].filter(is_contact), moment)
        for name, columns in CONTACTS.items()
        for moment, is_contact in columns
    ]
    happened = pl.concat(moments, how="diagonal").filter(pl.col("last_contact_at") <= until)
    last = happened.filter(
        pl.col("last_contact_at") == pl.col("last_contact_at").max().over("patient_id")
    )
    last = with_clock(last, at="last_contact_at", clocks=clocks, sessions=tables["sessions"])
    last = with_local_day(last, at="last_contact_at", into="last_contact_on")
    ordered = last.sort(
        "patient_id", "last_contact_on", "timezone", "utc_offset_min", nulls_last=False
    )
    kept = ordered.unique("patient_id", keep="last", maintain_order=True)
    return kept.select(
        "patient_id", "last_contact_at", "last_contact_on", "timezone", "utc_offset_min"
    )


_PLACE = ("patient_id", "clinic_id", "session_id", "utc_offset_min")


def _of(records: pl.DataFrame, moment: str) -> pl.DataFrame:
    place = [c for c in _PLACE if c in records.columns]
    return records.select(*place, last_contact_at=pl.col(moment).cast(TIMESTAMP))
