"""4.4 Sixteen questions: what a resampler's latents ask of a picture, and what is lost with each that is left out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.core.trace import trace
from showtell.studio import board_models as models
from showtell.studio.board_scores import ASKED, Reads, band, held_out, recorded, right, share
from showtell.studio.demos.gates import QUESTIONS
from showtell.studio.series import board_editor
from showtell.studio.series.bounds import bounded, one_of, switch
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.palette import sequential, spotlight
from showtell.studio.series.scene import Bars, Concept, Line, Lines, Raster, Scene, Wall
from showtell.studio.series.tools import Tools
from showtell.worlds import board

KEPT = (1, 2, 4, 8, 16)
FEW = 48  # questions a skill that the check counts again
SKILLS: dict[str, Concept] = {"count": "query", "color": "key", "where": "image", "exists": "text"}
DEFAULT = (0, 0, 10, 0, 14, 0, 15, 14, 0)  # one latent takes the star for green, all together do not
assert set(SKILLS) <= set(ASKED)


@dataclass(frozen=True)
class State:
    board: tuple[int, ...] = bounded(DEFAULT, board_editor.BOARD)
    brush: int = bounded(board_editor.HAND, board_editor.BRUSH)
    question: str = one_of("what color is the star ?", QUESTIONS, label="Question")
    kept: int = one_of(16, {str(kept): str(kept) for kept in KEPT}, label="Latents", typed=int)
    latent: int = bounded(0, Cell(label="Latent", count=KEPT[-1]))
    mute: bool = switch(False, label="Mute the chosen latent")


class Latents(Demo[State]):
    name = "latents"
    number = "4.4"
    title = "Sixteen questions"
    lede = (
        "36 patches go in, and as many tokens come out as you allow. Each latent asks the picture the same thing every "
        "time: choose one to see where it looks, mute it, or keep only the first few, and ask."
    )
    claim = (
        "All latents together are right more often than the first alone about colours and numbers, on held-out boards, "
        "and what comes out has the same size for every picture."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        maps = looks(state.board)
        tokens = latents(state.board, state.kept)
        heard = [i for i in range(state.kept) if not (state.mute and i == state.latent)]
        now = answers(tokens[heard], state.question)
        shown = [int(i) for i in now.argsort(descending=True)[:4]]
        curves = recorded()["latents"]
        chosen = maps[state.latent]
        return Scene(
            widgets=(
                *board_editor.editor(state.board, state.brush),
                Wall(
                    title="Where each latent looks",
                    maps=[sequential(one) for one in maps],
                    cols=4,
                    names=[f"latent {i + 1}{'' if i in heard else ', not heard'}" for i in range(KEPT[-1])],
                    values=[spread(one) for one in maps],
                    value_name="patches it spreads over",
                    field="latent",
                    selected=state.latent,
                    size="s",
                ),
                Raster(
                    title=f"Latent {state.latent + 1} over the board",
                    rgb=spotlight(torch.from_numpy(board_editor.picture(state.board)).permute(2, 0, 1) / 255, chosen),
                    grid=models.TOWER.grid,
                    values=chosen.flatten().tolist(),
                    note="share of its attention",
                    size="s",
                ),
                Bars(
                    title=f"Next word, from {len(heard)} tokens",
                    names=[board.WORDS[number] for number in shown],
                    values=[float(now[number]) for number in shown],
                    texts=[f"{100 * float(now[number]):.0f} %" for number in shown],
                    top=1.0,
                    concepts=["image"] * len(shown),
                    size="q",
                ),
                Lines(
                    title=f"Right answers on {recorded()['questions']} held-out questions of each kind, recorded",
                    xs=list(range(len(KEPT))),
                    lines=[Line(name=skill, ys=curves[skill], concept=concept) for skill, concept in SKILLS.items()],
                    ticks=[str(kept) for kept in KEPT],
                    x_name="latents",
                    y_name="share right",
                    at=KEPT.index(state.kept),
                    low=0.0,
                    high=1.0,
                ),
            ),
            says=said(state, now, curves),
            facts=(
                ("tokens", f"{models.TOKENS} → {len(heard)}"),
                ("keys and values", f"{2 * models.DECODER.depth * len(heard) * models.DECODER.dim * 4 / 1e3:.1f} kB"),
                ("of latent", f"{100 * float(chosen.sum()):.0f} % of its attention on the picture"),
                ("model", "trained by recipes/board.py"),
            ),
        )

    def check(self, tools: Tools) -> None:
        record, few = recorded(), scores(FEW)
        for skill, ys in record["latents"].items():
            assert max(abs(y - y2) for y, y2 in zip(ys, few[skill], strict=True)) < band(FEW) + band(
                record["questions"]
            )
        for skill in ("color", "count"):
            assert record["latents"][skill][-1] > record["latents"][skill][0], skill
        for seen in (DEFAULT, (0, 0, 7, 0, 0, 0, 0, 0, 0)):
            assert latents(seen, 16).shape == (16, models.DECODER.dim)
            assert torch.equal(latents(seen, 16)[:4], latents(seen, 4)), "the first ones do not know of the others"


@torch.no_grad()
def latents(seen: board.Board, kept: int) -> Tensor:
    """The tokens that reach the language model, (kept, dim)."""
    return models.resampled().image_tokens(models.pixels_of([board_editor.picture(seen)]))[0, :kept]


@torch.no_grad()
def answers(tokens: Tensor, question: str) -> Tensor:
    """Probabilities of the next word after a question, read behind these tokens."""
    model = models.resampled()
    words = torch.tensor([board.encode((board.STOP, *question.split()))])
    return model.decoder.logits(models.read_after(model, tokens[None], words)[0, -1]).softmax(-1)


@torch.no_grad()
def looks(seen: board.Board) -> list[Tensor]:
    """Where each latent looks in the last layer, mean over heads, (rows, cols) each."""
    with trace(models.resampled(), "connector.resampler.layers.*.attn.weights") as seen_weights:
        latents(seen, KEPT[-1])
    last = list(seen_weights.values())[-1][0].mean(dim=0)[:, : models.TOKENS]  # (latents, patches)
    return list(last.unflatten(1, models.TOWER.grid))


def scores(questions: int) -> dict[str, list[float]]:
    """Share of right answers by skill, for each number of latents kept."""
    model = models.resampled()
    curves: dict[str, list[float]] = {}
    for skill in SKILLS:
        asked = held_out(skill, questions)
        with torch.no_grad():
            tokens = model.image_tokens(asked.pixels)
        curves[skill] = [share(right(reading(tokens[:, :kept]), asked)) for kept in KEPT]
    return curves


def reading(tokens: Tensor) -> Reads:
    """A reader behind these tokens, whatever the pixels."""
    model = models.resampled()
    return lambda pixels, ids: model.decoder.logits(models.read_after(model, tokens, ids))


def spread(weights: Tensor) -> float:
    """How many patches a map is spread over: 2 to the power of its entropy."""
    p = (weights / weights.sum()).flatten()
    return float(2 ** -(p * p.clamp(min=1e-12).log2()).sum())


def said(state: State, now: Tensor, curves: dict[str, list[float]]) -> str:
    at = KEPT.index(state.kept)
    listed = ", ".join(f"{skill} {100 * ys[at]:.0f} %" for skill, ys in curves.items())
    muted = f" with latent {state.latent + 1} muted" if state.mute and state.latent < state.kept else ""
    return (
        f"From the first {state.kept} latent{'s' if state.kept > 1 else ''}{muted} the model reads “"
        f"{board.WORDS[int(now.argmax())]}” ({100 * float(now.max()):.0f} %). With so many latents it is right on "
        f"held-out boards this often: {listed}."
    )
