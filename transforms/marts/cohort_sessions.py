"""Rows of mart.cohort_outcomes about treatment: sessions held, limits, clearance, questions,
exposure, adherence.

Here: what is counted of mart.adex and of courses, over combinations of the dimensions.
Not here: a session's own flags (adex), harm (adverse_event_rates), patients' outcomes
(cohort_outcomes).

A session is counted at the clinic and in the modality where it happened; indication, study and arm
are the patient's there. In rows of the population `sessions` every count but `n_patients` is of
sessions, in those of `courses` of courses (at the clinic that prescribed them, else the enrolling
one). Limits hold for patients with several sessions each (`clustered`). A stratum of patients
without a session has a row with zeros and the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ..facts.catalogue import STATISTICS
from ..facts.limits import ANY_EXCEEDED, FLAGS, LIMITS
from ..facts.sessions import BEGUN, BOOKED, DELIVERED
from ..facts.strata import STRATUM_COLUMNS, Combination
from ..facts.values import UNKNOWN
from ..options import Cut, Options
from ..rules.exposure import course_adherence
from ..rules.local_time import with_cut_day
from ..rules.studies import with_study
from ..statistics.clustered import Sums, clustered_mean, clustered_proportion, median_ranks
from ..statistics.intervals import Limits
from .strata import COUNTS_ONCE, by_strata, dimensions_of

SESSIONS, COURSES, PATIENTS = "sessions", "courses", "patients"
NO_SESSION, NOT_MEASURED = "no such session", "not measured or not recorded at any session"
NO_COURSE = "no course that is over and says how many sessions were prescribed"
EQUAL_MEANS = "all patients' means equal: no interval"
ONE_PATIENT = "values of one patient: no interval"
FEW_PATIENTS = "fewer than 6 patients: no interval of a median"

_BEGUN, _DELIVERED = pl.col("EXSTAT").is_in(BEGUN), pl.col("EXSTAT") == DELIVERED
_EVERY = pl.col("SESSIONID").is_not_null()


@dataclass(frozen=True)
class _Share:
    """A share of sessions: of which ones, and the event (null = not known)."""

    metric: str
    of: pl.Expr
    event: pl.Expr


@dataclass(frozen=True)
class _Amount:
    """What sessions measure; `statistics`: mean over sessions, median over the patients' own
    medians (or sums).
    """

    name: str
    of: pl.Expr
    value: pl.Expr
    unit: str
    statistics: tuple[str, ...]


def _is_status(name: str) -> pl.Expr:
    return pl.when(pl.col("EXSTAT").is_in(BOOKED)).then(pl.col("EXSTAT") == name)


def _is_any_exceeded() -> pl.Expr:
    """Of the limits that could be judged; null where none could."""
    flags = [pl.col(f) for f in FLAGS]
    judged = pl.any_horizontal(f.is_not_null() for f in flags)
    return pl.when(judged).then(pl.any_horizontal((f == "Y").fill_null(False) for f in flags))


_NOT_CLEARED, _CONTRAINDICATED = pl.col("CLEARFL") == "N", pl.col("CONTRAFL") == "Y"
SHARES = (
    *(_Share(f"sessions_{name}", _EVERY, _is_status(name)) for name in BOOKED),
    *(_Share(limit.metric, _BEGUN, pl.col(limit.flag) == "Y") for limit in LIMITS.values()),
    _Share(ANY_EXCEEDED, _BEGUN, _is_any_exceeded()),
    _Share("sessions_without_clearance", _BEGUN, _NOT_CLEARED),
    _Share("sessions_with_contraindication", _BEGUN, _CONTRAINDICATED),
    _Share("sessions_not_cleared", _BEGUN, _NOT_CLEARED | _CONTRAINDICATED),
    _Share("sessions_not_asked", _DELIVERED, pl.col("ASKEDFL") == "N"),
    _Share("sessions_rewarming_seen", _BEGUN, pl.col("REWARMMN").is_not_null()),
)
_AMOUNTS = (
    _Amount("session_duration", _DELIVERED, pl.col("EXDUR"), "s", ("mean", "median")),
    _Amount("session_dose", _DELIVERED, pl.col("DOSEKS"), "K s", ("mean", "median")),
    _Amount("skin_rewarming", _BEGUN, pl.col("REWARMMN"), "min", ("median",)),
    _Amount("cumulative_exposure", _BEGUN, pl.col("EXDUR"), "s", ("median",)),
)


def rows(
    adsl: pl.DataFrame,
    adex: pl.DataFrame,
    courses: pl.DataFrame,
    *,
    options: Options,
    cut: Cut,
    over: Sequence[Combination],
) -> list:
    """Frames of rows of mart.cohort_outcomes: metric, stratum, population, counts, estimate,
    limits, reason.
    """
    subjects = ["STUDYID", "USUBJID"]
    people = dimensions_of(adsl).join(
        adsl.select(*subjects, "ENRLDT", "ENRENDT", timezone="TIMEZONE"), on=subjects
    )
    sessions = adex.join(
        people.select(*subjects, "indication", "study_id", "arm"), on=subjects
    ).with_columns(
        clinic_id=pl.col("CLINICID").fill_null(UNKNOWN),
        modality=pl.col("MODALITY").fill_null(UNKNOWN),
        **{COUNTS_ONCE: pl.lit(True)},
    )
    sessions = sessions.sort(
        "SESSIONID"
    )  # sums in one order: else their last digit depends on that of the rows
    prescribed = _courses(people, courses, adex, options=options, cut=cut)
    places = pl.concat(
        [frame.select(*STRATUM_COLUMNS, COUNTS_ONCE) for frame in (people, sessions, prescribed)]
    )
    strata = by_strata(places, over=over, rows=pl.len()).drop("rows")
    return [
        *_shares(sessions, strata, over=over),
        *_medians(sessions, strata, over=over),
        _adherence(prescribed, strata, over=over),
    ]


# --- sessions -----------------------------------------------------------------------------------


def _shares(
    sessions: pl.DataFrame, strata: pl.DataFrame, *, over: Sequence[Combination]
) -> list[pl.DataFrame]:
    """A frame a share and a frame a mean: over sessions, a patient a cluster."""
    columns = {}
    for share in SHARES:
        columns |= _totals(share.metric, share.of, share.event.cast(pl.Int64))
    for amount in (a for a in _AMOUNTS if "mean" in a.statistics):
        columns |= _totals(amount.name, amount.of, amount.value)
    names = [*(s.metric for s in SHARES), *(a.name for a in _AMOUNTS if "mean" in a.statistics)]
    cells = _clustered(
        sessions.group_by([*STRATUM_COLUMNS, COUNTS_ONCE, "USUBJID"]).agg(**columns),
        strata,
        names,
        over=over,
    )
    shares = [_estimated(cells, s.metric, s.metric, unit="proportion") for s in SHARES]
    means = [
        _estimated(cells, a.name, STATISTICS[a.name, "mean"].id, unit=a.unit)
        for a in _AMOUNTS
        if "mean" in a.statistics
    ]
    return [*shares, *means]


def _totals(name: str, of: pl.Expr, value: pl.Expr) -> dict[str, pl.Expr]:
    """Of a group of sessions: how many are meant (k), have a value (n), and the values' sum (x)."""
    meant = pl.when(of).then(value)
    counts = {f"{name}.k": of.fill_null(False).sum(), f"{name}.n": meant.count()}
    return {**{c: number.cast(pl.Int64) for c, number in counts.items()}, f"{name}.x": meant.sum()}


def _clustered(
    totals: pl.DataFrame, strata: pl.DataFrame, names: list[str], *, over: Sequence[Combination]
) -> pl.DataFrame:
    """A row a stratum: of each name the sums over patients that `clustered.Sums` wants, and the
    counts.

    `totals`: `k`, `n`, `x` of each name, a row a patient and place.
    """
    added = {f"{name}.{part}": pl.col(f"{name}.{part}").sum() for name in names for part in "knx"}
    patients = by_strata(
        totals.sort("USUBJID", *STRATUM_COLUMNS), over=over, by=["USUBJID"], **added
    )
    patients, sums = patients.sort("USUBJID"), {}
    for name in names:
        k, n, x = (pl.col(f"{name}.{part}") for part in "knx")
        sums |= {
            f"{name}.patients": (k > 0).sum(),
            f"{name}.clusters": (n > 0).sum(),
            f"{name}.k": k.sum(),
            f"{name}.n": n.sum(),
            f"{name}.x": x.sum(),
            f"{name}.xx": (x * x).sum(),
            f"{name}.xn": (x * n).sum(),
            f"{name}.nn": (n * n).sum(),
        }
    cells = strata.join(
        patients.group_by(STRATUM_COLUMNS).agg(**sums),
        on=STRATUM_COLUMNS,
        how="left",
        nulls_equal=True,
    )
    return cells.with_columns(pl.col(list(sums)).fill_null(0))


def _estimated(
    cells: pl.DataFrame, name: str, metric: str, *, unit: str, population: str = SESSIONS
) -> pl.DataFrame:
    is_share = unit == "proportion"
    sums = Sums(*(cells[f"{name}.{part}"] for part in Sums._fields))
    limits = clustered_proportion(sums) if is_share else clustered_mean(sums)
    k, n, x = (pl.col(f"{name}.{part}") for part in "knx")
    frame = cells.select(
        *STRATUM_COLUMNS,
        "strata",
        n_patients=pl.col(f"{name}.patients"),
        n_due=k,
        n_evaluable=n,
        n_missing=k - n,
        n_event=x if is_share else None,
        clusters=pl.col(f"{name}.clusters"),
    )
    return _named(
        _with_limits(frame, limits, is_share=is_share), metric, unit=unit, population=population
    )


def _with_limits(frame: pl.DataFrame, limits: Limits, *, is_share: bool) -> pl.DataFrame:
    names = ("estimate", "ci_lower", "ci_upper")
    columns = [
        pl.Series(name, v, pl.Float64).fill_nan(None) for name, v in zip(names, limits, strict=True)
    ]
    reason = pl.when(pl.col("n_due") == 0).then(pl.lit(NO_SESSION)).when(pl.col("n_evaluable") == 0)
    reason = reason.then(pl.lit(NOT_MEASURED))
    if not is_share:
        reason = reason.when(pl.col("clusters") == 1).then(pl.lit(ONE_PATIENT))
        reason = reason.when(pl.col("ci_lower").is_null()).then(pl.lit(EQUAL_MEANS))
    return frame.with_columns(*columns).with_columns(reason=reason).drop("clusters")


def _named(frame: pl.DataFrame, metric: str, *, unit: str, population: str) -> pl.DataFrame:
    counts = ["n_patients", "n_due", "n_evaluable", "n_missing", "n_pending", "n_not_evaluable"]
    counts += ["n_event"] if "n_event" in frame.columns else []
    frame = frame.with_columns(
        n_pending=pl.lit(0),
        n_not_evaluable=pl.lit(0),
        metric_id=pl.lit(metric),
        unit=pl.lit(unit),
        population=pl.lit(population),
        missing_rule=pl.lit("what was not measured or recorded is left out"),
    )
    return frame.with_columns(pl.col(counts).cast(pl.Int64))


# --- medians over patients ----------------------------------------------------------------------


def _medians(
    sessions: pl.DataFrame, strata: pl.DataFrame, *, over: Sequence[Combination]
) -> list[pl.DataFrame]:
    """A frame an amount: the median over patients, each with one value; exact limits by order
    statistics.
    """
    columns = {}
    for amount in _AMOUNTS:
        columns |= {f"{amount.name}.k": amount.of.sum(), amount.name: _of_one_patient(amount)}
    patients = by_strata(sessions, over=over, by=["USUBJID"], **columns)
    return [
        _median(patients, strata, amount) for amount in _AMOUNTS if "median" in amount.statistics
    ]


def _of_one_patient(amount: _Amount) -> pl.Expr:
    """The median of the patient's sessions; of the exposure their sum, null where one of them is
    not known.
    """
    value = amount.value.filter(amount.of)
    if amount.name == "cumulative_exposure":
        return pl.when(value.null_count() == 0).then(value.sum())
    return value.median()


def _median(patients: pl.DataFrame, strata: pl.DataFrame, amount: _Amount) -> pl.DataFrame:
    meant = pl.col(f"{amount.name}.k") > 0
    values = pl.col(amount.name).filter(meant)
    cells = patients.group_by(STRATUM_COLUMNS).agg(
        n_patients=meant.sum(), n_evaluable=values.count(), ordered=values.drop_nulls().sort()
    )
    cells = strata.join(cells, on=STRATUM_COLUMNS, how="left", nulls_equal=True)
    cells = cells.with_columns(pl.col("n_patients", "n_evaluable").fill_null(0).cast(pl.Int64))
    rank = pl.Series("rank", median_ranks(cells["n_evaluable"]), pl.Int64)
    cells = cells.with_columns(rank).with_columns(
        at=pl.when(pl.col("rank") > 0).then(pl.col("rank") - 1)
    )
    ordered, n = pl.col("ordered"), pl.col("n_evaluable")
    frame = cells.select(
        *STRATUM_COLUMNS,
        "strata",
        "n_patients",
        "n_evaluable",
        n_due="n_patients",
        n_missing=pl.col("n_patients") - n,
        estimate=ordered.list.median(),
        ci_lower=ordered.list.get(pl.col("at"), null_on_oob=True),
        ci_upper=ordered.list.get(n - 1 - pl.col("at"), null_on_oob=True),
        reason=pl.when(pl.col("n_patients") == 0)
        .then(pl.lit(NO_SESSION))
        .when(n == 0)
        .then(pl.lit(NOT_MEASURED))
        .when(pl.col("at").is_null())
        .then(pl.lit(FEW_PATIENTS)),
    )
    return _named(
        frame, STATISTICS[amount.name, "median"].id, unit=amount.unit, population=PATIENTS
    )


# --- courses ------------------------------------------------------------------------------------


def _courses(
    people: pl.DataFrame, courses: pl.DataFrame, adex: pl.DataFrame, *, options: Options, cut: Cut
) -> pl.DataFrame:
    """A row a course of a known patient, in the study in which it starts, with its dimensions,
    `adherence_ratio` and `is_closed`.
    """
    of = with_study(courses.select("patient_id", "course_id", "starts_on"), people, day="starts_on")
    frame = course_adherence(courses, adex).join(of.select("course_id", "STUDYID"), on="course_id")
    frame = frame.join(
        people, left_on=["STUDYID", "patient_id"], right_on=["STUDYID", "USUBJID"], suffix="_of"
    )
    frame = frame.with_columns(
        clinic_id=pl.coalesce("clinic_id", "clinic_id_of"), **{COUNTS_ONCE: pl.lit(True)}
    )
    return frame.join(
        _is_over(with_cut_day(frame, cut=cut), courses, adex, options=options), on="course_id"
    )


def _adherence(
    courses: pl.DataFrame, strata: pl.DataFrame, *, over: Sequence[Combination]
) -> pl.DataFrame:
    """Mean over courses that are over; the others are pending, those without a prescription not
    evaluable.
    """
    ratio = pl.when("is_closed").then("adherence_ratio")
    totals = (
        courses.sort("course_id")
        .group_by(*STRATUM_COLUMNS, COUNTS_ONCE, USUBJID="patient_id")
        .agg(
            **{
                "course.k": pl.len().cast(pl.Int64),
                "course.n": ratio.count().cast(pl.Int64),
                "course.x": ratio.sum(),
            }
        )
    )
    cells = _clustered(totals, strata, ["course"], over=over)
    closed = by_strata(courses, over=over, closed=pl.col("is_closed").sum().cast(pl.Int64)).drop(
        "strata"
    )
    frame = _estimated(cells, "course", "course_adherence", unit="ratio", population=COURSES)
    frame = frame.join(closed, on=STRATUM_COLUMNS, how="left", nulls_equal=True)
    n, is_over = pl.col("n_evaluable"), pl.col("closed").fill_null(0)
    return frame.with_columns(
        n_pending=pl.col("n_due") - is_over,
        n_due=is_over,
        n_missing=pl.lit(0, pl.Int64),
        n_not_evaluable=is_over - n,
        reason=pl.when(n == 0).then(pl.lit(NO_COURSE)).otherwise("reason"),
    ).drop("closed")


def _is_over(
    dated: pl.DataFrame, courses: pl.DataFrame, adex: pl.DataFrame, *, options: Options
) -> pl.DataFrame:
    """`course_id`, `is_closed`: its last day lies before `cut_on`; where it names none, the gap
    after its last session on record (else its first day) does.
    """
    last = adex.group_by(course_id="COURSEID").agg(last_on=pl.col("ASTDT").max())
    ends = pl.coalesce("last_on", "starts_on") + pl.duration(days=options.course_gap_days)
    is_closed = pl.coalesce("ends_on", ends) < pl.col("cut_on")
    frame = dated.select("course_id", "cut_on").join(
        courses.select("course_id", "starts_on", "ends_on"), on="course_id"
    )
    frame = frame.join(last, on="course_id", how="left")
    return frame.select("course_id", is_closed=is_closed.fill_null(False))
