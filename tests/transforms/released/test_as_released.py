"""What a release holds of a row: counts in fives, figures of these, and nothing that nobody
declared.
"""

from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from transforms.options import Options
from transforms.released.as_released import RULES, as_released, base_of, is_figure
from transforms.schemas import Column, Outside
from transforms.schemas.app import RELEASED
from transforms.statistics.intervals import garwood, wilson

OPTIONS = Options()
NOW = datetime(2026, 6, 1, 12, 34, 56, tzinfo=UTC)


def rows_of(name: str, *rows: dict) -> pl.DataFrame:
    table = RELEASED[name]
    given = [
        dict.fromkeys(table.names) | {"is_suppressed": False, "strata": [], "data_cutoff": NOW} | r
        for r in rows
    ]
    given = [{k: v for k, v in row.items() if k in table.names} for row in given]
    return pl.DataFrame(given, schema=table.polars_schema, orient="row")


def made(name: str, *rows: dict, options: Options = OPTIONS) -> list[dict]:
    return as_released(RELEASED[name], rows_of(name, *rows), options=options).rows(named=True)


# --- what is declared ---------------------------------------------------------------------------


def test_what_a_release_holds_is_what_says_so():
    """Each table with a rule says of itself what it is to a reader from outside, and each that does
    has a rule.
    """
    assert set(RULES) == set(RELEASED)


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_whole_numbers_are_counts_unless_said_otherwise(name):
    """A column of whole numbers is a count, part of the key, or one of those named here, which
    count no people.
    """
    table = RELEASED[name]
    none = {"visit_day", "clinics", "baseline_points", "lake_snapshot"}
    seen = [c for c in table.columns if c.outside is not Outside.WITHHELD]
    whole = [c for c in seen if c.polars == pl.Int64 and c.name not in {*table.key, *none}]
    assert [c.name for c in whole if c.outside is not Outside.COUNT] == []
    assert [c.name for c in seen if (c.unit == "count") != (c.outside is Outside.COUNT)] == []


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_no_figure_is_released_as_it_is(name):
    """Of a figure with many digits a release holds another, or none, unless it counts nobody: a
    rule that forgets one leaves it out.
    """
    table = RELEASED[name]
    none = {
        "to_per_week",
        "anchored_change",
        "anchored_change_least",
        "target",
        "clinics",
        "baseline_points",
    }
    figures = [c.name for c in table.columns if is_figure(table, c) and c.name not in none]
    digits = {c: 0.123456789 + k / 977 for k, c in enumerate(figures)}
    counts = dict.fromkeys(table.of(Outside.COUNT), 50)
    parts = {
        "n_event": 20,
        "x": 20,
        "numerator": 20,
        "patients_with_event": 20,
        "n_improved": 20,
        "n_not_improved": 20,
    }
    row = (
        counts
        | {k: v for k, v in parts.items() if k in counts}
        | digits
        | {"method": "mmrm", "kind": "ratio", "population": "completers"}
    )
    kinds = (
        {"unit": "proportion"},
        {"unit": "points"},
        {"kind": "proportion"},
        {"patient_years": 3.0},
    )
    for extra in (*kinds, {"method": "risk_difference"}, {"chart": "xmr"}, {"chart": "g"}):
        (found,) = made(name, row | extra)
        assert {
            c: found[c]
            for c in figures
            if found[c] is not None and abs(found[c] - digits[c]) < 1e-9
        } == {}


@pytest.mark.parametrize(
    ("outside", "value", "shown"),
    [
        (None, 3.25, None),
        (Outside.WITHHELD, 3.25, None),
        (Outside.MEASURED, 3.25, None),  # no rule makes it
        (Outside.COUNT, 13.0, 15.0),
        (Outside.OPEN, 3.25, 3.25),
    ],
)
def test_a_new_column(outside, value, shown):
    """What says nothing is null in a release, and so is a figure of which no rule says how it is
    made coarse.
    """
    table = RELEASED["responder_curves"]
    new = (
        Column("new", pl.Float64, "something new")
        if outside is None
        else Column("new", pl.Float64, "", outside=outside)
    )
    wider = replace(table, columns=(*table.columns, new))
    rows = rows_of("responder_curves", {"n": 20, "x": 10, "n_missing": 5}).with_columns(
        new=pl.lit(value)
    )
    assert as_released(wider, rows, options=OPTIONS)["new"].to_list() == [shown]


# --- counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 5),
        (4, 5),
        (5, 5),
        (7, 5),
        (8, 10),
        (12, 10),
        (13, 15),
        (None, None),
    ],
)
def test_to_the_nearest_five(n, shown):
    """A count is given to the nearest 5; null is null."""
    (row,) = made(
        "adverse_event_rates", {"events_outside": n, "patients": 50, "patients_with_event": 10}
    )
    assert row["events_outside"] == shown


def test_the_base_is_a_setting_and_never_below_the_threshold():
    """In tens where the site says so; where cells from 11 on are shown, in elevens, so that none of
    1 to 10 is.
    """
    assert [
        base_of(Options(release_rounding=r, min_cell=m)) for r, m in ((5, 5), (10, 5), (5, 11))
    ] == [5, 10, 11]
    (row,) = made(
        "adverse_event_rates",
        {"patients": 44, "patients_with_event": 16},
        options=Options(release_rounding=10),
    )
    assert (row["patients"], row["patients_with_event"]) == (40, 20)


def test_what_lies_between_groups_is_the_difference_of_the_rounded_groups():
    """13 due: 1 missing, 12 not to be judged, none evaluable. Groups 0, 1, 13, 13 are shown as 0,
    0, 15, 15.

    Rounded one by one they would be 15 due, 0 missing and 10 not evaluable, of which the missing
    could only be 1 or 2.
    """
    counts = {
        "n_patients": 13,
        "n_due": 13,
        "n_evaluable": 0,
        "n_missing": 1,
        "n_not_evaluable": 12,
        "n_pending": 0,
    }
    (row,) = made("reliable_change", counts)
    assert {name: row[name] for name in counts} == {
        "n_patients": 15,
        "n_due": 15,
        "n_evaluable": 0,
        "n_missing": 0,
        "n_not_evaluable": 15,
        "n_pending": 0,
    }


def test_a_part_that_is_shown_as_more_than_its_total():
    """1 of 8 is pending at A (10 less 5 are shown, so at least 1), of all 2 of 57 (55 less 55, so
    at most 4).

    That makes 1 to 4 at A, and of all: what lies between the groups is shown of neither, and the
    rest stands.
    """
    cell = {
        "metric_id": "m",
        "visit": "Week 8",
        "population": "completers",
        "n_missing": 0,
        "n_not_evaluable": 0,
    }

    def row(clinic, patients, due):
        return cell | {
            "clinic_id": clinic,
            "strata": ["clinic_id"] if clinic else [],
            "n_patients": patients,
            "n_due": due,
            "n_evaluable": due,
            "n_pending": patients - due,
        }

    found = made("cohort_outcomes", row("A", 8, 7), row("B", 49, 48), row(None, 57, 55))
    assert [
        (r["clinic_id"], r["n_patients"], r["n_due"], r["n_evaluable"], r["n_pending"])
        for r in found
    ] == [
        ("A", 10, None, 5, None),
        ("B", 50, 50, 50, 0),
        (None, 55, None, 55, None),
    ]


# --- figures ------------------------------------------------------------------------------------


def test_a_share_is_of_the_rounded_counts():
    """7 of 18 is shown as 5 of 20, 0.25, with the limits of 5 of 20."""
    (row,) = made("responder_curves", {"n": 18, "x": 7, "n_missing": 0, "estimate": 7 / 18})
    limits = wilson([5], [20])
    assert (row["x"], row["n"], row["estimate"]) == (5, 20, 0.25)
    assert (row["ci_lower"], row["ci_upper"]) == pytest.approx((limits.lower[0], limits.upper[0]))


def test_a_rate_is_of_the_rounded_events():
    """12 events in 23.456 years are 10 in 23 years: 43.5 per 100, exact limits of 10."""
    counts = {
        "patients": 41,
        "patients_with_event": 11,
        "events": 12,
        "sessions": 404,
        "patient_years": 23.456,
        "patient_years_at_risk": 20.04,
    }
    (row,) = made("adverse_event_groups", counts)
    rate = "events_per_100_patient_years"
    limits = garwood([10], [23.0])
    assert row["patient_years"] == 23.0
    assert [row[rate + s] for s in ("", "_lower", "_upper")] == pytest.approx(
        [float(v[0]) for v in limits]
    )


@pytest.mark.parametrize(
    ("estimate", "lower", "upper", "shown"),
    [
        (-2.4118, -3.0231, -1.8005, (-2.4, -3.0, -1.8)),
        (-2.125, -3.375, -0.875, (-2.2, -3.4, -0.8)),
        (7312.6, 6890.1, 7735.1, (7300.0, 6900.0, 7750.0)),
        (1.257, None, None, (1.3, None, None)),
    ],
)
def test_a_mean_is_given_in_steps_of_its_interval(estimate, lower, upper, shown):
    """In steps of a tenth of its interval at most (1, 2 or 5 times a power of ten); without one, to
    two digits.
    """
    row = {
        "metric_id": "nrs7d_change",
        "unit": "points",
        "population": "completers",
        "n_patients": 30,
        "n_due": 20,
        "n_evaluable": 17,
        "n_missing": 3,
        "n_not_evaluable": 0,
        "n_pending": 10,
        "estimate": estimate,
        "ci_lower": lower,
        "ci_upper": upper,
    }
    (row,) = made("cohort_outcomes", row)
    assert (row["estimate"], row["ci_lower"], row["ci_upper"]) == pytest.approx(shown)


def test_a_curve_has_steps_at_rounded_counts_alone():
    """20 patients, an event a day from day 1 to 12, censored on days 13 to 20.

    Events so far are 5 from day 3, 10 from day 8; on day 13 12 are gone (10) and one is censored.
    At risk below 5 from day 17 on: the curve ends on day 16 with what has been censored so far (5,
    from day 15).
    """
    days = [
        {
            "parameter": "TTAE",
            "time_days": float(k),
            "at_risk": 21 - k,
            "events": int(k <= 12),
            "censored": int(k > 12),
            "n_patients": 20,
        }
        for k in range(1, 21)
    ]
    found = made("survival_curves", *days)
    assert [(r["time_days"], r["at_risk"], r["events"], r["censored"]) for r in found] == [
        (3.0, 20, 5, 0),
        (8.0, 15, 5, 0),
        (15.0, 10, 0, 5),
        (16.0, 5, 0, 0),
    ]
    assert [r["survival"] for r in found] == pytest.approx([0.75, 0.5, 0.5, 0.5])


# --- words and moments --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (
            "12 improved and 41 not, 30 needed of each",
            "some improved and some not, 30 needed of each",
        ),
        (
            "values of 7 of 18 patients due: compared from 60 % on",
            "values of some of some patients due: compared from 60 % on",
        ),
        (
            "4 clinics to compare: at least 5 are needed",
            "4 clinics to compare: at least 5 are needed",
        ),
        (
            "answers left out of the model: 12 at Week 4, Month 3",
            "answers left out of the model: some at Week 4, Month 3",
        ),
        (None, None),
    ],
)
def test_a_sentence_tells_no_number_of_people(reason, shown):
    """Numbers in a reason are "some", unless they are a visit's, a threshold, clinics or a
    share.
    """
    (row,) = made("important_change", {"n_changes": 60, "reason": reason})
    assert row["reason"] == shown


def test_moments_are_months_and_hours():
    """The day of somebody's first session is its month; the newest record's moment is its hour."""
    (row,) = made("adverse_event_groups", {"patients": 20, "period_start": date(2026, 2, 17)})
    assert row["period_start"] == date(2026, 2, 1)
    assert row["data_cutoff"] == datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_table_of_comparisons_is_released_to_nobody():
    """Between two groups no row is released: what is left of one pair is another group."""
    assert "adverse_event_comparisons" not in RELEASED


def test_of_no_rows_there_are_none():
    """A summary without rows, and one whose rows are all hidden."""
    for name, table in RELEASED.items():
        assert as_released(table, table.empty(), options=OPTIONS).schema == table.polars_schema, (
            name
        )
