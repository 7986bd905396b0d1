"""mart.important_change and mart.reliable_change: small cohorts by hand, and a plain re-computation
of a random one.
"""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests import treatment_episodes
from transforms.checks import check_table
from transforms.facts.responses import CHANGE_CLASSES
from transforms.facts.strata import STORED
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.statistics import anchor, rates

DAY1 = date(2025, 1, 6)
CUT = Cut(lake_snapshot=3, data_cutoff=datetime(2025, 6, 10, 12, tzinfo=UTC))
STRATA = {
    "clinic_id": "SITEID",
    "modality": "MODALITY",
    "indication": "INDICATN",
    "study_id": "STUDYID",
    "arm": "ARM",
}
SUMMARIES = ("important_change", "reliable_change")


def frame(schema, rows):
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def made(name, tables, **options):
    mart = MARTS[name]
    inputs = {full.split(".")[1]: tables[full.split(".")[1]] for full in mart.inputs}
    return mart.compute(
        *(() if mart.is_summary else (None,)), **inputs, options=Options(**options), cut=CUT
    )


def world(people, answers, tests=(), **options):
    """Marts of patients (name, clinic, modality, arm, Day 1), answers (name, study day, instrument,
    items) and performance tests (name, study day, test, value).
    """
    tables = {name: t.empty() for name, t in (CORE_TABLES | MART_TABLES).items()}
    day1 = {p[0]: p[4] for p in people}

    def moment(name, ady):
        return datetime.combine(day1[name], datetime.min.time(), UTC) + timedelta(
            days=ady - 1, hours=12
        )

    tables["adsl"] = frame(
        MART_TABLES["adsl"],
        [
            {
                "STUDYID": "s",
                "USUBJID": n,
                "SITEID": c,
                "MODALITY": m,
                "INDICATN": "other",
                "ARM": a,
                "DAY1DT": d,
                "ENRLDT": d,
                "NSESS": 0,
                "TIMEZONE": "UTC",
            }
            for n, c, m, a, d in people
        ],
    )
    tables["responses"] = frame(
        CORE_TABLES["responses"],
        [
            {
                "response_id": f"{n}{ady}{i}",
                "event_id": f"{n}{ady}{i}",
                "patient_id": n,
                "clinic_id": "c",
                "answered_at": moment(n, ady),
                "instrument": i,
                "items": items,
            }
            for n, ady, i, items in answers
        ],
    )
    tables["performance_tests"] = frame(
        CORE_TABLES["performance_tests"],
        [
            {
                "test_id": f"{n}{ady}{t}",
                "event_id": f"{n}{ady}{t}",
                "patient_id": n,
                "clinic_id": "c",
                "performed_at": moment(n, ady),
                "test": t,
                "value": value,
            }
            for n, ady, t, value in tests
        ],
    )
    tables["subject_episodes"] = treatment_episodes.alone(tables["adsl"])
    for name in ("adqs", "adact", *SUMMARIES):
        tables[name] = made(name, tables, **options)
    return tables


def nrs(name, ady, value):
    return (name, ady, "nrs_pain", f'{{"average_7d": {value}}}')


def pgic(name, ady, value):
    return (name, ady, "pgic", f'{{"pgic": {value}}}')


def overall(table, parameter, visit):
    rows = table.filter(pl.col("strata").list.len() == 0, parameter=parameter, visit=visit)
    assert rows.height == 1
    return rows.row(0, named=True)


def patients(count):
    return [(f"p{k:02}", "c", "local", None, DAY1) for k in range(count)]


# --- important change ---------------------------------------------------------------------------

#  baseline, Week 4, PGIC at Week 4; null = not answered. Improved by 5 3 2 1, not by 3 1 0 -1 -2
WORKED = [
    (8, 3, 1),
    (8, 5, 2),
    (8, 6, 2),
    (8, 7, 2),
    (8, 5, 3),
    (8, 7, 4),
    (8, 8, 4),
    (8, 9, 6),
    (8, 10, 7),
]


def cohort(rows):
    answers = []
    for (name, *_), (base, value, impression) in zip(patients(len(rows)), rows, strict=True):
        answers += [nrs(name, 1, base)] * (base is not None) + [nrs(name, 29, value)] * (
            value is not None
        )
        answers += [pgic(name, 29, impression)] * (impression is not None)
    return patients(len(rows)), answers


def test_worked_example():
    """At 1 point all 4 improved reach it and 3 of 5 others do not: 1 + 3/5, the best; 17 of 20
    pairs are won.
    """
    row = overall(world(*cohort(WORKED), anchor_min_group=4)["important_change"], "NRS7D", "Week 4")
    assert (row["n_changes"], row["n_without_pgic"], row["n_improved"], row["n_not_improved"]) == (
        9,
        0,
        4,
        5,
    )
    assert (row["anchored_change"], row["anchored_change_least"], row["sensitivity"]) == (1, 1, 1)
    assert (row["specificity"], row["auc"]) == pytest.approx((3 / 5, 17 / 20))
    lower, upper = anchor.area_interval([17 / 20], [4], [5])
    assert (row["auc_lower"], row["auc_upper"]) == pytest.approx((lower[0], upper[0]))
    assert (row["published_change"], row["published_source"]) == (
        2,
        "Ostelo 2008, Spine 33:90: NRS 2",
    )
    assert (row["unit"], row["direction"], row["reason"], row["metric_id"]) == (
        "points",
        "lower",
        None,
        "pgic_anchor_mic",
    )


def test_thirty_on_each_side_are_needed():
    """29 improved give no cut and no area, but their number and the published change; 30 give
    both.
    """
    rows = [(8, 4, 2)] * 29 + [(8, 8, 4)] * 40
    row = overall(world(*cohort(rows))["important_change"], "NRS7D", "Week 4")
    assert (row["anchored_change"], row["auc"], row["auc_lower"]) == (None, None, None)
    assert (row["n_improved"], row["published_change"]) == (29, 2)
    assert row["reason"] == "29 improved and 40 not, 30 needed of each"
    full = overall(world(*cohort([*rows, (8, 4, 1)]))["important_change"], "NRS7D", "Week 4")
    assert (full["anchored_change"], full["auc"], full["reason"]) == (4, 1, None)


def test_a_change_and_an_impression_of_the_same_visit_make_a_pair():
    """Without a PGIC, without a baseline, and with the PGIC of another visit there is no pair;
    nobody is guessed.
    """
    people, answers = cohort([(8, 4, 1), (8, 4, None), (None, 4, 1), (8, None, 1)])
    answers += [pgic("p01", 57, 1)]  # Week 8
    table = world(people, answers)["important_change"]
    row = overall(table, "NRS7D", "Week 4")
    assert (row["n_changes"], row["n_without_pgic"], row["n_improved"], row["n_not_improved"]) == (
        2,
        1,
        1,
        0,
    )
    assert set(table["visit"]) == {"Week 4"}
    none = overall(world(*cohort([(8, 4, None)]))["important_change"], "NRS7D", "Week 4")
    assert (none["n_improved"], none["n_not_improved"]) == (0, 0)
    assert none["reason"] == "no global impression (PGIC) at the visit"


def test_who_is_not_due_is_not_counted():
    """A patient whose window has not closed at the data cut is in no cut, even with both
    answers.
    """
    people = [*patients(1), ("late", "c", "local", None, date(2025, 5, 10))]
    answers = [a for n in ("p00", "late") for a in (nrs(n, 1, 8), nrs(n, 29, 4), pgic(n, 29, 1))]
    assert overall(world(people, answers)["important_change"], "NRS7D", "Week 4")["n_changes"] == 1


def test_a_performance_test_and_a_site_s_own_change():
    """Six minutes walked: 70 m more is an improvement of 70, beside 60 m; a changed setting is
    named as the source.
    """
    people, answers = cohort([(8, 4, 1), (8, 8, 4)])
    tests = [
        ("p00", 1, "six_minute_walk", 400),
        ("p00", 29, "six_minute_walk", 470),
        ("p01", 1, "six_minute_walk", 400),
        ("p01", 29, "six_minute_walk", 390),
    ]
    table = world(people, answers, tests, anchor_min_group=1, nrs_points=3.0)["important_change"]
    walk = overall(table, "SIXMWD", "Week 4")
    assert (walk["anchored_change"], walk["published_change"], walk["direction"]) == (
        70,
        60,
        "higher",
    )
    own = overall(table, "NRS7D", "Week 4")
    assert (own["published_change"], own["published_source"], own["published_verification"]) == (
        3,
        "the site's setting FLOE_NRS_POINTS",
        "proposal",
    )


# --- reliable change ----------------------------------------------------------------------------


def test_classes_and_their_denominators():
    """Week 4: 8 to 5 improved, 3 to 0 recovered, 8 to 6 and 5 to 5 unchanged, 2 to 5 deteriorated:
    5 evaluable; one without a value is missing, one without a baseline not evaluable, one not yet
    due pending.
    """
    rows = [(8, 5), (3, 0), (8, 6), (5, 5), (2, 5), (7, None), (None, 4)]
    people, answers = cohort([(*r, None) for r in rows])
    people += [("late", "c", "local", None, date(2025, 5, 10))]
    answers += [nrs("late", 1, 8), nrs("late", 29, 0)]
    row = overall(world(people, answers)["reliable_change"], "NRS7D", "Week 4")
    counts = ("n_patients", "n_due", "n_evaluable", "n_missing", "n_not_evaluable", "n_pending")
    assert [row[c] for c in counts] == [8, 7, 5, 1, 1, 1]
    assert [row[f"n_{c}"] for c in CHANGE_CLASSES] == [1, 1, 2, 1]
    exact = rates.proportion(2, 5, method="clopper_pearson")
    assert (row["unchanged"], row["unchanged_lower"], row["unchanged_upper"]) == pytest.approx(
        (2 / 5, exact.lower, exact.upper)
    )
    assert (row["standard_error_of_measurement"], row["recovered_at"]) == (1.02, 0)
    assert row["smallest_change"] == pytest.approx(2.827, abs=0.001)
    assert (row["source"][:11], row["recovered_source"][:11]) == ("Childs 2005", "Kamper 2010")


def test_more_than_five_have_wilson_limits():
    """6 of 8 improved beyond the error: Wilson."""
    row = overall(
        world(*cohort([(8, 4, None)] * 6 + [(8, 8, None)] * 2))["reliable_change"],
        "NRS7D",
        "Week 4",
    )
    wilson = rates.proportion(6, 8)
    assert (row["improved_lower"], row["improved_upper"]) == pytest.approx(
        (wilson.lower, wilson.upper)
    )


def test_what_can_t_be_said_is_null_with_a_reason():
    """No error of a VAS is known: no class, no zero. No functional cut of a walk is known:
    recovered is null, not 0. Flexion has no better direction. Nobody with a value: shares are
    null.
    """
    people = patients(2)
    answers = [
        (n, ady, "vas_pain", f'{{"average_7d": {v}}}')
        for n, *_ in people
        for ady, v in ((1, 80), (29, 10))
    ]
    answers += [nrs("p00", 1, 8), nrs("p01", 29, 4)]
    tests = [
        (n, ady, t, v + add)
        for n, *_ in people
        for t, v in (("six_minute_walk", 400), ("lumbar_flexion_rom", 40))
        for ady, add in ((1, 0), (29, 60))
    ]
    table = world(people, answers, tests)["reliable_change"]
    vas = overall(table, "VAS7D", "Week 4")
    assert [vas[f"n_{c}"] for c in CHANGE_CLASSES] == [None] * 4
    assert (vas["n_evaluable"], vas["n_not_evaluable"], vas["improved"]) == (0, 2, None)
    assert vas["reason"] == "no measurement error of this score is known: set FLOE_VAS_SEM"
    walk = overall(table, "SIXMWD", "Week 4")
    assert (
        walk["n_recovered"],
        walk["recovered"],
        walk["n_improved"],
        walk["smallest_change"],
    ) == (None, None, 2, 60)
    flexion = overall(table, "LUMFLEX", "Week 4")
    assert (flexion["n_evaluable"], flexion["improved"]) == (0, None)
    assert (
        flexion["reason"]
        == "no direction of it is the better one; a change under 15 is not shown as change"
    )
    pain = overall(table, "NRS7D", "Week 4")
    assert (pain["n_evaluable"], pain["n_missing"], pain["improved"]) == (0, 1, None)
    assert pain["reason"] == "no evaluable value among the patients due"


def test_a_baseline_off_the_scale_is_not_evaluable():
    """RMDQ 3 of 24 at baseline can't show an improvement: not evaluable, with a value or without; 4
    can.
    """

    def rmdq(name, ady, ticked):
        return (
            name,
            ady,
            "rmdq",
            "{" + ", ".join(f'"q{k}": {int(k <= ticked)}' for k in range(1, 25)) + "}",
        )

    answers = [
        rmdq("p00", 1, 3),
        rmdq("p00", 29, 12),
        rmdq("p01", 1, 3),
        rmdq("p02", 1, 4),
        rmdq("p02", 29, 10),
        rmdq("p03", 1, 4),
    ]
    row = overall(world(patients(4), answers)["reliable_change"], "RMDQ", "Week 4")
    assert (
        row["n_evaluable"],
        row["n_deteriorated"],
        row["n_missing"],
        row["n_not_evaluable"],
    ) == (1, 1, 1, 2)


@pytest.mark.parametrize("name", SUMMARIES)
def test_small_cells_are_marked(name):
    """12 patients, 6 and 6: shown; 10 and 2: hidden as a whole, so that no class is what is left of
    the others.
    """
    for improved, is_hidden in ((6, False), (2, True)):
        rows = [(8, 4, 1)] * improved + [(8, 8, 4)] * (12 - improved)
        assert overall(world(*cohort(rows))[name], "NRS7D", "Week 4")["is_suppressed"] == is_hidden


# --- a random cohort ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_cohort():
    """90 patients of 3 clinics: two questionnaires, a test, and impressions that follow pain; all
    with gaps.
    """
    rng = np.random.default_rng(17)
    people, answers, tests = [], [], []
    for k in range(90):
        name, start = f"p{k:02}", DAY1 + timedelta(days=int(rng.integers(0, 120)))
        people.append(
            (
                name,
                f"c{rng.integers(3)}",
                str(rng.choice(["local", "whole_body"])),
                [None, "a"][k % 2],
                start,
            )
        )
        first = int(rng.integers(3, 11))
        for target in (1, 29, 57):
            pain = first if target == 1 else int(rng.integers(0, first + 2))
            if rng.random() < 0.85:
                answers.append(nrs(name, target, min(pain, 10)))
            if rng.random() < 0.5:
                items = ", ".join(f'"q{i}": {rng.integers(1, 6)}' for i in range(1, 5))
                answers.append((name, target, "promis_pi_4a", "{" + items + "}"))
            if rng.random() < 0.6:
                tests.append((name, target, "timed_up_and_go", float(rng.integers(60, 140)) / 10))
            if target > 1 and rng.random() < 0.7:
                impression = round(4.5 + (pain - first) / 2 + rng.normal())
                answers.append(pgic(name, target, min(max(impression, 1), 7)))
    return people, answers, tests, world(people, answers, tests, anchor_min_group=5)


CLOSES = {"Week 4": 42, "Week 8": 70}
TARGET = {"Week 4": 29, "Week 8": 57}
ASKED = {"NRS7D": "nrs_pain", "PI4A": "promis_pi_4a", "TUG": "timed_up_and_go"}
T_OF_PI4A = (
    41.6,
    49.6,
    52.0,
    53.9,
    55.6,
    57.1,
    58.5,
    59.9,
    61.2,
    62.5,
    63.8,
    65.2,
    66.6,
    68.0,
    69.7,
    71.6,
    75.6,
)
SE_OF_PI4A = (6.1, 2.5, 2.0, 1.9, 1.9, 1.9, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.9, 2.1, 3.6)


def plain_values(answers, tests):
    """(patient, parameter, study day) -> (value, its standard error), by reading the answers one by
    one.
    """
    found = {}
    for name, ady, instrument, items in answers:
        numbers = [int(part.split(": ")[1]) for part in items.strip("{}").split(", ")]
        if instrument == "nrs_pain":
            found[name, "NRS7D", ady] = (numbers[0], 1.02)
        if instrument == "pgic":
            found[name, "PGIC", ady] = (numbers[0], None)
        if instrument == "promis_pi_4a":
            raw = sum(numbers) - 4
            found[name, "PI4A", ady] = (T_OF_PI4A[raw], SE_OF_PI4A[raw])
    return found | {(name, "TUG", ady): (value, None) for name, ady, _, value in tests}


def plain_class(parameter, base, value):
    change = value[0] - base[0]
    if parameter == "TUG":
        limit, is_beyond = 1.3, abs(change) >= 1.3 - 1e-9
    else:
        limit = 1.96 * (base[1] ** 2 + value[1] ** 2) ** 0.5
        is_beyond = abs(change) > limit
    if not is_beyond:
        return "unchanged"
    if change > 0:
        return "deteriorated"
    return "recovered" if parameter == "NRS7D" and value[0] == 0 else "improved"


def plain_people(people, row):
    dimensions = zip(("clinic_id", "modality", "arm"), (1, 2, 3), strict=True)
    chosen = list(dimensions)
    stratum = [p for p in people if all(row[d] in (None, p[k] or "(none)") for d, k in chosen)]
    last = CLOSES[row["visit"]]
    return stratum, [
        p[0] for p in stratum if p[4] + timedelta(days=last - 1) < CUT.data_cutoff.date()
    ]


def test_a_plain_recomputation_of_important_change_agrees(random_cohort):
    """Loops over patients and over every cut give the same counts, area and cut, in every stratum
    and visit.
    """
    people, answers, tests, tables = random_cohort
    values, given = plain_values(answers, tests), 0
    for row in tables["important_change"].iter_rows(named=True):
        _, due = plain_people(people, row)
        day, pairs, n_changes = TARGET[row["visit"]], [], 0
        for name in due:
            base, value = (values.get((name, row["parameter"], ady)) for ady in (1, day))
            impression = values.get((name, "PGIC", day))
            n_changes += base is not None and value is not None
            if base and value and impression:
                pairs.append((round(base[0] - value[0], 9), impression[0]))
        improved = [gain for gain, impression in pairs if impression <= 2]
        others = [gain for gain, impression in pairs if impression > 2]
        assert (row["n_changes"], row["n_without_pgic"]) == (n_changes, n_changes - len(pairs))
        assert (row["n_improved"], row["n_not_improved"]) == (len(improved), len(others))
        if min(len(improved), len(others)) < 5:
            assert (row["auc"], row["anchored_change"]) == (None, None)
            continue
        won = sum((a > b) + (a == b) / 2 for a in improved for b in others)
        assert row["auc"] == pytest.approx(won / len(improved) / len(others))
        youden = {
            c: sum(a >= c for a in improved) * len(others)
            - sum(b >= c for b in others) * len(improved)
            for c in {*improved, *others}
        }
        best = max(youden, key=lambda c: (youden[c], c))
        assert row["anchored_change"] == (best if best > 0 and youden[best] > 0 else None)
        given += row["anchored_change"] is not None
    assert given > 30


def test_a_plain_recomputation_of_reliable_change_agrees(random_cohort):
    """Loops over patients give the same counts of every class, in every stratum and visit."""
    people, answers, tests, tables = random_cohort
    values, checked = plain_values(answers, tests), 0
    for row in tables["reliable_change"].iter_rows(named=True):
        stratum, due = plain_people(people, row)
        classes, missing = [], 0
        for name in due:
            base, value = (
                values.get((name, row["parameter"], ady)) for ady in (1, TARGET[row["visit"]])
            )
            missing += base is not None and value is None
            if base and value:
                classes.append(plain_class(row["parameter"], base, value))
        assert (row["n_patients"], row["n_due"], row["n_pending"]) == (
            len(stratum),
            len(due),
            len(stratum) - len(due),
        )
        assert (row["n_evaluable"], row["n_missing"]) == (len(classes), missing)
        assert row["n_not_evaluable"] == len(due) - len(classes) - missing
        for name in ("improved", "unchanged", "deteriorated"):
            assert row[f"n_{name}"] == classes.count(name)
            assert row[name] == (
                pytest.approx(classes.count(name) / len(classes)) if classes else None
            )
        assert row["n_recovered"] == (
            classes.count("recovered") if row["parameter"] == "NRS7D" else None
        )
        checked += len(classes)
    assert checked > 1000


@pytest.mark.parametrize("name", SUMMARIES)
def test_order_of_the_input_changes_nothing(random_cohort, name):
    """The same patients, answers and tests in another order give the same rows."""
    people, answers, tests, tables = random_cohort
    again = world(people[::-1], answers[::-1], tests[::-1], anchor_min_group=5)
    assert_frame_equal(again[name], tables[name])


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_parts_add_up(random_cohort, name):
    """The counts of the clinics add up to those of everybody, in every visit and parameter."""
    table = random_cohort[3][name]
    counts = [c for c in table.columns if c.startswith("n_")]
    keys = ["parameter", "visit"]
    whole = table.filter(pl.col("strata").list.len() == 0).sort(keys).select(*keys, *counts)
    clinics = (
        table.filter(pl.col("strata") == ["clinic_id"])
        .group_by(keys)
        .agg(pl.col(counts).sum())
        .sort(keys)
    )
    same = [
        c
        for c in counts
        if c not in ("n_patients", "n_due", "n_pending", "n_not_evaluable", "n_recovered")
    ]
    assert_frame_equal(clinics.select(*keys, *same), whole.select(*keys, *same))


@pytest.mark.parametrize("name", SUMMARIES)
def test_promises_of_the_schema(random_cohort, name):
    """Keys are unique, closed lists closed, required columns filled; the whole, each
    dimension and each pair of dimensions are there.
    """
    table = random_cohort[3][name]
    assert check_table(MART_TABLES[name], table)["is_passed"].all()
    assert {tuple(s) for s in table["strata"].to_list()} == set(STORED)


@pytest.mark.parametrize("name", SUMMARIES)
def test_nobody(name):
    """Without patients there are no rows, with every column."""
    assert world([], [])[name].schema == MART_TABLES[name].polars_schema
    assert world([], [])[name].is_empty()
