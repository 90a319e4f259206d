"""The generated reference is current, and every page that the site names exists."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


def test_the_reference_is_what_the_code_says():
    check = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_page_of_the_navigation_exists():
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    missing = [page for page in pages(navigation) if not (ROOT / "docs" / page).is_file()]
    assert missing == []


def pages(navigation):
    for entry in navigation:
        for target in entry.values():
            yield from pages(target) if isinstance(target, list) else [target]


@pytest.fixture
def commands():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import readme_commands

        yield readme_commands
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def page(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_only_marked_blocks_are_run(commands, tmp_path):
    text = "```bash\nfalse\n```\n\n<!-- run -->\n```console\n$ touch a \\\n    b\nsome output\n$ ls\n```\n"
    (block,) = commands.blocks(page(tmp_path, text))
    assert (block.line, block.language) == (6, "console")
    assert commands.typed(block.text) == "touch a \\\n    b\nls"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("```bash\ntrue\n```", 0),
        ("```console\n$ false\n$ true\n```", 1),
        ("```python\nraise OSError\n```", 1),
    ],
)
def test_a_command_that_fails_fails_the_page(commands, tmp_path, text, status):
    (block,) = commands.blocks(page(tmp_path, f"<!-- run -->\n{text}\n"))
    assert commands.run(block, tmp_path) == status


def test_an_unknown_language_is_refused(commands, tmp_path):
    with pytest.raises(SystemExit, match="expected bash, console or python after <!-- run -->, found text"):
        list(commands.blocks(page(tmp_path, "<!-- run -->\n```text\nls\n```\n")))
