"""What the README and the documentation promise: commands that exist, examples that run, links that lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from napari_sam.cli.main import app
from napari_sam.io.samples import sample_path

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS = ("demo", "predict", "auto", "evaluate", "models", "benchmark", "list")
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def commands(page: Path) -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks(page, "console") for line in block.splitlines()]
    return [line for line in lines if line]


def test_the_first_two_commands_are_the_two_that_matter() -> None:
    assert commands(ROOT / "README.md")[:2] == ["make demo", "make test"]


def test_every_make_target_of_the_readme_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    used = [line.split()[1] for page in PAGES for line in commands(page) if line.startswith("make ")]
    assert used
    assert set(used) <= set(targets)


def test_the_python_examples_run_one_after_the_other() -> None:
    names: dict[str, Any] = {}
    for code in blocks(ROOT / "README.md", "python"):
        exec(compile(code, "README.md", "exec"), names)
    assert names["mask"].shape == (303, 384)
    assert names["mask"].dtype == bool
    assert names["records"]
    assert names["labels"].shape == (1, 303, 384)
    assert names["labels"].max() > 0


@pytest.mark.parametrize("line", [line for line in commands(ROOT / "README.md") if line.startswith("napari-sam ")])
def test_the_command_line_examples_run(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(sample_path("coins"), tmp_path / "image.png")
    arguments = shlex.split(line.replace("image.tif", "image.png"))[1:]
    (tmp_path / "images").mkdir()
    shutil.copy(sample_path("coins"), tmp_path / "images")
    if arguments[0] == "auto":
        arguments += ["--points-per-side", "3"]
    if arguments[0] == "benchmark":
        arguments += ["--repeats", "1", "--prompts", "2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_local_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    local = [link.split("#")[0] for link in LINK.findall(text) if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_option_of_the_documented_commands_exists() -> None:
    text = "\n".join(blocks(ROOT / "docs" / "cli.md", "console"))
    usages = text.replace("\n    ", " ").splitlines()
    checked = 0
    for line in usages:
        words = re.findall(r"(?<![\w-])--?[a-z-]+", line.split("#")[0])
        options = [word for word in words if word != "-sam"]
        path = [word for word in line.split()[1:3] if word in COMMANDS]
        usage = CliRunner().invoke(app, [*path, "--help"]).output
        for option in options:
            assert re.search(rf"(?<![\w-]){option}\b", usage), (line, option)
            checked += 1
    assert checked > 10


def test_the_documentation_lists_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []


def test_nothing_names_a_place_outside_the_project() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if listed == [""]:
        pytest.skip("not a git checkout")
    suffixes = {".py", ".md", ".toml", ".yml", ".yaml", ".sh", ".txt", ""}
    texts = {name: ROOT / name for name in listed if Path(name).suffix in suffixes and (ROOT / name).is_file()}
    forbidden = re.compile("/wor" + r"k/|\.\./" + "shared")
    assert [name for name, path in texts.items() if forbidden.search(path.read_text(encoding="utf-8"))] == []


def test_python_is_new_enough() -> None:
    assert sys.version_info >= (3, 11)
