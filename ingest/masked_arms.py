"""Which studies are masked, and whether a lake shows their arms all the same.

Here: asking a lake. Not here: sealing (sealing.py), who must not be answered
(orchestration/answers.py).
"""

from collections.abc import Iterable
from datetime import date

from .lake import Lake


def masked_studies(lake: Lake) -> dict[str, date]:
    """Studies whose arms are masked, as of the materialisation, and until when."""
    query = "SELECT study_id, masked_until FROM mart.study_plans WHERE is_masked ORDER BY study_id"
    return dict(lake.rows(query))


def shows_arms(lake: Lake, studies: Iterable[str]) -> bool:
    """Whether a lake, or one as of a moment, has arms of one of these studies for who reads it."""
    studies = list(studies)
    if not studies or lake.keeps_arms_in_clear():
        return bool(studies)
    query = """SELECT count(*) AS n FROM core.study_enrolments
               WHERE list_contains($1, study_id) AND (arm IS NOT NULL OR allocation IS NOT NULL)"""
    return lake.sql(query, [studies])["n"][0] > 0
