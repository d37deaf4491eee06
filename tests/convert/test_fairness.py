"""Groups of faces: their labels are whole, a planted bias is found, and small groups get no figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.errors import DataError
from convert.evidence.fairness import AGES, AGES_FILE, FEWEST, read_ages, slice_groups, to_markdown
from convert.evidence.skin_tone import skin_tone, tone_bin

SFHQ = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "sfhq" / "images"
LANDMARKS = np.array([(80, 90), (140, 90), (110, 120), (110, 150), (50, 100), (170, 100)], np.float32)


def test_at_least_300_faces_have_an_age_group_and_each_only_one() -> None:
    rows = AGES_FILE.read_text().splitlines()[1:]
    assert len({row.split(",")[0] for row in rows}) == len(rows)
    assert len(read_ages()) >= 300
    assert set(read_ages().values()) == set(AGES)


@pytest.mark.skipif(not SFHQ.is_dir(), reason="needs ../shared/data/sfhq")
def test_every_labelled_face_is_there() -> None:
    assert [image for image in read_ages() if not (SFHQ / image).is_file()] == []


def test_an_unknown_age_group_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ages.csv"
    path.write_text("image,age_group\n1.jpg,ancient\n")
    with pytest.raises(DataError, match=r"1\.jpg has the unknown group 'ancient'"):
        read_ages(path)
    with pytest.raises(DataError, match="no such label file"):
        read_ages(tmp_path / "none.csv")


def test_a_planted_bias_is_found_and_fair_answers_show_none() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(-0.7, 0.7, (200, 2)).astype(np.float32)
    answers = (reference + rng.normal(0, 0.1, reference.shape)).astype(np.float32)
    groups = ["old"] * 100 + ["young"] * 100
    fair = slice_groups(answers, reference, groups, AGES)
    assert [result.group for result in fair] == ["young", "old"]
    assert all(bias.low < 0 < bias.high for result in fair for bias in result.bias.values())
    assert "do not overlap" not in to_markdown("", fair)
    answers[:100, 0] -= 0.2
    biased = slice_groups(answers, reference, groups, AGES)
    assert biased[1].bias["valence"].high < -0.1
    assert "between old and young (their intervals do not overlap)" in to_markdown("", biased)


def test_a_small_group_is_counted_and_not_measured() -> None:
    few = FEWEST - 1
    values = np.zeros((few, 2), np.float32)
    (result,) = slice_groups(values, values, ["teen"] * few, AGES)
    assert (result.n, result.agreement) == (few, {})
    assert f"| teen | {few} | – | too few" in to_markdown("", [result])


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((250, 225, 210), "very light"),
        ((200, 150, 115), "intermediate"),
        ((130, 92, 70), "brown"),
        ((50, 32, 25), "dark"),
    ],
)
def test_a_plain_skin_falls_into_its_bin(rgb: tuple[int, int, int], name: str) -> None:
    assert tone_bin(skin_tone(np.full((220, 220, 3), rgb, np.uint8), LANDMARKS)) == name


def test_hair_over_the_forehead_is_no_skin(draw_face: Callable[..., np.ndarray]) -> None:
    pixels = np.full((220, 220, 3), (214, 165, 130), np.uint8)
    bare = skin_tone(pixels, LANDMARKS)
    pixels[:80] = (20, 16, 14)
    assert skin_tone(pixels, LANDMARKS) == pytest.approx(bare, abs=1)


def test_darker_skin_has_a_smaller_angle() -> None:
    base = np.array([224, 180, 150])
    angles = [
        skin_tone((np.ones((220, 220, 1)) * base * share).astype(np.uint8), LANDMARKS) for share in (1, 0.8, 0.6, 0.4)
    ]
    assert angles == sorted(angles, reverse=True)
