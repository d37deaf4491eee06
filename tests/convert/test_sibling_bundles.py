"""The bundles in `bundles/`: whole, what their recipe says, and cheaper than the shipped one."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert.networks.cost import count_macs
from convert.package.packing import prove
from convert.train.recipe import find_recipe
from edge.model.bundle import Bundle, default_bundle, load_bundle

FOLDER = Path(__file__).resolve().parents[2] / "bundles"
ARCHIVES = sorted(FOLDER.glob("*.zip"))


def _backbone_macs(bundle: Bundle) -> int:
    return count_macs(bundle.files[bundle.manifest.backbone.file])


def test_the_page_names_every_bundle_and_no_other() -> None:
    page = (FOLDER / "README.md").read_text()
    assert ARCHIVES
    assert {path.name for path in ARCHIVES} == {word.strip("`") for word in page.split() if word.endswith(".zip`")}


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_it_reproduces_its_golden_vectors_and_is_what_its_recipe_says(archive: Path) -> None:
    bundle = load_bundle(archive)
    manifest, recipe = bundle.manifest, find_recipe(archive.stem)
    assert prove(archive)["litert"]["embedding"] <= manifest.golden.tolerance["litert"]
    assert (manifest.name, manifest.crop.size) == (recipe.name, recipe.backbone.size)
    assert "No photograph of a real person" in bundle.files["MODEL_CARD.md"].decode()
    assert all(metric.n >= 100 for metric in manifest.metrics)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_it_computes_less_than_the_shipped_one(archive: Path) -> None:
    assert _backbone_macs(load_bundle(archive)) < 0.8 * _backbone_macs(load_bundle(default_bundle()))
