"""What stands beside the safety page's charts: records that can't be read, tiles of rates.

Here: rows -> notices and tiles. Not here: the cards (page.py).
"""

from dash.development.base_component import Component

from transforms.facts.digits import DIGITS_OF_RATE

from ... import words
from ...components import link, notice, tile, tiles
from .rows import Shown


def unread_notices(shown: Shown):
    """How many safety records could not be read: the rates do not know them."""
    unread = shown.everybody["unread_records"] if shown.everybody else None
    if not unread:
        return None
    text = [
        f"{unread} records of safety topics could not be read and are not in these figures: ",
        link("see which, and why", "/operations"),
    ]
    return notice(text, title="These rates may be too low", color="orange")


def rate_tiles(shown: Shown) -> Component:
    return tiles(rates_of(shown))


def rates_of(shown: Shown) -> list[Component]:
    r = shown.everybody
    if r is None:
        return [tile("Adverse events", words.NOTHING, shown.why_nothing)]
    if r["events"] is None:
        return [tile("Adverse events", words.NOTHING, r["reason"] or "")]
    asked = f"known to have been asked about side effects at {words.count(r['sessions_asked'])} of {words.count(r['sessions'])} sessions"

    with_event, events = words.count(r["patients_with_event"]), words.count(r["events"])
    patients, sessions = words.count(r["patients"]), words.count(r["sessions"])
    years = f"{words.number(r['patient_years'], 1)} years at risk"
    return [
        tile(
            f"Events ({shown.restriction_words})",
            events,
            f"in {with_event} of {patients} patients treated; {asked}",
        ),
        _rate_tile(
            "% of patients with an event",
            r,
            "incidence_proportion",
            f"{with_event} / {patients}",
            scale=100,
        ),
        _rate_tile(
            "Events per 100 sessions", r, "events_per_100_sessions", f"{events} / {sessions}"
        ),
        _rate_tile(
            "Events per 100 patient-years", r, "events_per_100_patient_years", f"{events} / {years}"
        ),
    ]


def _rate_tile(label: str, r: dict, rate: str, counts: str, *, scale: int = 1) -> Component:
    if r[rate] is None:
        return tile(label, words.NOTHING, f"{r['reason'] or ''}; {counts}")
    value, lower, upper = (
        _scaled(r[name], scale, rate) for name in (rate, f"{rate}_lower", f"{rate}_upper")
    )
    return tile(label, value, f"95 % CI {lower} to {upper}; {counts}")


def _scaled(value: float | None, scale: int, rate: str) -> str:
    scaled = None if value is None else value * scale
    return words.number(scaled, DIGITS_OF_RATE[rate])
