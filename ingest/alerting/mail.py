"""E-mail: one message a delivery, taken when the server has taken it for at least one of those it is to.

Here: what goes over the wire of SMTP. Not here: what it says (wording.py), when it is sent again (sender.py).
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
    """Raises Undelivered; of several addresses one that is refused while another is taken is said in the log."""
    refused = send(sink, message(sink, delivery_id, payload))
    if refused:
        _LOG.warning("%s: the mail server does not take mail for %s", sink.name, ", ".join(refused))


def message(sink: Email, delivery_id: str, payload: dict) -> EmailMessage:
    """The mail of a delivery: one Message-ID however often it is sent, and the alert's own as its thread."""
    mail = EmailMessage()
    mail["Subject"] = subject(payload)
    mail["From"], mail["To"] = sink.sender, ", ".join(sink.to)
    mail["Date"] = formatdate()
    mail["Message-ID"] = _named(delivery_id)
    mail["References"] = _named(payload["alert_id"])
    mail["Auto-Submitted"] = "auto-generated"  # no answer that somebody is on holiday
    mail.set_content(text(payload))
    return mail


def _named(id: str) -> str:
    return f"<{hashlib.sha256(id.encode()).hexdigest()[:32]}@floe>"


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
        said = without_secrets(f"{error.smtp_code} {error.smtp_error!r}", sink)
        raise Undelivered(
            f"{_where(sink)} refuses mail ({said})", is_refused=isinstance(error, smtplib.SMTPDataError)
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        said = without_secrets(error.recipients, sink)
        raise Undelivered(f"{_where(sink)} refuses mail for {said}", is_refused=True) from None
    except (OSError, ValueError, smtplib.SMTPException) as error:
        said = without_secrets(str(error) or type(error).__name__, sink)
        raise Undelivered(f"{_where(sink)} does not take mail ({said})") from None


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
        refused = server.send_message(mail)
        with suppress(OSError, smtplib.SMTPException):  # it has the mail
            server.quit()
        return sorted(refused)
    finally:
        server.close()


def _trusted(sink: Email) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=sink.ca_file)


def _where(sink: Email) -> str:
    return f"{sink.name} at {sink.host}:{sink.port}"
