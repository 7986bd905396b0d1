"""mart.consort_flow: how many patients of a study were enrolled, allocated, treated, followed and
analysed, arm by arm, and why the others were not.

Here: the counts of each step. Not here: the steps (facts/flow.py), who is in which analysis set
(analysis_sets), the analysis itself (arm_comparisons).

A patient is followed at a visit of the study by a value that counts for it, placed from the day of
allocation as in a comparison of arms: of the primary parameter, of a study without one of any.
Everybody allocated is followed, pending or lost at each visit. While the arms are masked only all
of them together are counted.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from .. import disclosure
from ..facts import flow
from ..facts.analysis_sets import ITT
from ..facts.flow import STEPS
from ..facts.instruments import CASE_MIX
from ..facts.parameters import PARAMETERS
from ..facts.values import COMPLETERS, NONE, OBSERVED, ROUTINE
from ..options import Cut, Options
from ..rules import windows
from ..rules.local_time import with_cut_day
from ..rules.studies import planned_visits
from ..schemas import MART_TABLES
from .arm_pairs import as_compared, placed
from .stamp import stamped

TABLE = MART_TABLES["consort_flow"]
INPUTS = (
    "mart.adsl",
    "mart.adqs",
    "mart.study_plans",
    "mart.analysis_sets",
    "mart.arm_comparisons",
)
METRIC = "consort_flow"
NO_REASON = "no reason on record"
NO_VALUE = "no value in the visit's window"
NOT_IN_MODEL = "a value at the visit, and not in the model"
_POPULATION = {"ancova": COMPLETERS, "mmrm": OBSERVED, "risk_difference": COMPLETERS}


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study's patients (rows of mart.adsl with `cut_on`), its plan, and who has a
    value at which visit.
    """

    plan: dict
    people: pl.DataFrame
    values: pl.DataFrame  # USUBJID, AVISIT of the values that count
    left_out: dict[str, str]  # patients whom the study does not allocate, and why
    comparisons: pl.DataFrame

    @property
    def allocated(self) -> pl.DataFrame:
        return self.people.filter(ALLOCFL="Y")

    @property
    def arms(self) -> list[str]:
        if self.plan["is_masked"]:
            return []
        arms = self.allocated["ARM"].fill_null(NONE)
        return arms.unique().sort().to_list()

    @property
    def visits(self) -> list[windows.Visit]:
        """The planned visits after baseline; of the default ones those at which somebody has a
        value.
        """
        plan = self.plan["planned_visits"]
        visits = [v for v in planned_visits(plan) if v.name != windows.BASELINE]
        has_value = set(self.values["AVISIT"])
        is_default = planned_visits(plan) == windows.VISITS
        return [v for v in visits if not is_default or v.name in has_value]


def compute(
    *,
    adsl: pl.DataFrame,
    adqs: pl.DataFrame,
    study_plans: pl.DataFrame,
    analysis_sets: pl.DataFrame,
    arm_comparisons: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """A row a study, arm and step; columns of MART_TABLES["consort_flow"]. Routine care has no
    flow.
    """
    people = as_compared(adsl.filter(pl.col("STUDYID") != ROUTINE))
    people = with_cut_day(people, cut=cut)
    rows = []
    for plan in study_plans.iter_rows(named=True):
        study = plan["study_id"]
        mine = people.filter(STUDYID=study)
        sets = analysis_sets.filter(STUDYID=study, set_code=ITT, is_in=False)
        of_study = Study(
            plan=plan,
            people=mine,
            values=_values(mine, adqs.filter(STUDYID=study), plan=plan, options=options),
            left_out=dict(sets.select("USUBJID", "reason").iter_rows()),
            comparisons=arm_comparisons.filter(study_id=study),
        )
        rows += [{"study_id": study, "metric_id": METRIC} | row for row in _steps(of_study)]
    if not rows:
        return TABLE.empty()
    columns = {c.name: c.polars for c in TABLE.columns}
    frame = pl.DataFrame(rows, schema_overrides=columns, infer_schema_length=None)
    frame = stamped(frame, cut=cut)
    marks = cells(options).suppressed(frame)
    return TABLE.conform(frame.with_columns(marks)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    """Patients at a step, those of the step before who are not, and those followed at a visit but
    not analysed.

    Steps are parts of one another: where one cell of a study is hidden, so is all of its flow; but
    for those enrolled more than once, of whom no other step tells.
    """
    others = pl.col("n_of") - pl.col("n_patients")
    followed = pl.col("n_patients").filter(pl.col("step") == flow.FOLLOWED)
    followed = followed.first().over("study_id", "arm", "visit")
    not_analysed = pl.when(pl.col("step") == flow.ANALYSED).then(followed - pl.col("n_patients"))
    return disclosure.Cells(
        counts=["n_patients", others, not_analysed],
        dimensions=["arm"],
        by=["study_id", "step", "visit"],
        min_cell=options.min_cell,
        widened=_widened,
    )


def _widened(rows: pl.DataFrame) -> pl.Series:
    is_hidden = pl.col("is_suppressed")
    is_part = pl.col("step") != flow.ENROLLED_AGAIN
    of_study = (is_hidden & is_part).any().over("study_id")
    return rows.select(is_suppressed=is_hidden | of_study)["is_suppressed"]


def _values(
    people: pl.DataFrame, adqs: pl.DataFrame, *, plan: dict, options: Options
) -> pl.DataFrame:
    """A row a patient and visit with a value that counts: of the primary parameter, else of any."""
    outcomes = [p.code for p in PARAMETERS.values() if p.instrument not in CASE_MIX]
    primary = plan["primary_parameter"]
    codes = [primary] if primary in outcomes else outcomes
    rows = placed(
        adqs.filter(pl.col("PARAMCD").is_in(codes)), subjects=people, strata={}, options=options
    )
    counts = rows.filter((pl.col("ANL01FL") == "Y") & pl.col("AVISIT").is_not_null())
    return counts.select("USUBJID", "AVISIT").unique()


# --- the steps ----------------------------------------------------------------------------------


def _steps(study: Study) -> Iterator[dict]:
    yield _row(flow.ASSESSED, why=flow.NOBODY_TOLD)
    enrolled = study.people.height
    yield _row(flow.ENROLLED, n=enrolled)
    yield _again(study, enrolled)
    yield from _allocation(study, enrolled)
    for arm in (None, *study.arms):
        people = study.allocated
        if arm is not None:
            people = people.filter(pl.col("ARM").fill_null(NONE) == arm)
            yield _row(flow.ALLOCATED, arm=arm, n=people.height, of=study.allocated.height)
        yield from _receipt(study, arm, people)
        for visit in study.visits:
            yield from _at_visit(study, arm, people, visit)
        yield from _analysis(study, arm, people)


def _again(study: Study, enrolled: int) -> dict:
    """Who has several enrolments in the study, and how many of them another arm in a later one."""
    again = study.people.filter(pl.col("NENRL") > 1)
    words = {"Y": flow.OTHER_ARM, "N": flow.NO_OTHER_ARM}
    reasons = [] if study.plan["is_masked"] else [words[f] for f in again["OTHARMFL"]]
    return _row(flow.ENROLLED_AGAIN, n=again.height, of=enrolled, reasons=reasons)


def _allocation(study: Study, enrolled: int) -> Iterator[dict]:
    others = study.people.filter(ALLOCFL="N")
    reasons = [study.left_out.get(p) or NO_REASON for p in others["USUBJID"]]
    yield _row(flow.EXCLUDED, n=others.height, of=enrolled, reasons=reasons)
    yield _row(flow.ALLOCATED, n=study.allocated.height, of=enrolled)


def _receipt(study: Study, arm: str | None, people: pl.DataFrame) -> Iterator[dict]:
    """A session is what the lake knows of an intervention: an arm without any is not told, nor all
    arms together while one of them is not.
    """
    of = people.height
    unseen = study.allocated.filter((pl.col("SAFFL") == "Y").any().over("ARM").not_())
    if study.plan["is_masked"]:
        why = flow.ARMS_MASKED
    elif arm is None:
        why = flow.SOME_UNKNOWN if unseen.height else None
    else:
        why = None if (people["SAFFL"] == "Y").any() else flow.NO_SESSION
    if why is not None:
        yield _row(flow.RECEIVED, arm=arm, of=of, why=why)
        yield _row(flow.NOT_RECEIVED, arm=arm, of=of, why=why)
        return
    others = people.filter(pl.col("SAFFL") != "Y")
    yield _row(flow.RECEIVED, arm=arm, n=of - others.height, of=of)
    reasons = [_ended(row) or NO_REASON for row in others.iter_rows(named=True)]
    yield _row(flow.NOT_RECEIVED, arm=arm, n=others.height, of=of, reasons=reasons)


def _at_visit(
    study: Study, arm: str | None, people: pl.DataFrame, visit: windows.Visit
) -> Iterator[dict]:
    """Followed, pending and lost are everybody allocated, each once."""
    missing = _without_value(study, people, visit)
    pending = missing.filter("is_pending")
    lost = missing.filter(~pl.col("is_pending"))
    here = {"arm": arm, "visit": visit, "of": people.height}
    yield _row(flow.FOLLOWED, n=people.height - missing.height, **here)
    yield _row(flow.PENDING, n=pending.height, **here)
    yield _row(flow.LOST, n=lost.height, reasons=lost["why"].to_list(), **here)


def _without_value(study: Study, people: pl.DataFrame, visit: windows.Visit) -> pl.DataFrame:
    """Patients without a value at the visit, with `why`, and whether the window is still open
    (`is_pending`): not for who has left before it closes.
    """
    here = study.values.filter(AVISIT=visit.name)
    missing = people.join(here, on="USUBJID", how="anti").with_columns(
        _closes=windows.date_of(visit.last, day1=pl.col("ARMDAY1"))
    )
    why = [_ended(row, by=row["_closes"]) for row in missing.iter_rows(named=True)]
    missing = missing.with_columns(pl.Series("_ended", why, pl.String))
    is_open = (pl.col("_closes") >= pl.col("cut_on")).fill_null(True)
    return missing.with_columns(
        why=pl.col("_ended").fill_null(NO_VALUE), is_pending=is_open & pl.col("_ended").is_null()
    )


def _ended(row: dict, *, by=None) -> str | None:
    """Why a patient's follow-up in the study ended, by a day (None = at all); None where it did
    not.
    """
    ends = (
        (row["DTHDT"], "died"),
        (row["EOSDT"], row["EOSREAS"]),
        (row["ENRENDT"] if by is not None else None, "the enrolment had ended"),
    )
    return next((why for day, why in ends if day is not None and (by is None or day <= by)), None)


def _analysis(study: Study, arm: str | None, people: pl.DataFrame) -> Iterator[dict]:
    plan, of = study.plan, people.height
    n, why = _analysed(study, arm)
    here = {"arm": arm, "of": of, "visit": _primary_visit(study)}
    if n is None:
        yield _row(flow.ANALYSED, why=why, **here)
        yield _row(flow.NOT_ANALYSED, why=why, **here)
        return
    visit = next((v for v in study.visits if v.name == plan["primary_visit"]), None)
    reasons = [] if visit is None else _without_value(study, people, visit)["why"].to_list()
    # a model of all visits may count patients without a value at this one
    reasons = reasons[: of - n] + [NOT_IN_MODEL] * max(0, of - n - len(reasons))
    yield _row(flow.ANALYSED, n=n, **here)
    yield _row(flow.NOT_ANALYSED, n=of - n, reasons=reasons, **here)


def _primary_visit(study: Study) -> windows.Visit | None:
    planned = planned_visits(study.plan["planned_visits"])
    return next((v for v in planned if v.name == study.plan["primary_visit"]), None)


def _analysed(study: Study, arm: str | None) -> tuple[int | None, str | None]:
    """How many of the arm (None = all arms) are in the primary analysis, or why that can't be
    told.
    """
    if study.plan["is_masked"]:
        return None, flow.ARMS_MASKED
    if study.plan["primary_reason"]:
        return None, study.plan["primary_reason"]
    rows = primary_rows(study.plan, study.comparisons)
    counts = {
        row[side]: row[n]
        for row in rows.iter_rows(named=True)
        for side, n in (("arm", "n_arm"), ("reference_arm", "n_reference"))
        if row["estimate"] is not None
    }
    if arm is None:
        is_whole = set(study.arms) <= set(counts)
        return (sum(counts.values()), None) if is_whole and counts else (None, _no_figure(rows))
    if arm in counts:
        return (counts[arm], None)
    return (None, _no_figure(rows))


def _no_figure(rows: pl.DataFrame) -> str:
    reasons = rows["reason"].drop_nulls().unique().sort().to_list()
    return "; ".join(reasons) or "mart.arm_comparisons has no such comparison (yet)"


def primary_rows(plan: dict, comparisons: pl.DataFrame) -> pl.DataFrame:
    """The rows of mart.arm_comparisons that are the study's primary analysis: one a pair of arms.

    `plan`: a row of mart.study_plans. Of a risk difference all responder rules.
    """
    method = plan["primary_method"]
    return comparisons.filter(
        pl.col("indication").is_null(),
        study_id=plan["study_id"],
        parameter=plan["primary_parameter"] or "",
        visit=plan["primary_visit"] or "",
        method=method or "",
        population=_POPULATION.get(method, ""),
    )


def _row(
    step: str,
    *,
    arm: str | None = None,
    visit: windows.Visit | None = None,
    n: int | None = None,
    of: int | None = None,
    reasons: Sequence[str] = (),
    why: str | None = None,
) -> dict:
    counts = sorted(Counter(reasons).items(), key=lambda one: (-one[1], one[0]))
    return {
        "arm": arm,
        "step": STEPS[step].name,
        "visit": visit and visit.name,
        "visit_day": visit and visit.target,
        "n_patients": n,
        "n_of": of,
        "reasons": json.dumps(dict(counts)) if counts else None,
        "reason": why,
    }
