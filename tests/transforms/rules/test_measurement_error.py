"""Which error belongs to which score, and the class of each change: tables with their
arithmetic.
"""

import math

import polars as pl
import pytest

from transforms.facts.parameters import PARAMETERS
from transforms.instruments.promis import TABLES
from transforms.options import Options
from transforms.rules.measurement_error import OF_CHANGE, classified, error_of
from transforms.statistics.reliable_change import reliable_change


def judged(rows, **options) -> pl.DataFrame:
    """Rows (parameter, baseline, value, SE of the baseline, SE of the value) as adqs has them, a
    patient each.
    """
    lines = []
    for k, (parameter, base, value, base_se, value_se) in enumerate(rows):
        change = None if base is None or value is None else value - base
        lines.append((f"p{k}", parameter, base, base, None, base_se, "Y"))
        lines.append((f"p{k}", parameter, value, base, change, value_se, None))
    schema = {
        "USUBJID": pl.String,
        "parameter": pl.String,
        "AVAL": pl.Float64,
        "BASE": pl.Float64,
        "CHG": pl.Float64,
        "AVALSE": pl.Float64,
        "ABLFL": pl.String,
    }
    frame = pl.DataFrame(lines, schema=schema, orient="row")
    found = classified(frame, by=["USUBJID", "parameter"], options=Options(**options))
    return found.filter(pl.col("ABLFL").is_null())


# SEM 1.02: 1.96 √2 1.02 = 2.83; 2.15: 5.96; 4.30: 11.92. PROMIS 61.2 and 55.6 (SE 1.8, 1.9): 1.96
# √6.85 = 5.13
CASES = [
    # parameter, baseline, value, SE, SE, class
    ("NRS7D", 8, 5, None, None, "improved"),  # -3
    ("NRS7D", 8, 6, None, None, "unchanged"),  # -2: the important change, but within the error
    ("NRS7D", 3, 0, None, None, "recovered"),  # -3, to the cut of 0
    ("NRS7D", 2, 0, None, None, "unchanged"),  # at the cut, but -2
    ("NRS7D", 0, 3, None, None, "deteriorated"),
    ("NRS7D", 0, 0, None, None, "unchanged"),
    ("NRS7D", 5, None, None, None, None),
    ("NRS7D", None, 5, None, None, None),
    ("RMDQ", 14, 8, None, None, "improved"),  # -6
    ("RMDQ", 14, 9, None, None, "unchanged"),  # -5
    ("RMDQ", 9, 2, None, None, "recovered"),  # to the cut of 2
    ("RMDQ", 4, 10, None, None, "deteriorated"),
    ("RMDQ", 3, 10, None, None, None),  # a baseline under 4 is not evaluable
    ("RMDQ", 22, 10, None, None, "improved"),
    ("ODI", 40, 28, None, None, "improved"),  # -12
    ("ODI", 40, 30, None, None, "unchanged"),  # -10: the important change
    ("ODI", 40, 0, None, None, "improved"),  # no functional cut is known: never recovered
    ("PI4A", 61.2, 55.6, 1.8, 1.9, "improved"),  # -5.6
    ("PI4A", 55.6, 61.2, 1.9, 1.8, "deteriorated"),
    ("PI4A", 49.6, 41.6, 2.5, 6.1, "unchanged"),  # -8.0, 1.96 √(2.5² + 6.1²) = 12.9
    ("PF6B", 36.8, 43.1, 1.8, 1.9, "improved"),  # higher is better; 6.3
    ("EQVAS", 50, 90, None, None, None),  # no error is known
    ("P29PHYS", 36, 50, None, None, None),
]


@pytest.mark.parametrize(("parameter", "base", "value", "base_se", "value_se", "expected"), CASES)
def test_classes(parameter, base, value, base_se, value_se, expected):
    """The class of a change by the parameter's own error and cut; no change, no error, no class."""
    row = judged([(parameter, base, value, base_se, value_se)]).row(0, named=True)
    assert row["CHGCAT1"] == expected
    has_reason = expected is None and base is not None and value is not None
    assert (row["RCREASON"] is not None) == has_reason


def test_index_and_smallest_change():
    """NRS 8 to 5: -3 / (√2 1.02) = -2.08, MDC 1.96 √2 1.02 = 2.83; PI 4a by both scores' errors."""
    nrs, promis = judged([("NRS7D", 8, 5, None, None), ("PI4A", 61.2, 55.6, 1.8, 1.9)]).iter_rows(
        named=True
    )
    assert (nrs["RCI"], nrs["MDC"]) == pytest.approx(
        (-3 / (math.sqrt(2) * 1.02), 1.96 * math.sqrt(2) * 1.02)
    )
    assert (promis["RCI"], promis["MDC"]) == pytest.approx(
        (-5.6 / math.sqrt(6.85), 1.96 * math.sqrt(6.85))
    )


def test_jacobson_and_truax_as_a_site_would_set_it():
    """Jacobson & Truax 1991: SD 7.5, r 0.80, 47.5 to 32.5: SEM 3.354 as the site's own gives index
    -3.16.
    """
    row = judged([("VAS7D", 47.5, 32.5, None, None)], vas_sem=7.5 * math.sqrt(0.2)).row(
        0, named=True
    )
    assert (row["RCI"], row["CHGCAT1"]) == (pytest.approx(-3.162278, abs=1e-6), "improved")


def test_equals_the_function_of_one_score():
    """Every pair of scores of an NRS has the class that reliable_change gives it with SD 1.02 and
    reliability 0.
    """
    pairs = [(a, b) for a in range(11) for b in range(11)]
    found = judged([("NRS7D", a, b, None, None) for a, b in pairs])
    frame = pl.DataFrame(pairs, schema={"a": pl.Float64, "b": pl.Float64}, orient="row")
    expected = reliable_change(frame, before="a", after="b", sd=1.02, reliability=0, recovered_at=0)
    assert found["CHGCAT1"].to_list() == expected["reliable_change"].to_list()
    assert found["CHGCAT1"].value_counts().height == 4


def test_nothing_within_the_error_is_a_change():
    """Whatever the setting, a class other than unchanged has a change of more than the MDC beside
    it.
    """
    rows = [("RMDQ", float(a), float(b), None, None) for a in range(4, 25) for b in range(25)]
    for sem in (0.5, 2.15, 4.0):
        found = judged(rows, rmdq_sem=sem)
        assert ((found["CHG"].abs() > found["MDC"]) == (found["CHGCAT1"] != "unchanged")).all()


def test_no_error_at_all_gives_no_class():
    """An SEM of 0 and one that is not set say so; the site's own is named as its source."""
    zero = judged([("NRS7D", 8, 5, None, None)], nrs_sem=0.0).row(0, named=True)
    assert (zero["RCI"], zero["CHGCAT1"]) == (None, None)
    assert zero["RCREASON"].startswith("a measurement error of 0")
    unset = judged([("VAS7D", 80, 50, None, None)]).row(0, named=True)
    assert unset["RCREASON"] == "no measurement error of this score is known: set FLOE_VAS_SEM"
    own = error_of(PARAMETERS["NRS7D"], options=Options(nrs_sem=0.8, nrs_recovered_at=1.0))
    assert (own.source, own.verification) == ("the site's setting FLOE_NRS_SEM", "proposal")
    assert own.recovered_source == "the site's setting FLOE_NRS_RECOVERED_AT"


def test_order_changes_nothing():
    """The same rows the other way round have the same classes."""
    rows = [case[:5] for case in CASES]
    assert judged(rows[::-1])["CHGCAT1"].to_list() == judged(rows)["CHGCAT1"].to_list()[::-1]


@pytest.mark.parametrize("code", sorted(OF_CHANGE))
def test_every_error_has_its_source(code):
    """An error that is known has a source and says how far it was checked; one that is not says
    so.
    """
    error = error_of(PARAMETERS[code], options=Options())
    assert (error.source is None) == (error.reason is not None) == (error.verification is None)
    assert (error.recovered_at is None) == (error.recovered_source is None)
    assert (error.sem is not None or error.is_by_score) == (error.source is not None)


@pytest.mark.parametrize(("option", "mdc90"), [("odi_sem", 10), ("rmdq_sem", 5), ("ndi_sem", 10)])
def test_published_minimal_detectable_changes(option, mdc90):
    """1.645 √2 SEM is the MDC90 that the source prints: ODI 10, RMDQ 5, NDI 10 of 100."""
    assert 1.645 * math.sqrt(2) * getattr(Options(), option) == pytest.approx(mdc90, abs=0.05)


def test_sources_call_the_forms_tables_by_name():
    """Every parameter whose scores have errors of their own has a table with them."""
    forms = {"P29" + d: f"{d}4A" for d in ("PF", "ANX", "DEP", "FAT", "SLP", "SOC", "PI")}
    by_score = [code for code, p in PARAMETERS.items() if p.has_score_error]
    assert len(by_score) == 10
    assert all(len(TABLES[forms.get(code, code)][2]) > 10 for code in by_score)
