"""A webhook: one POST a delivery, signed where a secret is set, taken when the receiver answers
2xx.

Here: what goes over the wire of HTTP. Not here: what it says (wording.py), when it is sent again
(sender.py).

Headers after Standard Webhooks (standardwebhooks.com), so that its libraries verify them:
`webhook-id` (the delivery's id, the same when it is sent again, so that a receiver can tell),
`webhook-timestamp` (Unix seconds of this attempt: what is older than five minutes is a replay) and,
with a secret, `webhook-signature: v1,BASE64`, the HMAC-SHA-256 of `id.timestamp.body`.
`Floe-Delivery` repeats the id.

A redirect is not followed and no proxy of the environment is used: nobody set that address. How
long a receiver may take and how much of its answer is read is bounded.
"""

import base64
import binascii
import hashlib
import hmac
import json
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, quote, urlsplit

from .duty import Webhook
from .undelivered import SILENT_S, Undelivered, address, deadline, secret, without_secrets
from .wording import FORMATS

_MOST_ANSWER = 200  # bytes of a refusal that are read
_LONGEST_WAIT_S = 3600.0  # whatever the receiver asks for
_KEY_PREFIX = "whsec_"
_BUSY = (429, 503)


def to_webhook(sink: Webhook, delivery_id: str, payload: dict) -> None:
    """Raises Undelivered unless the receiver took every body of the delivery."""
    url = address(sink)
    bodies = FORMATS[sink.format](sink, payload)
    for k, body in enumerate(bodies):
        last = k == len(bodies) - 1
        _post(
            sink,
            url,
            wire_id(delivery_id if last else f"{delivery_id}/{k}"),
            json.dumps(body, sort_keys=True).encode(),
        )


def wire_id(delivery_id: str) -> str:
    """The id as a header may hold it: ASCII, and without the dot that ends it in what is signed."""
    return quote(delivery_id, safe="/").replace(".", "%2E")


def signed(delivery: str, body: bytes, *, key: str, at: int) -> str:
    """`v1,BASE64`, as a receiver computes it to compare. A key `whsec_…` is base64, any other its
    own UTF-8.
    """
    digest = hmac.new(_key_bytes(key), f"{delivery}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key_bytes(key: str) -> bytes:
    if not key.startswith(_KEY_PREFIX):
        return key.encode()
    try:
        return base64.b64decode(key.removeprefix(_KEY_PREFIX), validate=True)
    except binascii.Error:
        raise Undelivered(
            f"a signing key that begins with {_KEY_PREFIX} is not base64 after it"
        ) from None


def _post(sink: Webhook, url: str, delivery: str, body: bytes) -> None:
    parts, at = urlsplit(url), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "floe",
        "Floe-Delivery": delivery,
        "webhook-id": delivery,
        "webhook-timestamp": str(at),
    }
    if sink.secret_env:
        headers["webhook-signature"] = signed(delivery, body, key=secret(sink.secret_env), at=at)
    try:
        connection = _connection(sink, parts)
        try:
            held = []  # a connection lets go of its socket before the answer's body is read
            with deadline(lambda: held[0] if held else connection.sock):
                connection.connect()
                held.append(connection.sock)
                connection.request("POST", _target(sink, url, parts), body, headers)
                _judge(sink, connection.getresponse())
        finally:
            connection.close()
    except Undelivered:
        raise
    except (OSError, ValueError, HTTPException) as error:
        reason = without_secrets(str(error) or type(error).__name__, sink)
        raise Undelivered(f"{sink.name} does not answer ({reason})") from None


def _connection(sink: Webhook, parts: SplitResult) -> HTTPConnection:
    host = (
        parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    )
    port = parts.port
    is_tls = parts.scheme == "https"
    context = ssl.create_default_context(cafile=sink.ca_file) if is_tls else None
    if not sink.proxy:
        return (
            HTTPSConnection(host, port, timeout=SILENT_S, context=context)
            if is_tls
            else HTTPConnection(host, port, timeout=SILENT_S)
        )
    proxy = urlsplit(sink.proxy)
    if not is_tls:
        return HTTPConnection(proxy.hostname, proxy.port, timeout=SILENT_S)
    connection = HTTPSConnection(proxy.hostname, proxy.port, timeout=SILENT_S, context=context)
    connection.set_tunnel(host, port)
    return connection


def _target(sink: Webhook, url: str, parts: SplitResult) -> str:
    if sink.proxy and parts.scheme == "http":
        return url
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _judge(sink: Webhook, answer: HTTPResponse) -> None:
    if 200 <= answer.status < 300:
        return
    answer_text = without_secrets(answer.read(_MOST_ANSWER).decode(errors="replace"), sink)
    if 300 <= answer.status < 400:
        answer_text = "a redirect, which is not followed"
    wait_s = _wait_s(answer.headers.get("Retry-After", "")) if answer.status in _BUSY else None
    is_busy = answer.status == 429 or wait_s is not None
    raise Undelivered(
        f"{sink.name} answered {answer.status} {answer_text!r}",
        is_refused=not is_busy,
        wait_s=wait_s,
    )


def _wait_s(after: str) -> float | None:
    """Seconds of a Retry-After header, which may be a date; null where there is none, or none that
    can be read.
    """
    if after.strip().isdecimal():
        seconds = float(after.strip())
    else:
        try:
            seconds = (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 1.0), _LONGEST_WAIT_S)
