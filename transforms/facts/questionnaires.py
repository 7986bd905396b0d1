"""The questionnaires: their items and what an answer may be.

Here: items and ranges. Not here: scoring (transforms/instruments).
"""

# instrument -> {item code: (lowest, highest)}
_PAIN_ITEMS = ("average_7d", "back_7d", "leg_7d", "neck_7d", "now")
INSTRUMENTS: dict[str, dict[str, tuple[float, float]]] = {
    "nrs_pain": dict.fromkeys(_PAIN_ITEMS, (0, 10)),
    "vas_pain": dict.fromkeys(_PAIN_ITEMS, (0, 100)),
    "pain_index": {"index": (0, 100)},
    "pain_days_28": {"days": (0, 28)},
    "odi": {f"s{k}": (0, 5) for k in range(1, 11)},
    "rmdq": {f"q{k}": (0, 1) for k in range(1, 25)},
    "ndi": {f"s{k}": (0, 5) for k in range(1, 11)},
    "promis_pi_4a": {f"q{k}": (1, 5) for k in range(1, 5)},
    "promis_pi_6a": {f"q{k}": (1, 5) for k in range(1, 7)},
    "promis_pf_6b": {f"q{k}": (1, 5) for k in range(1, 7)},
    "promis_29": {
        **{
            f"{d}{k}": (1, 5)
            for d in ("pf", "anx", "dep", "fat", "slp", "soc", "pi")
            for k in range(1, 5)
        },
        "pain": (0, 10),
    },
    "pgic": {"pgic": (1, 7)},
    "eq_5d_5l": {**dict.fromkeys(("mo", "sc", "ua", "pd", "ad"), (1, 5)), "vas": (0, 100)},
    "start_back": {f"q{k}": (0, 4) if k == 9 else (0, 1) for k in range(1, 10)},
}
