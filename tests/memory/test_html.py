"""HTML: the readable part of a page, however the page is made."""

import pytest

from deskhand.memory.documents import EmptyFileError, UnreadableError


def text_of(result) -> str:
    return "\n".join(f"{p.title}\n{p.text}" for e in result.entries for p in e.passages)


def test_a_page_without_its_furniture(read):
    page = """<html><head><title>Shop</title><style>.a{}</style><script>evil()</script></head><body>
    <header><a href="/">Logo</a></header><nav><a href="/x">Menu</a></nav>
    <main><header><h1>Returns</h1></header>
    <p>Send it back within <b>30 days</b>.</p>
    <p hidden>Draft one</p><p style="display: none">Draft two</p>
    <p aria-hidden="true">Draft three</p>
    <noscript>Turn on JS</noscript><button>Buy</button></main>
    <footer>Imprint</footer><!-- comment --></body></html>"""
    text = text_of(read("a.html", page))
    assert text == "Returns\nSend it back within 30 days."


def test_tables_lists_and_code(read):
    page = """<h1>T</h1><table><tr><th>Plan</th><th>Price</th></tr>
    <tr><td>Pro</td><td>9 | 10</td></tr>
    </table><ol start="3"><li>Open</li><li>Close</li></ol><pre><code>a = 1
  b = 2</code></pre>"""
    blocks = [b for p in read("a.html", page).entries[0].passages for b in p.blocks]
    assert [(b.kind, b.units) for b in blocks] == [
        ("rows", ("Plan: Pro; Price: 9 | 10",)),
        ("steps", ("Open", "Close")),
        ("code", ("a = 1\n  b = 2",)),
    ]
    assert blocks[1].text.startswith("3. ")


def test_what_looks_like_a_tag_is_text(read):
    page = "<p>Write &lt;script&gt;alert&lt;/script&gt; and *stars* and # hash</p>"
    assert "Write <script>alert</script> and *stars* and # hash" in text_of(read("a.html", page))


def test_several_articles_are_all_read(read):
    page = "<article><p>One answer.</p></article><article><p>Another answer.</p></article>"
    assert "One answer." in text_of(read("a.html", page))
    assert "Another answer." in text_of(read("a.html", page))


def test_a_page_inside_a_form_is_read(read):
    page = (
        "<body><form><h1>Help</h1><p>Press it.</p><select><option>x</option></select></form></body>"
    )
    assert text_of(read("a.html", page)) == "Help\nPress it."


def test_the_title_stands_in_for_a_missing_heading(read):
    assert (
        read("a.html", "<title>Bills &amp; co</title><p>Paid.</p>").entries[0].title == "Bills & co"
    )


@pytest.mark.parametrize("tag", ["div", "b"])
def test_a_bomb_of_nested_tags_does_no_harm(read, tag):
    page = f"<{tag}>" * 100_000 + "the words *inside*" + "<p>after"
    assert "the words *inside*" in text_of(read("a.html", page))


@pytest.mark.parametrize(
    "page", ["<html></html>", "<p hidden>x</p>", "<script>x</script>", "<!--x-->"]
)
def test_a_page_without_text_is_empty(read, page):
    with pytest.raises(EmptyFileError):
        read("a.html", page)


@pytest.mark.parametrize(
    "page", ["<", "<![CDATA[", "<!DOCTYPE", "&#xFFFFFFFF; ok", "<p", "</p></p>x", "<a href=x"]
)
def test_broken_pages_do_not_break_the_reader(read, page):
    try:
        read("a.html", page)
    except UnreadableError as error:
        assert "no text" in str(error)
