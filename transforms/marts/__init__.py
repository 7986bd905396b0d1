"""The registry of marts: which table, from which tables, by which function.

Here: `MARTS`, one entry a mart of transforms/marts, and what of an input it takes. Not here: the computation (one module a mart)
and when it runs (orchestration makes an asset of each entry, in the order that the inputs demand).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

import polars as pl

from ..disclosure import Cells
from ..facts.strata import STRATUM_COLUMNS
from ..options import Options
from ..schemas import MART_TABLES, Table
from ..schemas.raw import REJECTS
from ..touching import Touches
from . import (
    adact,
    adae,
    adex,
    adqs,
    adsl,
    adtte,
    adverse_event_comparisons,
    adverse_event_groups,
    adverse_event_rates,
    alerts,
    analysis_sets,
    arm_comparisons,
    clinic_funnel,
    cohort_outcomes,
    competing_risks,
    consort_flow,
    control_charts,
    course_relief,
    data_dictionary,
    device_event_rates,
    device_events,
    dose_response,
    important_change,
    metric_definitions,
    patient_outcomes,
    reliable_change,
    report_deadlines,
    responder_curves,
    responder_disagreement,
    study_plans,
    subject_episodes,
    survival_curves,
    time_at_risk,
)

Follows = Literal["nothing", "hour", "moment"]


@dataclass(frozen=True)
class Mart:
    """One mart. `inputs` are full names; `compute` takes each by its bare name as a keyword.

    A mart of patients: `compute(keys, *, <inputs>, options, cut)`; `keys` is a frame of
    `patient_id`, None = all. A summary (`is_summary`): `compute(*, <inputs>, options, cut)`, a
    function of whole marts. One that readers from outside the clinic may see, and that counts
    people, says how in `cells`: `is_suppressed` and releases come of it. `is_released`: the rows that
    a release may hold, None = all. `follows`: what of the data cut its rows change with where its
    inputs stay: the hour in which that lies, its moment, or (stamps apart) nothing. `coupled`: of a
    summary of strata of which those alone are computed in which something changed, what of the
    inputs all strata stand on. `touched_by`: of a summary, which rows of an input touch it; of any
    other input all do. `is_of_everybody`: a model or a chart to which every patient
    matters, which may wait for its hour while others follow each change.
    """

    table: Table
    inputs: tuple[str, ...]
    compute: Callable[..., pl.DataFrame]
    is_summary: bool = False
    cells: Callable[[Options], Cells] | None = None
    is_released: Callable[[], pl.Expr] | None = None
    follows: Follows = "hour"
    coupled: Callable[..., object] | None = None
    touched_by: Mapping[str, tuple[Touches, ...]] = field(default_factory=dict)
    is_of_everybody: bool = False

    @property
    def has_strata(self) -> bool:
        """Whether it is of strata, and computes those that somebody asks for (`over`)."""
        return {"strata", *STRATUM_COLUMNS} <= set(self.table.names)


def _counting(
    module: ModuleType, *, follows: Follows = "hour", is_of_everybody: bool = False
) -> Mart:
    """A summary that counts people, of its module."""
    return Mart(
        module.TABLE,
        module.INPUTS,
        module.compute,
        is_summary=True,
        cells=module.cells,
        is_released=getattr(module, "is_released", None),
        follows=follows,
        coupled=getattr(module, "coupled", None),
        touched_by=getattr(module, "TOUCHED_BY", {}),
        is_of_everybody=is_of_everybody,
    )


MARTS: dict[str, Mart] = {
    "report_deadlines": Mart(
        MART_TABLES["report_deadlines"],
        report_deadlines.INPUTS,
        report_deadlines.compute,
        is_summary=True,
        follows="moment",
    ),
    "device_events": Mart(
        MART_TABLES["device_events"], device_events.INPUTS, device_events.compute, is_summary=True
    ),
    "device_event_rates": _counting(device_event_rates),
    "survival_curves": _counting(survival_curves, follows="nothing"),
    "competing_risks": _counting(competing_risks, follows="nothing"),
    "course_relief": _counting(course_relief),
    "adtte": Mart(MART_TABLES["adtte"], adtte.INPUTS, adtte.compute),
    "adverse_event_rates": _counting(adverse_event_rates),
    "adverse_event_groups": _counting(adverse_event_groups),
    "adverse_event_comparisons": Mart(
        MART_TABLES["adverse_event_comparisons"],
        adverse_event_comparisons.INPUTS,
        adverse_event_comparisons.compute,
        is_summary=True,
        touched_by=adverse_event_comparisons.TOUCHED_BY,
        is_of_everybody=True,
    ),
    "time_at_risk": Mart(MART_TABLES["time_at_risk"], time_at_risk.INPUTS, time_at_risk.compute),
    "adae": Mart(MART_TABLES["adae"], adae.INPUTS, adae.compute),
    "alerts": Mart(
        MART_TABLES["alerts"], alerts.INPUTS, alerts.compute, is_summary=True, follows="nothing"
    ),
    "data_dictionary": Mart(
        MART_TABLES["data_dictionary"],
        data_dictionary.INPUTS,
        data_dictionary.compute,
        is_summary=True,
        follows="nothing",
    ),
    "metric_definitions": Mart(
        MART_TABLES["metric_definitions"],
        metric_definitions.INPUTS,
        metric_definitions.compute,
        is_summary=True,
        follows="nothing",
    ),
    "adact": Mart(MART_TABLES["adact"], adact.INPUTS, adact.compute),
    "adex": Mart(MART_TABLES["adex"], adex.INPUTS, adex.compute, follows="nothing"),
    "subject_episodes": Mart(
        MART_TABLES["subject_episodes"],
        subject_episodes.INPUTS,
        subject_episodes.compute,
        follows="nothing",
    ),
    "adsl": Mart(MART_TABLES["adsl"], adsl.INPUTS, adsl.compute),
    "adqs": Mart(MART_TABLES["adqs"], adqs.INPUTS, adqs.compute, follows="nothing"),
    "patient_outcomes": Mart(
        MART_TABLES["patient_outcomes"], patient_outcomes.INPUTS, patient_outcomes.compute
    ),
    "cohort_outcomes": _counting(cohort_outcomes),
    "responder_curves": _counting(responder_curves),
    "responder_disagreement": _counting(responder_disagreement),
    "dose_response": _counting(dose_response),
    "important_change": _counting(important_change),
    "reliable_change": _counting(reliable_change),
    "arm_comparisons": _counting(arm_comparisons, is_of_everybody=True),
    "study_plans": Mart(
        MART_TABLES["study_plans"], study_plans.INPUTS, study_plans.compute, is_summary=True
    ),
    "analysis_sets": Mart(
        MART_TABLES["analysis_sets"], analysis_sets.INPUTS, analysis_sets.compute, is_summary=True
    ),
    "consort_flow": _counting(consort_flow),
    "clinic_funnel": _counting(clinic_funnel, follows="nothing", is_of_everybody=True),
    "control_charts": _counting(control_charts, follows="nothing", is_of_everybody=True),
}


def read_of(full_name: str) -> str:
    """What marts are computed from of a table, as SQL: all, but of the bytes of rejects a digest, by
    which copies are known. A flood's may be larger than memory.
    """
    if full_name != REJECTS.full_name:
        return "*"
    return """* EXCLUDE ("key", "value"),
        CASE WHEN octet_length("value") > 0 THEN md5("value")::BLOB ELSE "value" END AS "value\""""
