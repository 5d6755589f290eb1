"""A decoder that reads image tokens among its words, whatever made them.

    ids      <image> <image> <image>  what   is   this
    sequence   p0      p1      p2    e(what) ...             p = connected image tokens

Half of every vision-language model of the prefix kind; the other half, a method `image_tokens`, is the family's own.
"""

from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.fusion.splice import splice
from showtell.text.decoder import Decoder


class Reader(nn.Module):
    """Image tokens and ids to hidden states.

    decoder: the language model.
    image_token_id: placeholder id that image tokens replace.
    """

    decoder: Decoder
    image_token_id: int

    def embed(
        self, image_tokens: Float[Tensor, "images per_image dim"], ids: Int[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """The sequence the decoder reads. A placeholder's own embedding is never looked up: it may have none."""
        words = self.decoder.embed(ids.masked_fill(ids == self.image_token_id, 0))
        return splice(words, ids, image_tokens, self.image_token_id)

    def read(
        self,
        image_tokens: Float[Tensor, "images per_image dim"],
        ids: Int[Tensor, "batch tokens"],
        positions: Int[Tensor, "*axes batch tokens"],
        mask: Tensor,
        unwindowed: Tensor | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Hidden states of every token, for callers that already have the connected image tokens."""
        return self.decoder(self.embed(image_tokens, ids), positions, mask, unwindowed=unwindowed)
