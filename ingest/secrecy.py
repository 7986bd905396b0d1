"""What no one may read from what Floe prints, logs or stores: passwords, keys and tokens of its
settings.

Here: which texts are secret, in every spelling of a setting, and the one function that takes them
out of any text. Not here: printing. A library's message may hold a piece of a password that was
split at a blank or an @, so pieces go too: no four characters that follow each other in a secret
stay, wherever they come from.
"""

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MARK = "***"
_PIECE = 4  # characters
_NAME = (
    r"(?:\w*(?:password|passwd|passphrase|secret|token|access_key|jaas)[\w.]*|pwd|scram_\w+_key|key_id"
    r"|x-amz-(?:signature|credential|security-token)|signature)"
)
# Names that end a value that is not in quotes: libpq's words, and those of a query string.
_NEXT = (
    r"(?:host|hostaddr|port|dbname|user|passfile|require_auth|channel_binding|connect_timeout|client_encoding|options"
    r"|application_name|fallback_application_name|keepalives\w*|tcp_user_timeout|replication|gss\w+|krbsrvname|ssl\w+"
    r"|requirepeer|requiressl|min_protocol_version|max_protocol_version|service|target_session_attrs"
    r"|load_balance_hosts|region|endpoint|url_style|use_ssl|s3_\w+|" + _NAME + r")\s*="
)
_GIVEN = re.compile(rf"(?i)(?<![\w.]){_NAME}\s*=")
_END = re.compile(rf"(?i)[\s&;](?={_NEXT})")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_USER = re.compile(r"://[^:/@\s]*:")
_SECRET_VARIABLE = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|ACCESS_KEY|JAAS")
_OURS = ("FLOE_", "AWS_", "PG")
# What can be told without knowing the secret: messages about settings that are not (or no longer)
# in force.
_ANYWHERE = (
    (re.compile(r"(://[^:/@\s]*:)\S*@"), rf"\1{MARK}@"),
    (
        re.compile(
            rf"(?i)(?<![\w.])({_NAME}\s*=\s*)(?!\*\*\*)('(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s&;,]+)"
        ),
        rf"\1{MARK}",
    ),
    (
        re.compile(rf"(?i)(['\"]{_NAME}['\"]\s*:\s*)('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"),
        rf"\1{MARK}",
    ),
    (
        re.compile(r"(?i)\b((?:KEY_ID|SECRET|SESSION_TOKEN|PASSWORD)\s+)'(?:[^']|'')*'"),
        rf"\1{MARK}",
    ),
)


def hidden(text: object, settings=None) -> str:
    """The text with *** for every secret of the environment and of `settings`, and for every piece
    of one.
    """
    text, values = str(text), _values(settings)
    for whole, shown in _shown(values).items():
        text = text.replace(whole, shown)
    text = _without_pieces(text, _pieces(values))
    for pattern, replacement in _ANYWHERE:
        text = pattern.sub(replacement, text)
    return text


def cleaned(error: BaseException, settings=None) -> BaseException:
    """The error itself and what caused it, their messages without secrets: for whoever prints the
    whole chain.
    """
    seen: set[int] = set()
    pending = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.args = tuple(hidden(a, settings) if isinstance(a, str) else a for a in one.args)
        pending += [one.__cause__, one.__context__]
    return error


def hide_everywhere() -> None:
    """From here on no log line and no traceback of this process holds a secret of its
    environment.
    """
    make = logging.getLogRecordFactory()
    if getattr(make, "hides", False):
        return
    logging.setLogRecordFactory(_hiding(make))
    sys.excepthook = _print_hidden
    threading.excepthook = lambda args: _print_hidden(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def _hiding(make):
    def record(*args, **names):
        made = make(*args, **names)
        try:
            made.msg, made.args = hidden(made.getMessage()), None
        except (TypeError, ValueError, KeyError):  # logging itself says so of a wrong format
            return made
        if made.exc_info and made.exc_info[0]:
            made.exc_text = hidden("".join(traceback.format_exception(*made.exc_info))).rstrip("\n")
        return made

    record.hides = True
    return record


def _print_hidden(kind, error, trace) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(hidden(text))


def _values(settings) -> tuple[tuple[str, str], ...]:
    """(variable, text) of everything that may hold a secret: the environment's, then the
    settings'.
    """
    own = {} if settings is None else _named(settings)
    return tuple(sorted({*_of_environment(os.environ), *own.items()}))


def _of_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in environ.items() if name.startswith(_OURS) and value)


def _named(settings) -> dict[str, str]:
    names = type(settings).model_fields
    return {
        f"FLOE_{n.upper()}": v for n in names if isinstance(v := getattr(settings, n), str) and v
    }


@lru_cache(maxsize=32)
def _shown(values: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """How each whole setting reads that holds a secret, the longest first."""
    shown: dict[str, str] = {}
    for name, value in values:
        for text in (value, value.partition(":")[2], value.replace("'", "''")):
            if not _SECRET_VARIABLE.search(name) and (spans := _spans(text)):
                shown[text] = _marked(text, spans)
    return dict(sorted(shown.items(), key=lambda one: -len(one[0])))


@lru_cache(maxsize=32)
def _pieces(values: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """Every run of four characters of every spelling of every secret."""
    spellings = {
        s for name, value in values for secret in _secrets(name, value) for s in _spellings(secret)
    }
    return frozenset(s[k : k + _PIECE] for s in spellings for k in range(len(s) - _PIECE + 1))


def _secrets(name: str, value: str) -> Iterable[str]:
    if _SECRET_VARIABLE.search(name):
        return [value]
    spans = _spans(value)
    return [value[start:end] for start, end in spans]


def _spellings(secret: str) -> Iterator[str]:
    bare = secret.strip()[1:-1] if _QUOTED.fullmatch(secret.strip()) else secret
    for text in {
        secret,
        bare,
        re.sub(r"\\(.)", r"\1", bare, flags=re.DOTALL),
        bare.replace("''", "'"),
    }:
        yield from (
            text,
            unquote(text),
            unquote_plus(text),
            quote(text, safe=""),
            quote(text),
            quote_plus(text),
        )
        yield from (text.replace("'", "''"), json.dumps(text)[1:-1], repr(text)[1:-1])


def _spans(text: str) -> list[tuple[int, int]]:
    """Where the secrets of a connection string or an address are, none too short: what is open to
    two readings is hidden by both.
    """
    return _joined([*_of_users(text), *_of_names(text)])


def _of_users(text: str) -> Iterator[tuple[int, int]]:
    """user:PASSWORD@: to the last @, for libpq and people differ on what an @ within means."""
    for user in _USER.finditer(text):
        if (end := text.rfind("@")) >= user.end():
            yield user.end(), end


def _of_names(text: str) -> Iterator[tuple[int, int]]:
    """password=VALUE: to the end of its quotes, or to the next word that libpq has, whichever is
    later.
    """
    for name in _GIVEN.finditer(text):
        start = name.end()
        end = following.start() if (following := _END.search(text, start)) else len(text)
        value = len(text) - len(text[start:].lstrip())
        if text.startswith("'", value):
            quoted = _QUOTED.match(text, value)
            end = max(end, quoted.end()) if quoted else len(text)
        if end > start:
            yield start, end


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            start, end = joined[-1][0], max(end, joined.pop()[1])
        joined.append((start, end))
    return joined


def _marked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], MARK]
        at = end
    return "".join([*parts, text[at:]])


def _without_pieces(text: str, pieces: frozenset[str]) -> str:
    """Each round is shorter than the one before, so that it ends."""
    while pieces:
        hits = [
            (k, k + _PIECE) for k in range(len(text) - _PIECE + 1) if text[k : k + _PIECE] in pieces
        ]
        if not hits:
            return text
        text = _marked(text, _joined(hits))
    return text
