"""The README is true: its message, subscriber, configuration, commands, links and figures are the real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from edge.cli import VERBS
from edge.config import Config, ZoneConfig, load_config, require_deployment
from edge.contract import Window, decode, encode
from edge.model.bundle import default_bundle, load_bundle
from edge.toml import read_toml

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    path
    for path in [*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md"), *(REPO / "edge" / "bundles").rglob("*.md")]
    if ".venv" not in path.parts
)


def block(language: str, holding: str) -> str:
    """The one fenced block of a language that holds a text."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if holding in text]
    assert len(found) == 1
    return found[0]


def test_message_in_the_readme_is_one_that_a_device_can_send() -> None:
    text = block("json", "affect/v1/window")
    assert json.loads(encode(decode(text.encode(), Window))) == json.loads(text)


def test_configuration_in_the_readme_starts_a_live_camera(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(block("toml", "[deployment]"))
    config = load_config(tmp_path / "config.toml")
    assert config.camera.live
    require_deployment(config)


def test_example_configuration_names_every_key_with_its_default(tmp_path: Path) -> None:
    text = (REPO / "examples" / "config.toml").read_text(encoding="utf-8")
    (tmp_path / "config.toml").write_text(text)
    assert read_toml(tmp_path / "config.toml", Config) == Config()
    sections = dict(re.findall(r"^(?:# )?\[+([a-z]+)\]+\n(.*?)(?=^(?:# )?\[+[a-z]|\Z)", text, re.MULTILINE | re.DOTALL))
    for section in msgspec.structs.fields(Config):
        struct = ZoneConfig if section.name == "zones" else section.type
        named = re.findall(r"^(?:# )?([a-z_]+) = ", sections[section.name], re.MULTILINE)
        assert named == [field.name for field in msgspec.structs.fields(struct)]


def test_every_verb_is_documented_and_every_documented_verb_exists() -> None:
    assert set(re.findall(r"^\| `affect-edge ([a-z]+)", README, re.MULTILINE)) == set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_accuracy_in_the_readme_is_the_bundle_s() -> None:
    for metric in load_bundle(default_bundle()).manifest.metrics:
        figures = f"{metric.ccc:.2f} [{metric.ccc_low:.2f}, {metric.ccc_high:.2f}]"
        rows = [line for line in README.splitlines() if line.startswith("|") and metric.data in line]
        assert any(figures in line and metric.answer in line for line in rows), (metric.data, metric.answer, figures)


def test_make_targets_in_the_readme_exist() -> None:
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
