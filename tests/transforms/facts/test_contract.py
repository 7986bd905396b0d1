"""What the contract promises stands in the facts as it promises it: whoever changes one of them says
so here too.

Here: items of questionnaires, visits, parameters, limits. Not here: that what uses a fact follows
it (test_one_record.py, test_restrictions.py), the scores (tests/transforms/test_instruments.py).
"""

from itertools import pairwise

import pytest

from transforms.facts.instruments import INSTRUMENTS
from transforms.facts.limits import LIMITS
from transforms.facts.parameters import PARAMETERS
from transforms.facts.visits import END_OF_COURSE, END_OF_COURSE_DAYS, VISITS

# instrument: the answers, then the items that have them; or several such
PROMISED = {
    "nrs_pain": "0-10 average_7d back_7d leg_7d neck_7d now",
    "vas_pain": "0-100 average_7d back_7d leg_7d neck_7d now",
    "pain_index": "0-100 index",
    "pain_days_28": "0-28 days",
    "odi": "0-5 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10",
    "rmdq": "0-1 q1 q2 q3 q4 q5 q6 q7 q8 q9 q10 q11 q12 q13 q14 q15 q16 q17 q18 q19 q20 q21 q22 q23 q24",
    "ndi": "0-5 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10",
    "promis_pi_4a": "1-5 q1 q2 q3 q4",
    "promis_pi_6a": "1-5 q1 q2 q3 q4 q5 q6",
    "promis_pf_6b": "1-5 q1 q2 q3 q4 q5 q6",
    "promis_29": (
        "1-5 pf1 pf2 pf3 pf4 anx1 anx2 anx3 anx4 dep1 dep2 dep3 dep4 fat1 fat2 fat3 fat4 slp1 slp2 slp3 "
        "slp4 soc1 soc2 soc3 soc4 pi1 pi2 pi3 pi4; 0-10 pain"
    ),
    "pgic": "1-7 pgic",
    "eq_5d_5l": "1-5 mo sc ua pd ad; 0-100 vas",
    "start_back": "0-1 q1 q2 q3 q4 q5 q6 q7 q8; 0-4 q9",
}


def items_of(text: str) -> dict[str, tuple[float, float]]:
    items = {}
    for part in text.split("; "):
        answers, *names = part.split()
        low, high = map(float, answers.split("-"))
        items |= dict.fromkeys(names, (low, high))
    return items


def out_of_step(instruments) -> set[str]:
    """The instruments of the contract whose items or answers are others."""
    return {
        name
        for name, text in PROMISED.items()
        if name not in instruments or instruments[name].items != items_of(text)
    }


def test_the_items_of_questionnaires():
    """Each item code with its lowest and highest answer, no more and no fewer."""
    assert out_of_step(INSTRUMENTS) == set()


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("rmdq", {"q1": (0, 2)}),  # a range
        ("odi", {"s10": None}),  # an item too few
        ("nrs_pain", {"hip_7d": (0, 10)}),  # one too many
        ("pgic", {"pgic": (0, 6)}),
    ],
)
def test_an_item_out_of_step_is_seen(name, items):
    """Planted: an answer, an item less, an item more."""
    record = INSTRUMENTS[name]
    changed = {k: v for k, v in (record.items | items).items() if v is not None}
    assert out_of_step(INSTRUMENTS | {name: type("Changed", (), {"items": changed})}) == {name}


def test_the_visits():
    """Their names, targets and windows, in study days without a day 0; one does not overlap the
    next.
    """
    assert [(v.name, v.target, v.first, v.last) for v in VISITS] == [
        ("Baseline", 1, -28, 1),
        ("Week 1", 8, 2, 14),
        ("Week 4", 29, 15, 42),
        ("Week 8", 57, 43, 70),
        ("Month 3", 92, 71, 136),
        ("Month 6", 183, 137, 273),
        ("Month 12", 366, 274, 548),
        ("Month 24", 731, 549, 913),
    ]
    assert (END_OF_COURSE, END_OF_COURSE_DAYS) == ("End of course", 14)
    assert all(a.last < b.first for a, b in pairwise(VISITS))
    assert all(v.first <= v.target <= v.last for v in VISITS)


def test_the_parameters():
    """Every code that the contract names."""
    promised = (
        "NRS7D NRSBACK NRSLEG NRSNECK NRSNOW VAS7D VASBACK VASLEG VASNECK VASNOW PAINIDX PAINDAYS ODI RMDQ NDI "
        "PI4A PI6A PF6B P29PHYS P29MENT PGIC EQ5D EQVAS STARTB"
    )
    assert set(promised.split()) <= set(PARAMETERS)


def test_the_limits_of_protocols():
    """Which field, of what unit, is a floor or a ceiling of what; and what of it is told at once."""
    limits = [
        (limit.field, limit.unit, "floor" if limit.is_lowest else "ceiling", limit.measured)
        for limit in LIMITS.values()
    ]
    promised = {
        ("cabin_min_temp_c", "°C", "floor", "CABMINC"),
        ("cabin_max_temp_c", "°C", "ceiling", "cabin_max_c"),
        ("max_duration_s", "s", "ceiling", "EXDUR"),
        ("min_hours_between_sessions", "h", "floor", "hours_since_previous"),
        ("max_sessions_per_week", "sessions", "ceiling", "sessions_in_week"),
        ("skin_min_temp_c", "°C", "floor", "SKINMINC"),
        ("room_min_oxygen_pct", "%", "floor", "O2MINPCT"),
    }
    assert promised <= set(limits)
    tiers = {limit.id: limit.alert.tier for limit in LIMITS.values()}
    assert (
        tiers
        | {
            "temperature_low": "now",
            "temperature_high": "today",
            "duration": "now",
            "spacing": "today",
            "weekly_count": "today",
            "skin_temperature": "now",
            "oxygen": "now",
        }
        == tiers
    )


def test_what_an_instrument_may_err_by():
    """A breach by no more is noted: a class B thermometer's error at -140 °C (IEC 60751), and what
    the notes of the limits propose. Below 19.5 % of oxygen (OSHA) and at the skin's red setting an
    alert is for now whatever a protocol says, at the amber one for today.
    """
    alerts = {limit.id: limit.alert for limit in LIMITS.values()}
    margins = {name: alert.margin for name, alert in alerts.items()}
    promised = {"temperature_low": 1.0, "temperature_high": 1.0, "duration": 5.0, "spacing": 0.25}
    promised |= {"weekly_count": 0.0, "skin_temperature": 0.5, "oxygen": 0.5}
    assert margins | promised == margins
    floors = {
        (name, floor.value, floor.tier, floor.is_inclusive)
        for name, alert in alerts.items()
        for floor in alert.floors
    }
    assert floors == {
        ("skin_temperature", "skin_red_c", "now", True),
        ("skin_temperature", "skin_amber_c", "today", True),
        ("oxygen", 19.5, "now", False),
    }
