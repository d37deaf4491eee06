"""`evaluate`: its output, its honesty about faces not found, and that it needs no TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.main import get_command

from convert.__main__ import app
from convert.faces.finder import FaceFinder
from convert.predict.evaluation import Device
from edge.model.bundle import default_bundle, load_bundle

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = ("tensorflow", "tf_keras", "keras", "sklearn", "matplotlib")
# Runs the tools where importing these fails.
WITHOUT_TENSORFLOW = f"""
import runpy, sys
for name in {BLOCKED}:
    sys.modules[name] = None
sys.argv = ["convert", *sys.argv[1:]]
runpy.run_module("convert", run_name="__main__")
"""


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def labels(finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn faces that the detector finds and one picture of noise, with columns in another order."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(8)
    lines = ["mood,arousal,image,valence"]
    while len(lines) < 4:
        pixels = draw_face(rng, 0.5, 0.2)
        if finder.find(pixels) is not None:
            name = f"pictures/{len(lines)}.png"
            cv2.imwrite(str(folder / name), pixels[:, :, ::-1])
            lines.append(f"drawn,{0.1 * len(lines)},{name},{-0.2 * len(lines)}")
    cv2.imwrite(str(folder / "noise.png"), rng.integers(0, 256, (90, 70, 3), dtype=np.uint8))
    path = folder / "labels.csv"
    path.write_text("\n".join([*lines, "none,0,noise.png,0.5"]) + "\n")
    return path


def test_json_is_all_that_it_prints_and_needs_no_tensorflow(labels: Path) -> None:
    done = _run("evaluate", "--csv", labels, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert list(record) == ["n", "faces_found", "frame", "stream"]
    assert (record["n"], record["faces_found"]) == (4, 3)
    for answer in ("frame", "stream"):
        assert list(record[answer]) == ["valence", "arousal"]
        for found in record[answer].values():
            assert {"ccc", "cc", "rmse", "sagr", "ccc_low", "ccc_high"} == set(found)


def test_the_table_names_the_bundle_and_what_was_found(labels: Path) -> None:
    done = _run("evaluate", "--csv", labels)
    assert done.returncode == 0, done.stderr
    assert "default on labels.csv: 4 pictures, 3 faces found" in done.stdout


def test_the_proof_of_no_tensorflow_can_fail(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_TENSORFLOW.replace("runpy.run_module", "import convert.networks.keras_runtime #"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "TensorFlow is not installed here" in done.stderr


MISTAKES = [
    (["evaluate", "--csv", "{folder}/none.csv"], 2, "none.csv: no such label file"),
    (["evaluate", "--csv", "{folder}/bad.csv"], 2, "bad.csv:2: column 'valence' is 'x', not a number"),
    (["teacher", "--data", "{folder}/none"], 2, "has no diffusionfer/labels.csv"),
    (["quantize", "--out", "{folder}/none"], 2, "holds no run"),
    (["pack", "--run", "{folder}/none"], 2, "holds no run"),
    (["test", "{folder}/none"], 4, "none: no such bundle"),
    (["test", "{folder}"], 1, "backbone.tflite: not there; run `python -m convert train` first"),
    (["test", "{folder}", "--dev", "--real"], 2, "leave out --dev or --real"),
    (["baselines", "--data", "{folder}"], 2, "has no diffusionfer/labels.csv"),
    (["onnx", "--run", "{folder}"], 2, "give what `pack` made of it with --bundle"),
]
MISSING = ["evaluate", "--csv", "{folder}/gone.csv"]


@pytest.fixture(scope="module")
def told(verbs_without: Callable[..., list[Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each mistake ended in, by its arguments; none of them needs TensorFlow to be noticed."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "bad.csv").write_text("image,valence,arousal\na.png,x,0\n")
    (folder / "gone.csv").write_text("image,valence,arousal\ngone.png,0,0\n")
    asked = [*(arguments for arguments, _, _ in MISTAKES), MISSING]
    answers = verbs_without(BLOCKED, [[each.format(folder=folder) for each in arguments] for arguments in asked])
    return dict(zip(map(str, asked), answers, strict=True))


@pytest.mark.parametrize(("arguments", "code", "said"), MISTAKES)
def test_an_error_is_one_line_and_its_exit_code(
    told: dict[str, Any], arguments: list[str], code: int, said: str
) -> None:
    check_one_line(told[str(arguments)], code, said)


def test_a_missing_picture_is_named(told: dict[str, Any]) -> None:
    check_one_line(told[str(MISSING)], 2, "gone.png: no such picture or video")


def check_one_line(done: Any, code: int, said: str) -> None:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    assert said in lines[0]
    assert done.stdout == ""


def _verbs(command: Any, name: str = "") -> list[str]:
    """What can be run: all verbs below a command, and a group of verbs that does something by itself."""
    below = getattr(command, "commands", {})
    own = [name] if name and (not below or command.invoke_without_command) else []
    return own + [verb for key, each in below.items() for verb in _verbs(each, f"{name} {key}".strip())]


@pytest.mark.parametrize("verb", _verbs(get_command(app)))
def test_every_verb_shows_an_example(convert_verb: Callable[..., Any], verb: str) -> None:
    done = convert_verb(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"python -m convert {verb}" in " ".join(done.stdout.split())


def test_stream_is_the_head_after_twice_the_warmup() -> None:
    device = Device(load_bundle(default_bundle()))
    crop = np.random.default_rng(0).integers(0, 256, (device.manifest.crop.size,) * 2 + (3,), dtype=np.uint8)
    answer = device.answer(crop)
    assert answer.shape == (2, 2)
    units = device.manifest.head.h.shape[-1]
    from edge.values import FaceCrop

    both = [FaceCrop(track_id=1, pixels=crop, captured_ns=at * device.manifest.mirror_ns) for at in (0, 1)]
    vectors = [each.vector[None] for each in device.backbone.embed_all(both)]
    h = c = np.zeros((1, units), np.float32)
    for step in range(2 * device.manifest.warmup_steps):
        va, h, c = device.stream.run(vectors[step % 2], h, c)
    np.testing.assert_allclose(answer[1], va[0], atol=1e-6)
