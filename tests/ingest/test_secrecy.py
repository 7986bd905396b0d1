"""What is secret stays so: however a password is written, no four characters of it are in what
anybody reads.

Here: every spelling, awkward passwords, log lines, tracebacks. Not here: the verbs
(tests/orchestration/test_secrets.py).
"""

import logging
import re
import traceback
from urllib.parse import quote

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.lake import Lake
from ingest.secrecy import cleaned, hidden, hide_everywhere
from ingest.settings import Settings
from transforms.errors import FloeError

AWKWARD = [
    "hunter2hunter2",
    "p@ssw0rd",
    "a b c d e f",
    "it's me: O'Brien",
    "pass'word host=evil",
    "back\\slash\\'quote",
    "colon:slash/hash#question?amp&eq=",
    "100%41percent%zz",
    'double"quote',
    "@@@@@@",
    ":::///",
    "****x****",
    "password=password=again",
    "naïve pässwörd 密码密码",
    "tab\tand\nnewline",
    "x@y@z/w:v",
    "{json: 'yes'}",
    "$1\\1\\g<0>",
    "&host=other",
    "sslmode=require-not",
    "'",
    "''quoted''",
]
# What a password is made of: blanks, and all that a connection string has a meaning for.
PASSWORDS = st.text(
    st.sampled_from("abcXYZ019 @:/#%?&='\"\\*;,._-+~$^(){}[]<>|!\té密"), min_size=4, max_size=24
)


def libpq(password: str) -> str:
    return "'" + password.replace("\\", "\\\\").replace("'", "\\'") + "'"


SPELLINGS = {
    "URI": lambda p: f"postgres:postgresql://floe:{quote(p, safe='')}@db.example:5432/lake",
    "URI, nothing escaped": lambda p: f"postgres:postgresql://floe:{p}@db.example:5432/lake",
    "URI, in its query": lambda p: (
        f"postgres:postgresql://db.example/lake?user=floe&password={quote(p, safe='')}"
    ),
    "URI, in its query, nothing escaped": lambda p: (
        f"postgres:postgresql://db.example/lake?user=floe&password={p}"
    ),
    "words": lambda p: f"postgres:host=db.example password={libpq(p)} user=floe dbname=lake",
    "words, blanks about =": lambda p: (
        f"postgres:host = db.example password = {libpq(p)} user = floe"
    ),
    "words, nothing quoted": lambda p: f"postgres:host=db.example user=floe password={p}",
    "words, the quote not closed": lambda p: f"postgres:host=db.example user=floe password='{p}",
    "the key's own": lambda p: (
        f"postgres:host=db.example sslkey=k sslpassword={libpq(p)} user=floe"
    ),
}


def pieces(secret: str) -> set[str]:
    return {secret[k : k + 4] for k in range(len(secret) - 3)}


def said_of(text: str) -> set[str]:
    """What a library may say of a setting: all of it, or any part between the marks that it splits
    at.
    """
    parts = {part for mark in " @:/=&'" for part in text.split(mark)}
    return {
        text,
        repr(text),
        text.replace("'", "''"),
        *parts,
        *(f'could not translate host name "{p}"' for p in parts),
    }


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(password=PASSWORDS)
@example(password="it's me: O'Brien")
@example(password="p@ssw0rd of many words")
@example(password="back\\slash\\'quote")
def test_no_piece_is_left(spelling, password):
    """In any spelling, said whole or in part, no four characters of a password stay that the rest
    does not have.
    """
    catalog = SPELLINGS[spelling](password)
    settings = Settings(catalog=catalog)
    own = SPELLINGS[spelling]("\0") + "***could not translate host name"
    for text in said_of(catalog):
        left = {
            piece
            for piece in pieces(password)
            if piece in hidden(text, settings) and piece not in own
        }
        assert not left, (text, hidden(text, settings))


@pytest.mark.parametrize("password", AWKWARD)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_no_secret_stays(spelling, password):
    """Host and user before a password are told, so that a message still says what to look at."""
    shown = hidden(catalog := SPELLINGS[spelling](password), Settings(catalog=catalog))
    assert "db.example" in shown or "nothing escaped" in spelling
    assert "***" in shown or password == "&host=other"  # which is no password there, for nobody


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://a:b@c/d", "postgresql://a:***@c/d"),
        ("password=x host=h", "password=*** host=h"),
        ("{'sasl_plain_password': 'x', 'a': 1}", "{'sasl_plain_password': ***, 'a': 1}"),
        (
            "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b''c', REGION 'd')",
            "CREATE SECRET s (TYPE s3, KEY_ID ***, SECRET ***, REGION 'd')",
        ),
        (
            "s3://b/p?s3_secret_access_key=abc&region=x",
            "s3://b/p?s3_secret_access_key=***&region=x",
        ),
        (
            'password required: username="u" password="abc";',
            'password required: username="u" password=***;',
        ),
        ("nothing secret here: id=5, token count 7", "nothing secret here: id=5, token count 7"),
        ("/home/a:b@c", "/home/a:b@c"),
        ("", ""),
    ],
)
def test_secrets_of_no_setting(text, shown):
    """What is a secret by its shape is hidden though no setting holds it."""
    assert hidden(text) == shown


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "FLOE_KAFKA_PASSWORD", "PGPASSWORD"]
)
@pytest.mark.parametrize("password", [p for p in AWKWARD if len(p) > 3])
def test_secrets_of_the_environment(monkeypatch, name, password):
    """Keys, tokens and passwords that stand in a variable of their own go wherever they are
    said.
    """
    monkeypatch.setenv(name, password)
    for text in (
        f"HTTP 403 with {password}!",
        f"{password!r}",
        password[:-1],
        f"signed by {quote(password)}",
    ):
        assert not {p for p in pieces(password) if p in hidden(text)} - pieces(
            "HTTP 403 with ***! signed by ***"
        )


def test_settings_printed(monkeypatch):
    """Printing the settings, or an error about them, tells no password."""
    settings = Settings(catalog="postgres:host=h password='a b c d'", kafka_password="tell no one")
    assert "a b" not in repr(settings) + str(settings)
    assert "tell" not in repr(settings)
    assert settings.catalog == "postgres:host=h password='a b c d'"


@pytest.fixture
def hides():
    """`hide_everywhere`, taken back at the end."""
    import sys
    import threading

    before = logging.getLogRecordFactory(), sys.excepthook, threading.excepthook
    hide_everywhere()
    yield
    logging.setLogRecordFactory(before[0])
    sys.excepthook, threading.excepthook = before[1:]


def test_log_lines(hides, monkeypatch, caplog):
    """A log line, its arguments and its traceback, of any library's logger."""
    monkeypatch.setenv("FLOE_KAFKA_PASSWORD", "s3cr&t wörd")
    try:
        raise ValueError("SASL said s3cr&t wörd")
    except ValueError:
        logging.getLogger("kafka.sasl").exception(
            "auth of %s failed, %s", {"password": "s3cr&t wörd"}, "s3cr&t wörd"
        )
    assert "auth of" in caplog.text
    assert "Traceback" in caplog.text
    assert not {p for p in pieces("s3cr&t wörd") if p in caplog.text}


@pytest.mark.parametrize("password", [p for p in AWKWARD if len(p) > 3])
def test_errors_of_the_catalog(tmp_path, password):
    """DuckDB repeats the connection string of a server that it can't reach: neither the sentence
    nor any cause has it.
    """
    catalog = (
        f"postgres:host=127.0.0.1 port=1 connect_timeout=1 user=floe password={libpq(password)}"
    )
    settings = Settings(home=tmp_path, catalog=catalog)
    with pytest.raises(FloeError) as caught:
        Lake.open(settings)
    text = "".join(traceback.format_exception(caught.value))
    assert "127.0.0.1" in text
    source = re.sub(r"\s+", " ", catalog.replace(libpq(password), ""))
    assert not {p for p in pieces(password) if p in str(caught.value) and p not in source}


def test_a_chain_is_cleaned_to_its_end():
    """Every cause and context of an error, those that name each other too."""
    settings = Settings(catalog="postgres:host=h password=abcdefgh")
    first, second = duckdb.IOException("at abcdefgh"), ValueError("abcdefgh")
    first.__cause__, second.__context__ = second, first
    assert cleaned(first, settings) is first
    assert "abcd" not in str(first) + str(second)
