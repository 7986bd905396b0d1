"""What tells of an arm is sealed on its way into `raw`, and opened for core alone.

Here: rows, keys, lengths, copies. Not here: a whole lake looked through
(tests/orchestration/test_masked_arms.py).
"""

import json

import polars as pl
import pytest

from ingest.sealing import KEY_FILE, Sealer, has_key, is_sealed, kept_files
from ingest.settings import Settings
from transforms.errors import FloeError, UsageError
from transforms.facts.masking import NOT_SHOWN
from transforms.schemas import RAW_TABLES
from transforms.schemas.raw import REJECTS

ENROLMENTS = RAW_TABLES["study_enrolments"]


def rows(name: str, *given: dict) -> pl.DataFrame:
    table = RAW_TABLES[name]
    full = [dict.fromkeys(table.names) | row for row in given]
    return pl.DataFrame(full, schema=table.polars_schema, orient="row")


def enrolment(arm: str | None, patient: str = "p", **given) -> dict:
    return {
        "enrolment_id": f"n-{patient}",
        "study_id": "M",
        "patient_id": patient,
        "arm": arm,
    } | given


@pytest.fixture
def sealer(tmp_path) -> Sealer:
    return Sealer(Settings(home=tmp_path))


@pytest.mark.parametrize(
    ("name", "row", "hidden"),
    [
        ("study_enrolments", enrolment("sham"), ["arm"]),
        (
            "study_enrolments",
            enrolment(
                "é" * 900,
                allocation="other",
                allocation_raw="coin",
                analysis_sets='{"PP": "got cold"}',
            ),
            ["arm", "allocation", "allocation_raw", "analysis_sets"],
        ),
        (
            "patients",
            {"patient_id": "p", "arm": "sham", "extra": '{"group": "sham"}'},
            ["arm", "extra"],
        ),
        ("patients", {"patient_id": "p", "study_id": "M", "extra": '{"a": 1}'}, ["extra"]),
        ("patients", {"patient_id": "p", "extra": '{"a": 1}'}, []),
        ("studies", {"study_id": "M", "reference_arm": "sham"}, ["reference_arm"]),
        ("study_enrolments", enrolment(None), []),
    ],
)
def test_what_tells_is_sealed_and_opens_again(sealer, name, row, hidden):
    """Null where it told, all else as it was; opened it is the row that came."""
    frame = rows(name, row)
    kept = sealer.sealed(RAW_TABLES[name], frame)
    assert all(kept[column].null_count() == 1 for column in hidden)
    assert kept["sealed"].null_count() == (0 if hidden else 1)
    others = [c for c in frame.columns if c not in (*hidden, "sealed")]
    assert kept.select(others).equals(frame.select(others))
    assert sealer.opened(name, kept).drop("sealed").equals(frame.drop("sealed"))


def test_what_is_sealed_tells_no_arm_by_length_or_sameness(sealer):
    """Two patients of one arm have other bytes, patients of two arms as many; a copy is a copy."""
    frame = rows(
        "study_enrolments",
        enrolment("a", "p1"),
        enrolment("a", "p2"),
        enrolment("a far longer name of an arm", "p3"),
        enrolment("a", "p1"),
    )
    one, two, three, copy = sealer.sealed(ENROLMENTS, frame)["sealed"]
    assert one != two
    assert len(one) == len(two) == len(three)
    assert one == copy


def test_sealing_twice_is_sealing_once(sealer):
    """Rows that are written again stay as they are."""
    kept = sealer.sealed(ENROLMENTS, rows("study_enrolments", enrolment("a")))
    assert sealer.sealed(ENROLMENTS, kept).equals(kept)


def test_other_tables_are_left_alone(sealer, tmp_path):
    """No key is made for a lake without an arm."""
    frame = rows("sessions", {"session_id": "s"})
    assert sealer.sealed(RAW_TABLES["sessions"], frame) is frame
    sealer.sealed(RAW_TABLES["patients"], rows("patients", {"patient_id": "p"}))
    assert not has_key(Settings(home=tmp_path))


@pytest.mark.parametrize(
    ("extra", "shown"),
    [
        ('{"treatment_arm":"SHAM-1","ward":"4"}', ["ward", "sealed"]),
        ('{"note":"of the Placebo kind"}', ["sealed"]),
        ('{"RandomisationGroup":2,"sealed":"by us"}', ["sealed"]),
        ('{"site":{"allocated":["x"]}}', ["sealed"]),
        ('{"warm":"armchair","charm":1}', ["warm", "charm"]),
        ('{"sealed":"by us"}', ["sealed"]),
    ],
)
def test_an_unknown_field_of_another_topic_that_names_an_arm_is_sealed(sealer, extra, shown):
    """Of a topic that has no arm; its other unknown fields stay to be seen and counted."""
    frame = rows("responses", {"response_id": "r", "extra": extra}, {"response_id": "s"})
    kept = sealer.sealed(RAW_TABLES["responses"], frame)
    assert list(json.loads(kept["extra"][0])) == shown
    assert not any(w in kept["extra"][0] for w in ("SHAM", "Placebo", "allocated", "Randomisation"))
    assert sealer.sealed(RAW_TABLES["responses"], kept).equals(kept)
    opened = sealer.opened("responses", kept)["extra"]
    assert [json.loads(text or "{}") for text in opened] == [json.loads(extra), {}]


def test_a_reject_that_may_tell_shows_neither_headers_nor_names_of_its_own(sealer):
    """Of its field the contract's name; opened, bytes and headers are those that were sent."""
    of = {"reason": "wrong_type", "value": b"{}", "headers": '[["ce_arm","SHAM-1"]]'}
    frame = rejects(
        of | {"kafka_topic": "floe.study_enrolments.v1", "field": "data.strata.SHAM-1"},
        of | {"kafka_topic": "floe.study_enrolments.v1", "field": "SHAM-1"},
        of | {"kafka_topic": "floe.sessions.v1", "field": "duration_s"},
    )
    kept = sealer.sealed(REJECTS, frame)
    assert kept["field"].to_list() == ["strata", NOT_SHOWN, "duration_s"]
    assert "SHAM" not in str(kept.to_dicts())
    assert sealer.sealed(REJECTS, kept).equals(kept)
    opened = sealer.opened("rejects", kept)
    assert opened.select("value", "headers").equals(frame.select("value", "headers"))


def rejects(*given: dict) -> pl.DataFrame:
    full = [dict.fromkeys(REJECTS.names) | row for row in given]
    return pl.DataFrame(full, schema=REJECTS.polars_schema, orient="row")


def test_the_key_is_the_owners_and_is_kept(tmp_path):
    """One file, 0600, the same for the next process, held by a backup."""
    settings = Settings(home=tmp_path)
    kept = Sealer(settings).sealed(ENROLMENTS, rows("study_enrolments", enrolment("a")))
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    assert [p.name for p in tmp_path.iterdir()] == [KEY_FILE]
    assert list(kept_files(settings)) == [KEY_FILE]
    assert Sealer(settings).opened("study_enrolments", kept)["arm"].to_list() == ["a"]


def test_a_secret_of_the_sites_own_is_in_no_file(tmp_path):
    """FLOE_ARMS_SECRET seals from then on; what the file's key sealed still opens."""
    before = Sealer(Settings(home=tmp_path)).sealed(
        ENROLMENTS, rows("study_enrolments", enrolment("a"))
    )
    own = Sealer(Settings(home=tmp_path, arms_secret="a secret of sixteen or more"))
    after = own.sealed(ENROLMENTS, rows("study_enrolments", enrolment("b", "q")))
    both = pl.concat([before, after])
    assert own.opened("study_enrolments", both)["arm"].to_list() == ["a", "b"]
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(FloeError, match="a key that is not here"):
        Sealer(Settings(home=tmp_path, arms_secret="a secret of sixteen or more")).opened(
            "study_enrolments", both
        )


@pytest.mark.parametrize(
    ("secret", "file"),
    [("short", None), ("", "no key"), ("", "")],
    ids=["short", "no key", "empty"],
)
def test_a_key_that_is_none_is_said_so(tmp_path, secret, file):
    """Never sealed under what is no key."""
    if file is not None:
        (tmp_path / KEY_FILE).write_text(file)
    with pytest.raises(UsageError):
        Sealer(Settings(home=tmp_path, arms_secret=secret)).sealed(
            ENROLMENTS, rows("study_enrolments", enrolment("a"))
        )


def test_changed_bytes_are_not_opened(sealer):
    """What is sealed of one patient is no other's, and a bit that fell over is found."""
    kept = sealer.sealed(
        ENROLMENTS, rows("study_enrolments", enrolment("a", "p1"), enrolment("b", "p2"))
    )
    with pytest.raises(FloeError, match="is not what was written"):
        sealer.opened("study_enrolments", kept.with_columns(sealed=kept["sealed"].reverse()))


@pytest.mark.parametrize(
    ("topic", "value", "tells"),
    [
        ("floe.study_enrolments.v1", b"anything", True),
        ("floe.patients.v1", b"\xff", True),
        ("floe.unheard_of.v1", b"anything", True),
        ("floe.responses.v1", b'{"ARM": 1', True),
        ("floe.responses.v1", b'{"\\u0061rm": 1', True),
        ("floe.sessions.v1", b'{"note": "warm alarm, harmless"', False),
        ("floe.sessions.v1", None, False),
    ],
)
def test_rejects_that_may_tell_are_sealed(sealer, topic, value, tells):
    """Their bytes are kept and open again; what was said of them is not said."""
    row = dict.fromkeys(REJECTS.names) | {"kafka_topic": topic, "value": value, "detail": "found x"}
    frame = pl.DataFrame([row], schema=REJECTS.polars_schema, orient="row")
    kept = sealer.sealed(REJECTS, frame)
    assert is_sealed(kept["value"][0]) == tells
    assert (kept["detail"][0] == "found x") == (not tells)
    assert sealer.opened("rejects", kept)["value"][0] == value
