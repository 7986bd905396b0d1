"""Sends the alerts that core calls for, once each.

Here: publishing what is due after core was computed. Not here: what calls for an alert (ingest/core_alerts.py).
"""

from ingest import core_alerts, stream
from ingest.lake import Lake
from transforms.errors import FloeError


def send_core_alerts(lake: Lake, settings) -> str:
    """What was sent, in words. Where no Kafka answers nothing is lost: the next run finds the same alerts due."""
    due = core_alerts.due_alerts(lake)
    if not due:
        return "none is due"
    if not stream.is_reachable(settings):
        return f"{len(due)} are due: no Kafka answers at {settings.bootstrap}, the next run sends them"
    try:
        return f"{stream.publish(settings, due)} sent"
    except FloeError as error:
        return f"{len(due)} are due: {error}"
