"""The tables of docs/coverage.md, and how one part is written anew while the other stays.

Here: text. Not here: the simulations.
"""

import re
from pathlib import Path

from .coverage import LEAST, Coverage
from .type_one_error import MOST

PARTS = ("coverage", "level")
_HEAD = """# What level intervals and p-values hold

Made by `make simulations` (`python -m tests.simulations`), which simulates each setting {runs:,} times or as often as its
row says; the same code gives the same tables. Each share stands with its Monte Carlo standard error. Nothing is dated: the document changes
where the code does.

A share of limits that hold the truth under {least} or of p-values under .05 above {most} would be a fault. Exact methods
hold more than they promise, most where events are rare or clinics few: that is reported, not corrected.
"""
_QUESTIONS = {
    "mean": "Means over clinics (`ci_clustered_lower`, `ci_clustered_upper`)",
    "proportion": "Proportions over clinics (`ci_clustered_…`, `incidence_proportion_clustered_…`)",
    "rate": "Rates over clinics (`…_clustered_…` of rates)",
}
_TRUTH = {"mean": "mean", "proportion": "proportion", "rate": "events per patient-year"}


def coverage_row(row: Coverage) -> str:
    s = row.setting
    cells = (
        f"{s.truth:g}",
        f"{s.clinics}",
        s.sizes,
        s.spread,
        f"{row.covered:.4f} ± {row.error:.4f}",
        f"{row.below:.3f}",
        f"{row.above:.3f}",
        f"{row.width:.2f}",
        f"{row.given / row.runs:.3f}",
    )
    return _row(cells)


def coverage_tables(rows: list[Coverage]) -> str:
    parts = []
    for question, title in _QUESTIONS.items():
        unit = "median width (SD)" if question == "mean" else "median width / truth"
        head = (
            _TRUTH[question],
            "clinics",
            "sizes",
            "clinics differ by",
            "95 % limits hold the truth",
            "limits below it",
            "above it",
            unit,
            "share of runs with limits",
        )
        mine = [coverage_row(r) for r in rows if r.setting.question == question]
        parts.append(f"## {title}\n\n" + "\n".join([_row(head), _row(["---"] * len(head)), *mine]))
    return "\n\n".join(parts) + "\n"


def level_row(row: dict) -> str:
    phi = "" if row["overdispersion"] is None else f"{row['overdispersion']:g}"
    cells = (
        f"`{row['p_value']}`",
        row["setting"],
        phi,
        f"{row['type_one_error']:.4f} ± {row['standard_error']:.4f}",
        f"{row['runs']:,}",
    )
    return _row(cells)


def level_table(rows: list[dict]) -> str:
    """Of many settings of a p-value that differ in events and exposure alone, the one with the
    most.
    """
    head = ("p-value", "arms that do not differ", "over-dispersion", "told apart at .05", "runs")
    shown = "\n".join(
        [_row(head), _row(["---"] * len(head)), *(level_row(r) for r in _highest(rows))]
    )
    return (
        "## P-values where nothing differs\n\n"
        f"Of {len(rows)} settings; of those with the same p-value, arms and over-dispersion the one with the highest "
        f"share.\n\n{shown}\n"
    )


def _highest(rows: list[dict]) -> list[dict]:
    highest: dict[tuple, dict] = {}
    for row in rows:
        key = (row["p_value"], row["setting"].split(",")[0], row["overdispersion"])
        highest[key] = max(highest.get(key, row), row, key=lambda r: r["type_one_error"])
    return list(highest.values())


def write(path: Path, tables: dict[str, str], *, runs: int) -> None:
    """The document with these parts; one that is not given stays as it is in the file."""
    kept = read_parts(path) if path.exists() else {}
    parts = [
        _marked(part, {**kept, **tables}[part]) for part in PARTS if part in {**kept, **tables}
    ]
    head = _HEAD.format(runs=runs, least=f"{LEAST:g}".lstrip("0"), most=f"{MOST:g}".lstrip("0"))
    path.write_text("\n".join([head, *parts]))


def read_parts(path: Path) -> dict[str, str]:
    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- end -->\n", path.read_text(), re.DOTALL)
    return dict(found)


def rows_of(text: str) -> list[list[str]]:
    """The cells of every row of the tables in a text, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = [k for k, row in enumerate(rows) if set(row) == {"---"}]
    return [row for k, row in enumerate(rows) if k not in heads and k + 1 not in heads]


def _marked(part: str, text: str) -> str:
    return f"<!-- {part} -->\n{text}<!-- end -->\n"


def _row(cells) -> str:
    return "| " + " | ".join(cells) + " |"
