"""The registry of core on a plain connection: steps run, parts equal the whole, simulated clinics
come out true.
"""

import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import duckdb
import polars as pl
import pytest

from ingest.decode import decode
from ingest.simulate import Plan, simulate
from tests.computed import batch_of
from transforms.core import CORE
from transforms.core_step import rows
from transforms.options import Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, RAW_TABLES

DAY = datetime(2025, 1, 6, 12, tzinfo=UTC)
FAULTY = Plan(
    patients=20,
    days=80,
    seed=5,
    wearables_share=0.8,
    minute_level_share=0.5,
    duplicates_share=0.05,
    conflicts_share=0.01,
    late_share=0.05,
    broken_share=0.01,
    unknown_share=0.02,
)


def landed(name: str, *given: dict) -> pl.DataFrame:
    """Rows of raw.NAME: every field null but position and envelope, then what is given."""
    table = RAW_TABLES[name]
    made = [
        dict.fromkeys(table.names)
        | {
            "kafka_topic": f"floe.{name}.v1",
            "kafka_topic_id": "T",
            "kafka_partition": 0,
            "kafka_offset": k,
            "event_id": f"E{k}",
            "source": "clinic",
            "event_time": DAY,
            "ingested_at": DAY + timedelta(minutes=k),
        }
        | row
        for k, row in enumerate(given)
    ]
    return pl.DataFrame(made, schema=table.polars_schema)


def session(**given) -> dict:
    return {
        "session_id": "S1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "local",
        "started_at": DAY,
    } | given


def lake_of(connection, **frames: pl.DataFrame):
    """Schemas raw and core as the lake has them, filled with the frames by full name; gives a
    `query`.
    """
    connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA core")
    for table in (*RAW_TABLES.values(), *BOOKKEEPING, *CORE_TABLES.values()):
        connection.execute(table.ddl())

    def query(sql: str, **given: pl.DataFrame) -> pl.DataFrame:
        cursor = connection.cursor()
        for name, frame in given.items():
            cursor.register(name, frame)
        return cursor.execute(sql).pl()

    for name, frame in frames.items():
        query(f"INSERT INTO raw.{name} SELECT * FROM given", given=frame)
    return query


def computed(query, name: str, keys: pl.DataFrame | None = None) -> pl.DataFrame:
    return rows(CORE[name], query=query, options=Options(), keys=keys)


_NAMED = re.compile(r"""\b(raw|core)\."?(\w+)"?""")


@pytest.mark.parametrize("step", CORE.values(), ids=CORE)
def test_a_step_names_all_that_it_reads(step):
    """What a statement reads is an input: else a change of it would leave the table as it was. The
    data cut is everybody's.
    """
    reads = [read(Options()) if callable(read) else read for read in step.reads.values()]
    statements = [*reads, *step.keyed_reads.values(), step.sql or ""]
    named = {".".join(pair) for text in statements for pair in _NAMED.findall(text)}
    assert named - {"core.data_cut"} <= set(step.inputs)


def test_every_step_runs_and_conforms():
    """Each table of core but the data cut has a step; its statements run on a small lake, its rows
    conform.
    """
    assert set(CORE) == set(CORE_TABLES) - {"data_cut"}
    known = {
        "clinics": {"clinic_id": "C1", "timezone": "Europe/Berlin"},
        "patients": {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": date(2025, 1, 1)},
        "studies": {"study_id": "T1", "planned_visits": '[{"visit": "Month 1"}]'},
        "study_enrolments": {
            "enrolment_id": "N",
            "study_id": "T1",
            "patient_id": "P0",
            "from": date(2025, 1, 1),
        },
        "patient_status": {
            "status_id": "M",
            "patient_id": "P0",
            "status": "merged",
            "merged_into": "P1",
            "effective_on": date(2025, 1, 1),
        },
        "sessions": session(patient_id="P0", duration_s=60.0),
        "walking_bouts": {
            "bout_id": "W",
            "patient_id": "P0",
            "started_at": DAY,
            "duration_s": 30.0,
        },
        "readings": {
            "patient_id": "P0",
            "metric": "step_count",
            "unit": "{steps}",
            "started_at": DAY,
            "interval_s": 60.0,
            "values": [5.0],
            "device_id": "D?",
        },
        "telemetry": {
            "device_id": "D?",
            "session_id": "S1",
            "signal": "cabin_temp_c",
            "started_at": DAY,
            "interval_s": 60.0,
            "values": [-90.0],
        },
    }
    with duckdb.connect(config={"threads": 1}) as connection:
        query = lake_of(connection, **{name: landed(name, row) for name, row in known.items()})
        for name, step in CORE.items():
            frame = computed(query, name)
            assert frame.schema == step.table.polars_schema, name
            query(f'INSERT INTO {step.table.schema}."{name}" SELECT * FROM given', given=frame)
            if step.keys and frame.height:
                part = computed(query, name, frame.select(step.keys))
                assert part.sort(step.table.key).equals(frame.sort(step.table.key)), name
        counts = {name: query(f'SELECT * FROM core."{name}"').height for name in CORE}
        patients = query(
            "SELECT patient_id FROM core.sessions UNION SELECT patient_id FROM core.activity_days "
            "UNION SELECT patient_id FROM core.walking_days"
        )
        devices = query("SELECT missing_id FROM core.orphans WHERE missing_kind = 'device'")
    assert {name for name, count in counts.items() if count} == set(known) - {
        "readings",
        "telemetry",
    } | {
        "activity_days",
        "walking_days",
        "telemetry_sessions",
        "orphans",
        "episodes",
    }
    assert patients["patient_id"].to_list() == ["P1"]
    assert devices["missing_id"].to_list() == ["D?", "D?"]


# --- simulated clinics --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated():
    """Core of simulated clinics with all their faults, by name, and what the simulator says is
    true.
    """
    simulation = simulate(FAULTY)
    by_topic = defaultdict(list)
    for topic, key, value in simulation:
        by_topic[topic].append((key, value))
    frames = {}
    for topic, records in by_topic.items():
        frames[topic.split(".")[1]] = decode(
            batch_of(topic, records), ingested_at=datetime(2027, 1, 1, tzinfo=UTC)
        ).rows
    with duckdb.connect(config={"threads": 2}) as connection:
        query = lake_of(connection, **frames)
        core = {}
        for name, step in CORE.items():
            core[name] = computed(query, name)
            query(f'INSERT INTO {step.table.schema}."{name}" SELECT * FROM given', given=core[name])
        some = core["patients"].select("patient_id")[::3]
        part = computed(query, "activity_days", some)
    return SimpleNamespace(core=core, truth=simulation.truth, some=some, part=part)


def test_steps_are_the_simulators(simulated):
    """Steps of every patient and device equal the truth: duplicates, late uploads, merged patients
    count once.
    """
    found = Counter()
    for patient, device, steps in (
        simulated.core["activity_days"].select("patient_id", "device_id", "steps").iter_rows()
    ):
        found[patient, device] += steps or 0
    assert len(found) > 10
    assert {k: v for k, v in found.items() if v} == {
        k: v for k, v in simulated.truth.steps.items() if v
    }


def test_days_of_some_patients_are_days_of_all(simulated):
    """The days of some patients computed alone are the rows that all patients' computation
    gives.
    """
    key = list(CORE_TABLES["activity_days"].key)
    expected = simulated.core["activity_days"].join(simulated.some, on="patient_id", how="semi")
    assert expected.height > 100
    assert simulated.part.sort(key).equals(expected.sort(key))


def test_days_hold_their_own_arithmetic(simulated):
    """Bands add up to the minutes recorded, wear is within the day, peaks fall with their
    length.
    """
    days = simulated.core["activity_days"]
    bands = [c for c in days.columns if c.startswith("minutes_")]
    fine = days.filter(pl.col("recorded_minutes").is_not_null())
    assert fine.height > 100
    assert fine.select((pl.sum_horizontal(bands) == pl.col("recorded_minutes")).all()).item()
    for shorter, longer in ((1, 30), (30, 60)):
        assert fine.filter(pl.col(f"peak_{shorter}_spm") < pl.col(f"peak_{longer}_spm")).is_empty()
    worn = days.filter(pl.col("wear_minutes").is_not_null())
    assert worn.height > 100
    assert worn.filter(
        ~pl.col("wear_minutes").is_between(0, pl.col("day_length_h") * 60)
    ).is_empty()


def test_device_and_session_agree_on_the_cold(simulated):
    """The coldest cabin sample of the telemetry is what the session says, wherever both know it."""
    both = (
        simulated.core["sessions"]
        .select("session_id", said="cabin_min_temp_c")
        .join(simulated.core["telemetry_sessions"], on="session_id")
        .drop_nulls("said")
    )
    assert both.height > 50
    assert both.select((pl.col("said") - pl.col("cabin_min_temp_c")).abs().max()).item() < 0.11
    assert both["skin_rewarming_min"].drop_nulls().len() > 10
    assert both["dose_k_s"].drop_nulls().min() > 0
