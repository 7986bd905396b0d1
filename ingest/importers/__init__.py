"""Files of others -> events: the formats that `floe import` and `floe replay` read.

Here: the registry. Not here: publishing (ingest/stream.py). A further format is a module with one such function.
"""

from collections.abc import Callable, Iterator
from types import MappingProxyType

from . import fhir, fitbit
from .ndjson import replay
from .people import read_patient_map

Event = tuple[str, bytes | None, bytes | None]  # topic, key, value

# format -> events(paths, *, timezone, patient=None, patients=None, clinic=None, refused=None) -> iterator of (topic,
# key, value); `refused`, a Counter, is filled by the call: reason -> how many of the file's records were left out
IMPORTERS: MappingProxyType[str, Callable[..., Iterator[Event]]] = MappingProxyType(
    {"fhir": fhir.events, "fitbit": fitbit.events}
)

__all__ = ["IMPORTERS", "Event", "read_patient_map", "replay"]
