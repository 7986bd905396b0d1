"""mart.cohort_outcomes: a row a metric, stratum, visit and population, with its denominators.

Here: means, changes from baseline and responder shares of the parameters of adqs and adact, over
combinations of the dimensions, and all rows together. Not here: rows about sessions and
courses (cohort_sessions) and about other care (cohort_care), comparisons of arms. A change from
baseline is a change, not an effect.

Of the due (visit_values), those whose study (STUDYID) never asks for the parameter at the visit, or
whose clinic asks for others alone, or who have no baseline that a rule can judge from, are not
evaluable; the others have a value (evaluable) or not (missing). Who is not due is pending, not
missing.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from .. import disclosure
from ..facts.catalogue import METRICS
from ..facts.estimands import COMPOSITE, ESTIMANDS, TREATMENT_POLICY
from ..facts.responses import POPULATIONS
from ..facts.strata import STORED, STORED_OF_CHOICES, Combination
from ..facts.values import ALL, COMPLETERS, FIRST, LATEST, MISSING_AS_NONRESPONDER
from ..options import Cut, Options
from ..rules import care as care_rules
from ..rules.intercurrent import with_first_event
from ..rules.local_time import clocks
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from . import cohort_care, cohort_sessions, cohort_visits
from .by_stratum import marks
from .clustered_columns import MEAN, PROPORTION, RATE, Measure, with_clustered
from .cohort_estimates import as_mean, as_proportion
from .cohort_responses import Units
from .patient_outcomes import lasting_response
from .stamp import stamped
from .strata import Over, by_strata, of_episodes, per_subject, with_clinics
from .visit_values import coupling, due_of, judgements_of, people_of, values_of

TABLE = MART_TABLES["cohort_outcomes"]
INPUTS = (
    "mart.adsl",
    "mart.adqs",
    "mart.adact",
    "mart.adex",
    "mart.subject_episodes",
    "core.courses",
    "core.care",
    "core.patients",
    "core.clinics",
    "core.patient_status",
)
_ROW = ["metric_id", "visit", "population", "episode", "strategy"]
_DEFAULTS = {name: estimand.default for name, estimand in ESTIMANDS.items()}
EPISODES = (FIRST, LATEST, ALL)
_DEFINED = pl.DataFrame(
    [(m.id, m.parameter, m.statistic) for m in METRICS.values()],
    schema=dict.fromkeys(("metric_id", "parameter", "statistic"), pl.String),
    orient="row",
)


def compute(
    *,
    adsl,
    adqs,
    adact,
    adex,
    subject_episodes,
    courses,
    care,
    patients,
    clinics,
    patient_status,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
    choices: Sequence[Combination] | None = None,
    episodes: Sequence[str] = EPISODES,
) -> pl.DataFrame:
    """Conforms to `mart.cohort_outcomes`; empty where there is no patient.

    `over`: the combinations of the first episode under the default strategy, `choices` of others
    (None: those that are stored), `episodes` which ones: for somebody who asks for more than is
    stored, or for some of it.
    """
    if adsl.is_empty():
        return TABLE.empty()
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    care = care_rules.local_care(care, whose)
    touched = over.touched if isinstance(over, Over) else None
    choices = Over(STORED_OF_CHOICES, touched) if choices is None else choices
    parts, apart, few = [], with_clinics(over), with_clinics(choices)
    for episode in episodes:
        combinations = apart if episode == FIRST else few
        people = people_of(adsl, subject_episodes, options=options, episode=episode)
        people = with_first_event(people, care)
        units = Units(
            episode=episode,
            people=people,
            due=due_of(people, cut=cut),
            values=values_of(adqs, adact),
            judged=judgements_of(adqs),
        )
        of_episode = [
            *cohort_visits.rows(units, over=combinations, choices=few, options=options),
            *_without_visit(_whole_course(people, adqs, care, options=options), over=combinations),
        ]
        parts += [part.with_columns(episode=pl.lit(episode)) for part in of_episode]
    parts += cohort_sessions.rows(adsl, adex, courses, options=options, cut=cut, over=apart)
    parts += cohort_care.rows(adsl, care, cut=cut, over=apart)
    frame = pl.concat(parts, how="diagonal").join(_DEFINED, on="metric_id", maintain_order="left")
    usual = with_clustered(frame.filter(~_is_asked_for()), [_CLUSTERED], by=_ROW, over=over)
    others = with_clustered(frame.filter(_is_asked_for()), [_CLUSTERED], by=_ROW, over=choices)
    frame = pl.concat([usual, others])
    frame = frame.with_columns(marks(frame, cells(options), is_released=is_released))
    order = [*TABLE.key[:6], "visit_day", "population", "episode", "strategy"]
    return TABLE.conform(stamped(frame, cut=cut)).sort(order)


# What a row's estimate is over clinics: a rate has years, a median over patients is neither sum nor
# share
_IS_SHARE = pl.col("unit") == "proportion"
_COUNTED = pl.col("n_evaluable") + pl.when(pl.col("population") == MISSING_AS_NONRESPONDER).then(
    "n_missing"
).otherwise(0)
_CLUSTERED = Measure(
    name="ci_clustered",
    kind=pl.when(pl.col("statistic") == "median")
    .then(None)
    .when(pl.col("patient_years").is_not_null())
    .then(pl.lit(RATE))
    .when(_IS_SHARE)
    .then(pl.lit(PROPORTION))
    .otherwise(pl.lit(MEAN)),
    x=pl.when(_IS_SHARE | pl.col("patient_years").is_not_null())
    .then("n_event")
    .otherwise(pl.col("estimate") * pl.col("n_evaluable")),
    n=pl.coalesce(pl.col("patient_years") / 100, _COUNTED),
)


def cells(options: Options) -> disclosure.Cells:
    """The populations of a metric share their patients: they are one cell."""
    counts = ["n_patients", "n_evaluable", "n_event", pl.col("n_evaluable") - pl.col("n_event")]
    return disclosure.Cells(
        counts=counts,
        dimensions=CELL_DIMENSIONS,
        by=["metric_id", "visit", "episode", "strategy"],
        min_cell=options.min_cell,
    )


# --- metrics of a patient's whole course --------------------------------------------------------


def is_released() -> pl.Expr:
    """Rows that a release may hold: no other choice of episodes and strategies, for beside the first
    episode under the default strategy each would tell how many differ.
    """
    return ~_is_asked_for()


def coupled(
    *, adsl: pl.DataFrame, subject_episodes: pl.DataFrame, adqs, adact, options: Options, **_: Any
) -> list[pl.DataFrame]:
    """What the rows of a stratum are made of that is of everybody: what studies and clinics ask
    for.
    """
    values = values_of(adqs, adact)
    people = (
        people_of(adsl, subject_episodes, options=options, episode=episode) for episode in EPISODES
    )
    return [frame for of_episode in people for frame in coupling(values, of_episode)]


def _is_asked_for() -> pl.Expr:
    """Rows of another choice than the first episode under the default strategy."""
    default = pl.col("statistic").replace_strict(_DEFAULTS, default=None, return_dtype=pl.String)
    return ((pl.col("episode") != FIRST) | (pl.col("strategy") != default)).fill_null(False)


def _whole_course(
    people: pl.DataFrame, adqs: pl.DataFrame, care: pl.DataFrame, *, options: Options
) -> pl.DataFrame:
    """The subjects with sustained response and opioid doses, as mart.patient_outcomes gives them of
    a patient.
    """
    lasting = lasting_response(of_episodes(adqs), people, options=options)
    lasting = lasting.drop("sustained_reason")
    days = people.select("DAY1DT", patient_id="USUBJID")
    doses = care_rules.opioid_doses(per_subject(care, people), days).rename(
        {"patient_id": "USUBJID"}
    )
    return people.join(lasting, on="USUBJID", how="left").join(doses, on="USUBJID", how="left")


def _without_visit(outcomes: pl.DataFrame, *, over: Sequence[Combination]) -> list[pl.DataFrame]:
    """Sustained response (without two assessments not evaluable) and opioid dose (not known:
    missing): no visit.
    """
    change = pl.col("opioid_mme_latest") - pl.col("opioid_mme_baseline")
    paired = change.is_not_null()
    outcomes = outcomes.with_columns(
        sustained=pl.col("is_sustained_responder").cast(pl.Int64),
        opioid=change,
        opioid_before=pl.when(paired).then("opioid_mme_baseline"),
        opioid_latest=pl.when(paired).then("opioid_mme_latest"),
    )
    share = _of_everybody(
        outcomes, "sustained", "sustained_response", over=over, without="n_not_evaluable"
    ).with_columns(n_event=pl.col("total").cast(pl.Int64), strategy=pl.lit(COMPOSITE))
    means = [
        _of_everybody(outcomes, "opioid", "opioid_change", over=over),
        _of_everybody(outcomes, "opioid_before", "opioid_dose_before", over=over),
        _of_everybody(outcomes, "opioid_latest", "opioid_dose_latest", over=over),
    ]
    return [as_proportion(share, "n_evaluable"), *(as_mean(m) for m in means)]


def _of_everybody(
    outcomes: pl.DataFrame,
    column: str,
    metric: str,
    *,
    over: Sequence[Combination],
    without: str = "n_missing",
) -> pl.DataFrame:
    """Counts of all patients; those without a value are counted in `without`."""
    value = pl.col(column)
    unit = next(m.unit for m in METRICS.values() if m.id == metric)
    counts = by_strata(
        outcomes,
        over=over,
        n_patients=pl.col("patient_id").n_unique().cast(pl.Int64),
        n_episodes=pl.len().cast(pl.Int64),
        n_evaluable=value.count().cast(pl.Int64),
        total=value.sum().cast(pl.Float64),
        mean=value.mean(),
        sd=value.std(),
    )
    return counts.with_columns(
        metric_id=pl.lit(metric),
        unit=pl.lit(unit),
        population=pl.lit(COMPLETERS),
        missing_rule=pl.lit(POPULATIONS[COMPLETERS].of_missing),
        n_due=pl.col("n_episodes"),
        n_pending=pl.lit(0, dtype=pl.Int64),
        n_missing=pl.lit(0, dtype=pl.Int64),
        n_not_evaluable=pl.lit(0, dtype=pl.Int64),
    ).with_columns(
        (pl.col("n_episodes") - pl.col("n_evaluable")).alias(without),
        strategy=pl.lit(TREATMENT_POLICY),
    )
