"""The house keeps its shape: floors, small files, no hidden imports, one place that prints, a cheap import."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "showtell"
SOURCES = sorted(PACKAGE.rglob("*.py"))
# The files that talk to a person at a terminal. Everything else returns values or raises.
CONSOLE = ("showtell/cli/", "showtell/engine/console.py")
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 80
MOST_LINES_OF_AN_INIT = 15


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def imports_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, module) of every import statement, wherever it stands in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/") / "__init__.py").exists()


def is_module(module: str) -> bool:
    return is_package(module) or (ROOT / module.replace(".", "/")).with_suffix(".py").exists()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_floors_hold() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_folder_of_the_package_is_on_a_floor() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    assert contracts[0]["type"] == "layers" and contracts[0]["exhaustive"] is True


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=name_of)
def test_an_init_is_a_docstring_and_reexports(path: Path) -> None:
    written = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(written) <= MOST_LINES_OF_AN_INIT
    assert ast.get_docstring(tree_of(path)), "say in one sentence what the folder holds"


def test_nothing_imports_through_a_package_init() -> None:
    """`from showtell.core import masks` names a file and is fine; a name that only __init__ re-exports is not."""
    through = [
        f"{name_of(path)}:{node.lineno} takes {alias.name} from {node.module}; import it from the file that defines it"
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "showtell"
        for alias in node.names
        if is_package(node.module) and not is_module(f"{node.module}.{alias.name}")
    ]
    assert not through, "\n".join(through)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_holds_one_concept(path: Path) -> None:
    tree = tree_of(path)
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES_OF_A_FILE, f"{name_of(path)} has {lines} lines; past 300 it holds two concepts: split it"
    assert ast.get_docstring(tree), "a file opens with what the concept is and what is not in it"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = node.body[ast.get_docstring(node) is not None :]
            length = (node.end_lineno or node.lineno) - statements[0].lineno + 1 if statements else 0
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{node.name} (line {node.lineno}) has {length} lines of code"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_bare_except_no_print_and_no_postponed_annotations(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        where = f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{where} catches everything; name the error"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            assert name_of(path).startswith(CONSOLE), f"{where} prints; return a value and let the command line show it"
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__", f"{where}: shapes are read from annotations at run time"


def test_the_text_names_no_package_registry_and_no_private_path() -> None:
    registry = re.compile(r"https?://[^\s\"')]*(pypi|pythonhosted|npmjs|registry\.|/simple\b)", re.IGNORECASE)
    private = re.compile(r"(?<![\w./])/(?:root|work|home/\w+)/")
    kinds = {".py", ".md", ".toml", ".txt", ".js", ".html", ".css", ""}
    listed = run("git", "ls-files").stdout.split("\n")
    for name in listed:
        path = ROOT / name
        if not name or path.suffix not in kinds or not path.is_file() or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for pattern in (registry, private):
            found = pattern.search(text)
            assert found is None, f"{name} names {found.group() if found else ''}"


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("showtell", ("studio", "train", "teacher", "search")),
        ("recipes", ("data", "train")),
        ("tests", ("studio", "train", "test")),
        ("bench", ("studio", "train", "test", "bench")),
        ("showtell_parity", ("test",)),
    ],
)
def test_every_import_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(n for extra in extras for n in project["optional-dependencies"][extra])]
    names = {re.split(r"[\[<>=~!; ]", need)[0].lower().replace("-", "_") for need in declared}
    spelled = {"PIL": "pillow", "markdown_it": "markdown_it_py", "skimage": "scikit_image", "sklearn": "scikit_learn"}
    files = sorted((ROOT / folder).rglob("*.py"))
    ours = {"showtell", "showtell_parity", "recipes", "bench", "conftest"} | {path.stem for path in files}
    for path in files:
        for line, module in imports_of(tree_of(path)):
            top = module.split(".")[0]
            if top not in ours and top not in sys.stdlib_module_names:
                assert spelled.get(top, top) in names, f"{name_of(path)}:{line} imports {top}, not in pyproject.toml"


def test_every_requirement_is_pinned_for_the_two_commands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [*project["dependencies"], *(n for extra in project["optional-dependencies"].values() for n in extra)]
    wanted = {re.split(r"[\[<>=~!; ]", need)[0] for need in needs} - {"showtell"}
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    assert wanted == pinned


def test_import_showtell_costs_no_more_than_torch() -> None:
    """`import showtell` loads nothing but itself: neither torch nor any other package."""
    done = run(
        sys.executable,
        "-c",
        "import sys, time; start = time.perf_counter(); import showtell; spent = time.perf_counter() - start; "
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules; assert spent < 0.2, spent",
    )
    assert done.returncode == 0, done.stderr


def test_load_is_the_function_even_after_its_file_was_imported() -> None:
    done = run(
        sys.executable,
        "-c",
        "import sys, types; file = types.ModuleType('showtell.load'); file.load = lambda name: name.upper(); "
        "sys.modules['showtell.load'] = file; import showtell; setattr(showtell, 'load', file); "
        "assert showtell.load('pocket') == 'POCKET'",
    )
    assert done.returncode == 0, done.stderr
