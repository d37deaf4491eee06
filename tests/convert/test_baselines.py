"""HOG, LBP and the ridge: what they see, that they learn, and that the held-out faces are only asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.predict.baselines import FEATURES, Faces, fit_baseline, hog_features, lbp_features
from edge.model.bundle import default_bundle, load_bundle

SIZE = 112


def _stripes(period: int, *, across: bool) -> np.ndarray:
    wave = (127 + 100 * np.sin(np.arange(SIZE) * 2 * np.pi / period)).astype(np.uint8)
    plane = np.broadcast_to(wave[None, :] if across else wave[:, None], (SIZE, SIZE))
    return np.repeat(plane[..., None], 3, axis=2).copy()


def test_hog_tells_upright_stripes_from_lying_ones_and_ignores_light() -> None:
    upright, lying = hog_features(_stripes(14, across=True)), hog_features(_stripes(14, across=False))
    cells = SIZE // 8
    assert upright.shape == ((cells - 1) ** 2 * 4 * 9,)
    darker = hog_features((_stripes(14, across=True) // 2).astype(np.uint8))
    assert np.abs(upright - darker).mean() < 0.2 * np.abs(upright - lying).mean()


def test_lbp_histograms_sum_to_one_in_each_cell_and_hardly_see_an_offset() -> None:
    rng = np.random.default_rng(0)
    crop = np.repeat(rng.integers(20, 180, (SIZE, SIZE, 1), dtype=np.uint8), 3, axis=2)
    found = lbp_features(crop).reshape(-1, 59)
    assert found.shape[0] == (SIZE // 16) ** 2
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    # Hardly: between pixels it interpolates, and ties round either way.
    lighter, other = lbp_features(crop + 40), lbp_features(np.ascontiguousarray(crop[::-1, ::-1]))
    assert np.abs(found.ravel() - lighter).mean() < 0.05 * np.abs(found.ravel() - other).mean()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Ill-conditioned matrix")
@pytest.mark.parametrize("name", list(FEATURES))
def test_a_ridge_learns_what_a_mouth_shows_and_repeats_itself(name: str, draw_face: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    va = rng.uniform(-0.8, 0.8, (80, 2)).astype(np.float32)
    crops = np.stack([draw_face(rng, *row, size=SIZE) for row in np.abs(va)])
    learn = Faces(crops[:60], np.abs(va[:60]), [str(n) for n in range(60)])
    held = Faces(crops[60:], np.abs(va[60:]), [str(n) for n in range(20)])
    fitted = fit_baseline(FEATURES[name], learn, held)
    assert np.corrcoef(fitted.answers[:, 1], held.va[:, 1])[0, 1] > 0.5  # arousal is how far the mouth is open
    # The held-out ratings take no part: others of them change no answer.
    again = fit_baseline(FEATURES[name], learn, held._replace(va=-held.va))
    np.testing.assert_array_equal(fitted.answers, again.answers)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Ill-conditioned matrix")
def test_the_page_has_the_bundle_and_each_baseline_with_intervals(
    drawn_data: Path, finder: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from convert.commands.baselines import baselines

    page = tmp_path / "baselines.md"
    baselines(drawn_data, None, page)
    text = page.read_text()
    version = load_bundle(default_bundle()).manifest.version
    for row in (f"| default {version} | valence |", "| HOG (6084 features), ridge ", "| LBP (2891 features), ridge "):
        assert text.count(row) >= 1
    assert "compares what one gets, not depth alone" in text
    assert capsys.readouterr().out.count("| arousal |") == 3 + 2
