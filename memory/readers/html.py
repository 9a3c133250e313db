"""HTML: the readable part of a page becomes Markdown and is read as such."""

from __future__ import annotations

from deskhand.memory.documents import ReadFile
from deskhand.memory.readers.markdown import read_markdown

_NOT_TEXT = [
    "script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "form",
    "nav", "header", "footer", "aside", "button", "select", "dialog",
]  # fmt: skip


def read_html(text: str, source: str) -> ReadFile:
    """The main content of a page: `<main>` or `<article>` where there is one, else the body."""
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(text, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    main = soup.find("main") or soup.find("article") or soup.body or soup
    # A header of the page is navigation, the header of an article holds its title.
    for tag in main.find_all(_NOT_TEXT):
        if tag.name == "header" and tag.find(["h1", "h2"]):
            tag.unwrap()
        else:
            tag.decompose()
    for tag in main.find_all(hidden=True) + main.find_all(attrs={"aria-hidden": "true"}):
        if not tag.decomposed:
            tag.decompose()
    markdown = MarkdownConverter(heading_style="ATX", bullets="-", strip=["img"]).convert_soup(main)
    if title and not main.find("h1"):
        markdown = f"# {title}\n\n{markdown}"
    return read_markdown(markdown, source)
