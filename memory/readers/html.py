"""HTML: the readable part of a page, as Markdown."""
# ruff: noqa: PLC0415 - parsers are only loaded for their files

from __future__ import annotations

import re

_NOT_TEXT = [
    "script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "form",
    "nav", "header", "footer", "aside", "button", "select", "dialog",
]  # fmt: skip
# Some pages wrap everything in a form, and an article's header holds its title.
_WRAPPERS = {"form": ["h1", "h2", "p", "main", "article"], "header": ["h1", "h2"]}
_INVISIBLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)


def html_to_markdown(text: str) -> str:
    """The main content: `<main>` or the only `<article>` where there is one, else the body.

    Nothing in the result is HTML: what looks like a tag there is text.
    """
    from bs4 import BeautifulSoup, Tag
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(text, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    articles = soup.find_all("article", limit=2)
    main = soup.find("main") or (articles[0] if len(articles) == 1 else None) or soup.body
    main = main if isinstance(main, Tag) else soup
    for tag in main.find_all(_NOT_TEXT):
        if tag.decomposed:
            continue
        if tag.find(_WRAPPERS.get(tag.name, "-")):
            tag.unwrap()
        else:
            tag.decompose()
    hidden = main.find_all(hidden=True) + main.find_all(attrs={"aria-hidden": "true"})
    for tag in hidden + main.find_all(style=_INVISIBLE):
        if not tag.decomposed:
            tag.decompose()
    converter = MarkdownConverter(
        heading_style="ATX", bullets="-", strip=["img"], escape_misc=True, autolinks=False
    )
    try:
        markdown = str(converter.convert_soup(main))
    except RecursionError:
        # No page that a person wrote is nested so deeply: its text without its shape will do.
        plain = main.get_text("\n\n", strip=True)
        markdown = re.sub(r"([\\`*_{}\[\]()#+.!<>|~&-])", r"\\\1", plain)
    if title and not main.find("h1"):
        markdown = f"# {' '.join(title.split())}\n\n{markdown}"
    return markdown
