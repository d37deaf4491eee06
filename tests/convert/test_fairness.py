"""Groups of faces: their labels are whole, a planted bias is found, and small groups get no figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.errors import DataError
from convert.predict.fairness import (
    AGES,
    AGES_FILE,
    FEWEST,
    GroupResult,
    read_ages,
    slice_groups,
    to_markdown,
)
from convert.predict.gaps import compare_groups, tell_finding, tell_gaps
from convert.predict.skin_tone import UNKNOWN, skin_tone, tone_bin

SFHQ = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "sfhq" / "images"
LANDMARKS = np.array([(80, 90), (140, 90), (110, 120), (92, 150), (128, 150)], np.float32)


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


def drawn(**groups: tuple[int, float, float]) -> list[GroupResult]:
    """Groups of so many faces whose valence errs by exactly so much on average, and by so much about that."""
    rng = np.random.default_rng(0)
    names, errors = [], []
    for name, (count, bias, spread) in groups.items():
        noise = rng.normal(size=(count, 2))
        noise = (noise - noise.mean(axis=0)) / noise.std(axis=0)
        names += [name] * count
        errors.append(np.stack([bias + spread * noise[:, 0], 0.1 * noise[:, 1]], axis=1))
    reference = rng.uniform(-0.7, 0.7, (len(names), 2)).astype(np.float32)
    return slice_groups((reference + np.concatenate(errors)).astype(np.float32), reference, names, AGES)


def test_fair_answers_show_no_clear_gap_and_the_words_do_not_call_that_proof() -> None:
    fair = drawn(old=(100, 0.0, 0.1), young=(100, 0.0, 0.1))
    assert [result.group for result in fair] == ["young", "old"]
    assert not any(gap.clear for each in compare_groups(fair) for gap in each.gaps)
    assert "are not excluded" in tell_finding("Age", fair)
    assert ", not clear" in tell_gaps(fair)


def test_a_planted_bias_is_found_in_the_mean_error_and_planted_noise_in_the_rmse() -> None:
    mean, _, rmse, _ = compare_groups(drawn(young=(100, 0.0, 0.1), old=(100, -0.2, 0.1)))
    assert (mean.measure, mean.target, mean.gaps[0].clear) == ("mean error", "valence", True)
    assert (mean.gaps[0].more, mean.gaps[0].less) == ("young", "old")
    assert mean.gaps[0].size == pytest.approx(0.2, abs=0.05)
    mean, _, rmse, _ = compare_groups(drawn(young=(100, 0.0, 0.1), old=(100, 0.0, 0.3)))
    assert (rmse.measure, rmse.target) == ("RMSE", "valence")
    assert (rmse.gaps[0].more, rmse.gaps[0].clear) == ("old", True)
    assert not mean.gaps[0].clear


def test_the_clearest_gap_is_shown_though_a_small_group_lies_further_off() -> None:
    results = drawn(child=(150, 0.0, 0.1), young=(150, 0.1, 0.1), old=(FEWEST, 0.16, 0.6))
    bias = {result.group: result.estimates["mean error"]["valence"].value for result in results}
    assert max(bias, key=bias.__getitem__) == "old"
    first = compare_groups(results)[0].gaps[0]
    assert {first.more, first.less} == {"child", "young"}
    assert first.clear
    assert "mean error of valence, young above child by 0.100" in tell_finding("Age", results)


def test_intervals_widen_with_the_number_of_pairs() -> None:
    two = compare_groups(drawn(child=(80, 0.0, 0.1), young=(80, 0.02, 0.1)))[0]
    four = compare_groups(drawn(child=(80, 0.0, 0.1), young=(80, 0.02, 0.1), old=(80, 0, 0.1), teen=(80, 0, 0.1)))[0]
    assert (len(two.gaps), two.level) == (1, 0.95)
    assert (len(four.gaps), four.level) == (6, pytest.approx(1 - 0.05 / 6))
    same = next(gap for gap in four.gaps if {gap.more, gap.less} == {"child", "young"})
    assert same.high - same.low > 1.15 * (two.gaps[0].high - two.gaps[0].low)


def test_a_single_large_group_is_compared_with_nothing_and_that_is_said() -> None:
    alone = drawn(young=(50, 0.0, 0.1), old=(FEWEST - 1, 0.5, 0.1))
    assert compare_groups(alone) == []
    assert "too few" in tell_finding("Age", alone)
    assert "no pair was compared" in tell_gaps(alone)


def test_a_small_group_is_counted_and_not_measured() -> None:
    few = FEWEST - 1
    values = np.zeros((few, 2), np.float32)
    (result,) = slice_groups(values, values, ["teen"] * few, AGES)
    assert (result.n, result.agreement) == (few, {})
    assert f"| teen | {few} | – | too few" in to_markdown([result])


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


@pytest.mark.parametrize("rgb", [(128, 128, 128), (40, 40, 40), (150, 152, 170)])
def test_a_grey_or_blue_picture_has_no_skin_tone(rgb: tuple[int, int, int]) -> None:
    angle = skin_tone(np.full((220, 220, 3), rgb, np.uint8), LANDMARKS)
    assert np.isnan(angle)
    assert tone_bin(angle) == UNKNOWN


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
