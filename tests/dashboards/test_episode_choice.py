"""The choice of a treatment episode: which cards follow it, and that every other one says that it is
of first episodes.

Here: all cards of the pages of outcomes over a lake of simulated clinics whose patients come back.
Not here: what is counted (tests/transforms/marts/test_episodes_asked.py).
"""

from datetime import UTC, datetime

import pytest

from dashboards import ids
from dashboards.filters import EPISODES, of_episodes
from dashboards.pages import PAGES
from dashboards.pages.cohort.page import COHORT
from dashboards.pages.durability.page import DURABILITY
from dashboards.reader import Reader
from dashboards.strata import FIRST_IS_RELEASED
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.simulate import Plan, Returns, simulate
from tests.computed import computed
from tests.dashboards.looking import beside, caption, part, payload, view
from tests.dashboards.stored import store
from tests.transforms.marts.test_strata_asked import marts_behind
from transforms.facts.values import ALL, FIRST, LATEST

LANDED = datetime(2028, 1, 1, tzinfo=UTC)
PATHS = ("/", "/durability", "/treatment", "/care")
OTHERS = (LATEST, ALL)
# Of this lake their figures are others where another episode is chosen
FOLLOWING = {
    ids.TRAJECTORY,
    ids.RESPONDERS,
    ids.RELIABLE_CHANGE,
    ids.LOSS,
    ids.CUMULATIVE,
    ids.DISAGREEMENT,
}


@pytest.fixture(scope="module")
def readers(tmp_path_factory, with_lake) -> tuple[Reader, Reader]:
    """The clinic's own staff, and from outside."""
    plan = Plan(
        clinics=2,
        patients=60,
        days=420,
        seed=11,
        with_readings=False,
        with_telemetry=False,
        returns=Returns(new_course_share=0.6),
    )
    drawn = {card.mart for path in PATHS for card in PAGES[path].cards}
    names = marts_behind([*drawn, "metric_definitions", "subject_episodes"])
    tables = computed(simulate(plan), landed=LANDED, marts=names)
    home = with_lake(tmp_path_factory.mktemp("episodes") / "home")
    settings = Settings(home=home, kafka_bootstrap="127.0.0.1:1", catalog="", data="")
    with Lake.open(settings) as lake:
        store(lake, tables, marts=names, computed_at=LANDED)
    both = Reader(settings), Reader(settings.model_copy(update={"viewer_role": "outside"}))
    yield both
    for reader in both:
        reader.close()


@pytest.fixture(scope="module")
def views(readers) -> dict[tuple[str, str], list]:
    return {(path, e): view(readers[0], path, f"?episode={e}") for path in PATHS for e in EPISODES}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("episode", OTHERS)
def test_every_card_names_the_episodes_that_it_is_of(views, path, episode):
    """Walks the cards: one whose figure is another than of the first names the chosen ones, and one
    of the first is the same and says so; one of no episode says nothing of any.
    """
    cards = PAGES[path].cards
    for card in cards:
        told = part(views[path, episode], cards, card.id, "selection")
        first, chosen = (
            payload([part(views[path, e], cards, card.id, "figure").data]) for e in (FIRST, episode)
        )
        if card.counted_episode is None:
            assert EPISODES[episode] in told
        else:
            assert first == chosen.replace(f", {EPISODES[FIRST]}", ""), card.id
            assert EPISODES[episode] not in caption(views[path, episode], cards, card.id), card.id
            named = [name for name in EPISODES.values() if name in told]
            assert named == ([EPISODES[FIRST]] if card.counted_episode else []), card.id
        if card.id in FOLLOWING:
            assert first != chosen, card.id


@pytest.mark.parametrize("page", [COHORT, DURABILITY], ids=lambda page: page.path)
def test_of_all_episodes_a_card_says_what_is_counted(views, page):
    """Episodes, of which a patient may have several; of times also where no limits are."""
    for card in page.cards:
        said = caption(views[page.path, ALL], page.cards, card.id)
        is_said = "Counts are of treatment episodes" in said
        assert is_said == (card.counted_episode is None), card.id
    loss = caption(views["/durability", ALL], DURABILITY.cards, ids.LOSS)
    assert "treatment episodes" in loss
    assert "The limits are over patients (jackknife)" in loss


def test_the_tiles_of_durability_name_the_episodes(views):
    """Of the held response, and of the times."""
    for episode in EPISODES:
        said = payload([beside(views["/durability", episode], DURABILITY, ids.DURABILITY_TILES)])
        assert f"of {of_episodes(episode)}" in said


def test_from_outside_another_choice_shows_nothing_and_says_why(readers):
    """Not a figure of a latest episode; cards that are of the first are there."""
    values = view(readers[1], "/durability", "?episode=latest")
    for card in (ids.LOSS, ids.CUMULATIVE, ids.DISAGREEMENT):
        assert not part(values, DURABILITY.cards, card, "figure").data
        assert FIRST_IS_RELEASED in caption(values, DURABILITY.cards, card)
