"""The secret by which a site names its alerts, so that a name that leaves it can't be tried back to
a patient's id.

Here: that secret, from FLOE_ALERTS_SECRET or a file of the home. Not here: the name
(transforms/alerting/news.py).

The same secret gives the same names: a backup holds the file, for under other names every alert
would be told again.
"""

import hashlib
import re
import secrets

from transforms.alerting.rules import RULES
from transforms.errors import UsageError

from ..copies import write_whole

KEY_FILE = "alerts.key"
_SHORTEST = 16  # characters of a secret of the site's own
_KEY = re.compile(r"[0-9a-f]{64}")
# A name as Floe gives it: what names an alert of another program may say anything.
_OWN_NAME = re.compile(
    rf"unreadable-floe\.[a-z_]+\.v1-[a-z_]+-\d{{8}}T\d\dZ|({'|'.join(RULES)})-[0-9a-f]{{16}}"
)


def has_key(settings) -> bool:
    """Whether the site has a secret already: who only reads makes none."""
    return bool(settings.alerts_secret) or (settings.home / KEY_FILE).exists()


def naming_key(settings) -> bytes:
    """32 bytes; makes the file where there is none. Raises UsageError for a secret that is too
    short, a file that is none.
    """
    if settings.alerts_secret:
        if len(settings.alerts_secret) < _SHORTEST:
            raise UsageError(
                f"FLOE_ALERTS_SECRET has fewer than {_SHORTEST} characters: take a longer one, at random"
            )
        return hashlib.sha256(settings.alerts_secret.encode()).digest()
    path = settings.home / KEY_FILE
    if not path.exists():
        write_whole(path, secrets.token_hex(32).encode())
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not _KEY.fullmatch(text):
        raise UsageError(
            f"{path} should hold 64 hexadecimal digits, the secret by which alerts are named, and does not: take it from a "
            "backup, or remove it (then every alert gets a new name and is told again)"
        )
    return bytes.fromhex(text)


def kept_files(settings) -> dict[str, bytes]:
    """What a backup holds of it: a file's name below the home -> its content."""
    path = settings.home / KEY_FILE
    if not path.exists():
        return {}
    return {KEY_FILE: path.read_bytes()}


def outward(alert_id: str, *, key: bytes) -> str:
    """The name under which an alert leaves the site: its own, or for one that another program named
    a name like it.
    """
    if _OWN_NAME.fullmatch(alert_id):
        return alert_id
    digest = hashlib.blake2b(alert_id.encode(), digest_size=8, key=key)
    return f"other-{digest.hexdigest()}"
