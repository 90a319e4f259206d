from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from reelmix.errors import ConfigError
from reelmix.study.figure import Bars, Figure, HeatMaps, HeatPanel, Series
from reelmix.study.report import Report, Section, write_report
from reelmix.study.statistics import Estimate
from reelmix.study.table import Column, Row, Table, mark_best

EVIL = "<b>&\"'</b><script>alert(1)</script>"

TABLE = mark_best(
    Table(
        "models",
        f"All models {EVIL}",
        (Column("model"), Column("Recall@10", kind="number")),
        (Row((f"DualGNN {EVIL}", Estimate(0.1189, 0.002, 5))), Row(("LightGCN", Estimate(0.11, 0.002, 5)))),
        (f"Mean over 5 seeds {EVIL}; see https://example.org/paper.",),
    ),
    ["Recall@10"],
)
FIGURE = Figure(
    "fusion",
    f"Fusion {EVIL}",
    f"What is drawn {EVIL}.",
    Bars((EVIL,), (Series("A", (1.0,)), Series("B", (2.0,))), EVIL),
)
# both panels hold the same picture
HEAT = Figure("heat", "Vectors", "", HeatMaps((HeatPanel("a", "", ("u",), ((1.0, -1.0),)),) * 2))
REPORT = Report(
    f"Study {EVIL}",
    f"What was found {EVIL}; https://example.org/a?b=1&c=2.",
    (("Dataset", f"sample {EVIL}"), ("Paper", "https://example.org/doi")),
    (
        Section(
            "overall", f"Overall {EVIL}", [f"First {EVIL}.", "Second."], (TABLE, replace(TABLE, name="more"))
        ),
        Section("fusion", "Fusion", ("Third.",), (), (FIGURE, HEAT)),
        Section("nothing", "Nothing yet"),
    ),
)
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Elements with their attributes and texts; complains about tags that do not pair."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[tuple[str, int]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        self.texts.append("")
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, place in self.open:
            self.texts[place] += data

    def of(self, tag: str) -> list[str]:
        return [
            " ".join(text.split())
            for (name, _), text in zip(self.elements, self.texts, strict=True)
            if name == tag
        ]

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(name)) is not None]


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "new" / "report.html"
    assert write_report(REPORT, path) == path
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_page_needs_nothing_beside_it(html, page):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not page.attributes("src")
    given = {"https://example.org/a?b=1&c=2", "https://example.org/doi", "https://example.org/paper"}
    outside = [link for link in page.attributes("href") if not link.startswith("#")]
    assert set(outside) == given
    assert all(
        link.startswith(("#", "data:image/png;base64,")) for link in page.attributes("xlink:href")
    )  # pictures within a figure
    assert not re.search(r"@import|url\((?!#)", html)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_names_are_escaped_everywhere(html, page):
    assert "<b>" not in html
    assert "alert(1)" in html
    assert page.of("title")[0] == page.of("h1")[0] == f"Study {EVIL}"
    assert f"First {EVIL}." in page.of("p")
    assert f"sample {EVIL}" in page.of("dd")
    assert f"Mean over 5 seeds {EVIL}; see https://example.org/paper." in page.of("li")
    assert f"Fusion {EVIL} What is drawn {EVIL}." in page.of("figcaption")
    assert f"DualGNN {EVIL}" in page.of("th")


def test_every_table_and_figure_is_there_once_with_its_numbers(html, page):
    assert page.of("caption") == [TABLE.title] * 2
    assert len(page.of("table")) == 2
    assert "0.1189 ± 0.0020" in page.of("strong")
    assert not page.of("tfoot")  # notes stand below, where they need no scrolling
    assert len(page.of("svg")) == len(page.of("figure")) == 2
    csv, again, *figures = (unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", html, re.DOTALL))
    assert csv == again == TABLE.to_csv()
    assert [Figure.from_json(text) for text in figures] == [FIGURE, HEAT]
    assert json.loads(figures[0])["chart"]["series"][1] == {"name": "B", "values": [2.0], "spread": None}
    assert len(page.of("details")) == 4
    assert not page.attributes("open")


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    links = [link[1:] for link in page.attributes("href") + page.attributes("xlink:href") if link[0] == "#"]
    assert set(links) <= set(ids)
    anchors = ["overall", "table-models", "table-more", "fusion", "figure-fusion", "figure-heat", "nothing"]
    assert [link for link in links if not link.startswith("svg-")] == ["content", *anchors]
    for named in page.attributes("aria-labelledby"):
        assert set(named.split()) <= set(ids)


def test_headings_language_and_width(page):
    assert page.elements[0] == ("html", {"lang": "en"})
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements
    levels = [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels == ["h1", "h2", "h2", "h2", "h2"]
    assert [tag for tag, _ in page.elements if tag in ("header", "nav", "main")] == ["header", "nav", "main"]
    links = [attributes for tag, attributes in page.elements if tag == "a"]
    assert links[0] == {"class": "skip", "href": "#content"}


def test_equal_reports_are_equal_files(html, tmp_path):
    again = write_report(REPORT, str(tmp_path / "report.html"))
    assert again.read_text(encoding="utf-8") == html


def test_a_report_without_facts(tmp_path):
    path = write_report(Report("Title", "Lead.", (), ()), tmp_path / "report.html")
    assert not Page(path.read_text()).of("dl")


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://a.org/x, then", ["https://a.org/x"]),
        ("(http://a.org/x) and https://b.org.", ["http://a.org/x", "https://b.org"]),
        ('"https://a.org/x"', ["https://a.org/x"]),
        ("Recall@10.5 of www.a.org, javascript:alert(1), ftp://a.org", []),
    ],
)
def test_addresses_become_links(text, links, tmp_path):
    page = Page(write_report(Report("T", text, (), ()), tmp_path / "report.html").read_text())
    assert [link for link in page.attributes("href") if link != "#content"] == links
    assert page.of("p") == [text]


def test_names_are_unique(refusal):
    def report(*sections):
        return refusal(ConfigError, Report, "Study", "", (), sections)

    words = "expected sections, tables and figures of different names"
    twice = Section("a", "A", (), (TABLE,))
    assert report(twice, replace(twice, anchor="b")) == (
        f"report 'Study': {words}, found 2 called 'table-models'. Rename one, or show it once."
    )
    assert report(Section("a", "A"), Section("a", "B")) == (
        f"report 'Study': {words}, found 2 called 'a'. Rename one, or show it once."
    )
    assert "2 called 'content'" in report(Section("content", "A"))
    assert "2 called 'figure-fusion'" in report(Section("a", "A", (), (), (FIGURE, FIGURE)))
    assert report(Section("1 a", "A")) == (
        "anchor of a section: expected letters, digits, _ and - (first a letter), found '1 a'. "
        "Put other words into its title."
    )


def test_without_jinja(monkeypatch, refusal, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert refusal(ConfigError, write_report, REPORT, tmp_path / "report.html") == (
        "expected jinja2, which plots, searches and studies need, found none installed. "
        "Run: pip install 'reelmix[study]'"
    )
    assert not list(tmp_path.iterdir())
