"""Clearance: whether a session was allowed to begin, by what was known when it did.

Here: CLEARFL and CONTRAFL of mart.adex. Not here: protocol limits (exposure.py).

Clearance (contract): the latest consult that both occurred and was recorded by the session's start
is `cleared`, unexpired and covers the modality. A consult whose recording time was not given may or
may not have been written down by then: where one of those is the latest to have occurred, clearance
is not known.
"""

import polars as pl

# A value `present` of the items' JSON object, whatever the code
_PRESENT, _ABSENT = r':\s*"present"', r':\s*"absent"'
SCREENING_HOURS = 24


def with_clearance(sessions: pl.DataFrame, consults: pl.DataFrame) -> pl.DataFrame:
    """The sessions (with `is_begun`) with `is_cleared`: true, false, null = not known or did not
    begin.

    No consult by the start, or none recorded by then, is false. Of a session without a start it is
    not known. `may_be_cleared`: true where it is cleared or one of the consults that make it
    unknown would clear it; false where none of them does, whichever had been recorded; null where
    the session did not begin or has no start.
    """
    before = _consults_before(sessions, consults)
    recorded = before.filter(
        pl.col("is_recorded_at_given") & (pl.col("recorded_at") <= pl.col("started_at"))
    )
    verdict = latest_consults(recorded, by="session_id").select(
        "session_id", "_seen_at", is_cleared=_clears()
    )
    unsure = before.filter(~pl.col("is_recorded_at_given"))
    latest_at = unsure.group_by("session_id").agg(_unsure_at=pl.col("occurred_at").max())
    frame = sessions.join(verdict, on="session_id", how="left").join(
        latest_at, on="session_id", how="left"
    )
    seen = frame.select("session_id", "_seen_at")
    later = (
        unsure.drop("_seen_at")
        .join(seen, on="session_id")
        .filter(pl.col("_seen_at").is_null() | (pl.col("occurred_at") >= pl.col("_seen_at")))
    )
    might = later.group_by("session_id").agg(_might=_clears().any())
    frame = frame.join(might, on="session_id", how="left")
    by_recorded = pl.col("is_cleared").fill_null(False)
    is_held = pl.col("is_begun") & pl.col("started_at").is_not_null()
    unsure_is_latest = pl.col("_unsure_at") >= pl.col("_seen_at").fill_null(pl.col("_unsure_at"))
    return frame.with_columns(
        is_cleared=pl.when(is_held).then(
            pl.when(unsure_is_latest.fill_null(False)).then(None).otherwise(by_recorded)
        ),
        may_be_cleared=pl.when(is_held).then(by_recorded | pl.col("_might").fill_null(False)),
    ).drop("_seen_at", "_unsure_at", "_might")


def with_contraindication(
    sessions: pl.DataFrame, consults: pl.DataFrame, screenings: pl.DataFrame
) -> pl.DataFrame:
    """The sessions with `is_contraindicated`: true, false, null = nobody asked, or did not begin.

    True where the latest consult by the start (and not recorded later) says `contraindicated` or
    names a contraindication, or an item of the session's screening is `present`. False where either
    says otherwise. The screening is that which names the session, else the patient's latest of the
    24 hours before that names none; items that were not asked say nothing.
    """
    is_known = pl.col("recorded_at").le(pl.col("started_at")) | ~pl.col("is_recorded_at_given")
    latest = latest_consults(_consults_before(sessions, consults).filter(is_known), by="session_id")
    by_consult = latest.select("session_id", _by_consult=_contraindicates())
    by_screening = _screening_of(sessions, screenings).select("session_id", _by_screening=_finds())
    frame = sessions.join(by_consult, on="session_id", how="left").join(
        by_screening, on="session_id", how="left"
    )
    yes = pl.col("_by_consult").fill_null(False) | pl.col("_by_screening").fill_null(False)
    asked = pl.col("_by_consult").is_not_null() | pl.col("_by_screening").is_not_null()
    return frame.with_columns(
        is_contraindicated=pl.when(pl.col("is_begun") & asked).then(yes)
    ).drop("_by_consult", "_by_screening")


def _consults_before(sessions: pl.DataFrame, consults: pl.DataFrame) -> pl.DataFrame:
    """One row per session and consult of its patient that had occurred by the start."""
    begun = sessions.filter("is_begun").select("session_id", "patient_id", "started_at", "modality")
    wanted = [
        "consult_id",
        "patient_id",
        "occurred_at",
        "recorded_at",
        "is_recorded_at_given",
        "outcome",
        "modalities",
        "contraindications",
        "valid_until",
    ]
    pairs = begun.join(consults.select(wanted), on="patient_id")
    return pairs.filter(pl.col("occurred_at") <= pl.col("started_at")).with_columns(
        _seen_at="occurred_at"
    )


def latest_consults(consults: pl.DataFrame, *, by: str) -> pl.DataFrame:
    """Of the consults of each value of `by` the one that occurred last; of two at one moment the
    one recorded last.
    """
    ordered = consults.sort("occurred_at", "recorded_at", "consult_id", nulls_last=False)
    return ordered.unique(by, keep="last", maintain_order=True)


def _clears() -> pl.Expr:
    unexpired = pl.col("valid_until").is_null() | (pl.col("valid_until") >= pl.col("started_at"))
    covers = pl.col("modalities").is_null() | pl.col("modalities").list.contains(pl.col("modality"))
    return ((pl.col("outcome") == "cleared") & unexpired & covers).fill_null(False)


def _contraindicates() -> pl.Expr:
    names_one = pl.col("contraindications").list.len().fill_null(0) > 0
    return (pl.col("outcome") == "contraindicated").fill_null(False) | names_one


def _screening_of(sessions: pl.DataFrame, screenings: pl.DataFrame) -> pl.DataFrame:
    """One row per session with a screening: that which names it, else the latest unnamed one of
    the day before.
    """
    begun = sessions.filter("is_begun").select("session_id", "patient_id", "started_at")
    asked = screenings.select("screening_id", "patient_id", "session_id", "occurred_at", "items")
    named = asked.filter(pl.col("session_id").is_not_null()).drop("patient_id")
    named = named.join(begun.select("session_id"), on="session_id").with_columns(_rank=pl.lit(1))
    unnamed = begun.join(
        asked.filter(pl.col("session_id").is_null()).drop("session_id"), on="patient_id"
    )
    hours = (pl.col("started_at") - pl.col("occurred_at")).dt.total_seconds() / 3600
    unnamed = unnamed.filter(hours.is_between(0, SCREENING_HOURS)).with_columns(_rank=pl.lit(0))
    both = pl.concat([named, unnamed.select(named.columns)])
    return both.sort("_rank", "occurred_at", "screening_id").unique(
        "session_id", keep="last", maintain_order=True
    )


def _finds() -> pl.Expr:
    """True where an item is present, false where one is absent and none present, else null."""
    items = pl.col("items")
    return (
        pl.when(items.str.contains(_PRESENT))
        .then(True)
        .when(items.str.contains(_ABSENT))
        .then(False)
    )
