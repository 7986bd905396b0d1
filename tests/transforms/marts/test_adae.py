"""Rules of mart.adae: place, days, sessions before the onset, first occurrences, terms.

Here: small tables of core and what must come out. Not here: the truth tables of the rules
(test_safety.py).
"""

import random
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.marts import adae, adsl, time_at_risk
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2025, 6, 30, 12, tzinfo=UTC))
T0 = datetime(2025, 3, 3, 15, tzinfo=UTC)
OTHER_MARTS = {"adsl": adsl, "time_at_risk": time_at_risk}


def core(name, *rows):
    """A frame of core: the given columns, all others null."""
    table = CORE_TABLES[name]
    shared = {"event_id": "e", "source": "urn:study", "is_recorded_at_given": False}
    full = [{**shared, **row} for row in rows]
    return pl.DataFrame(
        [{k: r.get(k) for k in table.names} for r in full], schema=table.polars_schema
    )


def hours(n):
    return T0 + timedelta(hours=n)


def session(k=1, at=0.0, **columns):
    return {
        "session_id": f"S{k}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "whole_body",
        "status": "delivered",
        "started_at": hours(at),
        **columns,
    }


def event(k=1, onset=5.0, **columns):
    """`onset` in hours from the first session; None = not known."""
    return {
        "ae_id": f"A{k}",
        "patient_id": "P1",
        "term": "Burn",
        "onset_at": None if onset is None else hours(onset),
        **columns,
    }


def run(*events, keys=None, sessions=None, options=None, cut=CUT, **tables):
    clinics = [
        {"clinic_id": "C1", "timezone": "America/New_York"},
        {"clinic_id": "C2", "timezone": "Asia/Tokyo"},
    ]
    given = {
        "adverse_events": events,
        "patients": tables.get("patients", [{"patient_id": "P1", "clinic_id": "C1"}]),
        "clinics": clinics,
        "sessions": [session()] if sessions is None else sessions,
        **tables,
    }
    return made(adae, given, keys=keys, options=options or Options(), cut=cut)


def made(mart, given, *, keys, options, cut):
    """The mart of the given core rows; mart.time_at_risk by its own function."""
    frames = {}
    for schema, name in (full.split(".") for full in mart.INPUTS):
        if schema == "core":
            frames[name] = core(name, *given.get(name, []))
        else:
            frames[name] = made(OTHER_MARTS[name], given, keys=None, options=options, cut=cut)
    return mart.compute(keys, **frames, options=options, cut=cut)


def one(*args, **kwargs):
    return run(event(**kwargs.pop("event", {})), *args, **kwargs).row(0, named=True)


def test_empty_keys_and_unknown_patients():
    """No event gives an empty table of the schema; only the patients asked for; an unknown one
    waits in orphans.
    """
    assert run().schema == MART_TABLES["adae"].polars_schema
    assert run(event(patient_id="P9")).is_empty()
    assert run(event(), keys=pl.DataFrame({"patient_id": ["P2"]})).is_empty()
    assert run(event(), keys=pl.DataFrame({"patient_id": ["P1"]})).height == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"clinic_id": "C2", "session_id": "S1"}, "C2"),
        ({"session_id": "S1"}, "C3"),
        ({"session_id": "unknown"}, "C1"),
        ({"session_id": "S2"}, "C2"),  # set aside, and held there all the same
        ({"session_id": "S3"}, "C1"),  # somebody else's
        ({}, "C1"),
    ],
)
def test_where_it_happened(given, expected):
    """At its own clinic, else at its session's, else at the one that the patient was in."""
    aside = session(2, clinic_id="C2", is_set_aside=True)
    of_another = session(3, patient_id="P2", clinic_id="C3")
    there = [session(clinic_id="C3"), aside, of_another]
    assert one(event=given, sessions=there)["CLINICID"] == expected


def test_an_event_does_not_belong_to_a_session_of_somebody_else():
    """It belongs to the patient's own session before it, with its modality."""
    of_another = session(2, at=1.0, patient_id="P2", modality="local")
    row = one(event={"onset": 5.0, "session_id": "S2"}, sessions=[session(), of_another])
    assert (row["SESSIONID"], row["HRSSESS"], row["MODALITY"]) == ("S1", 5.0, "whole_body")


def test_days_are_the_clinics():
    """Onset 2025-03-04 03:00 UTC is 3 March in New York and 4 March in Tokyo; ADURN = last day -
    first day + 1.
    """
    here = one(event={"onset": 12.0, "resolved_at": hours(72)})
    assert (here["ASTDT"], here["AENDT"], here["ADURN"]) == (date(2025, 3, 3), date(2025, 3, 6), 4)
    there = one(event={"onset": 12.0, "clinic_id": "C2"})
    assert (there["ASTDT"], there["AENDT"], there["ADURN"]) == (date(2025, 3, 4), None, None)
    impossible = one(event={"onset": 72.0, "resolved_at": hours(0)})
    assert impossible["ADURN"] is None


@pytest.mark.parametrize(
    ("onset", "linked", "expected"),
    [
        (0.0, None, (0.0, "Y", "Y", "S1")),
        (24.0, None, (24.0, "Y", "Y", "S1")),
        (24.01, None, (24.01, "N", "Y", "S1")),
        (72.01, None, (72.01, "N", "N", None)),
        (105.0, None, (5.0, "Y", "Y", "S2")),
        (105.0, "S1", (105.0, "N", "N", "S1")),
        (5.0, "S2", (5.0, "Y", "Y", "S2")),
        (-1.0, None, (None, "N", "N", None)),
        (None, None, (None, None, None, None)),
        (None, "S1", (None, None, None, "S1")),
    ],
)
def test_hours_since_the_last_session(onset, linked, expected):
    """Sessions at 0 h and 100 h. The reported one comes first, unless it began after the onset;
    boundaries count.
    """
    row = one(event={"onset": onset, "session_id": linked}, sessions=[session(), session(2, 100.0)])
    seen = (row["HRSSESS"], row["SESS24FL"], row["SESS72FL"], row["SESSIONID"])
    assert seen == pytest.approx(expected) if onset == 24.01 or onset == 72.01 else seen == expected


MISSED, ABORTED = {"status": "missed"}, {"status": "aborted"}


@pytest.mark.parametrize(
    ("onset", "other", "belongs_to", "since"),
    [
        (72.0, session(2, 60.0, **MISSED), "S1", 72.0),  # what it names was missed: 72 h before
        (72.1, session(2, 60.0, **MISSED), "S2", 72.1),  # nothing within 72 h: what it names
        (None, session(2, 60.0, **MISSED), "S2", None),
        (72.0, session(3, 1.0), "S3", 71.0),  # no record of S2 has come
        (80.0, session(2, 60.0, **ABORTED), "S2", 20.0),  # an aborted one began
        (1.0, session(2, 60.0), "S2", 1.0),  # its own begins later: hours are never counted back
        (-1.0, session(2, 60.0), "S2", None),
    ],
)
def test_to_which_session_an_event_belongs(onset, other, belongs_to, since):
    """An event that names S2, with S1 at 0 h: to S2 if that began, whatever the onset; else to the
    last one in the 72 hours before; SESSIONID keeps what it names where there is neither.
    """
    row = one(event={"onset": onset, "session_id": "S2"}, sessions=[session(), other])
    assert row["SESSIONID"] == belongs_to
    assert row["HRSSESS"] == (None if since is None else pytest.approx(since))


def test_an_aborted_session_counts_and_a_missed_one_does_not():
    """The event that made staff abort the first session is treatment-emergent and within its
    window.
    """
    aborted = one(sessions=[session(status="aborted")])
    assert (aborted["TRTEMFL"], aborted["SESS24FL"], aborted["SESSIONID"]) == ("Y", "Y", "S1")
    missed = one(sessions=[session(status="missed")])
    assert (missed["TRTEMFL"], missed["SESS24FL"], missed["SESSIONID"]) == (None, "N", None)
    assert missed["MODALITY"] is None


def test_treatment_emergent_window_is_the_setting():
    """30 days after the last session's day by default; an onset that is not known is
    treatment-emergent.
    """
    last = one(event={"onset": 30 * 24.0})
    after = one(event={"onset": 31 * 24.0})
    longer = one(event={"onset": 31 * 24.0}, options=Options(risk_window_days=31))
    assert [r["TRTEMFL"] for r in (last, after, longer, one(event={"onset": None}))] == [
        "Y",
        None,
        "Y",
        "Y",
    ]


@pytest.mark.parametrize(
    ("term", "preferred", "expected"),
    [("Skin  BURN ", None, "skin burn"), ("x", "Burn", "Burn"), ("X", " ", "x")],
)
def test_coded_term(term, preferred, expected):
    """The coded term where there is one, else the reported one in lower case without extra
    blanks.
    """
    assert one(event={"term": term, "preferred_term": preferred})["AEDECOD"] == expected


@pytest.mark.parametrize(
    ("related", "expected"),
    [
        ("not_related", "N"),
        ("possible", "Y"),
        ("probable", "Y"),
        ("causal", "Y"),
        ("other", None),
        (None, None),
    ],
)
def test_related_means_possible_or_more(related, expected):
    """An unknown causality is neither related nor unrelated."""
    assert one(event={"related": related})["AERELFL"] == expected


def test_first_occurrences():
    """First event, first of each term, first of the highest grade; an onset not known comes
    last.
    """
    frame = run(
        event(1, None, term="numb", grade=3),
        event(2, 9.0, term="burn", grade=2),
        event(3, 1.0, term="pain", grade=3),
        event(4, 2.0, term="burn"),
        event(5, 9.0, patient_id="P2", term="burn"),
        patients=[{"patient_id": p, "clinic_id": "C1"} for p in ("P1", "P2")],
        sessions=[session(), session(2, patient_id="P2")],
    )
    seen = [
        (r["AEID"], r["AESEQ"], r["AOCCFL"], r["AOCCPFL"], r["AOCCIFL"]) for r in frame.to_dicts()
    ]
    assert seen == [
        ("A3", 1, "Y", "Y", "Y"),
        ("A4", 2, None, "Y", None),
        ("A2", 3, None, None, None),
        ("A1", 4, None, "Y", None),
        ("A5", 1, "Y", "Y", None),
    ]


def test_occurrence_flags_are_of_treatment_emergent_records():
    """OCCDS: what began before the first session, or 31 days after the last, occurs first, or
    worst, for nobody.
    """
    frame = run(
        event(1, -25.0, term="burn", grade=4),
        event(2, 1.0, term="burn", grade=1),
        event(3, 2.0, term="burn", grade=2),
        event(4, 31 * 24.0, term="pain", grade=3),
    )
    seen = [
        (r["AEID"], r["TRTEMFL"], r["AOCCFL"], r["AOCCPFL"], r["AOCCIFL"]) for r in frame.to_dicts()
    ]
    assert seen == [
        ("A1", None, None, None, None),
        ("A2", "Y", "Y", "Y", None),
        ("A3", "Y", None, None, "Y"),
        ("A4", None, None, None, None),
    ]


def test_the_enrolling_clinic_stands_beside():
    """SITEID is the enrolling clinic wherever it happened."""
    row = one(event={"clinic_id": "C2"})
    assert (row["SITEID"], row["CLINICID"]) == ("C1", "C2")


def test_the_same_event_is_flagged_within_one_patient_and_term():
    """NEWFL is N where patient and term agree and an earlier record lasts, whatever the body
    site.
    """
    frame = run(
        event(1, 1.0, outcome="ongoing", body_site="hand"),
        event(2, 2.0, body_site="hand"),
        event(3, 3.0, body_site="foot"),
        event(4, 4.0, body_site="hand", term="pain"),
        event(5, 5.0, patient_id="P2"),
        patients=[{"patient_id": p, "clinic_id": "C1"} for p in ("P1", "P2")],
    )
    assert dict(zip(frame["AEID"], frame["NEWFL"], strict=True)) == {
        "A1": "Y",
        "A2": "N",
        "A3": "N",
        "A4": "Y",
        "A5": "Y",
    }


@pytest.mark.parametrize(
    ("onset", "expected"),
    [
        (-0.1, "N"),
        (0.0, "Y"),
        (30 * 24.0, "Y"),  # both ends of the time at risk are in it
        (30 * 24.1, "N"),
        (None, None),
        (119 * 24.0, None),  # 30 June 15:00, after the data cut: it waits
    ],
)
def test_in_the_time_at_risk(onset, expected):
    """ATRISKFL: from the first session on day 0 to 30 days after it."""
    assert one(event={"onset": onset})["ATRISKFL"] == expected


def test_an_unknown_onset_is_emergent_by_the_setting():
    """ASTDTF says that all of the onset is unknown; TRTEMFL is Y by default, null where the site
    takes it as not.
    """
    usual, strict = (
        one(event={"onset": None}, options=Options(is_unknown_onset_emergent=is_so))
        for is_so in (True, False)
    )
    assert (usual["TRTEMFL"], usual["ASTDTF"], usual["ASTDT"]) == ("Y", "Y", None)
    assert (strict["TRTEMFL"], strict["AOCCFL"]) == (None, None)
    assert one()["ASTDTF"] is None


def test_modality():
    """Of the reported session, else of the last before the onset, else of the patient's first."""
    sessions = [session(modality="local"), session(2, 10.0, modality="partial_body")]
    rows = [
        one(event=e, sessions=sessions)["MODALITY"]
        for e in (
            {"onset": 20.0, "session_id": "S1"},
            {"onset": 20.0},
            {"onset": None},
            {"onset": -5.0},
        )
    ]
    assert rows == ["local", "partial_body", "local", "local"]


def test_order_of_the_input_changes_nothing():
    """Events and sessions may come in any order, two events of one moment included."""
    events = [
        event(k, onset, term=term)
        for k, (onset, term) in enumerate(
            [(5.0, "burn"), (5.0, "burn"), (7.0, "pain"), (None, "burn"), (400.0, "burn")]
        )
    ]
    sessions = [session(k, 20.0 * k) for k in range(4)]
    shuffled = random.Random(3)
    mixed = run(*shuffled.sample(events, 5), sessions=shuffled.sample(sessions, 4))
    assert run(*events, sessions=sessions).equals(mixed)
    assert mixed["AEID"].to_list() == ["A0", "A1", "A2", "A4", "A3"]
