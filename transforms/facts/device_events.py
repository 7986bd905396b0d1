"""What can go wrong with a device, or happen to somebody who is no patient: the kinds that Floe
counts.

Here: one record each, in the order in which they are shown, and when one counts in a rate.
Not here: counting (marts/device_events.py, marts/device_event_rates.py).
"""

from dataclasses import dataclass

DEFICIENCY, INCIDENT, NEAR_MISS, FAULT = "deficiency", "incident", "near_miss", "device_fault"


@dataclass(frozen=True, kw_only=True)
class DeviceEvent:
    """`words`: what people read, of several; `grave`: what makes one grave, None where nothing on
    record could.
    """

    id: str
    words: str
    rule: str
    grave: str | None = None


DEVICE_EVENTS: dict[str, DeviceEvent] = {
    event.id: event
    for event in (
        DeviceEvent(
            id=DEFICIENCY,
            words="device deficiencies",
            rule="a device was not what it should be in identity, quality, durability, reliability, safety or performance",
            grave="could have led to a serious adverse event",
        ),
        DeviceEvent(
            id=FAULT,
            words="sessions stopped by the interlock",
            rule="the device's own interlock stopped the session (or kept it from beginning)",
        ),
        DeviceEvent(
            id=INCIDENT,
            words="incidents with staff or visitors",
            rule="harm to anyone but a patient, also where it is not recorded to whom",
            grave="serious",
        ),
        DeviceEvent(
            id=NEAR_MISS,
            words="incidents that harmed nobody",
            rule="an incident without harm",
            grave="serious",
        ),
    )
}

COUNTED = "counted"
# Why a record is in no rate -> in words
NOT_COUNTED = {
    "before_sessions": "it happened before the clinic's first session on record",
    "no_sessions": "no session of its clinic is on record",
    "after_cut": "it happened after the hour to which figures run",
}
