"""What the process may do besides sending and writing: each call with all of its arguments, and why that is known.

A pattern has to match the whole call, so what stands in an argument cannot be forgotten: a socket option's value, the
name of a folder, an address. What no pattern matches is a finding.
"""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import edge
from benchmarks.egress.ledger import Ledger
from benchmarks.egress.trace import Call, readable
from edge.config import Config

# Files by name, since a reader of the report has a right to ask about each.
READ = {
    r"<run>/(config\.toml|ca\.pem|password)": "configuration and credentials of the run",
    r"<run>(/home(/\.local(/state(/affect-edge(/laboratory-witness(/bundles(/state\.json)?)?)?)?)?)?)?": "its state",
    r"<run>/(outbox\.db(-wal|-journal|-shm|\.broken)?|audit\.jsonl(\.head)?)|/dev/null": "what the process has written",
    r"<video>|<camera>(/.*)?": "pictures: the video, or the stand-in for a camera",
    r"(<python>|<code>)(/.*)?|<checkout>": "program code and libraries",
    r"/(usr/(local/)?)?lib(32|64)?(/.*)?|/usr/share/locale/.*|/etc/ld\.so\.(cache|preload)": "libraries of the system",
    r"/etc/(locale\.alias|ssl/openssl\.cnf|localtime|system-fips|passwd)": "settings of the system's libraries",
    r"/usr/share/zoneinfo(/.*)?": "settings of the system's libraries",
    r"/etc/(hosts|(host|resolv|nsswitch|gai)\.conf|services|protocols)": "looking up the broker's address",
    r"/proc/(self|\d+)/(maps|status|stat|statm|cgroup|mountinfo|limits|task|fd)": "what a process may know of itself",
    r"/proc/(cpuinfo|meminfo|swaps|stat|mounts|filesystems|version)": "number of cores and memory",
    r"/proc/sys/(kernel/random/boot_id|kernel/[a-z_]+|vm/[a-z_]+|crypto/fips_enabled)": "settings of the kernel",
    r"/sys/(devices/system/(cpu|node)|fs/cgroup|kernel/mm)(/.*)?": "number of cores and memory",
    r"/sys/(class/(thermal|hwmon)|devices/(platform|virtual/thermal))(/.*)?": "the board's temperature and throttling",
    r"/sys(/class|/devices(/system)?)?|/proc|/etc|/dev|/run": "folders of the system",
    r"/proc/device-tree/.*": "which board it is",
    r"/run/systemd/timesync(/.*)?": "whether the clock is right",
    r"/dev/(urandom|random)": "random numbers",
}
WRITTEN = {
    r"<run>/outbox\.db(-wal|-journal)?": "the outbox",
    r"<run>/(audit\.jsonl|\.audit\.jsonl\.head)": "the audit log",
    r"/dev/null": "nothing",
}
_AT = ("openat", "openat2", "mkdirat", "unlinkat", "faccessat", "faccessat2", "newfstatat", "statx", "readlinkat")
_FLAT = ("open", "creat", "mkdir", "unlink", "access", "stat", "lstat", "readlink", "getxattr", "lgetxattr", "statfs")
_PATHS = dict.fromkeys(_FLAT, 0) | dict.fromkeys(_AT, 1)  # which argument is the path
_CHANGING = ("mkdir", "mkdirat", "unlink", "unlinkat")
_WRITING = re.compile(r"\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
_SPOOL = r"fd (<run>/stderr|/memfd:runtime-log|pipe)"
_NATIVE, _NAMES = "catches what native code says on standard error", "looking up the broker's address"
_LOCKED = "seals the memory: no swap"
_VERSION = f"{sys.version_info.major}{sys.version_info.minor}"


def rules_of(config: Config, resolvers: Iterable[str]) -> dict[str, dict[str, str]]:
    """Patterns of whole argument lists, by call, each with its reason; an empty reason is not worth listing.

    The configuration's broker is on this machine's loopback; `resolvers` are the addresses of its name servers.
    """
    broker = f"({_address('127.0.0.1', config.mqtt.port)}|{_address('::1', config.mqtt.port)})"
    nobody = rf'({_address("127.0.0.1", 0)}|{_address("::1", 0)}|\{{sa_family=AF_UNSPEC, sa_data="(\\u0000)*"\}})'
    servers = "|".join(_address(resolver, 53) for resolver in resolvers) or "(?!)"
    metrics, own = _address("127.0.0.1", config.metrics.port), f"{os.getuid()}, {os.getgid()}"
    lock = r"\{l_type=F_\w+, l_whence=SEEK_SET, l_start=(0|107374182[4-6]), l_len=\d{1,3}\}"
    state = re.escape(str(Path(config.outbox.path).parent))
    rules = {
        "mmap": {
            r"[^,]+, \d+, PROT_[\w|]+, MAP_PRIVATE\b.*": "",
            r"NULL, \d+, PROT_READ\|PROT_WRITE, MAP_DROPPABLE\|MAP_ANONYMOUS, -1, 0": "",  # glibc 2.41's random numbers
            r"[^,]+, \d+, PROT_READ, MAP_SHARED, fd (<python>|<code>|/usr/lib|/lib).*": "libraries of the system",
        },
        "memfd_create": {r'"runtime-log", MFD_CLOEXEC': _NATIVE},
        "dup dup2 dup3": {rf"{_SPOOL}(, {_SPOOL}(, \w+)?)?": _NATIVE},
        "clone clone3": {r".*\bCLONE_THREAD\b.*": "threads of the process's own"},
        "fsync fdatasync sync_file_range": {
            r"fd <run>(/outbox\.db.*)?": "puts the outbox on the disk",
            r"fd <run>/(audit\.jsonl|\.audit\.jsonl\.head)": "puts the audit log on the disk",
        },
        "rename": {
            f'"{state}/[.]audit[.]jsonl[.]head", "{state}/audit[.]jsonl[.]head"': "the audit log's head comes whole"
        },
        "flock": {r"fd <run>/audit\.jsonl, LOCK_(SH|EX)": "the audit log's lock"},
        "pipe2": {r"\[.*\], O_[A-Z_|]+": _NATIVE},
        "epoll_create epoll_create1 epoll_ctl": {".*": "waits for sockets"},
        "eventfd2": {r"\d+, [\w|]+": "wakes a thread"},
        "prctl": {
            r"PR_SET_DUMPABLE, (SUID_DUMP_DISABLE|0)(, 0)*": "seals the memory: no dump, no look from outside",
            r"PR_(CAPBSET_READ|GET_DUMPABLE|GET_NAME), .*": "asks about the process itself",
            r'PR_SET_NAME, "(affect-publish|capture /dev/v|Thread-\d+ \((p?r?o?c?e?|s?e?r?v?e?))"': "a thread's name",
            r'PR_SET_VMA, PR_SET_VMA_ANON_NAME, &, \d+, (NULL|" ?(glibc|cpython): ?[a-z :]{,20}")': "names its memory",
        },
        "prlimit64": {
            r"0, RLIMIT_\w+, NULL, .*": "asks for a limit",
            r"0, RLIMIT_CORE, \{rlim_cur=0, rlim_max=0\}, (NULL|\{.*)": "seals the memory: no core file",
            r"0, RLIMIT_MEMLOCK, \{rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY\}, NULL": _LOCKED,
        },
        "mlockall": {r"MCL_[A-Z_|]+": _LOCKED},
        "clock_adjtime": {r"CLOCK_REALTIME, \{modes=0, .*": "whether the clock is right"},
        "ioctl": {
            r"fd [^,]+, (TCGETS2?|TIOCGWINSZ|FIOCLEX|FIONCLEX|FIONREAD)(, [&{].*)?": "asks whether it is a terminal",
            r"fd [^,]+, FIONBIO, \[[01]\]": "sets how a descriptor waits",
        },
        "fcntl": {
            r"(fd [^,]+|\d), F_(GETFD|GETFL|SETFD, FD_CLOEXEC|SETFL, O_[A-Z_|]+)": "settings of a descriptor",
            rf"({_SPOOL}|fd /dev/null), F_DUPFD_CLOEXEC, \d": "a second descriptor within the process",
            rf"fd <run>/outbox\.db, F_SETLK, {lock}": "the outbox's lock",
        },
        "fchown": {
            rf"fd <run>/outbox\.db(-wal|-journal), {own}": "the outbox's files come and go",
            rf"fd <run>/(audit\.jsonl|\.audit\.jsonl\.head), {own}": "the audit log's files are its folder's owner's",
        },
        "fchmod": {r"fd <run>/outbox\.db, 0600": "the outbox's files come and go"},
        "socket": {
            r"(AF_INET6?, SOCK_(STREAM|DGRAM)\S*, IPPROTO_(IP|TCP|UDP)|AF_UNIX, SOCK_(STREAM|DGRAM)\S*, 0)": "",
            r"AF_NETLINK, SOCK_RAW\|SOCK_CLOEXEC, NETLINK_ROUTE": _NAMES,
        },
        "socketpair": {r"AF_UNIX, SOCK_STREAM\S*, 0, .*": "wakes the publishing thread"},
        "setsockopt": {
            r"fd TCP, SOL_SOCKET, SO_REUSEADDR, \[1\], 4": "the metrics' port can be had again after a restart",
            r"fd UDP(v6)?, SOL_IP(V6, IPV6|, IP)_RECVERR, \[1\], 4": _NAMES,
            r"fd TCP(v6)?, SOL_TCP, TCP_NODELAY, \[1\], 4": "no waiting for more to send",
        },
        "shutdown": {r"fd (TCP|UDP)(v6)?, SHUT_(RD|WR|RDWR)": "ends a connection"},
        "bind": {
            rf"fd TCP, {_address('0.0.0.0', 0)}, 16": "a local port that the kernel chose",  # noqa: S104
            rf"fd TCP, {metrics}, 16": "the configured port for metrics, on loopback",
            r"fd NETLINK, \{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000\}, 12": _NAMES,
        },
        "listen": {r"fd TCP, \d": "the configured port for metrics, on loopback"},
        "accept4": {rf"fd TCP, {_address('127.0.0.1', None)}, \[16\], SOCK_CLOEXEC": "someone asks for metrics"},
        "connect": {
            rf"fd TCP(v6)?, {broker}, \d\d": "the broker of the configuration",
            rf"fd UDP(v6)?, ({broker}|{nobody}), \d\d": "how the system's library sorts addresses; nothing is sent",
            rf"fd UDP(v6)?, ({servers}), \d\d": "asks a configured name server",
            r'fd UNIX-STREAM, \{sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"\}, 110': "the system's name cache",
        },
    }
    return {name: forms for names, forms in rules.items() for name in names.split()}


def _address(host: str, port: int | None) -> str:
    """A pattern for an address as strace shows it; `port` None: any."""
    number, quoted = r"\d+" if port is None else str(port), re.escape(host)
    if ":" in host:
        where = rf'sin6_flowinfo=htonl\(0\), inet_pton\(AF_INET6, "{quoted}", &sin6_addr\), sin6_scope_id=0'
        return rf"\{{sa_family=AF_INET6, sin6_port=htons\({number}\), {where}\}}"
    return rf'\{{sa_family=AF_INET, sin_port=htons\({number}\), sin_addr=inet_addr\("{quoted}"\)\}}'


class System:
    """Judges such calls by `rules_of` a run, given its folder and its pictures."""

    def __init__(self, ledger: Ledger, rules: dict[str, dict[str, str]], run: Path, pictures: Path) -> None:
        self._ledger, self._rules, self._run = ledger, rules, run
        code = Path(edge.__file__).resolve().parent
        # An environment may borrow the packages of another one.
        borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        named = {str(pictures): "<camera>" if pictures.is_dir() else "<video>", str(run): "<run>"}
        named |= {str(code): "<code>", str(code.parent): "<checkout>"}
        for path in {sys.prefix, sys.base_prefix, sys.executable, *sysconfig.get_paths().values(), *borrowed}:
            named |= {path: "<python>", str(Path(path).resolve()): "<python>"}
        # The longest first: a folder may lie within another one that has a name too.
        self._named = sorted(named.items(), key=lambda entry: -len(entry[0]))
        above = {str(parent) for path in named for parent in Path(path).parents}
        # Folders above known ones, and where Python looks for its library first.
        self._above = above | {f"{place.rstrip('/')}/{sys.platlibdir}/python{_VERSION}.zip" for place in above}

    def judge(self, call: Call) -> None:
        """Takes one call."""
        if call.name in _PATHS:
            self._use_path(call)
            return
        target = call.target(4 if call.name == "mmap" else 0)[1]
        text = ", ".join(self._shown(call, index) for index in range(len(call.arguments)))
        forms = self._rules.get(call.name, {})
        why = next((why for form, why in forms.items() if re.fullmatch(form, text)), None)
        if why is None:
            where = self.name(target) if target.startswith("/") else call.name
            self._ledger.find(where, f"{call.name}, which is on no list with these arguments")
        elif why:
            self._ledger.touches[call.name, why] += 1
            self._ledger.seen["memory sealed"] += why.startswith("seals")

    def name(self, path: str) -> str:
        """A path as it is shown."""
        for place, name in self._named:
            if path == place or path.startswith(place + "/"):
                return name + path[len(place) :]
        return path

    def _use_path(self, call: Call) -> None:
        """A path that is looked up, opened, made or removed; its name could say something too."""
        at = _PATHS[call.name]
        path = os.path.normpath(self._run / (call.target()[1] if at else "") / call.string(at))
        opening, changing = "open" in call.name or call.name == "creat", call.name in _CHANGING
        if opening and not call.failed:
            path = call.opened[1]
        elif not opening and not call.string(at):
            return  # asks about an open descriptor
        name = self.name(path)
        writing = call.name == "creat" or bool(opening and _WRITING.search(" ".join(call.arguments[1:])))
        table = WRITTEN if writing or changing else READ
        why = next((why for pattern, why in table.items() if re.fullmatch(pattern, name)), None)
        if why is None and not writing and (path in self._above or (name == "<run>" and "mkdir" in call.name)):
            return
        how = "written" if writing or changing else "read"
        if why is None:
            self._ledger.find(name, f"{call.name}, a path that is on no list of what may be {how}")
        elif opening or changing:
            self._ledger.touches[re.sub(r"^(<python>|<code>|/usr/lib|/lib)/.*", r"\1/…", name), f"{how}: {why}"] += 1

    def _shown(self, call: Call, index: int) -> str:
        """An argument with paths by name, pointers as `&`, descriptors as `fd` and what they lead to."""
        _, target = call.target(index)
        if target:
            return "fd " + (self.name(target) if target.startswith("/") else target.partition(":")[0])
        text = re.sub(r'"((?:\\x[0-9a-f]{2})*)"', lambda found: json.dumps(readable(found[1])), call.arguments[index])
        return re.sub(r"\b0x[0-9a-f]+", "&", text)
