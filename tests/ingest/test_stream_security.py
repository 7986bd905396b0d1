"""Any other Kafka, behind TLS and a password: the FLOE_KAFKA_* settings, on a real broker that asks
for them.
"""

import shutil
import subprocess
import time

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from ingest import stream
from ingest.broker import java as broker_java
from ingest.broker import process as broker_process
from ingest.settings import Settings
from transforms.errors import BrokerMissing

USER, PASSWORD = "floe", "correct horse"
SECURITY = """
listeners=PLAINTEXT://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller},SASL_SSL://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:{inner},SASL_SSL://localhost:{port}
controller.quorum.voters=1@127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory, downloads):
    """Settings that lead to a Kafka with a certificate of its own and one user."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("secured")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "keystore.pem").write_text(key.read_text() + certificate.read_text())
    home = Settings(
        home=folder,
        cache=str(downloads),
        broker_port=broker_process.free_port(),
        kafka_bootstrap="",
    )
    java = broker_java.java(home, progress=print)
    assert broker_java.format_storage(home, java) == []
    command = broker_java.server(home, java)
    port = broker_process.free_port()
    with (broker_java.folder(home) / "server.properties").open("a") as properties:
        properties.write(
            SECURITY.format(
                inner=home.broker_port,
                controller=broker_process.free_port(),
                port=port,
                user=USER,
                password=PASSWORD,
                keystore=folder / "keystore.pem",
            )
        )
    log = broker_java.log_folder(home) / "console.log"
    kafka = broker_process.by_pid(
        broker_process.keep(
            command, log=log, tied=True, grace_s=10, **broker_java.surroundings(home)
        )["pid"]
    )
    settings = Settings(
        home=folder,
        kafka_bootstrap=f"localhost:{port}",
        kafka_security="SASL_SSL",
        kafka_ca_file=str(certificate),
        kafka_sasl_mechanism="PLAIN",
        kafka_username=USER,
        kafka_password=PASSWORD,
    )
    deadline = time.monotonic() + 60
    while not stream.is_reachable(home) and time.monotonic() < deadline:
        assert broker_process.is_alive(kafka), log.read_text()
        time.sleep(0.1)
    _let_in_by_scram(home)
    yield settings
    broker_process.end(kafka, timeout_s=20)


def _let_in_by_scram(home: Settings) -> None:
    """Gives the user a SCRAM password, through the listener that asks for none."""
    admin = KafkaAdminClient(bootstrap_servers=home.bootstrap)
    for kind in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        answer = admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(USER, kind, PASSWORD)]
        )
        assert answer == {USER: None}
    admin.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_events_pass_over_tls_with_a_password(secured, mechanism):
    """Topics, publishing and reading all use the settings; each event comes once, beside those of
    other mechanisms.
    """
    settings = secured.model_copy(update={"kafka_sasl_mechanism": mechanism})
    stream.require_reachable(settings)
    sent = [b"%s-%d" % (mechanism.encode(), i) for i in range(100)]
    stream.publish(settings, [("floe.clinics.v1", b"k", value) for value in sent])
    found = []
    with stream.Source(settings) as source:
        deadline = time.monotonic() + 20
        while not set(found).issuperset(sent) and time.monotonic() < deadline:
            found += [value for batch in source.poll() for value in batch.values]
    assert sorted(value for value in found if value in sent) == sorted(sent)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"kafka_password": "wrong"}, "refuses this client"),
        (
            {"kafka_password": "wrong", "kafka_sasl_mechanism": "SCRAM-SHA-512"},
            "refuses this client",
        ),
        ({"kafka_ca_file": ""}, r"no Kafka answers at .*certificate verify failed"),
        ({"kafka_security": "PLAINTEXT", "kafka_sasl_mechanism": ""}, "no Kafka answers"),
    ],
)
def test_wrong_security_is_one_sentence_that_names_the_settings(secured, wrong, sentence):
    """Exit code 3; the sentence names the settings to look at, and never the password."""
    with pytest.raises(BrokerMissing, match=sentence) as raised:
        stream.require_reachable(secured.model_copy(update=wrong), timeout_s=3)
    assert "FLOE_KAFKA_" in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert not stream.is_reachable(secured.model_copy(update=wrong), timeout_s=3)
