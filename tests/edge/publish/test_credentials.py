import os
import subprocess

import pytest

from edge.config import MqttConfig, load_config
from edge.errors import PublishError
from edge.publish.credentials import load_credentials


def _password(tmp_path, data: bytes = b"right\n", mode: int = 0o600) -> MqttConfig:
    path = tmp_path / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return MqttConfig(username="door", password_file=str(path))


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_password_that_only_its_owner_can_reach_is_taken(tmp_path, mode):
    assert load_credentials(_password(tmp_path, mode=mode)).password == "right"


@pytest.mark.parametrize("mode", [0o640, 0o440, 0o620, 0o660, 0o644, 0o604, 0o602, 0o601])
def test_a_password_that_group_or_others_can_reach_is_refused_with_the_cure(tmp_path, mode):
    with pytest.raises(PublishError, match=r"mqtt\.password_file: .*; run: chmod 600 .*secret"):
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


@pytest.mark.parametrize("mode", [0o640, 0o644])
def test_a_key_that_others_can_reach_is_refused_with_the_cure(tmp_path, authority, mode):
    key = tmp_path / "door.key"
    key.write_bytes((authority / "door.key").read_bytes())
    key.chmod(mode)
    config = MqttConfig(tls=True, cert_file=str(authority / "door.pem"), key_file=str(key))
    with pytest.raises(PublishError, match=r"mqtt\.key_file: .*chmod 600 .*door\.key"):
        load_credentials(config)


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A folder as systemd makes it for `LoadCredential=`: mode 0500, files 0440 by their access list."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def test_a_credential_of_the_service_manager_is_read_by_its_name(given, authority):
    for name, data in {
        "mqtt-password": b"right\n",
        "ca.pem": (authority / "ca.pem").read_bytes(),
        "door.pem": (authority / "door.pem").read_bytes(),
        "door.key": (authority / "door.key").read_bytes(),
    }.items():
        (given / name).write_bytes(data)
        (given / name).chmod(0o440)
    config = MqttConfig(
        tls=True,
        ca_file="credential:ca.pem",
        cert_file="credential:door.pem",
        key_file="credential:door.key",
        username="door",
        password_file="credential:mqtt-password",
    )
    credentials = load_credentials(config)
    assert credentials.password == "right"
    assert credentials.tls is not None


def test_a_credential_that_is_named_by_its_whole_path_is_one_too(given, monkeypatch):
    (given / "word").write_text("right")
    (given / "word").chmod(0o440)
    config = MqttConfig(username="door", password_file=str(given / "word"))
    with pytest.raises(PublishError, match="chmod 600"):
        load_credentials(config)
    monkeypatch.setattr("edge.publish.credentials._GIVEN", given.parent)
    assert load_credentials(config).password == "right"


def test_a_credential_that_everyone_can_read_is_refused(given):
    (given / "word").write_text("right")
    (given / "word").chmod(0o444)
    with pytest.raises(PublishError, match="open to other users"):
        load_credentials(MqttConfig(username="door", password_file="credential:word"))


def test_a_credential_without_a_service_manager_says_what_the_unit_needs(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(PublishError, match=r"mqtt\.password_file: .*LoadCredential=word:PATH"):
        load_credentials(MqttConfig(username="door", password_file="credential:word"))


@pytest.mark.parametrize("name", ["", "../../etc/shadow", "/etc/shadow", "a/b", ".hidden", "a\0b"])
def test_a_credential_is_a_name_and_no_way_out_of_its_folder(given, name):
    with pytest.raises(PublishError, match="is not credential:NAME"):
        load_credentials(MqttConfig(username="door", password_file=f"credential:{name}"))


def test_a_credential_in_a_configuration_is_no_path_beside_it(tmp_path):
    (tmp_path / "config.toml").write_text('[mqtt]\nusername = "door"\npassword_file = "credential:word"\n')
    assert load_config(tmp_path / "config.toml").mqtt.password_file == "credential:word"


def test_without_tls_and_password_there_is_nothing_to_read():
    assert load_credentials(MqttConfig()).tls is None
