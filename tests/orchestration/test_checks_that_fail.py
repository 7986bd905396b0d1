"""A check that fails stops what it guards: the last good rows stay, what is computed from them
waits, nothing is released.

Here: two tables of core by the shape that all assets share, on a real lake, in Dagster. Not here:
the checks themselves (tests/transforms/test_checks.py).
"""

from datetime import UTC, datetime

import dagster as dg
import polars as pl
import pytest

from ingest.lake import Lake
from ingest.settings import Settings
from orchestration.assets.build import CHECK, table_asset, table_key
from orchestration.one_run import Run
from orchestration.status import print_status, system_status
from transforms.schemas import CORE_TABLES

FIRST, SECOND = CORE_TABLES["clinics"], CORE_TABLES["protocols"]
AT = datetime(2026, 5, 4, tzinfo=UTC)


def rows(table, *ids: str | None) -> pl.DataFrame:
    id_column, zone = table.key[0], {"timezone": "UTC"} if "timezone" in table.names else {}
    required = {
        c.name: {pl.String: "x", pl.Boolean: False, pl.Int64: 1}.get(c.dtype, AT)
        for c in table.columns
        if c.required and c.name not in table.key
    }
    closed = {c.name: c.closed[0] for c in table.columns if c.closed and c.required}
    plain = dict.fromkeys(table.names) | required | closed | zone
    keys = dict.fromkeys(table.key[1:], AT)
    return pl.DataFrame([plain | keys | {id_column: id} for id in ids], schema=table.polars_schema)


@pytest.fixture
def lake(tmp_path, with_lake):
    settings = Settings(
        home=with_lake(tmp_path), catalog="", data="", kafka_bootstrap="127.0.0.1:9"
    )
    with Lake.open(settings) as lake:
        yield lake


def run(lake: Lake, *, first: pl.DataFrame, second: pl.DataFrame) -> dg.ExecuteInProcessResult:
    assets = [
        table_asset(FIRST, inputs=(), compute=lambda _: first),
        table_asset(SECOND, inputs=(FIRST.full_name,), compute=lambda _: second),
    ]
    return dg.materialize(assets, resources={"run": Run(lake)}, raise_on_error=False)


def ids(lake: Lake, table) -> list[str]:
    return sorted(lake.table(table.full_name)[table.key[0]].to_list())


@pytest.mark.parametrize(
    ("bad", "check"), [(("A", "A"), "key_is_unique"), (("A", None), "required_is_present")]
)
def test_rows_that_fail_are_not_stored_and_what_follows_waits(lake, bad, check, capsys):
    """The table and what is computed from it stay; which and why is on record; the next good rows
    go in.
    """
    assert run(lake, first=rows(FIRST, "A", "B"), second=rows(SECOND, "P")).success
    result = run(lake, first=rows(FIRST, *bad), second=rows(SECOND, "P", "Q"))
    assert not result.success
    assert (ids(lake, FIRST), ids(lake, SECOND)) == (["A", "B"], ["P"])
    [failure] = result.get_step_failure_events()
    assert "core.clinics stays as it was, and what is computed from it waits" in str(
        failure.step_failure_data.error
    )
    [evaluation] = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert (evaluation.asset_key, evaluation.check_name) == (table_key(FIRST.full_name), CHECK)
    failing = lake.table("mart.check_results", where="NOT is_passed")
    assert failing.select("table", "check").rows() == [("core.clinics", check)]
    print_status(system_status(lake._settings))
    told = capsys.readouterr().out
    assert "core.clinics: " + check in told
    assert "stay as of their last good rows" in told
    assert run(lake, first=rows(FIRST, "A", "C"), second=rows(SECOND, "P", "Q")).success
    assert (ids(lake, FIRST), ids(lake, SECOND)) == (["A", "C"], ["P", "Q"])
    assert lake.table("mart.check_results", where="NOT is_passed").is_empty()
