"""The sockets of the process: whom each leads to, and every byte that was handed to it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from benchmarks.egress.ledger import Ledger, describe
from benchmarks.egress.trace import Call, readable
from benchmarks.egress.wire import WIRE
from edge.config import Config

METRICS = "metrics for this machine"
DNS = "questions to a name server"
_MANAGER = "service manager's socket"
_PAIR = "wake-up socket within the process"
_WORDS = (b"READY=1", b"WATCHDOG=1", b"STOPPING=1")
_HEX = r"((?:\\x[0-9a-f]{2})*)"  # of a string, as strace writes it: nothing in it can look like something else
_PEER = re.compile(rf'htons\((\d+)\), .*?inet_(?:addr\(|pton\(AF_INET6, )"{_HEX}"|sun_path=(@?)"{_HEX}"')
_NETLINK = re.compile(
    r"[\[{]\{nlmsg_len=20, nlmsg_type=RTM_GETADDR, nlmsg_flags=NLM_F_REQUEST\|NLM_F_DUMP, nlmsg_seq=\d+, "
    r"nlmsg_pid=0\}, \{ifa_family=AF_UNSPEC, \.\.\.\}[\]}]"
)
_QUESTION_HEAD = re.compile(rb"..\x01[\x00\x20]\0\x01\0\0\0\0\0([\0\x01])", re.DOTALL)
_EDNS = b"\0\0\x29\x04\xb0\0\0\0\0\0\0"  # an empty OPT record, as the C library adds it where it is told to


class Network:
    """Follows sockets from their making. Whether a socket may be made or connected, `System` says.

    `notify` is the path of the service manager's socket, `resolvers` are the addresses of the name servers, and
    `domains` what the system may add to a name that it looks up.

    Attributes:
        streams: what went over each connection: place, bytes, and seconds since 1970 when it began.
    """

    def __init__(
        self, ledger: Ledger, config: Config, notify: str, resolvers: Iterable[str], domains: Iterable[str] = ()
    ) -> None:
        self._ledger = ledger
        self._places = {("", notify): _MANAGER} | {(host, "53"): DNS for host in resolvers}
        self._broker = {(host, str(config.mqtt.port)) for host in ("127.0.0.1", "::1")}
        self._names = {config.mqtt.host, *(f"{config.mqtt.host}.{domain}" for domain in domains)}
        self._open: dict[int, tuple[str, bytearray]] = {}  # where each descriptor leads to
        self.streams: list[tuple[str, bytearray, float]] = []

    def follow(self, call: Call) -> None:
        """Takes a call that makes or connects a socket."""
        if call.name == "socketpair":
            for number in re.findall(r"(\d+)<", call.arguments[-1]):
                self._open[int(number)] = (_PAIR, bytearray())
        elif call.name in ("accept4", "socket"):
            self._begin(call.opened[0], METRICS if call.name == "accept4" else "a socket without a peer", call.at)
        elif call.name == "connect":
            peer, stream = _peer(call.arguments[1]), call.target()[1].startswith("TCP")
            self._begin(call.target()[0], WIRE if stream and peer in self._broker else self._place(peer), call.at)

    def sent(self, call: Call) -> None:
        """Takes a call that hands bytes to a socket."""
        number, kind = call.target()
        place, stream = self._open.get(number, ("a socket that nobody made", bytearray()))
        if kind.startswith("NETLINK") and _NETLINK.fullmatch(call.arguments[1]):
            self._ledger.touches[call.name, "asks the kernel for its own addresses"] += 1
            return
        for beside, data in call.messages():
            if any(peer := _peer(beside)):
                place = self._place(peer)
            if "msg_control=" in beside:
                self._ledger.find(place, "something beside the data of a message")
            if not call.failed:
                self._ledger.wrote(place, len(data))
            if not call.failed or place not in (WIRE, METRICS, _MANAGER, _PAIR):  # elsewhere trying is enough
                self._judge(place, stream, data)

    def _judge(self, place: str, stream: bytearray, data: bytes) -> None:
        ledger = self._ledger
        if place in (WIRE, METRICS):
            stream += data  # judged as a whole, later
        elif place == _PAIR:
            ledger.judge(place, "one zero byte, to wake a thread", data, "" if data == b"\0" else "another byte")
        elif place == _MANAGER:
            ledger.judge(place, "READY, WATCHDOG or STOPPING", data, "" if data in _WORDS else "another word")
            ledger.seen["sd_notify"] += 1
        elif place == DNS:
            ledger.judge(place, "the broker's name; two random bytes each", data, question_problem(data, self._names))
        else:
            ledger.find(place, f"bytes for somebody who is on no list: {describe(data)}")

    def _begin(self, number: int, place: str, at: float) -> None:
        self._open[number] = (place, bytearray())
        if place in (WIRE, METRICS):
            self.streams.append((place, self._open[number][1], at))

    def _place(self, peer: tuple[str, str]) -> str:
        host, port = peer
        return self._places.get(peer, f"network, {host} port {port}" if host else "a socket of another program")


def question_problem(data: bytes, names: Iterable[str]) -> str:
    """What is wrong with a DNS question, each byte of it considered; empty when nothing is."""
    head = _QUESTION_HEAD.match(data)
    if head is None:
        return "a datagram that is no DNS question"
    end = _EDNS if head[1] == b"\1" else b""
    for name in names:
        asked = b"".join(bytes([len(part)]) + part for part in name.rstrip(".").encode("idna").split(b".")) + b"\0"
        if data[len(head[0]) :] in (asked + b"\0\1\0\1" + end, asked + b"\0\x1c\0\1" + end):  # A, AAAA
            return ""
    return "a DNS question that asks for something else than the broker's name, or with something behind it"


def _peer(text: str) -> tuple[str, str]:
    """Host and port in what strace shows, or an empty host and a path; two empty texts where there is none."""
    found = _PEER.search(text)
    if found is None:
        return "", ""
    port, host, mark, path = found.groups()
    return (readable(host), port) if port else ("", mark + readable(path))
