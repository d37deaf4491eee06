"""The audit: every system call of a recording goes to whoever understands it, and the books have to balance."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from benchmarks.egress.calls import Call
from benchmarks.egress.laboratory import PASSWORD, Recording
from benchmarks.egress.ledger import Ledger, describe
from benchmarks.egress.logs import check_log, check_runtime
from benchmarks.egress.network import WIRE, Connection, Network
from benchmarks.egress.outbox import OutboxReader
from benchmarks.egress.packets import Packet, PacketError, read_packets
from benchmarks.egress.payloads import PayloadReader, kind_of
from benchmarks.egress.places import Places
from benchmarks.egress.process import Process
from benchmarks.egress.tls import TlsError, read_keys, read_stream
from benchmarks.egress.vocabulary import Vocabulary
from edge.contract import Window, decode
from edge.model.assets import BLAZEFACE, find_asset
from edge.model.bundle import default_bundle, load_bundle

_WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2"}
_OUTBOX = "outbox.db"
_COUNTER_BYTES = 8
_MEMORY_FILE = "memory file runtime-log"
# What a run has to show before its silence means anything.
_EXPECTED = (
    "CONNECT", "PUBLISH window", "window with scores", "PUBLISH health", "PUBLISH status", "PINGREQ", "DISCONNECT",
    "kept window", "log line", "sd_notify", "memory sealed",
)  # fmt: skip


class Audit:
    """Goes through one recording.

    Attributes:
        ledger: the books, balanced.
        rows: of the outbox at the end, by table.
        model_sha256: of the bundle that was run.
        unexercised: what a run can show and this one did not.
    """

    def __init__(self, recording: Recording) -> None:
        self.ledger = Ledger()
        self._recording = recording
        config, bundle = recording.config, load_bundle(default_bundle())
        self.model_sha256 = bundle.sha256
        self._vocabulary = Vocabulary(config, bundle.manifest, bundle.sha256)
        asset = find_asset(BLAZEFACE)
        self._places = Places(recording.folder, Path(config.camera.path), asset.parent if asset else Path("/nowhere"))
        self._device = f"affect/v1/{config.device.site}/{config.device.name}/"
        self._payloads = PayloadReader(self._vocabulary, self._epoch())
        self._outbox = OutboxReader(self.ledger, self._payloads, self._device + "window")
        self._network = Network(self.ledger, config.mqtt.host, config.mqtt.port, str(recording.folder / "notify"))
        self._process = Process(self.ledger, self._places, self._vocabulary)
        self._streams: dict[str, bytearray] = {}
        self._sent: set[tuple[str, bytes]] = set()
        self._numbers: list[int] = []
        for call in recording.calls:
            self._take(call)
        self._read_streams()
        self.rows = self._outbox.check_final("<run>/outbox.db", recording.folder / _OUTBOX)
        self._compare()
        self.ledger.balance()
        self.unexercised = [name for name in _EXPECTED if not self.ledger.seen[name]]

    @property
    def clean(self) -> bool:
        """Whether nothing was found, in a run that published at least one window."""
        return not self.ledger.findings and bool(self.ledger.seen["PUBLISH window"])

    def _epoch(self) -> str:
        path = self._recording.folder / _OUTBOX
        if not path.is_file():
            return "-"
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            state = database.execute("SELECT message FROM windows WHERE key = 0").fetchone()
            return str(msgspec.json.decode(state[0])["epoch"])
        finally:
            database.close()

    def _take(self, call: Call) -> None:
        if call.name in self._network.handlers:
            self._network.handlers[call.name](call)
        elif call.name in _WRITES:
            self._write(call)
        else:
            self._process.judge(call)

    def _write(self, call: Call) -> None:
        target = call.descriptor()[1]
        if target.startswith(("TCP", "UDP", "UNIX", "socket:", "NETLINK")):
            self._network.sent(call)
            return
        data = b"" if call.failed else call.written()
        name = _MEMORY_FILE if target.startswith("/memfd:runtime-log") else self._places.name(target)
        name = {"<run>/stdout": "standard output", "<run>/stderr": "standard error"}.get(name, name)
        self.ledger.wrote(name, len(data))
        if name.startswith(f"<run>/{_OUTBOX}"):
            offset = int(call.arguments[3]) if call.name == "pwrite64" else -1
            self._outbox.wrote(name, name.removeprefix(f"<run>/{_OUTBOX}"), offset, data)
        elif name in ("standard error", _MEMORY_FILE, "<run>/keys"):
            self._streams.setdefault(name, bytearray()).extend(data)
        elif target.startswith("anon_inode:[eventfd") and len(data) == _COUNTER_BYTES:
            self.ledger.account(name, "a counter that wakes a thread", len(data))
        elif data:
            self.ledger.find(name, f"bytes that nothing of the program writes there: {describe(data)}")

    def _read_streams(self) -> None:
        check_log(self.ledger, "standard error", bytes(self._streams.get("standard error", b"")), self._vocabulary)
        check_runtime(self.ledger, _MEMORY_FILE, bytes(self._streams.get(_MEMORY_FILE, b"")))
        keys = bytes(self._streams.get("<run>/keys", b""))
        try:
            secrets = read_keys(keys.decode("ascii", "replace"))
            self.ledger.account("<run>/keys", "TLS session keys, for this proof only", len(keys))
        except TlsError as error:
            secrets = {}
            self.ledger.find("<run>/keys", str(error))
        for connection in self._network.connections:
            self._read_connection(connection, secrets)

    def _read_connection(self, connection: Connection, secrets: dict[tuple[str, str], bytes]) -> None:
        clear = bytearray()
        done = 0
        try:
            for part in read_stream(bytes(connection.stream), secrets, self._recording.config.mqtt.host):
                self.ledger.account(WIRE, part.what, 0 if part.data else part.size)
                clear += part.data
                done += part.size
        except (TlsError, IndexError) as error:
            rest = bytes(connection.stream[done:])
            self.ledger.find(WIRE, f"{error or 'bytes that are no TLS record'}: {describe(rest)} from there on")
        done = 0
        expected_id = 1
        try:
            for packet in read_packets(bytes(clear)):
                expected_id = self._check_packet(packet, expected_id)
                done += packet.size
        except PacketError as error:
            self.ledger.find(WIRE, f"{error}, within TLS: {describe(bytes(clear[done:]))} from there on")

    def _check_packet(self, packet: Packet, expected_id: int) -> int:
        name = packet.name
        problems: list[str] = []
        if name == "CONNECT":
            mqtt, device = self._recording.config.mqtt, self._recording.config.device
            expected = (f"affect-{device.site}-{device.name}", mqtt.username, PASSWORD)
            if packet.words != expected or packet.keepalive_s != mqtt.keepalive_s:
                problems.append("a CONNECT with other words than the configuration's")
        elif name == "PUBLISH":  # paho counts every message, and writes the number where there is to be an answer
            if packet.message_id not in (0, expected_id):
                problems.append("its number is not the next one")
            expected_id += 1
            kept_s = int(self._recording.config.outbox.max_age_days * 86_400)
            if packet.expiry_s != (kept_s if kind_of(packet.topic) == "window" else 0):
                problems.append("it expires at another time than the configuration says")
        if packet.topic:  # of a CONNECT that of the last will, which the broker may speak
            problems += self._check_message(packet)
            self._sent.add((packet.topic, packet.payload))
        if name == "PUBLISH":
            name += f" {kind_of(packet.topic)}"
        for problem in problems:
            self.ledger.find(WIRE, f"{name}: {problem}; {describe(packet.payload)}")
        self.ledger.seen[name] += 1
        if not problems:
            self.ledger.account(WIRE, f"MQTT {name}", packet.size)
        return expected_id

    def _check_message(self, packet: Packet) -> list[str]:
        if packet.topic.startswith("affect/") and packet.topic.rpartition("/")[0] + "/" != self._device:
            return ["a topic of another device"]
        if not packet.topic.startswith("affect/") and not self._vocabulary.knows(packet.topic):
            return ["a topic that is none of the program's"]
        before = self._payloads.numbers
        problems = self._payloads.problems(packet.topic, packet.payload)
        if packet.name == "PUBLISH":
            self.ledger.seen["number sent"] += self._payloads.numbers - before
        if not problems and packet.name == "PUBLISH" and kind_of(packet.topic) == "window":
            self._note_window(packet.payload)
        return problems

    def _note_window(self, payload: bytes) -> None:
        window = decode(payload, Window)
        self._numbers.append(window.seq)
        self.ledger.seen["window with scores"] += window.valence is not None

    def _compare(self) -> None:
        """What anyone heard is what was sent, and the windows' numbers leave nothing out."""
        for topic, payload in self._recording.heard:
            if (topic, payload) not in self._sent:
                self.ledger.find("broker", f"a message that was not seen leaving: {describe(payload)}")
        if sorted(set(self._numbers)) != list(range(1, len(set(self._numbers)) + 1)):
            self.ledger.find(WIRE, "windows whose numbers are not 1, 2, 3 and so on")
        if self._recording.exit_code != 0:
            self.ledger.find("process", f"it ended with exit code {self._recording.exit_code}, not with 0")
