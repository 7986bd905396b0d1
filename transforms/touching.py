"""Which keys of a table the changed rows of its inputs touch.

Here: `Touches`, as data, for the steps of core and the marts. Not here: what changed
(orchestration/following.py), the computing.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Touches:
    """What a changed row of an input touches, as it was and as it is.

    `columns`: the keys are their values; `key`: any row touches this one; neither: all keys.
    `part`: a column and those of its values whose rows touch anything at all. `through`: SQL for
    the keys (one column `key`) of the values of `columns`, which it sees as the relation `touching`
    of one column `key`.
    """

    columns: tuple[str, ...] = ()
    key: str | None = None
    part: tuple[str, frozenset[str]] | None = None
    through: str | None = None

    @property
    def is_all(self) -> bool:
        return not self.columns and self.key is None


def by(*columns: str) -> tuple[Touches, ...]:
    """The keys are the values of these columns."""
    return (Touches(columns=columns),)
