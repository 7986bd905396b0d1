"""Rules of mart.report_deadlines: its rows conform, are sorted, are of the clinic where it
happened, and go as they came.

Here: the mart as a whole. Not here: what is reportable and by when
(tests/transforms/rules/test_report_duties.py).
"""

from datetime import UTC, date, datetime

import polars as pl

from transforms.marts import report_deadlines
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

TABLE = MART_TABLES["report_deadlines"]
AWARE = datetime(2025, 3, 3, 15, tzinfo=UTC)  # a Monday


def frame(table, *rows):
    full = [{"event_id": "e", "source": "s", **row} for row in rows]
    return pl.DataFrame(
        [{n: r.get(n) for n in table.names} for r in full], schema=table.polars_schema
    )


def run(*, events=(), deficiencies=(), incidents=()):
    event = {
        "ae_id": "A1",
        "patient_id": "P1",
        "term": "burn",
        "is_serious": True,
        "aware_at": AWARE,
    }
    clinics = (
        {
            "clinic_id": "C1",
            "country": "US",
            "timezone": "America/New_York",
            "is_device_user_facility": True,
        },
        {"clinic_id": "C2", "country": "DE", "timezone": "Europe/Berlin"},
    )
    return report_deadlines.compute(
        adverse_events=frame(CORE_TABLES["adverse_events"], *(event | given for given in events)),
        deficiencies=frame(CORE_TABLES["deficiencies"], *deficiencies),
        incidents=frame(CORE_TABLES["incidents"], *incidents),
        clinics=frame(CORE_TABLES["clinics"], *clinics),
        adae=frame(MART_TABLES["adae"], {"AEID": "A1", "CLINICID": "C1"}),
        options=Options(),
        cut=Cut(lake_snapshot=1, data_cutoff=datetime(2025, 3, 10, 12, tzinfo=UTC)),
    )


def test_the_mart():
    """A row a reportable event and rule: dated ones first; the key is unique; each names its source
    and its version.
    """
    rows = run(
        events=[
            {},
            {"ae_id": "A2", "clinic_id": "C2"},
            {"ae_id": "A3", "clinic_id": "C1", "outcome": "fatal"},
        ],
        deficiencies=[{"deficiency_id": "D1", "clinic_id": "C2", "could_have_led_to_sae": True}],
        incidents=[
            {"incident_id": "I1", "clinic_id": "C7", "subject_kind": "staff", "is_serious": True}
        ],
    )
    assert rows.schema == TABLE.polars_schema
    assert list(rows.select("subject_id", "country", "state", "due_on").iter_rows()) == [
        ("A1", "US", "open", date(2025, 3, 17)),
        ("A3", "US", "open", date(2025, 3, 17)),
        ("A3", "US", "open", date(2025, 3, 17)),
        ("A2", "DE", "due_now", None),
        ("D1", "DE", "due_now", None),
        ("I1", None, "no_rule", None),
    ]
    assert rows.select(TABLE.key).is_unique().all()
    assert rows["metric_version"].unique().to_list() == ["3"]
    assert rows["rule_source"].null_count() == 1
    closed = {c.name: c.closed for c in TABLE.columns if c.closed}
    assert all(set(rows[name].drop_nulls()) <= set(values) for name, values in closed.items())


def test_corrected_out():
    """An event that a correction made harmless, or that is void, has no row any more, and the table
    all its columns.
    """
    assert run(events=[{"is_serious": False}]).schema == TABLE.polars_schema
    assert run(events=[{"is_serious": False}]).is_empty()
    assert run(events=[{"related": "not_related"}]).is_empty()
    assert run().is_empty()
