"""Part 1, vision foundations: from the bytes of a file to the numbers a model reads, and the way back.

decode -> Picture -> resize, normalize (`Processor`) -> patchify; `ViewTransform` carries boxes and points along.
"""

from showtell.images.decode import Limits, Picture, decode
from showtell.images.processor import Processed, Processor, ProcessorConfig
from showtell.images.view import ViewTransform

__all__ = ["Limits", "Picture", "Processed", "Processor", "ProcessorConfig", "ViewTransform", "decode"]
