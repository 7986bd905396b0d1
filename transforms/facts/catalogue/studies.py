"""Metrics of a study's patients.

Here: definitions. Not here: comparisons of its arms (arms.py).
"""

from .metric import Metric

STUDIES: tuple[Metric, ...] = (
    Metric(
        id="consort_flow",
        version="2",
        title="Flow of a study's patients",
        rule="patients of the study. Enrolled: with an enrolment, more than once: with several in this study, of which the "
        "first that allocated counts; allocated: with an arm or a day of allocation; received: "
        "a session that belongs to the study began (an arm without any session is not told); followed at a visit: a "
        "value of the primary parameter (without one: of any) counts for it, days from the allocation; pending: the "
        "window is open at the data cut; lost: all others; analysed: those of the study's primary analysis. Reasons are "
        "those on record: death, the status that ended follow-up, what the study files of its analysis sets",
        unit="patients",
        direction="none",
        source="CONSORT 2010 statement, BMJ 2010;340:c332",
        verification="verified",
        parameters=("min_cell",),
        tests=("tests/transforms/marts/test_consort_flow.py",),
    ),
)
