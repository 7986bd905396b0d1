"""What may have to be looked at before a session, as data: each concern's title, when it holds, and
whether it forbids the session until somebody has looked.

Here: the concerns and the columns of their list. Not here: finding them (before.py,
contraindications.py).
"""

from dataclasses import dataclass

import polars as pl

from ..schemas import TIMESTAMP
from .expected import EXPECTED


@dataclass(frozen=True, kw_only=True)
class Concern:
    """`is_grave`: no session before somebody has looked at it; else it is to be known."""

    title: str
    when: str
    is_grave: bool


CONCERNS: dict[str, Concern] = {
    "clearance": Concern(
        title="clearance",
        when="no consult clears the session: there is none, the latest does not clear, it has ended or ends that day, or it does "
        "not cover the modality",
        is_grave=True,
    ),
    "clearance_ends": Concern(
        title="clearance ends soon", when="clearance ends within seven days after", is_grave=False
    ),
    "contraindication": Concern(
        title="contraindication",
        when="the latest consult names one, the latest answer of a screening to an item is present, or the patient is pregnant; "
        "new where it was not known at the last session",
        is_grave=True,
    ),
    "adverse_event_grave": Concern(
        title="open adverse event, grave",
        when="an adverse event that is serious, of grade 3 or more, or a cold injury, asphyxia or syncope is not resolved",
        is_grave=True,
    ),
    "adverse_event": Concern(
        title="open adverse event",
        when="another adverse event is not known to be resolved",
        is_grave=False,
    ),
    "screening": Concern(
        title="missed screening",
        when="the last session began without a screening in the 24 hours before, or one that asked nothing, in a clinic that "
        "screens",
        is_grave=False,
    ),
    "ended": Concern(
        title="treatment ended or paused",
        when="the patient's status says that treatment ended or is paused, and no session has followed",
        is_grave=True,
    ),
    "course": Concern(
        title="course over",
        when="the course has ended, or all that it prescribes is delivered",
        is_grave=False,
    ),
    "spacing": Concern(
        title="too soon",
        when="the protocol allows none that day: by its spacing or its weekly count",
        is_grave=True,
    ),
    "identity": Concern(
        title="merged, split or moved",
        when="the patient's records were merged, split or moved within 30 days",
        is_grave=False,
    ),
    "device_out": Concern(
        title="device out of use",
        when="the device of the last session is out of use that day",
        is_grave=True,
    ),
    "device": Concern(
        title="device to look at",
        when="the calibration of the last session's device is overdue, or it has a deficiency since its last calibration",
        is_grave=False,
    ),
}

LISTED = pl.Schema(
    {
        **{
            name: dtype
            for name, dtype in EXPECTED.items()
            if not name.startswith(("is_", "course_ended"))
        },
        "screened_at": TIMESTAMP,
        "codes": pl.List(pl.String),
        "concerns": pl.List(pl.String),
        "is_grave": pl.Boolean,
    }
)
KEY = ("day", "patient_id")  # a patient is at one clinic a day, which may not be known


def concern_rows(frame: pl.DataFrame, code: pl.Expr | str, sentence: pl.Expr) -> pl.DataFrame:
    code = pl.lit(code) if isinstance(code, str) else code
    return frame.select(*KEY, code=code, sentence=sentence)
