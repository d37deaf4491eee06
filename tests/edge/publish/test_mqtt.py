import logging
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace
from functools import partial

import pytest

from edge.clock import NS, FileClock
from edge.config import OutboxConfig
from edge.publish.bucket import TokenBucket
from edge.publish.example import BUSY, ORIGIN, QUIET
from edge.publish.mqtt import MqttPublisher
from edge.publish.stagger import LONGEST_S, stagger_s
from edge.values import HealthReport

HEALTH = HealthReport(uptime_s=60.0, frames={"seen": 1800}, rejections={}, faces=1, stage_ms={"detect": 3.0})


@pytest.fixture(autouse=True)
def journal(caplog):
    caplog.set_level(logging.INFO, logger="edge.publish")
    return lambda: [record.getMessage() for record in caplog.records if record.name.startswith("edge.publish")]


@pytest.fixture(autouse=True)
def no_thread_left():
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 3
    while (left := [t for t in threading.enumerate() if t not in before and t.name.startswith("affect")]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert not left


def test_a_window_arrives_and_its_acknowledgement_empties_the_outbox(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(epoch="00c0ffee")
    publisher.start()
    publisher.publish(BUSY)
    publisher.publish(QUIET)
    until(lambda: outbox.counts().waiting == 0)
    until(lambda: len(listener.ids()) == 2)
    assert sorted(listener.ids()) == ["door/00c0ffee/1", "door/00c0ffee/2"]
    assert not [message for message in listener.messages if message.topic.endswith("window") and message.retain]


def test_status_is_online_while_connected_and_offline_after_a_clean_close(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher()
    publisher.start()
    until(lambda: listener.states() == ["online"])
    assert listener.payloads("status")[0]["model"]["name"] == "affect-112"
    publisher.close()
    until(lambda: listener.states() == ["online", "offline"])
    newcomer = listen(mosquitto.port)
    until(newcomer.states)
    assert newcomer.states() == ["offline"]
    assert newcomer.messages[0].retain
    # Not by the last will: the broker saw an orderly end.
    assert "Client affect-berlin-door disconnected." in (mosquitto.folder / "mosquitto.log").read_text()


def test_close_first_sends_what_is_owed(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher()
    for _ in range(100):  # more than fit in flight at once
        publisher.publish(BUSY)
    publisher.start()
    publisher.close()
    assert outbox.counts().waiting == 0
    until(lambda: len(listener.ids()) == 100)
    until(lambda: listener.states() == ["online", "offline"])


def test_no_more_is_sent_than_the_broker_takes_before_it_acknowledges(make_publisher, free_port):
    takes_five = b"\x20\x06\x00\x00\x03\x21\x00\x05"
    with socket.create_server(("127.0.0.1", free_port)) as server:
        publisher, _ = make_publisher()
        for _ in range(20):
            publisher.publish(BUSY)
        publisher.start()
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(takes_five)
            time.sleep(0.5)
            heard = connection.recv(1_000_000)
    assert heard.count(b"affect/v1/berlin/door/status") == 1
    assert heard.count(b"affect/v1/berlin/door/window") == 4


def test_health_carries_the_publishers_own_counts_and_is_not_retained(
    mosquitto, listen, make_publisher, until, room_for
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher(limits=OutboxConfig(max_mb=room_for(2)))
    for _ in range(5):
        publisher.publish(BUSY)
    publisher.start()
    until(lambda: len(listener.ids()) == 2)
    publisher.report(HEALTH)
    health = until(lambda: listener.payloads("health"))[0]
    assert (health["evicted"], health["refused"], health["reconnects"], health["frames"]) == (3, 0, 0, {"seen": 1800})
    newcomer = listen(mosquitto.port)
    until(newcomer.states)
    assert not newcomer.payloads("health")


def test_only_the_latest_health_report_waits_for_the_broker(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher()
    publisher.report(HEALTH)
    publisher.report(replace(HEALTH, uptime_s=120.0))
    publisher.start()
    until(lambda: listener.payloads("health"))
    publisher.close()
    assert [health["uptime_s"] for health in listener.payloads("health")] == [120.0]


def test_the_live_window_comes_before_the_backlog(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher()
    for _ in range(40):
        publisher.publish(BUSY)
    publisher.start()
    until(lambda: len(listener.ids()) == 40)
    assert listener.payloads("window")[0]["seq"] == 40


@pytest.mark.parametrize(("late_s", "historical"), [(59, False), (61, True)])
def test_a_window_is_historical_when_sent_more_than_a_window_after_its_end(
    mosquitto, listen, make_publisher, until, late_s, historical
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    clock = FileClock(now_ns=BUSY.end_ns)
    publisher, _ = make_publisher(clock=clock)
    publisher.publish(BUSY)
    clock.now_ns += late_s * NS
    publisher.start()
    until(listener.ids)
    assert listener.payloads("window")[0]["historical"] is historical


def test_a_window_waits_for_its_device_s_turn_and_then_goes_as_it_is(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    turn_ns = BUSY.end_ns + int(stagger_s(ORIGIN.site, ORIGIN.device, 60) * NS)
    clock = FileClock(now_ns=turn_ns - 1)
    publisher, _ = make_publisher(clock=clock)
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: listener.states() == ["online"])
    time.sleep(0.3)
    assert listener.ids() == []
    clock.now_ns = turn_ns
    until(listener.ids)
    (window,) = listener.payloads("window")
    assert (window["end"], window["historical"]) == ("2026-11-02T11:01:00Z", False)


def test_nothing_waits_for_its_turn_when_the_device_stops(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(clock=FileClock(now_ns=BUSY.end_ns))
    publisher.start()
    publisher.publish(BUSY)
    publisher.close()
    assert outbox.counts().waiting == 0
    until(listener.ids)


def test_a_clock_that_was_set_back_holds_no_window(mosquitto, listen, make_publisher, until):
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher(clock=FileClock(now_ns=BUSY.end_ns - 3600 * NS))
    publisher.start()
    publisher.publish(BUSY)
    until(listener.ids)


@pytest.mark.parametrize(("stable_s", "shortest_s", "longest_s"), [(0.0, 1.29, 1.55), (30.0, 0.5, 1.0)])
def test_the_first_try_after_a_session_that_lasted_has_its_turn(
    mosquitto, make_publisher, until, monkeypatch, stable_s, shortest_s, longest_s
):
    """The back-off's own half of 0.5 s at least, and 1.04 s for this device; not after a session that was short."""
    pauses = []
    monkeypatch.setattr("edge.publish.mqtt.STABLE_S", stable_s)
    monkeypatch.setattr(MqttPublisher, "_pause", lambda _, delay_s: pauses.append(delay_s) or time.sleep(0.05))
    mosquitto.start()
    publisher, outbox = make_publisher()
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: outbox.counts().waiting == 0)
    mosquitto.kill()
    until(lambda: pauses)
    assert shortest_s <= pauses[0] <= longest_s


def test_a_broker_that_is_killed_and_comes_back_gets_everything(mosquitto, listen, make_publisher, until, journal):
    mosquitto.start()
    publisher, outbox = make_publisher()
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: outbox.counts().waiting == 0)
    mosquitto.kill()
    for _ in range(30):
        publisher.publish(BUSY)
    assert outbox.counts().waiting == 30
    mosquitto.start()  # knows nothing of before
    listener = listen(mosquitto.port)
    until(lambda: outbox.counts().waiting == 0)
    assert publisher.counts().reconnects == 1
    until(lambda: listener.states() == ["online"])
    # The first windows may have arrived before the listener did: what counts is that the broker acknowledged all.
    assert set(listener.ids()) <= {f"door/{outbox.epoch}/{seq}" for seq in range(2, 32)}
    newcomer = listen(mosquitto.port)
    until(newcomer.states)
    assert newcomer.messages[0].retain


def test_a_broker_that_is_missing_at_start_is_logged_once_and_served_when_it_comes(
    mosquitto, listen, make_publisher, until, journal
):
    publisher, outbox = make_publisher()
    publisher.start()
    publisher.publish(BUSY)
    time.sleep(2.5)  # several tries
    assert outbox.counts().waiting == 1
    assert [line for line in journal() if "unreachable" in line] == journal()
    assert len(journal()) == 1
    mosquitto.start()
    until(lambda: outbox.counts().waiting == 0)
    assert [line.partition(": ")[2] for line in journal()[1:]] == ["connected"]


def test_a_wrong_password_backs_off_and_says_so_once(mosquitto, make_publisher, until, journal, tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "door", "right"], check=True)
    mosquitto.start("allow_anonymous false", f"password_file {passwords}")
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    publisher, outbox = make_publisher(username="door", password_file=str(secret))
    publisher.start()
    publisher.publish(BUSY)
    time.sleep(2.5)
    assert outbox.counts().waiting == 1
    assert len(journal()) == 1
    assert "rejected" in journal()[0]
    assert "Not authorized" in journal()[0]
    assert "wrong" not in journal()[0]
    tries = (tmp_path / "mosquitto.log").read_text().count("not authorised")
    assert 2 <= tries <= 6


def test_a_right_password_is_let_in_without_its_line_end(mosquitto, make_publisher, until, tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "door", "right"], check=True)
    mosquitto.start("allow_anonymous false", f"password_file {passwords}")
    secret = tmp_path / "secret"
    secret.write_text("right\n")
    secret.chmod(0o600)
    publisher, outbox = make_publisher(username="door", password_file=str(secret))
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: outbox.counts().waiting == 0)


@pytest.fixture
def denying(mosquitto, tmp_path):
    """A broker that takes a device's status and not its windows; gives the file with its rules."""
    rules = tmp_path / "acl"
    rules.write_text("topic write affect/v1/berlin/door/status\ntopic read affect/#\n")
    mosquitto.start("allow_anonymous true", f"acl_file {rules}")
    return rules


def test_a_window_that_the_access_list_denies_is_kept_as_refused(denying, make_publisher, until, journal):
    publisher, outbox = make_publisher()
    publisher.start()
    publisher.publish(BUSY)
    publisher.publish(QUIET)
    until(lambda: len(outbox.refusals()) == 2)
    time.sleep(0.3)  # it is not offered again
    assert outbox.refusals() == {1: 0x87, 2: 0x87}
    assert publisher.counts().refused == 2
    assert publisher.counts().outbox == 0
    assert len([line for line in journal() if "refuses this device's window" in line]) == 1


def test_refused_windows_are_delivered_when_the_access_list_is_reloaded(
    denying, mosquitto, listen, make_publisher, until, journal
):
    publisher, outbox = make_publisher()
    publisher.start()
    publisher.publish(BUSY)
    until(outbox.refusals)
    denying.write_text("topic readwrite affect/#\n")
    mosquitto.process.send_signal(signal.SIGHUP)
    listener = listen(mosquitto.port)
    log = mosquitto.folder / "mosquitto.log"
    until(lambda: "Reloading config" in log.read_text())
    publisher.publish(QUIET)
    until(lambda: sorted(window["seq"] for window in listener.payloads("window")) == [1, 2])
    until(lambda: not outbox.refusals() and outbox.counts().waiting == 0)
    assert publisher.counts().reconnects == 0
    assert publisher.counts().refused == 1
    assert len([line for line in journal() if "accepts this device's window again" in line]) == 1


def test_refused_windows_are_offered_again_in_the_next_session(denying, mosquitto, make_publisher, until):
    publisher, outbox = make_publisher()
    publisher.start()
    publisher.publish(BUSY)
    until(outbox.refusals)
    denying.write_text("topic readwrite affect/#\n")
    mosquitto.stop()
    mosquitto.start()
    until(lambda: not outbox.refusals() and outbox.counts().waiting == 0)
    assert publisher.counts().refused == 1


def test_under_3_1_1_a_denied_window_is_acknowledged_and_lost(denying, mosquitto, listen, make_publisher, until):
    """Why the contract asks for MQTT 5."""
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(protocol="3.1.1")
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: outbox.counts().waiting == 0)
    assert outbox.counts().refused == 0
    publisher.close()
    until(lambda: "offline" in listener.states())
    assert not listener.ids()


def test_two_devices_of_one_name_both_deliver_and_say_it_without_a_flood(
    mosquitto, listen, make_publisher, until, journal
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    first, first_outbox = make_publisher(epoch="00000001")
    second, second_outbox = make_publisher(epoch="00000002")
    first.start()
    until(listener.states)
    second.start()
    until(lambda: any("sessions break again and again" in line for line in journal()))
    first.publish(BUSY)
    second.publish(BUSY)
    until(lambda: first_outbox.counts().waiting == second_outbox.counts().waiting == 0)
    time.sleep(2)  # more takeovers
    assert first.counts().reconnects + second.counts().reconnects >= 3
    assert len(journal()) <= 10  # for each: connected, lost, connected, lost, the hint; then silence
    first.close()
    last = lambda: listener.states()[-1]  # noqa: E731
    until(lambda: last() == "online", 5)
    assert {window["epoch"] for window in listener.payloads("window")} == {"00000001", "00000002"}


def test_a_host_that_never_answers_delays_neither_the_caller_nor_the_end(make_publisher, free_port):
    with socket.create_server(("127.0.0.1", free_port)):
        publisher, outbox = make_publisher()
        publisher.start()
        time.sleep(0.1)
        begun_s = time.monotonic()
        publisher.publish(BUSY)
        publisher.report(HEALTH)
        assert time.monotonic() - begun_s < 0.05
        begun_s = time.monotonic()
        publisher.close(0.5)
        assert time.monotonic() - begun_s < 0.8
        assert outbox.counts().waiting == 1


def test_a_caller_never_waits_for_the_broker(mosquitto, make_publisher):
    mosquitto.start()
    publisher, _ = make_publisher()
    publisher.start()
    slowest_s = 0.0
    for _ in range(500):
        begun_s = time.perf_counter()
        publisher.publish(BUSY)
        slowest_s = max(slowest_s, time.perf_counter() - begun_s)
    assert slowest_s < 0.1


def test_close_without_start_and_twice_is_harmless_and_publishing_after_it_is_a_defect(make_publisher):
    publisher, _ = make_publisher()
    publisher.close()
    publisher.close()
    with pytest.raises(RuntimeError, match="after close"):
        publisher.publish(BUSY)


def test_a_defect_inside_a_session_does_not_end_publishing(mosquitto, make_publisher, until, monkeypatch, journal):
    mosquitto.start()
    publisher, outbox = make_publisher()
    broken = [True]
    pending = outbox.pending

    def once_broken(limit, sending):
        if broken.pop() if broken else False:
            raise KeyError("a defect")
        return pending(limit, sending)

    monkeypatch.setattr(outbox, "pending", once_broken)
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: outbox.counts().waiting == 0)
    assert any("broke down" in line for line in journal())


def test_a_backlog_comes_newest_first_at_its_rate_while_live_windows_go_on(
    mosquitto, listen, make_publisher, until, monkeypatch
):
    """Eight hours away, 480 windows; the rate is of the publisher's clock, so that the test decides how time passes."""
    now_s = [0.0]  # whole seconds: ten more bring twenty tokens to the last bit
    monkeypatch.setattr("edge.publish.mqtt.TokenBucket", partial(TokenBucket, now_s=lambda: now_s[0]))
    clock = FileClock(now_ns=BUSY.end_ns)
    publisher, outbox = make_publisher(clock=clock, backlog=120)
    for _ in range(480):
        publisher.publish(BUSY)
    clock.now_ns += 8 * 3600 * NS
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher.start()
    until(lambda: len(listener.ids()) == 20)
    time.sleep(0.5)
    assert [window["seq"] for window in listener.payloads("window")] == list(range(480, 460, -1))
    end_ns = clock.now_ns - int(LONGEST_S * NS)  # so that its turn has come
    publisher.publish(replace(BUSY, start_ns=end_ns - 60 * NS, end_ns=end_ns))
    until(lambda: len(listener.ids()) == 21)
    assert (listener.payloads("window")[-1]["seq"], listener.payloads("window")[-1]["historical"]) == (481, False)
    while outbox.counts().waiting:
        before = outbox.counts().waiting
        now_s[0] += 10.0  # brings twenty more
        until(lambda before=before: outbox.counts().waiting <= max(before - 20, 0))
    until(lambda: len(listener.ids()) == 481)
    backlog = [window for window in listener.payloads("window") if window["seq"] != 481]
    assert [window["seq"] for window in backlog] == list(range(480, 0, -1))
    assert all(window["historical"] for window in backlog)


def test_live_messages_keep_to_their_bytes_a_minute_and_status_never_waits(
    mosquitto, listen, make_publisher, until, monkeypatch
):
    now_s = [0.0]  # whole seconds: ten more bring twenty tokens to the last bit
    monkeypatch.setattr("edge.publish.mqtt.TokenBucket", partial(TokenBucket, now_s=lambda: now_s[0]))
    mosquitto.start()
    listener = listen(mosquitto.port)
    clock = FileClock(now_ns=BUSY.end_ns + int(LONGEST_S * NS))
    publisher, outbox = make_publisher(clock=clock, bytes_per_minute=2048)
    for _ in range(4):
        publisher.publish(BUSY)
    publisher.start()
    until(lambda: listener.ids())
    time.sleep(0.5)
    assert sum(len(message.topic) + len(message.payload) for message in listener.messages) <= 2048
    assert listener.states() == ["online"]
    assert outbox.counts().waiting >= 2
    for _ in range(4):
        now_s[0] += 60.0
        publisher.report(HEALTH)
        time.sleep(0.1)
    until(lambda: outbox.counts().waiting == 0)
    until(lambda: listener.payloads("health"))
