"""``reelmix study``: what it measures, says and leaves, and that the same command again goes on."""

import json
import os
import re
import sys

import pytest
from transcripts import transcript

from reelmix.cli import study
from reelmix.study.study import EXHIBITS

FAST = ["--epochs", "1", "--batch-size", "4096"]


@pytest.fixture
def tuned(tmp_path):
    """What `reelmix tune` leaves."""
    folder = tmp_path / "tuned"
    folder.mkdir()
    settings = '[model]\nname = "dualgnn"\nembedding_size = 6\nneighbours = 3\n'
    (folder / "dualgnn.toml").write_text(f"{settings}[training]\nlearning_rate = 0.02\n")
    return folder


def cells_in(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("cells/*/cell.json"))]


def progress(done):
    return [line for line in done.out.splitlines() if re.match(r" +\d+ of ", line)]


@pytest.mark.usefixtures("in_this_process")
def test_a_figure_and_the_same_command_again(reelmix, data, tuned, tmp_path):
    out = tmp_path / "out"
    words = ["study", "fig4", data, "--out", out, "--tuned", tuned, "--seeds", "2", *FAST]
    done = reelmix(*words)
    assert (done.status, done.err) == (0, "")
    measured = cells_in(out)
    recall = {
        (one["cell"]["settings"].get("construction"), one["cell"]["rng"]): one["metrics"]["test"]["recall@20"]
        for one in measured
    }
    assert len(recall) == len(measured) == 6
    names = {"concatenation": ", construction concatenation", "maximum": ", construction maximum", None: ""}
    order = [(how, rng) for how in names for rng in (0, 1)]
    for number, (line, (how, rng)) in enumerate(zip(progress(done), order, strict=True), start=1):
        assert re.fullmatch(
            rf"   {number} of 6  DualGNN{names[how]}, seed {rng}: recall@20 {recall[how, rng]:.4f}, "
            r"1 epoch, \d+ s",
            line,
        ), line
    said = done.out.splitlines()[6:]
    assert said[0].startswith("The paper finds Dual-WS above Dual-CM: ")
    assert said[1].startswith("The paper finds Dual-WS above Dual-M: ")
    assert said[2:] == [f"figure: {out}/fig4.svg", "", f"folder: {out}"]
    assert {path.name for path in out.iterdir()} == {"cells", "fig4.json", "fig4.png", "fig4.svg"}

    again = reelmix(*words)
    assert again.out.splitlines() == said
    assert cells_in(out) == measured


@pytest.mark.usefixtures("in_this_process")
def test_settings_reach_what_is_measured(reelmix, data, tuned, tmp_path):
    out = tmp_path / "out"
    flags = [
        "--seeds",
        "1",
        "--epochs",
        "2",
        "--patience",
        "1",
        "--batch-size",
        "999",
        "--split",
        "leave_one_out",
    ]
    assert reelmix("study", "fig8", data, "--out", out, "--tuned", tuned, *flags).status == 0
    (one,) = cells_in(out)
    training = one["cell"]["training"]
    assert (training["epochs"], training["patience"], training["batch_size"]) == (2, 1, 999)
    assert training["learning_rate"] == 0.02
    assert one["cell"]["settings"] == {"embedding_size": 6, "neighbours": 3}
    # another split is other data: measured again, beside the first
    assert reelmix("study", "fig8", data, "--out", out, "--tuned", tuned, *flags, "--rng", "1").status == 0
    assert len(cells_in(out)) == 2


def test_a_table_without_training(reelmix, data, tmp_path):
    out = tmp_path / "out"
    done = reelmix("study", "table2", data, "--out", out)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "Table II. The data set, and those of the paper"
    own = next(line for line in lines if line.startswith("simulated sample"))
    assert " 80 " in own
    assert " 120 " in own
    assert "visual 48, acoustic 32, textual 40" in own
    assert lines[-1] == f"folder: {out}"
    assert {path.name for path in out.iterdir()} == {"table2.csv", "table2.md", "table2.tex"}


@pytest.mark.usefixtures("in_this_process")
def test_all_makes_a_report(reelmix, data, tuned, tmp_path, monkeypatch):
    few = {name: EXHIBITS[name] for name in ("table2", "fig4")}
    monkeypatch.setattr("reelmix.study.study.EXHIBITS", few)
    out = tmp_path / "out"
    done = reelmix("study", "all", data, "--out", out, "--tuned", tuned, "--seeds", "1", *FAST)
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == f"report: {out}/report.html"
    page = (out / "report.html").read_text()
    assert f"reelmix study all {data} --out {out} --tuned {tuned} --seeds 1 --epochs 1" in page
    assert "(fig4.svg)" in (out / "index.md").read_text()


def test_jobs_and_threads(reelmix, data, tmp_path, monkeypatch):
    asked = []

    def nothing(cells, measuring, **given):
        asked.append((list(cells), given["jobs"], given["threads"]))
        return {}

    monkeypatch.setattr(study, "measure", nothing)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert reelmix("study", "table2", data, "--out", tmp_path / "out").status == 0
    assert reelmix("study", "table2", data, "--out", tmp_path / "out", "--jobs", "3").status == 0
    assert asked == [([], 8, 1), ([], 3, 2)]


@pytest.mark.usefixtures("in_this_process")
def test_fewer_seeds_for_the_figures_with_many_points(reelmix, data, tuned, tmp_path, monkeypatch):
    monkeypatch.setattr("reelmix.study.paper_figures.NEIGHBOURS", (2, 3))
    words = ["--tuned", tuned, "--seeds", "2", "--sweep-seeds", "1", *FAST]
    done = reelmix("study", "fig5", data, "--out", tmp_path / "out", *words)
    assert len(progress(done)) == 4
    assert {one["cell"]["rng"] for one in cells_in(tmp_path / "out")} == {0}


# Mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix study tabel3 DATA --out TMP/out
    name: expected a table or figure, found 'tabel3'. Did you mean 'table3'?
$ reelmix study everything DATA --out TMP/out
    name: expected a table or figure, found 'everything'. Valid names: ablation, all, cold_items, cold_users,
    control, edges, fig3, fig4, fig5, fig6, fig7, fig8, fig9, lost, missing, reelmix, robustness, serving,
    strategies, table1, table2, table3, table4.
$ reelmix study robustness DATA --out TMP/out --models nonsense
    models: expected a multimodal model, found 'nonsense'. Valid names: dualgnn, mmgcn, reelmix, vbpr.
$ reelmix study missing DATA --out TMP/out --models vbpr,dualgn
    models: expected a multimodal model, found 'dualgn'. Did you mean 'dualgnn'?
$ reelmix study missing DATA --out TMP/out --models lightgcn
    models: expected a multimodal model, found 'lightgcn'. Valid names: dualgnn, mmgcn, reelmix, vbpr.
$ reelmix study missing DATA --out TMP/out --models ''
    models: expected a multimodal model, found ''. Valid names: dualgnn, mmgcn, reelmix, vbpr.
$ reelmix study missing DATA --out TMP/out --models reelmix
    models: expected a model that these tables have: vbpr, mmgcn, dualgnn, found reelmix. Name one of them, or
    ask for cold_items alone.
$ reelmix study missing DATA --out TMP/out --strategies mask,page_rank
    strategies: expected a way of treating a missing modality, found 'page_rank'. Did you mean 'pagerank'?
$ reelmix study missing DATA --out TMP/out --rates 0.3,1.5
    rates: expected shares above 0, up to 1, with commas between them, found '1.5'.
    Write for example --rates 0.3,0.9. What was lost is always held against nothing lost.
$ reelmix study missing DATA --out TMP/out --rates 0,0.9
    rates: expected shares above 0, up to 1, with commas between them, found '0'.
    Write for example --rates 0.3,0.9. What was lost is always held against nothing lost.
$ reelmix study missing DATA --out TMP/out --rates '30%; 90%'
    rates: expected shares above 0, up to 1, with commas between them, found '30%; 90%'.
    Write for example --rates 0.3,0.9. What was lost is always held against nothing lost.
$ reelmix study missing DATA --out TMP/out --rates nan
    rates: expected shares above 0, up to 1, with commas between them, found 'nan'.
    Write for example --rates 0.3,0.9. What was lost is always held against nothing lost.
$ reelmix study table3 DATA --out TMP/out --split leave_one
    split: expected a way to split, found 'leave_one'. Did you mean 'leave_one_out'?
$ reelmix study table3 DATA --out TMP/out --tuned TMP
    TMP: expected settings such as dualgnn.toml,
    found none. Give the folder that reelmix tune wrote, after it has finished a model.
$ reelmix study table3 DATA --out TMP/out --tuned TMP/none
    TMP/none: expected settings such as dualgnn.toml,
    found none. Give the folder that reelmix tune wrote, after it has finished a model.
$ reelmix study table3 TMP/none --out TMP/out
    TMP/none: expected a dataset folder,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix study table3 DATA --out TMP/out --split time --rng 3 --tuned DATA
    DATA: expected settings such as dualgnn.toml,
    found none. Give the folder that reelmix tune wrote, after it has finished a model.
"""),
)
def test_a_mistake_leaves_nothing_behind(mistaken, tmp_path, words, message):
    mistaken(words, message)
    assert not list(tmp_path.iterdir())


def test_settings_that_cannot_be(refused, data, tuned, tmp_path):
    (tuned / "dualgnn.toml").write_text('[model]\nname = "dualgnn"\nneighbors = 3\n')
    assert refused("study", "fig4", data, "--out", tmp_path / "out", "--tuned", tuned) == (
        f"{tuned}/dualgnn.toml, model: expected a known setting, found 'neighbors'. "
        "Did you mean 'neighbours'?"
    )


@pytest.mark.parametrize("option", ["--seeds", "--epochs", "--patience", "--batch-size", "--jobs"])
def test_a_number_out_of_range(refused, data, tmp_path, option):
    message = refused("study", "table2", data, "--out", tmp_path / "out", option, "0", status=2)
    assert message.startswith(f"Invalid value for '{option}': ")
    assert message.endswith(". See reelmix study --help.")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("in_this_process")
def test_a_damaged_cell(reelmix, refused, data, tuned, tmp_path):
    out = tmp_path / "out"
    words = ["study", "fig8", data, "--out", out, "--tuned", tuned, "--seeds", "1", *FAST]
    assert reelmix(*words).status == 0
    (path,) = out.glob("cells/*/cell.json")
    path.write_text(path.read_text()[:-5])
    assert refused(*words) == (
        f"{path.parent}: expected a finished cell of a study, found a damaged one. "
        "Delete that folder; the cell is then measured again."
    )


MISSING = {"matplotlib": "fig8", "sklearn": "fig6", "jinja2": "all"}


@pytest.fixture
def without(monkeypatch):
    """Takes a package away, as where it was never installed."""

    def gone(package):
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)

    return gone


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("package", MISSING)
def test_without_a_package(refused, data, tuned, tmp_path, monkeypatch, without, package):
    """It is missed before hours of training, not after."""
    few = {name: EXHIBITS[name] for name in ("table2", "fig8")}
    if package == "jinja2":
        monkeypatch.setattr("reelmix.study.study.EXHIBITS", few)
    without(package)
    words = ["study", MISSING[package], data, "--out", tmp_path / "out", "--tuned", tuned, *FAST]
    assert refused(*words) == (
        f"expected {package}, which plots, searches and studies need, found none installed. "
        "Run: pip install 'reelmix[study]'"
    )
    assert not (tmp_path / "out").exists()
