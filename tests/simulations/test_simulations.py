"""The simulations run, cover every p-value that a mart publishes, and their document holds no level
that is too low.
"""

from pathlib import Path

import pytest
from scipy import stats

from tests.simulations import coverage, report, type_one_error
from transforms.schemas import MART_TABLES

DOCUMENT = Path(__file__).parents[2] / "docs" / "coverage.md"


@pytest.fixture(scope="module")
def levels() -> list[dict]:
    return list(type_one_error.run(200, seed=4, n_slow_runs=30))


def test_each_p_value_of_a_mart_is_simulated(levels):
    """A column of a mart whose name ends in p_value is in a simulated row; `*` stands for sessions
    and patient_years.
    """
    published = {
        f"{name}.{c}"
        for name, table in MART_TABLES.items()
        for c in table.names
        if c.endswith("p_value")
    }
    ratios = {
        f"adverse_event_comparisons.{exposure}_p_value"
        for exposure in ("sessions", "patient_years")
    }
    simulated = {row["p_value"].partition(" ")[0] for row in levels}
    covered = {c for c in simulated if "*" not in c} | (
        ratios if any("*" in c for c in simulated) else set()
    )
    assert published <= covered


@pytest.mark.parametrize("question", ["mean", "proportion", "rate"])
def test_limits_hold_in_a_few_runs(question):
    """200 runs of the smallest setting with a spread: at least 0.93 less three Monte Carlo errors
    of 0.95 hold.
    """
    setting = next(
        s for s in coverage.settings() if s.question == question and s.correlation == 0.05
    )
    row = coverage.simulate(setting, runs=200, seed=1)
    assert (row.runs, setting.clinics) == (200, 5)
    assert row.covered > coverage.LEAST - 3 * (0.95 * 0.05 / 200) ** 0.5
    assert row.covered + row.below + row.above == pytest.approx(1)


def test_limits_that_ignore_clinics_would_be_seen(monkeypatch):
    """The mistake planted: with a t quantile of many clinics and no leverage the mean's limits fail
    the same bound.
    """
    setting = next(s for s in coverage.settings() if s.question == "mean" and s.correlation == 0.1)
    whole = coverage.clinics_like_these.mean_limits

    def naive(x, n):
        limits = whole(x, n)
        margin = 1.96 / n.sum(axis=1) ** 0.5
        return type(limits)(limits.estimate, limits.estimate - margin, limits.estimate + margin)

    monkeypatch.setattr(coverage.clinics_like_these, "mean_limits", naive)
    assert coverage.simulate(setting, runs=400, seed=1).covered < 0.85


def test_levels_hold_in_a_few_runs(levels):
    """No setting is told apart so often that 0.06 would give it in less than one of 100,000."""
    for row in levels:
        number = round(row["type_one_error"] * row["runs"])
        assert stats.binom.sf(number - 1, row["runs"], type_one_error.MOST) > 1e-5, row


def test_the_document_is_of_these_settings_and_holds_its_levels(levels):
    """A row for every setting, none under 0.93; of p-values none above 0.06."""
    text = report.read_parts(DOCUMENT)
    rows = report.rows_of(text["coverage"])
    assert len(rows) == len(list(coverage.settings()))
    assert min(float(row[4].split()[0]) for row in rows) >= coverage.LEAST
    rows = report.rows_of(text["level"])
    assert {row[0].strip("`") for row in rows} == {row["p_value"] for row in levels}
    assert max(float(row[3].split()[0]) for row in rows) <= type_one_error.MOST


def test_one_part_is_written_and_the_other_kept(tmp_path):
    """A document keeps the part that is not made anew; a table's rows come back without its
    heads.
    """
    path = tmp_path / "coverage.md"
    report.write(
        path, {"coverage": "| a | b |\n| --- | --- |\n| 1 | 2 |\n", "level": "old\n"}, runs=10
    )
    report.write(path, {"level": "new\n"}, runs=10)
    parts = report.read_parts(path)
    assert parts["level"] == "new\n"
    assert report.rows_of(parts["coverage"]) == [["1", "2"]]
