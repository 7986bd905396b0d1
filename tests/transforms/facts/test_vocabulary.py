"""Codes of others: each bound to one meaning and one unit, and published beside the metric whose
value it names.

Here: transforms/facts/vocabulary.py and its column of mart.metric_definitions. Not here: how
records are read (test_fhir.py).
"""

from datetime import UTC, datetime

import pytest

from transforms.facts.instruments import INSTRUMENTS
from transforms.facts.measurements import METRICS
from transforms.facts.mobility_parameters import PERFORMANCE_TESTS, WEEKLY_PARAMETERS
from transforms.facts.parameters import PARAMETERS
from transforms.facts.vocabulary import (
    BY_PARAMETER,
    CONCEPTS,
    CONTRADICTIONS,
    PAIN_ANSWERS,
    WITHOUT_CODE,
    is_unit_of,
    plain_unit,
)
from transforms.marts import metric_definitions
from transforms.options import Cut, Options

TESTS = {t.test: t.code for t in PERFORMANCE_TESTS}
CODES = {*PARAMETERS, *TESTS.values(), *(p.code for p in WEEKLY_PARAMETERS)}


def is_check_digit_right(code: str) -> bool:
    """LOINC's check digit: Mod 10 (Luhn) of the digits before the hyphen."""
    digits, check = code.split("-")
    doubled = [int(d) * (2 if k % 2 == 0 else 1) for k, d in enumerate(reversed(digits))]
    return (10 - sum(d // 10 + d % 10 for d in doubled) % 10) % 10 == int(check)


@pytest.mark.parametrize("code", [code for code in CONCEPTS if not code.startswith("LA")])
def test_codes_are_written_right(code):
    """Each term's code ends in its check digit, which a slip of the pen breaks (answers' codes have
    another rule).
    """
    assert is_check_digit_right(code)


def test_each_code_is_one_thing_of_the_contract_or_refused():
    """A code is a metric, a test or an item that the contract has, in a unit, or a sentence says
    why it is none.
    """
    for concept in CONCEPTS.values():
        found = [concept.metric, concept.test, concept.item, concept.refusal]
        assert sum(x is not None for x in found) == 1, concept.code
        assert concept.units or concept.refusal
        assert concept.source
        assert concept.verification in ("verified", "unverified")
        assert concept.metric in (None, *METRICS)
        assert concept.test in (None, *TESTS)
        assert concept.item is None or concept.item[1] in INSTRUMENTS[concept.item[0]].items
    assert set(BY_PARAMETER) <= CODES
    assert set(WITHOUT_CODE) <= CODES | set(METRICS)
    assert not set(WITHOUT_CODE) & {*BY_PARAMETER, *(c.metric for c in CONCEPTS.values())}
    assert {code for code, _ in CONTRADICTIONS} <= set(CONCEPTS)


@pytest.mark.parametrize(
    "concept", [c for c in CONCEPTS.values() if c.metric], ids=lambda c: c.code
)
def test_units_are_the_contracts(concept):
    """A code that becomes readings has the metric's own unit (a count of a day is also a rate per
    day).
    """
    assert {plain_unit(u) for u in concept.units} - {"/d"} == {
        plain_unit(METRICS[concept.metric][0])
    }


@pytest.mark.parametrize(
    ("code", "unit", "is_its"),
    [
        ("41950-7", "/d", True),
        ("41950-7", "{steps}/d", True),
        ("41950-7", "1/d", True),
        ("41950-7", "{steps}", True),
        ("41950-7", "m", False),
        ("41950-7", "km", False),
        ("41950-7", "/min", False),
        ("55423-8", "/d", False),
        ("8867-4", "/min", True),
        ("8867-4", "{beats}/min", True),
        ("8867-4", "mm[Hg]", False),
        ("80404-7", "ms", True),
        ("80404-7", "s", False),
        ("64098-7", "m", True),
        ("64098-7", "[ft_i]", False),
        ("72514-3", "{score}", True),
        ("72514-3", "1", True),
        ("72514-3", "%", False),
        ("72514-3", "", True),
    ],
)
def test_units(code, unit, is_its):
    """UCUM annotations ({steps}) change nothing; another unit is never converted and never taken
    for the right one.
    """
    assert is_unit_of(CONCEPTS[code], unit) is is_its


def test_traps():
    """Mix-ups seen in public code: steps are no distance, an answer is no speed, SDNN is not RMSSD,
    a deviation no °C.
    """
    assert CONCEPTS["41950-7"].metric == "daily_step_count"
    assert CONCEPTS["72514-3"].item == ("nrs_pain", "now")
    assert CONCEPTS["80404-7"].metric == "heart_rate_variability_sdnn"
    assert {
        "heart_rate_variability_rmssd",
        "nightly_skin_temperature_deviation",
        "WALKSPD",
        "PGIC",
    } == set(WITHOUT_CODE)
    assert all(
        CONCEPTS[code].refusal
        for code in ("LA29042-4", "8686-8", "39106-0", "97909-6", "77865-4", "61764-7")
    )
    assert PAIN_ANSWERS.index("LA6113-0") == 2


def test_codes_are_published():
    """The definition of a score or test shows its code and unit; a mean or a change of it has none
    of its own.
    """
    rows = metric_definitions.compute(
        options=Options(), cut=Cut(lake_snapshot=1, data_cutoff=datetime(2026, 1, 1, tzinfo=UTC))
    )
    shown = rows.drop_nulls("loinc").select("metric_id", "loinc", "ucum").rows()
    assert shown == [
        ("ndi_score", "82226-2", "%"),
        ("nrsnow_score", "72514-3", "{score}"),
        ("odi_score", "97909-6", "%"),
        ("pi6a_score", "77865-4", "{Tscore}"),
        ("sixmwd_test", "64098-7", "m"),
    ]
