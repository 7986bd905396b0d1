"""Does a patient come back? The time from Day 1 to the next treatment episode, or to what comes
first instead.

Here: frames of a patient's episodes, surgery, death and end of follow-up to times. Not here: what
an episode is (episodes.py), curves (marts/competing_risks.py).

Coming back may be failure (pain is back) or habit (it helped): the time says which came first, not
why. A session is on the clinics' own record, so that who is silent has not come back and is
followed to the data cut, or to a withdrawal from follow-up. Surgery is known only where care is
reported.
"""

import polars as pl

from ..facts.competing_events import CENSORED, COMPETING, COMPETING_EVENTS, EVENT, RETREATMENT

CUT, WITHDRAWAL = "data cut", "withdrawal from follow-up"
NOT_FOLLOWED = "follow-up ended before the start"
_MAIN, *_OTHERS = COMPETING_EVENTS[RETREATMENT]


def retreatment(
    people: pl.DataFrame,
    *,
    delivered: pl.DataFrame,
    surgeries: pl.DataFrame,
    withdrawals: pl.DataFrame,
) -> pl.DataFrame:
    """A row a subject with a delivered session: STARTDT (Day 1 of the first episode), ADT, AVAL
    (days), CNSR, EVNTDESC (which event came first, competing ones too), CNSDTDSC, NEREASON,
    EVENTID.

    `people`: USUBJID (the subject), `patient_id`, DTHDT, `cut_on`. `delivered`: sessions with
    USUBJID, `patient_id`, APERIOD, EXSTDTM, ASTDT, EVENTID. `surgeries`: USUBJID, `on`, EVENTID.
    `withdrawals`: `patient_id`, `withdrew_on`. A subject's first episode is the first of its own
    sessions; the next one is the patient's, in whichever study. What lies after the end of
    follow-up does not count; on that day it does.
    """
    followed = _from_first_episode(people, delivered)
    followed = followed.join(_first_withdrawal(followed, withdrawals), on="USUBJID", how="left")
    followed = followed.with_columns(ended_on=pl.min_horizontal("cut_on", "withdrew_on"))
    happened = pl.concat(
        [
            _next_episodes(followed, delivered),
            _first_surgeries(followed, surgeries),
            followed.filter(pl.col("DTHDT").is_not_null()).select(
                "USUBJID", on="DTHDT", EVENTID=pl.lit(None, pl.String), what=pl.lit(_OTHERS[1])
            ),
        ]
    )
    return _timed(followed.join(_first(happened, followed), on="USUBJID", how="left"))


def _from_first_episode(people: pl.DataFrame, delivered: pl.DataFrame) -> pl.DataFrame:
    first = delivered.filter(pl.col("APERIOD").is_not_null()).sort("EXSTDTM", "SESSIONID")
    first = first.unique("USUBJID", keep="first", maintain_order=True)
    first = first.select("USUBJID", "APERIOD", STARTDT="ASTDT")
    return people.select("USUBJID", "patient_id", "DTHDT", "cut_on").join(first, on="USUBJID")


def _first_withdrawal(followed: pl.DataFrame, withdrawals: pl.DataFrame) -> pl.DataFrame:
    """The first one from Day 1 on: whoever came back after an earlier one is followed again."""
    pairs = followed.select("USUBJID", "patient_id", "STARTDT").join(withdrawals, on="patient_id")
    after = pairs.filter(pl.col("withdrew_on") >= pl.col("STARTDT"))
    return after.group_by("USUBJID").agg(pl.col("withdrew_on").min())


def _next_episodes(followed: pl.DataFrame, delivered: pl.DataFrame) -> pl.DataFrame:
    starts = delivered.filter(pl.col("APERIOD").is_not_null()).sort("EXSTDTM", "SESSIONID")
    starts = starts.unique(["patient_id", "APERIOD"], keep="first", maintain_order=True)
    starts = starts.select("patient_id", "EVENTID", APERIOD=pl.col("APERIOD") - 1, on="ASTDT")
    next_starts = followed.join(starts, on=["patient_id", "APERIOD"])
    return next_starts.select("USUBJID", "on", "EVENTID", what=pl.lit(_MAIN))


def _first_surgeries(followed: pl.DataFrame, surgeries: pl.DataFrame) -> pl.DataFrame:
    after = surgeries.join(followed.select("USUBJID", "STARTDT"), on="USUBJID")
    after = after.filter(pl.col("on") >= pl.col("STARTDT")).sort("on", "EVENTID")
    first = after.unique("USUBJID", keep="first", maintain_order=True)
    return first.select("USUBJID", "on", "EVENTID", what=pl.lit(_OTHERS[0]))


def _first(happened: pl.DataFrame, followed: pl.DataFrame) -> pl.DataFrame:
    """A row a subject: what came first until follow-up ended; of one day the first in order."""
    seen = happened.join(followed.select("USUBJID", "ended_on"), on="USUBJID")
    seen = seen.filter(pl.col("on") <= pl.col("ended_on"))
    order = pl.col("what").replace_strict({what: k for k, what in enumerate((_MAIN, *_OTHERS))})
    first = seen.sort("USUBJID", "on", order).unique("USUBJID", keep="first", maintain_order=True)
    return first.select("USUBJID", "what", "EVENTID", event_on="on")


def _timed(frame: pl.DataFrame) -> pl.DataFrame:
    ended_on = pl.coalesce("event_on", "ended_on")
    given = (ended_on >= pl.col("STARTDT")).fill_null(False)
    is_event = pl.col("event_on").is_not_null()
    code = (
        pl.when(~is_event)
        .then(CENSORED)
        .when(pl.col("what") == _MAIN)
        .then(EVENT)
        .otherwise(COMPETING)
    )
    why = pl.when(pl.col("withdrew_on") == pl.col("ended_on")).then(pl.lit(WITHDRAWAL))
    return frame.select(
        "USUBJID",
        "STARTDT",
        AVAL=pl.when(given).then((ended_on - pl.col("STARTDT")).dt.total_days().cast(pl.Float64)),
        CNSR=pl.when(given).then(code.cast(pl.Int64)),
        ADT=pl.when(given).then(ended_on),
        EVNTDESC=pl.when(given & is_event).then("what"),
        CNSDTDSC=pl.when(given & ~is_event).then(why.otherwise(pl.lit(CUT))),
        NEREASON=pl.when(~given).then(pl.lit(NOT_FOLLOWED)),
        EVENTID=pl.when(given & is_event).then("EVENTID"),
    )
