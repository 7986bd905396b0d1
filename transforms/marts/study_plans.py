"""mart.study_plans: one row a study: what it plans, which arm is its reference, its primary
analysis.

Here: what the study's record says, in columns. Not here: who is in it (adsl), windows of its visits
(rules/studies.py).
"""

import json

import polars as pl

from ..facts.parameters import PARAMETERS
from ..facts.values import ROUTINE
from ..options import Cut, Options
from ..rules.studies import masked
from ..schemas import MART_TABLES
from .arm_pairs import reference_arm

TABLE = MART_TABLES["study_plans"]
INPUTS = ("core.studies", "mart.adsl")
METHODS = ("ancova", "mmrm", "risk_difference")
NOT_NAMED = "the study names no primary analysis (parameter, visit and method)"
WHILE_MASKED = "it is not shown while the study's arms are masked"
NO_REFERENCE = "no arm is named by the study, by a usual name or in FLOE_REFERENCE_ARM"


def compute(
    *, studies: pl.DataFrame, adsl: pl.DataFrame, options: Options, cut: Cut
) -> pl.DataFrame:
    """A row a study that has a record or a patient; columns of MART_TABLES["study_plans"]."""
    records = {row["study_id"]: row for row in studies.iter_rows(named=True)}
    named = {study for study in adsl["STUDYID"].unique() if study != ROUTINE} | set(records)
    hidden = set(masked(studies, cut=cut))
    rows = [
        _plan(
            study,
            records.get(study, {}),
            arms=adsl.filter(STUDYID=study)["ARM"].drop_nulls().unique().sort().to_list(),
            is_masked=study in hidden,
            options=options,
        )
        for study in sorted(named)
    ]
    return TABLE.conform(pl.DataFrame(rows, schema=TABLE.polars_schema))


def _plan(study: str, record: dict, *, arms: list[str], is_masked: bool, options: Options) -> dict:
    reference, basis = (None, WHILE_MASKED)
    if not is_masked:
        reference, basis = _reference(arms, record.get("reference_arm"), options=options)
    return {
        "study_id": study,
        "title": record.get("title"),
        "masked_until": record.get("masked_until"),
        "is_masked": is_masked,
        "reference_arm": reference,
        "reference_basis": basis,
        "planned_visits": record.get("planned_visits"),
        **_primary(json.loads(record.get("primary") or "{}")),
    }


def _reference(arms: list[str], named: str | None, *, options: Options) -> tuple[str | None, str]:
    reference = reference_arm(arms, named=named, options=options)
    if reference is None:
        return None, NO_REFERENCE if arms else "nobody has an arm"
    same = reference.strip().lower()
    if same == (named or "").strip().lower():
        return reference, "the study names it"
    is_setting = same == options.reference_arm.strip().lower()
    return reference, "FLOE_REFERENCE_ARM names it" if is_setting else "by its name"


def _primary(primary: dict) -> dict:
    """What the record says of the primary analysis, and why it can't be looked up where it
    can't.
    """
    values = {
        f"primary_{name}": str(primary[name]) if primary.get(name) else None
        for name in ("parameter", "visit", "method")
    }
    return values | {"primary_reason": _why_not(*values.values())}


def _why_not(parameter: str | None, visit: str | None, method: str | None) -> str | None:
    if not (parameter and visit and method):
        return NOT_NAMED
    if parameter not in {p.code for p in PARAMETERS.values()}:
        return f"{parameter} is no parameter in which arms are compared (PARAMCD of mart.adqs)"
    if method not in METHODS:
        return f"{method} is no method of mart.arm_comparisons ({', '.join(METHODS)})"
    return None
