"""Labels from several annotators: lags, outliers, weights and agreement, on annotators whose truth is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.errors import DataError
from convert.faces.layouts import read_set
from convert.labels.agreement import estimate_labels, estimate_lags, measure_icc
from convert.labels.merge import Merged, left_out, merge_ratings, write_labels
from convert.labels.picture import plot_merged
from convert.labels.ratings import make_matrix, read_known, read_ratings
from convert.metrics import TARGETS

# Shrout & Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
ROOT = Path(__file__).resolve().parents[2]


def smooth(rng: np.random.Generator, count: int, width: float) -> np.ndarray:
    kernel = np.exp(-0.5 * (np.arange(-5 * width, 5 * width + 1) / width) ** 2)
    wide = rng.normal(size=count + 2 * kernel.size)
    line = np.convolve(wide, kernel, "same")[kernel.size : kernel.size + count]
    return line / np.abs(line).max() * 0.8


def make_traces(seed: int, who: dict[str, tuple[float, float, float]], *, items: int = 2) -> pd.DataFrame:
    """Traces of 60 s at 5 a second of annotators with a lag (s), noise and bias; a noise of inf is no relation."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, 60, 0.2)
    ratings = []
    for item in range(items):
        truth = np.stack([smooth(rng, times.size, 9), smooth(rng, times.size, 9)], axis=1)
        for name, (lag, noise, bias) in who.items():
            own = np.stack([np.interp(times - lag, times, truth[:, k]) for k in range(2)], axis=1)
            drift = np.stack([smooth(rng, times.size, 4) for _ in range(2)], axis=1)
            said = np.clip(drift if np.isinf(noise) else own + noise * drift + bias, -1, 1)
            trace = pd.DataFrame(said, columns=list(TARGETS))
            ratings.append(trace.assign(annotator=name, item=f"{item}.mp4", time_s=times, where="-"))
    return pd.concat(ratings, ignore_index=True)


def make_crowd(
    seed: int, noise: dict[str, float], *, items: int = 80, each: int = 5
) -> tuple[pd.DataFrame, np.ndarray]:
    """Whole items, each rated by some workers of a crowd; and the truth, float64 (items, 2)."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-0.8, 0.8, (items, 2))
    ratings = []
    for item in range(items):
        for name in rng.choice(sorted(noise), min(each, len(noise)), replace=False):
            spread = noise[str(name)]
            said = rng.uniform(-1, 1, 2) if np.isinf(spread) else truth[item] + rng.normal(0, spread, 2)
            ratings.append((str(name), f"{item}.png", np.nan, *np.clip(said, -1, 1), "-"))
    return pd.DataFrame(ratings, columns=["annotator", "item", "time_s", *TARGETS, "where"]), truth


LAGS = {"ann": (0.0, 0.1, 0.0), "ben": (0.8, 0.15, 0.1), "cleo": (1.6, 0.1, -0.1), "dan": (2.4, 0.2, 0.0)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lags_are_found_to_within_two_steps_despite_noise_and_bias(seed: int) -> None:
    found = estimate_lags(make_matrix(make_traces(seed, LAGS)))
    for name, (lag, _, _) in LAGS.items():
        assert found[name] - found["ann"] == pytest.approx(lag, abs=0.2)


def test_a_lag_beyond_the_bound_is_told() -> None:
    who = {"ann": (0.0, 0.1, 0.0), "ben": (0.0, 0.1, 0.0), "cleo": (0.2, 0.1, 0.0), "late": (1.4, 0.1, 0.0)}
    merged = merge_ratings(make_traces(4, who), max_lag_s=1.0)
    assert merged.lags_s["late"] == pytest.approx(1.0)
    assert any(v.annotator == "late" and "bound" in v.reason and not v.left_out for v in merged.verdicts)


def test_aligning_makes_annotators_agree_more() -> None:
    ratings = make_traces(5, LAGS)
    given, aligned = (merge_ratings(ratings, max_lag_s=bound) for bound in (0.0, 4.0))
    assert aligned.icc["valence"]["ICC(2,1)"] > given.icc["valence"]["ICC(2,1)"] + 0.05
    assert max(given.lags_s.values()) == 0


def test_both_ends_that_a_shift_lays_bare_are_left_out() -> None:
    merged = merge_ratings(make_traces(6, LAGS))
    assert merged.matrix.notna().all(axis=None)


def test_a_spammer_among_traces_is_named_and_left_out() -> None:
    merged = merge_ratings(make_traces(7, LAGS | {"spam": (0.0, np.inf, 0.0)}))
    assert set(left_out(merged.verdicts)) == {"spam"}
    assert set(merged.shares.index) == set(LAGS)
    kept = merge_ratings(make_traces(7, LAGS | {"spam": (0.0, np.inf, 0.0)}), keep_outliers=True)
    assert left_out(kept.verdicts) == {}
    assert kept.shares.loc["spam"].max() < 0.15


def test_traces_shorter_than_their_lag_are_named() -> None:
    ratings = make_traces(1, LAGS, items=1).query("time_s < 2")
    with pytest.raises(DataError, match=r"nothing is left of the traces of '0\.mp4'"):
        merge_ratings(ratings, max_lag_s=0, common_lag_s=3.0)


def test_lags_are_of_time_where_nobody_rated_for_a_while() -> None:
    ratings = make_traces(8, LAGS, items=1).query("not 20 < time_s < 26")
    found = estimate_lags(make_matrix(ratings))
    assert found["dan"] - found["ann"] == pytest.approx(2.4, abs=0.3)


def test_icc_is_shrout_and_fleiss() -> None:
    icc = {name: round(value, 2) for name, value in measure_icc(SHROUT_FLEISS).items()}
    assert icc == {"ICC(2,1)": 0.29, "ICC(2,k)": 0.62, "ICC(3,k)": 0.91, "rows": 6, "ratings": 4}


def test_icc_of_a_crowd_is_shrout_and_fleiss_one_way() -> None:
    # The same ratings, each of another judge: no row is complete, and only case 1 is left.
    scattered = np.full((6, 24), np.nan)
    for row, ratings in enumerate(SHROUT_FLEISS):
        scattered[row, 4 * row : 4 * row + 4] = ratings
    icc = {name: round(value, 2) for name, value in measure_icc(scattered).items()}
    assert icc == {"ICC(1,1)": 0.17, "ICC(1,k)": 0.44, "rows": 6, "ratings": 4}


def test_icc_of_two_ways_to_write_it() -> None:
    x = np.random.default_rng(0).normal(size=(40, 5)) + np.random.default_rng(1).normal(size=(40, 1))
    grand = x.mean()
    rows = 5 * ((x.mean(1) - grand) ** 2).sum() / 39
    columns = 40 * ((x.mean(0) - grand) ** 2).sum() / 4
    rest = (((x - grand) ** 2).sum() - rows * 39 - columns * 4) / (39 * 4)
    assert measure_icc(x)["ICC(2,1)"] == pytest.approx((rows - rest) / (rows + 4 * rest + 5 * (columns - rest) / 40))


def test_the_weighted_estimate_is_nearer_to_the_truth_than_the_mean() -> None:
    nearer = 0
    for seed in range(10):
        ratings, truth = make_crowd(seed, {"a": 0.08, "b": 0.08, "c": 0.1, "d": 0.9, "e": 0.9}, items=60)
        matrix = make_matrix(ratings)
        weighted = np.abs(estimate_labels(matrix)[0][list(TARGETS)] - truth).mean(axis=None)
        plain = np.stack([matrix[target].mean(axis=1) for target in TARGETS], axis=1)
        nearer += weighted < np.abs(plain - truth).mean()
    assert nearer == 10


def test_weights_fall_where_raters_disagree_and_errors_cover_the_truth() -> None:
    ratings, truth = make_crowd(3, dict.fromkeys("abcdefgh", 0.1), items=200)
    loud = (ratings["item"] == "7.png") & ratings["annotator"].isin(list("abcd"))
    ratings.loc[loud, "arousal"] *= -1
    labels, _ = estimate_labels(make_matrix(ratings))
    assert labels["weight"].between(0, 1, inclusive="right").all()
    assert labels["weight"].iloc[7] < labels["weight"].median() - 0.2
    within = np.abs(labels[list(TARGETS)] - truth) < 1.96 * labels[["valence_error", "arousal_error"]].to_numpy()
    assert 0.85 < np.delete(within.to_numpy(), 7, axis=0).mean() <= 1


def test_few_ratings_weigh_less_than_many() -> None:
    values = np.full((2, 6, 2), np.nan)
    values[0, :2] = 0.3  # two who happen to say the same
    values[1] = 0.3 + np.linspace(-0.05, 0.05, 6)[:, None]
    noise = np.random.default_rng(0).normal(0, 0.15, (40, 6, 2)) + np.linspace(-0.5, 0.5, 40)[:, None, None]
    rows = np.concatenate([values, noise]).transpose(0, 2, 1).reshape(42, 12)
    names = pd.MultiIndex.from_product([TARGETS, list("abcdef")])
    labels, _ = estimate_labels(pd.DataFrame(rows, columns=names))
    assert labels["weight"][0] < labels["weight"][1]


def test_a_crowds_odd_ones_are_left_out_with_their_reason() -> None:
    noise = {f"w{n}": 0.15 for n in range(6)} | {"random": np.inf}
    ratings, truth = make_crowd(11, noise, each=7)
    items = pd.DataFrame({"item": [f"{n}.png" for n in range(len(truth))], "time_s": np.nan, "where": "-"})
    valence, arousal = truth.T
    odd = [
        items.assign(annotator="same", valence=0.2, arousal=0.2),
        items.assign(annotator="turned", valence=-valence, arousal=arousal),
        items.assign(annotator="off", valence=np.maximum(valence - 0.5, -1), arousal=arousal),
    ]
    merged = merge_ratings(pd.concat([ratings, *odd], ignore_index=True))
    gone = left_out(merged.verdicts)
    assert set(gone) == {"random", "same", "turned"}
    assert gone["same"] == "always the same answer"
    assert "the other way round (correlation with the others: valence -0.9" in gone["turned"]
    assert "unrelated to the others" in gone["random"]
    assert any(v.annotator == "off" and "rates valence -0.4" in v.reason and not v.left_out for v in merged.verdicts)


def test_gold_items_and_attention_checks_weed_out_and_become_no_labels() -> None:
    ratings, truth = make_crowd(12, dict.fromkeys("abcdef", 0.08), each=6)
    number = ratings["item"].str.removesuffix(".png").astype(int)
    turned = (ratings["annotator"] == "a") & (number < 5)
    ratings.loc[turned, list(TARGETS)] *= -1
    ratings.loc[number.between(5, 9) & (ratings["annotator"] != "b"), "valence"] = 1.0
    gold = pd.DataFrame(truth[:5], [f"{n}.png" for n in range(5)], TARGETS).assign(tolerance=0.35)
    answers = {"valence": 1.0, "arousal": np.nan, "tolerance": 0.2}
    checks = pd.DataFrame(answers, index=[f"{n}.png" for n in range(5, 10)])
    merged = merge_ratings(ratings, gold=gold, checks=checks)
    gone = left_out(merged.verdicts)
    assert set(gone) == {"a", "b"}
    assert gone["a"].endswith("of 5 gold items right, 70% needed")
    assert gone["b"].endswith("of 5 attention checks right, 80% needed")
    assert {f"{n}.png" for n in range(10)}.isdisjoint(merged.matrix.index.get_level_values(0))


def test_known_items_that_nobody_rated_are_an_error() -> None:
    ratings, _ = make_crowd(1, {"a": 0.1, "b": 0.1})
    with pytest.raises(DataError, match=r"none of the 1 gold items, such as 'x\.png', was rated"):
        merge_ratings(ratings, gold=pd.DataFrame({"valence": 0, "arousal": 0, "tolerance": 0.3}, ["x.png"]))


def test_one_annotator_is_not_several() -> None:
    ratings, _ = make_crowd(1, {"a": 0.1})
    with pytest.raises(DataError, match="1 annotators are left of 1, two are needed"):
        merge_ratings(ratings)


def merged_crowd() -> Merged:
    return merge_ratings(make_crowd(2, {"a": 0.1, "b": 0.1, "c": 0.2, "d": np.inf})[0])


def test_labels_of_items_are_read_with_their_weight(tmp_path: Path) -> None:
    merged = merged_crowd()
    for item in merged.labels.index.get_level_values(0):
        cv2.imwrite(str(tmp_path / item), np.zeros((8, 8, 3), np.uint8))
    assert write_labels(merged, tmp_path / "labels.csv") == len(merged.labels)
    faces = read_set("csv", tmp_path / "labels.csv").faces
    assert faces["id"][3] == f"csv/{merged.labels.index[3][0]}"
    for name in (*TARGETS, "weight"):
        np.testing.assert_allclose(faces[name], merged.labels[name], atol=1e-4)


def test_labels_of_traces_are_read_as_moments_of_their_video(tmp_path: Path) -> None:
    for item in range(2):
        writer = cv2.VideoWriter(str(tmp_path / f"{item}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (32, 32))
        writer.write(np.zeros((32, 32, 3), np.uint8))
        writer.release()
    merged = merge_ratings(make_traces(3, LAGS))
    count = write_labels(merged, tmp_path / "labels.csv")
    faces = read_set("csv", tmp_path / "labels.csv").faces
    assert len(faces) == count
    assert set(faces["subject"]) == {"csv/0.mp4", "csv/1.mp4"}
    assert faces["weight"].between(0, 1, inclusive="right").all()


def test_a_picture_is_drawn_of_traces_and_of_items(tmp_path: Path) -> None:
    plot_merged(merged_crowd(), tmp_path / "items.png")
    traces = merge_ratings(make_traces(1, LAGS | {"spam": (0.0, np.inf, 0.0)}, items=1))
    plot_merged(traces, tmp_path / "traces.png")
    for name in ("items.png", "traces.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_both_forms_of_file_hold_the_same_ratings(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(
        "annotator,item,valence,arousal,time_s\nann,a.mp4,0.1,,0\nann,a.mp4,0.2,0.5,0.5\n"
    )
    (tmp_path / "a.mp4.ann.csv").write_text("time_s,valence,arousal\n0,0.1,\n0.5,0.2,0.5\n")
    long, trace = (read_ratings([tmp_path / name]) for name in ("long.csv", "a.mp4.ann.csv"))
    pd.testing.assert_frame_equal(long.drop(columns="where"), trace.drop(columns="where"))
    assert np.isnan(long["arousal"][0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("annotator,item,valence,arousal\na,x,0,2\n", r"r\.csv:2: column 'arousal' is 2, outside of -1\.\.1"),
        ("annotator,item,valence,arousal\na,x,0,soft\n", r"r\.csv:2: column 'arousal' is 'soft', not a number"),
        ("annotator,item,valence,arousal\na,x,,\n", r"r\.csv:2: neither valence nor arousal is rated"),
        ("annotator,item,valence,arousal\n,x,0,0\n", r"r\.csv:2: columns 'annotator' and 'item' must not be empty"),
        (
            "annotator,item,valence,arousal\na,x,0,0\na,x,0,0\n",
            r"r\.csv:3: 'a' rated 'x' already at .*r\.csv:2",
        ),
        (
            "annotator,item,valence,arousal,time_s\na,x,0,0,1\na,x,0,0,1\n",
            r"r\.csv:3: time 1 s of 'a' on 'x' does not come after 1 s at .*r\.csv:2",
        ),
        ("annotator,item,valence,arousal,time_s\na,x,0,0,1\na,y,0,0,\n", r"r\.csv:3: has no time, but .*:2 has one"),
        ("valence,arousal,time_s\n0,0,1\n", r"r\.csv: has no columns 'annotator' and 'item', and is not named"),
        ("annotator,item,valence,arousal\n", r"r\.csv: has no line below its header"),
    ],
)
def test_a_bad_line_of_ratings_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_ratings([path])


def test_a_bad_file_of_known_items_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    for text, said in (
        ("item,valence,arousal\nx,,\n", r"gold\.csv:2: item 'x' has no answer"),
        ("item,valence\nx,0\nx,0\n", r"gold\.csv:3: item 'x' is named twice"),
        ("item,valence\n", r"gold\.csv: has no line below its header"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_known(path, tolerance=0.3)


def test_an_annotator_with_windows_paths_rates_the_same_items_and_one_apart_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(-0.8, 0.8, (20, 2))
    lines = ["annotator,item,valence,arousal"]
    for name, path in (("ann", "p/{}.png"), ("ben", "p\\{}.png"), ("cleo", "./p/{}.png"), ("far", "other/{}.png")):
        said = truth + rng.normal(0, 0.05, truth.shape)
        lines += [f"{name},{path.format(n)},{v:.2f},{a:.2f}" for n, (v, a) in enumerate(said)]
    (tmp_path / "r.csv").write_text("\n".join(lines))
    merged = merge_ratings(read_ratings([tmp_path / "r.csv"]))
    assert merged.rest["n"].xs("ben", level=1).tolist() == [20, 20]
    assert (merged.labels["raters"] == 3).sum() == 20
    told = [verdict for verdict in merged.verdicts if "rated nothing that anybody else did" in verdict.reason]
    assert [(verdict.annotator, verdict.left_out) for verdict in told] == [("far", False)]


CELLS = st.sampled_from(["a", "b", "", "0", "0.5", "-1", "1.01", "nan", "inf", "1e400", '"', "x,y", "\x00", "é", "3"])


@settings(deadline=None)  # the first table takes a while
@given(header=st.permutations(["annotator", "item", "valence", "arousal", "time_s"]), rows=st.lists(st.lists(CELLS)))
def test_any_file_is_read_or_refused_in_one_line(
    header: list[str], rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "r.csv"
    path.write_text("\n".join(",".join(row) for row in [header, *rows]), encoding="utf-8")
    ratings, told = None, ""
    try:
        ratings = read_ratings([path])
    except DataError as error:
        told = str(error)
    assert "\n" not in told
    assert bool(told) == (ratings is None)
    assert not told or "r.csv" in told
    assert ratings is None or not (ratings[list(TARGETS)].abs() > 1).any(axis=None)


def test_the_commands_merge_and_report(tmp_path: Path) -> None:
    ratings, _ = make_crowd(2, {"a": 0.1, "b": 0.1, "c": 0.2, "spam": np.inf}, items=30)
    ratings[["annotator", "item", "valence", "arousal"]].to_csv(tmp_path / "r.csv", index=False)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "convert", "labels", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)

    done = run("merge", str(tmp_path / "r.csv"), "--out", str(tmp_path / "labels.csv"))
    assert done.returncode == 0, done.stderr
    assert "left out: spam: unrelated to the others" in done.stdout
    assert "30 labels, median weight" in done.stdout
    assert len(pd.read_csv(tmp_path / "labels.csv")) == 30
    (tmp_path / "r.csv").write_text("annotator,item,valence,arousal\na,x,0,2\n")
    done = run("report", str(tmp_path / "r.csv"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "r.csv:2: column 'arousal' is 2" in done.stderr
    assert len(done.stderr.splitlines()) == 1
