"""What `python -m firmware_config papers` takes and says."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from edge.config import load_config
from edge.errors import ConfigError
from edge.model.store import Store
from firmware_config.papers.facts import EGRESS, facts_of
from firmware_config.papers.rendering import LANGUAGES, PAPERS, check_fonts, render, to_pdf


def papers(
    config: Annotated[Path, typer.Argument(help="The device's configuration, TOML.", show_default=False)],
    lang: Annotated[str, typer.Option(help="Languages, with commas: en, de, ja.")] = "en",
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("papers"),
    egress: Annotated[Path, typer.Option(help="The egress report to name, as JSON; yours rather than ours.")] = EGRESS,
) -> None:
    """Writes the papers that a camera needs, from its configuration: HTML to edit, PDF to print.

    Notices in A4 and A6 with a QR code, their full text to put on the web, an announcement, drafts of a data-protection
    impact assessment, a record of processing, a retention policy, a sheet for the works council, instructions for use,
    and a skeleton of technical documentation. What only you know is marked in them. This is not legal advice.

    Example: python -m firmware_config papers config.toml --lang en,de,ja --out papers
    """
    languages = [name.strip() for name in lang.split(",") if name.strip()]
    if unknown := sorted(set(languages) - set(LANGUAGES)):
        raise ConfigError(f"--lang: {', '.join(unknown)} is not there", fix=f"choose of {', '.join(LANGUAGES)}")
    for language in languages:
        check_fonts(language)
    chosen = load_config(config)
    bundle, _ = Store(chosen.model).first(lambda found: found)
    facts = facts_of(chosen, bundle, egress, date.today())  # noqa: DTZ011 - a paper has the day of its place
    for language in languages:
        folder = out / language
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for paper in PAPERS:
                html = render(paper, language, facts, chosen)
                (folder / f"{paper}.html").write_text(html, encoding="utf-8")
                (folder / f"{paper}.pdf").write_bytes(to_pdf(html))
        except OSError as error:
            raise ConfigError(f"--out {folder}: cannot be written ({error.strerror})") from error
        typer.echo(f"written  {folder}: {', '.join(PAPERS)}, as HTML and PDF")
    typer.echo(f'policy   {facts["policy"]}: when the notice hangs, set deployment.notice_policy = "{facts["policy"]}"')
    if not facts["egress_same_model"]:
        typer.echo(f"note     {egress} is about another model; run python -m benchmarks egress with yours", err=True)
