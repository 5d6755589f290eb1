"""What the studio accepts: every bound in one place, and the one error its HTTP layer turns into a sentence.

The page is for one reader on one machine, yet anything that reaches the server is treated as hostile: a file too large
is refused while it is still arriving, a picture is refused from its header, and what is kept in memory is bounded
twice, in number and in bytes. Decoding limits themselves live with the decoder (`showtell.images.decode`).
"""

from dataclasses import dataclass

from showtell.core.errors import ShowtellError


@dataclass(frozen=True, kw_only=True)
class StudioLimits:
    """Bounds of one studio process."""

    upload_bytes: int = 10_000_000
    """Largest file a reader may add."""
    upload_pixels: int = 40_000_000
    """Largest width x height of an added picture, read from its header before anything is decoded."""
    request_bytes: int = 64_000
    """Largest JSON body of a question."""
    question_characters: int = 500
    """Longest question or phrase."""
    kept_pictures: int = 32
    """How many added pictures stay in memory."""
    kept_bytes: int = 256_000_000
    """How many bytes of decoded pixels stay in memory; the newest picture is always kept."""
    shown_side: int = 1600
    """Longest side, in pixels, of the copy of a picture that the page draws."""
    thumbnail_side: int = 192
    """Longest side, in pixels, of the copy in the row of samples."""


class RequestError(ShowtellError):
    """A request the studio refuses; `status` is the HTTP status that goes with the sentence."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status
