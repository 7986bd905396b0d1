"""What became of each alert: its revisions, who has it in hand and since when, how long it waited
for somebody.

Here: rows of raw.alerts -> frames. Not here: what makes an alert (causes.py), what changes it
(news.py), reading.

A wait begins when an alert is told and nobody is waited for yet; what is told again meanwhile is
the same wait. It ends when a person first acts (acknowledges, looks into or closes it), or without
one when its cause goes. An alert that is told again after somebody had it in hand begins another
wait.
"""

import math
from datetime import datetime, timedelta

import polars as pl

from ..facts.values import TAKEN_UP
from ..records.current import LANDED, current, first_landed, written_at
from .news import TOLD
from .rule import TIERS
from .rules import RULES

BY_FLOE = "/floe/"  # what the sources of Floe's own parts begin with; anybody else's revision is a person's act
# Of an alert that says none: as an older release of Floe or another system wrote it.
_TIER_OF_RULE = {id: rule.tier for id, rule in RULES.items()}
_TIER_OF_NO_RULE = "today"
RECENT_DAYS = 90  # of what times are told
_TIMES = pl.Schema(
    {
        "tier": pl.String,
        "n": pl.Int64,
        "median_s": pl.Float64,
        "p90_s": pl.Float64,
        "reason": pl.String,
        "n_waiting": pl.Int64,
        "n_gone": pl.Int64,
    }
)


def revisions(raw: pl.DataFrame) -> pl.DataFrame:
    """One row an event of an alert, the oldest of each alert first: columns of raw.alerts, and

    `at` (when it was written, not after it landed), `is_by_floe`, `by` (who acted; null of Floe's
    own), `found` (the words that its writer adds: not those that a person's act repeats of Floe's).
    States and tiers are filled in.
    """
    rows = (
        first_landed(raw)
        .filter(pl.col("record_status").fill_null("active") == "active")
        .with_columns(
            at=written_at(),
            is_by_floe=pl.col("source").str.starts_with(BY_FLOE),
            state=pl.col("state").fill_null("open"),
            tier=_tier(),
        )
    )
    rows = rows.sort("alert_id", "at", "revision", *LANDED, nulls_last=False)
    own = (
        rows.filter("is_by_floe", pl.col("finding").is_not_null())
        .select("alert_id", "finding")
        .unique()
    )
    own = own.with_columns(_repeated=True)
    rows = rows.join(own, on=["alert_id", "finding"], how="left", maintain_order="left")
    is_repeated = ~pl.col("is_by_floe") & pl.col("_repeated").fill_null(False)
    by = pl.coalesce("recorded_by_role", "acknowledged_by")
    return rows.with_columns(
        by=pl.when(~pl.col("is_by_floe")).then(by),
        found=pl.when(~is_repeated).then("finding"),
    ).drop("_repeated")


def as_they_stand(raw: pl.DataFrame) -> pl.DataFrame:
    """Columns of core.alerts, one row an alert: its latest state, which is that of core.alerts; and

    `since` (when it came into its state), `by` (who has it in hand, or closed it; null where nobody
    has, or Floe closed it), `cause_found` (what Floe found), `conclusion` (what people found; null
    = nothing said yet).
    """
    rows = current("alerts", raw).with_columns(
        state=pl.col("state").fill_null("open"), tier=_tier()
    )
    history = revisions(raw)
    return rows.join(_in_hand(history, rows), on="alert_id", how="left", maintain_order="left")


def _tier() -> pl.Expr:
    by_rule = pl.col("rule").replace_strict(
        _TIER_OF_RULE, default=_TIER_OF_NO_RULE, return_dtype=pl.String
    )
    return pl.coalesce("tier", by_rule)


def _in_hand(history: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    """`alert_id`, `since`, `by`, `cause_found`, `conclusion`; one row an alert."""
    of_state = history.join(standing.select("alert_id", _now="state"), on="alert_id")
    is_now = pl.col("state") == pl.col("_now")
    # The last revisions of one state, up to the one that counts: it is since the first of them that
    # it stands so.
    of_state = of_state.with_columns(_others=(~is_now).cum_sum(reverse=True).over("alert_id"))
    of_state = of_state.with_columns(_last=pl.col("_others").filter(is_now).min().over("alert_id"))
    run = of_state.filter(is_now & (pl.col("_others") == pl.col("_last")))
    people = ~pl.col("is_by_floe")
    since = run.group_by("alert_id").agg(
        since=pl.col("at").min(),
        by=pl.when(pl.col("_now").first() != "open").then(
            pl.col("by").filter(people).drop_nulls().last()
        ),
    )
    words = history.group_by("alert_id").agg(
        cause_found=pl.col("finding")
        .filter(pl.col("is_by_floe") & (pl.col("state") != "closed"))
        .drop_nulls()
        .last(),
        conclusion=pl.col("found").filter(people & (pl.col("state") != "open")).drop_nulls().last(),
        _first=pl.col("finding").first(),
    )
    words = words.with_columns(cause_found=pl.coalesce("cause_found", "_first")).drop("_first")
    return since.join(words, on="alert_id")


def waits(history: pl.DataFrame) -> pl.DataFrame:
    """One row a wait: `alert_id`, `tier` (the gravest that was told in it), `told_at`, `ended_at`,
    `is_acknowledged`.

    `history`: of `revisions`. While it lasts `ended_at` is null and `is_acknowledged` false, which
    it also is where the cause went before anybody acted.
    """
    of_floe, people = pl.col("is_by_floe"), ~pl.col("is_by_floe")
    is_told = pl.when(of_floe).then(pl.col("news").fill_null("opened").is_in(TOLD)).otherwise(True)
    rows = history.with_columns(
        _told=is_told & (pl.col("state") == "open"),
        _acted=people & pl.col("state").is_in(TAKEN_UP),
        _rank=pl.col("tier").replace_strict(
            {tier: k for k, tier in enumerate(TIERS)}, return_dtype=pl.Int64
        ),
    )
    rows = rows.with_columns(_ends=pl.col("_acted") | (pl.col("state") == "closed"))
    number = (pl.col("_ends").cum_sum() - pl.col("_ends").cast(pl.UInt32)).over("alert_id")
    rows = rows.with_columns(_wait=number)
    of_alerts = rows.group_by("alert_id", "_wait").agg(
        told_at=pl.col("at").filter("_told").min(),
        _rank=pl.col("_rank").filter("_told").max(),
        ended_at=pl.col("at").filter("_ends").min(),
        is_acknowledged=pl.col("_acted").any(),
    )
    of_alerts = of_alerts.filter(pl.col("told_at").is_not_null()).with_columns(
        tier=pl.col("_rank").replace_strict(dict(enumerate(TIERS)), return_dtype=pl.String)
    )
    return of_alerts.sort("told_at", "alert_id").select(
        "alert_id", "tier", "told_at", "ended_at", "is_acknowledged"
    )


def times_to_acknowledge(waited: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """One row a tier, the gravest first, of the waits that began in the last 90 days or still last:
    `tier`, `n` (acknowledged), `median_s`, `p90_s`, `reason` (why there is no time), `n_waiting`,
    `n_gone`.

    `waited`: of `waits`. Both quantiles are by nearest rank: the shortest time within which half
    (nine tenths) of the n were acknowledged; null where n is 0. `n_waiting`: those that last;
    `n_gone`: whose cause went first, in no quantile.
    """
    is_recent = (pl.col("told_at") >= as_of - timedelta(days=RECENT_DAYS)) | pl.col(
        "ended_at"
    ).is_null()
    recent = waited.filter(is_recent)
    return pl.DataFrame(
        [_of_tier(tier, recent.filter(pl.col("tier") == tier)) for tier in reversed(TIERS)],
        schema=_TIMES,
    )


def _of_tier(tier: str, waited: pl.DataFrame) -> dict:
    acknowledged = waited.filter("is_acknowledged")
    seconds = (
        acknowledged["ended_at"] - acknowledged["told_at"]
    ).dt.total_microseconds().sort() / 1e6
    lasts = waited["ended_at"].is_null()
    return {
        "tier": tier,
        "n": acknowledged.height,
        "median_s": nearest_rank(seconds, 0.5),
        "p90_s": nearest_rank(seconds, 0.9),
        "reason": None if acknowledged.height else "none acknowledged",
        "n_waiting": int(lasts.sum()),
        "n_gone": int((~lasts & ~waited["is_acknowledged"]).sum()),
    }


def nearest_rank(ordered: pl.Series, share: float) -> float | None:
    """The smallest of the values at or below which at least `share` of them lie; null of none.

    Source: Hyndman and Fan (1996), definition 1, the inverse of the empirical distribution
    function.
    """
    if ordered.is_empty():
        return None
    exact = round(share * len(ordered), 9)  # 0.9 times 10 is 9, not a hair above it
    rank = max(math.ceil(exact), 1)
    return ordered[rank - 1]
