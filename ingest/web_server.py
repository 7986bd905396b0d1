"""How every web server that Floe starts listens: on this machine alone, with bounds on what it
reads before it answers.

Here: uvicorn's settings. Not here: who may ask (guard.py), what is served.
"""

import uvicorn

HOST = "127.0.0.1"
MOST_HEAD_BYTES = 64 * 2**10  # of a request's line and headers; more ends the connection


def configured(app, *, port: int | None = None, **options) -> uvicorn.Config:
    """A server of `app` on this machine. h11, unlike uvicorn's faster parser, bounds a request's
    head.
    """
    bounds = {"http": "h11", "h11_max_incomplete_event_size": MOST_HEAD_BYTES}
    place = {} if port is None else {"host": HOST, "port": port}
    return uvicorn.Config(app, **{"log_level": "warning"} | bounds | place | options)
