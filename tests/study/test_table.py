"""Exact texts of one table with awkward words, and each form read back by a reader that is not ours."""

import re
from html.parser import HTMLParser
from io import StringIO

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reelmix.errors import ConfigError, DataError, StorageError
from reelmix.study.statistics import Estimate
from reelmix.study.table import Column, Row, Table, mark_best

MODEL = Column("Model|<x>")
RECALL = Column("Recall@10", kind="number")
ITEMS = Column("Items", kind="number")

AWKWARD = Table(
    name="table3",
    title="100% of R&D_data # {a} <b>",
    columns=(MODEL, RECALL, ITEMS),
    rows=(
        Row(("star_gcn, *new*", Estimate(0.08251, 0.00312, 3), 5986), bold=frozenset({1})),
        Row(('[a] "b" \\ ^~$', 0.0825, None)),
        Row(("", Estimate(0.1, None, 1), -7)),
        Row(("%Improv.", -6.171, -0.001), digits=2),
    ),
    notes=("± is the spread.", "- of 3 seeds"),
)


def test_texts():
    assert AWKWARD.texts() == (
        ["Model|<x>", "Recall@10", "Items"],
        [
            ["star_gcn, *new*", "0.0825 ± 0.0031", "5,986"],
            ['[a] "b" \\ ^~$', "0.0825", "–"],
            ["", "0.1000", "-7"],
            ["%Improv.", "-6.17", "0.00"],
        ],
    )


def test_csv():
    assert AWKWARD.to_csv() == (
        "Model|<x>,Recall@10,Recall@10 spread,Items\n"
        '"star_gcn, *new*",0.08251,0.00312,5986\n'
        '"[a] ""b"" \\ ^~$",0.0825,,\n'
        '"",0.1,,-7\n'
        "%Improv.,-6.171,,-0.001\n"
    )


def test_markdown():
    assert AWKWARD.to_markdown() == (
        "## 100% of R\\&D_data \\# {a} \\<b\\>\n"
        "\n"
        "| Model\\|\\<x\\>       |           Recall@10 | Items |\n"
        "| :----------------- | ------------------: | ----: |\n"
        "| star_gcn, \\*new\\*  | **0.0825 ± 0.0031** | 5,986 |\n"
        '| \\[a\\] "b" \\\\ ^\\~\\$ |              0.0825 |     – |\n'
        "|                    |              0.1000 |    -7 |\n"
        "| %Improv.           |               -6.17 |  0.00 |\n"
        "\n"
        "- ± is the spread.\n"
        "- \\- of 3 seeds\n"
    )


def test_latex():
    assert AWKWARD.to_latex() == (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}\n"
        "  \\centering\n"
        "  \\caption{100\\% of R\\&D\\_data \\# \\{a\\} \\textless{}b\\textgreater{}}\n"
        "  \\label{tab:table3}\n"
        "  \\begin{tabular}{lrr}\n"
        "    \\toprule\n"
        "    Model\\textbar{}\\textless{}x\\textgreater{} & Recall@10 & Items \\\\\n"
        "    \\midrule\n"
        "    star\\_gcn, {*}new{*} & \\textbf{0.0825 $\\pm$ 0.0031} & 5,986 \\\\\n"
        '    {[}a{]} "b" \\textbackslash{} \\textasciicircum{}\\textasciitilde{}\\$ & 0.0825 & -- \\\\\n'
        "     & 0.1000 & $-$7 \\\\\n"
        "    \\%Improv. & $-$6.17 & 0.00 \\\\\n"
        "    \\bottomrule\n"
        "  \\end{tabular}\n"
        "\n"
        "  \\smallskip\n"
        "  {\\footnotesize $\\pm$ is the spread.\\par}\n"
        "  {\\footnotesize - of 3 seeds\\par}\n"
        "\\end{table}\n"
    )


def test_html():
    assert AWKWARD.to_html() == (
        "<table>\n"
        "<caption>100% of R&amp;D_data # {a} &lt;b&gt;</caption>\n"
        "<thead>\n"
        '<tr><th scope="col">Model|&lt;x&gt;</th><th scope="col" class="number">Recall@10</th>'
        '<th scope="col" class="number">Items</th></tr>\n'
        "</thead>\n"
        "<tbody>\n"
        '<tr><th scope="row">star_gcn, *new*</th>'
        '<td class="number"><strong>0.0825 ± 0.0031</strong></td><td class="number">5,986</td></tr>\n'
        '<tr><th scope="row">[a] &quot;b&quot; \\ ^~$</th>'
        '<td class="number">0.0825</td><td class="number">–</td></tr>\n'
        '<tr><th scope="row"></th><td class="number">0.1000</td><td class="number">-7</td></tr>\n'
        '<tr><th scope="row">%Improv.</th><td class="number">-6.17</td><td class="number">0.00</td></tr>\n'
        "</tbody>\n"
        "<tfoot>\n"
        '<tr><td colspan="3">± is the spread.</td></tr>\n'
        '<tr><td colspan="3">- of 3 seeds</td></tr>\n'
        "</tfoot>\n"
        "</table>\n"
    )


def test_without_rows_and_notes():
    bare = Table("t", "Nothing", (MODEL, RECALL), ())
    assert bare.to_csv() == "Model|<x>,Recall@10\n"
    assert bare.to_markdown().endswith("| Model\\|\\<x\\> | Recall@10 |\n| :----------- | --------: |\n")
    assert "<tbody>\n</tbody>\n</table>\n" in bare.to_html()
    assert bare.to_latex().endswith("\\midrule\n    \\bottomrule\n  \\end{tabular}\n\\end{table}\n")


# Each form, read back. Texts are one line: what a cell of a table can show.
words = st.text(
    st.sampled_from(list("ab1 -+._*`|\\<>&;#~^$%{}[]()!'\"±–é雪🎬=:/@"))
    | st.characters(categories=["L", "N", "P", "S"]),
    max_size=12,
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


def worded(title, heading, cells, note):
    columns = (Column(heading), Column(f"{heading}2", kind="number"))
    rows = tuple(Row((cell, 0.5), bold=frozenset({place % 2})) for place, cell in enumerate(cells))
    return Table("t", title, columns, rows, (note,))


def shown(text):
    return " ".join(text.split())


@given(st.lists(st.tuples(words, numbers, st.none() | numbers, st.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_csv_reads_back_bit_for_bit(cells):
    rows = tuple(Row((text, Estimate(mean, spread, 2), count)) for text, mean, spread, count in cells)
    columns = (Column("a, b"), Column("x", kind="number"), Column("n", kind="number"))
    types = {"a, b": pl.String, "x": pl.Float64, "x spread": pl.Float64, "n": pl.Int64}
    read = pl.read_csv(StringIO(Table("t", "", columns, rows).to_csv()), schema_overrides=types)
    assert dict(read.schema) == types
    assert [repr(row) for row in read.rows()] == [repr(cell) for cell in cells]


def test_csv_numbers_are_numbers_without_being_told():
    read = pl.read_csv(StringIO(AWKWARD.to_csv()))
    assert read.dtypes == [pl.String, pl.Float64, pl.Float64, pl.Float64]
    assert read["Recall@10"].to_list() == [0.08251, 0.0825, 0.1, -6.171]
    assert read["Items"].to_list() == [5986, None, -7, -0.001]
    assert read["Model|<x>"].to_list() == [row.cells[0] for row in AWKWARD.rows]


@settings(max_examples=300, deadline=None)
@given(words, words, st.lists(words, max_size=3), words)
@example("# a #", "\\|", ["\\", "a\\|b", "**", "__a__", "`a`"], "1. a")
@example("", "a_b", ["_a_b_", "<b>", "&amp;", "![a](b)", "~~a~~"], "---")
@example("a", "", ["http://a.b/c_d_"], "+")
def test_markdown_reads_back(title, heading, cells, note):
    html = (
        MarkdownIt("commonmark")
        .enable("table")
        .enable("strikethrough")
        .render(worded(title, heading, cells, note).to_markdown())
    )
    read = Reader.of(html)
    assert read.texts("h2") == [shown(title)]
    assert read.texts("th") == [shown(heading), shown(f"{heading}2")]
    assert read.texts("td") == [text for cell in cells for text in (shown(cell), "0.5000")]
    assert read.texts("li") == [shown(note)]
    assert set(read.tags) <= {"h2", "table", "thead", "tbody", "tr", "th", "td", "strong", "ul", "li"}
    bold = [shown(cell) if place % 2 == 0 else "0.5000" for place, cell in enumerate(cells)]
    assert read.texts("strong") == [text for text in bold if text]


LATEX_TOKEN = re.compile(
    r"\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}|\\textless\{\}|\\textgreater\{\}"
    r"|\\textbar\{\}|\$\\pm\$|\{\[\}|\{\]\}|\{\*\}|\\[{}$&%#_]|[^\\{}$&%#_~^\[\]*<>|]"
)
LATEX_MEANING = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"$\pm$": "±", "{[}": "[", "{]}": "]", "{*}": "*",
}  # fmt: skip


def latex_read(text):
    """What LaTeX prints for a text without commands; an unescaped special character is an error."""
    tokens = LATEX_TOKEN.findall(text)
    assert "".join(tokens) == text
    return "".join(LATEX_MEANING.get(token, token[-1]) for token in tokens).replace("--", "–")


@settings(max_examples=300, deadline=None)
@given(words, words, st.lists(words, max_size=3), words)
def test_latex_reads_back(title, heading, cells, note):
    lines = worded(title, heading, cells, note).to_latex().split("\n")

    def printed(text):
        return shown(text).replace("--", "–")

    def unwrapped(text, before, after):
        assert text.startswith(before)
        assert text.endswith(after)
        return latex_read(text[len(before) : len(text) - len(after)])

    assert unwrapped(lines[3], r"  \caption{", "}") == printed(title)
    assert unwrapped(lines[-3], r"  {\footnotesize ", r"\par}") == printed(note)
    header = re.split(r"(?<!\\)&", lines[7].removeprefix("    ").removesuffix(r" \\"))
    assert [latex_read(text).strip() for text in header] == [printed(heading), printed(f"{heading}2")]
    for place, cell in enumerate(cells):
        text, number = re.split(r" (?<!\\)& ", lines[9 + place].removeprefix("    ").removesuffix(r" \\"))
        if place % 2:
            assert (latex_read(text), number) == (printed(cell), r"\textbf{0.5000}")
        else:
            assert number == "0.5000"
            assert (unwrapped(text, r"\textbf{", "}") if text else "") == printed(cell)


class Reader(HTMLParser):
    """The tags of a page, and the text within each."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.found, self.open = [], [], []

    @classmethod
    def of(cls, html):
        reader = cls()
        reader.feed(html)
        reader.close()
        assert not reader.open
        return reader

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append((tag, len(self.found)))
        self.found.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, place in self.open:
            self.found[place][2] += data

    def texts(self, tag):
        return [text.strip() for name, _, text in self.found if name == tag]


@settings(max_examples=200, deadline=None)
@given(words, words, st.lists(words, max_size=3), words)
def test_html_reads_back(title, heading, cells, note):
    read = Reader.of(worded(title, heading, cells, note).to_html())
    assert read.texts("caption") == [title.strip()]
    assert read.texts("th") == [text.strip() for text in (heading, f"{heading}2", *cells)]
    assert read.texts("td") == ["0.5000"] * len(cells) + [note.strip()]
    numbers = [
        text for tag, attributes, text in read.found if attributes == {"class": "number"} and tag == "td"
    ]
    assert numbers == ["0.5000"] * len(cells)
    assert set(read.tags) <= {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "strong"}


def test_a_line_break_never_breaks_a_table():
    broken = Table("t", "one\ntwo", (Column("a\nb"),), (Row(("c\r\nd\u2028e",)),), ("f\n\n# g",))
    assert broken.to_markdown() == "## one two\n\n| a b   |\n| :---- |\n| c d e |\n\n- f \\# g\n"
    assert "\\caption{one two}" in broken.to_latex()
    assert "    c d e \\\\\n" in broken.to_latex()
    assert pl.read_csv(StringIO(broken.to_csv())).rows() == [("c\r\nd\u2028e",)]


def bold(table):
    return [sorted(row.bold) for row in table.rows]


def test_best_of_a_column():
    rows = (
        Row(("vbpr", 0.1, 3)),
        Row(("mmgcn", Estimate(0.20001, 0.1, 3), None)),
        Row(("lightgcn", 0.19999, 2), bold=frozenset({0, 2})),
        Row(("none", None, 9)),
        Row(("%Improv.", 12.0, 1), digits=2),
    )
    table = Table("t", "", (Column("m"), RECALL, ITEMS), rows)
    assert bold(mark_best(table, ["Recall@10"], among=range(4))) == [[], [1], [0, 1, 2], [], []]
    assert bold(mark_best(table, ["Recall@10"])) == [[], [], [0, 2], [], [1]]
    assert bold(mark_best(table, ["Items"], larger=False, among={0, 1, 2})) == [[], [], [0, 2], [], []]
    twice = mark_best(mark_best(table, ["Items"]), ["Recall@10", "Items"], among=[0, 1])
    assert bold(twice) == [[2], [1], [0], [], []]
    assert bold(mark_best(table, ["Items"], among=[1])) == [[], [], [0], [], []]
    assert bold(table) == [[], [], [0, 2], [], []]


def test_best_of_a_column_that_is_none(refusal):
    assert refusal(ConfigError, mark_best, AWKWARD, ["Recal@10"]) == (
        "table 'table3': expected the title of a number column, found 'Recal@10'. Did you mean 'Recall@10'?"
    )
    assert "found 'Model|<x>'" in refusal(ConfigError, mark_best, AWKWARD, ["Model|<x>"])


@pytest.mark.parametrize(
    ("kind", "changes", "text"),
    [
        (
            ConfigError,
            {"name": "../t"},
            "name of the table: expected letters, digits, _ and - (first a letter or digit), found '../t'. "
            "Put other words into its title.",
        ),
        (
            DataError,
            {"rows": (Row(("a", 1.0)), Row(("b",)))},
            "table 't', row 1: expected 2 cells, one a column, found 1. "
            "Write None where nothing was measured.",
        ),
        (
            DataError,
            {"rows": (Row(("a", 1.0), bold=frozenset({2})),)},
            "table 't', row 0: expected emphasised cells between 0 and 1, found [2].",
        ),
        (
            DataError,
            {"rows": (Row(("a", "6 %")),)},
            "table 't', row 0, column 'Recall@10': expected a number or None, found '6 %'. "
            'Write None, or make it a column of kind "text".',
        ),
        (
            DataError,
            {"rows": (Row(("a", float("nan"))),)},
            "table 't', row 0, column 'Recall@10': expected a finite number or None, found nan. "
            "Write None where there is no value.",
        ),
        (
            DataError,
            {"rows": (Row((Estimate(1.0, float("inf"), 2), None)),)},
            "table 't', row 0, column 'Model|<x>': expected a finite number or None, found inf. "
            "Write None where there is no value.",
        ),
        (
            ConfigError,
            {"columns": (MODEL, MODEL)},
            "table 't': expected columns of different names, found 2 called 'Model|<x>'. "
            "Rename one; an estimate also takes its title with ' spread' after it.",
        ),
        (
            ConfigError,
            {"columns": (Column("x"), Column("x spread")), "rows": (Row((Estimate(1.0, None, 1), 2)),)},
            "table 't': expected columns of different names, found 2 called 'x spread'. "
            "Rename one; an estimate also takes its title with ' spread' after it.",
        ),
    ],
)
def test_refuses(kind, changes, text, refusal):
    given = {"name": "t", "title": "", "columns": (MODEL, RECALL), "rows": (), **changes}
    assert refusal(kind, Table, **given) == text


def test_writes_three_files(tmp_path, refusal):
    paths = AWKWARD.write(tmp_path / "new" / "tables")
    assert [path.name for path in paths] == ["table3.csv", "table3.md", "table3.tex"]
    assert sorted(path.name for path in (tmp_path / "new" / "tables").iterdir()) == sorted(
        path.name for path in paths
    )
    written = [path.read_bytes().decode() for path in paths]
    assert written == [AWKWARD.to_csv(), AWKWARD.to_markdown(), AWKWARD.to_latex()]
    assert refusal(StorageError, AWKWARD.write, paths[0]).startswith(f"{paths[0]}/table3.csv: expected ")
