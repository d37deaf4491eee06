"""The publisher against a real Mosquitto: what arrives, in which order and when, and what the log says."""

import logging
import signal
import socket
import subprocess
import time
from contextlib import suppress
from functools import partial

import pytest
from msgspec.structs import replace

from edge.clock import NS, FileClock, SystemClock
from edge.config import Config, MqttConfig, OutboxConfig, WindowConfig
from edge.contract import Window, instant, nanoseconds
from edge.errors import ConfigError, PublishError
from edge.publish import mqtt as mqtt_module
from edge.publish.mqtt import MqttPublisher
from edge.publish.outbox import Outbox
from edge.publish.pacing import LONGEST_S, Pace, stagger_s
from edge.version import VERSION, commit
from scripts.mqtt_examples import BUSY, HEALTH, ORIGIN, QUIET

OWN_HEALTH = replace(HEALTH, version=VERSION, commit=commit())
END_NS = nanoseconds(BUSY.end)


@pytest.fixture(autouse=True)
def journal(caplog):
    caplog.set_level(logging.INFO, logger="edge.publish")
    return lambda: [record.getMessage() for record in caplog.records if record.name.startswith("edge.publish")]


def ended(end_ns: int, window: Window = BUSY) -> Window:
    return replace(window, start=instant(end_ns - 60 * NS), end=instant(end_ns))


def seqs(listener) -> list[int]:
    return [window["seq"] for window in listener.payloads("window")]


def test_a_window_arrives_and_its_acknowledgement_empties_the_outbox(
    mosquitto, listen, make_publisher, until, put, journal, caplog
):
    caplog.set_level(logging.DEBUG, logger="edge.publish")
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(epoch="00c0ffee")
    publisher.start()
    put(publisher)
    put(publisher, QUIET)
    until(lambda: outbox.delivery().waiting == 0)
    until(lambda: sorted(listener.ids()) == ["door/00c0ffee/1", "door/00c0ffee/2"])
    assert not [message for message in listener.messages if message.topic.endswith("window") and message.retain]
    assert publisher.delivery() == replace(publisher.delivery(), connected=True, waiting=0, refused=0, reconnects=0)
    said = [line.partition(": ")[2] for line in journal()]
    assert said == ["connected", "the first window was delivered", "a window was delivered"]
    assert [record.levelname for record in caplog.records if "a window was" in record.getMessage()] == ["DEBUG"]


def test_status_is_online_while_connected_and_offline_with_its_time_after_a_close(
    mosquitto, listen, make_publisher, until
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher()
    publisher.start()
    until(lambda: listener.states() == ["online"])
    assert listener.payloads("status")[0]["model"]["name"] == "affect-112"
    publisher.close()
    until(lambda: listener.states() == ["online", "offline"])
    online, offline = listener.payloads("status")
    assert offline["since"] >= online["since"]
    assert offline["clock"] == online["clock"]
    newcomer = listen(mosquitto.port)
    until(lambda: newcomer.states() == ["offline"])
    assert newcomer.messages[0].retain
    # Not by the last will: the broker saw an orderly end.
    assert "Client affect-berlin-door disconnected." in (mosquitto.folder / "mosquitto.log").read_text()


def test_no_port_is_opened_for_others(mosquitto, make_publisher, until, put, monkeypatch):
    """paho's own loops would listen on one, to wake themselves."""
    mosquitto.start()

    def forbidden(*_):
        raise PermissionError(1, "no port is opened for others")

    publisher, outbox = make_publisher()
    monkeypatch.setattr(socket.socket, "listen", forbidden)
    publisher.start()
    put(publisher)
    until(lambda: outbox.delivery().waiting == 0)


def test_close_first_sends_what_is_owed(mosquitto, listen, make_publisher, until, put):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher()
    for _ in range(100):  # more than fit in flight at once
        put(publisher)
    publisher.start()
    publisher.close(20)
    assert outbox.delivery().waiting == 0
    until(lambda: len(listener.ids()) == 100)
    until(lambda: listener.states() == ["online", "offline"])


@pytest.fixture
def scripted():
    """A server that answers a CONNECT with given bytes and tells what it heard until it is let go."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk(answer: bytes, enough) -> bytes:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                heard = connection.recv(4096)
                connection.sendall(answer)
                while not enough(heard):
                    heard += connection.recv(65536)
                connection.settimeout(0.5)  # and nothing more
                with suppress(TimeoutError):
                    heard += connection.recv(65536)
            return heard

        yield server.getsockname()[1], talk


def test_no_more_is_sent_than_the_broker_takes_before_it_acknowledges(make_publisher, scripted, put):
    port, talk = scripted
    publisher, _ = make_publisher(port=port)
    for _ in range(20):
        put(publisher)
    publisher.start()
    heard = talk(b"\x20\x06\x00\x00\x03\x21\x00\x05", lambda heard: heard.count(b"door/window") >= 4)
    assert heard.count(b"affect/v1/berlin/door/status") == 2  # one of them in the last will
    assert heard.count(b"affect/v1/berlin/door/window") == 4


def test_a_window_expires_at_the_broker_when_it_would_in_the_outbox(make_publisher, scripted, put):
    port, talk = scripted
    publisher, _ = make_publisher(port=port, limits=OutboxConfig(max_age_days=2))
    put(publisher)
    publisher.start()
    heard = talk(b"\x20\x03\x00\x00\x00", lambda heard: b"door/window" in heard)
    assert b"\x05\x02" + (2 * 86_400).to_bytes(4, "big") + b'{"schema":"affect/v1/window"' in heard
    assert b'\0{"schema":"affect/v1/status"' in heard  # what is retained does not expire


@pytest.mark.parametrize("limit", [4096, 300])
def test_what_the_broker_does_not_take_for_its_size_is_told_once_and_the_rest_goes_on(
    mosquitto, listen, make_publisher, until, put, journal, limit
):
    mosquitto.start(f"max_packet_size {limit}", "allow_anonymous true")
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(discovery="announce")  # the longest message
    publisher.start()
    for _ in range(3):
        put(publisher)
    delivered, refused = (3, 0) if limit == 4096 else (0, 3)
    until(lambda: (len(listener.ids()), publisher.delivery().refused) == (delivered, refused))
    until(lambda: outbox.delivery().waiting == 0)
    assert publisher.delivery().reconnects == 0
    for what in ["discovery", "window"] if refused else ["discovery"]:
        said = f"refuses this device's {what} (reason 0x95, it is larger"
        assert len([line for line in journal() if said in line]) == 1


def test_health_is_not_retained_and_only_the_latest_waits_for_the_broker(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher()
    publisher.report(OWN_HEALTH)
    publisher.report(replace(OWN_HEALTH, uptime_s=120.0))
    publisher.start()
    until(lambda: listener.payloads("health"))
    publisher.close()
    assert [health["uptime_s"] for health in listener.payloads("health")] == [120.0]
    newcomer = listen(mosquitto.port)
    until(newcomer.states)
    assert not newcomer.payloads("health")


def test_a_window_waits_for_its_device_s_slot_and_not_when_the_device_stops(
    mosquitto, listen, make_publisher, until, put
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    slot_ns = END_NS + int(stagger_s(ORIGIN.site, ORIGIN.device, 60) * NS)
    clock = FileClock(now_ns=slot_ns - 1)
    publisher, outbox = make_publisher(clock=clock)
    publisher.start()
    put(publisher)
    until(lambda: listener.states() == ["online"])
    time.sleep(0.5)
    assert seqs(listener) == []
    clock.now_ns = slot_ns + 1
    until(lambda: seqs(listener) == [1])
    put(publisher, ended(clock.now_ns))
    publisher.close()
    assert outbox.delivery().waiting == 0
    until(lambda: seqs(listener) == [1, 2])


def test_a_clock_that_was_set_back_holds_no_window(mosquitto, listen, make_publisher, until, put):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher(clock=FileClock(now_ns=END_NS - 3600 * NS))
    publisher.start()
    put(publisher)
    until(listener.ids)


@pytest.mark.parametrize(("stable_s", "shortest_s", "longest_s"), [(0.0, 1.29, 1.55), (30.0, 0.5, 1.0)])
def test_the_first_try_after_a_session_that_lasted_has_its_slot(
    mosquitto, make_publisher, until, monkeypatch, put, stable_s, shortest_s, longest_s
):
    """The back-off's own half of 0.5 s at least, and 1.04 s for this device; not after a session that was short."""
    monkeypatch.setattr(mqtt_module, "STABLE_S", stable_s)
    mosquitto.start()
    publisher, outbox = make_publisher()
    pauses, wait = [], publisher._closing.wait
    monkeypatch.setattr(publisher._closing, "wait", lambda delay_s: pauses.append(delay_s) or wait(0.05))
    publisher.start()
    put(publisher)
    until(lambda: outbox.delivery().waiting == 0)
    mosquitto.kill()
    until(lambda: pauses)
    assert shortest_s <= pauses[0] <= longest_s


def test_a_broker_that_is_killed_and_comes_back_gets_everything(mosquitto, listen, make_publisher, until, put):
    mosquitto.start()
    publisher, outbox = make_publisher()
    publisher.start()
    put(publisher)
    until(lambda: outbox.delivery().waiting == 0)
    mosquitto.kill()
    for _ in range(30):
        put(publisher)
    assert outbox.delivery().waiting == 30
    until(lambda: not publisher.delivery().connected)
    mosquitto.start()  # knows nothing of before
    listener = listen(mosquitto.port)
    until(lambda: outbox.delivery().waiting == 0, 20)
    assert publisher.delivery().reconnects == 1
    until(lambda: listener.states() == ["online"])
    # The first windows may have arrived before the listener did: what counts is that the broker acknowledged all.
    assert set(seqs(listener)) <= set(range(2, 32))


def test_a_broker_that_is_missing_at_start_is_told_once_and_served_when_it_comes(
    mosquitto, make_publisher, until, put, journal, monkeypatch
):
    tries = []
    real = MqttPublisher._new_session
    monkeypatch.setattr(MqttPublisher, "_new_session", lambda self: tries.append(1) or real(self))
    publisher, outbox = make_publisher()
    publisher.start()
    put(publisher)
    until(lambda: len(tries) >= 4, 20)
    assert outbox.delivery().waiting == 1
    assert len(journal()) == 1
    assert "broker unreachable (Connection refused); windows wait in the outbox" in journal()[0]
    mosquitto.start()
    until(lambda: outbox.delivery().waiting == 0)
    assert [line.partition(": ")[2] for line in journal()[1:]] == ["connected", "the first window was delivered"]


@pytest.mark.parametrize("password", ["wrong", "right"])
def test_a_wrong_password_is_told_once_and_a_right_one_is_let_in(
    mosquitto, make_publisher, until, put, journal, tmp_path, password
):
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "door", "right"], check=True)
    mosquitto.start("allow_anonymous false", f"password_file {passwords}")
    secret.write_text(f"{password}\n")
    secret.chmod(0o600)
    publisher, outbox = make_publisher(username="door", password_file=str(secret))
    publisher.start()
    put(publisher)
    if password == "right":
        until(lambda: outbox.delivery().waiting == 0)
        return
    until(lambda: (tmp_path / "mosquitto.log").read_text().count("not authorised") >= 3, 20)
    assert outbox.delivery().waiting == 1
    assert len(journal()) == 1
    assert "rejected this device (Not authorized)" in journal()[0]
    assert "wrong" not in journal()[0]


@pytest.fixture
def denying(mosquitto, tmp_path):
    """A broker that takes a device's status and not its windows; gives the file with its rules."""
    rules = tmp_path / "acl"
    rules.write_text("topic write affect/v1/berlin/door/status\ntopic read affect/#\n")
    mosquitto.start("allow_anonymous true", f"acl_file {rules}")
    return rules


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_a_window_that_the_access_list_denies_is_kept_and_offered_again(
    denying, mosquitto, listen, make_publisher, until, put, journal, how
):
    publisher, outbox = make_publisher()
    publisher.start()
    for _ in range(2):
        put(publisher)
    until(lambda: publisher.delivery().refused == 2)
    assert publisher.delivery().waiting == 0
    assert len([line for line in journal() if "refuses this device's window (reason 0x87" in line]) == 1
    denying.write_text("topic readwrite affect/#\n")
    if how == "reload":  # under a running session; the next window is what finds out
        mosquitto.process.send_signal(signal.SIGHUP)
        until(lambda: "Reloading config" in (mosquitto.folder / "mosquitto.log").read_text())
        listener = listen(mosquitto.port)
        put(publisher)
        until(lambda: sorted(seqs(listener)) == [1, 2, 3])
    else:
        mosquitto.stop()
        mosquitto.start()
    until(lambda: not outbox._rows, 20)
    assert publisher.delivery().refused == 2
    assert publisher.delivery().reconnects == (how == "restart")
    assert len([line for line in journal() if "accepts this device's window again" in line]) == 1


def test_under_3_1_1_a_denied_window_is_acknowledged_and_lost(denying, mosquitto, listen, make_publisher, until, put):
    """Why the contract asks for MQTT 5."""
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(protocol="3.1.1")
    publisher.start()
    put(publisher)
    until(lambda: outbox.delivery().waiting == 0)
    assert publisher.delivery().refused == 0
    publisher.close()
    until(lambda: "offline" in listener.states())
    assert not listener.ids()


def test_two_devices_of_one_name_both_deliver_and_say_it_without_a_flood(
    mosquitto, listen, make_publisher, until, put, journal
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    first, first_outbox = make_publisher(epoch="00000001")
    second, second_outbox = make_publisher(epoch="00000002")
    first.start()
    until(listener.states)
    second.start()
    until(lambda: any("sessions break again and again" in line for line in journal()), 20)
    put(first)
    put(second)
    until(lambda: first_outbox.delivery().waiting == second_outbox.delivery().waiting == 0, 20)
    until(lambda: first.delivery().reconnects + second.delivery().reconnects >= 5, 30)
    told = [line for line in journal() if "delivered" not in line]
    assert len(told) <= 10, told  # for each: connected, lost, connected, lost, the hint; then silence
    first.close()
    until(lambda: listener.states()[-1] == "online", 20)
    assert {window["epoch"] for window in listener.payloads("window")} == {"00000001", "00000002"}


def test_a_host_that_never_answers_delays_neither_the_caller_nor_the_end(make_publisher, put):
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher, outbox = make_publisher(port=server.getsockname()[1])
        publisher.start()
        connection, _ = server.accept()
        with connection:
            begun_s = time.monotonic()
            put(publisher)
            publisher.report(OWN_HEALTH)
            publisher.close(0.5)
            assert time.monotonic() - begun_s < 5  # the broker would be waited for twice as long
            assert outbox.delivery().waiting == 1


def test_close_without_start_and_twice_is_harmless_and_publishing_after_it_is_a_defect(make_publisher, put):
    publisher, _ = make_publisher()
    publisher.close()
    publisher.close()
    with pytest.raises(RuntimeError, match="after close"):
        put(publisher)


def test_a_publisher_that_dies_says_so_at_the_next_window_which_is_kept(
    mosquitto, make_publisher, until, put, monkeypatch, journal
):
    mosquitto.start()
    publisher, outbox = make_publisher()

    def broken(_limit):
        raise KeyError("a defect")

    monkeypatch.setattr(outbox, "owed", broken)
    publisher.start()
    until(lambda: publisher.failed is not None)
    with pytest.raises(PublishError, match=r"publishing has ended \(KeyError\)") as caught:
        put(publisher)
    assert caught.value.exit_code == 7
    with pytest.raises(PublishError):
        publisher.report(OWN_HEALTH)
    assert outbox.delivery().waiting == 1
    assert journal()[-1] == "publishing has ended"


def test_a_backlog_comes_newest_first_at_its_rate_while_live_windows_go_on(
    mosquitto, listen, make_publisher, until, put, monkeypatch
):
    """Eight hours away, 480 windows; the rate is of the publisher's clock, so that the test decides how time passes."""
    now_s = [0.0]
    monkeypatch.setattr(mqtt_module, "Pace", partial(Pace, now_s=lambda: now_s[0]))
    clock = FileClock(now_ns=END_NS)
    publisher, outbox = make_publisher(clock=clock, backlog=120)
    for _ in range(480):
        put(publisher)
    clock.now_ns += 8 * 3600 * NS
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher.start()
    until(lambda: len(listener.ids()) == 20)
    time.sleep(0.5)
    assert seqs(listener) == list(range(480, 460, -1))
    put(publisher, ended(clock.now_ns - int(LONGEST_S * NS)))  # so that its slot has come
    until(lambda: seqs(listener)[20:] == [481])
    while outbox.delivery().waiting:
        before = outbox.delivery().waiting
        now_s[0] += 10.0  # brings twenty more
        until(lambda before=before: outbox.delivery().waiting <= max(before - 20, 0))
    until(lambda: len(listener.ids()) == 481)
    assert [seq for seq in seqs(listener) if seq != 481] == list(range(480, 0, -1))


def test_live_messages_keep_to_their_bytes_a_minute_and_status_never_waits(
    mosquitto, listen, make_publisher, until, put, monkeypatch
):
    now_s = [0.0]
    monkeypatch.setattr(mqtt_module, "Pace", partial(Pace, now_s=lambda: now_s[0]))
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(clock=FileClock(now_ns=END_NS + int(LONGEST_S * NS)), bytes_per_minute=3072)
    for _ in range(8):
        put(publisher)
    publisher.start()
    until(listener.ids)
    time.sleep(0.5)
    assert sum(len(message.topic) + len(message.payload) for message in listener.messages) <= 3072
    assert listener.states() == ["online"]
    assert outbox.delivery().waiting >= 4
    for _ in range(4):
        now_s[0] += 60.0
        publisher.report(OWN_HEALTH)
        time.sleep(0.4)
    until(lambda: outbox.delivery().waiting == 0)
    until(lambda: listener.payloads("health"))


def test_a_pace_too_slow_for_what_is_sent_is_refused_at_the_start():
    config = Config(mqtt=MqttConfig(bytes_per_minute=4096), window=WindowConfig(window_s=10))
    outbox = Outbox(None, OutboxConfig(), SystemClock(), ORIGIN)
    with pytest.raises(ConfigError, match=r"mqtt\.bytes_per_minute: windows of 10 s and health need 8192"):
        MqttPublisher(config, ORIGIN, outbox, SystemClock())


class Unset(FileClock):
    def __init__(self) -> None:
        super().__init__(now_ns=100 * NS)
        self.boot_id = "boot-1"


def test_windows_that_wait_for_the_clock_are_told_at_the_first_and_at_the_stop_with_the_fix(
    mosquitto, make_publisher, put, journal
):
    publisher, _ = make_publisher(clock=Unset())
    for _ in range(3):
        put(publisher, replace(BUSY, clock="unsynced"), (1, 60 * NS))
    publisher.close()
    first, last = journal()
    assert first.startswith("the clock is not synchronized: windows wait up to 900 s for it")
    assert "clock: 3" in last
    for line in (first, last):
        assert "timedatectl set-ntp true" in line
        assert "outbox.hold_unsynced_s = 0" in line


def test_a_changed_policy_is_in_the_status_at_once_and_windows_of_both_policies_arrive(
    mosquitto, listen, make_publisher, until, put
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher()
    publisher.start()
    until(lambda: listener.states() == ["online"])
    changed = replace(ORIGIN, policy="71" * 16)
    publisher.adopt(changed)
    put(publisher)
    put(publisher, replace(QUIET, policy=changed.policy))
    until(lambda: outbox.delivery().waiting == 0)
    until(lambda: len(listener.payloads("status")) == 2)
    assert [status["policy"] for status in listener.payloads("status")] == [ORIGIN.policy, changed.policy]
    assert sorted(window["policy"] for window in listener.payloads("window")) == [ORIGIN.policy, changed.policy]
