"""Treatment episodes of a patient in a study, and what other marts say of a row's episode.

Here: the columns. Not here: how they are computed (rules/episodes.py).
"""

from dataclasses import replace

from ..base import Column, Table
from ..core.episodes import ENDS
from .columns import SITEID, STUDYID, USUBJID, YN, D, I, S, T, flag

APERIOD = Column("APERIOD", I, "treatment episode; null = without one")
FRSTEPFL = Column(
    "FRSTEPFL",
    S,
    "of the patient's first episode in the study, or of a patient without one",
    closed=YN,
)
LASTEPFL = Column(
    "LASTEPFL",
    S,
    "of the patient's latest episode in the study, or of a patient without one",
    closed=YN,
)

SUBJECT_EPISODES = Table(
    "mart",
    "subject_episodes",
    "One row per patient, study and treatment episode with a session there; one without a number for a "
    "patient without a session.",
    (
        STUDYID,
        USUBJID,
        SITEID,
        APERIOD,
        Column("MODALITY", S, "modality of the first delivered session"),
        Column("NSESS", I, "sessions delivered", required=True),
        Column(
            "DAY1DT",
            D,
            "Day 1: the episode's first delivered session in the study, else as in adsl",
        ),
        Column("TRTSDTM", T, "start of that session"),
        Column("TRTEDT", D, "last delivered session"),
        Column("CRSENDT", D, "last session of the episode's first course so far"),
        Column("BLSTDT", D, "first day of the baseline period"),
        Column("WINENDT", D, "last day of the visit windows; null = they run on"),
        Column("EPENDRS", S, "what ended the episode; null = none followed", closed=ENDS),
        flag("BLFUPFL", "its baseline period begins within the follow-up of the episode before"),
        flag(
            "PRIORFL",
            "the patient had cryotherapy before the lake's first session; null = not known",
        ),
        FRSTEPFL,
        LASTEPFL,
    ),
    ("STUDYID", "USUBJID", "APERIOD"),
)

PERIOD_UNDER_WAY = replace(
    APERIOD,
    comment="treatment episode under way; null before the first delivered session, and of an unknown moment",
)
