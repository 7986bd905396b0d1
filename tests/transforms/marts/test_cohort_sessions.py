"""Rows of mart.cohort_outcomes about sessions and courses: a plain recount of simulated clinics,
cases by hand.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from statistics import median
from types import SimpleNamespace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ingest.decode import decode
from ingest.simulate import Plan, simulate
from tests import treatment_episodes
from tests.computed import batch_of
from transforms.checks import check_table
from transforms.facts.limits import FLAGS, LIMITS
from transforms.facts.strata import STORED
from transforms.marts import MARTS, cohort_sessions
from transforms.options import Cut, Options
from transforms.records.current import current, merge_patients
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.statistics.intervals import clopper_pearson

PLAN = Plan(
    patients=40,
    days=100,
    seed=31,
    duplicates_share=0.03,
    conflicts_share=0.01,
    late_share=0.05,
    broken_share=0.02,
    unknown_share=0.02,
)
STRATA = ("clinic_id", "modality", "indication", "study_id", "arm")
DAY1 = date(2025, 1, 6)
CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2025, 6, 1, 12, tzinfo=UTC))
TABLE = MART_TABLES["cohort_outcomes"]


def made(name, tables, *, cut=CUT):
    mart = MARTS[name]
    inputs = {n.split(".")[1]: tables[n.split(".")[1]] for n in mart.inputs}
    return mart.compute(*(() if mart.is_summary else (None,)), **inputs, options=Options(), cut=cut)


def empty_tables():
    return {name: t.empty() for name, t in (CORE_TABLES | MART_TABLES).items()}


@pytest.fixture(scope="module")
def world():
    """Simulated clinics with their faults: cores, adsl, adex and the summary; questionnaires left
    out.
    """
    simulation, by_topic = simulate(PLAN), defaultdict(list)
    for topic, key, value in simulation:
        by_topic[topic].append((key, value))
    wanted = (
        "patients",
        "clinics",
        "sessions",
        "protocols",
        "courses",
        "consults",
        "screenings",
        "patient_status",
    )
    raw = {name: _rows(f"floe.{name}.v1", by_topic) for name in wanted}
    status = current("patient_status", raw["patient_status"])
    tables = empty_tables()
    for name, rows in raw.items():
        frame = current(name, rows)
        tables[name] = merge_patients(frame, status) if "patient_id" in frame.columns else frame
    cut = Cut(lake_snapshot=1, data_cutoff=simulation.truth.data_cutoff)
    tables["episodes"] = treatment_episodes.core(tables)
    for name in ("adsl", "adex", "subject_episodes", "cohort_outcomes"):
        tables[name] = made(name, tables, cut=cut)
    return SimpleNamespace(
        tables=tables, cut=cut, rows=tables["cohort_outcomes"].filter(pl.col("visit").is_null())
    )


def _rows(topic, by_topic):
    return decode(
        batch_of(topic, by_topic[topic]), ingested_at=datetime(2027, 1, 1, tzinfo=UTC)
    ).rows


def sessions_of(tables):
    """Dictionaries of adex with the patient's indication and arm."""
    people = {p["USUBJID"]: p for p in tables["adsl"].to_dicts()}
    return [
        {
            **s,
            "clinic_id": s["CLINICID"],
            "modality": s["MODALITY"],
            "indication": people[s["USUBJID"]]["INDICATN"],
            "study_id": s["STUDYID"],
            "arm": people[s["USUBJID"]]["ARM"] or "(none)",
        }
        for s in tables["adex"].to_dicts()
    ]


def in_stratum(row, sessions):
    return [s for s in sessions if all(row[d] is None or row[d] == s[d] for d in STRATA)]


def either(a, b):
    """Y or unknown: unknown; N and N: no; else yes."""
    return True if a or b else None if a is None or b is None else False


def is_flag(name, value):
    return lambda s: None if s[name] is None else s[name] == value


def any_limit(s):
    known = [s[f] for f in FLAGS if s[f] is not None]
    return "Y" in known if known else None


EVENTS = {
    **{
        f"sessions_{name}": (lambda s: True, lambda s, name=name: s["EXSTAT"] == name)
        for name in ("delivered", "aborted", "missed", "cancelled")
    },
    **{
        metric: (lambda s: s["EXSTAT"] in ("delivered", "aborted"), is_flag(flag, "Y"))
        for metric, flag in ((limit.metric, limit.flag) for limit in LIMITS.values())
    },
    "limit_any_exceeded": (lambda s: s["EXSTAT"] in ("delivered", "aborted"), any_limit),
    "sessions_without_clearance": (
        lambda s: s["EXSTAT"] in ("delivered", "aborted"),
        is_flag("CLEARFL", "N"),
    ),
    "sessions_with_contraindication": (
        lambda s: s["EXSTAT"] in ("delivered", "aborted"),
        is_flag("CONTRAFL", "Y"),
    ),
    "sessions_not_cleared": (
        lambda s: s["EXSTAT"] in ("delivered", "aborted"),
        lambda s: either(is_flag("CLEARFL", "N")(s), is_flag("CONTRAFL", "Y")(s)),
    ),
    "sessions_not_asked": (lambda s: s["EXSTAT"] == "delivered", is_flag("ASKEDFL", "N")),
}


def test_shares_equal_a_plain_recount(world):
    """Every stratum of every share: sessions meant, known, missing, with the event, and their
    patients.
    """
    sessions, seen = sessions_of(world.tables), 0
    for row in world.rows.filter(pl.col("metric_id").is_in(list(EVENTS))).iter_rows(named=True):
        is_meant, event = EVENTS[row["metric_id"]]
        meant = [s for s in in_stratum(row, sessions) if is_meant(s)]
        known = [event(s) for s in meant if event(s) is not None]
        assert row["n_patients"] == len({s["USUBJID"] for s in meant})
        assert (row["n_due"], row["n_evaluable"], row["n_missing"]) == (
            len(meant),
            len(known),
            len(meant) - len(known),
        )
        assert (row["n_event"], row["population"]) == (sum(known), "sessions")
        assert row["estimate"] == (pytest.approx(sum(known) / len(known)) if known else None)
        if known:
            exact = clopper_pearson(sum(known), len(known))
            assert row["ci_lower"] <= exact.lower + 1e-12
            assert row["ci_upper"] >= exact.upper - 1e-12
            if sum(known) == 0:
                assert row["ci_upper"] == pytest.approx(float(exact.upper))
        else:
            assert row["reason"] in (cohort_sessions.NO_SESSION, cohort_sessions.NOT_MEASURED)
        seen += 1
    assert seen > 1000


def test_amounts_equal_a_plain_recount(world):
    """Means over sessions; medians over patients of each one's median, or of the sum of all
    sessions that began.
    """
    sessions, seen = sessions_of(world.tables), 0
    for row in world.rows.iter_rows(named=True):
        chosen = in_stratum(row, sessions)
        if row["metric_id"] == "session_duration_mean":
            values = [
                s["EXDUR"] for s in chosen if s["EXSTAT"] == "delivered" and s["EXDUR"] is not None
            ]
            expected = sum(values) / len(values) if values else None
        elif row["metric_id"] in ("session_duration_median", "cumulative_exposure_median"):
            is_sum = row["metric_id"].startswith("cumulative")
            of = defaultdict(list)
            for s in chosen:
                if s["EXSTAT"] == "delivered" or (is_sum and s["EXSTAT"] == "aborted"):
                    of[s["USUBJID"]].append(s["EXDUR"])
            if is_sum:
                values = [sum(v) for v in of.values() if None not in v]
            else:
                values = [
                    median(x for x in v if x is not None) for v in of.values() if set(v) != {None}
                ]
            expected = median(values) if values else None
            assert (row["n_due"], row["n_evaluable"]) == (len(of), len(values))
            assert (row["ci_lower"] is None) == (len(values) < 6)
        else:
            continue
        assert row["estimate"] == (None if expected is None else pytest.approx(expected))
        assert (row["estimate"] is None) <= (row["reason"] is not None)
        seen += 1
    assert seen > 250


def test_adherence_equals_a_plain_recount(world):
    """The mean over courses that are over of delivered over prescribed; the others are pending."""
    sessions = sessions_of(world.tables)
    people = {p["USUBJID"]: p for p in world.tables["adsl"].to_dicts()}
    courses = [c for c in world.tables["courses"].to_dicts() if c["patient_id"] in people]
    seen = 0
    for row in world.rows.filter(metric_id="course_adherence").iter_rows(named=True):
        ratios, over, total = [], 0, 0
        for c in courses:
            p = people[c["patient_id"]]
            place = {
                "clinic_id": c["clinic_id"] or p["SITEID"],
                "modality": p["MODALITY"] or "(none)",
                "indication": p["INDICATN"],
                "study_id": p["STUDYID"],
                "arm": p["ARM"] or "(none)",
            }
            if any(row[d] is not None and row[d] != place[d] for d in STRATA):
                continue
            own = [s for s in sessions if s["COURSEID"] == c["course_id"]]
            end = c["ends_on"] or max(
                [s["ASTDT"] for s in own], default=c["starts_on"]
            ) + timedelta(days=30)
            total += 1
            if end < world.cut.data_cutoff.date():
                over += 1
                if c["prescribed_sessions"]:
                    ratios.append(
                        sum(s["EXSTAT"] == "delivered" for s in own) / c["prescribed_sessions"]
                    )
        assert (row["n_due"], row["n_pending"], row["n_evaluable"]) == (
            over,
            total - over,
            len(ratios),
        )
        assert row["estimate"] == (pytest.approx(sum(ratios) / len(ratios)) if ratios else None)
        seen += 1
    assert seen > 30


def test_promises_and_order(world):
    """The whole, each dimension and each pair, unique keys, and the same rows from tables in another order."""
    assert check_table(TABLE, world.tables["cohort_outcomes"])["is_passed"].all()
    assert world.rows.filter(metric_id="sessions_not_cleared")["strata"].n_unique() == len(STORED)
    turned = {n: f.reverse() for n, f in world.tables.items()}
    assert_frame_equal(
        made("cohort_outcomes", turned, cut=world.cut), world.tables["cohort_outcomes"]
    )


# --- by hand ------------------------------------------------------------------------------------


def small(sessions, courses=(), patients=("a",)):
    """The rows of everybody by metric, of sessions (patient, status, columns) at clinic c, modality
    local.
    """
    tables = empty_tables()
    tables["adsl"] = frame(
        MART_TABLES["adsl"],
        [
            {
                "STUDYID": "s",
                "USUBJID": n,
                "SITEID": "c",
                "MODALITY": "local",
                "INDICATN": "other",
                "DAY1DT": DAY1,
                "NSESS": 0,
            }
            for n in patients
        ],
    )
    tables["adex"] = frame(
        MART_TABLES["adex"],
        [
            {
                "STUDYID": "s",
                "USUBJID": n,
                "SESSIONID": f"s{k}",
                "EXSTAT": status,
                "CLINICID": "c",
                "MODALITY": "local",
                "ASTDT": DAY1,
                "EXSTDTM": datetime(2025, 1, 6, tzinfo=UTC),
                **columns,
            }
            for k, (n, status, columns) in enumerate(sessions)
        ],
    )
    tables["courses"] = frame(CORE_TABLES["courses"], courses)
    rows = made("cohort_outcomes", tables).filter(pl.col("strata").list.len() == 0)
    return {r["metric_id"]: r for r in rows.to_dicts()}


def frame(schema, rows):
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def test_unknown_is_missing_and_never_no():
    """Y, N and not known: 1 of 2, one missing; a missed session is in no denominator of those that
    began.
    """
    flags = [
        {"CLEARFL": f, "CONTRAFL": c, "O2FL": f} for f, c in (("Y", "N"), ("N", "N"), (None, None))
    ]
    rows = small([*(("a", "delivered", f) for f in flags), ("a", "missed", {"O2FL": "Y"})])
    counts = ("n_due", "n_evaluable", "n_missing", "n_event")
    assert [rows["sessions_without_clearance"][c] for c in counts] == [3, 2, 1, 1]
    assert [rows["limit_oxygen_exceeded"][c] for c in counts] == [3, 2, 1, 1]
    assert rows["sessions_delivered"]["estimate"] == 0.75


@pytest.mark.parametrize(
    ("clear", "contra", "expected"),
    [
        ("Y", "N", (1, 0)),
        ("N", None, (1, 1)),
        (None, "Y", (1, 1)),
        ("Y", None, (0, 0)),
        (None, "N", (0, 0)),
    ],
)
def test_not_cleared_or_contraindicated(clear, contra, expected):
    """One of the two is enough for yes; no needs both to be known."""
    row = small([("a", "delivered", {"CLEARFL": clear, "CONTRAFL": contra})])[
        "sessions_not_cleared"
    ]
    assert (row["n_evaluable"], row["n_event"]) == expected


def test_no_event_has_an_upper_limit():
    """None of 300 sessions of 3 patients: at most 1 - 0.025^(1/300) = 1.22 %, never 0."""
    rows = small(
        [(n, "delivered", {"CONTRAFL": "N"}) for n in "abc" for _ in range(100)], patients="abc"
    )
    row = rows["sessions_with_contraindication"]
    assert (row["estimate"], row["ci_lower"]) == (0, 0)
    assert row["ci_upper"] == pytest.approx(1 - 0.025 ** (1 / 300))


def test_without_sessions_there_are_zeros_and_the_reason():
    """A patient without a session: 0 of 0, no estimate, and why."""
    rows = small([])
    for metric in ("sessions_not_cleared", "session_duration_mean", "cumulative_exposure_median"):
        row = rows[metric]
        assert (row["n_patients"], row["n_due"], row["estimate"]) == (0, 0, None)
        assert row["reason"] == cohort_sessions.NO_SESSION
    assert rows["course_adherence"]["reason"] == cohort_sessions.NO_COURSE


def test_dose_and_rewarming():
    """Six patients with medians 1 to 6 (the first of 0.5, 1 and 9): median 3.5, limits the lowest
    and the highest; a session at which rewarming was not seen is in no median, and 8 of 9 were
    seen. The mean dose is over sessions.
    """
    minutes = [("a", 0.5), ("a", 1), ("a", 9), ("a", None), *zip("bcdef", range(2, 7), strict=True)]
    given = [(n, "delivered", {"REWARMMN": m, "DOSEKS": m and 100.0 * m}) for n, m in minutes]
    rows = small(given, patients="abcdef")
    row = rows["skin_rewarming_median"]
    assert (row["estimate"], row["ci_lower"], row["ci_upper"], row["n_evaluable"]) == (3.5, 1, 6, 6)
    assert (
        rows["sessions_rewarming_seen"]["n_event"],
        rows["sessions_rewarming_seen"]["n_due"],
    ) == (8, 9)
    dose = rows["session_dose_mean"]
    assert (dose["estimate"], dose["n_missing"]) == (pytest.approx(100 * 30.5 / 8), 1)
    few = small(given[:4])["skin_rewarming_median"]
    assert (few["estimate"], few["ci_lower"], few["reason"]) == (
        1,
        None,
        cohort_sessions.FEW_PATIENTS,
    )


def test_a_course_is_judged_when_it_is_over():
    """Over: 2 of 4 delivered. Running, or without a last day and 20 days after its last session:
    pending; without a prescription: not evaluable.
    """
    ends = [
        ("X", 4, date(2025, 2, 1)),
        ("R", 4, date(2025, 7, 1)),
        ("N", None, date(2025, 2, 1)),
        ("O", 4, None),
    ]
    courses = [
        {
            "course_id": c,
            "patient_id": "a",
            "prescribed_sessions": n,
            "starts_on": DAY1,
            "ends_on": e,
        }
        for c, n, e in ends
    ]
    sessions = [
        ("a", status, {"COURSEID": "X"})
        for status in ("delivered", "delivered", "missed", "aborted")
    ]
    sessions += [("a", "delivered", {"COURSEID": "O", "ASTDT": date(2025, 5, 12)})]
    row = small(sessions, courses)["course_adherence"]
    assert (row["estimate"], row["n_due"], row["n_pending"], row["n_not_evaluable"]) == (
        0.5,
        2,
        2,
        1,
    )
    assert row["reason"] == cohort_sessions.ONE_PATIENT


def test_courses_attended_alike_have_no_interval():
    """Two patients, each at 1 of 1 session: a mean of 1, no interval of no width, and why."""
    courses = [
        {
            "course_id": n,
            "patient_id": n,
            "prescribed_sessions": 1,
            "starts_on": DAY1,
            "ends_on": DAY1,
        }
        for n in "ab"
    ]
    row = small([(n, "delivered", {"COURSEID": n}) for n in "ab"], courses, patients="ab")[
        "course_adherence"
    ]
    assert (row["estimate"], row["ci_lower"], row["reason"]) == (
        1,
        None,
        cohort_sessions.EQUAL_MEANS,
    )
