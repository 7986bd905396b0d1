"""Releases over a real lake: events land, marts are computed through Dagster, and each role reads
what it may.

Here: when a release is made, that it is whole, and what readers see of it. Not here: what it holds
back in every case (tests/transforms/disclosure).
"""

import json
import re
from datetime import UTC, datetime, timedelta

import dagster as dg
import plotly.io
import pytest

from dashboards import shell
from dashboards.gate import SUPPRESSED
from dashboards.pages.cohort.page import COHORT
from dashboards.pages.operations import page as operations
from dashboards.pages.safety.page import SAFETY
from dashboards.reader import Reader
from ingest.contract import encode, record_key
from ingest.lake import Lake, Writer
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.stream import Batch
from orchestration import cli
from orchestration.automation import materialize_job, tidy
from orchestration.definitions import defs
from orchestration.releases import (
    RELEASED_CELLS,
    RELEASES,
    last_release,
    make_release,
    release_if_due,
)
from transforms.errors import FloeError
from transforms.facts.restrictions import sql_of
from transforms.schemas import APP_TABLES, MART_TABLES
from transforms.schemas.app import RELEASED

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CLINIC = ("floe.clinics.v1", {"clinic_id": "C1", "timezone": "UTC"})
EVERYBODY = f"strata = [] AND term IS NULL AND {sql_of('any')}"


def patient(number: int, *, has_event: bool) -> list[tuple[str, dict]]:
    """A patient with one session, and perhaps an adverse event an hour later."""
    of, at = {"patient_id": f"P{number}", "clinic_id": "C1"}, NOW - timedelta(days=30)
    records = [
        ("floe.patients.v1", of | {"enrolled_on": "2026-04-01"}),
        (
            "floe.sessions.v1",
            of | {"session_id": f"S{number}", "modality": "local", "started_at": at.isoformat()},
        ),
    ]
    onset = (at + timedelta(hours=1)).isoformat()
    event = of | {"ae_id": f"A{number}", "term": "skin erythema", "grade": 1, "onset_at": onset}
    return [*records, ("floe.adverse_events.v1", event)] if has_event else records


class Site:
    """A lake with what landed in it, and its readers of both roles."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.offset = 0
        self.outside = settings.model_copy(update={"viewer_role": "outside"})

    def land(self, records: list[tuple[str, dict]]) -> None:
        batches = []
        for topic, data in records:
            k = self.offset = self.offset + 1
            value = encode(topic, data, id=f"e{k}", source="/tests", time=NOW)
            batches.append(
                Batch(
                    topic=topic,
                    topic_id="t",
                    partition=k,
                    first_position=0,
                    next_position=1,
                    offsets=[0],
                    keys=[record_key(topic, data)],
                    values=[value],
                )
            )
        with Lake.open(self.settings) as lake:
            land(lake, prepare(batches, now=NOW))

    def materialize(self) -> str:
        """Everything, through Dagster; what the release's asset said."""
        job = defs.resolve_job_def(materialize_job.name)
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance)
        (made,) = [
            m
            for m in result.get_asset_materialization_events()
            if m.asset_key.path == ["app", "releases"]
        ]
        return made.materialization.metadata["release"].value

    def release(self) -> str:
        with Lake.open(self.settings) as lake:
            return make_release(lake, options=self.settings.options, now=datetime.now(UTC))

    def seen(self) -> dict[str, tuple]:
        """Patients with an event, patients and reason of everybody's row, by role."""
        found = {}
        for settings in (self.settings, self.outside):
            reader = Reader(settings)
            rows = reader.mart("adverse_event_rates", EVERYBODY)
            found[reader.role] = (
                rows.select("patients_with_event", "patients", "reason").row(0)
                if rows.height
                else None
            )
            reader.close()
        return found

    def operations_from_outside(self) -> str:
        reader = Reader(self.outside)
        values = operations.view(reader, None) + operations.lag_view(reader, None)
        reader.close()
        return json.dumps(values, cls=plotly.utils.PlotlyJSONEncoder)

    def sent(self, role: str) -> str:
        """All that the pages of summaries would send to this role."""
        reader = Reader(self.settings if role == "clinic" else self.outside)
        values = [
            COHORT.view(reader, "", None),
            SAFETY.view(reader, "", None),
            operations.view(reader, None),
            shell.freshness(reader),
            shell.filter_options(reader),
        ]
        reader.close()
        return json.dumps(values, cls=plotly.utils.PlotlyJSONEncoder)


@pytest.fixture(scope="module")
def site(tmp_path_factory, with_lake):
    """20 patients of whom 8 had an event are materialised and so released; then one more with an
    event comes.

    `before`: of the lake without a patient; `first`: of the first release; `then`: after the one
    more.
    """
    with pytest.MonkeyPatch.context() as patch:
        home = with_lake(tmp_path_factory.mktemp("releases") / "home")
        patch.setenv("FLOE_HOME", str(home))
        patch.setenv("FLOE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        patch.setenv("DAGSTER_HOME", "")
        made = Site(Settings())
        made.land([CLINIC])
        made.before = made.release(), made.seen(), made.sent("outside")
        made.land([r for k in range(20) for r in patient(k, has_event=k < 8)])
        made.first = made.materialize(), made.seen()
        made.land(patient(20, has_event=True))
        made.then = made.materialize(), made.seen(), made.sent("outside"), made.sent("clinic")
        yield made


def test_the_first_materialisation_that_counts_somebody_is_released(site):
    """A lake without patients releases nothing, and pages say so; with the first patients outside
    sees them in fives: 8 of 20 as 10 of 20.
    """
    said, seen, sent = site.before
    assert said == "no release yet: the marts count no patient"
    assert seen == {"clinic": None, "outside": None}
    assert "Nothing has been released yet" in sent
    assert "Nothing released yet" in sent
    said, seen = site.first
    assert said.startswith("release 1: ")
    assert seen == {"clinic": (8, 20, None), "outside": (10, 20, None)}


def test_what_comes_between_two_releases(site):
    """A patient with an event comes: the clinic sees 9 of 21 at once, outside 8 of 20 (as 10 of 20)
    until the next release, which holds 9 of 21 back; with four more of the kind 13 of 25 are shown,
    five more than were last seen, as 15 of 25.
    """
    said, seen, outside, clinic = site.then
    assert said.startswith("release 1 of")
    assert seen == {"clinic": (9, 21, None), "outside": (10, 20, None)}
    assert "10 / 20" in outside
    assert "8 / 20" not in outside
    assert "9 / 21" not in outside
    assert "9 / 21" in clinic
    assert site.release().startswith("release 2: ")
    assert site.seen() == {"clinic": (9, 21, None), "outside": (None, None, SUPPRESSED)}
    assert [s for s in ("10 / 20", "9 / 21", "21 patients") if s in site.sent("outside")] == []
    assert "9 / 21" in site.sent("clinic")
    site.land([r for k in range(21, 25) for r in patient(k, has_event=True)])
    site.materialize()
    assert site.release().startswith("release 3: ")
    assert site.seen() == {"clinic": (13, 25, None), "outside": (15, 25, None)}


@pytest.mark.parametrize(
    "table", [next(iter(RELEASED.values())), RELEASED_CELLS, RELEASES], ids=lambda t: t.name
)
def test_a_crash_leaves_the_last_release_in_force(site, monkeypatch, table):
    """Whatever fails on the way, readers go on with the last release whole, and so does the memory
    of what was shown.
    """
    before, kept = site.seen(), _released(site)
    append = Writer.append

    def failing(self, into, frame):
        if into is table:
            raise FloeError("the disk is gone")
        append(self, into, frame)

    monkeypatch.setattr(Writer, "append", failing)
    with pytest.raises(FloeError, match="the disk is gone"):
        site.release()
    assert site.seen() == before
    assert _released(site) == kept


def _released(site) -> dict[str, int]:
    """Of each table of releases a number that no other content of it has."""
    with Lake.open(site.settings, read_only=True) as lake:
        tables = [RELEASES, RELEASED_CELLS, *RELEASED.values()]
        return {t.full_name: lake.table(t.full_name).hash_rows().sum() for t in tables}


def test_marts_of_two_cuts_are_not_released(site):
    """A mart that was computed from another cut than the rest is named, and nothing is released."""
    with Lake.open(site.settings) as lake:
        last, table = last_release(lake), MART_TABLES["control_charts"]
        cursors = lake.table("app.cursors")
        older = f"UPDATE app.cursors SET raw_snapshot = 1 WHERE table_name = '{table.full_name}'"
        lake.write(lambda w: w.execute(older))
        with pytest.raises(FloeError, match="found control_charts computed from another data cut"):
            make_release(lake, options=site.settings.options, now=NOW)
        assert last_release(lake) == last
        lake.write(lambda w: w.replace(APP_TABLES["cursors"], cursors))


def test_the_next_release_is_due_after_the_days_of_the_setting(site):
    """Seven days after the last one is made; before, the last stays; FLOE_RELEASE_DAYS says how
    many.
    """
    options, every = site.settings.options, timedelta(days=site.settings.release_days)
    assert every == timedelta(days=7)
    with Lake.open(site.settings) as lake:
        at = last_release(lake)["released_at"]
        early = release_if_due(
            lake, every=every, options=options, now=at + every - timedelta(seconds=1)
        )
        assert "stays" in early
        due = release_if_due(lake, every=every, options=options, now=at + every)
        assert due.startswith(f"release {last_release(lake)['release_id']}: ")
        assert last_release(lake)["released_at"] == at + every


def test_upkeep_leaves_the_release(site):
    """Snapshots expire and files are rewritten: what was released is read as before."""
    before = site.seen()
    with Lake.open(site.settings) as lake:
        tidy(lake)
        assert (
            lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))["expired_snapshots"] > 0
        )
    assert site.seen() == before


def test_release_by_hand(site, capsys):
    """`floe materialize --release` makes one, due or not; the status names it."""
    with Lake.open(site.settings, read_only=True) as lake:
        number = last_release(lake)["release_id"] + 1
    cli.app(["materialize", "--release"], standalone_mode=False)
    assert f"release {number}: " in capsys.readouterr().err
    cli.app(["status"], standalone_mode=False)
    assert f"release {number}, data cut" in capsys.readouterr().out


def test_outside_nothing_counts_as_it_happens(site):
    """Rows by topic, offsets, rejects and moments grow with each event: only the clinic's staff
    sees them.

    From outside the operations page is the same to the letter after one more record, and has no
    time but the release's.
    """
    assert "floe.adverse_events.v1" in site.sent("clinic")
    before = site.operations_from_outside()
    assert [w for w in ("floe.", "/1", "offset") if w in before] == []
    assert re.findall(r"\d\d:\d\d:\d\d|\d+ (?:rows|records|seconds|minutes)", before) == []
    for word in (
        "none for more than a day",
        "Rejected records",
        "Shown to the clinic's own staff only.",
    ):
        assert word in before
    site.land(patient(90, has_event=True))
    assert site.operations_from_outside() == before


def test_outside_the_pages_say_what_a_rounded_figure_is(site):
    """Above every page for a reader from outside: rounded to the nearest 5; the clinic's staff,
    whose are exact, has none.
    """
    said = {}
    for settings in (site.settings, site.outside):
        reader = Reader(settings)
        said[reader.role] = str(shell.layout(reader))
        reader.close()
    assert "Counts are rounded to the nearest 5" in said["outside"]
    assert "rounded" not in said["clinic"]
