"""What reads a recording refuses everything that it does not know, byte by byte; and the command says what it lacks."""

from __future__ import annotations

import random
import ssl
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.egress.audit_log import HEAD, LOG, AuditLogReader
from benchmarks.egress.ledger import Ledger
from benchmarks.egress.network import DNS, Network, question_problem
from benchmarks.egress.outbox import PAGE, OutboxReader
from benchmarks.egress.system import System, rules_of
from benchmarks.egress.texts import Log, Messages, Metrics
from benchmarks.egress.trace import Call, TraceError, read_calls, require_trace
from benchmarks.egress.wire import (
    MqttError,
    Session,
    connect_packet,
    hello_problem,
    hellos,
    publish_packet,
    read_packets,
    read_records,
)  # fmt: skip
from convert.errors import DataError
from edge.audit import AuditLog
from edge.clock import SystemClock
from edge.config import Config, OutboxConfig
from edge.contract import encode
from edge.publish import outbox_file
from edge.publish.outbox import Outbox
from scripts.mqtt_examples import BUSY, EXAMPLES, ONLINE, ORIGIN, QUIET

TOPIC = "affect/v1/berlin/door/"


@pytest.fixture
def reader() -> Messages:
    made = Messages(ORIGIN, "9f3c21ab")
    made.words |= {ONLINE.version, ONLINE.commit}  # of the examples
    return made


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_messages_as_a_device_sends_them_are_known(reader: Messages) -> None:
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
        (_changed(tags={"zone": "iVBORw0K"}), "another site"),
        (_changed(tags={"iv0r": "entrance"}), "another site"),
        (_changed(tags={"zone": "berlin"}), "another site"),
        (encode(BUSY) + b" ", "another length"),
        (encode(BUSY).rstrip() + b"\t", "beside the fields"),
        (_changed(model={"name": "affect-112", "version": 3, "sha256": "5f" * 32}), "another site"),
        (_changed(id="door/00c0ffee/412"), ".id: a text"),
        (_changed(epoch="00c0ffee"), ".epoch: a text"),
        (_changed(start="2026-11-02T11:00:00.123456Z"), ".start: a text"),
        (_changed(thumbnail=""), "beside the fields"),
        (_changed(seq="x"), "Expected"),
        (b"\xff\xd8\xff", "malformed"),
    ],
)
def test_a_value_that_no_device_would_send_is_named(reader: Messages, data: bytes, what: str) -> None:
    assert reader.problems(TOPIC + "window", encode(BUSY)) == []
    assert any(what in problem for problem in reader.problems(TOPIC + "window", data))
    assert reader.problems(TOPIC + "picture", b"{}")


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("INFO watching replay with model default 2, publishing to localhost:1883", True),
        ("INFO localhost:1883: connected", True),
        ("WARNING localhost:1883: connected", False),
        ("INFO /9j/4AAQSkZJRg: connected", False),
        ("INFO stopped after 7 frames and /9j/4AAQSkZJRg", False),
        ("INFO stopped after 0.123456789123456789 frames", False),
        ("[[12 13 14]]", False),
    ],
)
def test_a_log_line_is_one_of_the_codes_templates_at_its_own_time(line: str, known: bool) -> None:
    log, at = Log({"replay", "default", "localhost", "localhost:1883"}), 1_764_106_240.0
    said = datetime.fromtimestamp(at, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S,000")
    assert (log.problem(f"{said} {line}\n", at) == "") is known
    assert log.problem(f"{said} {line}\n", at + 60)


ANSWER = (
    "HTTP/1.0 200 OK\r\nDate: Tue, 25 Nov 2025 21:30:40 GMT\r\nServer: WSGIServer/0.2 CPython/3.11.7\r\n"
    'Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n\r\naffect_edge_faces{device="door",site="berlin"} 2.0\n'
)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", ""),
        ("2.0", "2.0123456", "decimals"),
        ('"door"', '"8fa2c0"', "label"),
        ("faces", "f8a2c0", "metric"),
        ("\r\n\r\n", "\r\nX-P: 8fa2c0\r\n\r\n", "head"),
        ("21:30:40", "21:33:40", "time"),
        ("2.0\n", "2.0\npixels", "metric"),
    ],
)
def test_an_answer_with_metrics_is_known_to_the_last_byte(old: str, new: str, problem: str) -> None:
    assert problem in Metrics(ORIGIN).problem(ANSWER.replace(old, new).encode(), 1_764_106_240.0)
    assert bool(problem) == bool(Metrics(ORIGIN).problem(ANSWER.replace(old, new).encode(), 1_764_106_240.0))


PUBLISH = publish_packet("t", b"{}", 7, expiry_s=60)
CONNECT = connect_packet("name", 60, ("t", b"{}"), "user", "secret")


def test_packets_are_read_to_the_last_byte() -> None:
    packets = list(read_packets(CONNECT + PUBLISH + b"\xc0\0" + b"\xe0\0"))
    assert [packet.name for packet in packets] == ["CONNECT", "PUBLISH", "PINGREQ", "DISCONNECT"]
    assert packets[1][2:] == ("t", b"{}")


@pytest.mark.parametrize(
    "stream",
    [b"\xff\xd8\xff\xe0", b"\xc0\x01x", b"\xc1\x00", b"\xe0\x01\x04", b"\x40\x02\0\1", b"\x82\x05\0\1\0\0\0",
     b"\xc0\x80\0", PUBLISH[:-1], b"\x30\xff\xff\xff\xff\x7f"],
)  # fmt: skip
def test_what_the_device_does_not_send_is_refused(stream: bytes) -> None:
    with pytest.raises(MqttError):
        list(read_packets(stream))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def test_first_message_of_tls_is_this_machine_s_for_the_broker_and_nothing_else() -> None:
    known, named = hellos(_context(), "localhost"), _context()
    named.set_alpn_protocols(["pixels"])
    assert hello_problem(*hellos(_context(), "localhost", 1), known) == ""
    assert hello_problem(*hellos(_context(), "8fa2c0e1b", 1), known)
    assert hello_problem(*hellos(named, "localhost", 1), known)
    loose = sum(len(set(column)) > 1 for column in zip(*known, strict=True))
    assert loose in (96, 1312)  # a random number, a session's id, and a key; or two keys, since OpenSSL 3.5


@pytest.mark.parametrize("more", [b"\xff\xd8\xff\xe0", b"\x17\3\3\0\x14" + bytes(20), b"\x16\3\1\0\1x"])
def test_what_tls_did_not_send_is_found(ledger: Ledger, more: bytes) -> None:
    known = hellos(_context(), "localhost")
    sent = known[0] + b"\x14\3\3\0\1\1" + b"\x17\3\3\0\x35" + bytes(53) + b"\x17\3\3\0\x15" + bytes(21)
    read_records(ledger, sent, Session(bytearray(sent), bytearray(4)), known)
    assert ledger.findings == []
    read_records(ledger, sent + more, Session(bytearray(sent + more), bytearray(4)), known)
    assert "bytes that TLS did not send" in ledger.findings[0][1]
    read_records(ledger, sent, Session(bytearray(sent[:-1]), bytearray(4)), known)
    assert "not what the kernel was given" in ledger.findings[-1][1]


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int, bytes]]:
    """What SQLite wrote in a lively life of an outbox: windows kept, acknowledged out of order, refused and evicted."""
    path, rng = tmp_path_factory.mktemp("outbox") / "outbox.db", random.Random(7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox_file.Database, "clean", lambda _: None)  # all of it stays in the log
        outbox = Outbox(path, OutboxConfig(max_mb=0.03), SystemClock(), ORIGIN, epoch="9f3c21ab")
        for _ in range(60):
            owed = outbox.owed(100)
            if rng.random() < 0.6 or not owed:
                epoch, seq = outbox.number()
                told = {"id": f"{ORIGIN.device}/{epoch}/{seq}", "seq": seq, "visits": rng.randrange(10**6)}
                outbox.keep(msgspec.structs.replace(rng.choice([BUSY, QUIET]), **told), None)
            elif rng.random() < 0.2:
                outbox.refuse(rng.choice(owed), 0x87)
            else:
                outbox.ack(rng.choice(owed))
        first, log = path.read_bytes(), path.with_name("outbox.db-wal").read_bytes()
        outbox.close()
    made = [("", 0, first), ("-wal", 0, log[:32])]
    for at in range(32, len(log), 24 + PAGE):
        made += [("-wal", at, log[at : at + 24]), ("-wal", at + 24, log[at + 24 : at + 24 + PAGE])]
    return made


def _replay(ledger: Ledger, reader: Messages, writes: list[tuple[str, int, bytes]]) -> OutboxReader:
    outbox = OutboxReader(ledger, reader, TOPIC + "window")
    for suffix, offset, data in writes:
        ledger.wrote(suffix, len(data))
        outbox.wrote(suffix, suffix, offset, data)
    ledger.balance()
    return outbox


def test_every_byte_of_a_lively_outbox_is_known(
    ledger: Ledger, reader: Messages, writes: list[tuple[str, int, bytes]]
) -> None:
    outbox = _replay(ledger, reader, writes)
    assert ledger.findings == []
    assert len(writes) > 200
    assert len(outbox.rows) > 2
    strange = [("", 0, b"\1" * PAGE), ("", 100, b"pixels"), ("-wal", 5, b"x"), ("-wal", 32, bytes(PAGE))]
    strange += [("-journal", 0, b"\xff\xd8" * 256), ("-journal", 512, bytes(512))]
    for suffix, offset, data in strange:
        before = len(ledger.findings)
        outbox.wrote(f"{suffix} {offset}", suffix, offset, data)
        assert len(ledger.findings) == before + 1


def test_a_page_with_another_content_than_its_checksum_says_is_found(
    ledger: Ledger, reader: Messages, writes: list[tuple[str, int, bytes]]
) -> None:
    last = next(at for at, (_, _, data) in enumerate(writes[:-1]) if len(data) == 24 and any(data[4:8])) + 1
    suffix, offset, page = writes[last]
    _replay(ledger, reader, [*writes[:last], (suffix, offset, page[:-8] + b"\xff\xd8pixels")])
    assert ("-wal", "entries of the log that SQLite does not accept") in ledger.findings


def _hex(data: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def _call(name: str, *arguments: str, answer: str = "0", result: int = 0) -> Call:
    return Call(0, name, arguments, result, answer)


def _inet(host: bytes, port: int) -> str:
    return f"{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr({_hex(host)})}}"


@pytest.mark.parametrize(
    ("known", "call"),
    [
        (True, _call("setsockopt", "4<UDP:[1]>", "SOL_IP", "IP_RECVERR", "[1]", "4")),
        (False, _call("setsockopt", "4<UDP:[1]>", "SOL_IP", "IP_RECVERR", "[16843009]", "4")),
        (False, _call("setsockopt", "4<TCP:[1]>", "SOL_IP", "IP_TOS", "[7]", "4")),
        (False, _call("setsockopt", "4<TCP:[1]>", "SOL_TCP", "TCP_CONGESTION", _hex(b"pixels"), "6")),
        (True, _call("connect", "4<UDP:[1]>", _inet(b"10.0.0.1", 53), "16")),
        (False, _call("connect", "4<UDP:[1]>", _inet(b"192.0.2.1", 53), "16")),
        (False, _call("connect", "4<TCP:[1]>", _inet(b"10.0.0.1", 53), "16")),
        (False, _call("connect", "4<UNIX:[1]>", f"{{sa_family=AF_UNIX, sun_path=@{_hex(b'p')}}}", "4")),
        (False, _call("bind", "4<TCP:[1]>", _inet(b"0.0.0.0", 4711), "16")),
        (False, _call("io_uring_setup", "8", "{}")),
        (False, _call("process_vm_writev", "1")),
        (False, _call("sendfile", "4<TCP:[1]>", "5<\\x2f\\x61>", "NULL", "4096")),
        (False, _call("rename", _hex(b"a"), _hex(b"b"))),
        (False, _call("memfd_create", _hex(b"frame"), "0")),
        (False, _call("fork", answer="7")),
        (False, _call("prctl", "PR_SET_NAME", _hex(b"/9j/"))),
        (False, _call("ioctl", "0", "TIOCSTI", _hex(b"x"))),
        (False, _call("unlink", _hex(b"/etc/a"))),
        (False, _call("mmap", "NULL", "8", "PROT_READ|PROT_WRITE", "MAP_SHARED|MAP_ANONYMOUS", "-1", "0")),
        (False, _call("openat", "AT_FDCWD", _hex(b"a"), "O_WRONLY|O_CREAT", answer="3<\\x2f\\x61>", result=3)),
        (False, _call("openat", "AT_FDCWD", _hex(b"a"), "O_RDONLY", answer="3<\\x2f\\x61>", result=3)),
        (False, _call("newfstatat", "AT_FDCWD", _hex(b"/net/pixels"), "&", "0", result=-1)),
        (False, _call("stat", _hex(b"/usr/lib/../../net/pixels"), "&", result=-1)),
    ],
    ids=lambda value: value.name if isinstance(value, Call) else "",
)  # fmt: skip
def test_a_system_call_is_known_with_all_of_its_arguments(
    ledger: Ledger, tmp_path: Path, known: bool, call: Call
) -> None:
    rules = rules_of(Config(), ["10.0.0.1"])
    System(ledger, rules, tmp_path, tmp_path / "video").judge(call)
    assert (ledger.findings == []) is known


QUESTION = bytes.fromhex("def801000001000000000000") + b"\6broker\7example\0\0\1\0\1"  # as glibc 2.36 asks


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (QUESTION, True),
        (QUESTION[:-3] + b"\x1c\0\1", True),
        (QUESTION[:11] + b"\1" + QUESTION[12:] + bytes.fromhex("00002904b0000000000000"), True),
        (QUESTION + b"\xff\xd8\xff", False),
        (QUESTION.replace(b"example", b"exAmple"), False),
        (QUESTION[:11] + b"\1" + QUESTION[12:] + bytes.fromhex("00002904b0000000000003706978"), False),
        (QUESTION[:4] + b"\0\2" + QUESTION[6:], False),
        (b"\xff\xd8\xff", False),
    ],
)
def test_a_dns_question_is_the_broker_s_name_and_nothing_behind_it(data: bytes, known: bool) -> None:
    assert (question_problem(data, ["broker.example"]) == "") is known


LOOKUP = """\
socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3<NETLINK:[428576]>
bind(3<NETLINK:[428576]>, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0
sendto(3<NETLINK:[ROUTE:30647]>, [{nlmsg_len=20, nlmsg_type=RTM_GETADDR, nlmsg_flags=NLM_F_REQUEST|NLM_F_DUMP, \
nlmsg_seq=1796066036, nlmsg_pid=0}, {ifa_family=AF_UNSPEC, ...}], 20, 0, \
{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20
socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 4<UDP:[258964]>
setsockopt(4<UDP:[258964]>, SOL_IP, IP_RECVERR, [1], 4) = 0
connect(4<UDP:[258964]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr(SERVER)}, 16) = 0
sendmmsg(4<UDP:[192.0.2.2:40895->10.0.0.1:53]>, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=QUESTION, \
iov_len=32}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=32}, {msg_hdr={msg_name=NULL, msg_namelen=0, \
msg_iov=[{iov_base=QUESTION, iov_len=32}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=32}], 2, 0) = 2
"""  # of glibc 2.36, as strace 6.1 shows it; `sendmmsg` returns the number of messages, not of bytes


@pytest.mark.parametrize(("server", "known"), [(b"10.0.0.1", True), (b"192.0.2.1", False)])
def test_looking_up_a_name_is_known_with_a_configured_server_only(
    ledger: Ledger, tmp_path: Path, server: bytes, known: bool
) -> None:
    config = msgspec.convert({"mqtt": {"host": "broker.example", "port": 8883, "tls": True}}, type=Config)
    lines = LOOKUP.replace("SERVER", _hex(server)).replace("QUESTION", _hex(QUESTION)).splitlines()
    (tmp_path / "trace.7").write_text("".join(f"1.{number} {line}\n" for number, line in enumerate(lines)))
    network = Network(ledger, config, "/run/notify", ["10.0.0.1"])
    system = System(ledger, rules_of(config, ["10.0.0.1"]), tmp_path, tmp_path / "video")
    for call in read_calls(tmp_path, "trace"):
        if call.name.startswith("send"):
            network.sent(call)
        else:
            network.follow(call)
            system.judge(call)
    ledger.balance()
    assert (ledger.findings == []) is known
    assert ledger.sizes[DNS] == 2 * len(QUESTION) * known


@pytest.mark.parametrize(("word", "path", "findings"), [
    (b"READY=1", _hex(b"/run/notify"), 0), (b"STATUS=pixels", _hex(b"/run/notify"), 1),
    (b"READY=1", "@" + _hex(b"/run/notify"), 1), (b"READY=1", _hex(b"/run/other"), 1),
])  # fmt: skip
def test_the_service_manager_is_told_three_words_only(ledger: Ledger, word: bytes, path: str, findings: int) -> None:
    network = Network(ledger, Config(), "/run/notify", [])
    network.follow(_call("socket", "AF_UNIX", "SOCK_DGRAM", "0", answer="3<UNIX-DGRAM:[1]>", result=3))
    address = f"{{sa_family=AF_UNIX, sun_path={path}}}"
    network.sent(_call("sendto", "3<UNIX-DGRAM:[1]>", _hex(word), "7", "0", address, "110", result=len(word)))
    assert len(ledger.findings) == findings


def test_a_place_that_nobody_understood_does_not_balance(ledger: Ledger) -> None:
    ledger.wrote("somewhere", 10)
    ledger.account("somewhere", "heads", 9)
    ledger.balance()
    assert ledger.findings == [("somewhere", "1 of 10 bytes are not accounted for")]


@pytest.mark.parametrize(
    "line", ['1.5 write(1, "\\x61"..., 5) = 5', '1.5 write(1, "\\x61", 5) = 5', "1.5 sendto(3, {}, 5) = 5", "1.5 what"]
)
def test_a_trace_that_does_not_show_everything_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "trace.7").write_text(line + "\n")
    with pytest.raises(DataError):
        [call.messages() for call in read_calls(tmp_path, "trace")]


def test_a_missing_strace_is_said_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TraceError, match="apt-get install strace") as caught:
        require_trace()
    assert caught.value.exit_code == 5


def test_a_strace_that_may_not_look_is_said_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "strace"
    fake.write_text("#!/bin/sh\necho 'strace: ptrace(PTRACE_TRACEME): Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TraceError, match=r"Operation not permitted.*run this as root"):
        require_trace()


def test_a_video_that_is_not_there_is_one_plain_error() -> None:
    result = CliRunner().invoke(app, ["egress", "nowhere.mp4"])
    assert isinstance(result.exception, DataError)
    assert "nowhere.mp4: no such file" in str(result.exception)
    assert result.exception.exit_code == 2


def test_the_audit_log_is_known_line_by_line_and_nothing_can_stand_in_it(tmp_path: Path, ledger: Ledger) -> None:
    config_file = tmp_path / "config.toml"
    config_file.write_text("")
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append("started", ORIGIN.policy, camera=Config().camera.backend, model=ORIGIN.model.sha256)
    line, head = log.path.read_bytes(), (tmp_path / "audit.jsonl.head").read_bytes()
    now = datetime.now(timezone.utc).timestamp()
    changes = [
        (line, head),
        (line.replace(b"v4l2", b"face"), head),
        (line.replace(b'"at"', b' "at"'), head),
        (line.replace(b"started", b"smiling"), head),
        (line, head.replace(b'"number":1', b'"number":2')),
    ]
    for number, (written, after) in enumerate(changes):
        ledger = Ledger()
        reader = AuditLogReader(ledger, Config(), ORIGIN, config_file)
        reader.wrote(LOG, written, now)
        reader.wrote(HEAD, after, now)
        assert bool(ledger.findings) == bool(number)
    reader = AuditLogReader(ledger, Config(), ORIGIN, config_file)
    reader.wrote(LOG, line, now + 3600)
    assert ledger.findings
