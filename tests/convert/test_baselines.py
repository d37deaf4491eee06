"""HOG, LBP and the ridge: what they see, that they learn, and that the held-out faces are only asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from convert.predict.baselines import FEATURES, fit_baseline, hog_features, lbp_features

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
    va = np.abs(va)
    said = fit_baseline(FEATURES[name], crops[:60], va[:60], [str(n) for n in range(60)], crops[60:])
    assert np.corrcoef(said[:, 1], va[60:, 1])[0, 1] > 0.5  # arousal is how far the mouth is open
    again = fit_baseline(FEATURES[name], crops[:60], va[:60], [str(n) for n in range(60)], crops[60:])
    np.testing.assert_array_equal(said, again)
