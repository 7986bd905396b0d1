"""A picture names the interval that it draws, and says where the other is or why there is none."""

import polars as pl
import pytest

from dashboards.pages.both_intervals import THESE, like_these, which_is_drawn
from dashboards.pages.cohort.charts import mean_by_visit
from dashboards.theme import LIGHT
from tests.dashboards.rows import frame
from tests.dashboards.small_lake import STAMP
from transforms.schemas import MART_TABLES


def outcome(**columns) -> pl.DataFrame:
    row = STAMP | {
        "metric_id": "nrs7d_mean",
        "parameter": "NRS7D",
        "statistic": "mean",
        "visit": "Week 4",
        "visit_day": 29,
        "population": "completers",
        "n_patients": 90,
        "n_due": 90,
        "n_evaluable": 80,
        "n_missing": 10,
        "n_pending": 0,
        "n_not_evaluable": 0,
        "estimate": 4.0,
        "ci_lower": 3.6,
        "ci_upper": 4.4,
        "unit": "points",
        "strata": [],
    }
    return frame(MART_TABLES["cohort_outcomes"], [row | columns]).with_columns(
        series=pl.lit("all patients")
    )


@pytest.mark.parametrize(
    ("columns", "note", "cell"),
    [
        (
            {"ci_clustered_lower": 3.1, "ci_clustered_upper": 4.9},
            f"{THESE} Those for clinics like these, which differ among themselves, stand in the table.",
            "3.1 to 4.9",
        ),
        (
            {"clustered_reason": "3 clinics: at least 5 are needed"},
            f"{THESE} For clinics like these there are none: 3 clinics: at least 5 are needed.",
            "3 clinics: at least 5 are needed",
        ),
    ],
)
def test_a_picture_names_its_interval(columns, note, cell):
    """These clinics' patients' is drawn; that for clinics like these stands in the table, or why
    there is none.
    """
    drawn = mean_by_visit(outcome(**columns), "NRS7D", of=LIGHT)
    assert note in drawn.notes
    assert drawn.table["for clinics like these (95 % CI)"].to_list() == [cell]


def test_a_table_without_the_columns_has_the_one_interval():
    """Nothing is said of limits that a table has not."""
    assert which_is_drawn(outcome().drop("ci_clustered_lower", "ci_clustered_upper")) == THESE
    assert like_these({}, digits=1) == "\N{EN DASH}"
