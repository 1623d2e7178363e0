"""What an encoder sees, in words: the classes' names are ours, and an embedding alone is enough."""

from __future__ import annotations

import numpy as np
import pytest

import explorer
from explorer.encoders.cards import CARDS
from explorer.encoders.labels import class_labels, imagenet_classes, nearest_labels, softmax
from explorer.pictures.examples import asset_path

HERE = [key for key, card in CARDS.items() if card.here]


def test_the_class_names_are_those_that_conse_was_made_with() -> None:
    from open_clip import IMAGENET_CLASSNAMES

    assert list(imagenet_classes()) == list(IMAGENET_CLASSNAMES)


@pytest.mark.parametrize("key", HERE)
def test_an_encoder_with_labels_names_what_is_in_the_picture(key: str) -> None:
    encoder = explorer.load_encoder(key)
    pictures = [encoder.read(asset_path(name)).pixels for name in ("espresso.jpg", "lion.jpg")]
    rows = np.concatenate([encoder.embed_pixels(pixels[None]) for pixels in pictures])
    labels = encoder.describe(rows, 2)
    if labels is None:
        pytest.skip(f"{key} has no words for its embeddings")
    (espresso, second), (lion, _) = labels.named()
    assert (espresso[0], lion[0]) == ("espresso", "lion")
    assert 1 >= espresso[1] >= second[1] >= 0
    np.testing.assert_array_equal(encoder.describe(rows[1:], 2).ids, labels.ids[1:])


def test_features_are_told_by_the_classifier_that_reads_them() -> None:
    features, classes = map(explorer.load_encoder, ("efficientnet-lite0-features", "efficientnet-lite0"))
    pixels = features.read(asset_path("cat.jpg")).pixels[None]
    ours, theirs = (encoder.describe(encoder.embed_pixels(pixels), 5) for encoder in (features, classes))
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-3)


def test_an_encoder_of_ones_own_has_none() -> None:
    encoder = explorer.from_function(lambda batch: batch.reshape(len(batch), -1)[:, :1000])
    assert encoder.describe(np.ones((2, 1000))) is None


def test_the_likeliest_come_first() -> None:
    random = np.random.default_rng(1)
    probabilities = softmax(random.normal(size=(5, 1000)) * 9)
    labels = class_labels(probabilities, 4)
    assert labels is not None
    np.testing.assert_array_equal(labels.ids, np.argsort(-probabilities, axis=1)[:, :4])
    np.testing.assert_allclose(labels.scores, np.sort(probabilities, axis=1)[:, :-5:-1], rtol=1e-6)
    assert class_labels(np.ones((1, 1001)), 3) is None  # other classes than we have names of


def test_the_nearest_names_do_not_depend_on_lengths() -> None:
    random = np.random.default_rng(2)
    named, rows = random.normal(size=(6, 9)), random.normal(size=(4, 9))
    labels = nearest_labels(rows * [[1], [10], [0.1], [0]], named, "abcdef", 3)
    cosines = (rows @ named.T) / np.linalg.norm(rows, axis=1)[:, None] / np.linalg.norm(named, axis=1)
    np.testing.assert_array_equal(labels.ids[:3], np.argsort(-cosines, axis=1)[:3, :3])
    assert (labels.scores[3] == 0).all()  # without length it is like nothing
    assert (labels.scores >= 0).all()
