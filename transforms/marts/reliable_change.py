"""mart.reliable_change: how many patients changed beyond measurement error, by stratum and visit.

Here: shares of the four classes of adqs and adact, of the patients due. Not here: a change's class
(measurement_error, marts/adact), important change (important_change, cohort_outcomes).

Who is due, asked and has a baseline is expected. Of them those have a class whose change and whose
measurement error are known; those without a value at the visit are missing, the others not
evaluable.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.mobility_parameters import CHANGE_VERIFICATION, PERFORMANCE_TESTS, WEEKLY_PARAMETERS
from ..facts.parameters import PARAMETERS
from ..facts.responses import CHANGE_CLASSES
from ..facts.strata import STORED, STRATUM_COLUMNS, Combination
from ..facts.values import ALL, FIRST
from ..options import Cut, Options
from ..rules import measurement_error, windows
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import repeated
from ..statistics.reliable_change import RELIABLE, standard_error_of_difference
from .clustered_columns import PROPORTION, Measure, with_clustered
from .cohort_estimates import NO_VALUE, as_proportion
from .stamp import stamped
from .strata import by_strata, with_clinics
from .visit_values import asked_of, coupling, due_of, expected_of, people_of, values_of

TABLE = MART_TABLES["reliable_change"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.adact", "mart.subject_episodes")
METRIC = "reliable_change"
_BY = ["parameter", "visit"]
_COUNTS = [f"n_{name}" for name in CHANGE_CLASSES]
_CLUSTERED = [
    Measure(
        name=f"{name}_clustered",
        kind=pl.lit(PROPORTION),
        x=pl.col(f"n_{name}"),
        n=pl.col("n_evaluable"),
    )
    for name in reversed(
        CHANGE_CLASSES
    )  # the first gives the reason, and `recovered` may have no cut
]


def compute(
    *,
    adsl,
    adqs,
    adact,
    subject_episodes,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
    episode: str = FIRST,
) -> pl.DataFrame:
    """A row a parameter, visit and stratum with an expected patient; columns of
    MART_TABLES["reliable_change"].
    """
    people = people_of(adsl, subject_episodes, options=options, episode=episode)
    if people.is_empty():
        return TABLE.empty()
    due = due_of(people, cut=cut).filter(pl.col("AVISIT") != windows.BASELINE)
    errors = known_errors(options=options)
    values = _values(adqs, adact, errors)
    expected = _expected(values, people, due)
    rows = _counts(expected, due, over=with_clinics(over)).join(errors, on="parameter")
    patients = _of_patients(expected, over=with_clinics(over)) if episode == ALL else None
    has_class = pl.col("reason").is_null()
    rows = rows.with_columns(
        pl.when(has_class).then(pl.col(_COUNTS))
    )  # a count of an unknown class is no zero
    rows = rows.with_columns(
        n_recovered=pl.when(pl.col("recovered_at").is_not_null()).then("n_recovered")
    )
    for name in CHANGE_CLASSES:
        counted = rows.with_columns(n_event=pl.col(f"n_{name}"))
        if patients is not None:
            counted = _with_sums(counted, patients, name)
        share = as_proportion(counted, "n_evaluable")
        limits = {name: "estimate", f"{name}_lower": "ci_lower", f"{name}_upper": "ci_upper"}
        rows = rows.with_columns(share.select(**limits))
    rows = with_clustered(rows, _CLUSTERED, by=_BY, over=over)
    no_value = pl.when(pl.col("n_evaluable") == 0).then(pl.lit(NO_VALUE))
    rows = rows.with_columns(
        cells(options).suppressed(rows),
        metric_id=pl.lit(METRIC),
        reason=pl.coalesce("reason", no_value),
    )
    return TABLE.conform(stamped(rows, cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    counts = ["n_patients", "n_evaluable", *_COUNTS]
    return disclosure.Cells(
        counts=counts, dimensions=CELL_DIMENSIONS, by=_BY, min_cell=options.min_cell
    )


def coupled(
    *, adsl: pl.DataFrame, subject_episodes: pl.DataFrame, adqs, adact, options: Options
) -> list[pl.DataFrame]:
    """What the rows of a stratum are made of that is of everybody."""
    people = people_of(adsl, subject_episodes, options=options)
    return coupling(_values(adqs, adact, known_errors(options=options)), people)


def _values(adqs: pl.DataFrame, adact: pl.DataFrame, errors: pl.DataFrame) -> pl.DataFrame:
    has_error = pl.col("PARAMCD").is_in(errors["parameter"].implode())
    return values_of(adqs, adact).filter(has_error)


def _expected(values: pl.DataFrame, people: pl.DataFrame, due: pl.DataFrame) -> pl.DataFrame:
    """A row a subject, episode, parameter and visit that is expected, with its change and class."""
    expected = expected_of(values, due, asked_of(values, people))
    seen = values.select("USUBJID", "PARAMCD", "AVISIT", "CHG", "CHGCAT1")
    expected = expected.join(seen, on=["USUBJID", "PARAMCD", "AVISIT"], how="left")
    return expected.rename({"PARAMCD": "parameter", "AVISIT": "visit"})


def _of_patients(expected: pl.DataFrame, *, over: Sequence[Combination]) -> pl.DataFrame:
    """Where all episodes count: a row a stratum, parameter, visit and patient, of the episodes with a
    class how many (`every`), and how many in each.
    """
    return by_strata(
        expected,
        over=over,
        by=[*_BY, "patient_id"],
        every=pl.col("CHGCAT1").count(),
        **{name: (pl.col("CHGCAT1") == name).sum() for name in CHANGE_CLASSES},
    ).sort("patient_id")  # a sum's last digit depends on its order


def _with_sums(rows: pl.DataFrame, patients: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows, in their order, with the sums over patients, who are the clusters, of one class."""
    cell = [*STRATUM_COLUMNS, *_BY]
    sums = patients.group_by(cell).agg(**repeated.sums("every", name))
    return rows.join(sums, on=cell, how="left", nulls_equal=True, maintain_order="left")


def _counts(
    people: pl.DataFrame, due: pl.DataFrame, *, over: Sequence[Combination]
) -> pl.DataFrame:
    """A row a stratum, parameter and visit: who is due, expected (`people`), has a class, and
    which.
    """
    missing = pl.col("CHG").is_null() & pl.col("is_on_scale")
    cells = by_strata(
        people,
        over=over,
        by=_BY,
        n_evaluable=pl.col("CHGCAT1").count(),
        n_missing=missing.sum(),
        **{f"n_{name}": (pl.col("CHGCAT1") == name).sum() for name in CHANGE_CLASSES},
    )
    patients = by_strata(
        due.rename({"AVISIT": "visit"}),
        over=over,
        by=["visit"],
        n_patients=pl.col("patient_id").n_unique(),
        n_due=pl.col("is_due").sum(),
        n_pending=(~pl.col("is_due")).sum(),
    ).drop("strata")
    cells = cells.join(patients, on=[*STRATUM_COLUMNS, "visit"], nulls_equal=True)
    counts = [c for c in cells.columns if c.startswith("n_")]
    return cells.with_columns(pl.col(counts).cast(pl.Int64)).with_columns(
        n_not_evaluable=pl.col("n_due") - pl.col("n_evaluable") - pl.col("n_missing"),
    )


def known_errors(*, options: Options) -> pl.DataFrame:
    """A row a parameter: `unit`, `standard_error_of_measurement`, `smallest_change`,
    `recovered_at`, their sources, `verification`, and a `reason` where no error is known.
    """
    scores = [_of_score(code, options=options) for code in measurement_error.OF_CHANGE]
    mobility = [_of_mobility(p) for p in (*WEEKLY_PARAMETERS, *PERFORMANCE_TESTS)]
    columns = ("standard_error_of_measurement", "smallest_change", "recovered_at")
    schema = {
        "parameter": pl.String,
        "unit": pl.String,
        **dict.fromkeys(columns, pl.Float64),
        "source": pl.String,
        "recovered_source": pl.String,
        "verification": pl.String,
        "reason": pl.String,
    }
    return pl.DataFrame(
        [dict.fromkeys(schema) | row for row in (*scores, *mobility)], schema=schema
    )


def _of_score(code: str, *, options: Options) -> dict:
    error = measurement_error.error_of(PARAMETERS[code], options=options)
    smallest = (
        None
        if error.sem is None
        else RELIABLE * standard_error_of_difference(sd=error.sem, reliability=0)
    )
    return {
        "parameter": code,
        "unit": PARAMETERS[code].unit,
        "standard_error_of_measurement": error.sem,
        "smallest_change": smallest,
        "recovered_at": error.recovered_at,
        "source": error.source,
        "recovered_source": error.recovered_source,
        "verification": error.verification,
        "reason": error.reason,
    }


def _of_mobility(parameter) -> dict:
    reason = None
    if parameter.change is None:
        reason = "no smallest change of this parameter is known"
    elif parameter.direction == "none":
        reason = f"no direction of it is the better one; a change under {parameter.change:g} is not shown as change"
    source = None if parameter.change is None else parameter.source
    return {
        "parameter": parameter.code,
        "unit": parameter.unit,
        "smallest_change": parameter.change,
        "source": source,
        "verification": source and CHANGE_VERIFICATION,
        "reason": reason,
    }
