"""No verb tells a password, whatever goes wrong: neither its output nor what it leaves under the
home.

Here: the verbs in processes of their own, beside a catalog, a Kafka and an S3 that do not answer.
Not here: every spelling of a password (tests/ingest/test_secrecy.py).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.broker.process import free_port

ROOT = Path(__file__).parents[2]
PASSWORDS = {
    "words": "postgres:host=127.0.0.1 port={port} connect_timeout=2 user=ward password='{password}'",
    "URI": "postgres:postgresql://ward:{password}@127.0.0.1:{port}/lake",
}
PASSWORD = "zq@7 K/w:9#x%Q&yj=Vv"  # of characters that libpq and URIs split at
VERBS = (
    ["doctor"],
    ["doctor", "--json"],
    ["status"],
    ["status", "--json"],
    ["sql", "SELECT 1"],
    ["verify"],
    ["materialize"],
    ["ingest", "--drain"],
    ["rejects"],
    ["broker", "status"],
)


def pieces(secret: str) -> set[str]:
    return {secret[k : k + 4] for k in range(len(secret) - 3)}


def everything_said(home: Path, environment: dict[str, str], words: list[str]) -> str:
    """What the verb printed, and the text of every file that it left."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("FLOE_", "AWS_", "PG", "DAGSTER_"))
    }
    ended = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *words],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    left = "".join(f.read_bytes().decode(errors="replace") for f in home.rglob("*") if f.is_file())
    return ended.stdout + ended.stderr + left


@pytest.mark.parametrize("spelling", PASSWORDS)
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_tells_a_password(tmp_path, spelling, words):
    """Four characters that follow each other in a password or key are nowhere in what is printed or
    kept.
    """
    home, port = tmp_path / "home", free_port()
    environment = {
        "FLOE_HOME": str(home),
        "FLOE_CATALOG": PASSWORDS[spelling].format(port=port, password=PASSWORD),
        "FLOE_DATA": f"s3://bucket/lake/?s3_secret_access_key={PASSWORD}",
        "FLOE_KAFKA_BOOTSTRAP": f"127.0.0.1:{port}",
        "FLOE_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "FLOE_KAFKA_SASL_MECHANISM": "PLAIN",
        "FLOE_KAFKA_USERNAME": "ward",
        "FLOE_KAFKA_PASSWORD": PASSWORD,
        "AWS_ACCESS_KEY_ID": PASSWORD[::-1],
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_SESSION_TOKEN": PASSWORD,
    }
    said = everything_said(home, environment, words)
    assert said, "a verb that says nothing proves nothing"
    assert not {piece for piece in pieces(PASSWORD) | pieces(PASSWORD[::-1]) if piece in said}
