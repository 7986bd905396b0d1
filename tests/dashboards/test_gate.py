"""The gate: what a reader from outside gets of a lake in which every number that is not for them is
planted.

Here: tables and columns that say nothing, every way of asking, what goes over HTTP to whoever
forges a request. Not here: what a release holds (tests/transforms/disclosure), single pages
(test_pages.py).
"""

import json
import urllib.error
import urllib.request
from dataclasses import replace
from functools import partial

import polars as pl
import pytest

from dashboards import shell, versions
from dashboards.gate import Gate, Viewer, seen_from_outside
from dashboards.pages import PAGES
from dashboards.readable import is_readable
from dashboards.reader import Reader
from ingest.lake import Lake
from ingest.settings import Settings
from tests.dashboards.looking import payload, view
from tests.dashboards.rows import STAMP, frame, stratum
from tests.dashboards.small_lake import RELEASE, fill
from tests.dashboards.test_app import start
from transforms.errors import UsageError
from transforms.schemas import (
    BOOKKEEPING,
    CORE_TABLES,
    MART_TABLES,
    RAW_TABLES,
    Column,
    Outside,
    Table,
)
from transforms.schemas.app import APP_TABLES, RELEASED

OF_MARTS, OF_MARKED = (
    86421,
    97531,
)  # what the marts hold, and what a release that forgot to blank its marked rows does
SECRETS = (
    str(OF_MARTS),
    str(OF_MARKED),
    "P-SECRET",
    "P-SAMPLE",
    '"P1"',
    '"P2"',
    "AE1",
    "SE0",
    "AL1",
    "AL2",
)
COHORT = MART_TABLES["cohort_outcomes"]


def planted(table: Table, rows: pl.DataFrame, number: int, *, where: pl.Expr) -> pl.DataFrame:
    """The rows that meet the condition with the number in all that is no key, no word of a closed
    list and no mark.
    """
    columns = []
    for column in table.columns:
        if (
            column.name in table.key
            or column.outside in (Outside.KEY, Outside.OPEN)
            or column.closed
        ):
            continue
        value = {pl.Int64: number, pl.Float64: number + 0.5, pl.String: f"told by {number}"}.get(
            column.polars
        )
        if value is not None and not column.is_json:
            columns.append(
                pl.when(where).then(pl.lit(value)).otherwise(column.name).alias(column.name)
            )
    return rows.with_columns(columns)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Of a lake whose marts hold one number everywhere, and whose release another in its marked
    rows.
    """
    given = Settings(home=tmp_path_factory.mktemp("gate") / "home", kafka_bootstrap="127.0.0.1:1")
    fill(given)
    with Lake.open(given) as lake:
        for table in MART_TABLES.values():
            if not table.is_open:
                rows = planted(table, lake.table(table.full_name), OF_MARTS, where=pl.lit(True))
                lake.write(lambda w, table=table, rows=rows: w.replace(table, rows))
        for table in RELEASED.values():
            rows = planted(
                table, lake.table(table.full_name), OF_MARKED, where=pl.col("is_suppressed")
            )
            lake.write(lambda w, table=table, rows=rows: w.replace(table, rows))
        checks = MART_TABLES["check_results"]
        rows = lake.table(checks.full_name).with_columns(failing_rows=OF_MARTS, rows=OF_MARTS)
        lake.write(lambda w: w.replace(checks, checks.conform(rows)))
    return given.model_copy(update={"viewer_role": "outside"})


@pytest.fixture(scope="module")
def outside(settings):
    reader = Reader(settings)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def of_staff(settings):
    reader = Reader(settings.model_copy(update={"viewer_role": "clinic"}))
    yield reader
    reader.close()


# --- closed by default --------------------------------------------------------------------------


def test_a_column_that_says_nothing_is_withheld():
    """A column is withheld until its schema says what else it is."""
    assert Column("new", pl.Int64, "something new").outside is Outside.WITHHELD


NEW = Column("new", pl.Float64, "something new")
SUMMARY = {c.name: replace(c, outside=Outside.WITHHELD) for c in COHORT.columns}


@pytest.mark.parametrize(
    "table",
    [
        Table("mart", "new_mart", "Says nothing.", (Column("id", pl.String, "id"), NEW), ("id",)),
        Table("mart", "new_mart", "Says nothing.", tuple(SUMMARY.values()), COHORT.key),
        Table("mart", "new_mart", "Its key is withheld.", (NEW, *COHORT.columns), ("new",)),
        Table(
            "mart",
            "new_mart",
            "Its columns say what they are, no key tells rows apart.",
            COHORT.columns,
        ),
        Table(
            "mart",
            "new_mart",
            "Stamp and strata say what they are, its counts say nothing.",
            tuple(SUMMARY[c.name] if c.outside.is_of_people else c for c in COHORT.columns),
            COHORT.key,
        ),
        Table(
            "mart",
            "new_mart",
            "Counts people and has no mark by which a row could be hidden.",
            tuple(c for c in COHORT.columns if c.name != "is_suppressed"),
            COHORT.key,
        ),
    ],
    ids=["of two columns", "a summary", "key", "no key", "counts", "no mark"],
)
def test_a_mart_that_says_nothing_is_not_seen(tmp_path, with_lake, monkeypatch, table):
    """A new mart: staff read it at once; from outside it has no row, no moment, and is in no
    release.
    """
    monkeypatch.setitem(MART_TABLES, "new_mart", table)
    monkeypatch.setitem(versions.TABLES, "mart.new_mart", table)
    given = Settings(home=with_lake(tmp_path / "home"))
    row = (
        STAMP | stratum() | dict.fromkeys(("metric_id", "id"), "m") | {"new": 3.0, "n_patients": 3}
    )
    rows = frame(table, [{k: v for k, v in row.items() if k in table.names}])
    with Lake.open(given) as lake:
        lake.ensure([table])
        lake.write(lambda w: w.replace(table, rows))
    for role, height in (("clinic", 1), ("outside", 0)):
        reader = Reader(given.model_copy(update={"viewer_role": role}))
        assert reader.mart("new_mart").height == height
        assert reader.mart("new_mart", "true").columns == table.names
        assert (reader.changed_at("mart.new_mart") is not None) == bool(height)
        assert reader.sees("mart.new_mart") == bool(height)
        reader.close()
    assert not table.is_released or table.is_open


@pytest.mark.parametrize("name", ["cohort_outcomes", "check_results"])
def test_a_column_that_says_nothing_is_not_seen(tmp_path, with_lake, monkeypatch, name):
    """A new column of a summary and of an open table: null from outside though it is stored, and no
    condition on it is answered.
    """
    table = MART_TABLES[name]
    wider = replace(table, columns=(*table.columns, NEW))
    released = replace(wider, schema="app", name=f"released_{name}")
    monkeypatch.setitem(MART_TABLES, name, wider)
    if table.is_released:
        monkeypatch.setitem(RELEASED, name, released)
    given = Settings(home=with_lake(tmp_path / "home"))
    row = (
        STAMP
        | stratum()
        | {"metric_id": "m", "n_patients": 50, "table": "t", "check": "c", "is_passed": True}
    )
    rows = frame(wider, [{k: v for k, v in row.items() if k in wider.names} | {"new": 3.0}])
    with Lake.open(given) as lake:
        for one in (wider, released):
            lake.ensure([one])
            lake.write(lambda w, one=one: w.replace(one, rows))
        lake.write(
            lambda w: w.replace(APP_TABLES["releases"], frame(APP_TABLES["releases"], [RELEASE]))
        )
    for role, shown, asked in (("clinic", 3.0, 1), ("outside", None, 0)):
        reader = Reader(given.model_copy(update={"viewer_role": role}))
        assert reader.mart(name)["new"].to_list() == [shown]
        assert reader.mart(name, "new > 2").height == asked
        reader.close()


EVERY = [
    *RAW_TABLES.values(),
    *BOOKKEEPING,
    *CORE_TABLES.values(),
    *MART_TABLES.values(),
    *APP_TABLES.values(),
]


@pytest.mark.parametrize("table", EVERY, ids=lambda t: t.full_name)
def test_what_passes_of_every_table(table):
    """From outside: of a summary the release, of what is of nobody itself; what passes has no
    column that is withheld.
    """
    gate = Gate(Viewer(role="outside"))
    source = gate.source(table)
    if table.schema == "mart" and table.is_released:
        assert source is RELEASED[table.name]
    else:
        assert source is (table if table.is_open else None)
    assert gate.source(table) is None or not any(
        c.is_json and c.outside.is_of_people for c in table.columns
    )
    assert Gate(Viewer(role="clinic")).source(table) is table


def test_the_tables_that_are_open():
    """What is seen as it is, by name: whoever opens another says so here too."""
    assert {t.full_name for t in EVERY if t.is_open} == {
        "app.releases",
        "core.clinics",
        "mart.check_results",
        "mart.data_dictionary",
        "mart.metric_definitions",
        "mart.metric_versions",
        "mart.study_plans",
    }


@pytest.mark.parametrize("role", ["", "Clinic", "clinic ", "nobody", "outside"])
def test_whoever_is_not_known_is_outside(role):
    """A role that the gate does not know sees what a reader from outside sees."""
    assert not Gate(Viewer(role=role)).is_whole


# --- every way of asking ------------------------------------------------------------------------


def exports(rows: pl.DataFrame, folder) -> list[str]:
    """The rows as a file of CSV and of Parquet hold them, as text."""
    flat = rows.with_columns(pl.col(pl.List(pl.String)).list.join("+"))
    rows.write_parquet(folder / "rows.parquet", compression="uncompressed")
    again = pl.read_parquet(folder / "rows.parquet")
    return [flat.write_csv(), again.write_json()]


@pytest.mark.parametrize("name", MART_TABLES)
def test_no_row_holds_what_is_planted(outside, of_staff, name, tmp_path):
    """Each mart as its rows are read, and as they would be exported: staff have the number, outside
    it is nowhere.
    """
    rows = outside.mart(name)
    for text in (*exports(rows, tmp_path), payload([rows.to_dicts()])):
        assert told(text) == []
    if not MART_TABLES[name].is_open and of_staff.mart(name).height and name != "alerts":
        assert str(OF_MARTS) in payload([of_staff.mart(name).to_dicts()])


@pytest.mark.parametrize(
    "column", ["n_patients", "n_evaluable", "estimate", "ci_lower", "median_day", "lake_snapshot"]
)
def test_no_condition_tells_what_a_hidden_cell_holds(outside, column):
    """Which rows a condition on a hidden number returns would tell the number: it is null before
    anything is asked.
    """
    assert outside.mart("cohort_outcomes", f"is_suppressed AND {column} IS NOT NULL").is_empty()
    assert outside.mart("cohort_outcomes", f"{column} > 90000").is_empty()
    assert outside.mart("check_results", "failing_rows IS NOT NULL OR rows > 0").is_empty()


@pytest.mark.parametrize(
    "condition",
    [
        "n_patients = (SELECT count(*) FROM raw.adverse_events)",
        "EXISTS (FROM raw.sessions)",
        "true UNION ALL BY NAME SELECT * FROM mart.adsl",
        "true; SELECT 1",
        "true -- ) ",
    ],
)
def test_no_condition_asks_another_table(outside, condition):
    """A condition is on the table's own columns; words within quotes are words."""
    for ask in (
        partial(outside.mart, "cohort_outcomes", condition),
        partial(outside.core, "clinics", condition),
    ):
        with pytest.raises(UsageError, match="expected a condition on the table's own columns"):
            ask()
    with pytest.raises(UsageError, match="own columns"):
        outside.distinct("cohort_outcomes", ["clinic_id"], condition)
    assert outside.mart("cohort_outcomes", "modality IS NOT DISTINCT FROM 'select from'").is_empty()


def test_values_of_a_column_are_of_names_alone(outside, of_staff):
    """Distinct values are asked of what names a row: a number's are not."""
    for reader in (outside, of_staff):
        assert set(reader.distinct("cohort_outcomes", ["clinic_id"])["clinic_id"].drop_nulls()) >= {
            "C1",
            "C2",
        }
        with pytest.raises(UsageError, match="expected columns of the key"):
            reader.distinct("cohort_outcomes", ["n_patients"])
    assert outside.distinct("adsl", ["USUBJID"]).is_empty()


def test_statements_and_raw_rows_are_for_staff(outside, of_staff):
    """A statement, rows of raw, positions in Kafka, the lake itself: nothing from outside, whatever
    tables are named.
    """
    statement = "SELECT count(*) AS n FROM raw.adverse_events"
    for tables in (["raw.adverse_events"], ["mart.metric_definitions"], []):
        assert outside.query(statement, tables=tables).width == 0
        assert of_staff.query(statement, tables=tables)["n"][0] > 0
    assert outside.landed("adverse_events", pl.DataFrame.to_dicts) == []
    assert of_staff.landed("adverse_events", pl.DataFrame.to_dicts) != []
    assert outside.positions({"adverse_events": ["AE1"]}).is_empty()
    assert outside.lake() is None
    assert outside.is_there


def test_a_fact_of_the_lake_passes_by_its_own_word(outside, of_staff):
    """A function of the lake is for staff; from outside only what is marked is asked, under
    another's name too.
    """

    def rows(lake: Lake) -> int:
        return lake.sql("SELECT count(*) AS n FROM raw.ledger")["n"][0]

    for ask in (rows, partial(rows), lambda lake: rows(lake)):
        assert outside.inspect(ask, name="stream in words", max_age_s=9.0) is None
        assert of_staff.inspect(ask, name=f"rows {ask}", max_age_s=0.0) > 0
    assert (
        outside.inspect(seen_from_outside(lambda _: "well"), name="well", max_age_s=0.0) == "well"
    )
    assert outside.inspect(rows, name="well", max_age_s=60.0) is None


def test_nothing_tells_how_many_records_have_landed(outside, settings):
    """Each record that lands makes a snapshot: from outside no version, moment, stamp or sign of
    health has its number.
    """
    with Lake.open(settings, read_only=True) as lake:
        snapshot = lake.snapshot()
    assert (
        shell.versions(outside)[0]
        == RELEASE["release_id"]
        == outside.newest(("raw", "core", "mart"))
    )
    assert outside.release()["lake_snapshot"] is None
    assert (
        outside.mart("cohort_outcomes")["lake_snapshot"].null_count()
        == outside.mart("cohort_outcomes").height
    )
    assert is_readable(outside) == (True, "the lake answers")
    assert (
        str(snapshot)
        in is_readable(Reader(settings.model_copy(update={"viewer_role": "clinic"})))[1]
    )
    for name in (
        "raw.ledger",
        "raw.adverse_events",
        "mart.adsl",
        "mart.adae",
        "core.data_cut",
        "core.sessions",
    ):
        assert outside.changed_at(name) is None
    assert outside.has_landed


# --- over HTTP ----------------------------------------------------------------------------------

FORGED = (
    "",
    "?patient=P1",
    "?clinic=C2",
    "?alert=AL1&device=D1",
    "?clinic=C2&patient=P2&restriction=serious",
)


@pytest.fixture(scope="module")
def addresses(settings):
    """Where the same lake is served to each role."""
    of_role = {}
    stops = []
    for role in ("clinic", "outside"):
        of_role[role], stop = start(settings.model_copy(update={"viewer_role": role}))
        stops.append(stop)
    yield of_role
    for stop in stops:
        stop()


def asked(address: str, path: str, body: dict | None = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        address + path, data, {"Content-Type": "application/json"} if data else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def told(text: str, search: str = "") -> list[str]:
    """The secrets in a text, without those that whoever asked had already."""
    return [s for s in SECRETS if s in text and s.strip('"') not in search]


def requests_to(callback: dict, search: str) -> list[dict]:
    """What a browser, or who plays one, sends to the callback: once for each page, and as if each
    input had changed.
    """
    outputs = callback["output"].strip(".").split("...")
    outputs = [
        dict(zip(("id", "property"), o.split("@")[0].rsplit(".", 1), strict=True)) for o in outputs
    ]
    values = {"search": search, "n_clicks": 1, "n_intervals": 1}
    known = {
        "alert-seen.data": {"alert_id": "AL1", "revision": 0},
        "stream-version.data": "1",
        "marts-version.data": -5,
    }

    def filled(given: list[dict], pathname: str) -> list[dict]:
        of = {"pathname": pathname}
        return [
            one
            | {
                "value": known.get(
                    f"{one['id']}.{one['property']}", (values | of).get(one["property"])
                )
            }
            for one in given
        ]

    return [
        {
            "output": callback["output"],
            "outputs": outputs if callback["output"].startswith("..") else outputs[0],
            "inputs": filled(callback["inputs"], pathname),
            "state": filled(callback.get("state", []), pathname),
            "changedPropIds": [f"{one['id']}.{one['property']}" for one in callback["inputs"][:1]],
        }
        for pathname in (
            PAGES if any(i["property"] == "pathname" for i in callback["inputs"]) else ["/"]
        )
    ]


def callbacks(address: str) -> list[dict]:
    return [
        c
        for c in json.loads(asked(address, "/_dash-dependencies")[1])
        if not c.get("clientside_function")
    ]


@pytest.mark.parametrize("search", FORGED)
def test_no_callback_tells_what_is_planted(addresses, search):
    """Every callback that either role's pages have, called directly with forged ids: figures, hover
    texts, tables, grids, versions and forms hold nothing that is planted, and what only staff's
    pages have is refused.
    """
    refused = answered = 0
    registered = {c["output"] for c in callbacks(addresses["outside"])}
    for callback in callbacks(addresses["clinic"]) + callbacks(addresses["outside"]):
        for body in requests_to(callback, search):
            status, text = asked(addresses["outside"], "/_dash-update-component", body)
            assert told(text, search) == [], callback["output"][:80]
            assert status in ((200, 204) if callback["output"] in registered else (400,)), (
                status,
                text[:200],
            )
            refused, answered = refused + (status == 400), answered + (status == 200)
    assert refused >= 3
    assert answered > 2 * len(PAGES)


def test_the_same_requests_tell_staff(addresses):
    """The search can fail: to the clinic's own staff the same callbacks send what the marts
    hold.
    """
    texts = [
        asked(addresses["clinic"], "/_dash-update-component", body)[1]
        for callback in callbacks(addresses["clinic"])
        for body in requests_to(callback, "?patient=P1&clinic=C2")
        if not any("n_clicks" in one["property"] for one in callback["inputs"])
    ]
    assert any(str(OF_MARTS) in text for text in texts)
    assert any('"P2"' in text for text in texts)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        *PAGES,
        "/_dash-layout",
        "/_dash-dependencies",
        "/readyz",
        "/healthz",
        "/version",
        "/metrics",
    ],
)
def test_no_other_answer_tells(addresses, settings, path):
    """What is served beside callbacks holds nothing planted, and no snapshot."""
    text = asked(addresses["outside"], path)[1]
    assert told(text) == []
    assert "snapshot" not in text.replace("lake_snapshot", "") or path.startswith("/_dash")


@pytest.mark.parametrize("search", FORGED)
@pytest.mark.parametrize("path", PAGES)
def test_no_page_tells(outside, path, search):
    """Each page as it would be sent, hover texts and grids with it."""
    assert told(payload(view(outside, path, search)), search) == []
