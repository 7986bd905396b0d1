"""Rules of reporting: which rule covers which event of which country, by when, and where the report
stands.

Here: one event and what must come out. Not here: the mart's stamp and sorting, what an adverse
event is, work days.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.facts.report_rules import EUROPE, RULES
from transforms.rules.local_time import is_zone
from transforms.rules.report_duties import duties
from transforms.rules.reportable import happenings
from transforms.schemas import CORE_TABLES

AWARE = datetime(2025, 3, 3, 15, tzinfo=UTC)  # a Monday
CUT = datetime(2025, 3, 10, 12, tzinfo=UTC)
ZONES = {
    "US": "America/New_York",
    "DE": "Europe/Berlin",
    "PL": "Europe/Warsaw",
    "FR": "Europe/Paris",
    "CH": "Europe/Zurich",
    "GB": "Europe/London",
    "AU": "Australia/Sydney",
}


def frame(topic, *rows):
    table = CORE_TABLES[topic]
    full = [{"event_id": "e", "source": "s", **row} for row in rows]
    return pl.DataFrame(
        [{n: r.get(n) for n in table.names} for r in full], schema=table.polars_schema
    )


def run(*, country="US", facility=True, as_of=CUT, events=(), deficiencies=(), incidents=()):
    clinic = {
        "clinic_id": "C1",
        "country": country,
        "timezone": ZONES.get(country, "UTC"),
        "is_device_user_facility": facility,
    }
    event = {
        "ae_id": "A1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "term": "burn",
        "is_serious": True,
        "related": "causal",
        "aware_at": AWARE,
    }
    deficiency = {
        "deficiency_id": "D1",
        "device_id": "V1",
        "clinic_id": "C1",
        "kind": "leak",
        "could_have_led_to_sae": True,
    }
    incident = {
        "incident_id": "I1",
        "clinic_id": "C1",
        "kind": "leak",
        "subject_kind": "staff",
        "is_serious": True,
        "aware_at": AWARE,
    }
    happened = happenings(
        adverse_events=frame("adverse_events", *(event | given for given in events)),
        deficiencies=frame("deficiencies", *(deficiency | given for given in deficiencies)),
        incidents=frame("incidents", *(incident | given for given in incidents)),
    )
    return duties(happened, clinics=frame("clinics", clinic), as_of=as_of)


def event(country="US", *, facility=True, as_of=CUT, **given):
    return run(country=country, facility=facility, as_of=as_of, events=[given])


# --- which rule ---------------------------------------------------------------------------------

SERIOUS, EXPECTED, DEATH = {}, {"is_expected": True}, {"outcome": "fatal"}
US = "us_user_facility_"


@pytest.mark.parametrize(
    ("country", "given", "rules"),
    [
        ("US", SERIOUS, [US + "serious_injury"]),
        ("US", EXPECTED, [US + "serious_injury"]),
        ("US", DEATH, [US + "death_to_fda", US + "death_to_manufacturer"]),
        (
            "US",
            {"grade": 5, "is_serious": None},
            [US + "death_to_fda", US + "death_to_manufacturer"],
        ),
        (
            "US",
            {"serious_criteria": ["death"]},
            [US + "death_to_fda", US + "death_to_manufacturer"],
        ),
        (
            "US",
            {"serious_criteria": ["hospitalisation"], "is_serious": None},
            [US + "serious_injury"],
        ),
        ("US", {"related": None}, [US + "serious_injury"]),
        ("US", {"related": "not_related"}, []),
        ("US", {"is_serious": False}, []),
        ("US", {"is_serious": None}, []),
        ("US", {"facility": False}, ["us_medwatch_no_user_facility"]),
        ("US", {"facility": None}, [US + "serious_injury"]),
        ("DE", SERIOUS, ["de_operator_serious_incident"]),
        ("DE", DEATH | {"facility": None}, ["de_operator_serious_incident"]),
        ("DE", {"related": "not_related"}, []),
        (
            "PL",
            EXPECTED,
            ["pl_user_serious_incident_copy_to_office", "pl_user_serious_incident_to_manufacturer"],
        ),
        ("FR", SERIOUS, ["fr_user_serious_incident"]),
        ("IE", SERIOUS, ["ie_user_voluntary"]),
        (
            "CH",
            SERIOUS,
            ["ch_professional_10_days_to_supplier", "ch_professional_10_days_to_swissmedic"],
        ),
        (
            "CH",
            DEATH,
            ["ch_professional_10_days_to_supplier", "ch_professional_10_days_to_swissmedic"],
        ),
        (
            "CH",
            EXPECTED,
            ["ch_professional_15_days_to_supplier", "ch_professional_15_days_to_swissmedic"],
        ),
        ("GB", SERIOUS, ["gb_yellow_card"]),
        ("AU", SERIOUS, ["au_hospital_serious"]),
        ("CA", SERIOUS, ["ca_hospital_incident"]),
        ("IN", SERIOUS, ["in_materiovigilance"]),
        ("ES", SERIOUS, ["no_rule"]),
        ("JP", SERIOUS, ["no_rule"]),
        ("XX", SERIOUS, ["no_rule"]),
        ("", SERIOUS, ["no_rule"]),
        (None, SERIOUS, ["no_rule"]),
        (" de ", SERIOUS, ["de_operator_serious_incident"]),
    ],
)
def test_adverse_events(country, given, rules):
    """Each country's rules by death, serious or expected; none at all only where nothing is
    reportable.
    """
    assert sorted(event(country, **given)["rule"]) == rules


@pytest.mark.parametrize(
    "given",
    [
        {"outcome": "fatal"},
        {"grade": 5},
        {"serious_criteria": ["death"]},
        {"serious_criteria": ["Results in Death"]},
        {"outcome": "other", "outcome_raw": "Fatal"},
        {"outcome": "other", "outcome_raw": "verstorben"},
        {"outcome": "other", "outcome_raw": "décès"},
        {"term": "Herzstillstand, reanimiert ohne Erfolg"},
        {"preferred_term": "Sudden death"},
    ],
)
def test_a_death_is_one_however_it_is_said(given):
    """As for alerts: another spelling or language must not make a report of a death late, or of
    none.
    """
    assert event(is_serious=None, **given)["rule"].to_list() == [
        "us_user_facility_death_to_fda",
        "us_user_facility_death_to_manufacturer",
    ]


def test_a_death_of_staff_is_reported_though_nobody_ticked_serious():
    """The incident's kind says it."""
    rows = run(
        country="DE",
        incidents=[{"subject_kind": "staff", "kind": "death by asphyxia", "is_serious": None}],
    )
    assert rows["rule"].to_list() == ["de_operator_serious_incident"]


@pytest.mark.parametrize(
    ("country", "could", "expected"),
    [
        ("US", True, [("us_medwatch_near_miss", "voluntary")]),
        ("DE", True, [("de_operator_serious_incident", "due_now")]),
        (
            "DE",
            None,
            [("de_operator_serious_incident", "no_date")],
        ),  # not known whether it could have
        ("DE", False, []),
        ("GB", True, [("gb_yellow_card", "voluntary")]),
        ("AU", True, [("au_hospital_near_miss", "no_date")]),
        (
            "CH",
            True,
            [
                ("ch_professional_15_days_to_supplier", "no_date"),
                ("ch_professional_15_days_to_swissmedic", "no_date"),
            ],
        ),
        ("JP", True, [("no_rule", "no_rule")]),
    ],
)
def test_deficiencies(country, could, expected):
    """A deficiency that could have led to harm is a near miss; when the clinic became aware of it
    has no field.
    """
    rows = run(country=country, deficiencies=[{"could_have_led_to_sae": could}])
    assert sorted(rows.select("rule", "state").iter_rows()) == expected
    assert rows["due_on"].null_count() == rows.height


@pytest.mark.parametrize(
    ("country", "given", "expected"),
    [
        ("US", {}, [(US + "staff_injury", "open", date(2025, 3, 17))]),
        ("US", {"subject_kind": "visitor"}, [("no_rule", "no_rule", None)]),
        ("US", {"subject_kind": None}, [("no_rule", "no_rule", None)]),
        ("US", {"subject_kind": "none"}, [("us_medwatch_near_miss", "voluntary", None)]),
        ("US", {"is_serious": False}, []),
        ("US", {"is_serious": None}, []),
        ("US", {"aware_at": None}, [(US + "staff_injury", "no_date", None)]),
        ("DE", {}, [("de_operator_serious_incident", "due_now", None)]),
        (
            "DE",
            {"subject_kind": "visitor", "aware_at": None},
            [("de_operator_serious_incident", "due_now", None)],
        ),
        ("DE", {"subject_kind": None}, [("de_operator_serious_incident", "due_now", None)]),
        ("DE", {"subject_kind": "none"}, [("de_operator_serious_incident", "due_now", None)]),
        ("GB", {}, [("gb_yellow_card", "voluntary", None)]),
    ],
)
def test_incidents(country, given, expected):
    """Harm to staff, to a visitor, to somebody else, to nobody: only what a rule covers has a duty;
    the rest says so.
    """
    rows = run(country=country, incidents=[given])
    assert list(rows.select("rule", "state", "due_on").iter_rows()) == expected


# --- by when, and where it stands ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "given", "state", "due", "left"),
    [
        ("US", {}, "open", date(2025, 3, 17), 7),
        (
            "US",
            {"as_of": datetime(2025, 3, 18, 3, tzinfo=UTC)},
            "open",
            date(2025, 3, 17),
            0,
        ),  # still the 17th there
        ("US", {"as_of": datetime(2025, 3, 18, 5, tzinfo=UTC)}, "overdue", date(2025, 3, 17), -1),
        (
            "US",
            {"aware_at": datetime(2025, 3, 4, 4, tzinfo=UTC)},
            "open",
            date(2025, 3, 17),
            7,
        ),  # 3 March there
        (
            "US",
            {"aware_at": datetime(2025, 3, 4, 5, tzinfo=UTC)},
            "open",
            date(2025, 3, 18),
            8,
        ),  # midnight there
        (
            "US",
            {"aware_at": datetime(2025, 3, 8, 17, tzinfo=UTC)},
            "open",
            date(2025, 3, 21),
            11,
        ),  # a Saturday
        (
            "US",
            {"aware_at": datetime(2025, 2, 14, 17, tzinfo=UTC)},
            "overdue",
            date(2025, 3, 3),
            -7,
        ),  # Presidents' Day
        ("US", {"reported_at": AWARE + timedelta(days=14)}, "reported", date(2025, 3, 17), 7),
        (
            "US",
            {"reported_at": datetime(2025, 3, 18, 3, tzinfo=UTC)},
            "reported",
            date(2025, 3, 17),
            7,
        ),
        ("US", {"reported_at": AWARE + timedelta(days=15)}, "reported_late", date(2025, 3, 17), 7),
        ("US", {"reported_at": AWARE, "reported_to": "FDA"}, "reported", date(2025, 3, 17), 7),
        (
            "US",
            {"reported_at": AWARE, "reported_to": "the clinic's board"},
            "open",
            date(2025, 3, 17),
            7,
        ),
        ("US", {"aware_at": None}, "no_date", None, None),
        ("US", {"facility": None}, "no_date", None, None),
        ("US", {"facility": False}, "voluntary", None, None),
        (
            "US",
            {"facility": False, "reported_at": AWARE, "reported_to": "MedWatch"},
            "reported",
            None,
            None,
        ),
        ("DE", {}, "due_now", None, None),
        ("DE", {"aware_at": None}, "due_now", None, None),
        ("DE", {"reported_at": AWARE, "reported_to": "BfArM"}, "reported", None, None),
        ("DE", {"reported_at": AWARE, "reported_to": "manufacturer"}, "due_now", None, None),
        ("DE", {"reported_at": AWARE}, "reported", None, None),
        ("FR", {}, "open", None, None),
        ("FR", {"reported_at": AWARE, "reported_to": "ANSM"}, "reported", None, None),
        ("GB", {}, "voluntary", None, None),
        ("GB", {"reported_at": AWARE, "reported_to": "MHRA (Yellow Card)"}, "reported", None, None),
        ("AU", {}, "no_date", None, None),  # not known whether it is a hospital
        ("CA", {}, "no_date", None, None),
        ("JP", {}, "no_rule", None, None),
        ("JP", {"reported_at": AWARE, "reported_to": "PMDA"}, "no_rule", None, None),
    ],
)
def test_states(country, given, state, due, left):
    """Open until the due day is over by the clinic's clock; to somebody else is not reported; no
    date is ever guessed.
    """
    row = event(country, **given).row(0, named=True)
    assert (row["state"], row["due_on"], row["days_left"]) == (state, due, left)


@pytest.mark.parametrize(
    ("given", "days"),
    [
        ({}, 10),
        ({"outcome": "fatal", "is_expected": True}, 10),
        ({"is_expected": False}, 10),
        ({"is_expected": True}, 15),
    ],
)
def test_calendar_days(given, days):
    """Ten days in Switzerland, fifteen where it was expected; a weekend counts, and is not skipped
    at the end either.
    """
    aware = datetime(
        2025, 3, 5, 23, 30, tzinfo=UTC
    )  # 6 March in Zurich; the 16th and the 22nd are weekend or not
    rows = event("CH", aware_at=aware, **given)
    assert rows["due_on"].to_list() == [date(2025, 3, 6) + timedelta(days=days)] * 2
    late = event(
        "CH",
        aware_at=aware,
        as_of=datetime(2025, 3, 6, tzinfo=UTC) + timedelta(days=days, hours=23),
        **given,
    )
    assert late["state"].to_list() == ["overdue"] * 2


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (event(aware_at=None), "not known when the clinic became aware"),
        (event(facility=None), "not known whether the clinic is a device user facility"),
        (event(reported_at=AWARE), "to whom it was reported is not recorded"),
        (
            event(reported_at=AWARE, reported_to="board"),
            "reported to board: not a recipient of this rule",
        ),
        (event(), None),
        (event("AU"), "not known whether the clinic is a hospital"),
        (event("DE"), "without delay: the law gives no number of days"),
        (event("DE", reported_at=AWARE, reported_to="BfArM"), None),
        (event("FR"), "the law's article gives no period"),
        (event(None), "no rule known: the clinic's country is not recorded"),
        (event("JP"), "no rule known for this country (JP)"),
        (
            run(country="GB", deficiencies=[{"could_have_led_to_sae": None}]),
            "not known whether it could have led to a serious event",
        ),
        (run(incidents=[{"subject_kind": "visitor"}]), "no rule known for harm to a visitor in US"),
        (run(incidents=[{}]), "no field of a record of this kind (incident) holds a report"),
        (
            run(country="CH", deficiencies=[{"could_have_led_to_sae": None}]),
            "not known whether it could have led to a serious event; not known when the clinic became aware; no field of a "
            "record of this kind (deficiency) holds a report",
        ),
    ],
)
def test_reasons(rows, reason):
    """A row without a date, or whose report is in doubt, says why, and nothing where nothing is."""
    assert set(rows["reason"]) == {reason}


def test_europe_without_a_rule():
    """A state whose law is not held is told apart from one that asks nothing: the Union's
    regulation is the source.
    """
    row = event("ES").row(0, named=True)
    assert row["state"] == "no_rule"
    assert "(ES)" in row["reason"]
    assert "national law" in row["reason"]
    assert "Art. 87" in row["rule_source"]


@pytest.mark.parametrize(
    ("given", "country"),
    [
        ({}, "US"),
        ({"clinic_id": "C9"}, None),
        ({"clinic_id": None}, None),
        ({"ae_id": "A2", "clinic_id": "C1"}, "US"),  # of a patient who is not known: in no mart
    ],
)
def test_where_it_happened(given, country):
    """The clinic where it happened, else the record's own; one that is not known leaves a row that
    says so.
    """
    rows = event(**given)
    assert rows["country"].to_list() == [country]
    assert (rows["state"][0] == "no_rule") == (country is None)


def test_a_death_is_half_reported():
    """Reported to the FDA alone, the manufacturer's report is still open."""
    death = event(outcome="fatal", reported_at=AWARE, reported_to="FDA")
    assert dict(zip(death["rule"], death["state"], strict=True)) == {
        US + "death_to_fda": "reported",
        US + "death_to_manufacturer": "open",
    }


# --- the rules themselves -----------------------------------------------------------------------


def test_rules_are_whole():
    """Each has its own id, a source, words; days where it counts them and none elsewhere;
    recipients in small letters.
    """
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.source, rule.id
        assert rule.duty, rule.id
        assert rule.recipients, rule.id
        assert all(word == word.lower() for word in rule.recipients), rule.id
        assert (rule.days is not None) == (rule.timing in ("days", "work_days")), rule.id
        assert rule.timing != "work_days" or rule.countries == ("US",), (
            rule.id
        )  # the calendar that there is
    assert len(EUROPE) == len(set(EUROPE)) == 27 + 3  # its members; Iceland, Liechtenstein, Norway
    assert all(is_zone(zone) for zone in ZONES.values())


def test_order_and_company_do_not_matter():
    """The rows of an event are the same alone and among others."""
    events = [
        {"ae_id": f"A{k}", "clinic_id": "C1", **given}
        for k, given in enumerate((SERIOUS, DEATH, EXPECTED))
    ]
    together = run(events=events, deficiencies=[{}], incidents=[{}])
    apart = [run(events=[one]) for one in reversed(events)] + [
        run(incidents=[{}]),
        run(deficiencies=[{}]),
    ]
    key = ["subject_kind", "subject_id", "rule"]
    assert together.drop("_row").sort(key).equals(pl.concat(apart).drop("_row").sort(key))


def test_nothing_happened():
    """No event, no row."""
    assert run().is_empty()
