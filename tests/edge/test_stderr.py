from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from edge.stderr import native_stderr


def test_what_native_code_writes_is_caught_and_given(capfd):
    with native_stderr() as said:
        os.write(2, b"Corrupt JPEG data\n")
    assert said.text == "Corrupt JPEG data\n"
    with native_stderr() as said:
        pass
    assert said.text == ""
    os.write(2, b"ours\n")
    assert capfd.readouterr().err == "ours\n"


def test_stderr_is_given_back_after_an_error(capfd):
    with pytest.raises(ZeroDivisionError), native_stderr():
        raise ZeroDivisionError
    os.write(2, b"ours\n")
    assert capfd.readouterr().err == "ours\n"


def test_no_descriptor_is_left_behind():
    with native_stderr():
        pass
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        with native_stderr():
            os.write(2, b"noise")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_log_lines_of_other_threads_wait_and_are_not_lost():
    program = (
        "import logging, os, sys, threading, time\n"
        "from edge.stderr import native_stderr\n"
        "logging.basicConfig(format='%(message)s')\n"
        "def noise():\n"
        "    for _ in range(200):\n"
        "        with native_stderr():\n"
        "            os.write(2, b'noise\\n')\n"
        "            time.sleep(0.001)\n"
        "thread = threading.Thread(target=noise)\n"
        "thread.start()\n"
        "for number in range(300):\n"
        "    logging.warning('line %d', number)\n"
        "thread.join()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines() == [f"line {number}" for number in range(300)]


def test_two_threads_may_catch_at_once():
    texts = []

    def catch(word: bytes) -> None:
        for _ in range(50):
            with native_stderr() as said:
                os.write(2, word)
            texts.append((word.decode(), said.text))

    threads = [threading.Thread(target=catch, args=(word,)) for word in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(word == text for word, text in texts)
    assert len(texts) == 100


def test_more_than_a_pipe_holds_blocks_nobody(capfd):
    with native_stderr() as said:
        os.set_blocking(2, False)
        for _ in range(100):
            with suppress(BlockingIOError):
                os.write(2, 1000 * b"x")
    assert 60_000 < len(said.text) <= 65_536
    os.write(2, b"ours")
    assert capfd.readouterr().err == "ours"


def test_a_closed_stderr_is_left_alone():
    program = (
        "import os\n"
        "file = os.open('/dev/null', os.O_WRONLY)\n"
        "from edge.stderr import native_stderr\n"
        "with native_stderr() as said:\n"
        "    os.write(file, b'data of a file that has this number now')\n"
        "print(file, repr(said.text))\n"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "2 ''\n"


def test_it_works_where_nobody_logs(monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(sys, "stderr", None)
    with native_stderr() as said:
        os.write(2, b"noise")
    assert said.text == "noise"
