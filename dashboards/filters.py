"""What is chosen, and nothing but the URL says it: a link gives the same screen.

Here: the URL's query as a `Chosen`, and the stratum that it names. Not here: the controls (components.py), which write
the query (assets/floe.js).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from transforms.schemas.mart import DIMENSIONS

from . import ids, words

# query name -> dimension of the marts
DIMENSION = dict(zip(ids.FILTERS, DIMENSIONS, strict=True))


@dataclass(frozen=True)
class Chosen:
    """`dimensions`: dimension -> value, only those chosen; `others`: the rest of the query."""

    dimensions: dict[str, str]
    others: dict[str, str]

    def get(self, name: str) -> str | None:
        return self.others.get(name)

    def stratum(self, *extra: str) -> tuple[str, list]:
        """SQL condition and parameters of the rows of the chosen stratum, split further by the dimensions `extra`."""
        force = [d for d in DIMENSIONS if d in self.dimensions or d in extra]
        named = [d for d in DIMENSIONS if d in self.dimensions]
        conditions = ["strata = $1", *(f'"{d}" = ${k}' for k, d in enumerate(named, 2))]
        return " AND ".join(conditions), [tuple(force), *(self.dimensions[d] for d in named)]

    def in_words(self, clinics: Mapping[str, str]) -> str:
        """Whom the chosen filters leave, as captions, tables and cards name them; `clinics`: id to name."""
        if not self.dimensions:
            return "all patients"
        return ", ".join(
            _value_in_words(dimension, self.dimensions[dimension], clinics)
            for dimension in DIMENSIONS
            if dimension in self.dimensions
        )

    def key(self) -> str:
        """The same for the same choice."""
        return urlencode(sorted({**self.dimensions, **self.others}.items()))


def _value_in_words(dimension: str, value: str, clinics: Mapping[str, str]) -> str:
    if dimension == "clinic_id":
        return clinics.get(value, value)
    return f"arm {value}" if dimension == "arm" else words.name_of(value)


def chosen(search: str | None) -> Chosen:
    """The choice of a URL's query; what it does not know is kept and ignored."""
    query = {name: values[0] for name, values in parse_qs((search or "").lstrip("?")).items()}
    dimensions = {DIMENSION[name]: value for name, value in query.items() if name in DIMENSION}
    return Chosen(dimensions, {name: value for name, value in query.items() if name not in DIMENSION})


def search_of(query: dict[str, str | None]) -> str:
    """The URL's query of these names; null and empty ones are left out."""
    kept = {name: value for name, value in query.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


def kept_search(search: str | None, names: Sequence[str] = ids.FILTERS) -> str:
    """What another page takes over of a URL's query: the filters."""
    query = parse_qs((search or "").lstrip("?"))
    return search_of({name: query[name][0] for name in names if name in query})
