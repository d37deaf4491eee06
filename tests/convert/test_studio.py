"""The expression studio: geometry against what is known in advance, and the whole way on the data where it is here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.errors import DataError
from convert.faces.pictures import loose_square
from convert.faces.table import make_faces
from convert.studio.acts import Act, write_script
from convert.studio.archive import load_part, save_part
from convert.studio.expressions import Moment, blend_shapes, draw_moment
from convert.studio.head import MARKS, MorphableHead, load_head
from convert.studio.jobs import Models, StudioFiles
from convert.studio.paint import Light
from convert.studio.rasterize import interpolate, rasterize, vertex_normals
from convert.studio.reenact import Sitter, make_portrait, reenact, rotation_of
from convert.studio.sets import Studio
from convert.studio.show import write_clip, write_sheet
from convert.studio.stills import Still, decode, describe, encode_loose, make_still, turn_head
from convert.teacher.landmarker import BLENDSHAPES, FaceLandmarker, FaceShape
from edge.geometry import CropRule, Square, face_square
from edge.values import UInt8Array

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
HEAD = SHARED / "data" / "ict_facekit" / "ict_facekit.npz"
TASK = SHARED / "models" / "face_landmarker.task"
PICTURE = SHARED / "data" / "sfhq" / "images"
needs_data = pytest.mark.skipif(not HEAD.is_file(), reason="needs ../shared/data/ict_facekit and models")


@pytest.fixture(scope="module")
def head() -> MorphableHead:
    return load_head(HEAD)


def test_the_nearer_triangle_hides_the_farther_and_a_turned_one_is_not_seen() -> None:
    square = np.array([[1, 1], [8, 1], [8, 8], [1, 8]], np.float32)
    points = np.concatenate([np.c_[square, np.zeros(4)], np.c_[square, np.ones(4)]]).astype(np.float32)
    far, near = [[0, 2, 1], [0, 3, 2]], [[4, 6, 5], [4, 7, 6]]
    seen = rasterize(points, np.array(far + near, np.int32), 10, 10)
    assert set(np.unique(seen.triangle)) == {-1, 2, 3}
    turned = rasterize(points, np.array([t[::-1] for t in far], np.int32), 10, 10)
    assert (turned.triangle == -1).all()


def test_an_attribute_is_linear_over_a_triangle() -> None:
    points = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0]], np.float32)
    triangles = np.array([[0, 2, 1]], np.int32)
    seen = rasterize(points, triangles, 21, 21)
    values = interpolate(seen, triangles, points[:, :2].copy())
    rows, columns = np.nonzero(seen.triangle >= 0)
    assert len(rows) > 200
    np.testing.assert_allclose(values[rows, columns], np.c_[columns, rows], atol=1e-4)


def test_normals_of_a_flat_mesh_point_out_of_it() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    np.testing.assert_allclose(vertex_normals(points, np.array([[0, 1, 2]], np.int32)), [[0, 0, 1]] * 3)


def test_a_turn_is_a_rotation_to_the_side_it_says() -> None:
    turned = rotation_of(0.3, 0.0, 0.0)
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-6)
    nose = turned @ np.array([0, 0, 1], np.float32)
    assert nose[0] == pytest.approx(np.sin(0.3), abs=1e-6)  # the person's left is the viewer's right
    assert (rotation_of(0.0, 0.2, 0.0) @ np.array([0, 0, 1], np.float32))[1] < 0


def test_kinds_and_single_muscles_cover_each_blendshape_that_matters() -> None:
    rng = np.random.default_rng(0)
    seen = np.zeros((1, 52), np.float32)
    drawn = np.stack([draw_moment(rng, seen).shown for _ in range(3000)])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    for name in ("jawOpen", "eyeBlinkLeft", "browInnerUp", "browDownLeft", "mouthSmileRight", "mouthStretchLeft"):
        counts, _ = np.histogram(drawn[:, BLENDSHAPES.index(name)], np.linspace(0, 1, 6))
        assert counts.min() > 0.004 * len(drawn), name


def test_half_of_all_faces_speak_with_wide_jaws_among_them_and_nobody_speaks_asleep() -> None:
    rng = np.random.default_rng(0)
    seen = np.zeros((1, 52), np.float32)
    drawn = [draw_moment(rng, seen) for _ in range(1000)]
    assert 0.4 < np.mean([moment.speaks for moment in drawn]) < 0.6
    talking = np.stack([moment.besides for moment in drawn if moment.speaks])
    assert (talking[:, BLENDSHAPES.index("jawOpen")] > 0.4).mean() > 0.1  # wide jaws among them
    assert not any(draw_moment(rng, seen, kind).speaks for kind in ("asleep", "laughing") for _ in range(50))


def test_a_blink_comes_besides_and_drowsy_lids_are_what_is_expressed() -> None:
    rng, lid = np.random.default_rng(0), BLENDSHAPES.index("eyeBlinkLeft")
    seen = np.zeros((1, 52), np.float32)
    for _ in range(30):
        blinking, drowsy = (draw_moment(rng, seen, kind) for kind in ("blinking", "drowsy"))
        assert blinking.besides[lid] >= 0.4 > blinking.expressed[lid]
        assert drowsy.expressed[lid] > 0.2 > drowsy.besides[lid]


def test_a_name_that_is_no_blendshape_is_noticed() -> None:
    with pytest.raises(ValueError):
        blend_shapes({"smirk": 1.0})


def test_moments_repeat_from_a_seed() -> None:
    seen = np.random.default_rng(0).uniform(0, 0.5, (20, 52)).astype(np.float32)
    one, two = (draw_moment(np.random.default_rng(5), seen) for _ in range(2))
    assert one.kind == two.kind
    assert np.array_equal(one.shown, two.shown)


def test_a_script_mixes_whole_expressions_and_moves_without_jumps() -> None:
    seen = np.random.default_rng(0).uniform(0, 0.5, (20, 52)).astype(np.float32)
    away = 0
    for seed in range(30):
        script = write_script(np.random.default_rng(seed), seen, steps=80, step_s=0.1)
        np.testing.assert_allclose(script.mix.sum(axis=1), 1, atol=1e-5)
        assert np.abs(np.diff(script.mix, axis=0)).max() < 0.6
        assert np.abs(np.diff(script.turn, axis=0)).max() < 0.4
        assert script.present[0]
        away += not script.present.all()
    assert 0 < away < 30


def _still(rng: np.random.Generator, name: str) -> Still:
    views = [
        (
            encode_loose(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8), Square(30, 30, 30, 0.2)),
            rng.uniform(size=52).astype(np.float32),
            np.zeros(3, np.float32),
            rng.normal(size=(478, 2)).astype(np.float32),
        )
        for _ in range(2)
    ]
    return Still(name, "calm, talking", views[0][1], True, *views[0], *views[1])


def _act(rng: np.random.Generator, name: str, frames: tuple[UInt8Array, ...], keys: int) -> Act:
    shown = [_still(rng, "").jpeg for _ in range(keys)]
    return Act(
        name,
        *(np.concatenate(frames), np.cumsum([frame.size for frame in frames])),
        rng.uniform(size=(len(frames), keys)).astype(np.float32),
        *(np.concatenate(shown), np.cumsum([key.size for key in shown])),
        *(np.ones((keys, 52), np.float32), np.zeros((keys, 3), np.float32)),
    )


def test_stills_and_acts_survive_their_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    none = np.zeros(0, np.uint8)
    stills = [_still(rng, f"drawn/{n}") for n in range(3)]
    acts = [_act(rng, "a", (stills[0].jpeg, none), 3), _act(rng, "b", (none, stills[1].jpeg, none), 1)]
    for records in (stills, acts):
        save_part(tmp_path / "part.npz", records)
        for before, after in zip(records, load_part(tmp_path / "part.npz", type(records[0])), strict=True):
            for field, one, other in zip(before._fields, before, after, strict=True):
                assert np.array_equal(one, other), field
                assert type(one) is type(other), field
    assert acts[0].picture(1) is None
    assert acts[1].picture(0) is None
    assert acts[1].picture(1) is not None
    assert acts[0].key(2) is not None
    save_part(tmp_path / "none.npz", [])
    assert load_part(tmp_path / "none.npz", Still) == []
    assert list(tmp_path.glob("*.part")) == []


def test_nobody_real_and_no_loose_picture_is_made_to_act(tmp_path: Path) -> None:
    for name in ("head", "task"):
        (tmp_path / name).touch()
    shared = {"id": ["a", "b"], "picture": ["a", "b"], "subject": ["a", "b"], "source": ["s", "s"]}
    faces = make_faces({**shared, "real": [True, False], "loose": [False, True]})
    with pytest.raises(DataError, match="nobody real is made to act"):
        Studio(faces, StudioFiles(tmp_path / "head", tmp_path / "task"), seed=0, folder=tmp_path)


def test_a_person_can_look_at_what_was_made(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    jpeg = _still(rng, "drawn/0").jpeg
    write_sheet(tmp_path / "sheet.png", [decode(jpeg)] * 4, np.zeros((4, 2), np.float32))
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    frames = (jpeg, np.zeros(0, np.uint8))
    act = _act(rng, "a", frames, 1)
    write_clip(tmp_path / "act.mp4", act, np.array([[0.5, -0.5]] * 2, np.float32), 0.1)
    assert (tmp_path / "act.csv").read_text().splitlines()[1:] == ["0.0,0.500,-0.500", "0.1,0.500,-0.500"]
    with pytest.raises(DataError, match="cannot be written"):
        write_clip(tmp_path / "none" / "act.mp4", act, np.zeros((2, 2), np.float32), 0.1)


def test_a_missing_head_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz: no such file; the studio needs"):
        load_head(tmp_path / "none.npz")


@needs_data
def test_the_heads_marks_lie_where_a_face_has_them(head: MorphableHead) -> None:
    marks = head.neutral[MARKS]
    assert marks[36:42, 0].max() < 0 < marks[42:48, 0].min()  # the person's right eye, then the left
    assert marks[48:, 1].max() < marks[36:48, 1].min()  # mouth below eyes
    assert marks[30, 2] == marks[:, 2].max()  # the tip of the nose is foremost


@needs_data
@pytest.mark.slow
def test_a_studio_makes_stills_and_acts_of_a_split_once_and_gives_them_as_a_face_table(tmp_path: Path) -> None:
    paths = sorted(PICTURE.glob("*.jpg"))[:4]
    faces = make_faces(
        {
            "id": [path.name for path in paths],
            "picture": [str(path) for path in paths],
            "subject": [f"sfhq/{path.name}" for path in paths],
            "split": ["train", "train", "train", "dev"],
            "source": "sfhq",
            "real": False,
        }
    )
    files = StudioFiles(HEAD, TASK)
    stills = Studio(faces, files, seed=1, folder=tmp_path).stills(8)
    assert set(stills.faces["subject"]) <= {f"sfhq/{path.name}" for path in paths[:3]}
    assert len(stills.faces) == len(stills.pictures) == len(stills.clean) == len(stills.asked) > 4
    assert stills.pictures.loose[0].shape == (224, 224, 3)
    assert stills.clean.points.shape[1:] == (478, 2)
    few = stills.pictures.take(stills.speaks)
    assert len(few) == stills.speaks.sum()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    again = Studio(faces, files, seed=1, folder=tmp_path).stills(8)
    assert np.array_equal(again.pictures.points, stills.pictures.points)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")} == written
    (act,) = Studio(faces, files, seed=2, folder=tmp_path).acts(1, steps=6, step_s=0.1)
    np.testing.assert_allclose(act.mix.sum(axis=1), 1, atol=1e-5)
    assert len(act.mix[0]) == len(act.blendshapes) == len(act.key_ends)
    with pytest.raises(DataError, match="no still of split 'test'"):
        Studio(faces, files, seed=1, folder=tmp_path).stills(4, split="test")


@needs_data
@pytest.mark.slow
def test_a_portrait_acts_and_the_landmarker_sees_it(head: MorphableHead, finder: object) -> None:
    from convert.faces.finder import FaceFinder, read_picture

    assert isinstance(finder, FaceFinder)
    landmarker = FaceLandmarker(TASK)
    models = Models(head, landmarker, finder)
    pixels = read_picture(sorted(PICTURE.glob("*.jpg"))[3])
    face = finder.find(pixels)
    assert face is not None
    shape = landmarker.describe(pixels, face.landmarks_px)
    portrait = make_portrait(head, Sitter("p", pixels, shape))
    assert portrait.fitted.error < 0.12

    same = reenact(head, portrait, portrait.fitted.coefficients).pixels
    assert np.abs(same.astype(float) - pixels).mean() < 4  # nothing asked, next to nothing changed

    def read(blendshapes: dict[str, float], turn: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> FaceShape:
        made = reenact(head, portrait, portrait.fitted.act(head, blend_shapes(blendshapes)), turn=turn)
        described = describe(made, models)  # None where the landmarker sees another face than asked for
        assert described is not None
        return described[0]

    calm = read({})
    for asked in ({"jawOpen": 0.7, "mouthSmile": 0.9}, {"eyeBlink": 1.0}, {"browDown": 1.0}, {"browInnerUp": 0.9}):
        seen = read(asked)
        for name in asked:
            at = BLENDSHAPES.index(name if name in BLENDSHAPES else f"{name}Left")
            assert seen.blendshapes[at] > calm.blendshapes[at] + 0.2, name
    assert read({}, (0.35, 0.0, 0.0)).rotation[0] != pytest.approx(calm.rotation[0], abs=0.15)

    moment = Moment("tongue out", blend_shapes({"jawOpen": 0.3}), blend_shapes({"jawOpen": 0.1}), tongue=1.0)
    still = make_still(models, portrait, moment, np.random.default_rng(0))
    assert still is not None
    assert still.kind.startswith("tongue out")
    lips = still.points[[13, 14]]  # of the mesh, in the crop's middle below its centre
    assert np.abs(lips[:, 0]).max() < 0.1
    assert 0.05 < lips[:, 1].mean() < 0.3
    assert still.points[14, 1] - still.points[13, 1] > still.clean_points[14, 1] - still.clean_points[13, 1]

    loose = decode(still.clean_jpeg)
    ways = [landmarker.describe_square(turn_head(head, landmarker, loose, yaw), loose_square()) for yaw in (-0.3, 0.3)]
    assert abs(ways[0].rotation[0] - ways[1].rotation[0]) > 0.3

    marks = np.zeros((68, 2), np.float32)
    assert describe(reenact(head, portrait, portrait.fitted.coefficients)._replace(marks_px=marks), models) is None

    square = face_square(face.landmarks_px, CropRule())
    left = slice(int(square.center_x - square.side / 3), int(square.center_x))
    right = slice(int(square.center_x), int(square.center_x + square.side / 3))
    rows = slice(int(square.center_y - square.side / 4), int(square.center_y + square.side / 4))
    lit = reenact(head, portrait, portrait.fitted.coefficients, light=Light((-1.0, 0.0, 0.3), 0.8)).pixels
    assert lit[rows, left].mean() / same[rows, left].mean() > 1.5 * lit[rows, right].mean() / same[rows, right].mean()
