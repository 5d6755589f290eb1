"""The README is a map, and a wrong map is worse than none: it is held to the tree, the commands and the files."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from showtell.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_CODE = {".gitignore"}


def tracked() -> list[Path]:
    """Files of the repository, relative to its root, as git knows them (or as they lie there, outside a clone)."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [Path(name) for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    hidden = re.compile(r"/(\.(?!ci)[^/]+|__pycache__|[^/]+\.egg-info|runs|build|dist)(/|$)")
    names = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    return [name for name in names if not hidden.search(f"/{name.as_posix()}")]


def annotated_tree() -> tuple[dict[str, set[str]], set[str]]:
    """What the README's tree says: the modules listed under each folder of showtell, and the entries at the top.

    A folder's line is indented by two and ends its name with a slash; the lines under it that are indented further list
    its modules.
    """
    block = re.search(r"## The tree\n.*?```text\n(.*?)```", README, re.DOTALL)
    assert block, "README.md has no section '## The tree' with a ```text block"
    modules: dict[str, set[str]] = {}
    top: set[str] = set()
    folder = ""
    for line in block[1].splitlines():
        indent = len(line) - len(line.lstrip())
        words = line.split()
        if not words:
            continue
        if indent == 0:
            top.add(words[0].rstrip("/"))
            folder = ""
        elif indent == 2 and words[0].endswith("/"):
            folder = words[0].rstrip("/")
            modules[folder] = set()
        elif indent == 2:
            modules[words[0]] = set()
        elif folder:
            modules[folder] |= set(words)
    return modules, top


def test_every_entry_of_the_repository_is_on_the_map() -> None:
    _, top = annotated_tree()
    real = {path.parts[0] for path in tracked()} - NOT_CODE
    assert top == real, f"not on the map: {sorted(real - top)}; on the map only: {sorted(top - real)}"


def test_every_module_of_showtell_is_on_the_map() -> None:
    listed, _ = annotated_tree()
    real: dict[str, set[str]] = {}
    for path in tracked():
        if path.parts[0] != "showtell" or (len(path.parts) == 2 and path.stem.startswith("__")):
            continue
        inside = real.setdefault(path.parts[1], set())
        if len(path.parts) == 3 and path.suffix == ".py" and path.stem != "__init__":
            inside.add(path.stem)
    wrong = [
        f"  {folder}/ should list:\n      {' '.join(sorted(real.get(folder, set())))}"
        for folder in sorted(set(listed) | set(real))
        if listed.get(folder) != real.get(folder)
    ]
    assert not wrong, "the README's tree differs from the real one:\n" + "\n".join(wrong)


def test_every_file_the_readme_links_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), f"README.md links {target}, which does not exist"


def test_every_command_in_the_readme_is_one() -> None:
    for name in re.findall(r"^showtell (\w+)", README, re.MULTILINE) + re.findall(r"`showtell (\w+)", README):
        assert name in COMMANDS, f"README.md uses `showtell {name}`, which is no command"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)`", README) + re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"README.md uses `make {target}`, which is no target"


def test_every_command_is_in_the_readme() -> None:
    assert not [name for name in COMMANDS if f"showtell {name}" not in README]


def test_the_python_in_the_readme_names_what_exists() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks, "the README shows the library in a line"
    answers = (ROOT / "showtell/instruct/answer.py").read_text(encoding="utf-8")
    assistant = (ROOT / "showtell/instruct/assistant.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse("\n".join(blocks))):
        if isinstance(node, ast.Attribute) and node.attr not in ("load",):
            named = rf"\b(def {node.attr}|{node.attr}:)"
            assert re.search(named, answers + assistant), f"nothing called {node.attr} in what a model answers"


@pytest.mark.parametrize("row", re.findall(r"^\| \d \|.*$", README, re.MULTILINE))
def test_a_part_is_where_the_readme_says(row: str) -> None:
    """The folder of a part exists, or the row says plainly that it does not yet."""
    folder = re.search(r"`(\w+)/`", row)
    assert folder, row
    exists = (ROOT / "showtell" / folder[1]).is_dir()
    assert exists != ("not begun" in row), f"{row}\nthe folder {'exists' if exists else 'does not exist'}"


def test_the_eight_parts_are_listed() -> None:
    assert re.findall(r"^\| (\d) \|", README, re.MULTILINE) == list("12345678")
