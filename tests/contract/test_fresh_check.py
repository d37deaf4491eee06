"""The check of README's commands in fresh systems: what it reads, writes, and takes along from this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import fresh_check

RESULT = """<testsuites><testsuite>
<testcase name="good"/>
<testcase name="bad"><failure message="no"/></testcase>
<testcase name="worse"><error message="no"/></testcase>
<testcase name="away"><skipped message="needs a
 camera"/></testcase>
</testsuite></testsuites>"""


def test_table_in_the_page_is_that_of_the_record(repo: Path) -> None:
    record = json.loads((repo / "docs/fresh-check.json").read_text("utf-8"))
    page = (repo / "CONTRIBUTING.md").read_text("utf-8")
    assert f"<!-- fresh-check -->\n{fresh_check.table(record)}<!-- end -->" in page


def test_results_are_counted_and_skips_have_their_reason(tmp_path: Path) -> None:
    (tmp_path / "result.xml").write_text(RESULT)
    assert fresh_check.read_result(tmp_path / "result.xml") == (1, 2, {"needs a camera": 1})
    assert fresh_check.read_result(tmp_path / "none.xml") == (0, 0, {})


def test_a_run_of_one_system_keeps_the_other_s_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.md").write_text("before\n<!-- fresh-check -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(fresh_check, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(fresh_check, "PAGE", tmp_path / "page.md")
    given = {"demo": True, "demo_s": 50, "test_s": 600, "passed": 9, "failed": 0, "skipped": {"a": 2}, "left": []}
    fresh_check.write({"bookworm": fresh_check.Outcome(commit="a1", python="3.11.2", test=True, **given)})
    fresh_check.write({"trixie": fresh_check.Outcome(commit="b2", python="3.13.5", test=False, **given)})
    assert set(json.loads((tmp_path / "record.json").read_text())) == {"bookworm", "trixie"}
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("before\n<!-- fresh-check -->\n| System ")
    assert "| Debian 12 | 3.11.2 | 50 s | 600 s | 9 | 0 | 2 | a1 |" in page
    assert "| Debian 13 | 3.13.5 | 50 s | 600 s, failed | 9 | 0 | 2 | b2 |" in page
    assert page.endswith("<!-- end -->\nafter\n")


def test_pip_s_settings_go_along_with_what_they_name_on_this_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "index").mkdir()
    (tmp_path / "ca.pem").write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_FIND_LINKS", f"file://{tmp_path}/index https://packages.example/here")
    _, binds = fresh_check.surroundings(tmp_path)
    assert (str(tmp_path / "ca.pem"), str(tmp_path / "ca.pem")) in binds
    assert (str(tmp_path), str(tmp_path)) in binds
    assert (str(tmp_path / "cache"), "/root" + "/.cache/pip") in binds
    written = (tmp_path / "etc/pip.conf").read_text()
    assert f"cert = {tmp_path}/ca.pem\n" in written
    assert "packages.example" in written
