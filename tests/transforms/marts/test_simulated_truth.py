"""What the marts count of simulated clinics equals what the simulator says it sent, faults included.

Here: sessions, adverse events, time at risk, protocol limits, from the decoder's rows on. Not here: the way through
Kafka and the lake, and how the simulator counts (its own tests).
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest

from ingest.decode import decode
from ingest.simulate import Plan, simulate
from transforms.checks import check_table
from transforms.current import current, merge_patients
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES

PLAN = Plan(patients=60, days=150, seed=23, duplicates_share=0.03, conflicts_share=0.01, late_share=0.05,
            broken_share=0.02, unknown_share=0.02)  # fmt: skip
MADE = ("adsl", "adex", "adae", "adverse_event_rates")
SERIES = ("telemetry", "readings")


@pytest.fixture(scope="module")
def world():
    """The simulator's truth and the marts of what it sent, series apart."""
    simulation = simulate(PLAN)
    by_topic = defaultdict(list)
    for topic, key, value in simulation:
        by_topic[topic].append((key, value))
    decoded = {t.split(".")[1]: _decoded(t, rows) for t, rows in by_topic.items() if t.split(".")[1] not in SERIES}
    status = current("patient_status", decoded["patient_status"].rows)
    tables = {f"core.{n}": merge_patients(current(n, d.rows), status) for n, d in decoded.items()
              if n in CORE_TABLES and "patient_id" in CORE_TABLES[n].names and n != "patient_status"}  # fmt: skip
    tables |= {f"core.{n}": current(n, decoded[n].rows) for n in ("clinics", "protocols")}
    tables["core.patient_status"] = merge_patients(status, status)
    rejects = next(t for t in BOOKKEEPING if t.name == "rejects")
    tables["raw.rejects"] = pl.concat([rejects.empty(), *(rejects.conform(d.rejects) for d in decoded.values())])
    cut = Cut(lake_snapshot=1, data_cutoff=simulation.truth.data_cutoff)
    for name in MADE:
        tables[f"mart.{name}"] = _made(MARTS[name], tables, cut=cut)
    return SimpleNamespace(truth=simulation.truth, tables=tables)


def _made(mart, tables, *, cut, keys=None):
    inputs = {n: tables[n] if n in tables else CORE_TABLES[n.split(".")[1]].empty() for n in mart.inputs}
    frames = {name.split(".")[1]: frame for name, frame in inputs.items()}
    given = () if mart.is_summary else (keys,)
    return mart.compute(*given, **frames, options=Options(), cut=cut)


def _decoded(topic, rows):
    batch = SimpleNamespace(topic=topic, topic_id="t", partition=0, offsets=list(range(len(rows))),
                            keys=[key for key, _ in rows], values=[value for _, value in rows])  # fmt: skip
    return decode(batch, ingested_at=datetime(2027, 1, 1, tzinfo=UTC))


def test_sessions(world):
    """Sessions by clinic and status, after corrections and without entries in error."""
    adex = world.tables["mart.adex"]
    assert Counter(adex.select("SITEID", "EXSTAT").rows()) == world.truth.session_counts()


def test_adverse_events(world):
    """Adverse events by clinic, term, grade and seriousness as they stand after the last revision."""
    adae = world.tables["mart.adae"]
    seen = Counter((c, t, g, s == "Y") for c, t, g, s in adae.select("SITEID", "AEDECOD", "AETOXGR", "AESER").rows())
    assert seen == world.truth.adverse_event_counts()


def test_time_at_risk(world):
    """Patient-years of everybody equal the simulator's days at risk / 365.25."""
    rates = world.tables["mart.adverse_event_rates"]
    row = rates.filter((pl.col("strata").list.len() == 0) & pl.col("term").is_null()).row(0, named=True)
    days = world.truth.days_at_risk()
    assert row["patient_years"] == pytest.approx(sum(days.values()) / 365.25, rel=1e-12)
    assert row["patients"] == len(days)
    assert row["sessions"] == sum(n for (_, s), n in world.truth.session_counts().items() if s == "delivered")


def test_unread_records(world):
    """The broken records of safety topics are said beside every rate."""
    safety = {"adverse_events", "deficiencies", "incidents", "consults", "screenings", "sessions"}
    broken = sum(b.topic.split(".")[1] in safety for b in world.truth.broken)
    assert world.tables["mart.adverse_event_rates"]["unread_records"].unique().to_list() == [broken]
    assert broken > 0


def test_limits(world):
    """Sessions that exceeded each limit, by what they report themselves."""
    flags = {"DURFL": "duration", "TEMPLOFL": "temperature_low", "TEMPHIFL": "temperature_high", "SKINFL": "skin",
             "O2FL": "oxygen", "SPACEFL": "spacing", "WEEKFL": "weekly_count"}  # fmt: skip
    adex, truth = world.tables["mart.adex"], world.truth.limit_exceedances()
    assert {limit: adex.filter(pl.col(f) == "Y").height for f, limit in flags.items()} == {
        limit: truth[limit] for limit in flags.values()
    }


@pytest.mark.parametrize("name", ["adsl", "adex", "adae", "adtte"])
def test_a_part_equals_the_whole(world, name):
    """A mart of patients computed for some of them equals those rows of the whole."""
    cut = Cut(lake_snapshot=1, data_cutoff=world.truth.data_cutoff)
    tables = {"mart.adqs": MART_TABLES["adqs"].empty(), **world.tables}
    whole = _made(MARTS[name], tables, cut=cut)
    keys = whole.select(patient_id="USUBJID").unique("patient_id", maintain_order=True).gather_every(3)
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
