"""``reelmix study robustness``: really measured, for one model, and what it leaves."""

import json
import re

import pytest

FAST = ["--seeds", "1", "--epochs", "1", "--batch-size", "4096"]
STRATEGIES = ("mask", "mean", "dropout")
FIGURES = {"strategies_vbpr", "missing_mean_vbpr"} | {
    f"missing_{modality}_{pattern}{model}"
    for modality in ("visual", "acoustic", "textual")
    for pattern in ("random", "unpopular", "newest")
    for model in ("", "_vbpr")
}


@pytest.fixture
def tuned(tmp_path):
    """Small settings for all that is trained."""
    folder = tmp_path / "tuned"
    folder.mkdir()
    for name in ("dualgnn", "lightgcn", "mmgcn", "vbpr"):
        (folder / f"{name}.toml").write_text(f'[model]\nname = "{name}"\nembedding_size = 4\n')
    return folder


def cells_in(folder):
    return [json.loads(path.read_text())["cell"] for path in folder.glob("cells/*/cell.json")]


@pytest.mark.usefixtures("in_this_process")
def test_a_report_of_its_own(reelmix, data, tuned, tmp_path):
    out = tmp_path / "out"
    few = ["--tuned", tuned, "--models", "vbpr", "--strategies", "mean,dropout", "--rates", "1,0.3", *FAST]
    done = reelmix("study", "robustness", data, "--out", out, *few)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[-1] == f"report: {out}/report.html"
    for name in FIGURES:
        assert f"figure: {out / name}.svg" in lines
        assert {f"{name}.{kind}" for kind in ("svg", "png", "json")} <= {path.name for path in out.iterdir()}
    tables = {path.stem for path in out.glob("*.csv")}
    assert tables == {"strategies", "missing", "missing_mean", "serving", "cold_items", "cold_users"}
    assert "DualGNN is not among the chosen models." in lines

    measured = cells_in(out)
    plain = [cell for cell in measured if not (cell["protocol"] or "").startswith("cold")]
    losing = [cell for cell in plain if cell["protocol"]]
    assert {cell["model"] for cell in losing} == {"vbpr"}
    # strategies and in three modalities and patterns, at two rates; two of them at serving
    assert len(losing) == len(STRATEGIES) * (2 + 3 * 3 * 2) + 3 * 2
    progress = [line for line in lines if re.match(r" +\d+ of ", line)]
    assert len(progress) == len(measured)
    assert any("VBPR, unpopular acoustic 30%, seed 0: recall@20 " in line for line in progress)
    assert any("VBPR, modality_dropout 0.2, serving visual 100%, seed 0: " in line for line in progress)
    assert any("random, cold_users 20%, seed 0: " in line for line in progress)

    page, markdown = (out / "report.html").read_text(), (out / "index.md").read_text()
    assert markdown.startswith("# Missing modalities, new items, new users on simulated sample\n")
    for title in ("Ways of treating what is missing", "Gone at serving", "New items", "New users"):
        assert f"\n## {title}\n" in markdown
        assert title in page
    linked = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", markdown)
    assert set(linked) == {f"{name}.svg" for name in FIGURES}

    again = reelmix("study", "serving", data, "--out", out, *few)
    assert not [line for line in again.out.splitlines() if re.match(r" +\d+ of ", line)]
    assert len(cells_in(out)) == len(measured)


@pytest.mark.usefixtures("in_this_process")
def test_a_part_of_it_needs_no_report(reelmix, data, tuned, tmp_path):
    out = tmp_path / "out"
    done = reelmix("study", "edges", data, "--out", out, "--tuned", tuned, *FAST)
    assert done.out.splitlines()[-1] == f"folder: {out}"
    assert {path.name for path in out.iterdir()} == {"cells", "edges.csv", "edges.md", "edges.tex"}
    assert len(cells_in(out)) == 4
