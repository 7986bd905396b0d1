"""Real receivers of what Floe sends, on this machine: of webhooks and of mail, each keeps a list of
what it took.

Here: the servers, and a certificate for them. Not here: what they are tried with
(tests/ingest/alerting).
"""

import base64
import json
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# What a sink is given of an alert.
PAYLOAD = {
    "version": 1,
    "news": "opened",
    "alert_id": "harm-1",
    "rule": "harm",
    "title": "harm to a patient",
    "tier": "now",
    "clinic_id": "C1",
    "link": "https://floe.example/safety?alert=harm-1",
}


class Receiver:
    """A receiver of webhooks: `taken` is (delivery id, body as JSON, headers with the raw body).

    `answers`: status codes to give first, each with `headers`; `answer`: the body of a refusal;
    `pause_s`: before each.
    """

    def __init__(self, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.taken: list[tuple[str, dict, dict]] = []
        self.answers: list[int] = []
        self.headers: dict[str, str] = {}
        self.answer = b"no"
        self.pause_s = 0.0
        self.paths: list[str] = []
        self.port = 0
        self._host, self._tls = host, tls
        self._server: ThreadingHTTPServer | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.paths.append(self.path)
                time.sleep(receiver.pause_s)
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == 200:
                    receiver.taken.append(
                        (
                            self.headers["Floe-Delivery"],
                            json.loads(body),
                            {**self.headers, "body": body},
                        )
                    )
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if status == 200 else receiver.answer)

            def log_message(self, *_) -> None:
                pass

        class Server(ThreadingHTTPServer):
            address_family = 10 if ":" in host else 2  # AF_INET6, AF_INET
            daemon_threads = True

            def handle_error(self, *_) -> None:  # a client that went away
                pass

        self._handler, self._kind = Handler, Server

    def start(self) -> None:
        self._server = self._kind((self._host, self.port), self._handler)
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/"


class Talker:
    """A server that sends fixed bytes, one piece after the other with a pause, to whoever connects;
    it never reads.
    """

    def __init__(self, pieces, *, pause_s: float = 0.0) -> None:
        stop = self._stop = threading.Event()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    for piece in pieces:
                        self.request.sendall(piece)
                        if stop.wait(pause_s):
                            return
                except OSError:
                    pass  # cut off, as it should be

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, block_on_close = True, True, False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()


class MailServer:
    """A receiver of mail: `taken` is (recipients, message, raw bytes, whether over TLS, who signed
    in).

    `refuses`: replies to give instead, by verb or by "RCPT address". `tls`: offers STARTTLS, or
    speaks it from the beginning (`is_tls`). `users`: who may sign in, by password; without any
    nobody need.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, is_tls: bool = False, users: dict | None = None
    ) -> None:
        self.taken: list[tuple] = []
        self.refuses: dict[str, str] = {}
        self.tls, self.is_tls, self.users = tls, is_tls, users or {}
        mail_server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(
                    OSError, ValueError
                ):  # the client went away, or does not trust the certificate
                    _Conversation(mail_server, self).run()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Conversation:
    """One client, by RFC 5321, with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954)."""

    def __init__(self, server: MailServer, handler) -> None:
        self._server, self._sock, self._file = server, handler.connection, handler.rfile
        self._is_tls, self._user, self._recipients = False, None, []
        if server.is_tls:
            self._begin_tls()

    def _begin_tls(self) -> None:
        self._sock = self._server.tls.wrap_socket(self._sock, server_side=True)
        self._file, self._is_tls = self._sock.makefile("rb"), True

    def _say(self, line: str) -> None:
        self._sock.sendall(line.encode() + b"\r\n")

    def run(self) -> None:
        self._say(self._server.refuses.get("greeting", "220 receiver"))
        while line := self._file.readline().decode():
            verb, _, rest = line.strip().partition(" ")
            refusal = self._server.refuses.get(verb.upper()) or self._server.refuses.get(
                line.strip().upper()
            )
            if refusal:
                self._say(refusal)
            elif getattr(self, f"_{verb.lower()}", self._unknown)(rest):
                return

    def _unknown(self, _) -> None:
        self._say("502 not known")

    def _ehlo(self, _) -> None:
        offers = ["receiver"]
        offers += ["STARTTLS"] if self._server.tls and not self._is_tls else []
        offers += ["AUTH PLAIN"] if self._server.users else []
        self._say("\r\n".join([*(f"250-{offer}" for offer in offers), "250 HELP"]))

    def _starttls(self, _) -> None:
        self._say("220 go on")
        self._begin_tls()

    def _auth(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        is_known = self._server.users.get(user) == password
        self._user = user if is_known else None
        self._say("235 welcome" if is_known else f"535 {user} with {password} is not known")

    def _mail(self, _) -> None:
        may = self._user or not self._server.users
        self._recipients = []
        self._say("250 ok" if may else "530 sign in first")

    def _rcpt(self, rest: str) -> None:
        address = rest.partition("<")[2].partition(">")[0]
        self._recipients.append(address)
        self._say("250 ok")

    def _data(self, _) -> None:
        self._say("354 go on")
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        raw = b"".join(lines)
        mail = message_from_bytes(raw, policy=policy.default)
        self._server.taken.append((self._recipients, mail, raw, self._is_tls, self._user))
        self._say("250 taken")

    def _quit(self, _) -> bool:
        self._say("221 bye")
        return True


def certificate(folder: Path, *, host: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """(the authority's certificate, a server's context): made for this run, for an address or
    name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    alternative = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "receiver.pem", folder / "receiver.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
