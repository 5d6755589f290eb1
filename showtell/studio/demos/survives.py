"""2.1 What survives the patch embedding: cut, project to `dim` numbers, and read the picture back from its tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.images.linear_code import principal_components, read_back, signal_to_noise_db
from showtell.images.normalize import to_uint8
from showtell.images.patchify import patchify, unpatchify
from showtell.studio.series.bounds import one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.scene import Bars, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools
from showtell.vision.costs import block_cost
from showtell.vision.patch_embed import PatchEmbed

SIDE = 96


@dataclass(frozen=True)
class State:
    photo: str = one_of("cat", PHOTOS, label="Picture")
    patch: int = one_of(12, {p: f"{p} px" for p in ("4", "8", "12", "16")}, label="Patch side", typed=int)
    dim: int = one_of(
        192, {d: d for d in ("8", "16", "48", "96", "192", "384", "768")}, label="Numbers a token", typed=int
    )
    weights: str = one_of("random", {"random": "as initialised", "best": "fitted to photographs"}, label="Projection")


class Survives(Demo[State]):
    name = "survives"
    number = "2.1"
    title = "What survives the patch embedding"
    lede = (
        "Choose the side of a patch and how many numbers each patch may keep. The picture on the right is rebuilt from "
        "the tokens alone."
    )
    claim = "With a projection of full rank the picture comes back exactly if, and only if, dim ≥ 3 P²."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        image = tools.photo(state.photo, SIDE)
        rebuilt = rebuild(image, state.patch, state.dim, state.weights, tools)
        tokens, values = (SIDE // state.patch) ** 2, 3 * state.patch**2
        cost = block_cost(tokens, state.dim, 4 * state.dim)
        quality = signal_to_noise_db(image, rebuilt)
        lossless = state.dim >= values
        parts = (cost.attention, cost.projections, cost.mlp)
        return Scene(
            widgets=(
                Raster(title="The picture", rgb=to_uint8(image), grid=(SIDE // state.patch,) * 2, smooth=True),
                Raster(title="Read back from its tokens", rgb=to_uint8(rebuilt.clamp(0, 1)), smooth=True),
                Bars(
                    title="Cost of one block, in million operations",
                    names=("attention, 4N²d", "projections, 8Nd²", "MLP, 16Nd²"),
                    values=[part / 1e6 for part in parts],
                    concepts=("query", "key", "image"),
                ),
            ),
            says=(
                f"Each patch is 3 × {state.patch}² = {values} numbers and becomes {state.dim}. "
                + (
                    "Nothing is lost: the tokens are the picture, written differently."
                    if lossless
                    else f"A {values - state.dim}-dimensional part of every patch is gone ({quality:.1f} dB remain)."
                )
            ),
            facts=(
                ("tokens", f"{tokens}"),
                ("numbers kept", f"{tokens * state.dim:,} of {tokens * values:,}"),
                ("largest error", f"{float((image - rebuilt).abs().max()):.2g}"),
                ("a block", f"{cost.total / 1e6:,.1f} MFLOP"),
            ),
        )

    def check(self, tools: Tools) -> None:
        image = tools.photo("cat", SIDE)
        for weights in ("random", "best"):
            for patch, dim in ((4, 48), (4, 96), (8, 192), (12, 768)):
                error = float((image - rebuild(image, patch, dim, weights, tools)).abs().max())
                assert error < 2e-4, f"lossless at dim {dim} >= {3 * patch**2}, yet an error of {error}"
            for patch, dim in ((8, 96), (12, 192)):
                assert signal_to_noise_db(image, rebuild(image, patch, dim, weights, tools)) < 60
        attention = [block_cost((SIDE // patch) ** 2, 192, 768).attention for patch in (8, 16)]
        assert attention[0] == 16 * attention[1], "half the patch side, sixteen times the attention"


def rebuild(image: Tensor, patch: int, dim: int, weights: str, tools: Tools) -> Tensor:
    """Embed, then read back."""
    if weights == "random":
        embed = tools.remember(("embed", patch, dim), lambda: initialised(patch, dim))
        weight = embed.projection.weight.permute(0, 2, 3, 1).flatten(1)  # (dim, 3 P^2), in the order of patchify
        with torch.no_grad():
            tokens = embed(image[None])[0].flatten(1).T  # (patches, dim)
        bias = embed.projection.bias
        assert bias is not None
    else:
        weight, bias = tools.remember(("best", patch, dim), lambda: fitted(patch, dim, tools))
        tokens = patchify(image, patch) @ weight.T + bias
    with torch.no_grad():
        return unpatchify(read_back(tokens, weight, bias), patch, SIDE // patch)


def fitted(patch: int, dim: int, tools: Tools) -> tuple[Tensor, Tensor]:
    """The best linear code for patches of all photographs, cut at every fourth pixel."""
    photos = torch.stack([tools.photo(name, SIDE) for name in PHOTOS])
    cut = photos.unfold(2, patch, 4).unfold(3, patch, 4)  # (photos, 3, rows, columns, P, P)
    return principal_components(cut.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(0, 2), dim)


def initialised(patch: int, dim: int) -> PatchEmbed:
    """A patch embedding as training would find it on the first step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(patch * 1000 + dim)
        return PatchEmbed(patch, dim)
