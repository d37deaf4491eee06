"""What `finetune` and `adapt` share: their options, and what becomes of a bundle after a verdict on its candidate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from convert.errors import DataError, RefusedError
from convert.finetune.verdict import Verdict
from convert.package.signing import Signer
from edge.model.bundle import Bundle

OutOption = Annotated[Path, typer.Option("--out", help="Folder of this run; an interrupted one goes on there.")]
OldDataOption = Annotated[
    Path, typer.Option("--data", help="Folder of the old data, to rehearse and to judge by; without it: refused.")
]
ToleranceOption = Annotated[
    float, typer.Option("--tolerance", min=0.0, max=0.5, help="CCC that may be lost on the old validation set.")
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Write an accepted candidate over --bundle, one version on.")
]
SignOption = Annotated[Path | None, typer.Option("--sign", help="Ed25519 private key, PEM, as of `pack`.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """Whether and where an accepted candidate is written over its bundle.

    Attributes:
        place: the bundle's folder or ZIP; None leaves it alone.
        signer: signs the candidate.
    """

    place: Path | None
    signer: Signer | None

    @classmethod
    def plan(cls, bundle: Path | None, signer: Signer | None, *, replace: bool) -> Replacement:
        """What the options ask for.

        Raises:
            DataError: the shipped bundle would be written over.
        """
        if replace and bundle is None:
            raise DataError(
                "--replace needs --bundle: the shipped bundle belongs to its release and is not written over"
            )
        return cls(place=bundle if replace else None, signer=signer)

    def check(self, bundle: Bundle) -> None:
        """Says before hours are spent what cannot be done in the end.

        Raises:
            DataError: a signed bundle would be replaced by an unsigned one.
        """
        if self.place is not None and bundle.signature is not None and self.signer is None:
            raise DataError(f"{self.place}: is signed, and devices that name its key would refuse another; give --sign")
        if bundle.manifest.engines:
            names = ", ".join(engine.name for engine in bundle.manifest.engines)
            warn(f"The candidate comes without the bundle's graphs for {names}; `convert onnx` makes them anew.")

    def conclude(self, verdict: Verdict, bundle: Bundle, candidate: Path, page: Path) -> None:
        """Shows the page; writes the candidate over its bundle if that is wanted and was accepted.

        Raises:
            RefusedError: it was refused.
        """
        from convert.finetune.candidate import take_place

        Console().print(Markdown(page.read_text()))
        if not verdict.accepted:
            raise RefusedError(f"{candidate}: refused, nothing was replaced: {verdict.reasons[0]}")
        if self.place is not None:
            take_place(bundle, self.place, self.signer)
        print(self.place or candidate)


def warn(text: str) -> None:
    """One line on standard error."""
    Console(stderr=True, soft_wrap=True).print(text, highlight=False, markup=False)
