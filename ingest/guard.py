"""The guard in front of every web server that Floe starts: who may ask, from where, by which
method, how much at once.

Here: the rules for requests and sockets, as an ASGI application around another. Not here: sign-in,
and what is served.

Nobody signs in yet, so what keeps a web page that the user opens elsewhere out is what browsers say
of it: the name that it asked for (a foreign name that points here is refused), where it comes from
(`Origin`, `Sec-Fetch-Site`), and that no foreign page can send JSON without asking first, which is
never granted.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_READS = frozenset({"GET", "HEAD"})
_WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}
_POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1
_MOST_BYTES = 8 * 2**20
_MOST_LEVELS = 200
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[{\]}]")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Refusal:
    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What a server lets in beside reading (GET and HEAD): paths that take JSON by POST, paths that
    are sockets.

    `without_query`: paths that are read only without a query in the address. `closed`: first parts
    of addresses that are not there. `judge(path, object)`: a sentence on what is wrong with a
    request's JSON, None for nothing. `headers` go on every answer that has none of that name.
    """

    posts: frozenset[str] = frozenset()
    sockets: frozenset[str] = frozenset()
    without_query: frozenset[str] = frozenset()
    closed: tuple[str, ...] = ()
    judge: Callable[[str, dict], str | None] = lambda path, value: None
    headers: Mapping[str, str] = field(default_factory=lambda: HEADERS)


class Guard:
    """`app` behind its doors; what is refused never reaches it."""

    def __init__(self, app: Callable[..., Awaitable], doors: Doors) -> None:
        self._app, self._doors = app, doors

    async def __call__(self, scope, receive, send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._socket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope, receive, send) -> None:
        refusal = refused(scope, self._doors)
        if refusal is None and scope["method"] not in _READS:
            body, refusal = await _body(receive)
            refusal = refusal or _of_json(body, scope["path"], self._doors.judge)
            receive = _again(body, receive)
        answer = self._app if refusal is None else _answer(refusal)
        await answer(scope, receive, _with_headers(send, self._doors.headers))

    async def _socket(self, scope, receive, send) -> None:
        if refused_socket(scope, self._doors) is None:
            await self._app(scope, receive, send)
            return
        await receive()  # websocket.connect; closed before it is accepted, it is answered by 403
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})


# --- the rules ----------------------------------------------------------------------------------


def refused(scope: Mapping, doors: Doors) -> Refusal | None:
    """Why this request gets nothing; None where it may pass."""
    headers = _headers(scope)
    return (
        _of_host(headers)
        or _of_method(scope, doors)
        or _of_origin(scope, headers)
        or _of_address(scope, doors)
        or (None if scope["method"] in _READS else _of_kind(headers))
    )


def refused_socket(scope: Mapping, doors: Doors) -> Refusal | None:
    """The same for a socket. A browser always says where it comes from, so that one that doesn't is
    refused too.
    """
    headers = _headers(scope)
    if scope["path"] not in doors.sockets:
        return Refusal(403, "found no socket here")
    if not headers.get("origin"):
        return Refusal(403, "found no Origin, expected this server's own")
    return _of_host(headers) or _of_origin(scope, headers)


def _of_host(headers: Mapping[str, list[str]]) -> Refusal | None:
    hosts = headers.get("host", [])
    if len(hosts) == 1 and _HOST.fullmatch(hosts[0]):
        return None
    return Refusal(
        400,
        "found another Host, expected 127.0.0.1, localhost or [::1]: open the address that floe up prints",
    )


def _of_method(scope: Mapping, doors: Doors) -> Refusal | None:
    is_posted = scope["path"] in doors.posts
    if scope["method"] in _READS or (scope["method"] == "POST" and is_posted):
        return None
    return Refusal(
        405,
        "found a method that is not taken here",
        {"Allow": "GET, HEAD" + (", POST" if is_posted else "")},
    )


def _of_origin(scope: Mapping, headers: Mapping[str, list[str]]) -> Refusal | None:
    """An origin is this server's own or absent; what a browser says of a foreign page lets in a
    link that is followed.
    """
    own = (
        f"{_WEBSOCKET_SCHEMES.get(scope['scheme'], scope['scheme'])}://{headers['host'][0]}".lower()
    )
    is_read = scope["type"] == "http" and scope["method"] in _READS
    referers = headers.get("referer", [])
    if any(origin.lower() != own for origin in headers.get("origin", [])):
        return Refusal(403, "found another Origin, expected this server's own")
    if not is_read and any(not f"{r.lower()}/".startswith(f"{own}/") for r in referers):
        return Refusal(403, "found another Referer, expected this server's own")
    if set(headers.get("sec-fetch-site", [])) <= {"same-origin", "none"} or (
        is_read and _is_followed_link(headers)
    ):
        return None
    return Refusal(403, "found a request of another site's page, expected this server's own")


def _is_followed_link(headers: Mapping[str, list[str]]) -> bool:
    return headers.get("sec-fetch-mode") == ["navigate"] and headers.get("sec-fetch-dest") == [
        "document"
    ]


def _of_address(scope: Mapping, doors: Doors) -> Refusal | None:
    path = scope["path"]
    if any(path == closed or path.startswith(f"{closed}/") for closed in doors.closed):
        return Refusal(404, "found nothing at this address")
    if path in doors.without_query and scope["method"] in _READS and scope.get("query_string"):
        return Refusal(
            405, "found a query in the address, expected it as JSON by POST", {"Allow": "POST"}
        )
    return None


def _of_kind(headers: Mapping[str, list[str]]) -> Refusal | None:
    """JSON alone, by its exact name: a foreign page's form or fetch can't send that without asking
    first.
    """
    kinds = [kind.partition(";")[0].strip().lower() for kind in headers.get("content-type", [])]
    if kinds == ["application/json"] and "content-encoding" not in headers:
        return None
    return Refusal(415, "found another Content-Type, expected application/json")


# --- bodies -------------------------------------------------------------------------------------


async def _body(receive) -> tuple[bytes, Refusal | None]:
    """The request's bytes, and why they are refused."""
    parts, size, is_more = [], 0, True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", Refusal(400, "found the end of the connection before that of the request")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        is_more = message.get("more_body", False)
        if size > _MOST_BYTES:
            return b"", Refusal(
                413,
                f"found more than {_MOST_BYTES:,} bytes, expected less",
                {"Connection": "close"},
            )
    return b"".join(parts), None


def _of_json(body: bytes, path: str, judge: Callable[[str, dict], str | None]) -> Refusal | None:
    """One object, nested as deep as programs nest them, that the server's own judge takes."""
    if _levels(body) > _MOST_LEVELS:
        return Refusal(400, f"found JSON nested deeper than {_MOST_LEVELS} levels, expected less")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(400, "found something else than JSON in UTF-8, expected an object")
    if not isinstance(value, dict):
        return Refusal(400, f"found {type(value).__name__}, expected a JSON object")
    sentence = judge(path, value)
    return Refusal(400, f"{sentence}: send what the pages send") if sentence else None


def _levels(body: bytes) -> int:
    """How deep its brackets are nested, those in texts apart."""
    level = deepest = 0
    for bracket in _BRACKETS.findall(_TEXTS.sub(b"", body)):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def _again(body: bytes, receive):
    """Gives the body that was read, then whatever else comes."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again():
        if pending:
            return pending.pop()
        return await receive()

    return receive_again


# --- answers ------------------------------------------------------------------------------------


def _answer(refusal: Refusal):
    async def answer(scope, receive, send) -> None:
        body = json.dumps({"detail": refusal.sentence}).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **refusal.headers,
        }
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body}
        )

    return answer


def _with_headers(send, headers: Mapping[str, str]):
    more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def send_with_headers(message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {bytes(name).lower() for name, _ in given}
            message = message | {"headers": [*given, *(one for one in more if one[0] not in names)]}
        await send(message)

    return send_with_headers


def _headers(scope: Mapping) -> dict[str, list[str]]:
    values_of: dict[str, list[str]] = {}
    for name, value in _pairs(scope["headers"]):
        values_of.setdefault(name, []).append(value)
    return values_of


def _pairs(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        yield name.decode("latin-1").lower(), value.decode("latin-1").strip()
