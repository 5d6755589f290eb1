"""What the makers of golden vectors share: reference code, loaded by name, and inputs that find bugs.

The reference implementations live in an environment of their own, never in the one that runs the tests:

    python -m venv golden && golden/bin/pip install jiwer pycocotools rapidfuzz apted lxml distance scikit-learn torch
    golden/bin/pip install --no-deps pycocoevalcap torchmetrics torchvision anls lmms-eval ms-vlmeval lm_eval==0.4.5

Scripts that no package carries lie in one folder, which is the argument of the maker: vqaEval.py (GT-Vision-Lab/VQA,
HEAD), evaluate.py (AoiDragon/POPE), m4c_evaluator.py and eval_science_qa.py (LLaVA), seeclick.py (SeeClick),
metric.py (PubTabNet).
"""

import ast
import gzip
import importlib.util
import json
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent


def load_file(path: Path, name: str) -> ModuleType:
    """A module from one file, without the packages around it (whose imports may need half the world)."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def in_package(path: str) -> Path:
    """The file at this path inside an installed package."""
    return next(found for folder in sys.path if (found := Path(folder) / path).is_file())


def functions(path: Path, *names: str, **context: Any) -> dict[str, Any]:
    """Only the named functions of a file, run in a namespace that holds nothing but `context`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in names]
    for node in body:
        node.decorator_list = []
    namespace = dict(context)
    exec(compile(ast.Module(body, []), str(path), "exec"), namespace)
    return {name: namespace[name] for name in names}


def save(name: str, value: Any) -> None:
    """Write NAME.json.gz, the same bytes for the same value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    with (
        open(HERE / f"{name}.json.gz", "wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9, mtime=0, filename="") as packed,
    ):
        packed.write(text.encode("utf-8"))


PIECES = """yes no Yes YES No the a an The A none None zero one two three Ten eleven 0 1 2 3.5 1,000 12 12% $5
$1,234.50 -4 .5 5. 3,4 1,,2 U.S. e.g. 3.14.15 didnt didn't Id've im I'm shouldnt've y'all'd've
somebody'd couldn'tve let's its it's dog's dogs' red/blue red / blue "quoted" (bracket) [x] {y} a-b
-c d- x_y @home `tick` <b> 1+1=2 back\\slash; colon: what? wow! ?? ... . , ; ' naïve café cafe\u0301
ＡＢ ß Straße İstanbul ŉ 東京 にほんご Привет مرحبا 👍🏽 \u200b ﬁsh ½ ² ½% 1e3 1e400 nan inf 1_000 +7 ٣ 0 0.0
-0 00 007 tennis court baseball bat man woman street sign STOP stop parking lot half past ten
o'clock oclock left right not isnt isn't""".split()


def phrase(rng: random.Random, most: int = 5) -> str:
    """A short answer made of pieces that normalisers disagree about, with odd white space in between."""
    words = [rng.choice(PIECES) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, most]))]
    text = ""
    for word in words:
        text += word + rng.choice([" ", " ", " ", " ", "  ", "\n", "\t", "", ", ", ".", "? "])
    if rng.random() < 0.15:
        text = rng.choice([str.upper, str.lower, str.title, str.swapcase])(text)
    return text if rng.random() < 0.3 else text.strip(" ")


def near(rng: random.Random, text: str) -> str:
    """The text with a few characters changed, dropped or doubled."""
    letters = list(text)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        place = rng.randrange(len(letters) + 1)
        letters[place : place + rng.choice([0, 1, 1, 2])] = rng.choice(["", "x", " ", "  ", "E", ".", "1", "é"])
    return "".join(letters)
