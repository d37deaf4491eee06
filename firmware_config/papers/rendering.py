"""From a paper's Markdown to HTML and PDF. Nothing is fetched; a font that is missing is an error."""

from __future__ import annotations

import io
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import segno
from markdown_it import MarkdownIt
from markupsafe import Markup

from firmware_config.errors import PackageError
from firmware_config.papers.drawing import covered_share, draw_zones

HERE = Path(__file__).parent
LANGUAGES = ("en", "de", "ja")
PAPERS = (
    *("sign-a4", "sign-a6", "notice", "announcement", "dpia", "record", "retention", "works-council"),
    *("instructions", "annex-iv"),
)
_FONTS = {"en": "fonts-dejavu-core", "de": "fonts-dejavu-core", "ja": "fonts-noto-cjk"}
_PANGO = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


def check_fonts(language: str) -> None:
    """Raises PackageError when no font of this machine has the language's characters."""
    try:
        found = subprocess.run(["fc-list", f":lang={language}", "family"], capture_output=True, check=False).stdout
    except FileNotFoundError:
        raise PackageError("papers: fc-list is not here", fix="sudo apt-get install fontconfig") from None
    if not found.strip():
        raise PackageError(f"papers: no font for {language} is here", fix=f"sudo apt-get install {_FONTS[language]}")


def render(paper: str, language: str, facts: dict[str, Any], config: Any) -> str:
    """A paper as one HTML file that needs no other.

    Args:
        paper, language: of `PAPERS` and `LANGUAGES`.
        facts: as `facts_of` gives them; an empty one becomes a mark for the operator.
        config: the device's configuration, for the drawing.
    """
    words = msgspec.toml.decode((HERE / language / "words.toml").read_bytes())
    given = facts | {name: words[name].get(facts[name], "") for name in ("purpose", "legal_basis")}
    given["covered"] = f"{covered_share(config):.0%}"
    given["hours"] = re.sub("[a-z]+", lambda day: words["days"][day[0]], facts["hours"]) or words["always"]
    given["words"] = words
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / language),
        undefined=jinja2.StrictUndefined,
        finalize=partial(_markdown, to_add=words["to_add"]),
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - the Markdown below escapes HTML
    )
    text = environment.get_template(f"{paper}.md").render(given)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = re.sub(r"⟦(.*?)⟧", r'<mark class="add">\1</mark>', body)
    body = body.replace("<p>@drawing</p>", draw_zones(config, words["looked_at"]))
    body = body.replace("<p>@qr</p>", _qr(facts["notice_url"], words))
    page = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True)
    shell = {"body": body, "language": language, "paper": paper, "words": words, "facts": facts}
    return page.get_template("page.html").render(shell, style=(HERE / "style.css").read_text(encoding="utf-8"))


def to_pdf(html: str) -> bytes:
    """The HTML as PDF, by WeasyPrint. Raises PackageError when Pango is missing."""
    try:
        import weasyprint
    except OSError as error:
        raise PackageError(f"papers: Pango cannot be loaded ({error})", f"sudo apt-get install {_PANGO}") from error
    except ImportError as error:
        raise PackageError("papers: WeasyPrint is not here", "pip install --group firmware") from error
    return weasyprint.HTML(string=html, url_fetcher=_refuse).write_pdf()


def _refuse(url: str, *_: Any, **__: Any) -> Any:
    raise ValueError(f"papers fetch nothing: {url[:60]}")


def _markdown(value: Any, *, to_add: str) -> Any:
    """A fact as Markdown's plain text; an empty one as a mark."""
    if isinstance(value, jinja2.Undefined | Markup):  # the latter is a template's own
        return value
    text = str(value)
    if not text.strip():
        return f"⟦{to_add}⟧"
    return re.sub(r"([\\`*_{}\[\]<>#|!&~])", r"\\\1", " ".join(text.split()))


def _qr(url: str, words: dict[str, Any]) -> str:
    if not url:
        return f'<p class="qr"><mark class="add">{words["qr_missing"]}</mark></p>'
    picture = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        picture, kind="svg", xmldecl=False, svgns=True, border=4, omitsize=True, unit=None
    )
    return f'<div class="qr">{picture.getvalue().decode()}</div>'
