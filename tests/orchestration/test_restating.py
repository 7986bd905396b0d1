"""A figure that a release has shown and that is another one now is told, with the reason.

Here: a real lake, a release, what lands after it, the assets of core and mart without Dagster. Not
here: what Dagster adds, pages.
"""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ingest.contract import encode, record_key
from ingest.inspection import restated_since_release
from ingest.lake import Lake, LakeOfARun
from ingest.landing import land, prepare
from ingest.partition import Batch
from ingest.settings import Settings
from orchestration.automation import tidy
from orchestration.releases import make_release
from tests.followed import brought_up_to_date, needed_for
from transforms.facts.catalogue import METRICS
from transforms.restating.figures import of_masked_arms

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAY_1 = NOW - 60 * DAY
CUT = NOW - DAY  # the newest of what the release has shown
PATIENTS = 12
SUMMARY = "mart.reliable_change"
TABLES = needed_for(SUMMARY)


class Site:
    """A lake in which events land, of which summaries are computed and released."""

    def __init__(self, lake: LakeOfARun) -> None:
        self.lake, self.landed = lake, 0

    def land(self, *events: tuple[str, dict, datetime], id: str = "") -> None:
        batches = []
        for topic, data, at in events:
            self.landed += 1
            event_id = id or f"e{self.landed}"
            value = encode(f"floe.{topic}.v1", data, id=event_id, source="/tests", time=at)
            place = {"topic": f"floe.{topic}.v1", "topic_id": "t", "partition": self.landed}
            key = record_key(f"floe.{topic}.v1", data)
            span = {"first_position": 0, "next_position": 1, "offsets": [0]}
            batches.append(Batch(**place, **span, keys=[key], values=[value]))
        land(self.lake, prepare(batches, now=NOW))

    def run(self, *, is_full: bool = False, is_whole: bool = True) -> None:
        """Brings the summary up to date and tells what that restated; not `is_whole`: dies between."""
        only = TABLES | {"mart.restatements"} if is_whole else TABLES
        brought_up_to_date(self.lake, is_full=is_full, only=only)

    def release(self) -> None:
        make_release(self.lake, options=Settings().options, now=datetime.now(UTC))

    def rows(self, name: str = "mart.restatements") -> pl.DataFrame:
        return self.lake.table(name)

    def now(self) -> dict:
        """Reliable change of pain at Week 4, of everybody."""
        is_it = (pl.col("parameter") == "NRS7D") & (pl.col("visit") == "Week 4")
        return self.rows(SUMMARY).filter(is_it, pl.col("strata").list.len() == 0).row(0, named=True)

    def told(self) -> dict:
        """The restatement of that figure, its JSON read."""
        key = pl.col("figure")
        rows = self.rows().filter(
            pl.col("release_id") == pl.col("release_id").max(),
            key.str.contains('"NRS7D"')
            & key.str.contains('"Week 4"')
            & key.str.contains('"strata":[]', literal=True),
        )
        [row] = rows.iter_rows(named=True)
        parts = ("published", "restated", "events", "settings")
        return row | {name: json.loads(row[name] or "null") for name in parts}


def answer(
    number: int, day: int, value: float, *, at: datetime | None = None, **more
) -> tuple[str, dict, datetime]:
    at = at or DAY_1 + day * DAY
    data = {
        "response_id": f"R{number}-{day}",
        "patient_id": f"P{number}",
        "clinic_id": "C1",
        "instrument": "nrs_pain",
        "answered_at": at.isoformat(),
        "items": {"average_7d": value},
    }
    return "responses", data | more, at


def patient(number: int, *, since: datetime | None = None) -> list[tuple[str, dict, datetime]]:
    """Somebody with a baseline and a session on Day 1, or both `since` a moment; of those of Day 1
    all but the first answered at Week 4.
    """
    of = {"patient_id": f"P{number}", "clinic_id": "C1"}
    at, enrolled_at = (since + HOUR, since) if since else (DAY_1, DAY_1 - 9 * DAY)
    session = {"session_id": f"S{number}", "modality": "local", "started_at": at.isoformat()}
    baseline = answer(number, -2, 7 + number % 2, at=since)
    events = [
        ("patients", of | {"enrolled_on": str(enrolled_at.date())}, enrolled_at),
        ("sessions", of | session, at),
        baseline,
    ]
    return events if since or number == 1 else [*events, answer(number, 28, 4 + number % 3)]


@pytest.fixture(scope="module")
def site(tmp_path_factory, with_lake):
    """A release of a dozen patients, of whom all but one answered at Week 4; what lands afterwards
    lands in the order of the tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOE_HOME", str(with_lake(tmp_path_factory.mktemp("restating"))))
        patch.setenv("FLOE_MIN_CELL", "1")
        patch.setenv("FLOE_RELEASE_ROUNDING", "1")
        lake = LakeOfARun.open(Settings())
        site = Site(lake)
        newest = {"session_id": "X", "patient_id": "P12", "clinic_id": "C1", "status": "missed"}
        newest |= {"modality": "local", "started_at": CUT.isoformat()}
        clinic = ("clinics", {"clinic_id": "C1", "timezone": "UTC"}, DAY_1 - 90 * DAY)
        everybody = (e for k in range(1, PATIENTS + 1) for e in patient(k))
        site.land(clinic, *everybody, ("sessions", newest, CUT))
        site.run()
        site.release()
        yield site
        lake.close()


def test_a_late_answer_restates_the_figure_that_it_changes(site):
    """What happened before the data cut of the release and landed after it: before and after stand
    in the row. Another run, whole too, and a copy of the answer tell nothing twice.
    """
    before = site.now()
    site.land(answer(1, 28, 2), id="late")
    site.run()
    row, after = site.told(), site.now()
    assert (before["n_evaluable"], after["n_evaluable"]) == (11, 12)
    for column in ("n_evaluable", "n_improved", "improved", "improved_lower"):
        assert row["published"][column] == pytest.approx(before[column], abs=1e-12)
        assert row["restated"][column] == pytest.approx(after[column], abs=1e-12)
    assert {"n_evaluable", "n_missing"} <= set(row["changed"])
    assert (row["reasons"], row["events"]) == (["late"], {"late": {"responses": 1}})
    assert (row["because"], row["times"]) == ("1 event late (responses 1)", 1)
    told = site.rows()
    site.land(answer(1, 28, 2), id="late")
    site.run(is_full=True)
    assert site.rows().equals(told)


def test_newer_data_alone_restate_nothing(site):
    """Who comes after the data cut changes the figure to date, and nothing that was shown of before."""
    told, before = site.rows(), site.now()["n_patients"]
    site.land(*patient(13, since=NOW - 2 * HOUR))
    site.run()
    assert site.now()["n_patients"] == before + 1
    assert site.rows().equals(told)


def test_a_correction_restates(site):
    """Another revision of an answer that the release had counted; what restated the figure before
    stays in its row, which a run that died before and one after it write once.
    """
    site.land(answer(2, 28, 10, revision=2), id="corrected")
    site.run(is_whole=False)
    site.run()
    row = site.told()
    assert row["reasons"] == ["late", "corrected"]
    assert row["events"] == {"corrected": {"responses": 1}, "late": {"responses": 1}}
    assert row["times"] == 2
    assert row["restated"]["n_deteriorated"] == site.now()["n_deteriorated"]


def test_an_answer_entered_in_error_restates(site):
    site.land(answer(3, 28, 4, record_status="entered_in_error"), id="error")
    site.run()
    row = site.told()
    assert "entered_in_error" in row["reasons"]
    assert row["events"]["entered_in_error"] == {"responses": 1}
    assert row["restated"]["n_evaluable"] == 11


def test_a_merge_restates_strata_of_both(site):
    """Two patients who are one: fewer patients, by a record of after the data cut."""
    before = site.now()["n_patients"]
    merge = {"status_id": "M", "patient_id": "P5", "status": "merged", "merged_into": "P4"}
    site.land(("patient_status", merge | {"effective_on": str(NOW.date())}, NOW), id="merge")
    site.run()
    row = site.told()
    assert "merged" in row["reasons"]
    assert row["restated"]["n_patients"] == before - 1
    assert row["published"]["n_patients"] == PATIENTS
    assert row["events"]["merged"] == {"patient_status": 1}


def test_a_setting_restates(site, monkeypatch):
    """Another measurement error: which setting, from what to what."""
    monkeypatch.setenv("FLOE_NRS_SEM", "2.5")
    site.run()
    row = site.told()
    assert "setting" in row["reasons"]
    assert row["settings"] == {"nrs_sem": [1.02, 2.5]}
    assert "the setting FLOE_NRS_SEM changed from 1.02 to 2.5" in row["because"]
    assert row["published"]["n_improved"] > row["restated"]["n_improved"]


def test_a_definition_restates(site, monkeypatch):
    """Another version of the metric, under the settings of the release."""
    metric = METRICS[site.now()["metric_id"]]
    monkeypatch.setitem(METRICS, metric.id, replace(metric, version="99"))
    site.run()
    row = site.told()
    assert "definition" in row["reasons"]
    assert f"its definition changed (version {metric.version} to 99)" in row["because"]


def test_no_row_names_a_patient(site):
    """Whom a figure is of is said by its stratum."""
    texts = site.rows().select(pl.col(pl.String)).rows()
    assert not re.search(r"\bP\d+\b", json.dumps(texts))


def test_the_next_release_begins_anew(site):
    """What was restated stays on record; of what the next release shows nothing is restated yet."""
    told = site.rows()
    site.run()
    site.release()
    assert restated_since_release(site.lake)["figures"] == 0
    assert site.rows().filter(pl.col("release_id") == 1).height >= told.height
    site.land(answer(6, 28, 9, revision=2), id="later")
    site.run()
    assert site.told()["release_id"] == 2
    assert site.told()["reasons"] == ["corrected"]
    since = restated_since_release(site.lake)
    assert since["figures"] > 0
    assert since["reasons"] == {"corrected": since["figures"]}


def test_upkeep_keeps_what_a_release_names(site):
    """Snapshots expire, but none that a release names nor any from which a table is followed: the
    figures of the first release can still be asked for as they were.
    """
    releases, cursors = site.rows("app.releases"), site.rows("app.cursors")
    assert tidy(site.lake, keep=timedelta(0))["expired_snapshots"] > 0
    there = {i for (i,) in site.lake.rows("SELECT snapshot_id FROM ducklake_snapshots('lake')")}
    assert {*releases["lake_snapshot"], *releases["marts_snapshot"]} <= there
    assert {*cursors["raw_snapshot"], *cursors["read_at"]} <= there
    with Lake.open(Settings(), as_of=releases["marts_snapshot"][0]) as then:
        rows = then.table(SUMMARY, where="parameter = 'NRS7D' AND visit = 'Week 4' AND strata = []")
    assert rows["n_evaluable"].to_list() == [11]


def test_figures_of_masked_arms_are_told_from_the_others():
    """By study and arm of the figure's key: what is of no arm, or says no more than that it is
    masked, stays.
    """
    keys = ('"M","arm":"A"', '"M","arm":"(masked)"', '"M","arm":null', '"N","arm":"A"')
    rows = pl.DataFrame({"figure": [f'{{"study_id":{key}}}' for key in (*keys, "null")]})
    assert of_masked_arms(rows, ["M"])["figure"].to_list() == [rows["figure"][0]]
    assert of_masked_arms(rows, []).is_empty()
