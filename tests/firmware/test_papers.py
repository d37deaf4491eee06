from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomllib

from edge.config import Config, load_config
from edge.model.bundle import default_bundle, load_bundle
from edge.policy import policy_of
from firmware_config.errors import PackageError
from firmware_config.papers import rendering
from firmware_config.papers.drawing import covered_share, draw_zones
from firmware_config.papers.facts import EGRESS, facts_of
from firmware_config.papers.rendering import HERE, LANGUAGES, PAPERS, check_fonts, render, to_pdf

CONFIG = """
[device]
site = "museum"
name = "hall-2"
tz = "Europe/Berlin"
[[zones]]
name = "till & <door>"
exclude = [[0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [0.0, 1.0]]
[[zones]]
name = "screen"
exclude = [[0.25, 0.5], [0.75, 0.5], [0.75, 1.0], [0.25, 1.0]]
[hours]
open = ["tue-sun 10:00-18:00"]
[mqtt]
host = "broker.museum.example"
port = 8883
tls = true
[deployment]
purpose = "exhibition-feedback"
notice = "on the door of *hall* 2"
jurisdiction = "DE"
legal_basis = "legitimate-interest"
controller = "Museum <script> & Söhne | Stiftung"
contact = "privacy@museum.example"
retention_days = 77
notice_version = "3"
notice_date = 2026-11-01
notice_url = "https://museum.example/camera_2"
"""
BUNDLE = load_bundle(default_bundle())
EVERYWHERE = [(paper, language) for paper in PAPERS for language in LANGUAGES]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("papers") / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return load_config(path)


@pytest.fixture(scope="module")
def facts(config: Config) -> dict[str, Any]:
    return facts_of(config, BUNDLE, EGRESS, date(2026, 12, 1))


def text_of(page: str) -> str:
    body = page.partition("<body")[2]
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def outline(text: str) -> list[str]:
    """What a paper is made of, whatever its language: headings, marks for the operator, rows, items, facts in order."""
    shape = []
    for line in text.splitlines():
        start = re.match(r"#+|>|\||- |\d+\.|@\w+|\{%.*?%\}|\*\*", line)
        shape.append(start[0] if start else "text" if line.strip() else "")
        shape.append(" ".join(sorted(re.findall(r"\{\{ *([a-z_.]+(?:\[[^]]*\])?)", line))))
    return shape


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_language_has_every_item_of_every_paper(paper: str, language: str) -> None:
    english, other = ((HERE / name / f"{paper}.md").read_text(encoding="utf-8") for name in ("en", language))
    assert outline(other) == outline(english)


def test_every_language_has_every_word() -> None:
    def keys(value: Any) -> Any:
        return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None

    words = [tomllib.loads((HERE / name / "words.toml").read_text(encoding="utf-8")) for name in LANGUAGES]
    assert keys(words[0]) == keys(words[1]) == keys(words[2])
    assert set(words[0]["titles"]) == set(PAPERS)


@pytest.mark.parametrize(("paper", "language"), EVERYWHERE)
def test_papers_say_what_the_configuration_says_and_escape_it(
    paper: str, language: str, config: Config, facts: dict[str, Any]
) -> None:
    page = render(paper, language, facts, config)
    text = text_of(page)
    assert "<script" not in page
    assert "{{" not in text
    assert "\\" not in text
    assert policy_of(config, BUNDLE.sha256)[:8] in text
    if paper not in ("retention", "works-council", "instructions", "annex-iv"):
        assert "Museum <script> & Söhne | Stiftung" in text
        assert "77" in text
    assert page.count("<html") == 1
    assert "http://" not in re.sub(r'xmlns="[^"]*"', "", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_paper_says_what_the_law_asks_it_to(language: str, config: Config, facts: dict[str, Any]) -> None:
    texts = {paper: text_of(render(paper, language, facts, config)) for paper in PAPERS}
    for paper in ("sign-a4", "sign-a6", "notice", "announcement"):
        assert "2024/1689" in texts[paper], "AI Act Art. 50(3)"
    for paper in ("works-council", "instructions", "dpia", "annex-iv"):
        assert re.search(r"5\(1\)\(f\)|5 Abs\. 1 lit\. f|5条1項\(f\)", texts[paper]), f"{paper}: no watching of staff"
    for paper in set(PAPERS) - {"sign-a4", "sign-a6"}:
        assert re.search("legal advice|Rechtsberatung|法的助言", texts[paper])
        marks = render(paper, language, facts, config)
        assert "<blockquote>" in marks or 'class="add"' in marks, f"{paper}: nothing for the operator to add"
    for said in (facts["egress_sha256"], facts["privacy_sha256"], facts["released"]["four-friends"], "38%"):
        assert said in texts["dpia"]
    assert "<svg" in render("dpia", language, facts, config)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_configuration_leaves_out_is_marked(language: str) -> None:
    bare = facts_of(Config(), BUNDLE, EGRESS, date(2026, 12, 1))
    page = render("sign-a4", language, bare, Config())
    assert page.count('class="add"') >= 9
    assert 'class="qr"><mark' in page


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_signs_fit_on_one_sheet_and_have_their_languages_letters(
    language: str, config: Config, facts: dict[str, Any], tmp_path: Path, program: Callable[[str], str]
) -> None:
    check_fonts(language)
    for paper, sheet in (("sign-a4", "595.276 x 841.89"), ("sign-a6", "297.638 x 419.528")):
        page = render(paper, language, facts, config)
        path = tmp_path / "sign.pdf"
        path.write_bytes(to_pdf(page))
        told, fonts, text = (
            subprocess.run([program(name), path, *more], capture_output=True, text=True, check=True).stdout
            for name, more in (("pdfinfo", []), ("pdffonts", []), ("pdftotext", ["-"]))
        )
        assert re.search(r"Pages: +1\n", told)
        assert re.search(rf"Page size: +{sheet} pts", told)
        assert ("Noto-Sans-CJK-JP" if language == "ja" else "DejaVu-Sans") in fonts
        title = re.search("<h1>(.*?)</h1>", page)
        assert title is not None
        assert "".join(title[1].split()) in "".join(text.split())


def test_a_missing_font_is_an_error_that_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=b"\n"))
    with pytest.raises(PackageError, match="fonts-noto-cjk"):
        check_fonts("ja")


def test_the_share_that_zones_cover_counts_overlaps_once(config: Config) -> None:
    assert covered_share(config) == pytest.approx(0.375, abs=0.005)
    assert covered_share(Config()) == 0
    drawn = draw_zones(config, "looked at")
    assert drawn.count("<polygon") == 2
    assert "till" not in drawn, "names are in the text"


def test_a_report_about_another_model_is_said(config: Config, tmp_path: Path) -> None:
    report = json.loads(EGRESS.read_text(encoding="utf-8"))
    report["ran"]["model"] = "another"
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    facts = facts_of(config, BUNDLE, tmp_path / "report.json", date(2026, 12, 1))
    assert "another model" in text_of(render("dpia", "en", facts, config))
