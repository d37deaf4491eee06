"""The pages: rendered again from the kept files they are the same, and they say where a figure comes from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from benchmarks.device.result import STAGES
from benchmarks.reference.kept import FOLDER, find_kept, list_devices
from benchmarks.report.blocks import Grid, Heading, Picture, Words, to_html, to_markdown
from benchmarks.report.command import report
from benchmarks.report.gather import gather_devices
from benchmarks.report.growth import measure_growth
from benchmarks.report.plots import draw_growth, read_hash
from convert.errors import DataError
from edge.cli.bench.quantiles import Quantiles, summarize
from edge.cli.bench.result import Load
from edge.profiles import profile_names

_INLINE = re.compile(r'src="data:image/png;base64,[^"]+"')
FIGURE = re.compile(r"\d+\.\d+")


def make_load(faces: int, ms: float, fps: float = 30) -> Load:
    return Load(
        faces=faces, fps=fps, frame_ms=summarize([ms] * 400), stage_ms=dict.fromkeys(STAGES, Quantiles(n=400, mean=1)),
        message_ms=Quantiles(n=0), cpu_core=ms * fps / 1000, scores_per_face_s=10, outside=0.1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs")
    report(FOLDER, out)
    return out


def test_committed_pages_are_what_the_kept_files_render_to(rendered: Path, repo: Path) -> None:
    docs = repo / "docs"
    assert (docs / "benchmarks.md").read_text() == (rendered / "benchmarks.md").read_text()
    committed, again = ((folder / "benchmarks.html").read_text() for folder in (docs, rendered))
    assert _INLINE.sub("", committed) == _INLINE.sub("", again)


def test_committed_pictures_show_the_figures_of_the_kept_files(rendered: Path, repo: Path) -> None:
    committed, again = (
        {path.name: read_hash(path.read_bytes()) for path in (folder / "benchmarks").glob("*.png")}
        for folder in (repo / "docs", rendered)
    )
    assert committed == again
    assert all(committed.values())


def test_page_asks_nobody_for_anything_and_stays_small(rendered: Path) -> None:
    page = (rendered / "benchmarks.html").read_text()
    assert len(page) < 1_000_000
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]+)"', page))


def test_page_says_what_figures_do_not_mean_and_names_boards_without_a_result(rendered: Path) -> None:
    page = (rendered / "benchmarks.md").read_text()
    for words in ("an expression is not a feeling", "does not predict a board", "none is typed"):
        assert words in page
    for name in set(profile_names()) - {folder.name for folder in list_devices(FOLDER)}:
        (row,) = re.findall(rf"^\| {name} \|(.*)$", page, re.MULTILINE)
        assert row.count("|  ") >= 7


def typed_figures(code: str) -> list[str]:
    """Texts that hold a decimal; formats such as {x:.2f} are none, and docstrings are not shown."""
    texts = re.findall(r'"([^"\n]*)"', re.sub(r'""".*?"""', "", code, flags=re.DOTALL))
    return [text for text in texts if FIGURE.search(re.sub(r"\{[^}]*\}", "", text))]


def test_no_figure_is_typed_into_the_code(repo: Path) -> None:
    for path in (repo / "benchmarks" / "report").glob("*.py"):
        if path.name not in ("plots.py", "blocks.py"):  # widths, sizes and colours
            assert not typed_figures(path.read_text()), path.name


def test_a_typed_figure_is_noticed() -> None:
    assert typed_figures('x = f"takes 3.2 ms, {y:.2f} at most"') == ["takes 3.2 ms, {y:.2f} at most"]
    assert typed_figures('"""Takes 3.2 ms."""\nx = f"{y:.2f} ms"') == []


def test_changed_figure_changes_page_and_picture(rendered: Path, tmp_path: Path) -> None:
    device = next(folder for folder in list_devices(FOLDER) if find_kept(folder, "bench"))
    kept = tmp_path / "kept" / device.name
    shutil.copytree(device, kept)
    newest = find_kept(kept, "bench")[-1]
    found = msgspec.json.decode(newest.read_bytes())
    found["loads"][0]["cpu_core"] += 0.1
    newest.write_bytes(msgspec.json.encode(found))
    report(kept.parent, tmp_path)
    assert (tmp_path / "benchmarks.md").read_text() != (rendered / "benchmarks.md").read_text()
    name = f"{device.name}-{found['bundle']['name']}-faces.png"
    hashes = [read_hash((folder / "benchmarks" / name).read_bytes()) for folder in (tmp_path, rendered)]
    assert hashes[0] != hashes[1]


def test_nothing_kept_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no results"):
        report(tmp_path, tmp_path / "docs")
    assert gather_devices(tmp_path) == []


def test_growth_expects_the_largest_load_from_the_others() -> None:
    straight = measure_growth([make_load(faces, 3 + 0.5 * faces) for faces in (1, 2, 4, 8, 16)])
    assert straight is not None
    assert (straight.base_ms, straight.face_ms) == (pytest.approx(3), pytest.approx(0.5))
    assert straight.expected_ms == pytest.approx(straight.measured_ms) == pytest.approx(11)
    assert [step[:2] for step in straight.steps] == [(1, 2), (2, 4), (4, 8), (8, 16)]
    assert straight.linear
    square = measure_growth([make_load(faces, 3 + 0.1 * faces**2) for faces in (1, 2, 4, 8, 16)])
    assert square is not None
    assert not square.linear
    assert measure_growth([make_load(1, 3.0), make_load(2, 4.0)]) is None


def test_picture_carries_the_hash_of_its_figures_alone() -> None:
    loads = [make_load(faces, 3.0 + faces) for faces in (1, 2)]
    one, same = draw_growth(loads, None), draw_growth(list(loads), None)
    assert len(read_hash(one)) == 64
    assert read_hash(one) == read_hash(same) != read_hash(draw_growth([make_load(1, 3.0), loads[1]], None))


def test_text_is_escaped_and_a_table_keeps_its_empty_cells() -> None:
    blocks = [Heading(1, "A & B"), Words("`x` < y", warning=True), Grid(("a", "b"), [("<1>", "")]), Picture("p", "P")]
    page = to_html(blocks, {"p": b"png"})
    assert "<title>A &amp; B</title>" in page
    assert "<code>x</code> &lt; y" in page
    assert "<td>&lt;1&gt;</td><td></td>" in page
    assert to_markdown(blocks, pictures="pics").splitlines()[-1] == "![P](pics/p)"
    assert "| <1> |  |" in to_markdown(blocks, pictures="pics")
