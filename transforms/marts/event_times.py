"""Times to events for mart.adtte: of adverse events, and what every time says of itself.

Here: `timed`, first adverse events, resolutions. Not here: other clocks, the mart's assembly
(adtte.py).
"""

import polars as pl

from ..facts.event_groups import GROUPS
from ..facts.sessions import BEGUN
from ..rules.local_time import with_local_day
from ..rules.safety import with_event_number
from ..rules.time_at_risk import joined

# What ends the time at risk -> why a first event is censored
CENSORED_BY = {
    "death": "death",
    "withdrawal": "withdrawal from follow-up",
    "lost": "last contact",
    "data_cut": "data cut",
    "risk_window": "end of the risk window",
}
TOO_EARLY = "follow-up ended before the start"


def timed(
    frame: pl.DataFrame, *, censors: dict[str, pl.Expr], missing: dict[str, pl.Expr]
) -> pl.DataFrame:
    """The frame (`STARTDT`, `event_on`, `what`) with AVAL, CNSR, ADT and texts.

    `censors`: why to day, the earliest counts and of equal ones the first; `missing`: why no time
    can be given. An event on the day of censoring is an event. Censored before the start there is
    no time: none is negative.
    """
    censored_on = pl.min_horizontal(*censors.values())
    is_event = pl.col("event_on").is_not_null()
    frame = frame.with_columns(ADT=pl.coalesce("event_on", censored_on))
    why = pl.lit(None, pl.String)
    for text, day in reversed(censors.items()):
        why = pl.when(day == censored_on).then(pl.lit(text)).otherwise(why)
    is_too_early = ~is_event & (censored_on < pl.col("STARTDT")).fill_null(False)
    reason = pl.when(is_too_early).then(pl.lit(TOO_EARLY))
    for text, is_so in reversed(missing.items()):
        reason = pl.when(is_so).then(pl.lit(text)).otherwise(reason)
    frame = frame.with_columns(NEREASON=reason).with_columns(given=pl.col("NEREASON").is_null())
    given = pl.when("given")
    return frame.with_columns(
        AVAL=given.then((pl.col("ADT") - pl.col("STARTDT")).dt.total_days().cast(pl.Float64)),
        CNSR=given.then(1 - is_event.cast(pl.Int64)),
        ADT=given.then("ADT"),
        EVNTDESC=pl.when(pl.col("given") & is_event).then("what"),
        CNSDTDSC=pl.when(pl.col("given") & ~is_event).then(why),
    )


def first_events(
    people: pl.DataFrame, adex: pl.DataFrame, adae: pl.DataFrame, time_at_risk: pl.DataFrame
) -> list[pl.DataFrame]:
    """A frame a parameter: of any event, and of each group of terms."""
    begun = adex.filter(pl.col("EXSTAT").is_in(BEGUN)).group_by("USUBJID")
    begun = begun.agg(STARTDT=pl.col("ASTDT").min(), began_at=pl.col("EXSTDTM").min()).drop_nulls()
    followed = people.drop("EVENTID").join(begun, on="USUBJID")
    followed = followed.join(_stretches(time_at_risk), on="patient_id")
    followed = followed.filter(pl.col("began_at").is_between("from_at", "to_at"))
    # the end of a stretch is no record's moment: its day is the subject's, as Day 1 is
    followed = with_local_day(followed, at="to_at", into="ended_on")
    of_event = {"began_on": "ASTDT", "is_in_time": "ATRISKFL"}
    records = with_event_number(adae).with_columns(
        pl.col(column).first().over("event_number").alias(name) for name, column in of_event.items()
    )
    groups = [pl.lit(True), *(group.members() for group in GROUPS.values())]
    return [_first_event(followed, records.filter(is_meant)) for is_meant in groups]


def _stretches(time_at_risk: pl.DataFrame) -> pl.DataFrame:
    """A row a patient and time at risk without a gap: `from_at`, `to_at`, `ended_by`."""
    whole = joined(time_at_risk.select("patient_id", "from_at", "to_at"))
    ends = time_at_risk.select("patient_id", "to_at", "ended_by").filter(
        pl.col("ended_by") != "next_episode"
    )
    return whole.join(ends, on=["patient_id", "to_at"], how="left")


def _first_event(followed: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    events = records.filter(pl.col("is_in_time") == "Y").sort("event_at", "AESEQ")
    events = events.join(followed.select("USUBJID", "began_at", "to_at"), on="USUBJID")
    events = events.filter(pl.col("event_at").is_between("began_at", "to_at"))
    first = events.unique("USUBJID", keep="first", maintain_order=True)
    first = first.select("USUBJID", "EVENTID", event_on="began_on", what="AEDECOD")
    unknown = (
        records.filter(pl.col("event_at").is_null() & (pl.col("TRTEMFL") == "Y"))
        .select("USUBJID")
        .unique()
    )
    unknown = unknown.with_columns(is_undated=True)
    frame = followed.join(first, on="USUBJID", how="left").join(unknown, on="USUBJID", how="left")
    # an event is told of where it happened, whose day may be another than that of the patient's
    # clinic
    not_before = pl.max_horizontal("event_on", "STARTDT")
    frame = frame.with_columns(event_on=pl.when(pl.col("event_on").is_not_null()).then(not_before))
    censors = {
        text: pl.when(pl.col("ended_by") == end).then("ended_on")
        for end, text in CENSORED_BY.items()
    }
    return timed(
        frame,
        censors=censors,
        missing={
            "an onset that is not known": pl.col("event_on").is_null()
            & pl.col("is_undated").fill_null(False)
        },
    )


def resolutions(people: pl.DataFrame, adae: pl.DataFrame) -> list[pl.DataFrame]:
    """Two frames of a row an event: resolved at all, and resolved without sequelae (with them is
    censoring).
    """
    columns = ["USUBJID", "DTHDT", "LSTCONDT"]
    frame = adae.join(people.select(columns), on="USUBJID").with_columns(
        SRCID="AEID", STARTDT="ASTDT"
    )
    sequelae = (pl.col("AEOUT") == "resolved_with_sequelae").fill_null(False)
    ended = pl.col("AENDT").is_not_null() & (pl.col("AEOUT") != "fatal").fill_null(True)
    with_sequelae = pl.lit("resolved with sequelae")
    last = pl.max_horizontal("LSTCONDT", "STARTDT")
    parts = []
    for is_any in (True, False):
        counted = ended if is_any else ended & ~sequelae
        part = frame.with_columns(
            event_on=pl.when(counted).then("AENDT"),
            what=pl.when(sequelae).then(with_sequelae).otherwise(pl.lit("resolved")),
        )
        resolved = timed(
            part,
            censors={
                "death": pl.col("DTHDT"),
                "resolved with sequelae": pl.when(ended & sequelae).then("AENDT"),
                "last contact": last,
            },
            missing={
                "onset not known": pl.col("STARTDT").is_null(),
                "ended before it began": (pl.col("AENDT") < pl.col("STARTDT")).fill_null(False),
                "death before the onset": (pl.col("DTHDT") < pl.col("STARTDT")).fill_null(False),
            },
        )
        parts.append(resolved.with_columns(AVAL=pl.col("AVAL") + 1))
    return parts
