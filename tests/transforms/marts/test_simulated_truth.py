"""What the marts count of simulated clinics equals what the simulator says it sent, faults
included.

Here: sessions, adverse events, time at risk, protocol limits, from the decoder's rows on; and
change, recomputed plainly from adqs and adact. Not here: the way through Kafka and the lake, and
how the simulator counts (its own tests).
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from ingest.simulate import Plan, simulate
from tests.computed import computed
from transforms.checks import check_table
from transforms.facts.limits import LIMITS
from transforms.facts.restrictions import rows_of
from transforms.facts.visits import VISIT
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

PLAN = Plan(
    patients=60,
    days=150,
    seed=23,
    duplicates_share=0.03,
    conflicts_share=0.01,
    late_share=0.05,
    broken_share=0.02,
    unknown_share=0.02,
    study_share=0.3,
    wrong_clock_share=0.02,
)
MADE = (
    "adsl",
    "adex",
    "subject_episodes",
    "time_at_risk",
    "adae",
    "adverse_event_rates",
    "adqs",
    "adact",
    "important_change",
    "reliable_change",
)
SERIES = ("telemetry", "readings")


@pytest.fixture(scope="module")
def world():
    """The simulator's truth and the marts of what it sent, series apart."""
    simulation = simulate(PLAN)
    records = [record for record in simulation if record[0].split(".")[1] not in SERIES]
    tables = computed(records, landed=datetime(2027, 1, 1, tzinfo=UTC), marts=MADE)
    counting = [
        tables[f"mart.{n}"].filter(ANL01FL="Y", FRSTEPFL="Y").select(_AT_VISIT)
        for n in ("adqs", "adact")
    ]
    at_visits = pl.concat(counting).rows(named=True)
    return SimpleNamespace(truth=simulation.truth, tables=tables, at_visits=at_visits)


_AT_VISIT = ("STUDYID", "USUBJID", "PARAMCD", "AVISIT", "AVAL", "CHG", "CHGCAT1")


def _made(mart, tables, *, cut, keys=None):
    inputs = {
        n: tables[n] if n in tables else CORE_TABLES[n.split(".")[1]].empty() for n in mart.inputs
    }
    frames = {name.split(".")[1]: frame for name, frame in inputs.items()}
    given = () if mart.is_summary else (keys,)
    return mart.compute(*given, **frames, options=Options(), cut=cut)


def test_sessions(world):
    """Sessions by clinic and status, after corrections and without entries in error."""
    adex = world.tables["mart.adex"]
    assert Counter(adex.select("CLINICID", "EXSTAT").rows()) == world.truth.session_counts()


def test_things_that_clinics_number_alike(world):
    """Two clinics number from 1: each session and event is there, by its id or, where both have it,
    CLINIC:ID.
    """
    sessions, events = world.truth.session_ids(), world.truth.adverse_event_ids()
    assert sorted(world.tables["mart.adex"]["SESSIONID"]) == sorted(sessions)
    assert sorted(world.tables["mart.adae"]["AEID"]) == sorted(events)
    assert sum(":" in name for name in sessions) > 100


def test_studies(world):
    """A row of adsl a patient and study: the randomised study's arms, and routine care."""
    rows = world.tables["mart.adsl"].select("STUDYID", "ARM").rows()
    enrolments = world.truth.enrolments()
    assert {key: n for key, n in Counter(rows).items() if key[0] != "ROUTINE"} == {
        key: n for key, n in enrolments.items() if key[0] != "ROUTINE"
    }
    assert len(enrolments) == 3


def test_wrong_clocks(world):
    """A session that a clock ten years ahead wrote down is listed, has no start, and still counts
    as a session.
    """
    wrong = [s for _, s in world.truth.sessions() if s.has_wrong_clock]
    listed = world.tables["core.implausible"].filter(
        (pl.col("table") == "sessions") & (pl.col("field") == "started_at")
    )
    names = world.truth.session_ids()
    expected = sorted(
        n for n, (_, s) in zip(names, world.truth.sessions(), strict=True) if s.has_wrong_clock
    )
    assert sorted(listed["record_id"].unique()) == expected
    assert len(wrong) > 3
    assert world.tables["core.data_cut"]["data_cutoff"][0] == world.truth.data_cutoff


def test_adverse_events(world):
    """Adverse events by clinic, term, grade and seriousness as they stand after the last
    revision.
    """
    adae = world.tables["mart.adae"]
    seen = Counter(
        (c, t, g, s == "Y")
        for c, t, g, s in adae.select("CLINICID", "AEDECOD", "AETOXGR", "AESER").rows()
    )
    assert seen == world.truth.adverse_event_counts()


def test_time_at_risk(world):
    """Patient-years of everybody equal the simulator's days at risk / 365.25."""
    rates = world.tables["mart.adverse_event_rates"]
    row = rates.filter((pl.col("strata").list.len() == 0) & pl.col("term").is_null()).row(
        0, named=True
    )
    days = world.truth.days_at_risk()
    assert row["patient_years"] == pytest.approx(sum(days.values()) / 365.25, rel=1e-12)
    assert row["patients"] == len(days)
    assert row["sessions"] == sum(
        n for (_, s), n in world.truth.session_counts().items() if s == "delivered"
    )


def test_events_in_time_at_risk(world):
    """Events of each term in the patients' time at risk, and outside, as the simulator counts them
    itself.
    """
    inside, outside = world.truth.events_in_time()
    rates = world.tables["mart.adverse_event_rates"].filter(pl.col("strata").list.len() == 0)
    rows = rates.filter(rows_of("any") & pl.col("term").is_not_null())
    assert {t: n for t, n in rows.select("term", "events").rows() if n} == inside
    seen = {t: n for t, n in rows.select("term", "events_outside").rows() if n}
    assert seen == {term: n for term, n in outside.items() if term in rows["term"]}
    assert sum(inside.values()) > 30
    assert sum(seen.values()) > 2


def test_unread_records(world):
    """The broken records of safety topics are said beside every rate."""
    safety = {"adverse_events", "deficiencies", "incidents", "consults", "screenings", "sessions"}
    broken = sum(b.topic.split(".")[1] in safety for b in world.truth.broken)
    assert world.tables["mart.adverse_event_rates"]["unread_records"].unique().to_list() == [broken]
    assert broken > 0


def test_limits(world):
    """Sessions that exceeded each limit, by what they report themselves."""
    flags = {limit.flag: limit.id for limit in LIMITS.values()}
    adex, truth = world.tables["mart.adex"], world.truth.limit_exceedances()
    assert {limit: adex.filter(pl.col(f) == "Y").height for f, limit in flags.items()} == {
        limit: truth[limit] for limit in flags.values()
    }


def _subjects(world, *, by_study: bool) -> list[dict]:
    """Rows of adsl; where the study is no dimension one a patient, the one who was treated
    first.
    """
    rows = world.tables["mart.adsl"].rows(named=True)
    if by_study:
        return rows
    rows.sort(
        key=lambda s: (
            s["TRTSDT"] is None,
            s["TRTSDT"] or s["DAY1DT"],
            s["DAY1DT"],
            s["STUDYID"] != "ROUTINE",
        )
    )
    first = {}
    for subject in rows:
        first.setdefault(subject["USUBJID"], subject)
    return list(first.values())


def _changes(world, row) -> list[tuple]:
    """(change, class, PGIC) of each due patient of a row's stratum with a change at its visit,
    patient by patient.
    """
    columns = {
        "clinic_id": ("SITEID", "(unknown)"),
        "modality": ("MODALITY", "(none)"),
        "indication": ("INDICATN", "(unknown)"),
        "study_id": ("STUDYID", None),
        "arm": ("ARM", "(none)"),
    }
    visit, cut = VISIT[row["visit"]], world.truth.data_cutoff
    due = {
        (s["STUDYID"], s["USUBJID"])
        for s in _subjects(world, by_study=row["study_id"] is not None)
        if all(row[d] in (None, s[column] or other) for d, (column, other) in columns.items())
        and s["DAY1DT"] + timedelta(days=visit.last - 1)
        < cut.astimezone(ZoneInfo(s["TIMEZONE"])).date()
    }
    counted, impression = {}, {}
    for record in world.at_visits:
        who = (record["STUDYID"], record["USUBJID"])
        if who in due and record["AVISIT"] == row["visit"]:
            if record["PARAMCD"] == "PGIC":
                impression[who] = record["AVAL"]
            if record["PARAMCD"] == row["parameter"] and record["CHG"] is not None:
                counted[who] = (record["CHG"], record["CHGCAT1"])
    return [(*found, impression.get(who)) for who, found in counted.items()]


def test_important_change(world):
    """Of every tenth row of the mart: who has a change, who was asked for an impression, who
    improved by it.
    """
    rows = (
        world.tables["mart.important_change"]
        .filter(pl.col("visit") != "End of course")
        .gather_every(10)
    )
    for row in rows.iter_rows(named=True):
        impressions = [impression for _, _, impression in _changes(world, row)]
        asked = [i for i in impressions if i is not None]
        assert (row["n_changes"], row["n_without_pgic"]) == (
            len(impressions),
            len(impressions) - len(asked),
        )
        assert (row["n_improved"], row["n_not_improved"]) == (
            sum(i <= 2 for i in asked),
            sum(i > 2 for i in asked),
        )
    assert rows["n_improved"].sum() > 100


def test_reliable_change(world):
    """Of every tenth row of the mart: how many of the due are in each class."""
    known = world.tables["mart.reliable_change"].filter(pl.col("n_improved").is_not_null())
    rows = known.filter(pl.col("visit") != "End of course").gather_every(10)
    for row in rows.iter_rows(named=True):
        classes = [name for _, name, _ in _changes(world, row) if name is not None]
        assert row["n_evaluable"] == len(classes)
        for name in ("improved", "unchanged", "deteriorated"):
            assert row[f"n_{name}"] == classes.count(name)
        assert row["n_recovered"] in (None, classes.count("recovered"))
    assert rows["n_improved"].sum() > 100


@pytest.mark.parametrize("name", ["adsl", "adex", "adae", "adtte", "adqs", "adact"])
def test_a_part_equals_the_whole(world, name):
    """A mart of patients computed for some of them equals those rows of the whole."""
    cut = Cut(lake_snapshot=1, data_cutoff=world.truth.data_cutoff)
    tables = {"mart.adqs": MART_TABLES["adqs"].empty(), **world.tables}
    whole = _made(MARTS[name], tables, cut=cut)
    keys = (
        whole.select(patient_id="USUBJID").unique("patient_id", maintain_order=True).gather_every(3)
    )
    part = _made(MARTS[name], tables, cut=cut, keys=keys)
    assert part.equals(whole.filter(pl.col("USUBJID").is_in(keys["patient_id"].implode())))
    assert 0 < part.height < whole.height


@pytest.mark.parametrize("name", [*MADE, "adtte", "survival_curves"])
def test_marts_keep_the_promises_of_their_schemas(world, name):
    """Keys are unique, closed lists closed, required columns filled."""
    cut = Cut(lake_snapshot=1, data_cutoff=world.truth.data_cutoff)
    tables = {"mart.adqs": MART_TABLES["adqs"].empty(), **world.tables}
    tables["mart.adtte"] = _made(MARTS["adtte"], tables, cut=cut)
    results = check_table(MART_TABLES[name], _made(MARTS[name], tables, cut=cut))
    assert results.filter(~pl.col("is_passed")).is_empty(), results.filter(~pl.col("is_passed"))
    assert results["rows"].max() > 0
