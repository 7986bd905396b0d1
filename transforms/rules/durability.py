"""Does relief last? Sustained response, time to its confirmed loss, relapse after a pain-free
month.

Here: frames of assessments of one pain parameter, a row each, to frames of patients. Not here:
Kaplan-Meier (survival) and the mart of times (marts/adtte).

`assessments` are rows of mart.adqs: `USUBJID`, `ADT`, `ADTM`, `AVAL`, `CRIT1FL` (at least 30 %
better), those after the baseline with a value; a patient's rows are of one parameter. Assessments
are sparse: an event's time is that of the first assessment that shows it, later than it happened.
"""

import polars as pl

RISE_POINTS, RISE_FLOOR = (
    2,
    4,
)  # a loss of response too: this much above the response, at this pain or more
PAIN_FREE_DAYS, RELAPSE_POINTS = 30, 2  # de Vet 2002; Stanton 2011

TIMES = {
    "USUBJID": pl.String,
    "AVAL": pl.Float64,
    "CNSR": pl.Int64,
    "STARTDT": pl.Date,
    "ADT": pl.Date,
    "EVNTDESC": pl.String,
    "CNSDTDSC": pl.String,
    "NEREASON": pl.String,
}


def sustained(assessments: pl.DataFrame, *, min_days: int = 21) -> pl.DataFrame:
    """One row per patient: `USUBJID`, `is_sustained`, `confirmed_on`, `response_value`, `reason`.

    Sustained: at least 30 % better at two assessments at least `min_days` apart and at every one
    between them; confirmed at the second. Null where no two evaluable assessments lie that far
    apart: nothing could be confirmed.
    """
    rows = _evaluable(assessments)
    runs = _runs(rows, is_in="is_response")
    confirmed = (
        runs.filter(pl.col("is_response") & (pl.col("days_in_run") >= min_days))
        .unique("USUBJID", keep="first", maintain_order=True)
        .select("USUBJID", confirmed_on="ADT", response_value="AVAL")
    )
    spans = (
        assessments.select("USUBJID")
        .unique(maintain_order=True)
        .join(
            rows.group_by("USUBJID").agg(
                span=(pl.col("ADT").max() - pl.col("ADT").min()).dt.total_days()
            ),
            on="USUBJID",
            how="left",
        )
    )
    is_long = pl.col("span").fill_null(-1) >= min_days
    text = f"no two evaluable assessments at least {min_days} days apart"
    return spans.join(confirmed, on="USUBJID", how="left").select(
        "USUBJID",
        is_sustained=pl.when(is_long).then(pl.col("confirmed_on").is_not_null()),
        confirmed_on="confirmed_on",
        response_value="response_value",
        reason=pl.when(~is_long).then(pl.lit(text)),
    )


def loss_of_response(
    assessments: pl.DataFrame, *, rescues: pl.DataFrame | None = None, min_days: int = 21
) -> pl.DataFrame:
    """Days from the confirmation of a response to its confirmed loss; one row per patient, columns
    `TIMES`.

    The origin is the confirmation: from the first response on, the time until confirmation would be
    immortal. The event is the first of two consecutive assessments that are less than 30 % better,
    or 2 points above the value at confirmation and at least 4; or a rescue procedure (`rescues`:
    `USUBJID`, `rescued_on`), whichever is first. Censored at the last assessment. Without a
    confirmed response the time is null.
    """
    confirmed = sustained(assessments, min_days=min_days)
    later = (
        _evaluable(assessments)
        .join(confirmed, on="USUBJID")
        .filter(pl.col("ADT") >= pl.col("confirmed_on"))
    )
    rise = (pl.col("AVAL") >= pl.col("response_value") + RISE_POINTS) & (
        pl.col("AVAL") >= RISE_FLOOR
    )
    later = later.with_columns(is_lost=~pl.col("is_response") | rise)
    is_confirmed = pl.col("is_lost") & pl.col("is_lost").shift(-1).over("USUBJID").fill_null(False)
    lost = later.filter(is_confirmed).group_by("USUBJID").agg(lost_on=pl.col("ADT").min())
    last = later.group_by("USUBJID").agg(last_on=pl.col("ADT").max())
    frame = confirmed.join(lost, on="USUBJID", how="left").join(last, on="USUBJID", how="left")
    frame = frame.join(_first_rescue(confirmed, rescues), on="USUBJID", how="left")
    event_on = pl.min_horizontal("lost_on", "rescued_on")
    return _times(
        frame,
        origin=pl.col("confirmed_on"),
        event_on=event_on,
        what=pl.when(pl.col("rescued_on") == event_on)
        .then(pl.lit("rescue procedure"))
        .otherwise(pl.lit("confirmed loss of response")),
        reason=pl.coalesce("reason", pl.lit("no confirmed response")),
    )


def relapse(assessments: pl.DataFrame) -> pl.DataFrame:
    """Days from 30 pain-free days to pain of at least 2 (NRS); one row per patient, columns
    `TIMES`.

    Pain-free: 0 at assessments that span at least 30 days and at every one between them (de Vet
    2002). A weekly average of 2 or more is pain of more than a day. Censored at the last
    assessment.
    """
    rows = assessments.filter(pl.col("AVAL").is_not_null()).sort("USUBJID", "ADTM")
    rows = rows.with_columns(is_free=pl.col("AVAL") == 0)
    free = _runs(rows, is_in="is_free").filter(
        pl.col("is_free") & (pl.col("days_in_run") >= PAIN_FREE_DAYS)
    )
    origin = free.group_by("USUBJID").agg(free_on=pl.col("ADT").min())
    later = rows.join(origin, on="USUBJID").filter(pl.col("ADT") > pl.col("free_on"))
    back = (
        later.filter(pl.col("AVAL") >= RELAPSE_POINTS)
        .group_by("USUBJID")
        .agg(back_on=pl.col("ADT").min())
    )
    last = rows.group_by("USUBJID").agg(last_on=pl.col("ADT").max())
    patients = assessments.select("USUBJID").unique(maintain_order=True)
    for part in (origin, back, last):
        patients = patients.join(part, on="USUBJID", how="left")
    text = f"never pain-free for {PAIN_FREE_DAYS} days"
    return _times(
        patients,
        origin=pl.col("free_on"),
        event_on=pl.col("back_on"),
        what=pl.lit("relapse"),
        reason=pl.lit(text),
    )


def _evaluable(assessments: pl.DataFrame) -> pl.DataFrame:
    rows = assessments.filter(pl.col("CRIT1FL").is_not_null()).sort("USUBJID", "ADTM")
    return rows.with_columns(is_response=pl.col("CRIT1FL") == "Y")


def _runs(rows: pl.DataFrame, *, is_in: str) -> pl.DataFrame:
    """`rows` in order with `days_in_run`: days since the first of the unbroken run of equal
    `is_in`.
    """
    changes = (pl.col(is_in) != pl.col(is_in).shift(1).over("USUBJID")).fill_null(True)
    run = changes.cast(pl.Int64).cum_sum().over("USUBJID")
    first = pl.col("ADT").first().over("USUBJID", "_run")
    return (
        rows.with_columns(_run=run)
        .with_columns(days_in_run=(pl.col("ADT") - first).dt.total_days())
        .drop("_run")
    )


def _first_rescue(confirmed: pl.DataFrame, rescues: pl.DataFrame | None) -> pl.DataFrame:
    if rescues is None:
        return pl.DataFrame(schema={"USUBJID": pl.String, "rescued_on": pl.Date})
    is_after = pl.col("rescued_on") >= pl.col("confirmed_on")
    after = rescues.join(confirmed, on="USUBJID").filter(is_after)
    return after.group_by("USUBJID").agg(pl.col("rescued_on").min())


def _times(
    frame: pl.DataFrame, *, origin: pl.Expr, event_on: pl.Expr, what: pl.Expr, reason: pl.Expr
) -> pl.DataFrame:
    """`TIMES` of patients with an origin; the others get the reason. The row's `last_on`
    censors.
    """
    is_event, has_origin = event_on.is_not_null(), origin.is_not_null()
    end = pl.coalesce(event_on, pl.col("last_on"))
    return frame.select(
        "USUBJID",
        AVAL=pl.when(has_origin).then((end - origin).dt.total_days().cast(pl.Float64)),
        CNSR=pl.when(has_origin).then(1 - is_event.cast(pl.Int64)),
        STARTDT=origin,
        ADT=pl.when(has_origin).then(end),
        EVNTDESC=pl.when(has_origin & is_event).then(what),
        CNSDTDSC=pl.when(has_origin & ~is_event).then(pl.lit("last assessment")),
        NEREASON=pl.when(~has_origin).then(reason),
    ).cast(TIMES)
