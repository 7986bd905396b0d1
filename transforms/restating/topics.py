"""Which topics a summary's figure is made of.

Here: the lineage of tables, and what of it a parameter is measured by. Not here: which events of
them touch a figure (figures.py).
"""

from functools import cache

from ..core import CORE
from ..facts.mobility_parameters import PERFORMANCE_TESTS, WEEKLY_PARAMETERS
from ..facts.parameters import CONTEXTS, PARAMETERS, code_in_context
from ..marts import MARTS
from ..schemas import RAW_TABLES

# Of every topic alike: what is above them says nothing of a figure
_SWEEPING = (
    "core.data_cut",
    "core.identities",
    "core.implausible",
    "core.orphans",
    "core.conflicts",
)
_MEASURED = ("responses", "readings", "walking_bouts", "performance_tests")
# What says whether limits were kept decides figures of these alone
_LIMITS, _OF_LIMITS = (
    ("telemetry", "devices", "protocols"),
    ("clinic_funnel", "control_charts", "cohort_outcomes", "device_event_rates"),
)

Source = tuple[str, str | None]  # a topic, and which instrument or test of it; None = all


def _sources() -> dict[str, Source]:
    found: dict[str, Source] = {}
    for p in PARAMETERS.values():
        for code in (p.code, *(code_in_context(p.code, context) for context in CONTEXTS)):
            found[code] = ("responses", p.instrument)
    topics = {"activity_days": "readings", "walking_days": "walking_bouts"}
    found |= {p.code: (topics[p.table], None) for p in WEEKLY_PARAMETERS}
    return found | {t.code: ("performance_tests", t.test) for t in PERFORMANCE_TESTS}


_SOURCES = _sources()


@cache
def lineage(full_name: str) -> frozenset[str]:
    """The topics that a table of core or mart is computed from."""
    schema, name = full_name.split(".")
    if schema == "raw":
        return frozenset({name} & set(RAW_TABLES))
    made_by = CORE.get(name) if schema == "core" else MARTS.get(name)
    inputs = made_by.inputs if made_by and full_name not in _SWEEPING else ()
    return frozenset().union(*(lineage(i) for i in inputs if i not in _SWEEPING))


def sources(table: str, parameter: str | None) -> frozenset[Source]:
    """What a figure of a summary is made of: all topics of its lineage, of what is measured that
    alone by which its parameter is.
    """
    topics = lineage(f"mart.{table}")
    own = _SOURCES.get(parameter or "")
    if own is not None:
        topics -= {*_MEASURED, *_LIMITS, "screenings"}
        topics -= set() if own[0] == "readings" else {"retractions"}
    elif table not in _OF_LIMITS:
        topics -= {*_LIMITS}
    elif table == "cohort_outcomes" and parameter is not None:
        topics -= {*_MEASURED, "retractions"}  # an amount of sessions, or of other care
    return frozenset({(topic, None) for topic in topics} | ({own} if own else set()))
