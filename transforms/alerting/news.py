"""What is news: the causes that are there now, held against the alerts as they stand.

Here: opened, raised, lowered, closed, opened again, each with the alert's next revision. Not here:
causes, telling.

The same causes and the same alerts give no news, so that whatever is read again, replayed or
restarted tells nobody twice. A cause that a person closed stays closed while it grows no worse.
"""

import hashlib

import polars as pl

from .causes import CAUSES, aged, tier_rank
from .records import BETWEEN as _BETWEEN
from .rules import RULES

# The alerts as they stand, as far as news needs them. `gravity`: 10 for each tier above `noted`
# that the cause's rule gives it, and its level; `is_closed_by_rule`: its cause had gone; else a
# person closed it.
STANDING = pl.Schema(
    {
        "alert_id": pl.String,
        "subject_kind": pl.String,
        "subject_id": pl.String,
        "cause": pl.String,
        "clinic_id": pl.String,
        "patient_id": pl.String,
        "device_id": pl.String,
        "tier": pl.String,
        "finding": pl.String,
        "gravity": pl.Int64,
        "state": pl.String,
        "is_closed_by_rule": pl.Boolean,
        "revision": pl.Int64,
        "evidence": pl.List(pl.String),
    }
)
NEWS = pl.Schema(
    {
        "alert_id": pl.String,
        **CAUSES,
        "gravity": pl.Int64,
        "news": pl.String,
        "state": pl.String,
        "revision": pl.Int64,
    }
)
MOVED = "moved"  # the same, and it is another clinic's, which is told
TOLD = (
    "opened",
    "raised",
    "opened_again",
    MOVED,
)  # of whoever is on duty; the rest is written down
SEEN_AGAIN = (
    "seen_again"  # the same by another event: it is noted in the book, and no event is made of it
)
SILENT = ("lowered", "changed", SEEN_AGAIN)  # which no sink hears of
# Subjects whose finding follows from their records alone, so that it changes only with them.
_OF_RECORDS = ("adverse_event", "session", "deficiency", "incident")
_OF_ONE = (
    "subject_kind",
    "subject_id",
    "cause",
    "patient_id",
)  # a cause, but for its rule and clinic
_FINAL = [rule.id for rule in RULES.values() if rule.is_closing_final]
OF_MANY = [rule.id for rule in RULES.values() if rule.is_of_many]
# Of rules of which one cause has many alerts: how many stand open.
STANDING_OPEN = pl.Schema({"rule": pl.String, "cause": pl.String, "n_open": pl.Int64})
GONE = "the cause is gone"


def alert_id(
    rule: str,
    subject_kind: str,
    subject_id: str,
    cause: str,
    clinic_id: str | None,
    *,
    key: bytes = b"",
) -> str:
    """The alert's name: its rule and a digest of what it is about, for ids have any length.

    The name leaves the site, and ids are short: without `key`, a secret of at most 64 bytes,
    whoever reads the name could try ids until one fits. A record that is called otherwise from some
    moment on (its id clashes with another's, its clinic is told) keeps the name of its alert:
    `news` knows it by its event.
    """
    about = "\x1f".join((subject_kind, clinic_id or "", subject_id, cause))
    return f"{rule}-{hashlib.blake2b(about.encode(), digest_size=8, key=key).hexdigest()}"


def alert_ids(causes: pl.DataFrame, *, key: bytes = b"") -> list[str]:
    """The name of each cause's alert, row by row."""
    about = ("rule", "subject_kind", "subject_id", "cause", "clinic_id")
    return [alert_id(*row, key=key) for row in causes.select(about).iter_rows()]


def news(
    causes: pl.DataFrame, standing: pl.DataFrame, *, judged: pl.DataFrame, key: bytes = b""
) -> pl.DataFrame:
    """One row per alert that changes; columns of NEWS, the graver and older first.

    `causes`: of the subjects in `judged` (`subject_kind`, `subject_id`), which are those that were
    looked at whole: an open alert of one of them without a cause is closed, any other stays as it
    is. `standing`: STANDING, one row an alert; of the subjects that were not looked at it may hold
    any. `news` is opened, raised (graver than it stands: told again, whoever had it in hand), moved
    (a correction gave it to another clinic: told there), lowered, changed (as grave, and another
    device or finding), seen_again (by another event alone), opened_again or closed.
    """
    there = _as_they_stand(_named(causes, key=key), standing)
    held = there.join(_stood(standing), on="alert_id", how="left", maintain_order="left")
    held = held.with_columns(_news=_news_of_cause()).filter(pl.col("_news").is_not_null())
    is_silent = pl.col("_news").is_in(SILENT)
    is_moved = pl.col("_news") == MOVED
    is_as_grave = pl.col("_news").is_in(["changed", SEEN_AGAIN]) | (
        is_moved & (pl.col("gravity") == pl.col("_was"))
    )
    is_worse = (pl.col("gravity") > pl.col("_was")).fill_null(False)
    is_milder_already = tier_rank("_tier") < tier_rank()
    changed = aged(
        held, where=pl.col("_news").is_in(["opened", "opened_again"]) & ~is_worse
    ).select(
        *("alert_id", *(name for name in CAUSES if name != "tier"), "gravity"),
        tier=pl.when(
            is_as_grave | (((pl.col("_news") == "lowered") | is_moved) & is_milder_already)
        )
        .then("_tier")
        .otherwise("tier"),
        news="_news",
        state=pl.when(is_silent).then("_state").otherwise(pl.lit("open")),
        revision=pl.col("_revision").fill_null(-1) + (pl.col("_news") != SEEN_AGAIN),
    )
    closed = _closed(standing, judged=judged, there=there)
    both = pl.concat([changed.select(NEWS.names()).cast(dict(NEWS)), closed])
    return both.sort(-tier_rank().fill_null(0), "occurred_at", "alert_id", nulls_last=True)


def of_many(news: pl.DataFrame, standing_open: pl.DataFrame) -> pl.DataFrame:
    """The news, of causes that have many alerts (`OF_MANY`) noted but the first, tenth, hundredth …
    that stands open.

    `standing_open`: STANDING_OPEN. Who is told of the tenth is told how many there are.
    """
    is_between = pl.col("cause").str.contains(
        _BETWEEN, literal=True
    )  # what clashes within one clinic is told each
    is_one = pl.col("rule").is_in(OF_MANY) & is_between & pl.col("news").is_in(TOLD)
    held = news.join(standing_open, on=["rule", "cause"], how="left", maintain_order="left")
    nth = pl.col("n_open").fill_null(0) + is_one.cum_sum().over("rule", "cause")
    counted = held.with_columns(_nth=pl.when(is_one).then(nth).cast(pl.String))
    is_told = pl.col("_nth").str.contains("^10*$")
    with_count = pl.format("{}; {} such ids of {} stand open", "finding", "_nth", "cause")
    return counted.with_columns(
        tier=pl.when(~is_told).then(pl.lit("noted")).otherwise("tier"),
        finding=pl.when(is_told & (pl.col("_nth") != "1")).then(with_count).otherwise("finding"),
    ).select(NEWS.names())


def _named(causes: pl.DataFrame, *, key: bytes) -> pl.DataFrame:
    """Of causes with one name (one thing seen twice) the gravest, with the evidence of all."""
    frame = causes.with_columns(
        alert_id=pl.Series(alert_ids(causes, key=key), dtype=pl.String),
        gravity=10 * tier_rank() + pl.col("level"),
    )
    evidence = frame.group_by("alert_id").agg(pl.col("evidence").explode().unique().sort())
    gravest = frame.sort("gravity", "landed_at", descending=[True, False])
    return (
        gravest.unique("alert_id", keep="first", maintain_order=True)
        .drop("evidence")
        .join(evidence, on="alert_id")
    )


def _as_they_stand(there: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    """The causes, under the name that their alert has: where the same event shows the same rule,
    for a record that clashes with another is called CLINIC:ID or SOURCE#ID from then on, one whose
    patient comes to be known has a clinic, and neither is a new cause; and where the same record of
    the same patient does, of which the clinic was corrected. Two clinics may number events
    alike.
    """
    unseen = there.join(standing, on="alert_id", how="anti").select(
        "alert_id", "rule", *_OF_ONE, "clinic_id", "evidence"
    )
    nameless = standing.join(there, on="alert_id", how="anti")
    nameless = nameless.filter((pl.col("state") != "closed") | ~pl.col("is_closed_by_rule"))
    rule = pl.col("alert_id").str.replace(r"-[^-]*$", "")
    nameless = nameless.select(
        "evidence", *_OF_ONE, _clinic="clinic_id", _name="alert_id", rule=rule
    )
    same = unseen.explode("evidence").join(nameless.explode("evidence"), on=["rule", "evidence"])
    same = same.filter(
        (pl.col("clinic_id") == pl.col("_clinic")).fill_null(True)
    )  # a clinic that is not known is any
    by_event = _one_to_one(same)
    others = unseen.join(by_event, on="alert_id", how="anti").join(
        nameless.join(by_event, on="_name", how="anti"), on=["rule", *_OF_ONE], nulls_equal=True
    )
    names = pl.concat([by_event, _one_to_one(others)])
    named = there.join(names, on="alert_id", how="left", maintain_order="left")
    return named.with_columns(alert_id=pl.coalesce("_name", "alert_id")).drop("_name")


def _one_to_one(same: pl.DataFrame) -> pl.DataFrame:
    """`alert_id`, `_name`: of one event with several causes of a rule it can't be said which is
    which.
    """
    is_one = pl.struct("alert_id", "_name").n_unique()
    same = same.filter(is_one.over("alert_id") == 1, is_one.over("_name") == 1)
    return same.unique("alert_id").select("alert_id", "_name")


def _stood(standing: pl.DataFrame) -> pl.DataFrame:
    return standing.select(
        "alert_id",
        _state="state",
        _revision="revision",
        _was="gravity",
        _tier="tier",
        _clinic="clinic_id",
        _about=_about(),
        _seen=_seen(),
        _finding="finding",
        _by_rule="is_closed_by_rule",
    )


def _news_of_cause() -> pl.Expr:
    """What a cause that is there changes; null = nothing."""
    worse, milder = pl.col("gravity") > pl.col("_was"), pl.col("gravity") < pl.col("_was")
    is_closed = pl.col("_state") == "closed"
    is_of_record = pl.col("subject_kind").is_in(_OF_RECORDS) & ~pl.col("rule").is_in(
        _FINAL
    )  # whose words go by time
    is_other = _about().ne_missing(pl.col("_about")) | (
        # what people found stands in the place of Floe's finding once they have it in hand
        (pl.col("_state") == "open") & pl.col("finding").ne_missing(pl.col("_finding"))
    )
    return (
        pl.when(pl.col("_state").is_null())
        .then(pl.lit("opened"))
        .when(is_closed & ((worse & ~pl.col("rule").is_in(_FINAL)) | pl.col("_by_rule")))
        .then(pl.lit("opened_again"))
        .when(is_closed)
        .then(None)
        .when(worse)
        .then(pl.lit("raised"))
        .when((pl.col("clinic_id") != pl.col("_clinic")).fill_null(False) & is_of_record)
        .then(pl.lit(MOVED))
        .when(milder)
        .then(pl.lit("lowered"))
        .when(is_other & is_of_record)
        .then(pl.lit("changed"))
        .when(_seen().ne_missing(pl.col("_seen")) & is_of_record)
        .then(pl.lit(SEEN_AGAIN))
    )


def _about() -> pl.Expr:
    """What an alert is about, as one text."""
    ids = pl.concat_list("subject_id", "clinic_id", "device_id").list.eval(
        pl.element().fill_null("")
    )
    return ids.list.join("\x1f")


def _seen() -> pl.Expr:
    """By which events, as one text."""
    return pl.col("evidence").list.sort().list.join("\x1f")


def _gone(alert_id: str) -> str:
    """That the cause is gone, and what of it its rule says."""
    rule = RULES.get(alert_id.rpartition("-")[0])
    if not rule:
        return GONE
    return f"{GONE}: {rule.clears}"


def _closed(standing: pl.DataFrame, *, judged: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """The open alerts of subjects that were looked at, whose cause is gone."""
    looked_at = standing.join(judged.unique(), on=["subject_kind", "subject_id"], how="semi")
    gone = looked_at.filter(pl.col("state") != "closed").join(there, on="alert_id", how="anti")
    reasons = {
        "finding": pl.col("alert_id").map_elements(_gone, return_dtype=pl.String),
        "news": pl.lit("closed"),
        "state": pl.lit("closed"),
        "revision": pl.col("revision") + 1,
    }
    unknown = {name: pl.lit(None) for name in NEWS if name not in gone.columns}
    return gone.with_columns(**unknown | reasons).select(
        pl.col(name).cast(dtype) for name, dtype in NEWS.items()
    )
