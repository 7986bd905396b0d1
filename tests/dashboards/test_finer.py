"""Strata finer than those that are stored, as pages ask for them: of a lake of simulated clinics.

Here: which filters a page takes together, for staff and from outside. Not here: that a stratum that
is computed is the right one (tests/transforms/marts/test_strata_asked.py).
"""

from datetime import UTC, datetime
from itertools import combinations
from urllib.parse import urlencode

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dashboards import ids
from dashboards.filters import COLUMN, chosen, settled
from dashboards.finer import rows_of
from dashboards.pages.care.page import CARE
from dashboards.pages.cohort.page import COHORT
from dashboards.pages.durability.page import DURABILITY
from dashboards.pages.safety.page import SAFETY
from dashboards.pages.treatment.page import TREATMENT
from dashboards.reader import Reader
from dashboards.strata import NOT_RELEASED, Stratum
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from tests.computed import computed
from tests.dashboards.looking import beside, part, payload, view
from tests.dashboards.stored import store
from transforms.facts.strata import STORED
from transforms.marts import MARTS

LANDED = datetime(2026, 12, 1, tzinfo=UTC)
PAGES = ("/", "/care", "/treatment", "/durability", "/safety")
FILTERS = ("clinic", "modality", "indication")
TOGETHER = [c for size in range(len(FILTERS) + 1) for c in combinations(FILTERS, size)]
SUMMARIES = [name for name, mart in MARTS.items() if mart.has_strata]


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    plan = Plan(clinics=2, patients=24, days=150, seed=3, with_readings=False, with_telemetry=False)
    return computed(simulate(plan), landed=LANDED)


@pytest.fixture(scope="module")
def readers(tmp_path_factory, with_lake, tables) -> tuple[Reader, Reader]:
    """The clinic's own staff, and from outside."""
    home = with_lake(tmp_path_factory.mktemp("finer") / "home")
    settings = Settings(home=home, kafka_bootstrap="127.0.0.1:1", catalog="", data="")
    with Lake.open(settings) as lake:
        store(lake, tables, marts=SUMMARIES, computed_at=LANDED)
        # a run that has begun: what comes of it is another cut's
        lake.write(lambda w: w.execute("DELETE FROM mart.adsl"))
    both = Reader(settings), Reader(settings.model_copy(update={"viewer_role": "outside"}))
    yield both
    for reader in both:
        reader.close()


@pytest.fixture(scope="module")
def somebody(tables) -> dict[str, str]:
    """The filters of a patient with outcomes."""
    rows = tables["mart.adqs"].filter(PARAMCD="NRS7D", AVISIT="Week 4")
    row = tables["mart.adsl"].join(rows, on="USUBJID", how="semi").row(0, named=True)
    return {"clinic": row["SITEID"], "modality": row["MODALITY"], "indication": row["INDICATN"]}


def search_of(somebody: dict[str, str], names: tuple[str, ...]) -> str:
    return f"?{urlencode({name: somebody[name] for name in names})}"


def people_of(tables: dict[str, pl.DataFrame], somebody: dict[str, str], names) -> int:
    columns = {"clinic": "SITEID", "modality": "MODALITY", "indication": "INDICATN"}
    is_in_all = [pl.col(columns[n]) == somebody[n] for n in names]
    return tables["mart.adsl"].filter(pl.col("STUDYID") == "ROUTINE", *is_in_all).height


@pytest.mark.parametrize("names", TOGETHER, ids=",".join)
def test_the_cohort_page_counts_the_patients_of_any_filters(readers, tables, somebody, names):
    """One by one and together: who is in all of them."""
    values = view(readers[0], "/", search_of(somebody, names))
    tiles = payload([beside(values, COHORT, ids.COHORT_TILES)])
    assert "Patients in the selection" in tiles
    assert f'"children": "{people_of(tables, somebody, names)}"' in tiles


@pytest.mark.parametrize(
    "page", [COHORT, CARE, TREATMENT, DURABILITY, SAFETY], ids=lambda p: p.path
)
def test_all_filters_together_fill_every_page(readers, somebody, page):
    """Of a stratum of three filters, study and arm there are charts, and no sentence that it is too
    fine.
    """
    values = view(readers[0], page.path, search_of(somebody, FILTERS))
    assert NOT_RELEASED not in payload(values)
    drawn = [part(values, page.cards, card.id, "figure").data for card in page.cards]
    assert sum(bool(data) for data in drawn) >= 2


@pytest.mark.parametrize("path", PAGES)
def test_from_outside_two_filters_are_told_to_be_too_fine(readers, somebody, path):
    """A sentence, and no number of a coarser stratum."""
    _, outsider = readers
    assert NOT_RELEASED in payload(
        view(outsider, path, search_of(somebody, FILTERS[:2]) + "&study=ROUTINE&arm=(none)")
    )


@pytest.mark.parametrize("name", SUMMARIES)
def test_rows_are_of_the_cut_that_the_summary_stands_on(readers, tables, somebody, name):
    """Of its inputs as they were when it was computed, though a run has begun since; kept; none of
    them for a reader from outside.
    """
    staff, outsider = readers
    asked = settled(chosen(search_of(somebody, FILTERS)), {"ROUTINE": ["(none)"]}).stratum()
    assert asked.combination not in STORED
    rows = rows_of(staff, name, asked)
    columns = [COLUMN[f] for f in FILTERS]
    assert set(rows.select(columns).unique().rows()) <= {tuple(somebody[f] for f in FILTERS)}
    assert rows.height or name in ("course_relief", "competing_risks", "important_change")
    assert_frame_equal(rows, rows_of(staff, name, asked))
    assert rows_of(outsider, name, asked).is_empty()


def test_a_condition_narrows_what_is_computed(readers, somebody):
    """As it does stored rows."""
    staff, _ = readers
    asked = Stratum(("clinic_id", "modality", "indication"))
    rows = rows_of(staff, "adverse_event_rates", asked)
    any_term = rows_of(
        staff, "adverse_event_rates", asked, "term IS NULL AND clinic_id = $1", [somebody["clinic"]]
    )
    assert 0 < any_term.height < rows.height
    assert set(any_term["clinic_id"]) == {somebody["clinic"]}
    assert any_term["term"].null_count() == any_term.height
