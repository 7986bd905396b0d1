"""The registry of marts: which table, from which tables, by which function.

Here: `MARTS`, one entry a mart of transforms/marts. Not here: the computation (one module a mart) and when it runs
(orchestration makes an asset of each entry, in the order that the inputs demand).
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ..schemas import MART_TABLES, Table
from . import (
    adact,
    adae,
    adex,
    adqs,
    adsl,
    adtte,
    adverse_event_comparisons,
    adverse_event_rates,
    alerts,
    arm_comparisons,
    clinic_funnel,
    cohort_outcomes,
    control_charts,
    data_dictionary,
    dose_response,
    important_change,
    metric_definitions,
    patient_outcomes,
    reliable_change,
    report_deadlines,
    responder_curves,
    responder_disagreement,
    survival_curves,
)


@dataclass(frozen=True)
class Mart:
    """One mart. `inputs` are full names; `compute` takes each by its bare name as a keyword.

    A mart of patients: `compute(keys, *, <inputs>, options, cut)`; `keys` is a frame of `patient_id`, None = all.
    A summary (`is_summary`): `compute(*, <inputs>, options, cut)`, a function of whole marts.
    """

    table: Table
    inputs: tuple[str, ...]
    compute: Callable[..., pl.DataFrame]
    is_summary: bool = False


MARTS: dict[str, Mart] = {
    "report_deadlines": Mart(
        MART_TABLES["report_deadlines"], report_deadlines.INPUTS, report_deadlines.compute, is_summary=True
    ),
    "survival_curves": Mart(
        MART_TABLES["survival_curves"], survival_curves.INPUTS, survival_curves.compute, is_summary=True
    ),
    "adtte": Mart(MART_TABLES["adtte"], adtte.INPUTS, adtte.compute),
    "adverse_event_rates": Mart(
        MART_TABLES["adverse_event_rates"], adverse_event_rates.INPUTS, adverse_event_rates.compute, is_summary=True
    ),
    "adverse_event_comparisons": Mart(
        MART_TABLES["adverse_event_comparisons"],
        adverse_event_comparisons.INPUTS,
        adverse_event_comparisons.compute,
        is_summary=True,
    ),
    "adae": Mart(MART_TABLES["adae"], adae.INPUTS, adae.compute),
    "alerts": Mart(MART_TABLES["alerts"], alerts.INPUTS, alerts.compute, is_summary=True),
    "data_dictionary": Mart(
        MART_TABLES["data_dictionary"], data_dictionary.INPUTS, data_dictionary.compute, is_summary=True
    ),
    "metric_definitions": Mart(
        MART_TABLES["metric_definitions"], metric_definitions.INPUTS, metric_definitions.compute, is_summary=True
    ),
    "adact": Mart(MART_TABLES["adact"], adact.INPUTS, adact.compute),
    "adex": Mart(MART_TABLES["adex"], adex.INPUTS, adex.compute),
    "adsl": Mart(MART_TABLES["adsl"], adsl.INPUTS, adsl.compute),
    "adqs": Mart(MART_TABLES["adqs"], adqs.INPUTS, adqs.compute),
    "patient_outcomes": Mart(MART_TABLES["patient_outcomes"], patient_outcomes.INPUTS, patient_outcomes.compute),
    "cohort_outcomes": Mart(
        MART_TABLES["cohort_outcomes"], cohort_outcomes.INPUTS, cohort_outcomes.compute, is_summary=True
    ),
    "responder_curves": Mart(
        MART_TABLES["responder_curves"], responder_curves.INPUTS, responder_curves.compute, is_summary=True
    ),
    "responder_disagreement": Mart(
        MART_TABLES["responder_disagreement"],
        responder_disagreement.INPUTS,
        responder_disagreement.compute,
        is_summary=True,
    ),
    "dose_response": Mart(MART_TABLES["dose_response"], dose_response.INPUTS, dose_response.compute, is_summary=True),
    "important_change": Mart(
        MART_TABLES["important_change"], important_change.INPUTS, important_change.compute, is_summary=True
    ),
    "reliable_change": Mart(
        MART_TABLES["reliable_change"], reliable_change.INPUTS, reliable_change.compute, is_summary=True
    ),
    "arm_comparisons": Mart(
        MART_TABLES["arm_comparisons"], arm_comparisons.INPUTS, arm_comparisons.compute, is_summary=True
    ),
    "clinic_funnel": Mart(MART_TABLES["clinic_funnel"], clinic_funnel.INPUTS, clinic_funnel.compute, is_summary=True),
    "control_charts": Mart(
        MART_TABLES["control_charts"], control_charts.INPUTS, control_charts.compute, is_summary=True
    ),
}
