"""Sessions: what can come of one, and what is measured in it.

Here: a record a state, a record a value. Not here: the limits that values are held against
(limits.py), which sessions began (rules/exposure.py), the device's own series.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SessionState:
    """What came of a session that was booked: `is_begun` exposes the patient, `is_delivered` counts
    in denominators. `direction`: of the share of sessions in this state.
    """

    id: str
    is_begun: bool = False
    is_delivered: bool = False
    direction: Literal["higher", "lower"] = "lower"


SESSION_STATES: dict[str, SessionState] = {
    state.id: state
    for state in (
        SessionState(id="delivered", is_begun=True, is_delivered=True, direction="higher"),
        SessionState(id="aborted", is_begun=True),
        SessionState(id="missed"),
        SessionState(id="cancelled"),
    )
}
BOOKED = tuple(SESSION_STATES)
BEGUN = tuple(state.id for state in SESSION_STATES.values() if state.is_begun)
NOT_HELD = tuple(state.id for state in SESSION_STATES.values() if not state.is_begun)
(DELIVERED,) = (state.id for state in SESSION_STATES.values() if state.is_delivered)


@dataclass(frozen=True, kw_only=True)
class SessionValue:
    """What a session reports: `field` of its record, `column` of mart.adex.

    `device`: the column of core.telemetry_sessions with what the device itself measured. `also`:
    fields of the record that are evidence of the same. `counts`: which of several counts, the first
    that is there in the order field, also, device, or the `lowest` or `highest`. `lower`, `upper`:
    what is physically possible. `is_of_exposure`: only in a session that began is there one.
    """

    field: str
    column: str
    words: str
    unit: str
    lower: float
    upper: float
    device: str | None = None
    also: tuple[str, ...] = ()
    counts: Literal["first", "lowest", "highest"] = "first"
    is_of_exposure: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field, *self.also)


COLDEST_C, HOTTEST_C = -273.15, 100
SESSION_VALUES: tuple[SessionValue, ...] = (
    SessionValue(
        field="duration_s", column="EXDUR", words="exposure", unit="s", lower=0, upper=86_400
    ),
    SessionValue(
        field="setpoint_c",
        column="SETPNTC",
        words="setpoint",
        unit="°C",
        lower=COLDEST_C,
        upper=HOTTEST_C,
    ),
    SessionValue(
        field="cabin_min_temp_c",
        column="CABMINC",
        words="coldest cabin temperature",
        unit="°C",
        lower=COLDEST_C,
        upper=HOTTEST_C,
        device="cabin_min_temp_c",
        counts="lowest",
        is_of_exposure=True,
    ),
    SessionValue(
        field="skin_temp_pre_c",
        column="SKINPREC",
        words="skin temperature before",
        unit="°C",
        lower=COLDEST_C,
        upper=HOTTEST_C,
    ),
    SessionValue(
        field="skin_temp_min_c",
        column="SKINMINC",
        words="coldest skin temperature",
        unit="°C",
        lower=COLDEST_C,
        upper=HOTTEST_C,
        device="skin_min_temp_c",
        also=("skin_temp_post_c",),
        counts="lowest",
        is_of_exposure=True,
    ),
    SessionValue(
        field="skin_temp_post_c",
        column="SKINPSTC",
        words="skin temperature after",
        unit="°C",
        lower=COLDEST_C,
        upper=HOTTEST_C,
        device="skin_last_temp_c",
        is_of_exposure=True,
    ),
    SessionValue(
        field="room_min_oxygen_pct",
        column="O2MINPCT",
        words="lowest room oxygen",
        unit="%",
        lower=0,
        upper=100,
        device="room_min_oxygen_pct",
        counts="lowest",
        is_of_exposure=True,
    ),
)
