"""mart.arm_comparisons: arm minus reference, a row a study, parameter, visit, pair of arms,
population and method.

Here: which rows a pair of arms has. Not here: who is compared with whom (arm_pairs.py), the models
(arm_models.py), responders (arm_responders.py).

An arm is compared with the reference arm of its own study (routine care being one): patients of
another study are not its controls. The reference is the arm that the study names, else one by name,
else the setting's. While a study's arms are masked it has no comparison, and a row that says so.
Everybody allocated is compared; beside that, under its name, each analysis set that leaves somebody
out.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from .. import disclosure
from ..facts.parameters import PARAMETERS
from ..facts.values import COMPLETERS, MASKED, NONE, OBSERVED
from ..options import Cut, Options
from ..rules import windows
from ..rules.local_time import with_cut_day
from ..schemas import MART_TABLES
from .arm_models import NO_FIGURE, ancova, mmrm, with_strata
from .arm_pairs import NO_REFERENCE, Pair, pairs_of, placed, subjects_of
from .arm_responders import risk_differences
from .stamp import stamped

TABLE = MART_TABLES["arm_comparisons"]
INPUTS = ("mart.adqs", "mart.adsl")
WHILE_MASKED = "the study's arms are masked until a day (masked_until) that lies after the data cut"
OF_LAST_VISIT, OF_SET = "completers_of_last_visit", "set "
_OF_SUBGROUP = ", "  # between a population and the indication that it is of


def compute(*, adqs, adsl, options: Options, cut: Cut) -> pl.DataFrame:
    """Conforms to `mart.arm_comparisons`; empty where no patient has an arm. See the module for who
    is compared.
    """
    rows = [
        _named(row)
        for (study,), of_study in sorted(
            subjects_of(adsl).partition_by("STUDYID", as_dict=True).items()
        )
        for row in _of_study(study, of_study, adqs, options=options, cut=cut)
    ]
    if not rows:
        return TABLE.empty()
    frame = pl.DataFrame(
        rows, schema_overrides={c.name: c.polars for c in TABLE.columns}, infer_schema_length=None
    )
    missing = [pl.lit(None).alias(c.name) for c in TABLE.columns if c.name not in frame.columns]
    frame = frame.with_columns(*missing)
    return TABLE.conform(stamped(frame.with_columns(cells(options).suppressed(frame)), cut=cut))


def _of_study(
    study: str, subjects: pl.DataFrame, adqs: pl.DataFrame, *, options: Options, cut: Cut
) -> Iterator[dict]:
    subjects, strata = with_strata(subjects)
    rows = placed(adqs, subjects=subjects, strata=strata, options=options)
    if (subjects["MASKFL"] == "Y").any():
        yield from _masked_rows(study, rows)
        return
    for pair in pairs_of(study, subjects, rows, strata, options=options):
        yield from _compared(pair, options=options, cut=cut)


def _masked_rows(study: str, rows: pl.DataFrame) -> Iterator[dict]:
    """A row a parameter and visit of a study whose arms are masked: how many have a value, and why
    nothing else.
    """
    at_visit = rows.filter((pl.col("ANL01FL") == "Y") & (pl.col("AVISIT") != windows.BASELINE))
    counts = (
        at_visit.group_by("PARAMCD", "AVISIT")
        .agg(n=pl.col("USUBJID").n_unique())
        .sort("PARAMCD", "AVISIT")
    )
    for code, visit, n in counts.iter_rows():
        yield {
            "study_id": study,
            "parameter": code,
            "visit": visit,
            "arm": MASKED,
            "reference_arm": MASKED,
            "indication": None,
            "population": COMPLETERS,
            "n_arm": n,
            "n_reference": 0,
            "method": "ancova",
            "metric_id": "arm_difference_ancova",
            "reason": WHILE_MASKED,
        }


def cells(options: Options) -> disclosure.Cells:
    """Patients and responders of both arms, and those who are none; subgroups by indication add up
    to all.
    """
    sides = ("arm", "reference")
    counts = [f"{what}_{side}" for what in "nx" for side in sides]
    rest = [pl.col(f"n_{side}") - pl.col(f"x_{side}") for side in sides]
    further = [*(f"n_too_low_{side}" for side in sides), "n_left_out"]
    population = pl.col("population").str.split(_OF_SUBGROUP).list.first()
    return disclosure.Cells(
        counts=[*counts, *rest, *further],
        dimensions=["indication"],
        min_cell=options.min_cell,
        by=[
            "study_id",
            "parameter",
            "visit",
            "arm",
            "reference_arm",
            population,
            "criterion",
            "method",
        ],
        widened=_without_parts,
    )


def _without_parts(rows: pl.DataFrame) -> pl.Series:
    """Rows of a part of the completers are for nobody outside: what is not in the part is told by
    the difference.
    """
    is_part = pl.col("population").str.starts_with(OF_LAST_VISIT) | pl.col(
        "population"
    ).str.starts_with(OF_SET)
    return rows.select(is_suppressed=pl.col("is_suppressed") | is_part)["is_suppressed"]


def _named(row: dict) -> dict:
    """The population of a subgroup says which: what is read without `indication` is never a
    subgroup's.
    """
    only = "" if row["indication"] is None else f"{_OF_SUBGROUP}{row['indication']}"
    return row | {"population": row["population"] + only}


def _compared(pair: Pair, *, options: Options, cut: Cut) -> Iterator[dict]:
    for code in sorted(pair.rows["PARAMCD"].unique()):
        rows = pair.rows.filter(PARAMCD=code)
        counted = rows.filter(
            pl.col("AVISIT").is_not_null()
            & (pl.col("AVISIT") != windows.BASELINE)
            & (pl.col("ANL01FL") == "Y")
        )
        parts = {
            visit: part
            for visit in pair.visits
            if (part := counted.filter(AVISIT=visit.name)).height
        }
        incomplete = {
            visit.name: _incomplete(pair, rows, part, visit=visit, options=options, cut=cut)
            for visit, part in parts.items()
        }
        for visit, at_visit in parts.items():
            head, why = _head(pair, code, visit.name), incomplete[visit.name]
            if code != "PGIC":
                yield (
                    head
                    | _of_model(code, "ancova")
                    | _ancova(pair, at_visit, incomplete=why, options=options)
                )
            if pair.reference == NONE:
                continue
            due = _due(pair, visit, cut=cut)
            for row in risk_differences(
                pair.arms(options), rows, at_visit, due=due, options=options
            ):
                yield head | _in_set(pair, row) | _withheld(why)
        if len(parts) > 1 and code != "PGIC" and pair.reference != NONE and pair.indication is None:
            yield from _all_visits(pair, code, counted, incomplete, options=options)
            if options.completers_of_last_visit and pair.analysis_set is None:
                yield from _of_last_visit(pair, code, parts, incomplete, options=options)


def _in_set(pair: Pair, row: dict) -> dict:
    """The row with the analysis set, if any, before its population."""
    return (
        row
        if pair.analysis_set is None
        else row | {"population": f"{OF_SET}{pair.analysis_set}: {row['population']}"}
    )


def _withheld(incomplete: str | None) -> dict:
    if incomplete:
        return {"reason": incomplete, **NO_FIGURE}
    return {}


def _head(pair: Pair, code: str, visit: str) -> dict:
    return {
        "study_id": pair.study,
        "parameter": code,
        "visit": visit,
        "arm": pair.arm,
        "reference_arm": pair.reference,
        "allocation": pair.allocation,
        "indication": pair.indication,
    }


def _of_model(code: str, method: str) -> dict:
    return {
        "criterion": None,
        "unit": PARAMETERS[code].unit,
        "direction": PARAMETERS[code].better,
        "method": method,
        "metric_id": f"arm_difference_{method}",
    }


def _due(pair: Pair, visit: windows.Visit, *, cut: Cut) -> pl.DataFrame:
    """Patients whose window has closed at the data cut, where they are enrolled."""
    closes = windows.date_of(visit.last, day1=pl.col("ARMDAY1"))
    return with_cut_day(pair.subjects, cut=cut).filter(closes < pl.col("cut_on"))


def _incomplete(pair: Pair, rows, at_visit, *, visit, options: Options, cut: Cut) -> str | None:
    """Why the visit is too incomplete to compare: of those ever asked who are due or have a value,
    too few have one.
    """
    due = _due(pair, visit, cut=cut).join(rows, on="USUBJID", how="semi")["USUBJID"]
    due = pl.concat([due, at_visit["USUBJID"]]).n_unique()
    share = 100 * at_visit["USUBJID"].n_unique() / due
    if share >= options.min_completeness_pct:
        return None
    return f"{share:.0f} % of the patients due have a value, {options.min_completeness_pct:g} % are needed"


def _ancova(
    pair: Pair, at_visit: pl.DataFrame, *, incomplete: str | None, options: Options
) -> dict:
    arms = pair.arms(options)
    row = _in_set(pair, {"population": COMPLETERS} | arms.count(at_visit))
    if pair.reference == NONE:
        return row | {"reason": NO_REFERENCE}
    return row | (_withheld(incomplete) or ancova(arms, at_visit))


def _all_visits(
    pair: Pair,
    code: str,
    counted: pl.DataFrame,
    incomplete: Mapping[str, str | None],
    *,
    options: Options,
) -> Iterator[dict]:
    """A row a visit of the model of all. Where a study plans no visits, one that too few have was
    not planned.
    """
    is_planned = pair.subjects["VISITPLN"].is_not_null().any()
    unplanned = {} if is_planned else {visit: why for visit, why in incomplete.items() if why}
    figures = mmrm(
        pair.arms(options), counted, visits=pair.visits, unplanned=unplanned, options=options
    )
    for visit, row in figures:
        head = (
            _head(pair, code, visit)
            | _of_model(code, "mmrm")
            | _in_set(pair, {"population": OBSERVED})
        )
        yield head | row | _withheld(incomplete[visit])


def _of_last_visit(
    pair: Pair,
    code: str,
    parts: Mapping[windows.Visit, pl.DataFrame],
    incomplete: Mapping[str, str | None],
    *,
    options: Options,
) -> Iterator[dict]:
    """The earlier visits among those with a value at the last one: to reproduce trials that print
    it so.
    """
    *earlier, last = parts
    for visit in earlier:
        at_visit = parts[visit].join(parts[last], on="USUBJID", how="semi")
        figures = _ancova(
            pair,
            at_visit,
            incomplete=incomplete[visit.name] or incomplete[last.name],
            options=options,
        )
        head = _head(pair, code, visit.name) | _of_model(code, "ancova")
        yield head | figures | {"population": OF_LAST_VISIT}
