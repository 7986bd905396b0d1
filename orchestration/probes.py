"""Whether a part does its work: asked of it, not of the system.

Here: the questions. Not here: how often they are asked, and what follows (supervisor.py).
"""

import http.client

from ingest import heartbeat

_TIMEOUT_S = 5.0


def answers_http(port: int, path: str) -> bool:
    """Whether a server on this machine answers at all: an answer that refuses is one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reports(settings, pid: int | None) -> bool:
    """Whether the ingest worker of this process has reported of late, however little there is to
    land.
    """
    return any(
        beat["pid"] == pid and beat["unknown"] is None for beat in heartbeat.heartbeats(settings)
    )
