"""Golden vectors of the scores of short answers. By hand: python tests/golden/make_answers.py FOLDER (oracles.py)."""

import importlib
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

from oracles import PIECES, functions, in_package, load_file, near, phrase, save

FOLDER = Path(sys.argv[1])
sys.path.append(str(FOLDER))
LMMS = "lmms_eval/tasks/"


def ten_answers(rng: random.Random) -> list[str]:
    """Annotators who agree, nearly agree, or do not."""
    pool = [phrase(rng) for _ in range(rng.choice([1, 1, 2, 2, 3, 5]))]
    answers = [rng.choice(pool) for _ in range(10)]
    if rng.random() < 0.5:
        answers[rng.randrange(10)] = near(rng, rng.choice(pool))
    return answers


def vqa(rng: random.Random) -> list[Any]:
    official = load_file(FOLDER / "vqaEval.py", "vqaEval").VQAEval
    textvqa = load_file(FOLDER / "m4c_evaluator.py", "m4c_evaluator").TextVQAAccuracyEvaluator()
    lmms = functions(in_package(LMMS + "vqav2/utils.py"), "vqav2_process_results", **lmms_names())
    vlmeval = vlmeval_vqa()
    rows = []
    for _ in range(2200):
        answers = ten_answers(rng)
        said = rng.choice([rng.choice(answers), near(rng, rng.choice(answers)), phrase(rng)])
        records = [{"answer": answer, "answer_id": i} for i, answer in enumerate(answers)]
        one = official(SimpleNamespace(qa={1: {"answers": records}}), SimpleNamespace(qa={1: {"answer": said}}))
        one.evaluate([1])
        copies = [{"answer": answer, "answer_id": i} for i, answer in enumerate(answers)]
        theirs = lmms["vqav2_process_results"]({"answers": copies, "question_id": 1}, [said])["exact_match"]
        kit = vlmeval["process_line"]({"answer": repr(answers), "prediction": said}, method="vqa_score")["match"]
        m4c = textvqa.eval_pred_list([{"pred_answer": said, "gt_answers": answers}])
        rows.append([said, answers, one.evalQA[1], m4c, theirs, sum(kit) / len(kit)])
    return rows


def lmms_names() -> dict[str, Any]:
    import statistics

    processor = load_file(in_package(LMMS + "_task_utils/vqa_eval_metric.py"), "vqa_eval_metric").EvalAIAnswerProcessor
    return {"EvalAIAnswerProcessor": processor, "statistics": statistics}


def vlmeval_vqa() -> dict[str, Any]:
    from typing import Optional

    for smp in in_package("vlmeval/smp/__init__.py").parent.glob("*.py"):
        if "def process_punctuation" in smp.read_text(encoding="utf-8"):
            break
    names = functions(smp, "process_punctuation")
    names |= {
        "istype": lambda text, kind: text.startswith("["),
        "Optional": Optional,
        "np": importlib.import_module("numpy"),
    }
    wanted = ("_process_digit_article", "process_answer", "process_line", "levenshtein_distance", "anls_compute")
    return functions(
        in_package("vlmeval/dataset/utils/vqa_eval.py"), *wanted, "relaxed_correctness", "hit_calculate", **names
    )


def anls(rng: random.Random) -> list[Any]:
    distance = importlib.import_module("rapidfuzz.distance").Levenshtein.distance
    official = functions(in_package("lmms_eval/api/metrics.py"), "anls", levenshtein_distance=distance)["anls"]
    paper = importlib.import_module("anls.metrics.score").anls_score
    rows: list[Any] = []
    for _ in range(2500):
        truths = [phrase(rng, 8) for _ in range(rng.choice([1, 1, 2, 4]))]
        said = rng.choice([near(rng, rng.choice(truths)), phrase(rng), "".join(rng.sample("abxy", 2))])
        rows.append([said, truths, official(truths, [said])["anls"], paper(said, truths)])
    for truth, said in (
        ("ab", "ax"),
        ("", ""),
        ("", " "),
        ("a", ""),
        ("10 pm", "10  pm"),
        ("ß", "s"),
        ("abcd", "abxy"),
    ):
        rows.append([said, [truth], official([truth], [said])["anls"], paper(said, [truth])])
    return rows


def relaxed(rng: random.Random) -> list[Any]:
    official = vlmeval_vqa()["relaxed_correctness"]
    numbers = [piece for piece in PIECES if any(c.isdigit() for c in piece)] + [
        "nan",
        "inf",
        "100",
        "105",
        "95",
        "94.9",
        "2019",
    ]
    rows = []
    for _ in range(2500):
        truth = rng.choice([rng.choice(numbers), phrase(rng), str(rng.randrange(-9, 200)), f"{rng.random() * 50:.2f}%"])
        said = rng.choice(
            [near(rng, truth), rng.choice(numbers), str(rng.randrange(-9, 200)), f"{rng.random() * 50:.1f}%"]
        )
        try:
            exact = float(truth.strip("%")) * rng.choice([0.95, 1.05, 1.0500001, 0.9499999, 1.04])
            said = rng.choice([said, repr(exact), repr(exact) + "%" * truth.endswith("%")])
        except ValueError:
            pass
        rows.append([said, truth, int(official(truth, said))])
    return rows


def pope(rng: random.Random) -> list[Any]:
    script = (FOLDER / "evaluate.py").read_text(encoding="utf-8")
    lmms = load_file(in_package(LMMS + "pope/utils.py"), "pope_utils")
    kit = functions(in_package("vlmeval/dataset/utils/yorn.py"), "YOrN_Extraction", **kit_punctuation())[
        "YOrN_Extraction"
    ]
    openings = [
        "Yes",
        "yes",
        "No",
        "no",
        "NO",
        "no!",
        "No,",
        "Yes, there is",
        "There is no",
        "not",
        "Nothing",
        "I do not know",
        "",
    ]
    rows = []
    for size in [1, 2, 3, 5, 9, 40] * 25:
        answers = [
            rng.choice(openings)
            + rng.choice(["", ".", ", there is a dog.", " dog. Not a cat", "\n", " " + phrase(rng)])
            for _ in range(size)
        ]
        truths = [rng.choice(["yes", "no"]) for _ in range(size)]
        with tempfile.TemporaryDirectory() as here:
            (Path(here) / "answers.json").write_text("\n".join(json.dumps({"answer": answer}) for answer in answers))
            (Path(here) / "labels.json").write_text("\n".join(json.dumps({"label": truth}) for truth in truths))
            script = script.replace("ans_file = ''", "ans_file = 'answers.json'").replace(
                "label_file = ''", "label_file = 'labels.json'"
            )
            done = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        counts = [int(count) for count in lines[1].split("\t")]
        scores = [float(line.split(": ")[1]) for line in lines[2:]] if done.returncode == 0 else None
        results = [
            lmms.pope_process_results({"answer": t, "question_id": 0}, [a])["pope_accuracy"]
            for a, t in zip(answers, truths, strict=True)
        ]
        theirs = [
            getattr(lmms, f"pope_aggregate_{name}")(results)
            for name in ("accuracy", "precision", "recall", "f1_score", "yes_ratio")
        ]
        rows.append([answers, truths, counts, scores, theirs, [kit(answer) for answer in answers]])
    return rows


def kit_punctuation() -> dict[str, Any]:
    return {"process_punctuation": vlmeval_vqa()["process_line"].__globals__["process_punctuation"]}


RESPONSES = [
    "{X}",
    "({X})",
    "{X}.",
    "**{X}**",
    "{x}",
    "The answer is {X}.",
    "The answer is {X}",
    "{X}. {text}",
    "{text}",
    "I think that it is the {text} because of what we see",
    "A {text} is shown",
    "({X}) or ({Y})",
    "{X} or {Y} maybe",
    "It is from the USA somewhere",
    "",
    "'{X}'",
    "Answer: {X}\n",
    "The answer is {X}. The answer is {Y}.",
    "{X}:",
    "{X}) {text}",
]


def choices(rng: random.Random) -> dict[str, Any]:
    mmmu = load_file(in_package("lm_eval/tasks/mmmu/utils.py"), "mmmu_utils")
    lmms = load_file(in_package(LMMS + "_task_utils/mmmu_mcq_utils.py"), "mmmu_mcq_utils")
    llava = load_file(FOLDER / "eval_science_qa.py", "eval_science_qa")
    rows = []
    for _ in range(2000):
        options = [phrase(rng) or "blank" for _ in range(rng.choice([2, 3, 4, 4, 5]))]
        letters = [chr(65 + i) for i in range(len(options))]
        x, y = rng.choice(letters), rng.choice([*letters, "F"])
        response = rng.choice(RESPONSES).format(X=x, x=x.lower(), Y=y, text=rng.choice(options))
        response += rng.choice(["", "", "", " ", ".", "!", f" ({y})", f" {phrase(rng)}"])
        rows.append([response, options])
    index = [dict(zip([chr(65 + i) for i in range(len(o))], o, strict=True)) for _, o in rows]
    random.seed(42)
    official = [
        ord(mmmu.parse_multi_choice_response(r, list(names), names)) - 65
        for (r, _), names in zip(rows, index, strict=True)
    ]
    random.seed(42)
    theirs = [
        ord(lmms.parse_mmmu_multi_choice_response(r, list(names), names)) - 65
        for (r, _), names in zip(rows, index, strict=True)
    ]
    science = [llava.get_pred_idx(llava.answer_of(r, list("ABCDE")), o, list("ABCDE")) for r, o in rows]
    return {"rows": rows, "mmmu": official, "lmms": theirs, "scienceqa": science}


TAILS = [
    "The answer is {}.",
    "so {}",
    "x = {}",
    "{}",
    "Therefore 3 + 4 is {}\nThe result is about {}",
    "it could be {} or 7.",
    "cartography {}",
]


def open_answers(rng: random.Random) -> list[Any]:
    mmmu = load_file(in_package("lm_eval/tasks/mmmu/utils.py"), "mmmu_utils")
    rows = []
    for _ in range(2000):
        number = rng.choice(
            [
                str(rng.randrange(3000)),
                f"{rng.random() * 9:.3f}",
                "1,234",
                "2e-3",
                "-7.5",
                ".5",
                "art",
                "a",
                phrase(rng),
            ]
        )
        truths: Any = rng.choice([number, [number, phrase(rng)], phrase(rng), str(round(rng.random() * 9, 2))])
        response = rng.choice(TAILS).format(number, phrase(rng)) + rng.choice(["", ".", "\n", " " + phrase(rng)])
        rows.append([response, truths, int(mmmu.eval_open(truths, mmmu.parse_open_response(response)))])
    return rows


def clicks(rng: random.Random) -> list[Any]:
    seeclick = load_file(FOLDER / "seeclick.py", "seeclick")
    forms = [
        "({:.2f},{:.2f})",
        "[{:.2f}, {:.2f}, {:.2f}, {:.2f}]",
        "<ref>x</ref><box>({:.0f},{:.0f}),({:.0f},{:.0f})</box>",
        "<box>({:.0f},{:.0f}),({:.0f}",
        "box at {:.2f} {:.2f}",
        "click {:.2f}",
        "",
        "x: {:.2f} y: {:.2f} z: {:.2f}",
        "-{:.2f}, {:.2f}",
        "{:.2f}. {:.2f}.",
    ]
    rows = []
    for _ in range(1500):
        width, height = rng.randrange(20, 900), rng.randrange(20, 900)
        x, y = rng.randrange(width - 9), rng.randrange(height - 9)
        target = [x, y, rng.randrange(1, width - x + 1), rng.randrange(1, height - y + 1)]
        form = rng.choice(forms)
        scale = 1000 if "box>" in form else 1
        u, v = (x + target[2] * rng.random() * 1.2) / width, (y + target[3] * rng.random() * 1.2) / height
        text = form.format(u * scale, v * scale, u * scale, v * scale)
        rows.append([text, target, [width, height], int(seeclick.correct(text, target, (width, height)))])
    return rows


def error_rates(rng: random.Random) -> list[Any]:
    jiwer = importlib.import_module("jiwer")
    rows = []
    for size in [1, 1, 1, 2, 5] * 300:
        truths = [phrase(rng, 9) for _ in range(size)]
        said = [rng.choice([near(rng, truth), phrase(rng), truth.replace(" ", "  ")]) for truth in truths]
        rows.append([said, truths, jiwer.cer(truths, said), jiwer.wer(truths, said)])
    return rows


def harness_boxes(rng: random.Random) -> list[Any]:
    """RefCOCO answers in every space, as the two harnesses score them."""
    numpy = importlib.import_module("numpy")
    lmms = functions(
        in_package(LMMS + "refcoco/utils_rec.py"),
        "parse_float_sequence_within",
        "compute_iou",
        re=importlib.import_module("re"),
    )
    names = {"re": importlib.import_module("re"), "np": numpy, "Optional": Optional}
    kit = functions(
        in_package("vlmeval/dataset/refcoco.py"), "_parse_prediction", "_to_absolute", "_compute_iou", **names
    )
    rows = []
    for _ in range(800):
        width, height = rng.randrange(20, 1500), rng.randrange(20, 1500)
        x, y = rng.randrange(width - 9), rng.randrange(height - 9)
        box = [x, y, rng.randrange(x + 1, width + 1), rng.randrange(y + 1, height + 1)]
        shares = [box[0] / width, box[1] / height, box[2] / width, box[3] / height]
        scale = rng.choice([1, 1, 1000, 0])
        numbers = [share * scale if scale else side for share, side in zip(shares, box, strict=True)]
        numbers = [number * rng.choice([1, 1, 0.9, 1.1]) for number in numbers]
        form = rng.choice(
            [
                "[{}, {}, {}, {}]",
                "[{},{},{},{}].",
                "({},{}),({},{})",
                "at [{} {} {} {}]",
                "[{}, {}, {}",
                "no",
                "-[{}, {}, {}, {}]",
            ]
        )
        text = form.format(*(f"{number:.2f}" if scale == 1 else f"{number:.0f}" for number in numbers))
        try:
            theirs = float(lmms["compute_iou"](shares, lmms["parse_float_sequence_within"](text)))
        except ZeroDivisionError:
            theirs = 0.0
        said = kit["_parse_prediction"](text)
        absolute = None if said is None else kit["_to_absolute"](said, width, height)
        other = 0.0 if absolute is None else float(kit["_compute_iou"](absolute, numpy.array(box, dtype=float)))
        rows.append([text, box, [width, height], theirs, other])
    return rows


def harness_clicks(rng: random.Random) -> list[Any]:
    """lmms-eval's Center_ACC of ScreenSpot; the true boxes are fractions."""
    names = {"re": importlib.import_module("re")}
    file = in_package(LMMS + "screenspot/utils_rec.py")
    lmms = functions(file, "parse_float_sequence_within", "compute_center_accuracy", **names)
    rows = []
    for _ in range(600):
        x, y = rng.random() * 0.8, rng.random() * 0.8
        truth = [round(n, 3) for n in (x, y, x + rng.random() * 0.2, y + rng.random() * 0.2)]
        scale = rng.choice([1, 1000, 640])
        numbers = [n * scale * rng.choice([1, 1, 1.05]) for n in truth]
        form = rng.choice(
            ["[{}, {}, {}, {}]", "({},{},{},{})", "({}, {})", "at [{}, {}, {}, {}) ok", "none", "[{} {} {} {}]"]
        )
        text = form.format(*(f"{n:.2f}" if scale == 1 else f"{n:.0f}" for n in numbers))
        rows.append(
            [text, truth, int(lmms["compute_center_accuracy"](truth, lmms["parse_float_sequence_within"](text)))]
        )
    return rows


def harness_gqa(rng: random.Random) -> list[Any]:
    numpy = importlib.import_module("numpy")
    names = {"np": numpy, "string": importlib.import_module("string"), "re": importlib.import_module("re")}
    match = functions(in_package("lmms_eval/api/metrics.py"), "exact_match_hf_evaluate", **names)[
        "exact_match_hf_evaluate"
    ]
    rows = []
    for _ in range(600):
        truth = phrase(rng)
        said = rng.choice([near(rng, truth), truth.upper(), truth + ".", phrase(rng)])
        value = match([said], [truth], ignore_case=True, ignore_punctuation=True)["exact_match"]
        rows.append([said, truth, int(value)])
    return rows


def harness_choices(rng: random.Random) -> list[Any]:
    """VLMEvalKit's rules, on the responses of `choices` drawn anew."""
    modules = {"os": importlib.import_module("os"), "cp": importlib.import_module("copy")}
    names = modules | {"string": importlib.import_module("string")}
    file = in_package("vlmeval/utils/matching_util.py")
    kit = functions(file, "can_infer", "can_infer_option", "can_infer_text", **names)["can_infer"]
    rows = []
    for _ in range(1500):
        options = [phrase(rng) or "blank" for _ in range(rng.choice([2, 3, 4, 4, 5]))]
        x, y = (chr(65 + rng.randrange(len(options))) for _ in range(2))
        response = rng.choice([*RESPONSES, "Z", "I can't process this file.", "a b c {X} d e f g h"])
        response = response.format(X=x, x=x.lower(), Y=y, text=rng.choice(options)) + rng.choice(
            ["", "", f" {phrase(rng)}"]
        )
        said = kit(response, {chr(65 + i): option for i, option in enumerate(options)})
        rows.append([response, options, ord(said) - 65 if said and said != "Z" else -1])
    return rows


def main() -> None:
    rng = random.Random(20)
    makers = {
        "vqa": vqa,
        "anls": anls,
        "relaxed": relaxed,
        "pope": pope,
        "choices": choices,
        "open_answers": open_answers,
    }
    harnesses = {"harness_boxes": harness_boxes, "harness_gqa": harness_gqa, "harness_choices": harness_choices}
    harnesses["harness_clicks"] = harness_clicks
    for name, make in {**makers, "clicks": clicks, "error_rates": error_rates, **harnesses}.items():
        save(name, make(rng))


if __name__ == "__main__":
    main()
