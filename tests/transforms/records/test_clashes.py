"""Clashing ids through all of core: names, what refers to them, patients who merge, split and move,
orders of landing.
"""

from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from transforms.core import CORE
from transforms.core_step import keys_of, rows
from transforms.options import Options
from transforms.records.accounting import ACCOUNTS, FATES, unaccounted
from transforms.schemas import BOOKKEEPING, CORE_TABLES, RAW_TABLES

DAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
CLINICS = [
    ("clinics", {"clinic_id": c, "timezone": z, "source": "hub"})
    for c, z in (("C1", "Europe/Berlin"), ("C2", "America/New_York"), ("C3", "UTC"))
]
READING = {
    "metric": "step_count",
    "unit": "{steps}",
    "started_at": DAY,
    "started_utc_offset_min": 0,
    "interval_s": 60.0,
}


def patient(patient_id: str, clinic: str, source: str = "hub", **given) -> tuple[str, dict]:
    return "patients", {
        "patient_id": patient_id,
        "clinic_id": clinic,
        "enrolled_on": date(2026, 4, 1),
        "source": source,
    } | given


def session(
    session_id: str, who: str, clinic: str, source: str = "hub", **given
) -> tuple[str, dict]:
    return "sessions", {
        "session_id": session_id,
        "patient_id": who,
        "clinic_id": clinic,
        "source": source,
        "modality": "local",
        "started_at": DAY,
        "duration_s": 60.0,
    } | given


def status(status_id: str, who: str, what: str, **given) -> tuple[str, dict]:
    return "patient_status", {
        "status_id": status_id,
        "patient_id": who,
        "status": what,
        "source": "hub",
        "effective_on": date(2026, 5, 10),
    } | given


def core(*records: tuple[str, dict], landed_with=lambda k: {}) -> dict[str, pl.DataFrame]:
    """Every table of core of these records, landed a minute apart unless `landed_with` says
    otherwise.
    """
    by_topic: dict[str, list[dict]] = {}
    for k, (name, fields) in enumerate([*CLINICS, *records]):
        row = dict.fromkeys(RAW_TABLES[name].names) | {
            "kafka_topic": f"floe.{name}.v1",
            "kafka_topic_id": "T",
            "kafka_partition": 0,
            "kafka_offset": k,
            "event_id": f"E{k}",
            "event_time": DAY,
            "ingested_at": DAY + timedelta(days=9, minutes=k),
        }
        by_topic.setdefault(name, []).append(row | fields | landed_with(k))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA core")
        for table in (*RAW_TABLES.values(), *BOOKKEEPING, *CORE_TABLES.values()):
            connection.execute(table.ddl())

        def query(sql: str, **frames: pl.DataFrame) -> pl.DataFrame:
            cursor = connection.cursor()
            for frame_name, frame in frames.items():
                cursor.register(frame_name, frame)
            return cursor.execute(sql).pl()

        for name, made in by_topic.items():
            query(
                f'INSERT INTO raw."{name}" SELECT * FROM f',
                f=pl.DataFrame(made, schema=RAW_TABLES[name].polars_schema),
            )
        tables = {}
        for name, step in CORE.items():
            tables[name] = rows(step, query=query, options=Options())
            query(f'INSERT INTO core."{name}" SELECT * FROM f', f=tables[name])
            if step.keys and tables[name].height:
                counting = tables[name].select(step.keys)
                keys = keys_of(step, counting, query=query, options=Options())
                part = rows(step, query=query, options=Options(), keys=keys)
                assert part.sort(step.table.key).equals(tables[name].sort(step.table.key)), name
        accounts = pl.concat([query(sql) for sql in ACCOUNTS.values()])
    assert unaccounted(accounts).is_empty(), accounts.filter(pl.col("landed") > 0)
    assert accounts["landed"].sum() == len(records) + len(CLINICS)
    return tables | {"accounts": accounts}


def ids(tables: dict, name: str, *columns: str) -> list[tuple]:
    return sorted(tables[name].select(columns).rows(), key=str)


def missing(tables: dict) -> list[tuple]:
    return ids(tables, "orphans", "table", "record_id", "missing_kind")


TWO = [patient("1", "C1", "a"), patient("1", "C2", "b")]


def test_two_people_with_one_pseudonym():
    """Both stay; what is recorded under the id goes to the person of its clinic, its device's
    clinic or its source.
    """
    own = [
        session("S1", "1", "C1"),
        session("S2", "1", "C2"),
        session("S3", "1", "C3", "b"),
        ("devices", {"device_id": "D2", "clinic_id": "C2", "kind": "wearable", "source": "hub"}),
        (
            "walking_bouts",
            {
                "bout_id": "W",
                "patient_id": "1",
                "device_id": "D2",
                "started_at": DAY,
                "duration_s": 30.0,
                "source": "app",
            },
        ),
        (
            "consents",
            {
                "consent_id": "N",
                "patient_id": "1",
                "scope": "care",
                "status": "given",
                "effective_at": DAY,
                "source": "a",
            },
        ),
        (
            "readings",
            READING | {"patient_id": "1", "device_id": "D2", "source": "app", "values": [7.0]},
        ),
        ("readings", READING | {"patient_id": "1", "source": "a", "values": [5.0]}),
    ]
    tables = core(*TWO, *own)
    assert ids(tables, "patients", "patient_id") == [("C1:1",), ("C2:1",)]
    assert ids(tables, "sessions", "session_id", "patient_id") == [
        ("S1", "C1:1"),
        ("S2", "C2:1"),
        ("S3", "C2:1"),
    ]
    assert ids(tables, "walking_bouts", "patient_id") == [("C2:1",)]
    assert ids(tables, "consents", "patient_id") == [("C1:1",)]
    assert ids(tables, "activity_days", "patient_id", "steps") == [("C1:1", 5), ("C2:1", 7)]
    assert ids(tables, "conflicts", "kind", "record_id", "name") == [
        ("clash", "1", "C1:1"),
        ("clash", "1", "C2:1"),
    ]
    assert missing(tables) == []


def test_what_fits_several_or_none_waits():
    """A record that nothing attributes is in core.orphans under the id alone, and so is its
    series.
    """
    tables = core(
        *TWO,
        session("S", "1", "C3"),
        ("readings", READING | {"patient_id": "1", "source": "app", "values": [5.0]}),
    )
    assert ids(tables, "sessions", "patient_id") == [("1",)]
    assert tables["activity_days"].is_empty()
    assert missing(tables) == [("readings", "E6", "patient"), ("sessions", "S", "patient")]


def test_clash_is_settled_by_marking_one_in_error():
    """The other has the id alone again; what referred to the one in error waits."""
    error = ("patients", {"patient_id": "1", "source": "b", "record_status": "entered_in_error"})
    tables = core(*TWO, error, session("S1", "1", "C1"), session("S2", "1", "C2"))
    assert ids(tables, "patients", "patient_id", "clinic_id") == [("1", "C1")]
    assert ids(tables, "sessions", "session_id", "patient_id") == [("S1", "1"), ("S2", "C2:1")]
    assert missing(tables) == [("sessions", "S2", "patient")]
    assert tables["conflicts"].is_empty()


def test_merge_makes_them_one():
    """`patient_id` and `merged_into` may name CLINIC:ID, of an id that clashes and of one that
    doesn't.
    """
    merge = status("M", "C1:1", "merged", merged_into="C2:1")
    tables = core(*TWO, merge, session("S1", "1", "C1"), session("S2", "1", "C2"))
    assert ids(tables, "patients", "patient_id") == [("C2:1",)]
    assert ids(tables, "sessions", "patient_id") == [("C2:1",), ("C2:1",)]
    plain = core(
        patient("1", "C1"), patient("2", "C2"), status("M", "C1:1", "merged", merged_into="C2:2")
    )
    assert ids(plain, "patients", "patient_id") == [("2",)]
    assert missing(plain) == []


def test_split_makes_them_two():
    """The records of the status' clinic are another person's than the rest, whoever has a patient's
    record.
    """
    own = [session("S1", "1", "C1"), session("S2", "1", "C2")]
    tables = core(patient("1", "C1"), *own, status("X", "1", "split", clinic_id="C2"))
    assert ids(tables, "sessions", "session_id", "patient_id") == [("S1", "C1:1"), ("S2", "C2:1")]
    assert ids(tables, "patients", "patient_id") == [("C1:1",)]
    assert ("sessions", "S2", "patient") in missing(tables)
    both = core(
        patient("1", "C1"),
        patient("1", "C2", revision=1),
        *own,
        status("X", "1", "split", clinic_id="C2"),
    )
    assert ids(both, "patients", "patient_id") == [("C1:1",), ("C2:1",)]
    assert missing(both) == []


def test_transfer_is_one_person():
    """A patient whom the new clinic registers too is one, and keeps the clinic that enrolled;
    without it they are two.
    """
    own = [patient("1", "C1"), patient("1", "C2", enrolled_on=date(2026, 5, 10))]
    assert ids(core(*own), "patients", "patient_id") == [("C1:1",), ("C2:1",)]
    tables = core(*own, status("T", "1", "transferred", clinic_id="C2"), session("S", "1", "C2"))
    assert ids(tables, "patients", "patient_id", "clinic_id", "enrolled_on") == [
        ("1", "C1", date(2026, 4, 1))
    ]
    assert ids(tables, "sessions", "patient_id") == [("1",)]
    third = core(
        *own,
        patient("1", "C3"),
        status("T", "C1:1", "transferred", clinic_id="C2"),
        session("S", "1", "C2"),
    )
    assert ids(third, "patients", "patient_id") == [("C1:1",), ("C3:1",)]
    assert ids(third, "sessions", "patient_id") == [("C1:1",)]


def test_what_belongs_to_a_clashing_session():
    """Adverse events, telemetry and likely doubles follow the session of their patient, clinic or
    device.
    """
    events = [
        (
            "adverse_events",
            {"ae_id": f"A{k}", "patient_id": p, "session_id": "7", "term": "burn", "source": "hub"},
        )
        for k, p in enumerate("PQ")
    ]
    cold = {"signal": "cabin_temp_c", "started_at": DAY, "interval_s": 60.0, "session_id": "7"}
    series = [
        ("telemetry", cold | {"device_id": "X1", "source": "box", "values": [-90.0]}),
        (
            "telemetry",
            cold | {"device_id": "9", "clinic_id": "C2", "source": "box", "values": [-70.0]},
        ),
        ("telemetry", cold | {"device_id": "9", "source": "box", "values": [-10.0]}),
    ]
    tables = core(
        patient("P", "C1"),
        patient("Q", "C2"),
        session("7", "P", "C1", device_id="X1"),
        session("7", "Q", "C2"),
        *events,
        *series,
    )
    assert ids(tables, "sessions", "session_id", "patient_id") == [("C1:7", "P"), ("C2:7", "Q")]
    assert ids(tables, "adverse_events", "patient_id", "session_id") == [
        ("P", "C1:7"),
        ("Q", "C2:7"),
    ]
    found = ids(tables, "telemetry_sessions", "session_id", "cabin_min_temp_c")
    assert found == [("C1:7", -90), ("C2:7", -70)]
    assert ("telemetry", "E11", "session") in missing(tables)


def test_devices_and_protocols():
    """Two clinics' device 9 and protocol P are two each; sessions have their own clinic's, in every
    version.
    """
    made = [
        ("devices", {"device_id": "9", "clinic_id": c, "kind": "cryo", "source": "hub"})
        for c in ("C1", "C2")
    ]
    limit = {"protocol_id": "P", "modality": "local", "source": "hub"}
    made += [
        ("protocols", limit | {"clinic_id": c, "effective_from": DAY, "max_duration_s": s})
        for c, s in (("C1", 60.0), ("C2", 90.0))
    ]
    made += [
        (
            "protocols",
            limit
            | {
                "clinic_id": "C1",
                "effective_from": DAY + timedelta(days=1),
                "max_duration_s": 50.0,
            },
        )
    ]
    own = [session(f"S{c}", c, c, device_id="9", protocol_id="P") for c in ("C1", "C2")]
    tables = core(*made, patient("C1", "C1"), patient("C2", "C2"), *own)
    assert ids(tables, "devices", "device_id") == [("C1:9",), ("C2:9",)]
    assert ids(tables, "protocols", "protocol_id", "max_duration_s") == [
        ("C1:P", 50),
        ("C1:P", 60),
        ("C2:P", 90),
    ]
    assert ids(tables, "sessions", "device_id", "protocol_id") == [
        ("C1:9", "C1:P"),
        ("C2:9", "C2:P"),
    ]
    assert missing(tables) == []


def test_wearables_of_clashing_devices():
    """A reading has the device of its patient's clinic."""
    made = [
        ("devices", {"device_id": "9", "clinic_id": c, "kind": "wearable", "source": "hub"})
        for c in ("C1", "C2")
    ]
    series = [
        (
            "readings",
            READING | {"patient_id": p, "device_id": "9", "source": "app", "values": [5.0]},
        )
        for p in "PQ"
    ]
    tables = core(*made, patient("P", "C1"), patient("Q", "C2"), *series)
    assert ids(tables, "activity_days", "patient_id", "device_id") == [("P", "C1:9"), ("Q", "C2:9")]
    assert missing(tables) == []


def test_one_session_in_two_charts_that_merged():
    """The same session id under two ids of one person is one session."""
    two = [session("7", "A", "C1", "x"), session("7", "B", "C1", "y")]
    assert core(patient("A", "C1"), patient("B", "C1"), *two)["sessions"].height == 2
    merged = core(
        patient("A", "C1"), patient("B", "C1"), *two, status("M", "A", "merged", merged_into="B")
    )
    assert ids(merged, "sessions", "session_id", "patient_id") == [("7", "B")]


def test_day_of_two_sources_is_the_clinics():
    """23:30 and 00:30 in Berlin are two days; 23:30 and 00:30 UTC are one day there, and in New
    York.
    """
    at = datetime(2026, 5, 4, 21, 30, tzinfo=UTC)
    for clinic, later, n in (("C1", 1, 2), ("C1", 24, 2), ("C2", 1, 1), ("C1", 0, 1)):
        two = [
            session("7", "A", clinic, "x", started_at=at),
            session("7", "A", clinic, "y", started_at=at + timedelta(hours=later)),
        ]
        assert core(patient("A", clinic), *two)["sessions"].height == n, (clinic, later)


def test_what_counts_is_listed():
    """A re-entry, what lost without a plain revision, and a revision that moved a record are in
    core.conflicts.
    """
    one = session("7", "A", "C1", duration_s=60.0, revision=0)
    error = ("sessions", {"session_id": "7", "source": "hub", "record_status": "entered_in_error"})
    known = [patient("A", "C1"), patient("B", "C1")]
    for records, expected in (
        ([one, session("7", "A", "C1", duration_s=90.0, revision=1)], []),
        ([one, error], []),
        ([one, error, session("7", "A", "C1", duration_s=90.0)], ["re_entry"]),
        ([one, session("7", "A", "C1", duration_s=90.0)], ["superseded"]),
        ([one, session("7", "A", "C1", "tablet", duration_s=90.0)], ["superseded"]),
        ([one, session("7", "A", "C1", "tablet")], []),
        ([one, session("7", "B", "C1", revision=1)], ["superseded"]),
    ):
        assert core(*known, *records)["conflicts"]["kind"].to_list() == expected, records


def test_every_record_is_accounted_for():
    """Copies, corrections, entries in error, merged patients, retractions and what fits several,
    once each.
    """
    copy = session("7", "A", "C1", event_id="same", duration_s=60.0)
    records = [
        patient("A", "C1"),
        patient("B", "C1"),
        status("M", "B", "merged", merged_into="A"),
        copy,
        copy,
        session("7", "A", "C1", duration_s=90.0),
        session("8", "A", "C1"),
        ("sessions", {"session_id": "8", "source": "hub", "record_status": "entered_in_error"}),
        session("9", "A", "C1", "x"),
        session("9", "A", "C2", "y"),
        session("9", "A", None, "z"),
        ("readings", READING | {"patient_id": "A", "source": "s", "values": [1.0]}),
        (
            "retractions",
            {
                "retraction_id": "R",
                "patient_id": "A",
                "from": DAY,
                "to": DAY,
                "reason": "x",
                "source": "hub",
            },
        ),
    ]
    sums = core(*records)["accounts"].select(pl.col("landed", *FATES).sum()).row(0, named=True)
    assert sums == {
        "landed": len(records) + 3,
        "copies": 1,
        "counted": 3 + 1 + 1 + 1 + 2 + 1,
        "superseded": 1,
        "in_error": 2,
        "merged": 1,
        "taken_back": 1,
        "fits_several": 1,
        "lost": 0,
    }


# --- any landing --------------------------------------------------------------------------------

_CLASHING = [
    *TWO,
    patient("2", "C1", "a"),
    status("M", "2", "merged", merged_into="C1:1"),
    session("7", "1", "C1", "a", revision=0),
    session("7", "1", "C2", "b"),
    session("7", "2", "C1", "a", revision=1),
    session("8", "2", "C1", "b", revision=1, duration_s=90.0),
    session("8", "2", "C1", "b", revision=0),
    (
        "sessions",
        {"session_id": "8", "source": "b", "revision": 2, "record_status": "entered_in_error"},
    ),
    (
        "adverse_events",
        {
            "ae_id": "1",
            "patient_id": "1",
            "clinic_id": "C1",
            "session_id": "7",
            "term": "burn",
            "source": "a",
        },
    ),
    (
        "adverse_events",
        {
            "ae_id": "1",
            "patient_id": "1",
            "clinic_id": "C2",
            "session_id": "7",
            "term": "burn",
            "source": "b",
        },
    ),
    ("readings", READING | {"patient_id": "1", "source": "b", "values": [5.0]}),
]


@settings(
    max_examples=3,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_order_and_batches_of_landing_decide_nothing(data):
    """Where revisions or identity decide, core is the same in whatever order, batches and copies
    records land.
    """
    named = [(name, {"event_id": f"N{k}"} | fields) for k, (name, fields) in enumerate(_CLASHING)]
    again = data.draw(st.lists(st.sampled_from(named), max_size=3))
    minutes = data.draw(st.lists(st.integers(0, 3), min_size=40, max_size=40))
    shuffled = data.draw(st.permutations(named)) + again
    found = core(
        *shuffled,
        landed_with=lambda k: {"ingested_at": DAY + timedelta(days=9, minutes=minutes[k])},
    )
    for name, table in core(*named).items():
        if name == "accounts":
            continue
        skipped = ["ingested_at", "kafka_offset"]
        assert found[name].drop(skipped, strict=False).equals(table.drop(skipped, strict=False)), (
            name
        )


@pytest.mark.parametrize(
    "name", [t for t in CORE_TABLES if t in RAW_TABLES and t not in ("clinics", "protocols")]
)
def test_every_kind_of_record_stays_when_two_clinics_number_alike(name):
    """Of any topic with a clinic: two records of one id from two clinics are both in core, each
    under its clinic.
    """
    columns = RAW_TABLES[name].names
    key = CORE_TABLES[name].key[0]
    if "clinic_id" not in columns:
        pytest.skip(f"records of {name} have no clinic")
    records = [
        (name, {key: "1", "clinic_id": c, "source": s}) for c, s in (("C1", "a"), ("C2", "b"))
    ]
    assert sorted(core(*records)[name][key]) == ["C1:1", "C2:1"]
