"""The arms of a study that are compared: who is in them, and their assessments from allocation on.

Here: pairs of arms, of everybody, of an indication and of an analysis set; the reference. Day 1 is
the day of allocation, else enrolment (intention to treat), so the assessments of mart.adqs are
placed anew. Not here: what is compared of a pair (arm_comparisons.py), the models (arm_models.py).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from ..facts.analysis_sets import IN_SET
from ..facts.instruments import CASE_MIX
from ..facts.parameters import PARAMETERS
from ..facts.values import NONE, UNKNOWN
from ..options import Options
from ..rules import windows
from ..rules.studies import planned_visits
from . import adqs as adqs_mart
from .arm_models import Arms

REFERENCE_ARMS = ("control", "placebo", "sham", "usual_care")
NO_REFERENCE = f"no arm is named {', '.join(REFERENCE_ARMS)}: name it in FLOE_REFERENCE_ARM"


@dataclass(frozen=True)
class Pair:
    """Patients of two arms of a study and their placed assessments; `indication` is that of a
    subgroup.

    `analysis_set`: the set that all of them are in, where it leaves others out.
    """

    study: str
    arm: str
    reference: str
    subjects: pl.DataFrame
    rows: pl.DataFrame
    strata: Mapping[str, str]
    indication: str | None = None
    analysis_set: str | None = None

    @property
    def visits(self) -> tuple[windows.Visit, ...]:
        return planned_visits(self.subjects["VISITPLN"][0])

    @property
    def allocation(self) -> str | None:
        return ", ".join(self.subjects["ALLOCATN"].fill_null("unknown").unique().sort()) or None

    def arms(self, options: Options) -> Arms:
        return Arms(
            arm=self.arm,
            reference=self.reference,
            people=self.subjects,
            is_randomised=self.allocation == "randomised",
            strata=self.strata,
            min_cell=options.min_cell,
        )

    def among(self, people: pl.DataFrame, **named: str) -> "Pair":
        """The same arms among fewer people."""
        rows = self.rows.join(people, on="USUBJID", how="semi")
        return replace(self, subjects=people, rows=rows, **named)


def subjects_of(adsl: pl.DataFrame) -> pl.DataFrame:
    """Rows of mart.adsl of patients with an arm, `as_compared`."""
    in_arm = pl.col("ARM").is_not_null() | (pl.col("MASKFL") == "Y").fill_null(False)
    return as_compared(adsl.filter(in_arm))


def as_compared(adsl: pl.DataFrame) -> pl.DataFrame:
    """Rows of mart.adsl with the Day 1 of a comparison of arms (`ARMDAY1`), `timezone`, and no
    SITEID that is null.
    """
    return adsl.with_columns(
        ARMDAY1=pl.coalesce("ALLOCDT", "ENRLDT"),
        timezone="TIMEZONE",
        SITEID=pl.col("SITEID").fill_null(UNKNOWN),
    )


def placed(
    adqs: pl.DataFrame, *, subjects: pl.DataFrame, strata: Mapping[str, str], options: Options
) -> pl.DataFrame:
    """The scheduled assessments of patients with an arm, placed from the day of allocation, with
    their covariates.
    """
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
        *strata,
    ]
    outcomes = [p.code for p in PARAMETERS.values() if p.instrument not in CASE_MIX]
    rows = adqs.filter(pl.col("PARAMCD").is_in(outcomes)).select(
        "STUDYID",
        "USUBJID",
        "PARAMCD",
        "ADT",
        "ADTM",
        "AVAL",
        "EVENTID",
        parameter="PARAMCD",
        context=pl.lit("scheduled"),
        reason="NEREASON",
        days_after_course=pl.lit(None, dtype=pl.Int64),
        APERIOD=pl.lit(None, dtype=pl.Int64),  # no episodes: windows run on
        is_in_episode=pl.lit(True),
    )
    return adqs_mart.placed(
        rows.join(subjects.select(columns), on=["STUDYID", "USUBJID"]),
        day1=pl.col("ARMDAY1"),
        options=options,
    )


def reference_arm(arms: list[str], *, named: str | None = None, options: Options) -> str | None:
    """The arm `named` by the study, else one called control, placebo, sham or usual_care (in this
    order), else the setting's; None = no such arm.
    """
    by_name = {a.strip().lower(): a for a in arms}
    wanted = [(named or "").strip().lower(), *REFERENCE_ARMS, options.reference_arm.strip().lower()]
    return next((by_name[name] for name in wanted if name in by_name), None)


def pairs_of(
    study: str,
    subjects: pl.DataFrame,
    rows: pl.DataFrame,
    strata: Mapping[str, str],
    *,
    options: Options,
) -> Iterator[Pair]:
    """Each arm with the reference: everybody, each indication, each analysis set that leaves
    somebody out.
    """
    arms = subjects["ARM"].unique().sort().to_list()
    reference = reference_arm(arms, named=subjects["REFARM"][0], options=options)
    for arm in arms:
        if arm == reference:
            continue
        whole = Pair(study, arm, reference or NONE, subjects, rows, strata)
        pair = whole.among(subjects.filter(pl.col("ARM").is_in([arm, reference])))
        yield pair
        if reference is not None:
            yield from _of_indications(pair)
            yield from _of_sets(pair)


def _of_indications(pair: Pair) -> Iterator[Pair]:
    named = pair.subjects.with_columns(_indication=pl.col("INDICATN").fill_null(UNKNOWN))
    parts = named.partition_by("_indication", as_dict=True, include_key=False)
    for (indication,), people in sorted(parts.items()):
        if len(parts) > 1 and people["ARM"].n_unique() == 2:
            yield pair.among(people, indication=indication)


def _of_sets(pair: Pair) -> Iterator[Pair]:
    """ANLSETS (JSON): a set's name to `in`, or to why the patient is left out; without a word a
    patient is in.
    """
    sets = [json.loads(text or "{}") for text in pair.subjects["ANLSETS"]]
    for name in sorted({name for of_patient in sets for name in of_patient}):
        is_in = pl.Series(
            [of_patient.get(name, IN_SET) == IN_SET for of_patient in sets], dtype=pl.Boolean
        )
        people = pair.subjects.filter(is_in)
        if people.height < pair.subjects.height and people["ARM"].n_unique() == 2:
            yield pair.among(people, analysis_set=name)
