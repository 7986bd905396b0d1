"""All causes of alerts that tables of core show, of whichever subjects the tables hold whole.

Here: which rules look at which tables. Not here: the rules (harm.py, sessions.py, records.py).
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from ..options import Options
from ..rules.event_places import of_own_sessions, with_place
from ..rules.local_time import Clocks, clocks
from . import harm, records, reports, sessions
from .begun import judged_sessions
from .causes import RULED
from .devices import BY_SERIES, SPELLS

# The tables of core that the rules look at.
TABLES = (
    "clinics",
    "devices",
    "protocols",
    "patients",
    "patient_status",
    "consults",
    "screenings",
    "courses",
    "sessions",
    "telemetry_sessions",
    "adverse_events",
    "deficiencies",
    "incidents",
    "conflicts",
    "implausible",
)
# Those of them by which harm is judged.
HARM_TABLES = (
    "clinics",
    "patients",
    "patient_status",
    "sessions",
    "adverse_events",
    "deficiencies",
    "incidents",
)


def of_core(
    core: Mapping[str, pl.DataFrame],
    *,
    options: Options,
    spells: pl.DataFrame | None = None,
    by_series: pl.DataFrame | None = None,
    as_of: datetime | None = None,
) -> pl.DataFrame:
    """The causes, columns of RULED. `core`: the frames of TABLES by name, each patient and device
    whole.

    `spells`: of `devices.spells`, what people said of devices; None = nothing. `by_series`:
    BY_SERIES, the devices whose series name a session; None = none. `as_of`: the moment by which
    reports are due; None = they are not looked at.
    """
    spells = pl.DataFrame(schema=SPELLS) if spells is None else spells
    by_series = pl.DataFrame(schema=BY_SERIES) if by_series is None else by_series
    held = sessions.with_device(judged_sessions(core, _clocks(core)), by_series)
    return pl.concat(
        [
            pl.DataFrame(schema=RULED),
            of_harm(core),
            sessions.of_sessions(held, options=options),
            sessions.of_devices_in_use(held, core["devices"], spells, by_series),
            sessions.of_contradictions(held),
            records.of_clashes(core["conflicts"], core["patients"]),
            records.of_implausible(core["implausible"]),
            *([_reports(core, as_of=as_of)] if as_of else []),
        ]
    )


def of_harm(core: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Of the causes those of harm, columns of RULED. `core`: the frames of HARM_TABLES by name; of
    sessions at least those of adverse events that name no clinic or no device.
    """
    return pl.concat(
        [
            harm.of_adverse_events(_with_places(core)),
            harm.of_deficiencies(core["deficiencies"]),
            harm.of_incidents(core["incidents"]),
        ]
    )


def _reports(core: Mapping[str, pl.DataFrame], *, as_of: datetime) -> pl.DataFrame:
    taken = {name: core[name] for name in ("deficiencies", "incidents", "clinics")}
    return reports.of_reports(adverse_events=_with_places(core), **taken, as_of=as_of)


def _with_places(core: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The adverse events with the clinic where each happened, and the device: its own, else its
    session's.
    """
    events = with_place(core["adverse_events"], sessions=core["sessions"], clocks=_clocks(core))
    frame = of_own_sessions(events, core["sessions"], _session_device="device_id")
    return frame.with_columns(device_id=pl.coalesce("device_id", "_session_device"))


def _clocks(core: Mapping[str, pl.DataFrame]) -> Clocks:
    return clocks(**{name: core[name] for name in ("patients", "clinics", "patient_status")})
