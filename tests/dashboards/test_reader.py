"""The only reader: what it keeps, what each role sees, a lake that is not there yet."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import polars as pl
import pytest

from dashboards import reader as reader_module
from dashboards import shell
from dashboards.gate import SUPPRESSED, Gate, Viewer
from dashboards.readable import is_readable
from dashboards.reader import Reader
from ingest.lake import Lake
from ingest.settings import Settings
from tests.dashboards.small_lake import (
    CUT,
    EVENT,
    RELEASE,
    STAMP,
    cohort_rows,
    fill,
    frame,
    stratum,
)
from transforms.schemas import MART_TABLES

COHORT = MART_TABLES["cohort_outcomes"]
STAFF, OUTSIDE = (Gate(Viewer(role=role)) for role in ("clinic", "outside"))


def test_staff_see_small_cells(staff):
    """The clinic's own staff see every cell, marked or not."""
    rows = staff.mart(
        "cohort_outcomes", "strata = $1 AND clinic_id = $2", [("clinic_id", "study_arm"), "C2"]
    )
    assert rows["is_suppressed"].all()
    assert rows.filter(pl.col("metric_id") == "nrs7d_mean")["n_evaluable"].to_list() == [3, 3, 3, 3]


def test_outside_small_cells_have_no_number(outsider):
    """From outside a marked row keeps its key and stamp; every count, estimate and limit is null,
    and it says why.
    """
    rows = outsider.mart(
        "cohort_outcomes",
        "strata = $1 AND clinic_id = $2 AND visit IS NOT NULL",
        [("clinic_id", "study_arm"), "C2"],
    )
    assert rows.height == 21  # 4 means, 4 of steps, 4 of heart rate, 3 changes, 3 x 2 shares
    labels = {
        "metric_id",
        "parameter",
        "statistic",
        "visit_day",
        "reason",
        "unit",
        "missing_rule",
        "rtm_source",
    }
    shown = {*COHORT.key, *STAMP, *labels}
    hidden = [c for c in rows.columns if c not in shown]
    assert {"n_patients", "n_event", "estimate", "ci_lower"} < set(hidden)
    assert rows.select(pl.col(hidden).is_null().all()).row(0) == (True,) * len(hidden)
    assert set(rows["reason"]) == {SUPPRESSED}


def test_outside_other_cells_stay(outsider, staff):
    """A row that is not marked is the same for both, but for the lake's snapshot, which tells how
    often records land.
    """
    where = ("strata = $1 AND clinic_id = $2", [("clinic_id", "study_arm"), "C1"])
    of_staff = staff.mart("cohort_outcomes", *where).with_columns(
        lake_snapshot=pl.lit(None, pl.Int64)
    )
    assert outsider.mart("cohort_outcomes", *where).equals(of_staff)


def test_outside_the_release_is_read_and_not_the_mart(tmp_path, with_lake, monkeypatch):
    """What is computed after a release changes nothing from outside: rows, marks, moments and
    values of the filters.
    """
    monkeypatch.setattr(reader_module, "_FRESH_S", 0.0)
    settings = Settings(home=with_lake(tmp_path / "home"))
    fill(settings)
    staff = Reader(settings)
    outsider = Reader(settings.model_copy(update={"viewer_role": "outside"}))
    before, at = outsider.mart("cohort_outcomes"), outsider.newest(("mart",))
    rows = frame(COHORT, cohort_rows(stratum(clinic_id="C9"), start=6.0, n=51))
    with Lake.open(settings) as lake:
        lake.write(lambda w: w.replace(COHORT, rows))
    assert staff.mart("cohort_outcomes").equals(rows)
    assert outsider.mart("cohort_outcomes").equals(before)
    assert outsider.newest(("mart",)) == at == RELEASE["release_id"]
    assert (
        outsider.changed_at("mart.cohort_outcomes")
        == outsider.release()["released_at"]
        == RELEASE["released_at"]
    )
    assert staff.changed_at("mart.cohort_outcomes") != RELEASE["released_at"]
    clinics = [
        [o["value"] for o in shell.filter_options(reader)[2]] for reader in (staff, outsider)
    ]
    assert "C9" in clinics[0]
    assert "C9" not in clinics[1]
    for reader in (staff, outsider):
        reader.close()


def test_a_table_whose_last_change_expired_is_read(tmp_path, with_lake):
    """Upkeep removes the snapshot of a table's last change: it was written all the same."""
    settings = Settings(home=with_lake(tmp_path / "home"))
    fill(settings)
    with Lake.open(settings) as lake:
        lake.write(lambda w: w.execute("INSERT INTO core.clinics (clinic_id) VALUES ('C9')"))
        assert (
            lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))["expired_snapshots"] > 0
        )
    reader = Reader(settings.model_copy(update={"viewer_role": "outside"}))
    assert reader.mart("cohort_outcomes").height > 0
    withheld = ("lake_snapshot", "marts_snapshot", "options", "code")
    assert reader.release() == RELEASE | dict.fromkeys(withheld)
    assert reader.has_landed
    assert reader.changed_at("raw.ledger") is None  # from outside
    of_staff = Reader(settings)
    assert of_staff.changed_at("raw.ledger") is not None
    assert of_staff.changed_at("raw.sessions") is None
    of_staff.close()
    reader.close()


@pytest.mark.parametrize(
    "name",
    ["adsl", "adqs", "adex", "adae", "adact", "patient_outcomes", "report_deadlines", "adtte"],
)
def test_outside_no_single_patient(outsider, staff, name):
    """A mart with a row a patient, or an event of one, gives a reader from outside no row."""
    assert outsider.mart(name).is_empty()
    assert outsider.mart(name).columns == staff.mart(name).columns


def test_words_that_give_a_number_away(staff):
    """The signal of a suppressed clinic is blank too: it says on which side of the limits the count
    lies.
    """
    table = MART_TABLES["clinic_funnel"]
    rows = staff.mart("clinic_funnel").with_columns(is_suppressed=pl.lit(True))
    hidden = OUTSIDE.rows(table, rows)
    assert hidden["signal"].null_count() == hidden.height == 3
    assert hidden["clinic_id"].null_count() == 0


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "survival_curves",
            [
                {"parameter": "TTSURG", "time_days": t, "at_risk": 3, "n_patients": 3}
                for t in (4.0, 9.0)
            ],
        ),
        (
            "control_charts",
            [
                {"chart": "g", "clinic_id": "C1", "point": k, "period_start": CUT.date()}
                for k in (1, 2)
            ],
        ),
        (
            "responder_disagreement",
            [{"parameter": "NRS7D", "visit": "Week 4", "pct30": f, "n": 2, "x": 1} for f in "YN"],
        ),
        (
            "dose_response",
            [
                {"parameter": "NRS7D", "visit": "Week 4", "from_per_week": f, "n_patients": 1}
                for f in (0.0, 2.0)
            ],
        ),
    ],
)
def test_how_many_rows_a_hidden_cell_has_is_not_told(name, rows):
    """A row a time with an event, a verdict or a bin with somebody in it: from outside a hidden
    cell is one row.
    """
    table = MART_TABLES[name]
    marked = frame(table, [STAMP | row | {"metric_id": "m", "is_suppressed": True} for row in rows])
    assert STAFF.rows(table, marked).equals(marked)
    hidden = OUTSIDE.rows(table, marked)
    assert hidden.height == 1
    kept = {c for c in hidden.columns if hidden[c].null_count() == 0}
    assert (
        kept - {*STAMP, "metric_id", "reason", "parameter", "visit", "chart", "clinic_id"} == set()
    )
    shown = marked.with_columns(is_suppressed=pl.lit(False))
    assert OUTSIDE.rows(table, shown.with_columns(lake_snapshot=None)).equals(
        shown.with_columns(lake_snapshot=None)
    )


def test_first_copy_gives_the_position(staff, outsider):
    """Of an event that landed twice the first counts, and that one's position is shown; outside
    none.
    """
    found = staff.positions({"adverse_events": [EVENT, "unknown"]})
    assert found.rows() == [(EVENT, "floe.adverse_events.v1", 1, 41)]
    assert outsider.positions({"adverse_events": [EVENT]}).is_empty()


def test_no_lake_yet(tmp_path, monkeypatch):
    """Without a lake every answer is empty and the reason is a sentence; when it appears it is
    read.
    """
    monkeypatch.setattr(reader_module, "_RETRY_S", 0.0)
    settings = Settings(home=tmp_path / "home")
    reader = Reader(settings)
    assert reader.mart("cohort_outcomes").is_empty()
    assert reader.newest(("mart",)) == -1
    assert is_readable(reader) == (False, reader.missing)
    assert "there is no lake yet" in reader.missing
    fill(settings)
    assert reader.mart("adsl")["USUBJID"].sort().to_list() == ["P1", "P2"]
    assert is_readable(reader)[0]
    reader.close()


def test_a_change_is_seen_and_else_nothing_is_asked_again(tmp_path, with_lake, monkeypatch):
    """A result is kept while its tables stand still, whatever else is written; a change of the
    table is seen.
    """
    monkeypatch.setattr(reader_module, "_FRESH_S", 0.0)
    settings = Settings(home=with_lake(tmp_path / "home"))
    with Lake.open(settings) as lake:
        reader = Reader(settings)
        rows = frame(COHORT, cohort_rows(stratum(), start=6.0, n=50))
        lake.write(lambda w: w.replace(COHORT, rows))
        first = reader.mart("cohort_outcomes")
        lake.write(
            lambda w: w.replace(
                MART_TABLES["check_results"], frame(MART_TABLES["check_results"], [])
            )
        )
        lake.write(lambda w: w.execute("INSERT INTO core.clinics (clinic_id) VALUES ('C9')"))
        asked = ("SELECT * FROM mart.cohort_outcomes WHERE true", ())
        assert reader._answers.get((reader.gate.viewer, asked)).value is first
        before = reader.newest(("mart",))
        lake.write(lambda w: w.replace(COHORT, rows.head(2)))
        assert reader.mart("cohort_outcomes").height == 2
        assert reader.newest(("mart",)) > before
        assert reader.changed_at("mart.cohort_outcomes").utcoffset() == timedelta(0)
        reader.close()


def test_no_query_fails_while_others_write(tmp_path, with_lake, monkeypatch):
    """Readers in threads go on while another process's writer replaces marts: each answer is one
    whole version.
    """
    monkeypatch.setattr(reader_module, "_FRESH_S", 0.0)
    settings = Settings(home=with_lake(tmp_path / "home"))
    rows = frame(COHORT, cohort_rows(stratum(), start=6.0, n=50))
    with Lake.open(settings) as lake:
        lake.write(lambda w: w.replace(COHORT, rows))
        reader, heights, stop = Reader(settings), [], threading.Event()

        def read() -> None:
            while not stop.is_set():
                heights.append(reader.mart("cohort_outcomes").height)

        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(read) for _ in range(4)]
            for k in range(500):
                part = rows.head(rows.height - k % 3)
                lake.write(lambda w, part=part: w.replace(COHORT, part))
                if (
                    k >= 12 and len(heights) >= 20
                ):  # however quick the writer is, the readers read meanwhile
                    break
            stop.set()
            for future in running:
                future.result()
        reader.close()
    assert len(heights) >= 20
    assert set(heights) <= {rows.height - k for k in range(3)}


def test_what_clock_or_kafka_decide_grows_old_while_nothing_lands(staff):
    """The lag of a stream whose ingest died is asked again by age; what the lake alone decides is
    kept.
    """
    answers = iter(range(0, 5000, 4092))
    again = [
        staff.inspect(lambda _: next(answers), name="waiting", max_age_s=0.0) for _ in range(2)
    ]
    assert again == [0, 4092]
    kept = iter(range(2))
    both = [
        staff.inspect(lambda _: next(kept), name="of raw", max_age_s=0.0, is_of_lake_alone=True)
        for _ in range(2)
    ]
    assert both == [0, 0]
