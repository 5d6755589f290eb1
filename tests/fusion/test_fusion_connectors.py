"""Bridges: shapes, and that folding neighbours loses nothing."""

import pytest
import torch

from showtell.fusion.connectors import ConnectorConfig, PixelShuffle, make_connector


def test_shuffle_folds_neighbours() -> None:
    grid = torch.arange(16.0).view(1, 16, 1)
    folded = PixelShuffle(2)(grid)
    assert folded[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_shuffle_refuses_what_it_cannot_fold() -> None:
    for tokens in (12, 9):
        with pytest.raises(ValueError, match=f"{tokens} tokens are no square"):
            PixelShuffle(2)(torch.zeros(1, tokens, 3))


def test_shuffled_bridge_has_the_shape_it_says() -> None:
    bridge = make_connector(ConnectorConfig(kind="linear", bias=False, shuffle=3), 5, 7)
    assert bridge(torch.zeros(2, 36, 5)).shape == (2, 4, 7)
    assert set(bridge.state_dict()) == {"bridge.weight"}
