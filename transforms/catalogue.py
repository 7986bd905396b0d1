"""Every metric's definition as data: what a number means and where that comes from.

Here: id, version, rule in words, unit, direction, source, verification, parameters, tests.
Not here: the computation. A mart row names the metric and the version that made it; a rule that changes gets a
new version here.
"""

from dataclasses import dataclass

from .instruments import metrics as instrument_metrics


@dataclass(frozen=True, kw_only=True)
class Metric:
    """`verification`: verified (source read or number reproduced), unverified (primary not checked), proposal."""

    id: str
    version: str
    title: str
    rule: str
    unit: str | None
    direction: str
    source: str
    verification: str
    parameters: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


# --- pain ---------------------------------------------------------------------------------------
_PAIN: tuple[Metric, ...] = tuple(
    Metric(**d)
    for d in instrument_metrics.definitions(("nrs_pain", "vas_pain", "pain_index", "pain_days_28"))
)

# --- function and quality of life -----------------------------------------------------------------
_FUNCTION: tuple[Metric, ...] = tuple(
    Metric(**d)
    for d in instrument_metrics.definitions(
        (
            "odi",
            "rmdq",
            "ndi",
            "promis_pi_4a",
            "promis_pi_6a",
            "promis_pf_6b",
            "promis_29",
            "pgic",
            "eq_5d_5l",
            "start_back",
        )
    )
)

# --- time: sustained response, relapse, surgery-free survival --------------------------------------
_TIME: tuple[Metric, ...] = ()

# --- a patient's headline outcomes ------------------------------------------------------------------
_PATIENTS: tuple[Metric, ...] = (
    Metric(id="patient_outcomes", version="1", title="Headline outcomes of a patient",
           rule="of each outcome the first parameter with a baseline; latest value after it; a change, not an effect",
           unit=None, direction="none", source="a proposal of Floe", verification="proposal",
           parameters=("sustained_min_days", "valid_day_wear_h"), tests=("tests/transforms/marts/test_patient_outcomes.py",)),
)  # fmt: skip

# --- between arms ---------------------------------------------------------------------------------
_ARMS: tuple[Metric, ...] = tuple(
    Metric(id=id, version="1", title=title, rule=rule, unit=unit, direction="none", source=source,
           verification="verified", parameters=("reference_arm", "min_completeness_pct"),
           tests=("tests/transforms/marts/test_trial.py",))
    for id, title, unit, rule, source in (
        ("arm_difference_ancova", "Adjusted difference between arms at a visit", None,
         "least squares of the value on arm, baseline, age, sex, indication, pain duration and clinic; completers",
         "Vickers & Altman 2001, BMJ 323:1123"),
        ("arm_difference_mmrm", "Adjusted difference between arms at a visit, all visits modelled together", None,
         "value on arm x visit and baseline x visit, unstructured covariance within a patient, REML; observed cases",
         "Mallinckrodt 2008, Drug Inf J 42:303; ICH E9(R1)"),
        ("arm_risk_difference", "Difference between arms in the share of responders", "proportion",
         "share of the arm minus share of the reference; Newcombe and Wald intervals",
         "Newcombe 1998, Stat Med 17:873 (method 10)"),
    )
)  # fmt: skip

# --- mobility -------------------------------------------------------------------------------------
_MOBILITY: tuple[Metric, ...] = ()

# --- exposure -------------------------------------------------------------------------------------
_EXPOSURE: tuple[Metric, ...] = ()

# --- care -----------------------------------------------------------------------------------------
_CARE: tuple[Metric, ...] = ()

# --- safety ---------------------------------------------------------------------------------------
_SAFETY: tuple[Metric, ...] = (
    Metric(
        id="adverse_event_rates", version="1", title="How often adverse events happen",
        rule="counts, rates and their exact intervals of one row of mart.adverse_event_rates", unit=None,
        direction="lower", source="methods of the rates named in the row's columns", verification="verified",
    ),
)  # fmt: skip

# --- between clinics and over time ----------------------------------------------------------------
_CLINICS: tuple[Metric, ...] = ()

METRICS: dict[str, Metric] = {
    m.id: m for m in (*_PAIN, *_FUNCTION, *_TIME, *_PATIENTS, *_ARMS, *_MOBILITY, *_EXPOSURE, *_CARE, *_SAFETY, *_CLINICS)
}
