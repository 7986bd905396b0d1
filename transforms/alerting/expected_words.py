"""Why somebody is expected on a day, in words, and how likely that makes it.

Here: the reasons, in the order in which one is given. Not here: whose treatment is under way, and
the habits that the words tell of (expected.py).
"""

import polars as pl

WEEKS, LEAST_WEEKS = (
    4,
    2,
)  # a weekday is habit with a session on two or more of the four before, and on half of them
GAPS_DAYS, LEAST_GAPS = 28, 2  # the usual gap is the median of those of four weeks, of two or more

LIKELY, POSSIBLE = "likely", "possible"


def days_since(since: pl.Expr) -> pl.Expr:
    length = pl.col("day") - since
    return length.dt.total_days()


def in_words(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with `expected` and `why`."""
    since, gap = days_since(pl.col("last_day")), pl.col("usual_gap")
    by_weekday = (pl.col("hits") >= LEAST_WEEKS) & (2 * pl.col("hits") >= pl.col("weeks"))
    is_never = (pl.col("weeks") >= LEAST_WEEKS) & (pl.col("hits") == 0)
    has_gap = pl.col("gaps") >= LEAST_GAPS
    by_gap = has_gap & (since >= gap) & (since <= 2 * gap + 1) & ~is_never
    is_new = pl.col("last_day").is_null()
    by_protocol = (
        ~has_gap.fill_null(False)
        & ~is_new
        & pl.col("hours").is_not_null()
        & ~is_never.fill_null(False)
    )
    first = pl.col("day") == pl.col("starts_on")
    blocked = pl.col("is_too_soon") | pl.col("is_week_full") | pl.col("is_course_over")
    is_habit = (by_weekday | by_gap).fill_null(False)
    weekday = pl.col("day").dt.strftime("%A")
    reasons = [
        (is_new & first, pl.lit("the course begins that day")),
        (
            is_new,
            pl.format("the course began on {}, and no session is on record", _day("starts_on")),
        ),
        (by_weekday, pl.format("came on {} of the last {} {}s", "hits", "weeks", weekday)),
        (by_gap, pl.format("comes every {}, last {} before", _every(gap), _counted(since))),
        (
            by_protocol,
            pl.format(
                "the protocol allows one {} h after the last, and few are on record",
                pl.col("hours").round(1),
            ),
        ),
    ]
    why = pl.lit("treatment is under way; neither weekday nor spacing points to that day")
    for condition, words in reversed(reasons):
        why = pl.when(condition.fill_null(False)).then(words).otherwise(why)
    is_likely = pl.any_horizontal(*(condition.fill_null(False) for condition, _ in reasons))
    likely = pl.when(is_likely & ~blocked).then(pl.lit(LIKELY)).otherwise(pl.lit(POSSIBLE))
    return frame.with_columns(expected=likely, why=why).filter(~blocked | is_habit)


def _day(column: str) -> pl.Expr:
    day = pl.col(column).dt.strftime("%-d %b %Y")
    return day.fill_null("a day that is not known")


def _counted(days: pl.Expr) -> pl.Expr:
    several = pl.format("{} days", days)
    return pl.when(days == 1).then(pl.lit("one day")).otherwise(several)


def _every(gap: pl.Expr) -> pl.Expr:
    whole = gap.floor().cast(pl.Int64)
    return (
        pl.when(gap == 1)
        .then(pl.lit("day"))
        .when(gap == whole)
        .then(pl.format("{} days", whole))
        .otherwise(pl.format("{} or {} days", whole, whole + 1))
    )
