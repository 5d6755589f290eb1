"""Views are functions of their generator; each operation does what it says and nothing when it is off."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.images.augment import ViewConfig, draw_view, random_crop, tint

OFF = ViewConfig(size=16, share=(1.0, 1.0), squeeze=1.0, mirror=0, tint=0, grey=0, blur=0)


def picture(height: int = 16, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_nothing_is_done_when_everything_is_off() -> None:
    assert np.array_equal(draw_view(picture(), OFF, rng()), picture())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(4, 20), st.integers(0, 1000))
def test_any_picture_gives_a_view_and_the_same_one_again(height: int, width: int, size: int, seed: int) -> None:
    config = ViewConfig(size=size, share=(0.05, 0.4), solarise=0.5)
    view = draw_view(picture(height, width), config, rng(seed))
    assert view.shape == (size, size, 3) and view.dtype == np.uint8
    assert np.array_equal(view, draw_view(picture(height, width), config, rng(seed)))


def test_crops_have_the_share_that_was_asked_for() -> None:
    """On a picture whose pixels say where they are, the crop's extent can be read off."""
    y, x = np.mgrid[0:200, 0:200]
    where = np.stack([x, y, x], axis=2).astype(np.uint8)
    shares = []
    for seed in range(300):
        crop = random_crop(where, ViewConfig(size=200, share=(0.2, 0.5)), rng(seed)).astype(float)
        shares.append((np.ptp(crop[..., 0]) + 1) * (np.ptp(crop[..., 1]) + 1) / 200**2)
    assert min(shares) > 0.17 and max(shares) < 0.53 and 0.3 < np.mean(shares) < 0.4


def test_mirror_grey_and_solarise() -> None:
    whole = picture()
    assert np.array_equal(draw_view(whole, ViewConfig(**{**vars(OFF), "mirror": 1.0}), rng()), whole[:, ::-1])
    grey = draw_view(whole, ViewConfig(**{**vars(OFF), "grey": 1.0}), rng())
    assert (np.ptp(grey, axis=2) == 0).all()
    solar = draw_view(whole, ViewConfig(**{**vars(OFF), "solarise": 1.0}), rng())
    assert solar.max() <= 127 and np.array_equal(solar[whole < 128], whole[whole < 128])


def test_tint_leaves_grey_grey_and_a_turn_of_zero_alone() -> None:
    still = ViewConfig(size=16, brightness=0, contrast=0, saturation=0, hue=0)
    assert np.abs(tint(picture(), still, rng()).astype(int) - picture()).max() <= 1
    grey = np.repeat(picture()[:, :, :1], 3, axis=2)
    turned = tint(grey, ViewConfig(size=16, brightness=0.3, contrast=0.3, saturation=0.9, hue=0.5), rng())
    assert np.ptp(turned.astype(int), axis=2).max() <= 2
    colours = [tint(picture(), ViewConfig(size=16, hue=0.5), rng(seed)) for seed in range(3)]
    assert not np.array_equal(colours[0], colours[1])
