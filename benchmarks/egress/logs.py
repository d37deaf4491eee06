"""What the process wrote to its standard streams: lines from the code's own templates, and nothing else."""

from __future__ import annotations

import re

from benchmarks.egress.ledger import Ledger, describe
from benchmarks.egress.vocabulary import Vocabulary

_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)")
# What the inference runtime says when it starts; `edge` catches it in a memory file and lets only errors through.
_RUNTIME = {"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."}


def check_log(ledger: Ledger, sink: str, data: bytes, vocabulary: Vocabulary) -> None:
    """Accounts for each line of the log."""
    for line in data.splitlines(keepends=True):
        match = _LINE.fullmatch(line.decode("utf-8", "backslashreplace").rstrip("\n"))
        if match and line.endswith(b"\n") and vocabulary.logs(match[1], match[2]):
            ledger.account(sink, "log lines from fixed templates", len(line))
            ledger.seen["log line"] += 1
        else:
            ledger.find(sink, f"a log line that no template of the program makes: {describe(line.rstrip())}")


def check_runtime(ledger: Ledger, sink: str, data: bytes) -> None:
    """Accounts for what the inference runtime says into a file in memory that ends with it."""
    for line in data.splitlines(keepends=True):
        if line.decode("utf-8", "backslashreplace").strip() in _RUNTIME:
            ledger.account(sink, "words of the inference runtime, read and dropped", len(line))
        else:
            ledger.find(sink, f"words that the inference runtime is not known for: {describe(line.rstrip())}")
