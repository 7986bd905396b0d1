"""Which events of the alerts' topic Floe wrote itself: their ids carry a mark that only this site's
secret makes.

Here: the event of a delivery to the topic, and whether a landed row is one. Not here: what is done
about a row that says so and is none (hearing.py), the secret (names.py).

Anybody who may write to the topic can name Floe as the source. What the watcher takes from its own
events (after a lost or an older book: that an alert was told, acknowledged, closed) it takes from
those with the mark alone.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping

from ..contract import LONGEST_TEXT, encode
from ..record import LARGEST_INTEGER
from .duty import TOPIC

SOURCE = "/floe/alerts"
MOST_REVISION = LARGEST_INTEGER  # that an event can have; beyond it events are unversioned, and the latest counts
_MARKED = (
    "alert_id",
    "rule",
    "subject_kind",
    "subject_id",
    "clinic_id",
    "device_id",
    "cause",
    "evidence",
    "tier",
    "state",
    "finding",
    "level",
    "gravity",
    "revision",
    "assigned_role",
    "acknowledged_by",
)


def own_event(delivery: Mapping, *, key: bytes) -> tuple[str, bytes, bytes]:
    """(topic, key, value) of a delivery to the topic, with what an event can hold of it. `key`: of
    `naming_key`.
    """
    data = dict(delivery["payload"])
    if data.get("finding"):
        data["finding"] = data["finding"][:LONGEST_TEXT]
    if (data.get("revision") or 0) > MOST_REVISION:
        data["revision"] = None
    id = f"{delivery['delivery_id']}/{_mark(data, key=key)}"
    return (
        TOPIC,
        data["alert_id"].encode(),
        encode(TOPIC, data, id=id, source=SOURCE, time=data["recorded_at"]),
    )


def is_in_floes_name(row: Mapping) -> bool:
    """Whether a row of raw.alerts says that the watcher wrote it."""
    return row["source"] == SOURCE


def is_own(row: Mapping, *, key: bytes) -> bool:
    """Whether the watcher of this site did."""
    mark = str(row["event_id"]).rpartition("/")[2]
    return is_in_floes_name(row) and hmac.compare_digest(
        mark.encode(), _mark(row, key=key).encode()
    )


def _mark(data: Mapping, *, key: bytes) -> str:
    text = json.dumps([data.get(name) or None for name in _MARKED])
    return hashlib.blake2b(
        text.encode(), digest_size=16, key=key, person=b"floe alert event"
    ).hexdigest()
