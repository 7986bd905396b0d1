"""E-mail: one message a delivery, taken when the server has taken it for at least one of those it
is to.

Here: what goes over the wire of SMTP. Not here: what it says (wording.py), when it is sent again
(sender.py).
"""

import hashlib
import logging
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate

from .duty import Email
from .undelivered import SILENT_S, Undelivered, deadline, secret, without_secrets
from .wording import subject, text

_LOG = logging.getLogger(__name__)


def to_email(sink: Email, delivery_id: str, payload: dict) -> None:
    """Raises Undelivered; of several addresses one that is refused while another is taken is said
    in the log.
    """
    refused = send(sink, message(sink, delivery_id, payload))
    if refused:
        _LOG.warning("%s: the mail server does not take mail for %s", sink.name, ", ".join(refused))


def message(sink: Email, delivery_id: str, payload: dict) -> EmailMessage:
    """The mail of a delivery: one Message-ID however often it is sent, and the alert's own as its
    thread.
    """
    mail = EmailMessage()
    mail["Subject"] = subject(payload)
    mail["From"], mail["To"] = spelled(sink.sender), ", ".join(map(spelled, sink.to))
    mail["Date"] = formatdate()
    mail["Message-ID"] = _named(delivery_id)
    mail["References"] = _named(payload["alert_id"])
    mail["Auto-Submitted"] = "auto-generated"  # no answer that somebody is on holiday
    mail.set_content(text(payload))
    return mail


def _named(id: str) -> str:
    digest = hashlib.sha256(id.encode()).hexdigest()
    return f"<{digest[:32]}@floe>"


def send(sink: Email, mail: EmailMessage) -> list[str]:
    """The addresses that the server refused, where it took the mail for others."""
    try:
        server = (
            smtplib.SMTP_SSL(timeout=SILENT_S, context=_trusted(sink))
            if sink.is_tls == "tls"
            else smtplib.SMTP(timeout=SILENT_S)
        )
        with deadline(lambda: server.sock):
            return _sent(server, sink, mail)
    except Undelivered:
        raise
    except smtplib.SMTPResponseException as error:
        answer = without_secrets(f"{error.smtp_code} {error.smtp_error!r}", sink)
        raise Undelivered(
            f"{_where(sink)} refuses mail ({answer})",
            is_refused=isinstance(error, smtplib.SMTPDataError),
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        answer = without_secrets(error.recipients, sink)
        raise Undelivered(f"{_where(sink)} refuses mail for {answer}", is_refused=True) from None
    except (OSError, ValueError, smtplib.SMTPException) as error:
        answer = without_secrets(str(error) or type(error).__name__, sink)
        raise Undelivered(f"{_where(sink)} does not take mail ({answer})") from None


def _sent(server: smtplib.SMTP, sink: Email, mail: EmailMessage) -> list[str]:
    server._host = sink.host  # by which the certificate is verified
    try:
        code, greeting = server.connect(sink.host, sink.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, greeting)
        if sink.is_tls == "starttls":
            server.starttls(context=_trusted(sink))
        if sink.username:
            server.login(sink.username, secret(sink.password_env))
        reached, beyond = _reached(server, sink)
        refused = server.send_message(mail, spelled(sink.sender), _to(mail, reached))
        with suppress(OSError, smtplib.SMTPException):  # it has the mail
            server.quit()
        return sorted([*refused, *beyond])
    finally:
        server.close()


def spelled(address: str) -> str:
    """The address with its domain as any mail server takes it (IDNA)."""
    name, _, domain = address.rpartition("@")
    try:
        return address if domain.isascii() else f"{name}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


def on_any_server(address: str) -> bool:
    """Whether a server needs no SMTPUTF8 (RFC 6531) for it."""
    return spelled(address).isascii()


def _reached(server: smtplib.SMTP, sink: Email) -> tuple[list[str], list[str]]:
    """The addresses that this server can be asked to send to, and those that it can't; Undelivered
    where there are none.
    """
    server.ehlo_or_helo_if_needed()
    if server.has_extn("smtputf8"):
        return [spelled(address) for address in sink.to], []
    beyond = [address for address in sink.to if not on_any_server(address)]
    reached = [spelled(address) for address in sink.to if address not in beyond]
    strange = beyond if not reached else [] if on_any_server(sink.sender) else [sink.sender]
    if strange:
        raise Undelivered(
            f"{_where(sink)} takes no {', '.join(strange)}: it lacks SMTPUTF8; give addresses that are ASCII before the @"
        )
    return reached, beyond


def _to(mail: EmailMessage, addresses: list[str]) -> list[str]:
    """Those, and the mail says so: one that names another could not be sent."""
    del mail["To"]
    mail["To"] = ", ".join(addresses)
    return addresses


def _trusted(sink: Email) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=sink.ca_file)


def _where(sink: Email) -> str:
    return f"{sink.name} at {sink.host}:{sink.port}"
