"""Who the patients are: the draw of each, arms, and how their part ends.

Here: `enrol`. Not here: their records (patients.py).
"""

from datetime import timedelta

import numpy as np

from .outbox import chance, pick
from .plan import Plan
from .state import Clinic, Patient

INDICATIONS = (
    ("chronic_low_back_pain", 46),
    ("chronic_neck_pain", 14),
    ("radicular_pain", 14),
    ("spondyloarthritis", 8),
    ("post_surgical_back_pain", 12),
    ("other", 6),
)
STOPS = (("withdrew", 6.0), ("lost", 8.0), ("pregnant", 1.0))  # shares of patients, %


def enrol(plan: Plan, *, position: int, clinics: list[Clinic], rng) -> Patient:
    """One patient, drawn until the first pain rating reaches the cutoff: that selection is the
    regression to the mean.
    """
    e = plan.effects
    spread = e.pain_sd * np.sqrt(1 - e.pain_reliability)
    while True:
        trait = rng.normal(e.pain_mean, e.pain_sd * np.sqrt(e.pain_reliability))
        baseline = int(np.clip(round(trait + rng.normal(0, spread)), 0, 10))
        if baseline >= e.pain_cutoff:
            break
    clinic = clinics[position % len(clinics)]
    patient = Patient(
        patient_id=f"P{plan.seed}-{position + 1:05d}",
        position=position,
        clinic=clinic,
        sex=pick(rng, ("female", "male", "other", "unknown"), (55, 42, 1, 2)),
        birth_year=plan.start.year - int(np.clip(rng.normal(52, 13), 18, 88)),
        indication=pick(rng, *zip(*INDICATIONS, strict=True)),
        modality=pick(rng, clinic.modalities),
        enrolled_on=plan.start + timedelta(days=int(rng.uniform(0, max(0.75 * plan.days, 1)))),
        trait=trait,
        baseline=baseline,
        improvement=rng.normal(e.pain_improvement, e.pain_improvement_sd),
    )
    if chance(rng, e.opioid_share):
        patient.mme = float(max(5.0, round(rng.gamma(3.0, e.opioid_mean_mme / 3.0))))
    _plan_changes(patient, plan=plan, clinics=clinics, rng=rng)
    _allocate(patient, plan=plan)
    return patient


def _allocate(patient: Patient, *, plan: Plan):
    """Some take part in the study, randomised to an arm; drawn apart, so that routine care is the
    same without it.
    """
    rng = plan.rng(7, patient.position)
    if chance(rng, plan.study_share):
        patient.arm = pick(rng, plan.arms)
        patient.allocated_on = patient.enrolled_on + timedelta(days=int(rng.integers(1, 6)))


def _plan_changes(patient: Patient, *, plan: Plan, clinics: list[Clinic], rng):
    """Moving, leaving, dying, two records merged: at most one end, drawn before anything
    happens.
    """
    after = patient.enrolled_on
    death_days = rng.exponential(365.25 / max(plan.effects.deaths_per_patient_year, 1e-9))
    draw = 100 * rng.random()
    for stop, share in STOPS:
        if draw < share:
            if stop != "pregnant" or (
                patient.sex == "female" and plan.start.year - patient.birth_year < 46
            ):
                patient.stop = stop
                patient.stopped_on = after + timedelta(days=int(rng.uniform(12, 160)))
            break
        draw -= share
    if death_days < 3650 and (
        patient.stopped_on is None or after + timedelta(days=int(death_days)) < patient.stopped_on
    ):
        patient.stop, patient.stopped_on = "died", after + timedelta(days=1 + int(death_days))
    if patient.stopped_on is not None and patient.stopped_on >= plan.end:
        patient.stop = patient.stopped_on = None
    others = [c for c in clinics if patient.modality in c.modalities and c is not patient.clinic]
    if others and chance(rng, 0.04):
        patient.next_clinic = pick(rng, others)
        patient.transferred_on = after + timedelta(days=int(rng.uniform(20, 90)))
    elif chance(rng, 0.015):
        patient.alias = f"{patient.patient_id}b"
        patient.merged_at = patient.clinic.at(
            after + timedelta(days=int(rng.uniform(25, 60))), 12.0
        )
