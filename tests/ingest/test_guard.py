"""What the guard takes of a body: one JSON object, of bounded size and depth, of the kind that the
server's judge knows.

Here: bodies, and answers' headers. Not here: hosts, origins, methods and sockets
(tests/orchestration/test_web_servers.py).
"""

import asyncio
import json

import pytest

from ingest.guard import Doors, Guard

DEEP = 200_000


async def echo(scope, receive, send):
    """An application that gives back what it gets."""
    message = await receive()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"X-Frame-Options", b"SAMEORIGIN")],
        }
    )
    await send({"type": "http.response.body", "body": message["body"]})


def post(*chunks: bytes, judge=lambda path, value: None) -> tuple[int, bytes, dict]:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/in",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost:1"), (b"content-type", b"application/json")],
    }
    pending = [
        {"type": "http.request", "body": c, "more_body": k < len(chunks) - 1}
        for k, c in enumerate(chunks)
    ]
    sent = []

    async def receive():
        return pending.pop(0) if pending else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(echo, Doors(posts=frozenset({"/in"}), judge=judge))(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], {k.lower(): v for k, v in sent[0]["headers"]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a": 1}', 200),
        (b'{"a": "' + b"[" * 500 + b'"}', 200),  # brackets of a text are no depth
        (b'{"a": "\\"' + b"[" * 500 + b'"}', 200),
        (b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}", 200),
        (b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", 400),
        (b"[" * DEEP + b"]" * DEEP, 400),
        (b'{"a":' * DEEP, 400),
        (b'{"a": "' + b"\\" * DEEP, 400),
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b"5", 400),
        (b"{", 400),
        (b'{"a": 1} x', 400),
        (b"\xff\xfe{\x00", 400),
        (b'{"a": ' + b"9" * 5000 + b"}", 400),  # Python reads no integer of so many digits
        (b" " * 9 * 2**20 + b"{}", 413),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bodies(body, status):
    """Whatever is no JSON object of bounded depth and size is refused in a sentence, and never
    reaches the server.
    """
    found, text, _ = post(body)
    assert found == status
    assert text == body or set(json.loads(text)) == {"detail"}


def test_a_body_in_parts():
    """Parts are one body; too many are refused at the one that is too much."""
    assert post(b'{"a"', b": 1", b"}")[:2] == (200, b'{"a": 1}')
    assert post(*[b" " * 2**20] * 20)[0] == 413
    assert post()[0] == 400  # the connection ended before the request did


def test_the_judge():
    """What the server's own judge says is the answer."""
    assert post(b'{"a": 1}', judge=lambda path, value: f"{path} found {value}")[0] == 400
    assert (
        b"/in found {'a': 1}"
        in post(b'{"a": 1}', judge=lambda path, value: f"{path} found {value}")[1]
    )


def test_headers():
    """Every answer, a refusal too, tells the browser not to guess and not to frame; what the server
    sets, stands.
    """
    assert post(b"{}")[2][b"x-frame-options"] == b"SAMEORIGIN"
    assert post(b"[")[2][b"x-frame-options"] == b"DENY"
    assert post(b"[")[2][b"x-content-type-options"] == b"nosniff"
