"""Metrics of comparisons between arms.

Here: definitions. Not here: rates of adverse events (safety.py).
"""

from .metric import Metric

ARMS: tuple[Metric, ...] = tuple(
    Metric(
        id=id,
        version="3",
        title=title,
        rule=rule,
        unit=unit,
        direction="none",
        source=source,
        verification="verified",
        parameters=("reference_arm", "min_completeness_pct", *parameters),
        tests=(
            "tests/transforms/marts/test_trial.py",
            "tests/transforms/marts/test_arm_comparisons.py",
        ),
    )
    for id, title, unit, rule, parameters, source in (
        (
            "arm_difference_ancova",
            "Adjusted difference between arms at a visit",
            None,
            "least squares of the value on arm, baseline, age, sex, indication, pain duration, factors of the "
            "allocation and clinic; everybody with the visit's value. Missing at baseline: where arms were randomised "
            "imputed by its mean with an indicator (a factor: a level of its own); elsewhere that covariate is not "
            "used, and who has no baseline is left out. Least-squares means beside it",
            ("completers_of_last_visit",),
            "Vickers & Altman 2001, BMJ 323:1123; White & Thompson 2005, Stat Med 24:993",
        ),
        (
            "arm_difference_mmrm",
            "Adjusted difference between arms at a visit, all planned visits modelled together",
            None,
            "value on arm x visit and baseline x visit, unstructured covariance within a patient, REML; observed "
            "cases; covariates as in arm_difference_ancova. Of the planned visits alone (without a plan: those with "
            "enough of the patients due), and of these the ones that enough patients of both arms have; other answers "
            "are left out and counted",
            ("mmrm_degrees_of_freedom", "min_patients_per_parameter"),
            "Mallinckrodt 2008, Drug Inf J 42:303; ICH E9(R1); Kenward & Roger 1997, Biometrics 53:983",
        ),
        (
            "arm_risk_difference",
            "Difference between arms in the share of responders",
            "proportion",
            "share of the arm minus share of the reference, by each responder rule and each endpoint of the site, "
            "whatever happened in between (treatment policy); Newcombe and Wald intervals; beside it who started too low to respond",
            ("binary_endpoints",),
            "Newcombe 1998, Stat Med 17:873 (method 10)",
        ),
    )
)
