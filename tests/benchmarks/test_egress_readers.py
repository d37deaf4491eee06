"""What reads a recording refuses everything that it does not know, byte by byte; and the command says what it lacks."""

from __future__ import annotations

import random
import ssl
import struct
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.egress import laboratory, tracing
from benchmarks.egress.calls import Call, read_calls
from benchmarks.egress.laboratory import BrokerMissingError, find_mosquitto
from benchmarks.egress.ledger import Ledger
from benchmarks.egress.logs import check_log
from benchmarks.egress.network import Network
from benchmarks.egress.packets import PacketError, read_packets
from benchmarks.egress.pages import PAGE, Database, PageError
from benchmarks.egress.payloads import PayloadReader
from benchmarks.egress.places import Places
from benchmarks.egress.process import Process
from benchmarks.egress.tls import TlsError, read_keys, read_stream
from benchmarks.egress.tracing import TraceError, require_trace
from benchmarks.egress.vocabulary import Vocabulary
from convert.errors import DataError
from edge.clock import SystemClock
from edge.config import Config, DeviceConfig, OutboxConfig
from edge.contract import encode
from edge.model.bundle import default_bundle, load_bundle
from edge.publish.outbox import Outbox
from scripts.mqtt_examples import BUSY, EXAMPLES, ONLINE, ORIGIN, QUIET

TOPIC = "affect/v1/berlin/door/"


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    device = DeviceConfig(site="berlin", name="door", tz="Europe/Berlin", tags={"zone": "entrance"})
    bundle = load_bundle(default_bundle())
    made = Vocabulary(Config(device=device), bundle.manifest, bundle.sha256)
    made.own |= {ORIGIN.model.name, ORIGIN.model.sha256, ONLINE.commit}
    return made


@pytest.fixture
def reader(vocabulary: Vocabulary) -> PayloadReader:
    return PayloadReader(vocabulary, "9f3c21ab")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_messages_as_a_device_sends_them_are_known(reader: PayloadReader) -> None:
    for kind, messages in EXAMPLES.items():
        for message in messages:
            assert reader.problems(TOPIC + kind, encode(message)) == []
    assert reader.numbers > 20


def _changed(**fields: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(encode(BUSY)) | fields)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (_changed(valence={"mean": 0.2137, "std": 0.18}), "valence.mean: a number with more than 2 decimals"),
        (_changed(scored_s=84.31), "scored_s: a number with more than 1 decimals"),
        (_changed(tags={"zone": "iVBORw0K"}), "tags.zone: a text"),
        (_changed(tags={"iv0r": "entrance"}), "a key of .tags: a text"),
        (_changed(model={"name": "0123456789012345", "version": 3, "sha256": "5e" * 32}), "model.name: a text"),
        (_changed(model={"name": "123456789012345", "version": 3, "sha256": "5e" * 32}), "model.name: a text"),
        (_changed(model={"name": "affect-112", "version": 3, "sha256": "5f" * 32}), "model.sha256: a text"),
        (_changed(id="door/00c0ffee/412"), ".id: a text"),
        (_changed(epoch="00c0ffee"), ".epoch: a text"),
        (_changed(start="2026-11-02T11:00:00.123456Z"), "whole milliseconds"),
        (_changed(thumbnail=""), "beside the fields"),
        (_changed(seq="x"), "Expected"),
        (b"\xff\xd8\xff", "malformed"),
    ],
)
def test_a_value_that_no_device_would_send_is_named(reader: PayloadReader, data: bytes, what: str) -> None:
    (problem,) = reader.problems(TOPIC + "window", data)
    assert what in problem


def test_a_topic_without_a_struct_is_a_problem(reader: PayloadReader) -> None:
    assert reader.problems(TOPIC + "picture", b"{}")


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("2026-11-25 21:50:40,761 INFO watching replay with model default 2, publishing to localhost:1883", True),
        ("2026-11-25 21:50:40,761 INFO localhost:1883: connected", True),
        (
            "2026-11-25 21:50:40,761 WARNING localhost:1883: broker unreachable (Connection refused); "
            "windows wait in the outbox",
            True,
        ),
        ("2026-11-25 21:50:40,761 WARNING localhost:1883: connected", False),
        ("2026-11-25 21:50:40,761 INFO /9j/4AAQSkZJRg: connected", False),
        ("2026-11-25 21:50:40,761 INFO stopped after 7 frames and /9j/4AAQSkZJRg", False),
        ("2026-11-25 21:50:40,761 INFO stopped after 0.123456789123456789 frames", False),
        ("[[12 13 14]]", False),
        ("", False),
    ],
)
def test_a_log_line_is_one_of_the_codes_templates(
    ledger: Ledger, vocabulary: Vocabulary, line: str, known: bool
) -> None:
    check_log(ledger, "log", line.encode() + b"\n", vocabulary)
    assert (ledger.findings == []) is known


PUBLISH = bytes([0x30, 2 + 1 + 1 + 4]) + b"\x00\x01t\x00payl"


def test_packets_are_read_to_the_last_byte() -> None:
    kinds = [packet.name for packet in read_packets(PUBLISH + b"\xc0\0" + b"\xe0\x02\0\0" + b"\x40\x02\0\1")]
    assert kinds == ["PUBLISH", "PINGREQ", "DISCONNECT", "PUBACK"]


@pytest.mark.parametrize(
    "stream",
    [
        b"\xff\xd8\xff\xe0",
        b"\xc0\x01x",
        b"\xc1\x00",
        b"\xe0\x03\0\0x",
        b"\xe0\x01\x04",
        b"\x40\x04\0\1\0x",
        b"\x30\x05\x00\x01t\x05\x26",
        b"\x34\x06\x00\x01t\x00\x01\x00",
        PUBLISH[:-1],
        b"\x82\x05\x00\x01\x00\x00\x00",
        b"\x30\xff\xff\xff\xff\x7f",
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\x00",
    ],
)
def test_a_packet_with_something_else_in_it_is_refused(stream: bytes) -> None:
    with pytest.raises(PacketError):
        list(read_packets(stream))


@pytest.mark.parametrize("stream", [b"\xff\xd8\xff\xe0\0\0", b"\x17\x03\x03\x00\x02ab", b"\x16\x03\x01\x00\x10\x01"])
def test_what_tls_did_not_send_is_refused(stream: bytes) -> None:
    with pytest.raises((TlsError, IndexError)):
        list(read_stream(stream, {}, "localhost"))


def _hello(*extensions: tuple[int, bytes]) -> bytes:
    """A ClientHello with some extensions, in its record."""
    held = b"".join(struct.pack(">HH", kind, len(data)) + data for kind, data in extensions)
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack(">H", len(held)) + held
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + struct.pack(">H", len(message)) + message


def _keys(*sizes: int) -> tuple[int, bytes]:
    """The extension with public keys of some sizes."""
    entries = b"".join(struct.pack(">HH", 29, size) + bytes(size) for size in sizes)
    return 51, struct.pack(">H", len(entries)) + entries


@pytest.mark.parametrize(
    ("extensions", "loose"),
    [((_keys(32),), 64), ((_keys(1216, 32), (65281, b"\0")), 1280)],
    ids=["OpenSSL 3.0", "OpenSSL 3.5"],
)
def test_first_message_of_tls_is_known_to_the_last_byte(extensions: tuple[tuple[int, bytes], ...], loose: int) -> None:
    stream = _hello(*extensions)
    parts = list(read_stream(stream, {}, "localhost"))
    assert sum(part.size for part in parts) == len(stream)
    assert [part.size for part in parts if "keys" in part.what] == [loose]


@pytest.mark.parametrize("extension", [(65281, b"\5leak!"), (65281, b""), (4660, b"")])
def test_an_extension_with_something_in_it_is_refused(extension: tuple[int, bytes]) -> None:
    with pytest.raises(TlsError):
        list(read_stream(_hello(extension), {}, "localhost"))


def test_first_message_of_this_machine_s_openssl_is_known() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    stream = sent.read()
    assert sum(part.size for part in read_stream(stream, {}, "localhost")) == len(stream)


def test_only_keys_may_stand_in_the_key_log() -> None:
    assert read_keys("CLIENT_TRAFFIC_SECRET_0 " + "ab" * 32 + " " + "cd" * 48 + "\n")
    for line in ("CLIENT_TRAFFIC_SECRET_0 ab cd", "PICTURE " + "ab" * 32 + " " + "cd" * 48, "x"):
        with pytest.raises(TlsError):
            read_keys(line)


@pytest.fixture(scope="module")
def log_of_an_outbox(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """SQLite's log after a lively life: windows kept, acknowledged out of order, refused and evicted."""
    path, rng = tmp_path_factory.mktemp("outbox") / "outbox.db", random.Random(7)
    outbox = Outbox(path, OutboxConfig(max_mb=0.03), SystemClock(), ORIGIN)
    try:
        for _ in range(60):
            owed = outbox.owed(100)
            if rng.random() < 0.6 or not owed:
                epoch, seq = outbox.number()
                name = f"{ORIGIN.device}/{epoch}/{seq}"
                told = {"id": name, "epoch": epoch, "seq": seq, "visits": rng.randrange(10**6)}
                window = msgspec.structs.replace(rng.choice([BUSY, QUIET]), **told)
                outbox.keep(window, None)
            elif rng.random() < 0.2:
                outbox.refuse(rng.choice(owed), 0x87)
            else:
                outbox.ack(rng.choice(owed))
        return path.with_name("outbox.db-wal").read_bytes()
    finally:
        outbox.close()


def _frames(log: bytes) -> list[tuple[int, bytes]]:
    """The log as the writes that made it."""
    parts = [(0, log[:32])]
    for at in range(32, len(log), 24 + PAGE):
        parts += [(at, log[at : at + 24]), (at + 24, log[at + 24 : at + 24 + PAGE])]
    return parts


def test_every_byte_of_a_lively_outbox_is_known(log_of_an_outbox: bytes) -> None:
    database = Database()
    frames = _frames(log_of_an_outbox)
    assert len(frames) > 200
    for offset, data in frames:
        assert sum(database.write("-wal", offset, data).parts.values()) == len(data)


def test_bytes_in_an_unused_part_of_a_page_are_found_although_the_checksums_are_right(log_of_an_outbox: bytes) -> None:
    database = Database()
    *before, (head_at, head), (page_at, page) = _frames(log_of_an_outbox)[:9]
    for offset, data in before:
        database.write("-wal", offset, data)
    middle = page.index(bytes(64))
    planted = page[:middle] + b"\xff\xd8\xff\xe0 pixels" + page[middle + 11 :]
    sums = database._checksum(database._checksum(database._sums, head[:8]), planted)
    head = head[:16] + b"".join(number.to_bytes(4, "big") for number in sums)
    database.write("-wal", head_at, head)
    with pytest.raises(PageError, match="unused part"):
        database.write("-wal", page_at, planted)


@pytest.mark.parametrize(
    ("suffix", "offset", "data"),
    [
        ("-wal", 0, b"\xff\xd8" * 16),
        ("-wal", 32, bytes(24)),
        ("-wal", 5, b"x"),
        ("", 0, b"\xff\xd8" * 2048),
        ("", PAGE, bytes(PAGE)),
        ("", 100, b"pixels"),
        ("-journal", 0, b"\xff\xd8" * 256),
        ("-journal", 512, bytes(512)),
    ],
)
def test_what_sqlite_did_not_write_is_refused(suffix: str, offset: int, data: bytes) -> None:
    with pytest.raises(PageError):
        Database().write(suffix, offset, data)


def _call(name: str, *arguments: str, answer: str = "0") -> Call:
    return Call(at=0, thread=1, name=name, arguments=arguments, result=0, answer=answer)


@pytest.mark.parametrize(
    "call",
    [
        _call("io_uring_setup", "8", "{}"),
        _call("process_vm_writev", "1"),
        _call("rename", '"\\x61"', '"\\x62"'),
        _call("symlink", '"\\x61"', '"\\x62"'),
        _call("memfd_create", '"\\x66\\x72\\x61\\x6d\\x65"', "0"),
        _call("fork", answer="7"),
        _call("prctl", "PR_SET_NAME", '"\\x2f\\x39\\x6a\\x2f"'),
        _call("ioctl", "0", "TIOCSTI", '"x"'),
        _call("unlink", '"\\x2f\\x65\\x74\\x63\\x2f\\x61"'),
        _call("mmap", "NULL", "8", "PROT_READ|PROT_WRITE", "MAP_SHARED|MAP_ANONYMOUS", "-1", "0"),
        _call("openat", "AT_FDCWD", '"\\x61"', "O_WRONLY|O_CREAT", answer="3<\\x2f\\x61>"),
        _call("openat", "AT_FDCWD", '"\\x61"', "O_RDONLY", answer="3<\\x2f\\x61>"),
    ],
    ids=lambda call: call.name,
)
def test_a_system_call_that_is_on_no_list_is_found(
    ledger: Ledger, vocabulary: Vocabulary, tmp_path: Path, call: Call
) -> None:
    Process(ledger, Places(tmp_path, tmp_path / "video", tmp_path / "assets"), vocabulary).judge(call)
    assert len(ledger.findings) == 1


def _hex(data: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


@pytest.mark.parametrize(("name", "known"), [(b"\x06broker\x07example", True), (b"\x0c2f396a2f4141\x07example", False)])
def test_a_dns_question_is_for_the_brokers_name(ledger: Ledger, name: bytes, known: bool) -> None:
    network = Network(ledger, "broker.example", 8883, "/run/notify")
    network.handlers["socket"](_call("socket", "AF_INET", "SOCK_DGRAM", "0", answer="3<UDP:[1]>"))
    address = f"{{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr({_hex(b'10.0.0.1')})}}"
    network.handlers["connect"](_call("connect", "3<UDP:[1]>", address, "16"))
    question = bytes(12) + name + b"\0\0\1\0\1"
    network.handlers["sendto"](replace(_call("sendto", "3<UDP:[1]>", _hex(question)), result=len(question)))
    ledger.balance()
    assert (ledger.findings == []) is known


def test_the_service_manager_is_told_three_words_only(ledger: Ledger) -> None:
    network = Network(ledger, "broker.example", 8883, "/run/notify")
    network.handlers["socket"](_call("socket", "AF_UNIX", "SOCK_DGRAM", "0", answer="3<UNIX-DGRAM:[1]>"))
    address = f"{{sa_family=AF_UNIX, sun_path={_hex(b'/run/notify')}}}"
    for word, findings in ((b"READY=1", 0), (b"STATUS=pixels", 1)):
        call = _call("sendto", "3<UNIX-DGRAM:[1]>", _hex(word), "7", "0", address, "110")
        network.handlers["sendto"](replace(call, result=len(word)))
        assert len(ledger.findings) == findings


def test_a_sink_that_nobody_understood_does_not_balance(ledger: Ledger) -> None:
    ledger.wrote("somewhere", 10)
    ledger.account("somewhere", "heads", 9)
    ledger.balance()
    assert [finding.what for finding in ledger.findings] == ["1 of 10 bytes are not accounted for"]


@pytest.mark.parametrize("line", ['1.5 write(1, "\\x61"..., 5) = 5', "1.5 what is this"])
def test_a_trace_that_does_not_show_everything_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "trace.7").write_text(line + "\n")
    with pytest.raises(DataError):
        [call.written() for call in read_calls(tmp_path, "trace")]


def test_a_missing_strace_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TraceError, match="apt-get install strace"):
        require_trace()


def test_a_strace_that_may_not_look_is_said_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "strace"
    fake.write_text("#!/bin/sh\necho 'strace: ptrace(PTRACE_TRACEME): Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TraceError, match=r"Operation not permitted.*run this as root"):
        require_trace()


def test_a_missing_mosquitto_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laboratory.shutil, "which", lambda *_, **__: None)
    with pytest.raises(BrokerMissingError, match="apt-get install mosquitto") as caught:
        find_mosquitto()
    assert (caught.value.exit_code, tracing.TraceError.exit_code) == (7, 5)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["egress", "nowhere.mp4"], "nowhere.mp4: no such file"), (["egress", "--report", "report.txt"], "report.txt: a")],
)
def test_a_users_mistake_is_one_plain_error(arguments: list[str], what: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, DataError)
    assert what in str(result.exception)
    assert result.exception.exit_code == 2
