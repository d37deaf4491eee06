"""Published data sets in use: measured on, learned from, and named in every bundle that learned from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from convert.__main__ import app
from convert.errors import DataError, TrainingError
from convert.faces.finder import FaceFinder
from convert.faces.layouts import LAYOUTS, read_set
from convert.faces.pictures import find_near
from convert.faces.table import make_faces
from convert.package.sources import RESEARCH_ONLY, choose_licence, list_sources
from convert.predict.clips import _open
from convert.predict.evaluation import Device
from edge.errors import EdgeError
from edge.model.bundle import default_bundle, load_bundle

RATE = 20.0
LENGTH = 50  # frames of a clip


def find_drawn(finder: FaceFinder, draw_face: Callable[..., np.ndarray], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        pixels = draw_face(rng, 0.4, 0.3)
        if finder.find(pixels) is not None:
            return pixels
    pytest.fail("no drawn face was found")


def write_clip(path: Path, pictures: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (width, height))
    for pixels in pictures:
        writer.write(np.ascontiguousarray(pixels[:, :, ::-1]))
    writer.release()


@pytest.fixture(scope="module")
def affwild2(
    finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two persons to learn from and one held out; frames 10 to 19 of each clip show no face."""
    root = tmp_path_factory.mktemp("affwild2")
    for number, part in ((1, "Train_Set"), (2, "Train_Set"), (3, "Validation_Set")):
        face = find_drawn(finder, draw_face, number)
        empty = np.full_like(face, 127)
        write_clip(root / f"video{number}.mp4", [empty if 10 <= n < 20 else face for n in range(LENGTH)])
        labels = root / "VA_Estimation_Challenge" / part / f"video{number}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{0.1 * number:.1f},{n / LENGTH:.2f}" if n else "-5,-5" for n in range(LENGTH)]
        labels.write_text("\n".join(["valence,arousal", *lines]) + "\n")
    return root


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_pictures_of_a_set_are_answered_as_those_of_a_label_file(
    finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), find_drawn(finder, draw_face, number)[:, :, ::-1])
    path = tmp_path / "labels.csv"
    path.write_text("image,valence,arousal\n0.png,0,0\n1.png,0.5,0.1\n2.png,-0.5,0.2\n")
    by_file = run("evaluate", "--csv", path, "--json")
    by_set = run("evaluate", "--dataset", "csv", "--root", path, "--json")
    assert by_set.exit_code == 0, by_set.output
    one, other = json.loads(by_file.stdout), json.loads(by_set.stdout)
    assert {key: other[key] for key in one} == one  # every picture is a group, so even the intervals are the same
    assert (other["dataset"], other["part"], other["groups"]) == ("csv", "all", 3)


def test_between_sparse_labels_a_clip_is_watched_by_its_own_time_stamps(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[1] / "edge" / "camera" / "files" / "gap.mp4", tmp_path / "gap.mp4")
    labels = tmp_path / "labels.csv"
    labels.write_text("video,time_s,valence,arousal\ngap.mp4,0.1,0,0\ngap.mp4,14.4,0.5,0.5\n")
    seen = list(_open(read_set("csv", labels).faces, Device(load_bundle(default_bundle()))))
    # Its six frames are shown at 0, 0.1, 0.2, 14.3, 14.4 and 14.5 s.
    assert [(slot, row) for slot, row, _ in seen] == [(0, -1), (1, 0), (2, -1), (143, -1), (144, 1)]


def test_evaluate_measures_on_the_declared_validation_part(affwild2: Path) -> None:
    done = run("evaluate", "--dataset", "affwild2", "--root", affwild2)
    assert done.exit_code == 0, done.output
    assert "default on affwild2, dev, 1 persons or videos" in " ".join(done.stdout.split())
    assert "left out: 3 marked as not rated" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate"], "give either --csv FILE, or --dataset KIND with --root PATH"),
        (["evaluate", "--dataset", "affwild2"], "give either --csv FILE"),
        (["evaluate", "--dataset", "mnist", "--root", "{root}"], "mnist: no such kind of data set"),
        (["evaluate", "--dataset", "affwild2", "--root", "{root}", "--part", "test"], "has no part 'test'"),
        (["datasets", "check", "afew-va", "{root}"], "has no folder NNN"),
    ],
)
def test_a_wrong_use_is_named_in_one_line(affwild2: Path, arguments: list[str], said: str) -> None:
    done = run(*(each.format(root=affwild2) for each in arguments))
    assert isinstance(done.exception, EdgeError)
    assert done.exception.exit_code == 2
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)


@pytest.mark.parametrize(
    "verb", ["datasets", "datasets check", "labels merge", "labels report", "evaluate", "train", "pack"]
)
def test_every_verb_shows_an_example(verb: str) -> None:
    shown = run(*verb.split(), "--help")
    assert shown.exit_code == 0
    assert f"python -m convert {verb}" in " ".join(shown.output.split())


def test_datasets_lists_terms_and_check_counts(affwild2: Path) -> None:
    listed = run("datasets")
    assert listed.exit_code == 0, listed.output
    for kind in ("affwild", "affwild2", "affectnet", "afew-va", "omg-emotion", "csv"):
        assert f"{kind}: " in listed.stdout
    assert "licence: non-commercial research only" in listed.stdout
    checked = run("datasets", "check", "affwild2", affwild2, "--pictures")
    assert checked.exit_code == 0, checked.output
    words = " ".join(checked.stdout.replace("│", " ").split())
    assert "train 98 2" in words
    assert "dev 49 1" in words
    assert "marked as not rated 3" in words
    assert "+0.0 to +0.2" in checked.stdout


def test_the_box_says_whose_face_it_is(finder: FaceFinder, draw_face: Callable[..., np.ndarray]) -> None:
    face = find_drawn(finder, draw_face, 1)
    size = face.shape[0]
    wide = np.full((size, 3 * size, 3), 120, np.uint8)
    wide[:, :size] = wide[:, 2 * size :] = face
    for left in (0, 2 * size):
        box = (left + 0.2 * size, 0.1 * size, left + 0.8 * size, 0.9 * size)
        found = find_near(finder, wide, box)
        assert found is not None
        assert left < found.center_px[0] < left + size


def learned_from(licence: str, *, source: str = "Faces of Elsewhere", split: str = "train") -> pd.DataFrame:
    names = [f"x/{n}.png" for n in range(3)]
    given = {"id": names, "picture": names, "subject": names, "source": source, "licence": licence, "split": split}
    return make_faces(given | {"valence": 0.0, "arousal": 0.0, "rater": "people"})


def test_what_a_run_learned_from_is_never_packed_without_its_terms() -> None:
    with pytest.raises(DataError, match="Faces of Elsewhere: the run learned from it, and nothing says under which"):
        list_sources(learned_from(""))
    with pytest.raises(DataError, match="SFHQ samples: is the name of a set of the kit's own"):
        list_sources(learned_from("MIT", source="SFHQ samples"))
    (source,) = list_sources(learned_from("theirs"))
    assert (source.name, source.licence, source.count) == ("Faces of Elsewhere", "theirs", 3)
    assert not list_sources(learned_from("theirs", split="test"))


@pytest.mark.parametrize("kind", [kind for kind, layout in LAYOUTS.items() if layout.research_only])
def test_research_data_binds_the_weights(kind: str) -> None:
    free = list_sources(learned_from("internal"))
    assert choose_licence(free, research_only=False) == "Apache-2.0"
    bound = list_sources(learned_from(LAYOUTS[kind].licence, source=kind))
    with pytest.raises(TrainingError, match=rf"learned from {kind}: .*research only.*\. Pack with --research-only"):
        choose_licence(bound, research_only=False)
    assert choose_licence(bound, research_only=True) == RESEARCH_ONLY
