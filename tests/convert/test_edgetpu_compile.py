"""`compile` with a stand-in on the PATH that prints what edgetpu_compiler 16 is known to print, good and bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convert.edgetpu.audit import audit
from convert.edgetpu.compiler import disagreements, read_report
from edge.model.bundle import default_bundle

Verb = Callable[..., Any]
HEADER = "Edge TPU Compiler version 16.0.384591198\nStarted a compilation timeout timer of 180 seconds.\n"
FOOTER = "Compilation child process completed within timeout period.\n"


def shipped_rows() -> dict[str, int]:
    rows: dict[str, int] = {}
    for each in audit((default_bundle() / "backbone.tflite").read_bytes(), "backbone.tflite").operators:
        rows[each.name] = rows.get(each.name, 0) + 1
    return rows


def table(rows: dict[tuple[str, str], int]) -> str:
    lines = [f"{name:<30} {count:<10} {status}" for (name, status), count in rows.items()]
    return "Operator                       Count      Status\n\n" + "\n".join(lines) + "\n"


def success(
    rows: dict[tuple[str, str], int] | None = None,
    *,
    version: str = "",
) -> str:
    """What the compiler prints for a graph that it took."""
    rows = rows or {(name, "Mapped to Edge TPU"): count for name, count in shipped_rows().items()}
    on_cpu = sum(count for (_, status), count in rows.items() if status != "Mapped to Edge TPU")
    total = sum(rows.values())
    partly = (
        "\nModel successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model "
        "will instead run on the CPU, which is slower. If possible, consider updating your model to use only "
        "operations supported by the Edge TPU. For details, visit g.co/coral/model-reqs.\n"
        f"Number of operations that will run on Edge TPU: {total - on_cpu}\n"
        f"Number of operations that will run on CPU: {on_cpu}\n"
    )
    return (
        (HEADER.replace("16.0.384591198", version) if version else HEADER)
        + "\nModel compiled successfully in 542 ms.\n\n"
        "Input model: backbone.tflite\nInput size: 755.15KiB\n"
        "Output model: backbone_edgetpu.tflite\nOutput size: 1.01MiB\n"
        "On-chip memory used for caching model parameters: 713.00KiB\n"
        "On-chip memory remaining for caching model parameters: 6.91MiB\n"
        "Off-chip memory used for streaming uncached model parameters: 0.00B\n"
        f"Number of Edge TPU subgraphs: 1\nTotal number of operations: {total}\n"
        f"Operation log: backbone_edgetpu.log\n{partly if on_cpu else ''}\n{table(rows)}"
        f"{FOOTER}Compilation succeeded! \n"
    )


@pytest.fixture
def compile_with(tmp_path: Path, convert_verb: Verb, monkeypatch: pytest.MonkeyPatch) -> Verb:
    """Runs `compile` on a shipped graph with a compiler that prints a text."""

    def run(
        said: str | None,
        *arguments: str,
        code: int = 0,
        writes: bool = True,
        graph: str = "backbone.tflite",
        script: str | None = None,
    ) -> Any:
        programs = tmp_path / "bin"
        programs.mkdir()
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        if said is not None:
            (tmp_path / "said").write_text(said)
            stand_in = programs / "edgetpu_compiler"
            wrote = f': > "$5/{Path(graph).stem}_edgetpu.tflite"' if writes else ":"
            stand_in.write_text(
                script or f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{wrote}\ncat {tmp_path}/said\nexit {code}\n'
            )
            stand_in.chmod(0o755)
        return convert_verb("compile", default_bundle() / graph, "--out", tmp_path / "out", *arguments)

    return run


def refusal(done: Any, code: int = 5) -> str:
    assert done.returncode == code, done.stderr + done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("convert: ")
    return line


def test_compiler_that_does_what_was_predicted(compile_with: Verb, tmp_path: Path) -> None:
    done = compile_with(success(), "--runtime", "13")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The compiler did what the audit predicted." in done.stdout
    assert (tmp_path / "asked").read_text().split() == [
        "-s",
        "-m",
        "13",
        "-o",
        str(tmp_path / "out"),
        "backbone.tflite",
    ]


def test_compiler_that_is_not_here_is_explained(compile_with: Verb) -> None:
    line = refusal(compile_with(None))
    assert "is not on the PATH" in line
    assert "x86-64" in line
    assert "coral.ai/docs/edgetpu/compiler" in line
    assert "docs/bundles.md" in line


def test_operators_that_the_compiler_leaves_on_the_cpu_are_named(
    compile_with: Verb,
) -> None:
    rows = {(name, "Mapped to Edge TPU"): count for name, count in shipped_rows().items()}
    rows["RESHAPE", "Mapped to Edge TPU"] -= 1
    rows["RESHAPE", "Operation is otherwise supported, but not mapped due to some unspecified limitation"] = 1
    rows["FULLY_CONNECTED", "Mapped to Edge TPU"] -= 2
    rows["FULLY_CONNECTED", "More than one subgraph is not supported"] = 2
    done = compile_with(success({key: count for key, count in rows.items() if count}))
    assert done.returncode == 1
    differing = [line for line in done.stdout.splitlines() if line.startswith("differs: ")]
    assert len(differing) == 2
    assert (
        "FULLY_CONNECTED: the audit expects 2 on the Edge TPU and 0 on the CPU, the compiler says 0 and 2"
        in differing[0]
    )
    assert "unspecified limitation" in differing[1]


def test_another_version_of_the_compiler_is_named(compile_with: Verb) -> None:
    done = compile_with(success(version="15.0.340273435"))
    assert done.returncode == 1
    assert "differs: the compiler is version 15.0.340273435; the audit follows version 16" in done.stdout


FAILURES = {
    "not quantized": (
        "Edge TPU Compiler version 16.0.384591198\nInvalid model: backbone.tflite\nModel not quantized\n",
        ("Model not quantized",),
    ),
    "newer operator": (
        "Edge TPU Compiler version 16.0.384591198\n"
        "ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. An older version of this builtin might be "
        "supported. Are you using an old TFLite binary with a newer model?\n\nERROR: Registration failed.\n\n"
        "Invalid model: backbone.tflite\nModel could not be parsed\n",
        ("'CONV_2D' version '6'",),
    ),
    "dynamic": (
        f"{HEADER}ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that has "
        "dynamic-sized tensors.\nCompilation failed: Model failed in Tflite interpreter. Please ensure model can be "
        f"loaded/run in Tflite interpreter.\n{FOOTER}Compilation failed! \n",
        ("dynamic-sized tensors",),
    ),
    "internal error": (
        "Edge TPU Compiler version 15.0.340273435\n\nInternal compiler error. Aborting! \n",
        ("Internal compiler error",),
    ),
    "interpreter": (
        f"{HEADER}ERROR: :344 no_integer_overflow_from_quantization was not true.\n"
        "ERROR: Node number 31 (CONV_2D) failed to prepare.\n\nCompilation failed: Model failed in Tflite interpreter. "
        f"Please ensure model can be loaded/run in Tflite interpreter.\n{FOOTER}Compilation failed! \n",
        ("Node number 31 (CONV_2D) failed to prepare",),
    ),
}


@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.parametrize("code", [0, 1, 134])
def test_compiler_that_gives_up_is_quoted(compile_with: Verb, case: str, code: int) -> None:
    said, named = FAILURES[case]
    line = refusal(compile_with(said, code=code, writes=False))
    for text in named:
        assert text in line
    assert "the audit did not foresee it" in line


def test_failure_that_the_audit_foresaw_is_told_as_such(
    compile_with: Verb,
) -> None:
    line = refusal(compile_with(FAILURES["dynamic"][0], code=1, writes=False, graph="head.tflite"))
    assert "the audit foresees it: has a size that is only known at run time" in line


@pytest.mark.parametrize("said", ["", "segmentation fault\n", HEADER, "Operator Count Status\n"])
def test_report_that_says_nothing_is_no_success(compile_with: Verb, said: str) -> None:
    assert "said nothing that can be read" in refusal(compile_with(said))


def test_report_with_a_bad_exit_code_is_no_success(
    compile_with: Verb,
) -> None:
    assert "ended with 139" in refusal(compile_with(success(), code=139))


def test_result_that_is_not_there_is_no_success(compile_with: Verb) -> None:
    assert "it is not there" in refusal(compile_with(success(), writes=False))


def test_compiler_that_hangs_is_stopped(compile_with: Verb) -> None:
    line = refusal(compile_with("", "--timeout", "1", script="#!/bin/sh\nexec sleep 30\n"))
    assert "took more than 1 s; raise --timeout" in line


def test_program_of_another_machine_is_explained(compile_with: Verb) -> None:
    line = refusal(compile_with("", script="\x7fELF of another machine"))
    assert "cannot be started" in line
    assert "x86-64" in line


def test_only_graphs_are_compiled(compile_with: Verb) -> None:
    assert "give a .tflite file" in refusal(compile_with(success(), graph="manifest.json"), code=2)


def test_operator_of_several_statuses_is_added_up() -> None:
    rows = {
        ("QUANTIZE", "Mapped to Edge TPU"): 2,
        ("QUANTIZE", "More than one subgraph is not supported"): 1,
        ("QUANTIZE", "Operation is working on an unsupported data type"): 3,
    }
    report = read_report(success(rows), Path("x"))
    assert report is not None
    assert report.version == "16.0.384591198"
    assert report.statuses == rows


def test_graph_that_the_audit_rejects_and_the_compiler_takes_is_a_disagreement() -> None:
    report = read_report(success(), Path("x"))
    assert report is not None
    found = disagreements(audit((default_bundle() / "head.tflite").read_bytes(), "head.tflite"), report)
    assert "took a graph that the audit rejects" in found[0]
