"""3.5 Two cones: pictures and captions lie apart in their space; slide the captions over and see what changes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder
from showtell.contrastive.duets import CONFIG, read, see
from showtell.contrastive.losses import info_nce
from showtell.contrastive.space import alignment, modality_gap, ranks, uniformity
from showtell.images.linear_code import principal_components
from showtell.studio.series.bounds import bounded, one_of, stepped, switch
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.points import Points
from showtell.studio.series.scene import Concept, Line, Lines, Raster, Scene
from showtell.studio.series.tools import Tools
from showtell.worlds.dice import keyed
from showtell.worlds.duets import Duet, draw, plain, sample

MODELS = {"untrained": "as initialised", "plain": "trained", "cold": "points alone, pulled at τ = 0.01"}
PAIRS = 64
KEEPERS: tuple[tuple[float, Concept], ...] = ((0.01, "key"), (0.07, "plain"), (0.5, "query"))
STEPS, STRIDE, RATE, MOMENTUM = 60, 4, 0.05, 0.8
SLIDES = tuple(i / 10 for i in range(-10, 21, 2))


@dataclass(frozen=True)
class State:
    model: str = one_of("plain", MODELS, label="The pair")
    slide: float = stepped(0.0, low=-1.0, high=2.0, step=0.2, label="Captions moved, in gaps", runs=True)
    renormalise: bool = switch(False, label="Back to length one after the slide")
    pair: int = bounded(5, Cell(label="Pair", count=2 * PAIRS))


class Cones(Demo[State]):
    name = "cones"
    number = "3.5"
    title = "Two cones"
    lede = (
        "Pictures and captions in the common space, seen along the line that joins their two means. Slide all captions "
        "along it until the clouds lie on each other, and watch what becomes of retrieval. A click shows a pair."
    )
    claim = (
        "Adding one vector to every caption changes no picture’s softmax over captions; captions’ ranking may change."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        duets = duets_shown()
        images, texts = tools.remember(("cones", state.model), lambda: made(state.model, tools))
        gap = modality_gap(images, texts)
        moved = slid(texts, state.slide * gap, state.renormalise)
        curves = tools.remember(
            ("cones", state.model, state.renormalise), lambda: over_slides(images, texts, gap, state.renormalise)
        )
        pair = state.pair % PAIRS
        right = at_first(images @ moved.T), at_first(moved @ images.T)
        return Scene(
            widgets=(
                cloud(duets, images, moved, gap, state),
                Raster(
                    title="The marked pair",
                    rgb=draw(duets[pair], 160),
                    alt=plain(duets[pair]),
                    note=f"“{plain(duets[pair])}”",
                    size="q",
                    smooth=True,
                ),
                Lines(
                    title="Found at first place",
                    xs=SLIDES,
                    lines=[
                        Line(name="picture finds caption", ys=curves[0], concept="image"),
                        Line(name="caption finds picture", ys=curves[1], concept="text"),
                    ],
                    x_name="captions moved, in gaps",
                    y_name="share",
                    at=state.slide,
                    low=0.0,
                    high=1.0,
                ),
                Lines(
                    title="The gap of untrained points that are pulled by the loss alone",
                    xs=list(range(0, STEPS + 1, STRIDE)),
                    lines=[
                        Line(name=f"τ = {tau:g}", ys=gaps, concept=concept)
                        for (tau, concept), gaps in zip(
                            KEEPERS, [[gap_of(two) for two in path] for path in descents(tools)], strict=True
                        )
                    ],
                    x_name="gradient steps",
                    y_name="gap",
                    low=0.0,
                    size="w",
                ),
            ),
            says=verdict(state, float(gap.norm()), right, (curves[0][5], curves[1][5])),
            facts=(
                ("gap", f"{float(gap.norm()):.3f}"),
                ("gap after the slide", f"{float(modality_gap(images, moved).norm()):.3f}"),
                ("alignment", f"{alignment(images, texts):.3f}"),
                ("uniformity, pictures", f"{uniformity(images):.2f}"),
                ("uniformity, captions", f"{uniformity(texts):.2f}"),
            ),
        )

    def check(self, tools: Tools) -> None:
        for name in ("untrained", "plain"):
            images, texts = (rows.double() for rows in made(name, tools))
            for vector in (modality_gap(images, texts), torch.linspace(-1, 1, images.shape[1], dtype=torch.float64)):
                before, after = 20 * images @ texts.T, 20 * images @ (texts + vector).T
                assert torch.allclose(before.softmax(dim=1), after.softmax(dim=1), atol=1e-12)
                assert not torch.allclose(before.softmax(dim=0), after.softmax(dim=0), atol=1e-6)
            gap = modality_gap(images, texts)
            assert float(modality_gap(images, texts + gap).norm()) < 1e-12, "one gap further, the means coincide"
        cold, _, warm = (path[-1] for path in descents(tools))
        assert gap_of(cold) > 0.8 and gap_of(warm) < 0.1, "a cold softmax is content while the gap is still there"
        assert at_first(cold[0] @ cold[1].T) == at_first(warm[0] @ warm[1].T) == 1.0


def untrained() -> DualEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DualEncoder(CONFIG).eval().requires_grad_(False)


def duets_shown() -> list[Duet]:
    """Held-out duets."""
    dice = keyed(10**9, 2, stream=35)
    return [sample(dice, pairs=0.8) for _ in range(PAIRS)]


def made(name: str, tools: Tools) -> tuple[Tensor, Tensor]:
    """The pictures and captions of those duets as unit vectors."""
    if name == "cold":
        images, texts = descents(tools)[0][-1]
        return images, texts
    model = tools.remember("untrained", untrained) if name == "untrained" else tools.duets(name)
    return see(model, duets_shown()), read(model, [plain(duet) for duet in duets_shown()])


def slid(texts: Tensor, vector: Tensor, renormalise: bool) -> Tensor:
    moved = texts + vector
    return F.normalize(moved, dim=1) if renormalise else moved


def at_first(scores: Tensor) -> float:
    """Share of rows whose right answer, the diagonal, comes first."""
    return float((ranks(scores, torch.arange(len(scores))) == 0).double().mean())


def over_slides(images: Tensor, texts: Tensor, gap: Tensor, renormalise: bool) -> tuple[list[float], list[float]]:
    moved = [slid(texts, slide * gap, renormalise) for slide in SLIDES]
    return [at_first(images @ one.T) for one in moved], [at_first(one @ images.T) for one in moved]


def descents(tools: Tools) -> list[list[Tensor]]:
    """Untrained embeddings that follow the gradient of InfoNCE, at each temperature; no towers, only points."""
    return tools.remember("descents", lambda: [descent(torch.stack(made("untrained", tools)), t) for t, _ in KEEPERS])


def descent(points: Tensor, tau: float) -> list[Tensor]:
    """Gradient descent with momentum on the sphere: (pictures and captions, pairs, dim) every STRIDE steps."""
    path, velocity = list[Tensor](), torch.zeros_like(points)
    for step in range(STEPS + 1):
        if step % STRIDE == 0:
            path.append(points)
        leaf = points.clone().requires_grad_()
        with torch.enable_grad():
            images, texts = F.normalize(leaf, dim=2)
            info_nce(images, texts, torch.tensor(1 / tau)).backward()
        assert leaf.grad is not None
        velocity = MOMENTUM * velocity - leaf.grad
        points = F.normalize(points + RATE * tau * velocity, dim=2)
    return path


def gap_of(two: Tensor) -> float:
    return float(modality_gap(two[0], two[1]).norm())


def cloud(duets: list[Duet], images: Tensor, texts: Tensor, gap: Tensor, state: State) -> Points:
    """Both clouds on two axes: along the gap, and the strongest direction of the pictures across it."""
    along = F.normalize(gap, dim=0)
    centred = images - images.mean(dim=0)
    across, _ = principal_components(centred - centred @ along[:, None] * along, 1)
    axes = torch.stack([along, across[0]], dim=1)  # (dim, 2)
    places = (torch.cat([images, texts]) - images.mean(dim=0) + gap / 2) @ axes
    far = float(((images - images.mean(dim=0)) @ axes).abs().max()) + 1.6 * float(gap.norm())
    names = [plain(duet) for duet in duets]
    pair = state.pair % PAIRS
    return Points(
        title="The common space, along the gap",
        places=[(x, y) for x, y in places.tolist()],
        names=[f"picture of {name}" for name in names] + [f"“{name}”" for name in names],
        concepts=["image" if i < PAIRS else "text" for i in range(2 * PAIRS)],
        links=[(pair, PAIRS + pair)],
        reach=1.05 * far,
        field="pair",
        selected=state.pair,
        note="teal: pictures; violet: captions; left to right: along the gap",
        size="t",
    )


def verdict(state: State, gap: float, now: tuple[float, float], before: tuple[float, float]) -> str:
    there, back = (100 * share for share in now)
    if state.slide == 0:
        return (
            f"The two means lie {gap:.2f} apart. Pictures find their captions in {there:.0f} % of {PAIRS} cases, "
            f"captions their pictures in {back:.0f} %."
        )
    moved = f"Moved by {state.slide:g} gaps: pictures find captions in {there:.0f} % (before {100 * before[0]:.0f} %), "
    moved += f"captions find pictures in {back:.0f} % (before {100 * before[1]:.0f} %)."
    if not state.renormalise:
        return f"{moved} The first number cannot move: each picture adds the same to all of its scores."
    return moved
