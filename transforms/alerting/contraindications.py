"""Contraindications of a patient: by the latest consult, by what screenings were answered, by status.

Here: frames of core -> the concern, new or known before. Not here: the other concerns (before.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from ..rules.clearance import latest_consults
from ..rules.local_time import with_local_text
from ..schemas import TIMESTAMP
from .concerns import concern_rows

PREGNANCY_DAYS = 300


def contraindication(
    people: pl.DataFrame, core: Mapping[str, pl.DataFrame], *, now: datetime
) -> pl.DataFrame:
    """By the latest consult, by the latest answer to each item of a screening, by status; new where
    written down, or where it happened, after the last session began.
    """
    contraindications = pl.concat(
        [
            _by_consult(core["consults"]),
            _by_screening(core["screenings"]),
            _by_status(core["patient_status"], now=now),
        ]
    )
    frame = people.join(
        contraindications.filter((pl.col("at") <= now).fill_null(True)), on="patient_id"
    )
    frame = with_local_text(frame, at="at", into="at_text").with_columns(
        pl.col("at_text").fill_null("time not known")
    )
    is_new = (pl.max_horizontal("at", "written_at") > pl.col("last_session_at")).fill_null(True)
    kind = (
        pl.when(is_new)
        .then(pl.lit("new contraindication"))
        .otherwise(pl.lit("contraindication, known before"))
    )
    return concern_rows(
        frame, "contraindication", pl.format("{}: {} ({})", kind, "what", "at_text")
    )


_CONTRAINDICATION = pl.Schema(
    {"patient_id": pl.String, "what": pl.String, "at": TIMESTAMP, "written_at": TIMESTAMP}
)


def _written() -> pl.Expr:
    return pl.when("is_recorded_at_given").then("recorded_at")


def _by_consult(consults: pl.DataFrame) -> pl.DataFrame:
    latest = latest_consults(consults, by="patient_id")
    named = pl.col("contraindications").list.drop_nulls().list.join(", ")
    says = (
        pl.when(named.str.len_chars() > 0)
        .then(named)
        .otherwise(
            pl.when(pl.col("outcome") == "contraindicated").then(
                pl.lit("the latest consult says contraindicated")
            )
        )
    )
    frame = latest.with_columns(what=says, at="occurred_at", written_at=_written()).drop_nulls(
        "what"
    )
    return frame.select(_CONTRAINDICATION.names()).cast(dict(_CONTRAINDICATION))


ITEM = r'"((?:[^"\\]|\\.)*)"\s*:\s*"(present|absent)"'


def _by_screening(screenings: pl.DataFrame) -> pl.DataFrame:
    """Items whose latest answer is present; one that was not asked leaves the answer before."""
    each = screenings.drop_nulls("occurred_at").with_columns(
        written_at=_written(), pair=pl.col("items").str.extract_all(ITEM)
    )
    each = (
        each.explode("pair")
        .drop_nulls("pair")
        .with_columns(
            what=pl.col("pair").str.extract(ITEM, 1), answer=pl.col("pair").str.extract(ITEM, 2)
        )
    )
    latest = each.sort("occurred_at", "recorded_at", "screening_id").unique(
        ["patient_id", "what"], keep="last", maintain_order=True
    )
    present = latest.filter(pl.col("answer") == "present").with_columns(
        what=pl.format("{} at a screening", pl.col("what").str.replace_all("_", " ")),
        at="occurred_at",
    )
    return present.select(_CONTRAINDICATION.names()).cast(dict(_CONTRAINDICATION))


def _by_status(statuses: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Pregnant since not longer than a pregnancy lasts: no status says that it has ended."""
    since = pl.lit(now.date()) - pl.col("effective_on")
    pregnant = statuses.filter(
        pl.col("status") == "pregnant", (since <= timedelta(days=PREGNANCY_DAYS)).fill_null(True)
    )
    frame = (
        pregnant.sort("effective_on")
        .unique("patient_id", keep="first", maintain_order=True)
        .with_columns(
            what=pl.lit("pregnant"),
            at=pl.col("effective_on").cast(TIMESTAMP),
            written_at=_written(),
        )
    )
    return frame.select(_CONTRAINDICATION.names()).cast(dict(_CONTRAINDICATION))
