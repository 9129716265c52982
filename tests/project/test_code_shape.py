"""Rules about the source that no linter in use checks: lengths, and constructs that hide errors or run code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_sam

SOURCE = Path(napari_sam.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FORBIDDEN_IMPORTS = {"dill", "cloudpickle", "joblib", "shelve", "marshal"}
# pickle may be imported: a subclass of pickle.Unpickler that refuses every name is how foreign files are read safely.
FORBIDDEN_CALLS = {"eval", "exec", "breakpoint", "pickle.load", "pickle.loads", "pickle.dump", "pickle.dumps"}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def names_of(handler: ast.ExceptHandler) -> set[str]:
    return {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else {"bare"}


def reraises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 10


@each_file
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < MAX_FILE_LINES


@each_file
def test_functions_are_short(path: Path) -> None:
    functions = [node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {function.name: _code_lines(function) for function in functions}
    assert {name: length for name, length in lengths.items() if length >= MAX_FUNCTION_LINES} == {}


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring: documentation is not held against anybody."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


@each_file
def test_no_exception_is_swallowed_wholesale(path: Path) -> None:
    handlers = [node for node in nodes(path) if isinstance(node, ast.ExceptHandler)]
    blanket = {"bare", "Exception", "BaseException"}
    assert [handler.lineno for handler in handlers if names_of(handler) & blanket and not reraises(handler)] == []


@each_file
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_IMPORTS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {*FORBIDDEN_IMPORTS, "pickle"}:
            found.append(node.module or "")
        elif isinstance(node, ast.Call):
            found += _dangerous_call(node)
    assert found == []


def _dangerous_call(call: ast.Call) -> list[str]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    name = ast.unparse(call.func)
    if name in FORBIDDEN_CALLS:
        return [name]
    if name == "torch.load" and not _is_true(keywords.get("weights_only")):
        return ["torch.load without weights_only=True"]
    if "allow_pickle" in keywords and _is_true(keywords["allow_pickle"]):
        return [f"{name} with allow_pickle"]
    return []


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


@each_file
def test_input_is_not_checked_with_assert_and_nothing_is_a_stub(path: Path) -> None:
    found = [f"assert, line {node.lineno}" for node in nodes(path) if isinstance(node, ast.Assert)]
    for node in nodes(path):
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc):
            found.append(f"stub, line {node.lineno}")
    text = path.read_text(encoding="utf-8")
    found += [word for word in ("TODO", "FIXME", "XXX") if word in text]
    assert found == []
