"""The analysis sets of a study, as data: which there are, by which rule each is decided, under
which names a study may file it.

Here: that. Not here: who is in which (rules/analysis_sets.py).
"""

from dataclasses import dataclass

ITT, FAS, PP, SAFETY = "ITT", "FAS", "PP", "SAF"
IN_SET = (
    "in"  # what a study files of a patient who is in a set; any other text is why one is left out
)
FILED, DERIVED, UNDECIDED = "filed", "derived", "undecided"
DECIDED_BY = (FILED, DERIVED, UNDECIDED)


@dataclass(frozen=True, kw_only=True)
class AnalysisSet:
    """`rule`: who is in it where the study does not file it; `names`: how a study may call it
    (letters alone, lower case).
    """

    code: str
    title: str
    rule: str
    names: tuple[str, ...]


SETS: dict[str, AnalysisSet] = {
    s.code: s
    for s in (
        AnalysisSet(
            code=ITT,
            title="Intention to treat",
            rule="everybody allocated",
            names=("itt", "ittset", "intentiontotreat", "intenttotreat"),
        ),
        AnalysisSet(
            code=FAS,
            title="Full analysis set",
            rule="allocated, with a baseline of the primary parameter and a value after it",
            names=("fas", "fullanalysis", "fullanalysisset"),
        ),
        AnalysisSet(
            code=PP,
            title="Per protocol",
            rule="as the study files it; without that nobody can tell",
            names=("pp", "pps", "ppset", "perprotocol", "perprotocolset"),
        ),
        AnalysisSet(
            code=SAFETY,
            title="Safety",
            rule="a session of the study began",
            names=("saf", "safety", "safetyset", "safetypopulation", "safetyanalysisset"),
        ),
    )
}
_CODES = {name: s.code for s in SETS.values() for name in s.names}


def set_code(name: str) -> str:
    """The code of a set that a study files under a name of its own; another set keeps its name."""
    letters = "".join(c for c in name.lower() if c.isalpha())
    return _CODES.get(letters, name.strip())


def set_title(code: str) -> str:
    if code in SETS:
        return SETS[code].title
    return code
