"""Drawn faces and tiny data in the published layouts: nothing here is a photograph or anybody's data."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from convert.faces.finder import FaceFinder
from convert.quantize.onnx_export import OnnxGraphs, export_onnx

ROOT = Path(__file__).resolve().parents[2]


def _draw_face(rng: np.random.Generator, smile: float, mouth_open: float, size: int = 224) -> np.ndarray:
    image = np.full((size, size, 3), rng.integers(40, 200, 3), np.uint8)
    skin = tuple(int(v) for v in np.array([205, 165, 140]) * rng.uniform(0.6, 1.15))
    dark = tuple(int(v * 0.25) for v in skin)
    cx, cy = size / 2 + rng.uniform(-8, 8), size / 2 + rng.uniform(-8, 8)

    def ellipse(
        dx: float, dy: float, w: float, h: float, colour: tuple[int, ...], start: int = 0, end: int = 360
    ) -> None:
        center = (round(cx + dx * size), round(cy + dy * size))
        cv2.ellipse(image, center, (round(w * size), max(round(h * size), 1)), 0, start, end, colour, -1, cv2.LINE_AA)

    ellipse(0, -0.08, 0.34, 0.40, dark)
    ellipse(0, 0, 0.29, 0.38, skin)
    for side in (-1, 1):
        ellipse(side * 0.12, -0.08, 0.055, 0.028, (240, 240, 240))
        ellipse(side * 0.12, -0.08, 0.024, 0.026, (40, 30, 30))
        ellipse(side * 0.12, -0.15, 0.07, 0.014, dark)
    ellipse(0, 0.06, 0.03, 0.05, tuple(int(v * 0.8) for v in skin))
    ellipse(0, 0.2, 0.09 + 0.05 * smile, 0.02 + 0.06 * mouth_open, (150, 50, 60))
    return cv2.GaussianBlur(image, (5, 5), 0)


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="session")
def draw_face() -> Callable[..., np.ndarray]:
    return _draw_face


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 drawn faces in DiffusionFER's layout; beside them `labels.csv` and its declaration, as one's own."""
    root = tmp_path_factory.mktemp("data")
    images = root / "diffusionfer" / "images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(3)
    rows = []
    for number in range(40):
        smile, mouth_open = rng.uniform(-0.8, 0.8), rng.uniform(0, 0.8)
        name = f"images/{number:03d}.jpg"
        cv2.imwrite(str(images.parent / name), _draw_face(rng, smile, mouth_open)[:, :, ::-1])
        rows.append([name, round(smile, 1), round(mouth_open, 1), "drawn", number])
    for path, folder in ((root / "diffusionfer" / "labels.csv", ""), (root / "labels.csv", "diffusionfer/")):
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "valence", "arousal", "expression", "group"])
            # Of one's own, two pictures of a person: as many persons again would leave too few faces to measure on.
            share = 2 if folder else 1
            writer.writerows([f"{folder}{name}", *rest, number // share] for name, *rest, number in rows)
    declared = {"name": "drawn faces", "licence": "internal", "origin": "drawn with ellipses"}
    (root / "labels.source.json").write_text(json.dumps(declared))
    return root


_WARM = """
import json, os, sys, traceback
from convert.quantize.converter import main
for line in sys.stdin:
    job, folder, said, path = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.path[:] = path
            file = os.open(said, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, 1)
            os.dup2(file, 2)
            main(job, folder)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class WarmConverter:
    """The converter's jobs, each in a process of its own that is forked from one which has TensorFlow already.

    Importing that takes longer than converting a tiny network does. It starts with the first job.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, job: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """As `run_converter` does it."""
        if self._process is None:
            command = [sys.executable, "-c", _WARM]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        said = folder / "said.txt"
        print(json.dumps([str(job), str(folder), str(said), sys.path]), file=self._process.stdin)
        code = int(self._process.stdout.readline())
        return subprocess.CompletedProcess([], code, "", said.read_text(errors="replace"))

    def close(self) -> None:
        """Ends what was started."""
        if self._process is not None:
            self._process.communicate()


@pytest.fixture(scope="session", autouse=True)
def cold_converter() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Has every test convert warm; gives the way in which users convert, for the test that compares the two."""
    from convert.quantize import export

    warm, cold = WarmConverter(), export.run_converter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "run_converter", warm.run)
        yield cold
    warm.close()


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Training steps run as they are written: tracing a network takes longer than the few steps a test makes."""
    from convert.networks.keras_runtime import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def tiny_run(drawn_data: Path, finder: FaceFinder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder after `fit` on the drawn faces with the recipe tiny: every step, one epoch each."""
    from convert.faces.layouts import read_own
    from convert.networks.keras_runtime import tf
    from convert.train.fit import begin, fit
    from convert.train.run import Run

    folder = tmp_path_factory.mktemp("run") / "tiny"
    tf.config.run_functions_eagerly(True)  # as `eagerly`
    try:
        fit(Run(folder), begin("random", "tiny", None), read_own(drawn_data / "labels.csv"), start="random")
    finally:
        tf.config.run_functions_eagerly(False)
    return folder


class Told(NamedTuple):
    """How a verb ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


_ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys, traceback
names, asked = json.load(sys.stdin)
sys.modules.update(dict.fromkeys(names))
from convert.__main__ import main
told = []
for arguments in asked:
    sys.argv, out, err, code = ["convert", *arguments], io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            traceback.print_exc()
            code = 1
    told.append([code or 0, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


@pytest.fixture(scope="session")
def verbs_without() -> Callable[..., list[Told]]:
    """Runs verbs of `python -m convert`, one after another, in one process where some modules cannot be imported.

    One process for many: importing the tools takes longer than each of these.
    """

    def run(names: Sequence[str], asked: Sequence[Sequence[str | Path]]) -> list[Told]:
        done = subprocess.run(
            [sys.executable, "-c", _ONE_AFTER_ANOTHER],
            input=json.dumps([list(names), [list(map(str, arguments)) for arguments in asked]]),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [Told(*each) for each in json.loads(done.stdout)]

    return run


@pytest.fixture
def convert_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Runs `python -m convert …` in this process, which spares each test its imports."""
    from convert.__main__ import main

    def run(*arguments: str | Path) -> Told:
        monkeypatch.setattr("sys.argv", ["convert", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Told(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def tiny_onnx(tiny_run: Path) -> OnnxGraphs:
    """The ONNX graphs of the tiny run, calibrated on its drawn faces."""
    from convert.package.trained import read_trained
    from convert.train.graphs import calibrate_on
    from convert.train.run import Run
    from convert.train.targets import AUXILIARY

    trained = read_trained(None, tiny_run, None, "tiny")
    images = calibrate_on(Run(tiny_run).parts(), trained.recipe)
    return export_onnx(trained.backbone, trained.head, trained.recipe, images, blendshapes=len(AUXILIARY))
