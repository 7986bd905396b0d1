"""mart.arm_comparisons: arm minus reference, a row a study, parameter, visit, pair of arms, population and method.

Here: who is compared with whom, and which rows. Day 1 is the day of allocation, else enrolment (intention to treat),
so the assessments of mart.adqs are placed anew. Not here: the models (models), intervals (rates), rules (pain).

An arm is compared with the reference arm of its own study (routine care being one): patients of another study are not
its controls. The reference is the arm that the study names, else one by name, else the setting's. While a study's arms
are masked it has no comparison, and a row that says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from .. import disclosure, models, pain, rates, windows
from ..instruments import PARAMETERS
from ..local_time import with_cut_day
from ..options import Cut, Options
from ..schemas import MART_TABLES
from ..schemas.mart import CRITERIA
from ..studies import planned_visits
from . import adqs as adqs_mart
from .stamp import stamped
from .strata import MASKED

TABLE = MART_TABLES["arm_comparisons"]
INPUTS = ("mart.adqs", "mart.adsl")
REFERENCE_ARMS = ("control", "placebo", "sham", "usual_care")
CASE_MIX = ("start_back",)  # instruments that describe patients at baseline and are no outcomes
NO_REFERENCE = "(none)"
WHILE_MASKED = "the study's arms are masked until a day (masked_until) that lies after the data cut"
COMPLETERS, MISSING_AS_NONRESPONDER, OBSERVED = "completers", "missing_as_nonresponder", "observed"
_OF_SUBGROUP = ", "  # between a population and the indication that it is of
_NO_FIGURE = dict.fromkeys(("estimate", "ci_lower", "ci_upper", "wald_lower", "wald_upper", "p_value"))
_COVARIATES = {"AGE": "age", "PAINDUR": "pain duration"}
_FACTORS = {"SEX": "sex", "INDICATN": "indication", "SITEID": "clinic"}


@dataclass(frozen=True)
class Pair:
    """Patients of two arms of a study and their placed assessments; `indication` is that of a subgroup."""

    study: str
    arm: str
    reference: str
    subjects: pl.DataFrame
    rows: pl.DataFrame
    indication: str | None = None

    @property
    def visits(self) -> tuple[windows.Visit, ...]:
        return planned_visits(self.subjects["VISITPLN"][0])

    @property
    def allocation(self) -> str | None:
        return ", ".join(self.subjects["ALLOCATN"].fill_null("unknown").unique().sort()) or None

    def count(self, frame: pl.DataFrame) -> tuple[int, int]:
        return (frame["ARM"] == self.arm).sum(), (frame["ARM"] == self.reference).sum()


def compute(*, adqs, adsl, options: Options, cut: Cut) -> pl.DataFrame:
    """Conforms to `mart.arm_comparisons`; empty where no patient has an arm. See the module for who is compared."""
    found = [
        _named(row)
        for (study,), of_study in sorted(_subjects(adsl).partition_by("STUDYID", as_dict=True).items())
        for row in _of_study(study, of_study, adqs, options=options, cut=cut)
    ]
    if not found:
        return TABLE.empty()
    frame = pl.DataFrame(found, schema_overrides={c.name: c.polars for c in TABLE.columns}, infer_schema_length=None)
    missing = [pl.lit(None).alias(c.name) for c in TABLE.columns if c.name not in frame.columns]
    frame = frame.with_columns(*missing)
    return TABLE.conform(stamped(frame.with_columns(cells(options).suppressed(frame)), cut=cut))


def _of_study(study: str, subjects: pl.DataFrame, adqs: pl.DataFrame, *, options: Options, cut: Cut) -> Iterator[dict]:
    rows = _placed(adqs, subjects=subjects, options=options)
    if (subjects["MASKFL"] == "Y").any():
        yield from _masked_rows(study, rows)
        return
    for pair in _pairs(study, subjects, rows, options=options):
        yield from _compared(pair, options=options, cut=cut)


def _masked_rows(study: str, rows: pl.DataFrame) -> Iterator[dict]:
    """A row a parameter and visit of a study whose arms are masked: how many have a value, and why nothing else."""
    at_visit = rows.filter((pl.col("ANL01FL") == "Y") & (pl.col("AVISIT") != windows.BASELINE))
    counts = at_visit.group_by("PARAMCD", "AVISIT").agg(n=pl.col("USUBJID").n_unique()).sort("PARAMCD", "AVISIT")
    for code, visit, n in counts.iter_rows():
        yield {"study_id": study, "parameter": code, "visit": visit, "arm": MASKED, "reference_arm": MASKED,
               "indication": None, "population": COMPLETERS, "n_arm": n, "n_reference": 0, "method": "ancova",
               "metric_id": "arm_difference_ancova", "reason": WHILE_MASKED}  # fmt: skip


def cells(options: Options) -> disclosure.Cells:
    """Patients and responders of both arms, and those who are none; subgroups by indication add up to all."""
    sides = ("arm", "reference")
    counts = [f"{what}_{side}" for what in "nx" for side in sides]
    rest = [pl.col(f"n_{side}") - pl.col(f"x_{side}") for side in sides]
    population = pl.col("population").str.split(_OF_SUBGROUP).list.first()
    return disclosure.Cells(
        counts=[*counts, *rest], dimensions=["indication"], min_cell=options.min_cell,
        by=["study_id", "parameter", "visit", "arm", "reference_arm", population, "criterion", "method"],
    )  # fmt: skip


def _named(row: dict) -> dict:
    """The population of a subgroup says which: what is read without `indication` is never a subgroup's."""
    only = "" if row["indication"] is None else f"{_OF_SUBGROUP}{row['indication']}"
    return row | {"population": row["population"] + only}


def _subjects(adsl: pl.DataFrame) -> pl.DataFrame:
    in_arm = pl.col("ARM").is_not_null() | (pl.col("MASKFL") == "Y").fill_null(False)
    return adsl.filter(in_arm).with_columns(
        ARMDAY1=pl.coalesce("ALLOCDT", "ENRLDT"),
        timezone="TIMEZONE",
        SEX=pl.col("SEX").fill_null("U"),
        INDICATN=pl.col("INDICATN").fill_null("(unknown)"),
        SITEID=pl.col("SITEID").fill_null("(unknown)"),
    )


def _placed(adqs: pl.DataFrame, *, subjects: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The scheduled assessments of patients with an arm, placed from the day of allocation, with their covariates."""
    columns = [
        "STUDYID",
        "USUBJID",
        "ARM",
        "ARMDAY1",
        "TRTSDTM",
        "VISITPLN",
        "AGE",
        "PAINDUR",
        "SEX",
        "INDICATN",
        "SITEID",
    ]
    outcomes = [p.code for p in PARAMETERS.values() if p.instrument not in CASE_MIX]
    rows = adqs.filter(pl.col("PARAMCD").is_in(outcomes)).select(
        "STUDYID", "USUBJID", "PARAMCD", "ADT", "ADTM", "AVAL", "EVENTID", parameter="PARAMCD", context=pl.lit("scheduled"),
        reason="NEREASON", days_after_course=pl.lit(None, dtype=pl.Int64),
    )  # fmt: skip
    return adqs_mart.placed(
        rows.join(subjects.select(columns), on=["STUDYID", "USUBJID"]), day1=pl.col("ARMDAY1"), options=options
    )


def reference_arm(arms: list[str], *, named: str | None = None, options: Options) -> str | None:
    """The arm `named` by the study, else one called control, placebo, sham or usual_care (in this order), else the
    setting's; None = no such arm."""
    by_name = {a.strip().lower(): a for a in arms}
    wanted = [(named or "").strip().lower(), *REFERENCE_ARMS, options.reference_arm.strip().lower()]
    return next((by_name[name] for name in wanted if name in by_name), None)


def _pairs(study: str, subjects: pl.DataFrame, rows: pl.DataFrame, *, options: Options) -> Iterator[Pair]:
    arms = subjects["ARM"].unique().sort().to_list()
    reference = reference_arm(arms, named=subjects["REFARM"][0], options=options)
    for arm in arms:
        if arm == reference:
            continue
        if reference is None:
            one = subjects.filter(ARM=arm)
            yield Pair(study, arm, NO_REFERENCE, one, rows.join(one, on="USUBJID", how="semi"))
            continue
        kept = subjects.filter(pl.col("ARM").is_in([arm, reference]))
        yield Pair(study, arm, reference, kept, rows.join(kept, on="USUBJID", how="semi"))
        for (indication,), part in sorted(kept.partition_by("INDICATN", as_dict=True).items()):
            if kept["INDICATN"].n_unique() > 1 and part["ARM"].n_unique() == 2:
                yield Pair(study, arm, reference, part, rows.join(part, on="USUBJID", how="semi"), indication)


def _compared(pair: Pair, *, options: Options, cut: Cut) -> Iterator[dict]:
    for code in sorted(pair.rows["PARAMCD"].unique()):
        rows = pair.rows.filter(PARAMCD=code)
        counted = rows.filter(
            pl.col("AVISIT").is_not_null() & (pl.col("AVISIT") != windows.BASELINE) & (pl.col("ANL01FL") == "Y")
        )
        incomplete = {}
        for visit in pair.visits:
            at_visit = counted.filter(AVISIT=visit.name)
            if at_visit.is_empty():
                continue
            incomplete[visit.name] = _incomplete(pair, rows, at_visit, visit=visit, options=options, cut=cut)
            head = _head(pair, code, visit.name)
            if code != "PGIC":
                yield head | _ancova(pair, at_visit, incomplete=incomplete[visit.name])
            if pair.reference == NO_REFERENCE:
                continue
            for row in _risk_differences(pair, rows, at_visit, visit=visit, options=options, cut=cut):
                yield head | row | _withheld(incomplete[visit.name])
        if len(incomplete) > 1 and code != "PGIC" and pair.reference != NO_REFERENCE and pair.indication is None:
            yield from _mmrm(pair, counted, code, incomplete=incomplete, options=options)


def _withheld(incomplete: str | None) -> dict:
    return {"reason": incomplete, **_NO_FIGURE} if incomplete else {}


def _head(pair: Pair, code: str, visit: str) -> dict:
    return {"study_id": pair.study, "parameter": code, "visit": visit, "arm": pair.arm, "reference_arm": pair.reference,
            "allocation": pair.allocation, "indication": pair.indication}  # fmt: skip


def _due(pair: Pair, visit: windows.Visit, *, cut: Cut) -> pl.DataFrame:
    """Patients whose window has closed at the data cut, where they are enrolled."""
    closes = windows.date_of(visit.last, day1=pl.col("ARMDAY1"))
    return with_cut_day(pair.subjects, cut=cut).filter(closes < pl.col("cut_on"))


def _incomplete(pair: Pair, rows, at_visit, *, visit, options: Options, cut: Cut) -> str | None:
    """Why the visit is too incomplete to compare: of those ever asked who are due or have a value, too few have one."""
    due = _due(pair, visit, cut=cut).join(rows, on="USUBJID", how="semi")["USUBJID"]
    due = pl.concat([due, at_visit["USUBJID"]]).n_unique()
    share = 100 * at_visit["USUBJID"].n_unique() / due
    if share >= options.min_completeness_pct:
        return None
    return f"{share:.0f} % of the patients due have a value, {options.min_completeness_pct:g} % are needed"


def _model_row(pair: Pair, code: str, *, covariates: list[str], factors: list[str]) -> dict:
    names = [text for column, text in (_COVARIATES | _FACTORS).items() if column in (*covariates, *factors)]
    return {"population": COMPLETERS, "criterion": None, "unit": PARAMETERS[code].unit,
            "direction": PARAMETERS[code].better, "adjusted_for": ["baseline", *names]}  # fmt: skip


def _adjusters(analysed: pl.DataFrame) -> tuple[list[str], list[str]]:
    """The covariates and factors that vary among the analysed."""
    covariates = [c for c in _COVARIATES if analysed[c].drop_nulls().n_unique() > 1]
    return covariates, [f for f in _FACTORS if analysed[f].n_unique() > 1]


def _ancova(pair: Pair, at_visit: pl.DataFrame, *, incomplete: str | None) -> dict:
    """Adjusted difference of the visit's values: completers, baseline, and every covariate that varies."""
    analysed = at_visit.filter(pl.col("BASE").is_not_null())
    covariates, factors = _adjusters(analysed)
    complete = analysed.drop_nulls(covariates)
    n_arm, n_reference = pair.count(complete)
    row = _model_row(pair, at_visit["PARAMCD"][0], covariates=covariates, factors=factors)
    row |= {"method": "ancova", "metric_id": "arm_difference_ancova", "n_arm": n_arm, "n_reference": n_reference}
    if pair.reference == NO_REFERENCE:
        return row | {"reason": f"no arm is named {', '.join(REFERENCE_ARMS)}: name it in FLOE_REFERENCE_ARM"}
    if incomplete or not (n_arm and n_reference):
        return row | {"reason": incomplete or "no patient with a value and a baseline in one of the arms"}
    model = models.ancova(complete, "AVAL", "BASE", "ARM", covariates, factors, reference=pair.reference)
    left_out = analysed.height - complete.height
    needed = " or ".join(_COVARIATES[c] for c in covariates)
    note = f"{left_out} patients without {needed} left out" if left_out else None
    return row | _contrast(model.contrasts.filter(group=pair.arm), pair=pair, reason=model.reason, note=note)


def _mmrm(pair: Pair, counted: pl.DataFrame, code: str, *, incomplete: dict, options: Options) -> Iterator[dict]:
    """A row a visit: arm x visit and baseline x visit, all visits' observed values modelled together (MAR)."""
    analysed = counted.filter(pl.col("BASE").is_not_null())
    covariates, factors = _adjusters(analysed)
    complete = analysed.drop_nulls(covariates)
    if min(pair.count(complete)) == 0:
        return
    model = models.mmrm(
        complete, "AVAL", "USUBJID", "AVISITN", "ARM", ["BASE", *covariates], ["AVISITN", *factors],
        [("ARM", "AVISITN"), ("BASE", "AVISITN")], reference={"ARM": pair.reference},
        min_patients_per_parameter=options.min_patients_per_parameter,
    )  # fmt: skip
    row = _model_row(pair, code, covariates=covariates, factors=factors)
    row |= {"method": "mmrm", "metric_id": "arm_difference_mmrm", "population": OBSERVED}
    targets = {v.name: v.target for v in pair.visits}
    for visit, reason in incomplete.items():
        target = targets[visit]
        n_arm, n_reference = pair.count(complete.filter(AVISITN=target))
        contrast = model.contrasts.filter(group=pair.arm, visit=target)
        found = _contrast(contrast, pair=pair, reason=model.reason, note=model.covariance_reason)
        yield _head(pair, code, visit) | row | {"n_arm": n_arm, "n_reference": n_reference} | found | _withheld(reason)


def _contrast(contrast: pl.DataFrame, *, pair: Pair, reason: str | None, note: str | None) -> dict:
    """The contrast's figures; `note` goes into the reason of a figure that is given."""
    if contrast.is_empty():
        return {"reason": reason or "the model has no such contrast"}
    c = contrast.row(0, named=True)
    return {"estimate": c["estimate"], "ci_lower": c["lower"], "ci_upper": c["upper"],
            "p_value": c["p_value"] if pair.allocation == "randomised" else None,
            "reason": c["reason"] or note}  # fmt: skip


def _risk_differences(pair: Pair, rows, at_visit, *, visit, options: Options, cut: Cut) -> Iterator[dict]:
    """A row a responder rule that applies, over completers and with the missing counted as non-responders."""
    code = at_visit["PARAMCD"][0]
    applying = pain.rule_texts(PARAMETERS[code], options=options)
    for k, criterion in enumerate(CRITERIA, 1):
        if criterion not in applying:
            continue
        flagged = at_visit.filter(pl.col(f"CRIT{k}FL").is_not_null())
        yield _risk_difference(pair, flagged, flagged, k, COMPLETERS, criterion)
        if criterion != "WORSE" and code != "PGIC":
            counted = _with_missing(rows, at_visit, k, due=_due(pair, visit, cut=cut))
            responses = flagged.join(counted, on="USUBJID", how="semi")
            yield _risk_difference(pair, responses, counted, k, MISSING_AS_NONRESPONDER, criterion)


def _with_missing(rows, at_visit, k: int, *, due: pl.DataFrame) -> pl.DataFrame:
    """Patients due with an evaluable baseline: those without a value did not respond; those not due are pending."""
    base = rows.filter(pl.col("ABLFL") == "Y").filter(pain.is_evaluable_baseline(PARAMETERS[rows["PARAMCD"][0]]))
    not_evaluable = at_visit.filter(pl.col(f"CRIT{k}FL").is_null())
    return due.join(base, on="USUBJID", how="semi").join(not_evaluable, on="USUBJID", how="anti")


def _risk_difference(pair: Pair, flagged, counted, k: int, population: str, criterion: str) -> dict:
    n_arm, n_reference = pair.count(counted)
    x_arm, x_reference = pair.count(flagged.filter(pl.col(f"CRIT{k}FL") == "Y"))
    row = {"method": "risk_difference", "population": population, "criterion": criterion, "unit": "proportion",
           "n_arm": n_arm, "n_reference": n_reference, "x_arm": x_arm, "x_reference": x_reference,
           "metric_id": "arm_risk_difference", "direction": "lower" if criterion == "WORSE" else "higher",
           "adjusted_for": []}  # fmt: skip
    if not (n_arm and n_reference):
        return row | {"reason": "no evaluable patient, due yet, in one of the arms"}
    newcombe = rates.risk_difference(x_arm, n_arm, x_reference, n_reference)
    wald = rates.risk_difference(x_arm, n_arm, x_reference, n_reference, method="wald")
    return row | {"estimate": newcombe.estimate, "ci_lower": newcombe.lower, "ci_upper": newcombe.upper,
                  "wald_lower": wald.lower, "wald_upper": wald.upper}  # fmt: skip
