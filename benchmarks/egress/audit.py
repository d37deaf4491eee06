"""The audit: every system call of a recording goes to whoever understands it, and the books have to balance."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from benchmarks.egress.audit_log import HEAD, LOG, AuditLogReader
from benchmarks.egress.laboratory import PASSWORD, Recording
from benchmarks.egress.ledger import Ledger, describe
from benchmarks.egress.network import METRICS, Network
from benchmarks.egress.outbox import OutboxReader
from benchmarks.egress.system import System, rules_of
from benchmarks.egress.texts import RUNTIME, Log, Messages, Metrics, kind_of
from benchmarks.egress.trace import Call
from benchmarks.egress.wire import (
    WIRE,
    MqttError,
    Packet,
    connect_packet,
    hellos,
    publish_packet,
    read_packets,
    read_records,
)
from edge.contract import Status, Window, decode, encode
from edge.device import origin_of
from edge.model.bundle import default_bundle, load_bundle
from edge.publish.credentials import load_credentials

_WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2"}
_SENDS = {"sendto", "sendmsg", "sendmmsg"}
_SOCKETS = {"socket", "socketpair", "connect", "accept4"}
_OUTBOX = "<run>/outbox.db"
_PLACES = {"<run>/stdout": "standard output", "<run>/stderr": "standard error", "/memfd:runtime-log": "runtime-log"}
_WITHIN = ("anon_inode:[eventfd", "pipe:")  # of the process itself, which has no children
# What a run has to show before its silence means anything.
_EXPECTED = (
    "CONNECT", "PUBLISH window", "window with scores", "PUBLISH health", "PUBLISH status", "PINGREQ", "DISCONNECT",
    "kept window", "log line", "sd_notify", "answer with metrics", "memory sealed",
)  # fmt: skip


class Audit:
    """Goes through one recording.

    Attributes:
        ledger: the books, balanced.
        rows: how many are in the outbox at the end.
        model_sha256: of the bundle that was run.
        unexercised: what a run can show and this one did not.
    """

    def __init__(self, recording: Recording) -> None:
        self.ledger = Ledger()
        self._recording, config, bundle = recording, recording.config, load_bundle(default_bundle())
        self.model_sha256 = bundle.sha256
        self._origin = origin_of(config, bundle)
        self._messages = Messages(self._origin, self._epoch())
        broker = f"{config.mqtt.host}:{config.mqtt.port}"
        self._log = Log({self._origin.model.name, config.camera.backend, config.mqtt.host, broker})
        self._metrics = Metrics(self._origin)
        self._outbox = OutboxReader(self.ledger, self._messages, self._origin.topic("window"))
        self._audit_log = AuditLogReader(self.ledger, config, self._origin, recording.folder / "config.toml")
        notify = str(recording.folder / "notify")
        self._network = Network(self.ledger, config, notify, recording.resolvers, recording.domains)
        rules = rules_of(config, recording.resolvers)
        self._system = System(self.ledger, rules, recording.folder, recording.pictures)
        self._numbers: list[int] = []
        for call in recording.calls[1:]:  # the first starts the program
            self._take(call)
        self._read_streams()
        self._outbox.finish(_OUTBOX, recording.folder / "outbox.db")
        self.rows = len(self._outbox.rows)
        self._conclude()
        self.unexercised = [name for name in _EXPECTED if not self.ledger.seen[name]]

    @property
    def clean(self) -> bool:
        """Whether nothing was found, in a run that published at least one window."""
        return not self.ledger.findings and bool(self.ledger.seen["PUBLISH window"])

    def _epoch(self) -> str:
        path = self._recording.folder / "outbox.db"
        if not path.is_file():
            return "-"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as left:
            return str(left.execute("SELECT data ->> 'epoch' FROM windows WHERE key = 0").fetchone()[0])

    def _take(self, call: Call) -> None:
        target = call.target()[1]
        if call.name in _SENDS or (call.name in _WRITES and not target.startswith(("/", *_WITHIN))):
            self._network.sent(call)
        elif call.name in _WRITES:
            self._write(call, self._system.name(target))
        elif call.name == "ftruncate" and (name := self._system.name(target)).startswith(_OUTBOX):
            self._outbox.cut(name, name.removeprefix(_OUTBOX), int(call.arguments[1]))
        else:
            if call.name in _SOCKETS:
                self._network.follow(call)
            self._system.judge(call)

    def _write(self, call: Call, name: str) -> None:
        ledger, name = self.ledger, _PLACES.get(name, name.partition(":[")[0])
        (_, data), *_ = call.messages()
        if call.failed or not data:
            return
        ledger.wrote(name, len(data))
        if name.startswith(_OUTBOX) and call.name == "pwrite64":
            self._outbox.wrote(name, name.removeprefix(_OUTBOX), int(call.arguments[3]), data)
        elif name in (LOG, HEAD):
            self._audit_log.wrote(name, data, call.at)
        elif name == "standard error":
            for line in data.splitlines(keepends=True):
                problem = self._log.problem(line.decode("utf-8", "backslashreplace"), call.at)
                ledger.judge(name, "log lines from fixed templates", line, problem)
                ledger.seen["log line"] += not problem
        elif name == "runtime-log":
            known = data.decode("utf-8", "backslashreplace").strip() in RUNTIME
            problem = "" if known else "words that the inference runtime is not known for"
            ledger.judge(name, "words of native code, read and dropped", data, problem)
        elif call.target()[1].startswith(_WITHIN):
            ledger.account(name, "within the process: words of native code, or what wakes a thread", len(data))
        else:
            ledger.find(name, f"bytes that nothing of the program writes there: {describe(data)}")

    def _read_streams(self) -> None:
        mqtt, sessions = self._recording.config.mqtt, (one for one in self._recording.sessions if one.came)
        tls = load_credentials(mqtt).tls
        known = hellos(tls, mqtt.host) if tls else []
        for place, data, at in ((place, bytes(stream), at) for place, stream, at in self._network.streams if stream):
            if place == METRICS:
                problem = self._metrics.problem(data, at)
                self.ledger.judge(place, "the health of now, by the program's own names", data, problem)
                self.ledger.seen["answer with metrics"] += not problem
            elif session := next(sessions, None):
                read_records(self.ledger, data, session, known)
                self._read_packets(bytes(session.inside))

    def _read_packets(self, clear: bytes) -> None:
        done, expected_id = 0, 1
        try:
            for packet in read_packets(clear):
                problems = list(self._problems(packet, expected_id))
                expected_id += packet.name == "PUBLISH"
                name = f"PUBLISH {kind_of(packet.topic)}" if packet.topic else packet.name
                for problem in problems:
                    self.ledger.find(WIRE, f"{name}: {problem}; {describe(packet.data)}")
                self.ledger.seen[name] += 1
                self.ledger.account(WIRE, f"MQTT {name}", 0 if problems else len(packet.data))
                done += len(packet.data)
        except MqttError as error:
            self.ledger.find(WIRE, f"{error}, within TLS: {describe(clear[done:])} from there on")

    def _problems(self, packet: Packet, expected_id: int) -> Iterator[str]:
        """What is wrong with a packet."""
        config, mqtt, origin = self._recording.config, self._recording.config.mqtt, self._origin
        if packet.name == "CONNECT":
            last = Status(schema="affect/v1/status", site=origin.site, device=origin.device, state="offline")
            name, will = f"affect-{origin.site}-{origin.device}", (origin.topic("status"), encode(last))
            if packet.data != connect_packet(name, mqtt.keepalive_s, will, mqtt.username, PASSWORD):
                yield "a CONNECT with other words than the configuration's"
        if packet.name != "PUBLISH":
            return
        kind = kind_of(packet.topic)
        number = 0 if kind == "health" else expected_id  # paho counts all, and writes it where one is answered
        expiry_s = int(config.outbox.max_age_days * 86_400) if kind == "window" else 0
        retain = kind == "status"
        if packet.data != publish_packet(origin.topic(kind), packet.payload, number, retain=retain, expiry_s=expiry_s):
            yield "something beside its message, or another number, expiry or topic than the program gives it"
        before, found = self._messages.numbers, self._messages.problems(packet.topic, packet.payload)
        yield from found
        self.ledger.seen["number sent"] += self._messages.numbers - before
        if kind == "window" and not found:
            window = decode(packet.payload, Window)
            self._numbers.append(window.seq)
            self.ledger.seen["window with scores"] += window.valence is not None

    def _conclude(self) -> None:
        ledger, recording = self.ledger, self._recording
        ledger.balance()
        if sorted(set(self._numbers)) != list(range(1, len(set(self._numbers)) + 1)):
            ledger.find(WIRE, "windows whose numbers are not 1, 2, 3 and so on")
        if problem := _title_problem(recording.titles):
            ledger.find("command line", problem)
        if recording.exit_code != 0:
            ledger.find("process", f"it ended with exit code {recording.exit_code}, not with 0")


def _title_problem(titles: set[str]) -> str:
    return "it was changed, where every user of the machine can read it" if titles else ""
