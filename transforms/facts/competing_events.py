"""Times of mart.adtte whose event has competitors: which come first instead, as data.

Here: which parameters and events, and the codes of CNSR. Not here: when each happened
(rules/retreatment.py), curves (marts/competing_risks.py).
"""

# CNSR of mart.adtte. CDISC has 0 for the event and positive numbers for what is none, of a kind each
EVENT, CENSORED, COMPETING = 0, 1, 2

NEXT_EPISODE, SURGERY, DEATH = "next episode", "surgery", "death"

RETREATMENT = "TTRETRT"
# Parameter -> its event, then those that compete; of one day the first named counts
COMPETING_EVENTS: dict[str, tuple[str, ...]] = {RETREATMENT: (NEXT_EPISODE, SURGERY, DEATH)}
EVENTS = tuple(dict.fromkeys(e for events in COMPETING_EVENTS.values() for e in events))
