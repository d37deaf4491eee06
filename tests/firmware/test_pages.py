"""The boards' pages and the recipes: one page a profile, links that lead somewhere, hooks that a shell can read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from edge.profiles import profile_names

FOLDER = Path(__file__).parents[2] / "firmware_config"
PAGES = sorted(FOLDER.rglob("*.md"))


def dead_links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text())
    return [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def test_each_profile_has_a_page_and_each_page_a_profile() -> None:
    pages = sorted(path.parent.name for path in (FOLDER / "devices").glob("*/README.md"))
    assert pages == profile_names()


@pytest.mark.parametrize("name", profile_names())
def test_a_page_names_its_profile_and_says_what_was_measured(name: str) -> None:
    text = (FOLDER / "devices" / name / "README.md").read_text()
    assert f"`{name}`" in text
    assert re.search(r"[Nn]othing (?:was measured|of this page)|not measured", text)
    assert "affect-edge init" in text
    assert "doctor" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_dead_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("[gone](../nowhere.md) and [there](page.md)")
    assert dead_links(tmp_path / "page.md") == ["../nowhere.md"]


def test_the_images_configuration_names_a_layer_that_is_there() -> None:
    config = yaml.safe_load((FOLDER / "image/config/affect-edge.yaml").read_text())
    assert (FOLDER / "image/layer" / f"{config['layer']['app']}.yaml").is_file()
    assert config["ssh"]["pubkey_only"] == "y"
    assert not [key for key in config["device"] if "pass" in key]


def test_the_layers_hooks_are_shell_and_keep_what_a_place_writes() -> None:
    text = (FOLDER / "image/layer/affect-edge.yaml").read_text()
    hooks = yaml.safe_load(text.partition("---\n")[2])["mmdebstrap"]["customize-hooks"]
    for hook in hooks:
        assert subprocess.run(["sh", "-n"], input=hook, text=True, check=False).returncode == 0
    shared = "\n".join(hooks)
    for path in ("/etc/affect-edge", "/var/lib/private/affect-edge", "/etc/systemd/system/affect-edge.service.d"):
        assert f"\nPath={path}\n" in shared
    assert "RuntimeWatchdogSec=" in shared
