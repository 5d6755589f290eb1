"""Which sample comes when, and how batches reach the model: keyed order and the loader."""

from showtell.data.loader import Batches
from showtell.data.order import Permutation, Unbounded, sample_index
from showtell.data.sample import Sample

__all__ = ["Batches", "Permutation", "Sample", "Unbounded", "sample_index"]
