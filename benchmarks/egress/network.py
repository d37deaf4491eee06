"""The sockets of the process: whom it talked to, and what it said above TLS."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.egress.calls import Call
from benchmarks.egress.ledger import Ledger, describe

_FAMILY = re.compile(r"sa_family=(AF_\w+)")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(r'inet_addr\("([^"]*)"\)|inet_pton\(AF_INET6, "([^"]*)"')
_PATH = re.compile(r'sun_path=@?"([^"]*)"')
_LOOPBACK = ("127.0.0.1", "::1")
_NAME_CACHE = "/nscd/socket"
_DNS_PORT = 53
_WORDS = {b"READY=1", b"WATCHDOG=1", b"STOPPING=1"}
WIRE = "TLS connection to the broker"


@dataclass(slots=True, kw_only=True)
class Connection:
    """One socket of the process.

    Attributes:
        kind: family, type and protocol, as strace names them.
        name: of the sink that it is, empty until it is known whom it talks to.
        stream: everything that was sent, where it belongs to the broker's connection.
    """

    kind: str
    name: str = ""
    stream: bytearray = field(default_factory=bytearray)


class Network:
    """Follows sockets from their making.

    Args:
        ledger: takes what is found.
        host, port: of the broker.
        notify: path of the service manager's socket.
    """

    def __init__(self, ledger: Ledger, host: str, port: int, notify: str) -> None:
        self._ledger = ledger
        self._host = host
        self._port = port
        self._notify = notify
        self._open: dict[int, Connection] = {}
        self.connections: list[Connection] = []
        self.handlers: dict[str, Callable[[Call], None]] = {
            "socket": self._made,
            "socketpair": self._paired,
            "connect": self._connected,
            "bind": self._bound,
            "setsockopt": self._allowed,
            "shutdown": self._allowed,
            "sendto": self.sent,
            "sendmsg": self.sent,
            "sendmmsg": self.sent,
        }

    def _made(self, call: Call) -> None:
        if not call.failed:
            self._open[call.opened[0]] = Connection(
                kind=" ".join(argument.split("|")[0] for argument in call.arguments)
            )

    def _paired(self, call: Call) -> None:
        self._ledger.touch("a pair of sockets within the process", "wakes the publishing thread")
        for text in re.findall(r"(\d+)<", call.arguments[-1]):
            self._open[int(text)] = Connection(kind="pair", name="wake-up socket within the process")

    def _connected(self, call: Call) -> None:
        connection = self._open.setdefault(call.descriptor()[0], Connection(kind="unknown"))
        target = call.text
        address = self._address(target)
        if "SOCK_STREAM" in connection.kind and address in {(host, self._port) for host in _LOOPBACK}:
            connection.name = WIRE
            self.connections.append(connection)
            self._ledger.touch(f"connection to {self._host}, the broker's port", "the broker of the configuration")
        elif (path := _PATH.search(target)) and path[1].endswith(_NAME_CACHE):
            self._ledger.touch("/run/nscd/socket", "asks the system's name cache; there is none here")
        elif "SOCK_DGRAM" in connection.kind and address[0] in _LOOPBACK and address[1] in (0, self._port):
            self._ledger.touch("a datagram socket that sent nothing", "how the system's library sorts addresses")
        elif "SOCK_DGRAM" in connection.kind and address[1] == _DNS_PORT:
            connection.name = "DNS"
        else:
            self._ledger.find(_where(address, target), f"a connection ({connection.kind}) that is on no list")

    def _bound(self, call: Call) -> None:
        address = self._address(call.text)
        if address[1] == 0 or "AF_NETLINK" in call.text:
            self._ledger.touch("a local port that the kernel chose", "the near end of the broker's connection")
        else:
            self._ledger.find(_where(address, call.text), "a port that was opened for others")

    def _allowed(self, call: Call) -> None:
        self._ledger.touch(
            f"{call.name} {call.arguments[2] if call.name == 'setsockopt' else ''}".strip(), "a socket's settings"
        )

    def sent(self, call: Call) -> None:
        """Takes a call that sends: `sendto`, `sendmsg`, or a `write` to a socket."""
        number, target = call.descriptor()
        connection = self._open.get(number, Connection(kind=target))
        data = call.written()
        path = _PATH.search(call.text)
        if connection.name == WIRE:
            self._ledger.wrote(WIRE, 0 if call.failed else len(data))
            connection.stream += b"" if call.failed else data
        elif connection.kind == "pair":
            self._account(connection.name, data, "one zero byte, to wake a thread", good=data == b"\0")
        elif connection.kind.startswith("AF_UNIX") and path and path[1] == self._notify:
            self._account("service manager's socket", data, "READY, WATCHDOG or STOPPING", good=data in _WORDS)
            self._ledger.seen["sd_notify"] += 1
        elif connection.kind.startswith("AF_NETLINK") and "RTM_GETADDR" in call.text:
            self._ledger.touch("a question to the kernel for its own addresses", "looking up the broker's address")
        else:
            address = self._address(call.text)
            self._send_elsewhere(connection, address, data)

    def _send_elsewhere(self, connection: Connection, address: tuple[str, int], data: bytes) -> None:
        dns = connection.name == "DNS" or address[1] == _DNS_PORT
        if not dns:
            where = _where(address, connection.kind)
            self._ledger.wrote(where, len(data))
            self._ledger.find(where, f"a packet ({connection.kind}) that is on no list: {describe(data)}")
            return
        name = _asked(data)
        good = name.rstrip(".") == self._host
        self._account("DNS", data, "questions for the broker's address", good=good, what="a DNS question for a name "
                      f"that is not the broker's, {len(name)} characters long")  # fmt: skip

    def _account(self, sink: str, data: bytes, known: str, *, good: bool, what: str = "") -> None:
        self._ledger.wrote(sink, len(data))
        if good:
            self._ledger.account(sink, known, len(data))
        else:
            self._ledger.find(sink, what or f"something else than {known}: {describe(data)}")

    def _address(self, text: str) -> tuple[str, int]:
        port, address = _PORT.search(text), _ADDRESS.search(text)
        return (address[1] or address[2]) if address else "", int(port[1]) if port else -1


def _asked(data: bytes) -> str:
    """The name that a DNS question asks for; empty when it is none."""
    labels, at = [], 12
    while at < len(data) and data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode("ascii", "replace"))
        at += 1 + data[at]
    return ".".join(labels)


def _where(address: tuple[str, int], text: str) -> str:
    if address[0]:
        return f"network, {address[0]} port {address[1]}"
    family = _FAMILY.search(text)
    return f"socket of family {family[1] if family else text}"
