"""Files of others -> events: the formats that `floe import` and `floe replay` read.

Here: the registry. Not here: publishing (ingest/stream/). A further format is a module with one
such function.
"""

from collections.abc import Callable, Iterator
from types import MappingProxyType

from . import fhir, fitbit
from .lines import Unread
from .ndjson import replay
from .people import read_patient_map

Event = tuple[str, bytes | None, bytes | None]  # topic, key, value

# format -> events(paths, *, timezone, patient, patients, clinic, server, dates, decimal, refused,
# unread) -> iterator of (topic, key, value); the call fills `refused`, a Counter of reasons for
# records left out, and `unread`, the lines that could not be read
IMPORTERS: MappingProxyType[str, Callable[..., Iterator[Event]]] = MappingProxyType(
    {"fhir": fhir.events, "fitbit": fitbit.events}
)

__all__ = ["IMPORTERS", "Event", "Unread", "read_patient_map", "replay"]
