"""Treatment episodes of a patient.

Here: the columns. Not here: how they are computed (rules/episodes.py), episodes in a study
(schemas/mart/subject_episodes.py).
"""

import polars as pl

from ..base import TIMESTAMP, Column, Table

S, I, B, D, T = pl.String, pl.Int64, pl.Boolean, pl.Date, TIMESTAMP
ENDS = ("new_course", "gap")

EPISODES = Table(
    "core",
    "episodes",
    "One row per patient and treatment episode: delivered sessions until a course that is new to the "
    "patient and continues no other, or until too long without a session.",
    (
        Column("patient_id", S, "patient", required=True),
        Column("aperiod", I, "number of the episode, from 1", required=True),
        Column("clinic_id", S, "clinic of the first session"),
        Column("modality", S, "modality of the first session"),
        Column("course_ids", pl.List(S), "courses of its sessions, in order"),
        Column("sessions", I, "delivered sessions", required=True),
        Column("first_session_at", T, "start of the first session"),
        Column("first_session_on", D, "its clinic-local day: Day 1"),
        Column("last_session_at", T, "start of the last session"),
        Column("last_session_on", D, "its clinic-local day"),
        Column(
            "baseline_from",
            D,
            "first day of the baseline period: 28 days before Day 1, or the day after Day 1 of the episode before",
        ),
        Column(
            "baseline_to", D, "last day of the baseline period: Day 1, before the first session"
        ),
        Column(
            "windows_to",
            D,
            "last day of the visit windows: the day before the next episode's baseline period; null = they run on",
        ),
        Column("begun_by", S, "what began it; null for the first", closed=ENDS),
        Column(
            "ended_by", S, "what ended it: what began the next; null = none followed", closed=ENDS
        ),
        Column(
            "is_baseline_in_follow_up",
            B,
            "its baseline period begins within the follow-up (24 months) of the episode before; null for the first",
        ),
        Column(
            "is_treated_before",
            B,
            "the patient had cryotherapy before the lake's first session: by a consult, or a course that continues one without a session here; null = not known",
        ),
    ),
    ("patient_id", "aperiod"),
)
