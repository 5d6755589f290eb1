"""4.3 Open the gate: a frozen language model that looks aside, by as much as the reader allows."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from showtell.core.masks import causal_mask
from showtell.core.trace import trace
from showtell.fusion.gated_xattn import GatedCrossBlock
from showtell.fusion.xattn_vlm import CrossVLM
from showtell.studio import board_models as models
from showtell.studio.series import board_editor
from showtell.studio.series.bounds import bounded, one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Bars, Line, Lines, Scene, Wall
from showtell.studio.series.tools import Tools
from showtell.worlds import board

QUESTIONS = {
    question: question
    for question in (
        "what color is the star ?",
        "where is the star ?",
        "what is red ?",
        "how many blue ?",
        "is there a red star ?",
        "is the star left the circle ?",
    )
}
DEFAULT = (board.item("red", "circle"), 0, 0, 0, 0, board.item("blue", "star"), 0, 0, 0)
SWEEP = tuple(step / 10 for step in range(11))
MOST_BARS = 4


@dataclass(frozen=True)
class State:
    board: tuple[int, ...] = bounded(DEFAULT, board_editor.BOARD)
    brush: int = bounded(board_editor.HAND, board_editor.BRUSH)
    question: str = one_of("what color is the star ?", QUESTIONS, label="Question")
    gate1: float = stepped(1.0, low=0.0, high=1.0, step=0.05, label="Gate before block 1")
    gate2: float = stepped(1.0, low=0.0, high=1.0, step=0.05, label="Gate before block 2")
    gate3: float = stepped(1.0, low=0.0, high=1.0, step=0.05, label="Gate before block 3")
    gate4: float = stepped(1.0, low=0.0, high=1.0, step=0.05, label="Gate before block 4")

    @property
    def gates(self) -> tuple[float, ...]:
        return self.gate1, self.gate2, self.gate3, self.gate4


class Gates(Demo[State]):
    name = "gates"
    number = "4.3"
    title = "Open the gate"
    lede = (
        "A language model that has never seen a picture, frozen, and a trained look aside before each of its four "
        "blocks. Close the gates one by one, or change the board, and watch the next word."
    )
    claim = "With all gates at 0 the scores are those of the language model alone, bit for bit, whatever the picture."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        alone, now = answers(state, None), answers(state, state.gates)
        shown = [int(i) for i in now.argsort(descending=True)[:MOST_BARS]]
        shown += [int(i) for i in alone.argsort(descending=True)[:MOST_BARS] if int(i) not in shown]
        names = [board.WORDS[number] for number in shown]
        sweep = tools.remember(("gates", state.board, state.question), lambda: opened_together(state))
        best = int(sweep[-1].argmax())
        maps, openings = looks(state)
        return Scene(
            widgets=(
                *board_editor.editor(state.board, state.brush),
                Bars(
                    title="Next word, gates as set",
                    names=names,
                    values=[float(now[number]) for number in shown],
                    texts=[f"{100 * float(now[number]):.0f} %" for number in shown],
                    top=1.0,
                    concepts=["image"] * len(shown),
                    size="q",
                ),
                Bars(
                    title="Next word, language model alone",
                    names=names,
                    values=[float(alone[number]) for number in shown],
                    texts=[f"{100 * float(alone[number]):.0f} %" for number in shown],
                    top=1.0,
                    concepts=["text"] * len(shown),
                    size="q",
                ),
                Lines(
                    title="All gates opened together",
                    xs=SWEEP,
                    lines=[
                        Line(name=f"P({board.WORDS[best]})", ys=[float(p[best]) for p in sweep], concept="image"),
                        Line(
                            name="KL from the language model, nats", ys=[kl(p, alone) for p in sweep], concept="query"
                        ),
                    ],
                    x_name="share of the trained opening",
                    y_name="",
                    at=sum(state.gates) / 4,
                    low=0.0,
                ),
                Wall(
                    title="Where the last word looks, gate by gate",
                    maps=[sequential(one) for one in maps],
                    cols=4,
                    names=[f"before block {number}" for number in range(1, 5)],
                    values=openings,
                    value_name="opening of its gate, tanh(a)",
                    field="",
                    selected=int(max(range(4), key=lambda i: abs(openings[i]))),
                ),
            ),
            says=said(state, alone, now),
            facts=(
                ("KL from the language model", f"{kl(now, alone):.2f} nats"),
                ("trained openings, tanh(a)", ", ".join(f"{one:+.2f}" for one in trained_openings())),
                ("image tokens in the list", "0"),
                ("model", "trained by recipes/board.py"),
            ),
        )

    def check(self, tools: Tools) -> None:
        words = torch.tensor([board.encode((board.STOP, *"what color is the star ?".split()))])
        decoder = models.decoder()
        with torch.no_grad():
            ids = torch.cat([torch.tensor([[models.START_ID]]), words], dim=1)
            count = ids.shape[1]
            alone = decoder(decoder.embed(ids), torch.arange(count)[None], causal_mask(count, count))[:, 1:]
            for seen in (DEFAULT, (0, 0, 7, 0, 0, 0, 4, 0, 0)):
                shut = with_gates((0.0,) * 4)
                assert torch.equal(models.read_beside(shut, tokens(shut, seen), words), alone), (
                    "not the same to the bit"
                )
        red, blue = ((*DEFAULT[:5], board.item(color, "star"), *DEFAULT[6:]) for color in ("red", "blue"))
        for seen, word in ((red, "red"), (blue, "blue")):
            assert board.WORDS[int(answers(State(board=seen), (1.0,) * 4).argmax())] == word, "open, it sees"


def with_gates(shares: tuple[float, ...]) -> CrossVLM:
    """The trained model with each gate opened to a share of what training opened it to."""
    model = copy.copy(models.gated())
    model._modules = dict(model._modules)
    model.cross = copy.deepcopy(models.gated().cross)
    for share, block in zip(shares, model.cross, strict=True):
        assert isinstance(block, GatedCrossBlock)
        for gate in (block.gate1, block.gate2):
            gate.copy_(torch.atanh(share * gate.tanh()))
    return model


def tokens(model: CrossVLM, seen: board.Board) -> Tensor:
    return model.image_tokens(models.pixels_of([board_editor.picture(seen)]))


def opened_together(state: State) -> list[Tensor]:
    """The answer at every share of the trained opening, all gates alike."""
    return [answers(state, (alpha,) * len(state.gates)) for alpha in SWEEP]


@torch.no_grad()
def answers(state: State, shares: tuple[float, ...] | None) -> Tensor:
    """Probabilities of the next word; `shares` = None is the language model, which has no looks at all."""
    words = torch.tensor([board.encode((board.STOP, *state.question.split()))])
    decoder = models.decoder()
    if shares is None:
        ids = torch.cat([torch.tensor([[models.START_ID]]), words], dim=1)
        count = ids.shape[1]
        hidden = decoder(decoder.embed(ids), torch.arange(count)[None], causal_mask(count, count))
    else:
        model = with_gates(shares)
        hidden = models.read_beside(model, tokens(model, state.board), words)
    return decoder.logits(hidden[0, -1]).softmax(-1)


@torch.no_grad()
def looks(state: State) -> tuple[list[Tensor], list[float]]:
    """Attention of the last word over the picture before each block, mean over heads, and the openings of the gates."""
    model = with_gates(state.gates)
    words = torch.tensor([board.encode((board.STOP, *state.question.split()))])
    with trace(model, "cross.*.attn.weights") as seen:
        models.read_beside(model, tokens(model, state.board), words)
    maps = [weights[0, :, -1, :].mean(dim=0).unflatten(0, models.TOWER.grid) for weights in seen.values()]
    return maps, openings_of(model.cross)


def trained_openings() -> list[float]:
    return openings_of(models.gated().cross)


def openings_of(cross: nn.ModuleList) -> list[float]:
    return [float(block.gate1.tanh()) for block in cross if isinstance(block, GatedCrossBlock)]


def kl(p: Tensor, q: Tensor) -> float:
    """Kullback-Leibler divergence of p from q, in nats."""
    return float((p * (p.clamp(min=1e-30).log() - q.clamp(min=1e-30).log())).sum().clamp(min=0))


def said(state: State, alone: Tensor, now: Tensor) -> str:
    word, prior = board.WORDS[int(now.argmax())], board.WORDS[int(alone.argmax())]
    if not any(state.gates):
        return f"All gates are shut. This is the language model, to the bit: it guesses “{prior}” on any board."
    return (
        f"The model says “{word}” ({100 * float(now.max()):.0f} %). Without its looks it would guess “{prior}” "
        f"({100 * float(alone.max()):.0f} %), on this board and on every other."
    )
