"""Groups of adverse-event terms as data: harms that are looked at together, whatever the single
terms are.

Here: which terms and kinds of injury make a group, its name, its time-to-event parameter. Not here:
rates and curves. A further group is a further entry: rates (mart.adverse_event_groups) and a curve
(mart.adtte) follow from it.
"""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, kw_only=True)
class EventGroup:
    """`injury_kinds` of the contract and coded `terms` (any case): an event with one of either is
    in the group.
    """

    id: str
    title: str
    parameter: str  # PARAMCD of the time to its first event
    injury_kinds: tuple[str, ...]
    terms: tuple[str, ...]

    def members(self, *, term: str = "AEDECOD") -> pl.Expr:
        """Whether a row of mart.adae (its coded term in the column `term`) is in the group."""
        of_term = pl.col(term).str.to_lowercase().is_in(self.terms)
        return (of_term | pl.col("AEINJ").is_in(self.injury_kinds)).fill_null(False)


COLD_INJURY = EventGroup(
    id="cold_injury",
    title="Cold injury",
    parameter="TTCOLD",
    injury_kinds=("burn", "frostbite"),
    terms=("burn", "cold burn", "freeze burn", "frostbite", "frostnip", "chilblains"),
)
GROUPS: dict[str, EventGroup] = {group.id: group for group in (COLD_INJURY,)}
