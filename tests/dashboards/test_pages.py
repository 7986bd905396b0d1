"""Every page's callback, called as Dash calls it, over a small real lake; and what must not be in
what it sends.
"""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from dash import no_update

from dashboards import ids, shell, words
from dashboards.components import outputs
from dashboards.gate import SUPPRESSED
from dashboards.pages import PAGES
from dashboards.pages.base import waiting
from dashboards.pages.care import page as care_page
from dashboards.pages.cohort import charts as cohort_charts
from dashboards.pages.cohort import page as cohort
from dashboards.pages.cohort import tiles
from dashboards.pages.safety import page as safety
from dashboards.reader import Reader
from dashboards.theme import LIGHT
from ingest.lake import Lake
from ingest.settings import Settings
from tests.dashboards.looking import caption, part, payload, view
from tests.dashboards.small_lake import CUT, cohort_rows, frame, stratum
from transforms.facts.mobility_parameters import VITALS
from transforms.schemas import MART_TABLES

COHORT_COLUMNS = MART_TABLES["cohort_outcomes"].names


@pytest.mark.parametrize("scheme", [None, "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_fills_its_outputs(staff, path, scheme):
    """Each view gives a value for each output of its callbacks, and all of it can be sent."""
    assert payload(view(staff, path, "", scheme))
    assert payload([c.to_plotly_json() for c in shell.page_content(staff, path)])


@pytest.mark.parametrize("role", ["clinic", "outside"])
@pytest.mark.parametrize("path", PAGES)
def test_without_a_lake_pages_say_what_they_wait_for(tmp_path, path, role):
    """No lake is no error: each chart says so."""
    reader = Reader(
        Settings(home=tmp_path / "none", viewer_role=role, kafka_bootstrap="127.0.0.1:1")
    )
    said = payload(view(reader, path))
    assert "there is no lake yet" in said or "own staff only" in said


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("has_lake", [False, True])
def test_what_is_not_known_is_not_called_none(tmp_path, path, has_lake):
    """Without a lake, or with one from which nothing was computed, no list is empty because all is
    well.
    """
    settings = Settings(home=tmp_path / "home", kafka_bootstrap="127.0.0.1:1")
    if has_lake:
        Lake.open(settings).close()
    said = payload(view(Reader(settings), path))
    for calm in (
        "None on record",
        "No alert",
        "No report is due",
        "passes",
        "None so far",
        "not cleared or beyond",
    ):
        assert calm not in said
    assert "No data yet" in said


@pytest.mark.parametrize("path", [path for path, page in PAGES.items() if hasattr(page, "cards")])
def test_every_card_names_its_selection(staff, path):
    """Each card says of whom it is; with a filter chosen no caption, table or tile speaks of all
    patients.
    """
    cards = PAGES[path].cards
    selections = [part(view(staff, path), cards, card.id, "selection") for card in cards]
    of_studies = {"Of: routine care", "Of: routine care, by arm", "Of: all studies"}
    own = {"/patient": {"Of: nobody"}, "/study": {"Of: study T1, by arm"}}
    usual = own.get(path, of_studies)
    assert set(selections) <= usual
    chosen_values = view(staff, path, "?clinic=C1&modality=whole_body")
    if path not in own:
        selections = {part(chosen_values, cards, card.id, "selection") for card in cards}
        assert selections <= {f"{frame}, Clinic C1 (C1), Whole body" for frame in usual}
        assert "all patients" not in payload(chosen_values).lower()


def test_a_card_of_arms_is_of_no_single_one(staff):
    """A card that sets arms side by side says so; one of the arm on which the page stands names
    that arm.
    """
    cards = PAGES["/"].cards
    by_arm = part(view(staff, "/", "?parameter=PAINIDX"), cards, ids.DIFFERENCES, "selection")
    assert by_arm.endswith(", by arm")


def test_a_score_without_a_responder_rule_says_so(staff):
    """No rule, no numbers: never a dash of a dash."""
    said = payload(
        [tiles._responder_tile("At least 30 % better", dict.fromkeys(COHORT_COLUMNS), "STARTB")]
    )
    assert "no responder rule applies to STARTB" in said
    assert f"{words.NOTHING} of" not in said


def test_waiting_says_what_is_next(staff, tmp_path):
    """No lake, no events, no outcomes: three different sentences."""
    empty = Reader(Settings(home=tmp_path / "none"))
    assert waiting(empty).startswith("No data yet: there is no lake yet")
    assert waiting(staff).startswith("Events have landed")


# --- the cohort page ----------------------------------------------------------------------------


def test_cohort_shows_most_patients_first(staff):
    """NRS7D has 50 patients, the trial's index 30: the first is shown, at its latest visit that
    half have reached.
    """
    said = caption(view(staff, "/"), cohort.COHORT.cards, ids.TRAJECTORY)
    assert "mean from 6.0 (5.5 to 6.5) points at Baseline (n = 50)" in said
    assert "to 4.0 (3.5 to 4.5) points at Month 3 (n = 50)" in said
    assert "not an effect" in said


def test_cohort_filter_changes_the_numbers(staff):
    """A clinic's own stratum, not a part of the whole."""
    said = caption(view(staff, "/", "?clinic=C1"), cohort.COHORT.cards, ids.TRAJECTORY)
    assert "mean from 7.0 (6.5 to 7.5) points at Baseline (n = 40)" in said


def test_cohort_of_nobody(staff):
    """A selection without patients says so, on every card."""
    said = payload(view(staff, "/", "?clinic=C9"))
    assert said.count("No patients with outcomes in this selection") >= len(cohort.COHORT.cards)


def test_cohort_names_both_ways_of_counting(staff):
    """21 of 50 with a value, 21 of 60 with the missing as non-responders: 50 + 10 missing."""
    said = payload(view(staff, "/"))
    assert "21 / 50" in said
    assert "21 / 60" in said
    assert "Missing counted as no response" in said


def test_arms_are_lines_and_differences(staff):
    """A parameter with two arms is drawn by arm; p only where the mart gives one (randomised arms),
    and its model.
    """
    said = payload(view(staff, "/", "?parameter=PAINIDX"))
    assert "Acupuncture: mean from 25.0" in said
    assert "n 30 v 28, p < 0.001" in said
    assert "n 12/30 v 7/28" in said
    assert "n 12/30 v 7/28, p" not in said
    assert "Interval and p-value of a row are of the one model that it names" in said


def test_a_card_names_the_episodes_that_it_counts(staff):
    """Where the latest episodes are chosen, a card of first episodes says so, and one of care says
    nothing of episodes.
    """
    query, care = "?episode=latest", care_page.CARE
    cards = {
        ids.TRAJECTORY: cohort.COHORT,
        ids.DIFFERENCES: cohort.COHORT,
        ids.SURGERY: care,
        ids.PROCEDURES: care,
    }
    told = {
        card: part(view(staff, of.path, query), of.cards, card, "selection")
        for card, of in cards.items()
    }
    assert "latest treatment episode" in told[ids.TRAJECTORY]
    for card in (ids.DIFFERENCES, ids.SURGERY):
        assert "first treatment episode" in told[card]
        sentence = caption(view(staff, cards[card].path, query), cards[card].cards, card)
        assert "latest treatment episode" not in told[card] + sentence
    assert "treatment episode" not in told[ids.PROCEDURES]


def test_banner_stands_on_the_cohort_page(staff):
    """No device is cleared by the FDA, and a change is not an effect: always there."""
    said = payload([c.to_plotly_json() for c in cohort.COHORT.layout(staff)])
    assert "No whole-body cryotherapy device is cleared by the FDA for medical treatment" in said
    assert "A before/after change is not an effect" in said


def test_unknown_choices_are_as_no_choice(staff):
    """A parameter, visit or restriction that does not exist falls back to the usual one."""
    assert caption(
        view(staff, "/", "?parameter=XX&visit=Never"), cohort.COHORT.cards, ids.TRAJECTORY
    ) == caption(view(staff, "/"), cohort.COHORT.cards, ids.TRAJECTORY)
    assert "(any event)" in payload(view(staff, "/safety", "?restriction=nope"))


def test_regression_to_the_mean_is_drawn_where_it_is_given():
    """A baseline of 6.0 and an expected change of -0.8 by selection alone: a line at 5.2; else a
    sentence.
    """
    plain = frame(
        MART_TABLES["cohort_outcomes"], cohort_rows(stratum(), start=6.0, n=50)
    ).with_columns(series=pl.lit("all"))
    drawn = cohort_charts.mean_by_visit(plain, "NRS7D", of=LIGHT, title="")
    assert not drawn.figure.layout.shapes
    assert "regression to the mean" in " ".join(drawn.notes)
    given = plain.with_columns(
        rtm_expected=pl.when(pl.col("metric_id") == "nrs7d_change").then(-0.8)
    )
    drawn = cohort_charts.mean_by_visit(given, "NRS7D", of=LIGHT, title="")
    assert [round(s.y0, 6) for s in drawn.figure.layout.shapes] == [5.2]


# --- the safety page ----------------------------------------------------------------------------


def test_safety_says_zero_with_its_upper_limit(staff):
    """No serious event: 0 / 800 with the limit that this allows, in all three denominators."""
    rows = view(staff, "/safety", "?restriction=serious")
    grid = rows[len(outputs(safety.SAFETY.cards)) + 2]
    assert grid[0]["events_per_100_sessions"] == "0.00 (0.00 to 0.50)"  # (0 + 4) / 8
    said = payload(rows)
    assert all(text in said for text in ("0 / 40", "0 / 800", "0 / 8.0"))


def test_safety_clinics_stand_by_name(staff):
    """C1, C2, C3, whatever their rates: never a ranking."""
    figure = part(view(staff, "/safety"), safety.SAFETY.cards, ids.CLINIC_RATES, "figure")
    assert list(figure.layout.yaxis.ticktext) == [
        "Clinic C1 (C1)",
        "Clinic C2 (C2)",
        "Clinic C3 (C3)",
    ]


def test_safety_counts_what_could_not_be_read(staff):
    """Records of safety topics that could not be read stand above the rates."""
    assert "2 records of safety topics could not be read" in payload(view(staff, "/safety"))


def test_safety_funnel_and_chart(staff):
    """A clinic outside a limit is named, with what to do; a chart counts its signals."""
    values = view(staff, "/safety")
    assert "outside a limit: Clinic C3 (C3). Not a ranking" in caption(
        values, safety.SAFETY.cards, ids.FUNNEL
    )
    funnel = caption(values, safety.SAFETY.cards, ids.FUNNEL)
    assert (
        "Limits of each clinic are those of all the others: 95 and 99.8 %, by exact tails."
        in funnel
    )
    assert "No reference is stated." in funnel
    assert (
        "Clinic C2 (C2): 7 cold injuries in 6 of 41 patients, rising since August 2025; 78 % of the limit."
        in funnel
    )
    assert "Clinic C1 (C1): 3" not in funnel
    said = caption(values, safety.SAFETY.cards, ids.CONTROL_CHART)
    assert "10 points, 1 with a signal." in said
    assert "Trial limits: from 10 points of the 12 that fixed limits need." in said


# --- the patient's page -------------------------------------------------------------------------


def test_patient_story(staff):
    """Sessions, scores, events and what can't be drawn; the record's place in Kafka is that of its
    first copy.
    """
    said = payload(view(staff, "/patient", "?patient=P1"))
    assert (
        "5 sessions delivered, 4 pain scores, 4 weeks of steps, 2 adverse events (2 serious)"
        in said
    )
    assert "1 adverse event of unknown onset" in said
    assert "1 value can't be given: not answered." in said
    assert "floe.adverse_events.v1 / 1 / 41" in said
    assert "never measured" in said


def test_what_wearables_measured(staff):
    """A band a parameter, a point a week with a value and a gap where there is none, which is said;
    the others say so.
    """
    values = view(staff, "/patient", "?patient=P1")
    cards = PAGES["/patient"].cards
    said = caption(values, cards, ids.VITALS)
    assert "Heart rate, mean of the day 3; " in said
    assert "Sleep a day 0" in said
    assert "1 value can't be given: too few valid days." in said
    figure = part(values, cards, ids.VITALS, "figure")
    assert list(figure.data[0].y) == [64.0, None, 66.0, 65.0]
    assert not figure.data[0].connectgaps
    assert sum(note.text == "no week with a value" for note in figure.layout.annotations) == 4
    assert "No wearable of this patient" in caption(
        view(staff, "/patient", "?patient=P2"), cards, ids.VITALS
    )


@pytest.mark.parametrize("code", [parameter.code for parameter in VITALS])
def test_the_cohort_shows_what_wearables_measure(staff, code):
    """Each has its card of means by visit with n; one that nobody sent says so."""
    values = view(staff, "/", "?clinic=C1")
    said = caption(values, PAGES["/"].cards, ids.vital(code))
    expected = (
        "66"
        if code == "HRMEAN"
        else f"No values of {words.parameter_title(code)} in this selection yet"
    )
    assert expected in said


def test_patient_unknown(staff):
    """An id that nobody has is answered, not drawn."""
    assert "There is no patient 'P7'" in payload(view(staff, "/patient", "?patient=P7"))
    assert "Choose a patient above" in payload(view(staff, "/patient"))


# --- operations ---------------------------------------------------------------------------------


def test_operations_hides_what_records_hold(staff):
    """Rejects come with position and reason, never with their bytes or what was found in them."""
    said = payload(view(staff, "/operations"))
    assert "missing_field" in said
    assert "P-SECRET" not in said


def test_operations_tells_what_is_behind(staff):
    """90 records landed, 80 were computed from: 10 since; one check fails; the broker does not
    answer.
    """
    said = payload(view(staff, "/operations"))
    assert '"10"' in said
    assert "key_is_unique" in said
    assert "no Kafka answers at 127.0.0.1:1" in said
    assert "Never compared: whether what is kept is what a full computation makes" in said
    line, notice = shell.freshness(staff)
    assert line == "Data to 20 Nov 2026, 12:00 UTC"
    assert "10 records have landed since" in notice.children


def test_operations_says_what_it_does_not_know(lake_home, staff):
    """Of an ingest whose process is gone it says so, and shows neither its rate nor its last lag,
    17.
    """
    gone = {
        "worker": "1/1",
        "pid": 2**22 + 1,
        "created": 0.0,
        "state": "running",
        "lag": 17,
        "events_per_s": 412.0,
    }
    counts = dict.fromkeys(
        ("events", "rows", "rejects", "batches", "seconds_running", "seconds_since_landed"), 17
    )
    at = {"updated_at": (datetime.now(UTC) - timedelta(minutes=3)).isoformat(), "last_batch_s": 17}
    beat = lake_home / "ingest-1-of-1.json"
    beat.write_text(json.dumps(gone | counts | at))
    try:
        said = payload(view(staff, "/operations"))
    finally:
        beat.unlink()
    assert "unknown: ingest has not reported for 3 min, its process has ended" in said
    assert "412" not in said
    assert '"17"' not in said


# --- from outside -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "search", ["", "?clinic=C2", "?clinic=C1", "?patient=P1", "?clinic=C2&restriction=serious"]
)
@pytest.mark.parametrize("path", PAGES)
def test_outside_payload_names_no_patient(outsider, path, search):
    """Nothing that is sent to a reader from outside holds a patient's, event's or session's id."""
    said = payload(view(outsider, path, search))
    for secret in (
        '"P1"',
        '"P2"',
        "[P1]",
        "AE1",
        "SE0",
        '"S0"',
        "P-SAMPLE",
        "P-SECRET",
        '"A1"',
        "AL1",
        "AL2",
    ):
        assert secret not in said


def test_outside_payload_holds_no_small_cell(outsider, staff):
    """C2's cells are marked: staff read 3 patients and 7 events there; outside neither is sent, in
    no form.
    """
    mine, theirs = view(staff, "/", "?clinic=C2"), view(outsider, "/", "?clinic=C2")
    assert "n = 3)" in payload(mine)
    assert "n = 3)" not in payload(theirs)
    assert '"5.0' not in payload(theirs)
    figure = part(view(outsider, "/safety"), safety.SAFETY.cards, ids.CLINIC_RATES, "figure")
    texts = [a.text for a in figure.layout.annotations if a.y == -1]
    assert texts == ["suppressed"] * 3
    assert all(len(t.x) == 2 for t in figure.data)
    assert "7 / 800" in payload(view(staff, "/safety", "?clinic=C2"))
    said = payload(view(outsider, "/safety", "?clinic=C2"))
    assert "800" not in said
    assert SUPPRESSED in said


def test_outside_still_sees_large_cells(outsider):
    """Suppression takes what is marked and no more."""
    assert "7 / 800" in payload(view(outsider, "/safety"))


# --- refreshing ---------------------------------------------------------------------------------


def test_nothing_is_drawn_again_without_news(staff):
    """The clock changes a version only where a table changed: same versions, no update."""
    marts, stream = shell.versions(staff)
    assert shell.news(staff, marts, stream) == (no_update, no_update)
    assert shell.news(staff, -5, stream) == (marts, no_update)


def test_options_are_what_the_marts_know(staff):
    """Each filter offers its values, clinics by name; an arm belongs to the study in force."""
    studies, arms, names, modalities, indications = shell.filter_options(staff)
    assert studies == [{"value": "ROUTINE", "label": "Routine care"}]
    assert names[0] == {"value": "C1", "label": "Clinic C1 (C1)"}
    assert [o["value"] for o in modalities] == ["whole_body"]
    assert [o["label"] for o in indications] == ["Chronic low back pain"]
    assert [o["value"] for o in arms] == ["(none)", "acupuncture", "control"]
    assert shell.filter_options(staff, "?study=other")[1] == []


def test_navigation_keeps_filters_and_says_where_one_is(staff):
    """Links carry the filters; the present page is marked for readers by ear."""
    here, *others = shell.navigation("/", "?clinic=C1&parameter=ODI")
    assert "/safety?clinic=C1" in [link.href for link in others]
    assert here.anchorProps == {"aria-current": "page"}
    assert shell.page_content(staff, "/nowhere")[0].children == "There is no such page"


def test_the_cut_is_in_the_past():
    """The small lake's data cut is fixed, so that ages can be told."""
    assert datetime(2027, 1, 1, tzinfo=UTC) > CUT
