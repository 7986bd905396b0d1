"""mart.time_at_risk: one row a patient and stretch of time at risk, the denominator that rates and
curves share.

Here: which tables of core it comes from. Not here: the rules (rules/time_at_risk.py,
rules/contact.py), rates.
"""

import polars as pl

from ..options import Cut, Options
from ..rules.contact import CONTACTS, last_contact
from ..rules.exposure import of_patients, placed_sessions
from ..rules.local_time import clocks, with_clock
from ..rules.time_at_risk import stretches
from ..schemas import MART_TABLES

TABLE = MART_TABLES["time_at_risk"]
INPUTS = (
    "core.patients",
    "core.clinics",
    "core.courses",
    "core.patient_status",
    *(f"core.{name}" for name in CONTACTS),
)


def compute(
    keys: pl.DataFrame | None,
    *,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    courses: pl.DataFrame,
    patient_status: pl.DataFrame,
    options: Options,
    cut: Cut,
    **contacts: pl.DataFrame,
) -> pl.DataFrame:
    """The stretches of the patients in `keys` (None = all); `contacts`: the tables of CONTACTS by
    name.
    """
    people = of_patients(patients, keys)
    whose = clocks(patients=people, clinics=clinics, patient_status=patient_status)
    sessions = placed_sessions(
        contacts["sessions"].join(people, on="patient_id", how="semi"), whose
    )
    parts = stretches(
        sessions.filter("is_begun"),
        courses=courses,
        patient_status=with_clock(patient_status, at="effective_on", clocks=whose),
        last_contact=last_contact(contacts, clocks=whose, until=cut.hour_end),
        options=options,
        cut=cut,
    )
    return TABLE.conform(parts)
