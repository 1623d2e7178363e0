"""What a hidden pixel becomes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import explorer
from explorer import InvalidInput, MaskSettings
from explorer.core.fills import BLUR_SHARE, FILLS, apply_masks, make_background, pixel_fill
from explorer.core.masks import sample_masks

REAL = [key for key, fill in FILLS.items() if key != "auto" and not fill.drops]


def a_view(size: tuple[int, int] = (24, 40), seed: int = 0) -> np.ndarray:
    """Pixels as an encoder sees them: float32, 0 to 255."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.float32)


def background(fill: str, pixels: np.ndarray, encoder: explorer.Encoder, seed: int = 0) -> np.ndarray:
    return np.broadcast_to(make_background(fill, pixels, encoder, seed), pixels.shape)


def test_zero_is_zero_for_the_network(picture_encoder: explorer.Encoder) -> None:
    found = background("zero", a_view(), picture_encoder)
    assert (found == picture_encoder.zero_colour).all()
    assert found.any()


def test_black_mean_and_blur(picture_encoder: explorer.Encoder) -> None:
    pixels = a_view()
    assert not background("black", pixels, picture_encoder).any()
    np.testing.assert_allclose(
        background("mean", pixels, picture_encoder), np.broadcast_to(pixels.mean(axis=(0, 1)), pixels.shape), rtol=1e-5
    )
    sigma = BLUR_SHARE * 40
    expected = gaussian_filter(pixels.astype(float), (sigma, sigma, 0), mode="nearest", radius=(8, 8, 0))
    np.testing.assert_allclose(background("blur", pixels, picture_encoder), expected, atol=1e-3)


def test_noise_looks_like_the_picture_but_is_not(picture_encoder: explorer.Encoder) -> None:
    pixels = (a_view((64, 64)) * (0.2, 0.5, 0.9)).astype(np.float32) + 5
    found = background("noise", pixels, picture_encoder, seed=3)
    assert found.dtype == np.float32
    assert found.shape == pixels.shape
    np.testing.assert_allclose(found.mean(axis=(0, 1)), pixels.mean(axis=(0, 1)), rtol=0.05)
    np.testing.assert_allclose(found.std(axis=(0, 1)), pixels.std(axis=(0, 1)), rtol=0.1)
    assert found.min() >= pixels.min()
    assert found.max() <= pixels.max()
    assert abs(np.corrcoef(found.ravel(), pixels.ravel())[0, 1] - self_correlation(pixels)) < 0.05
    np.testing.assert_array_equal(found, background("noise", pixels, picture_encoder, seed=3))
    assert (found != background("noise", pixels, picture_encoder, seed=4)).mean() > 0.9


def self_correlation(pixels: np.ndarray) -> float:
    """What the channels' means alone explain: the correlation of shuffled pixels with the pixels."""
    shuffled = np.random.default_rng(0).permutation(pixels.reshape(-1, 3)).reshape(pixels.shape)
    return float(np.corrcoef(shuffled.ravel(), pixels.ravel())[0, 1])


@pytest.mark.parametrize("fill", REAL)
def test_a_mask_goes_from_fill_to_picture(fill: str, picture_encoder: explorer.Encoder) -> None:
    pixels = a_view()
    found = background(fill, pixels, picture_encoder)
    masks = np.stack([np.zeros((24, 40)), np.ones((24, 40)), np.full((24, 40), 0.25)]).astype(np.float32)
    copies = apply_masks(pixels, make_background(fill, pixels, picture_encoder, 0), masks)
    assert copies.dtype == pixels.dtype
    assert copies.shape == (3, 24, 40, 3)
    np.testing.assert_allclose(copies[0], found, atol=1e-4)
    np.testing.assert_allclose(copies[1], pixels, atol=1e-4)
    np.testing.assert_allclose(copies[2], 0.25 * pixels + 0.75 * found, atol=1e-3)


@pytest.mark.parametrize("fill", REAL)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_copies_keep_dtype_and_range(fill: str, dtype: type, encoder: explorer.Encoder) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (24, 40, 4)).astype(dtype)
    masks = sample_masks(MaskSettings(n_masks=20), (24, 40)).render(0, 20)
    before = pixels.copy()
    copies = apply_masks(pixels, make_background(fill, pixels, encoder, 0), masks)
    assert copies.dtype == dtype
    assert copies.shape == (20, 24, 40, 4)
    assert copies.min() >= -1e-3
    assert copies.max() <= 255 + 1e-3
    np.testing.assert_array_equal(pixels, before)


def test_auto_is_what_the_card_says() -> None:
    pixels = a_view()
    for key, expected in (("efficientnet-lite0", "zero"), ("conse-lite0", "black")):
        encoder = explorer.load_encoder(key)
        np.testing.assert_array_equal(
            make_background("auto", pixels, encoder, 0), make_background(expected, pixels, encoder, 0)
        )
        assert make_background("auto", pixels, encoder, 0).any() == (expected == "zero")


@pytest.mark.parametrize("fill", ["auto", *REAL])
def test_a_function_sees_zero_as_zero(fill: str, picture: np.ndarray, encoder: explorer.Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=10, fill=fill))
    assert bool(probe.background.any()) is (fill not in ("auto", "zero", "black"))


def test_what_leaves_patches_out_fills_no_pixels(picture_encoder: explorer.Encoder) -> None:
    with pytest.raises(InvalidInput, match="nothing of single pixels; choose one of: auto, zero, black, mean, blur"):
        make_background("drop", a_view(), picture_encoder, 0)
    assert pixel_fill("drop", picture_encoder) == pixel_fill("auto", picture_encoder) == "zero"
    assert pixel_fill("blur", picture_encoder) == "blur"


def test_unknown_fill_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"Unknown fill; choose one of: auto, zero, .*did you mean 'blur'"):
        MaskSettings(fill="blurr")
