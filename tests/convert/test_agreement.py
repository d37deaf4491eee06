"""The standing tables find what was planted in answers, and nothing where nothing was."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from convert.errors import DataError
from convert.predict import agreement, groups, muscles, robustness
from convert.predict.corruption import CONDITIONS, MIRROR
from convert.teacher.landmarker import BLENDSHAPES

COUNT = 240


def scored(said: np.ndarray | None = None, **columns: Any) -> pd.DataFrame:
    """Rated faces with answers; by default the ratings and a little noise."""
    rng = np.random.default_rng(0)
    rated = rng.uniform(-0.8, 0.8, (COUNT, 2))
    said = rated + rng.normal(0, 0.1, (COUNT, 2)) if said is None else said
    base = {
        "id": [f"f{n}" for n in range(COUNT)],
        "subject": [f"s{n // 4}" for n in range(COUNT)],
        "source": "set",
        "real": False,
        "loose": False,
        "rater": "people",
        "split": np.where(np.arange(COUNT) % 8 < 4, "dev", "test"),
        "expression": np.where(rated[:, 0] > 0, "happy", "sad"),
        "condition": "clean",
        "answer": "frame",
        "found": True,
        "valence": rated[:, 0],
        "arousal": rated[:, 1],
        "said_valence": said[:, 0],
        "said_arousal": said[:, 1],
    }
    return pd.DataFrame(base | columns)


def row(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    found = table
    for name, value in wanted.items():
        found = found[found[name] == value]
    assert len(found) == 1, table
    return found.iloc[0]


def test_answers_that_know_the_class_alone_agree_well_overall_and_not_within_classes() -> None:
    rows = scored()
    means = rows.groupby("expression")[["valence", "arousal"]].transform("mean").to_numpy()
    noise = np.random.default_rng(1).normal(0, 0.1, means.shape)
    table = agreement.within_expression(scored(means + noise))
    assert row(table, expression="all", target="valence")["ccc"] > 0.6
    assert abs(row(table, expression="within classes", target="valence")["ccc"]) < 0.15
    best = row(table, expression="class means", target="valence")
    assert best["ccc"] == pytest.approx(row(table, expression="all", target="valence")["ccc"], abs=0.1)
    good = agreement.within_expression(rows)
    assert row(good, expression="within classes", target="valence")["ccc"] > 0.8


def test_answers_that_know_the_person_alone_do_not_agree_within_a_face() -> None:
    rows = scored()
    person = rows.groupby("subject")[["valence", "arousal"]].transform("mean").to_numpy()
    noise = np.random.default_rng(2).normal(0, 0.05, person.shape)
    told = agreement.within_face(scored(person + noise))
    assert abs(row(told, target="valence")["ccc"]) < 0.15
    assert row(agreement.within_face(rows), target="valence")["ccc"] > 0.8


def test_one_person_has_figures_and_no_interval() -> None:
    table = agreement.by_set(scored(subject="anna"))
    assert table["ccc"].notna().all()
    assert table["ccc_low"].isna().all()
    assert table["subjects"].eq(1).all()


def test_too_few_faces_have_no_figures() -> None:
    assert agreement.by_set(scored().head(agreement.FEWEST - 1)).empty


def test_a_better_answer_leads_with_an_interval_above_zero_and_an_equal_one_does_not() -> None:
    rows, rng = scored(), np.random.default_rng(3)
    worse = rows.assign(answer="float", said_valence=rows["said_valence"] + rng.normal(0, 0.3, COUNT))
    table = agreement.compare_answers(pd.concat([rows, worse]), (("frame", "float"), ("frame", "teacher")))
    lead = row(table, target="valence")
    assert lead["low"] > 0
    assert lead["difference"] == pytest.approx(lead["ours_ccc"] - lead["other_ccc"])
    assert row(table, target="arousal")["difference"] == 0
    assert set(table["other"]) == {"float"}  # nobody answered as the teacher


def test_the_mean_with_the_mirror_image_is_compared_as_an_answer_of_its_own() -> None:
    rng = np.random.default_rng(4)
    rows = scored()
    truth = rows[["valence", "arousal"]].to_numpy()
    plain, turned = (scored(truth + rng.normal(0, 0.3, truth.shape)) for _ in range(2))
    both = pd.concat([plain, turned.assign(condition=MIRROR)])
    assert row(agreement.compare_answers(both, ((MIRROR, "frame"),)), target="valence")["low"] > 0


def test_a_dev_part_that_flatters_is_told_with_its_interval() -> None:
    rows, rng = scored(), np.random.default_rng(5)
    test = (rows["split"] == "test").to_numpy()
    harder = rows.assign(said_valence=rows["said_valence"] + np.where(test, rng.normal(0, 0.5, COUNT), 0))
    told = agreement.dev_against_test(harder)
    assert row(told, target="valence")["low"] > 0.1
    arousal = row(told, target="arousal")
    assert arousal["low"] < 0 < arousal["high"]


def test_a_group_that_is_judged_worse_lies_above_the_mean_and_the_others_do_not() -> None:
    rows, rng = scored(), np.random.default_rng(6)
    old = np.arange(COUNT) % 3 == 0
    worse = rows.assign(said_valence=rows["said_valence"] + np.where(old, rng.normal(0.2, 0.3, COUNT), 0))
    names = {face: "old" if is_old else "young" for face, is_old in zip(rows["id"], old, strict=True)}
    table = groups.by_group(worse, names, ("young", "old", "child"))
    found = row(table, group="old", target="valence")
    assert found["low"] > 0.05
    assert found["bias"] == pytest.approx(0.2, abs=0.08)
    assert row(table, group="young", target="valence")["high"] < 0
    assert abs(row(table, group="old", target="arousal")["above"]) < 0.03
    assert "child" not in set(table["group"])


def test_groups_are_judged_by_ratings_and_never_by_the_teacher() -> None:
    rows = scored()
    teacher = scored(rows[["valence", "arousal"]].to_numpy() + 0.5).assign(answer="teacher")
    names = dict.fromkeys(rows["id"], "old")
    assert groups.by_group(pd.concat([rows, teacher]), names, ("old",)).equals(groups.by_group(rows, names, ("old",)))


def test_what_a_cover_takes_is_its_share_of_the_clean_agreement() -> None:
    rows, rng = scored(), np.random.default_rng(7)
    masked = rows.assign(condition="mask", said_valence=rng.uniform(-0.8, 0.8, COUNT), found=np.arange(COUNT) % 4 > 0)
    both = pd.concat([rows, masked])
    table = robustness.kept(both)
    lost = row(table, condition="mask", answer="frame", target="valence")
    assert abs(lost["kept"]) < 0.25
    assert lost["found"] == 0.75
    assert row(table, condition="mask", answer="frame", target="arousal")["kept"] == pytest.approx(1)
    assert lost["low"] < lost["kept"] < lost["high"]
    cut = np.arange(COUNT) % 4 == 0  # those that were not found
    assert row(robustness.kept(both.assign(loose=np.tile(cut, 2))), condition="mask", target="arousal")["found"] == 1


def test_a_network_that_reads_the_tone_of_skin_is_found_out() -> None:
    rows = scored()
    dark = rows.assign(condition="dark skin", said_valence=rows["said_valence"] - 0.1)
    told = robustness.shifts(pd.concat([rows, dark]))
    assert row(told, target="valence")["high"] < -0.09
    assert row(told, target="arousal")["shift"] == 0


def face(skin: tuple[int, int, int]) -> np.ndarray:
    """A loose picture: a disc of skin before a blue wall."""
    pixels = np.full((224, 224, 3), (40, 80, 190), np.uint8)
    cv2.circle(pixels, (112, 112), 75, skin, -1)
    return pixels


def test_darker_skin_has_a_smaller_angle_and_a_grey_picture_none() -> None:
    angles = [groups.skin_tone(face(skin)) for skin in ((240, 205, 175), (186, 133, 98), (90, 60, 45))]
    assert angles == sorted(angles, reverse=True)
    assert groups.tone_bin(angles[0]) in ("very light", "light")
    assert groups.tone_bin(angles[2]) in ("brown", "dark")
    assert math.isnan(groups.skin_tone(np.full((224, 224, 3), 120, np.uint8)))
    assert groups.tone_bin(math.nan) == groups.UNKNOWN


@pytest.mark.parametrize("tone", groups.TONES)
def test_painted_skin_lies_in_its_own_bin(tone: str) -> None:
    corrupt = CONDITIONS[f"{tone} skin"].corrupt
    assert corrupt is not None
    painted = corrupt(face((186, 133, 98)), np.random.default_rng(0))
    assert groups.tone_bin(groups.skin_tone(painted)) == tone


def test_ages_are_of_known_groups_and_unclear_ones_are_left_out(tmp_path: Any) -> None:
    ages = groups.read_ages()
    assert set(ages.values()) <= set(groups.AGES)
    assert len(ages) > 250
    (tmp_path / "ages.csv").write_text("image,age_group\n0001.jpg,ancient\n")
    with pytest.raises(DataError, match="unknown group 'ancient'"):
        groups.read_ages(tmp_path / "ages.csv")


def test_a_muscle_that_the_embedding_holds_is_read_and_one_that_it_lacks_is_not() -> None:
    rng = np.random.default_rng(8)
    shapes = rng.uniform(0, 1, (400, len(BLENDSHAPES))).astype(np.float32)
    jaw = BLENDSHAPES.index("jawOpen")
    embedding = np.column_stack([shapes[:, jaw], rng.normal(size=(400, 7))]).astype(np.float32)
    table = muscles.muscles((embedding[:200], shapes[:200]), {"others": (embedding[200:], shapes[200:])})
    assert row(table, blendshape="jawOpen")["r"] > 0.95
    assert abs(row(table, blendshape="browInnerUp")["r"]) < 0.25


def test_arousal_is_read_from_features_of_other_persons_only() -> None:
    rng = np.random.default_rng(9)
    person = np.repeat(np.arange(20), 10)
    mood = rng.uniform(-1, 1, 20)[person]  # of the person alone: cannot be learned from others
    arousal = rng.uniform(-1, 1, 200)
    names = np.eye(20)[person]
    va = np.stack([mood, arousal], axis=1).astype(np.float32)
    features = np.column_stack([names, arousal]).astype(np.float32)
    table = muscles.read_out({"all": features}, va, pd.Series(person))
    assert row(table, target="arousal")["ccc"] > 0.9
    assert row(table, target="valence")["ccc"] < 0.1


def test_faces_that_talk_stand_apart_from_silent_ones() -> None:
    rows = scored()
    talks = np.arange(COUNT) % 2 == 0
    told = muscles.speech(
        rows.assign(
            expression=np.where(talks, "calm, talking", "calm"),
            said_arousal=rows["said_arousal"] + np.where(talks, 0.1, 0),
        ),
        np.zeros((COUNT, len(BLENDSHAPES)), np.float32),
        rows["id"],
    )
    assert row(told, speech="talking", target="arousal")["bias"] == pytest.approx(0.1, abs=0.03)
    assert row(told, speech="silent", target="arousal")["bias"] == pytest.approx(0, abs=0.03)
