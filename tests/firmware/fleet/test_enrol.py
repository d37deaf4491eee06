"""A fleet from a table: what is written, what a second run keeps, and what a real Mosquitto makes of it."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from edge.config import load_config, require_deployment
from edge.publish.credentials import load_credentials
from firmware_config.fleet.credentials import fits, hash_password, make_password

HEADER = "site,device\n"
TWO = HEADER + "berlin,door\nberlin,hall\n"
NOT_AUTHORIZED = 0x87


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_device_gets_a_configuration_that_starts_a_live_camera(enrol, tmp_path):
    assert enrol(TWO)[0] == 0
    folder = tmp_path / "fleet" / "devices" / "berlin" / "door"
    config = load_config(folder / "config.toml")
    require_deployment(config)
    assert (config.device.site, config.device.name, config.device.tz) == ("berlin", "door", "Europe/Berlin")
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.tls) == ("broker.example", 8883, True)
    assert config.mqtt.username == "berlin.door"
    drop_in = (folder / "installation.conf").read_text()
    assert "IPAddressAllow=192.0.2.7\n" in drop_in
    assert "LoadCredential=mqtt-password:/etc/affect-edge/mqtt-password\n" in drop_in


def test_the_device_itself_accepts_the_passwords_file(enrol, tmp_path, password_of):
    enrol(TWO)
    folder = tmp_path / "fleet" / "devices" / "berlin" / "door"
    text = (folder / "config.toml").read_text()
    text = text.replace("/run/credentials/affect-edge.service/mqtt-password", "mqtt-password")
    (folder / "config.toml").write_text(text)
    credentials = load_credentials(load_config(folder / "config.toml").mqtt)
    assert credentials.password == password_of("devices/berlin/door")


def test_secrets_are_for_their_owner_alone_and_never_on_the_console(enrol, tmp_path, password_of):
    code, out, err = enrol(TWO, "--reader", "analyst")
    assert code == 0
    secrets = [password_of(name) for name in ("devices/berlin/door", "devices/berlin/hall", "readers/analyst")]
    assert len(set(secrets)) == 3
    fleet = tmp_path / "fleet"
    assert fleet.stat().st_mode & 0o077 == 0
    for name, (content, mode, _) in snapshot(fleet).items():
        if any(secret.encode() in content for secret in secrets) or b"$7$" in content:
            assert mode == 0o600, name
    assert not any(secret in out + err for secret in secrets)
    assert "$7$" not in out + err


def test_no_repository_takes_the_fleet(enrol, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    enrol(TWO)
    said = subprocess.run(
        ["git", "-C", tmp_path, "status", "--porcelain", "--untracked-files=all"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "fleet.csv" in said
    assert "fleet/" not in said


def test_a_second_run_changes_nothing_at_all(enrol, tmp_path):
    enrol(TWO, "--reader", "analyst")
    before = snapshot(tmp_path / "fleet")
    code, out, _ = enrol(TWO, "--reader", "analyst")
    assert code == 0
    assert "2 unchanged" in out
    assert snapshot(tmp_path / "fleet") == before


def test_a_new_row_adds_one_and_leaves_the_others(enrol, tmp_path):
    enrol(TWO)
    before = snapshot(tmp_path / "fleet")
    assert "1 new: berlin/till" in enrol(TWO + "berlin,till\n")[1]
    after = snapshot(tmp_path / "fleet")
    assert {name for name in before if before[name] != after[name]} == {"broker/passwords", "broker/acl"}
    old, new = (state["broker/passwords"][0].splitlines() for state in (before, after))
    assert set(old) < set(new)


def test_a_changed_row_gets_a_new_configuration_and_keeps_its_password(enrol, tmp_path, password_of):
    enrol(TWO)
    before, password = snapshot(tmp_path / "fleet"), password_of("devices/berlin/door")
    _, out, _ = enrol("site,device,notice\nberlin,door,at both doors\nberlin,hall,\n")
    assert "1 changed: berlin/door" in out
    after = snapshot(tmp_path / "fleet")
    assert password_of("devices/berlin/door") == password
    assert after["broker/passwords"] == before["broker/passwords"]
    changed = {name.removeprefix("devices/berlin/door/") for name in before if before[name] != after[name]}
    assert changed == {"config.toml", "user-data", "meta-data", "label.svg"}  # a new instance-id: it is applied again


def test_everything_wrong_is_told_at_once_and_nothing_is_written(enrol, tmp_path):
    table = (
        "site,device,profile,broker,tz,resolvers\n"
        "berlin,door,rpi9,,,\n"
        "Berlin,hall,,,Mars/Base,\n"
        "berlin,ok,,,,\n"
        "berlin,ok,,localhost,,\n"
        "berlin,far,,two words,,name\n"
        "berlin,short\n"
    )
    code, _, err = enrol(table)
    assert code == 2
    told = [line.partition("fleet.csv:")[2] for line in err.splitlines() if "fleet.csv:" in line]
    assert [line.partition(": ")[0] + ": " + line.split(": ")[1] for line in told] == [
        "2: profile",
        "3: site",
        "3: tz",
        "5: device",
        "5: broker",
        "6: broker",
        "6: resolvers",
        "7: 2 cells, the header has 6",
    ]
    assert not (tmp_path / "fleet").exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("site,device,colour\na,b,red\n", "unknown columns 'colour'"),
        ("device\nb\n", "it needs site and device"),
        (HEADER, "no devices"),
        ('site,device\na,"b\n', "not CSV"),
        ("site,device,ca_file\na,b,none.pem\n", "ca_file: "),
        ("site,device,purpose\na,b,watching-staff\n", "purpose: 'watching-staff' is none of"),
        ("site,device,resolvers,broker\na,b, ,x:99999\n", "broker: there is no port 99999"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(enrol, table, words):
    code, _, err = enrol(table)
    assert code == 2
    assert words in err


def test_a_spreadsheets_table_with_semicolons_and_a_byte_order_mark_is_read(enrol):
    assert "1 new: berlin/door" in enrol("\ufeffsite;device;notice\nberlin;door;links, am Eingang\n")[1]


def test_a_private_key_is_refused_and_a_key_is_required(enrol, firmware_config, tmp_path):
    (tmp_path / "wrong").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n")
    assert "is a private key" in enrol(TWO, "--ssh-key", tmp_path / "wrong")[2]
    assert "--ssh-key: missing" in firmware_config("enrol", tmp_path / "fleet.csv", "--out", tmp_path / "f")[2]


def test_a_folder_that_holds_something_else_is_left_alone(enrol, tmp_path):
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "letters.txt").write_text("dear")
    code, _, err = enrol(TWO)
    assert code == 2
    assert "holds something that is no fleet" in err
    assert [path.name for path in (tmp_path / "fleet").iterdir()] == ["letters.txt"]


def test_the_seed_is_cloud_config_with_a_key_and_without_a_password(enrol, tmp_path, password_of):
    yaml = pytest.importorskip("yaml")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    enrol('site,device,notice,ca_file\nberlin,door,"left: ""#1""\u2028{x}",ca.pem\nberlin,hall,,\n')
    folder = tmp_path / "fleet" / "devices" / "berlin" / "door"
    text = (folder / "user-data").read_text()
    assert text.startswith("#cloud-config\n")
    seed = yaml.safe_load(text)
    files = {file["path"]: file for file in seed["write_files"]}
    assert files["/etc/affect-edge/config.toml"]["content"] == (folder / "config.toml").read_text()
    assert files["/etc/affect-edge/ca.pem"]["content"] == (tmp_path / "ca.pem").read_text()
    drop_in = files["/etc/systemd/system/affect-edge.service.d/installation.conf"]["content"]
    assert drop_in == (folder / "installation.conf").read_text()
    secret = files["/etc/affect-edge/mqtt-password"]
    assert (secret["permissions"], secret["owner"]) == ("0600", "root:root")
    assert secret["content"].strip() == password_of("devices/berlin/door")
    (user,) = seed["users"]
    assert user["lock_passwd"] is True
    assert user["ssh_authorized_keys"][0].startswith("ssh-ed25519 ")
    assert seed["ssh_pwauth"] is False
    assert not {"passwd", "plain_text_passwd", "hashed_passwd"} & user.keys()
    assert "chpasswd" not in seed
    assert "password" not in seed
    subprocess.run(["sh", "-n", "-c", seed["runcmd"][0][2]], check=True)
    meta = yaml.safe_load((folder / "meta-data").read_text())
    assert meta["instance-id"].startswith("berlin-door-")
    assert yaml.safe_load((folder / "network-config").read_text())["version"] == 2
    plain = tmp_path / "fleet" / "devices" / "berlin" / "hall" / "user-data"
    assert "\n      [deployment]\n" in plain.read_text()  # a block one can read, where nothing speaks against it


def test_the_seeds_copy_of_the_password_is_emptied_on_the_card(enrol, tmp_path):
    yaml = pytest.importorskip("yaml")
    enrol(TWO)
    seed = tmp_path / "fleet" / "devices" / "berlin" / "door" / "user-data"
    script = yaml.safe_load(seed.read_text())["runcmd"][0][2]
    boot, bin_ = tmp_path / "boot", tmp_path / "bin"
    boot.mkdir()
    bin_.mkdir()
    for name in ("systemctl", "apt-get"):
        (bin_ / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/calls\n')
        (bin_ / name).chmod(0o755)
    (boot / "user-data").write_bytes(seed.read_bytes())
    (boot / "affect-edge.deb").write_text("")
    script = script.replace("/boot/firmware /boot", str(boot))
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": f"{bin_}:/usr/bin:/bin"})
    assert (boot / "user-data").read_text() == "#cloud-config\n"
    calls = (tmp_path / "calls").read_text()
    assert f"apt-get install -y {boot}/affect-edge.deb ca-certificates\n" in calls
    assert "systemctl restart affect-edge.service\n" in calls

    # Also where the package cannot be installed.
    (boot / "user-data").write_bytes(seed.read_bytes())
    (bin_ / "apt-get").write_text("#!/bin/sh\nexit 100\n")
    done = subprocess.run(["sh", "-c", script], check=False, env={"PATH": f"{bin_}:/usr/bin:/bin"})
    assert done.returncode == 100
    assert (boot / "user-data").read_text() == "#cloud-config\n"


def test_the_label_says_what_people_have_a_right_to_know(enrol, tmp_path):
    enrol(TWO)
    label = ET.parse(tmp_path / "fleet" / "devices" / "berlin" / "door" / "label.svg").getroot()
    words = " ".join(element.text or "" for element in label.iter() if element.tag.endswith("text"))
    assert words.startswith("door berlin MAC")
    assert "Camera that estimates facial expressions; no picture leaves." in words
    assert "Contact: Museum & Co, privacy@museum.example" in words
    assert "expressions, not feelings" in words
    assert "Staff are not to be watched" in words


@pytest.mark.needs("mosquitto_passwd")
def test_the_hash_is_the_one_that_mosquitto_writes(tmp_path):
    password = make_password()
    assert len(password) >= 43
    assert fits(password, hash_password(password))
    assert not fits(password + "x", hash_password(password))
    assert not fits(password, "")
    assert not fits(password, "$6$abc$def")
    path = tmp_path / "passwords"
    path.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", path, "door", password], check=True, capture_output=True)
    theirs = path.read_text().strip().partition(":")[2]
    assert fits(password, theirs)
    assert theirs.split("$")[:3] == hash_password(password).split("$")[:3]


def test_a_real_broker_lets_two_hundred_devices_in_and_each_only_to_its_own(
    enrol, firmware_config, tmp_path, start_broker, login, until, password_of
):
    table = HEADER + "".join(f"store-{n // 10},cam-{n % 10}\n" for n in range(200))
    assert "200 new" in enrol(table, "--reader", "analyst", "--reader", "manager=store-3")[1]
    broker_files = tmp_path / "fleet" / "broker"
    broker = start_broker(
        "allow_anonymous false", f"password_file {broker_files}/passwords", f"acl_file {broker_files}/acl"
    )
    readers = {}
    for name in ("analyst", "manager"):
        readers[name] = login(broker.port, name, password_of(f"readers/{name}"))
        readers[name].subscribe("affect/v1/#")
    sample = [(0, 0), (3, 5), (19, 9)]
    for store, camera in sample:
        site, device = f"store-{store}", f"cam-{camera}"
        password = password_of(f"devices/{site}/{device}")
        one = login(broker.port, f"{site}.{device}", password)
        assert one.code == 0
        for kind in ("window", "status", "health", "probe"):
            assert one.publish(f"affect/v1/{site}/{device}/{kind}") < 0x80
        for topic in (
            f"affect/v1/{site}/cam-{camera - 1 if camera else 1}/window",
            f"affect/v1/store-1/{device}/window",
            f"affect/v1/{site}/{device}/window/more",
            "affect/gateway/store-0/state",
            "other",
        ):
            assert one.publish(topic) == NOT_AUTHORIZED, topic
        other = login(broker.port, f"{site}.cam-1", password)
        assert other.code == 0x87 or other.code == 0x86
    until(lambda: len(readers["analyst"].messages) == 4 * len(sample))
    assert {message.topic.split("/")[2] for message in readers["manager"].messages} == {"store-3"}
    assert readers["analyst"].publish("affect/v1/store-0/cam-0/window") == NOT_AUTHORIZED

    password = password_of("devices/store-3/cam-5")
    still_open = login(broker.port, "store-3.cam-5", password)
    code, out, _ = firmware_config("enrol", "--out", tmp_path / "fleet", "--revoke", "store-3/cam-5")
    assert code == 0
    assert "1 revoked: store-3/cam-5" in out
    broker.reload()
    until(lambda: login(broker.port, "store-3.cam-5", password).code in (0x86, 0x87))
    until(lambda: still_open.ended)
    assert login(broker.port, "store-19.cam-9", password_of("devices/store-19/cam-9")).code == 0
    folder = tmp_path / "fleet" / "devices" / "store-3" / "cam-5"
    assert (folder / "REVOKED").exists()
    assert not any(password.encode() in content for content, _, _ in snapshot(tmp_path / "fleet").values())

    assert "1 in the table, but revoked before: store-3/cam-5" in enrol(table)[1]
    assert "store-3.cam-5" not in (broker_files / "passwords").read_text() + (broker_files / "acl").read_text()


def test_who_was_never_there_cannot_be_revoked(enrol, firmware_config, tmp_path):
    enrol(TWO)
    code, _, err = firmware_config("enrol", "--out", tmp_path / "fleet", "--revoke", "berlin/attic")
    assert code == 2
    assert "there is no such device" in err


def test_a_password_that_others_can_read_is_not_used_again(enrol, tmp_path):
    enrol(TWO)
    path = tmp_path / "fleet" / "devices" / "berlin" / "door" / "mqtt-password"
    path.chmod(0o644)
    code, _, err = enrol(TWO)
    assert code == 2
    assert "others on this machine may read it" in err


def test_a_password_that_is_gone_is_told_and_not_made_up_for_a_device_that_is_out_there(
    enrol, firmware_config, tmp_path
):
    enrol(TWO)
    (tmp_path / "fleet" / "devices" / "berlin" / "door" / "mqtt-password").unlink()
    code, _, err = firmware_config("enrol", "--out", tmp_path / "fleet", "--reader", "analyst")
    assert code == 2
    assert "berlin/door/mqtt-password: is gone" in err


@pytest.mark.parametrize("verb", ["enrol", "gateway"])
def test_help_ends_with_an_example(firmware_config, verb):
    code, out, _ = firmware_config(verb, "--help")
    assert code == 0
    assert "Example: python -m firmware_config" in out
