import os
import subprocess

import pytest

from edge.config import MqttConfig
from edge.errors import PublishError
from edge.publish.credentials import load_credentials


def _password(tmp_path, data: bytes = b"right\n", mode: int = 0o600) -> MqttConfig:
    path = tmp_path / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return MqttConfig(username="door", password_file=str(path))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_password_that_others_cannot_read_is_taken(tmp_path, mode):
    assert load_credentials(_password(tmp_path, mode=mode)).password == "right"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_password_that_any_user_can_reach_is_refused_with_the_cure(tmp_path, mode):
    with pytest.raises(PublishError, match="chmod o-rwx"):
        load_credentials(_password(tmp_path, mode=mode))


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "UTF-8"), (b"x" * 2000, "larger")]
)
def test_what_is_no_password_is_refused(tmp_path, data, why):
    with pytest.raises(PublishError, match=why):
        load_credentials(_password(tmp_path, data))


def test_a_missing_password_file_is_named(tmp_path):
    with pytest.raises(PublishError, match=r"mqtt\.password_file: .*nowhere cannot be read"):
        load_credentials(MqttConfig(username="door", password_file=str(tmp_path / "nowhere")))


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(PublishError, match="not a regular file"):
        load_credentials(MqttConfig(username="door", password_file=str(tmp_path / "pipe")))


def test_a_password_never_shows(tmp_path):
    assert "right" not in repr(load_credentials(_password(tmp_path)))


def test_a_missing_authority_is_named(tmp_path):
    with pytest.raises(PublishError, match=r"mqtt\.ca_file: .*nowhere cannot be read"):
        load_credentials(MqttConfig(tls=True, ca_file=str(tmp_path / "nowhere")))


def test_an_authority_that_is_no_certificate_is_named(tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(PublishError, match=r"mqtt\.ca_file: .*ca\.pem cannot be used"):
        load_credentials(MqttConfig(tls=True, ca_file=str(tmp_path / "ca.pem")))


def test_a_key_with_a_password_is_refused_instead_of_asked_for(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=door", "-passout", "pass:secret"],
            "-keyout",
            key,
            "-out",
            cert,
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    with pytest.raises(PublishError, match=r"mqtt\.cert_file"):
        load_credentials(MqttConfig(tls=True, cert_file=str(cert), key_file=str(key)))


def test_without_tls_and_password_there_is_nothing_to_read():
    assert load_credentials(MqttConfig()).tls is None
