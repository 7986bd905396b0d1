"""mart.control_charts: what each clinic and all of them together report over time, with limits and
signals by rule.

Here: which figures are charted, by month or by event, and how signals of reported events are to be
read. Not here: the charts (statistics/spc.py), sums (statistics/cusum.py), rates with intervals
(adverse_event_rates).

A month is the clinic's own. Limits come from a chart's first 12 points with a value: with fewer
they are trial limits, under 6 there are none. A month without a session counts nowhere. A rebase (a
setting) starts them anew. Where fewer than one event a month is expected the u-chart gives way to a
g-chart, a row an event. Few reported events are never shown as improvement: not asking looks the
same.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from .. import disclosure
from ..facts.headlines import CLINICS_PARAMETER, CLINICS_VISIT
from ..facts.limits import FLAGS
from ..facts.sessions import BEGUN, BOOKED, DELIVERED
from ..facts.values import BASELINE_POINTS, COLD_INJURIES
from ..options import Cut, Options, Rebase
from ..rules.safety import with_event_number
from ..schemas import MART_TABLES
from ..statistics import spc
from . import injury_sums
from .chart_rows import MIN_POINTS, named, rebases_of, require_charts, rows, without_lines
from .stamp import stamped

TABLE = MART_TABLES["control_charts"]
INPUTS = ("mart.adex", "mart.adae", "mart.adqs")


def compute(
    *, adex: pl.DataFrame, adae: pl.DataFrame, adqs: pl.DataFrame, options: Options, cut: Cut
) -> pl.DataFrame:
    """A row a metric, clinic (null = all together) and point; columns of
    MART_TABLES["control_charts"].
    """
    require_charts(options.control_chart_rebases)
    sessions = _sessions(adex)
    adae = adae.filter(
        pl.col("ATRISKFL").ne_missing("N")
    )  # history before the first session is no event of one
    events = _events(adae, sessions)
    serious = _events(adae, sessions, pl.col("AESER") == "Y")
    parts = [
        *_event_charts("chart_events", sessions, events, options=options),
        *_event_charts("chart_serious_events", sessions, serious, options=options),
        *_shares(
            "chart_sessions_not_asked",
            sessions,
            "is_not_asked",
            "is_asked_on_record",
            options=options,
        ),
        *_shares("chart_sessions_not_held", sessions, "is_not_held", "is_booked", options=options),
        *_shares("chart_limits_exceeded", sessions, "is_exceeded", "is_judged", options=options),
        *_pain_charts(adqs, options=options),
        *injury_sums.rows(sessions, _injured(adae, sessions), options=options),
    ]
    if not parts:
        return TABLE.empty()
    frame = pl.concat([TABLE.empty(), *parts], how="diagonal_relaxed").sort(
        "metric_id", "clinic_id", "point", nulls_last=False
    )
    return TABLE.conform(stamped(frame.with_columns(cells(options).suppressed(frame)), cut=cut))


# --- what is charted ----------------------------------------------------------------------------


def _sessions(adex: pl.DataFrame) -> pl.DataFrame:
    """A row a session with its month and what is counted of it; one without a clinic counts for all
    together.
    """
    flags = [pl.col(f) for f in FLAGS]
    begun, delivered = pl.col("EXSTAT").is_in(BEGUN), pl.col("EXSTAT") == DELIVERED
    return (
        adex.filter(pl.col("ASTDT").is_not_null())
        .select(
            "USUBJID",
            clinic_id="CLINICID",
            session_id="SESSIONID",
            at="EXSTDTM",
            day="ASTDT",
            month=pl.col("ASTDT").dt.truncate("1mo"),
            is_begun=begun,
            is_delivered=delivered,
            is_not_asked=delivered & (pl.col("ASKEDFL") == "N"),
            is_asked_on_record=delivered & pl.col("ASKEDFL").is_not_null(),
            is_booked=pl.col("EXSTAT").is_in(BOOKED),
            is_not_held=pl.col("EXSTAT").is_in(BOOKED) & (pl.col("EXSTAT") != DELIVERED),
            is_judged=begun & pl.any_horizontal(f.is_not_null() for f in flags),
            is_exceeded=begun & pl.any_horizontal((f == "Y").fill_null(False) for f in flags),
        )
        .sort("at", "session_id")
    )


def _events(
    adae: pl.DataFrame, sessions: pl.DataFrame, meets: pl.Expr | None = None
) -> pl.DataFrame:
    """A row an event that belongs to a session that began (mart.adae's SESSIONID): that of the first
    of its records that count.

    It stands in the session's month, also where its onset is not known (it is then placed at the session's start): where
    courses end, sessions and events then become fewer together, and the rate does not rise for want
    of sessions.
    """
    records = _with_session(with_event_number(adae), sessions).filter(
        True if meets is None else meets
    )
    records = records.with_columns(
        pl.coalesce("ASTDTM", "at").alias("at"), pl.coalesce("ASTDT", "day").alias("day")
    )
    first = records.sort("at", "AEID").unique("event_number", keep="first", maintain_order=True)
    return first.select("month", "at", "day", clinic_id="CLINICID")


def _with_session(adae: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """The records whose SESSIONID is a session that began, with its `session_id`, `at`, `day` and
    `month`.
    """
    begun = sessions.filter("is_begun").select("session_id", "at", "day", "month")
    return adae.join(begun, left_on="SESSIONID", right_on="session_id", coalesce=False)


def _injured(adae: pl.DataFrame, sessions: pl.DataFrame) -> pl.Series:
    """The sessions that began to which a burn or frostbite belongs."""
    return _with_session(adae.filter(pl.col("AEINJ").is_in(COLD_INJURIES)), sessions)[
        "session_id"
    ].unique()


def _each_clinic(*frames: pl.DataFrame) -> Iterator[tuple[str | None, list[pl.DataFrame]]]:
    """All together (None), then each clinic, with its rows of the frames."""
    clinics = (
        pl.concat([f.select("clinic_id") for f in frames])["clinic_id"].drop_nulls().unique().sort()
    )
    yield None, list(frames)
    for clinic in clinics:
        yield clinic, [f.filter(pl.col("clinic_id") == clinic) for f in frames]


# --- events -------------------------------------------------------------------------------------


def _event_charts(
    metric: str, sessions: pl.DataFrame, events: pl.DataFrame, *, options: Options
) -> Iterator[pl.DataFrame]:
    delivered = sessions.filter("is_delivered")
    for clinic, (given, seen) in _each_clinic(delivered, events):
        months = _monthly(given, seen)
        if months.is_empty():
            continue
        rebases = rebases_of(options.control_chart_rebases, metric=metric, clinic=clinic)
        with_sessions = months.filter(pl.col("denominator") > 0)
        is_rare = with_sessions["numerator"].sum() < with_sessions.height
        if is_rare and seen.height > MIN_POINTS:
            chart = _g_rows(given, seen, rebases=rebases, options=options)
        else:
            chart = _u_rows(months, rebases=rebases, options=options)
        if is_rare and seen.height <= MIN_POINTS:
            chart = without_lines(
                chart, f"fewer than one event a month ({seen.height} in all): too few for limits"
            )
        yield named(_never_improved(chart), metric, clinic)


def _monthly(sessions: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Months with sessions or events: `numerator` events, `denominator` sessions."""
    counts = sessions.group_by("month").agg(denominator=pl.len())
    return (
        counts.join(
            events.group_by("month").agg(numerator=pl.len()), on="month", how="full", coalesce=True
        )
        .with_columns(pl.col("numerator", "denominator").fill_null(0).cast(pl.Int64))
        .sort("month")
    )


def _u_rows(months: pl.DataFrame, *, rebases: list[Rebase], options: Options) -> pl.DataFrame:
    def chart(part: pl.DataFrame) -> pl.DataFrame:
        events, sessions = part["numerator"], part["denominator"]
        if options.control_chart_kind == "xmr":
            return spc.xmr(_ratio(part, per=100), **_rules("lower", options))
        return spc.u_chart(events, sessions, 100, **_rules("lower", options))

    kind = "xmr" if options.control_chart_kind == "xmr" else "u"
    return rows(
        kind, months, chart, rebases=rebases, no_value="no session was delivered in the month"
    )


def _g_rows(
    sessions: pl.DataFrame, events: pl.DataFrame, *, rebases: list[Rebase], options: Options
) -> pl.DataFrame:
    """A row an event after the first: the sessions delivered since the event before."""
    events = events.sort("at")
    before = np.searchsorted(
        sessions["at"].sort().to_numpy(), events["at"].to_numpy(), side="right"
    )
    gaps = np.diff(before)
    points = (
        events.select(month="day")
        .tail(len(gaps))
        .with_columns(numerator=1, denominator=None, gap=gaps)
    )
    return rows(
        "g",
        points,
        lambda part: spc.g_chart(part["gap"], **_rules("higher", options)),
        rebases=rebases,
    )


def _rules(direction: str, options: Options) -> dict:
    return {"baseline": BASELINE_POINTS, "direction": direction, "run": options.control_chart_run}


def _ratio(months: pl.DataFrame, *, per: int = 1) -> pl.Series:
    """Numerator over denominator; null where there is none."""
    has_any = pl.col("denominator") > 0
    return months.select(
        value=pl.when(has_any).then(per * pl.col("numerator") / pl.col("denominator"))
    )["value"]


def _never_improved(chart: pl.DataFrame) -> pl.DataFrame:
    """Fewer reported events are a signal, and no improvement."""
    icon = pl.col("variation_icon")
    improved = icon == "special_cause_improvement"
    return chart.with_columns(
        variation_icon=pl.when(improved).then(pl.lit("special_cause_neither")).otherwise(icon)
    )


# --- shares and means ---------------------------------------------------------------------------


def _shares(
    metric: str, sessions: pl.DataFrame, part: str, whole: str, *, options: Options
) -> Iterator[pl.DataFrame]:
    def chart(months: pl.DataFrame) -> pl.DataFrame:
        if options.control_chart_kind == "xmr":
            return spc.xmr(_ratio(months), **_rules("lower", options))
        return spc.p_chart(months["numerator"], months["denominator"], **_rules("lower", options))

    kind = "xmr" if options.control_chart_kind == "xmr" else "p"
    for clinic, (counted,) in _each_clinic(sessions.filter(whole)):
        months = (
            counted.group_by("month")
            .agg(numerator=pl.col(part).sum(), denominator=pl.len())
            .sort("month")
        )
        rebases = rebases_of(options.control_chart_rebases, metric=metric, clinic=clinic)
        yield named(rows(kind, months, chart, rebases=rebases), metric, clinic)


def _pain_charts(adqs: pl.DataFrame, *, options: Options) -> Iterator[pl.DataFrame]:
    """Mean change of a month's answers; `denominator` is how many patients. Under `min_cell` of
    them give no value.
    """
    metric = "chart_pain_change"
    changes = adqs.filter(
        pl.col("PARAMCD") == CLINICS_PARAMETER,
        pl.col("AVISIT") == CLINICS_VISIT,
        pl.col("ANL01FL") == "Y",
        pl.col("FRSTEPFL") == "Y",
    ).filter(pl.col("CHG").is_not_null() & pl.col("ADT").is_not_null())
    changes = changes.select("CHG", clinic_id="SITEID", month=pl.col("ADT").dt.truncate("1mo"))
    few = f"fewer than {options.min_cell} patients"
    for clinic, (answers,) in _each_clinic(changes):
        months = answers.group_by("month").agg(
            mean=pl.col("CHG").sort().mean(), numerator=pl.lit(None, pl.Int64), denominator=pl.len()
        )
        is_enough = pl.col("denominator") >= options.min_cell
        months = months.sort("month").with_columns(mean=pl.when(is_enough).then("mean"))
        rebases = rebases_of(options.control_chart_rebases, metric=metric, clinic=clinic)
        chart = rows(
            "xmr",
            months,
            lambda part: spc.xmr(part["mean"], **_rules("lower", options)),
            rebases=rebases,
            no_value=few,
        )
        yield named(chart, metric, clinic)


def cells(options: Options) -> disclosure.Cells:
    """Rows with small cells and their complements; of all but means the whole chart, since its
    center is a total.
    """
    rest = pl.when(pl.col("chart") == "p").then(pl.col("denominator") - pl.col("numerator"))
    return disclosure.Cells(
        counts=["denominator", "numerator", rest],
        dimensions=["clinic_id"],
        by=["metric_id", "period_start"],
        min_cell=options.min_cell,
        widened=lambda frame: _whole_charts(frame, options=options),
    )


def _whole_charts(frame: pl.DataFrame, *, options: Options) -> pl.Series:
    """`is_suppressed`: the rows marked, and all of a chart that has one or is the complement of
    such a chart.
    """
    charts = frame.group_by("metric_id", "clinic_id").agg(
        is_hidden=(pl.col("is_suppressed") & (pl.col("chart") != "xmr")).any(),
        size=pl.col("denominator").sum(),
    )
    charts = charts.sort("metric_id", "clinic_id")
    marks = disclosure.suppressed(
        charts,
        counts=["size"],
        dimensions=["clinic_id"],
        by=["metric_id"],
        min_cell=options.min_cell,
        also=charts["is_hidden"],
    )
    charts = charts.select("metric_id", "clinic_id", marks.alias("is_chart_hidden"))
    frame = frame.join(
        charts, on=["metric_id", "clinic_id"], how="left", nulls_equal=True, maintain_order="left"
    )
    return frame.select(is_suppressed=pl.col("is_suppressed") | pl.col("is_chart_hidden"))[
        "is_suppressed"
    ]
