"""Which fields of which topics tell of an arm, as data.

Here: that. Not here: which studies are masked, and records without these fields (rules/masking.py),
how `raw` keeps them (ingest/sealing.py).
"""

# topic -> fields by which one knows, or may guess, an arm: texts of the study's own (factors of the
# allocation, why a patient is left out of a set) and fields that the contract does not know are among them
TELLING: dict[str, tuple[str, ...]] = {
    "patients": ("arm", "allocation", "allocation_raw", "baseline_covariates", "extra"),
    "study_enrolments": (
        "arm",
        "allocation",
        "allocation_raw",
        "strata",
        "analysis_sets",
        "extra",
    ),
    "studies": ("reference_arm", "extra"),
}
SEALED = "sealed"  # the column of `raw` in which these fields are kept, encrypted
NOT_SHOWN = "not shown: it may tell an arm of a study"
