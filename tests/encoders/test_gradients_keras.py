"""Gradients of Keras networks: on torch only, and never through layers that others use at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from explorer.core.errors import InvalidInput
from explorer.encoders import keras_applications
from explorer.encoders.cards import encoders, find_card
from explorer.encoders.keras_applications import APPLICATIONS, KerasApplication

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # TensorFlow's own

ON_TORCH = """
from explorer.encoders.keras_applications import _import_keras
_import_keras()
import numpy as np, keras, tensorflow, torch  # with Keras on torch, importing TensorFlow would else end the process
from explorer.attributions.method import offered
from explorer.attributions.question import make_class_question, make_question
from explorer.core.steps import run
from explorer.encoders.cards import find_card
from explorer.encoders.gradients import Tap, as_tensor
from explorer.encoders.keras_applications import KerasApplication
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings

FEW = {"guided-ig": {"steps": 3}, "blur-ig": {"steps": 4}, "rise": {"masking": MaskSettings(n_masks=20)},
       "distance-explainer": {"masking": MaskSettings(n_masks=20)}}
keras.utils.set_random_seed(0)
inputs = rows = keras.Input((32, 32, 3))
for block, channels in ((3, 4), (4, 6), (5, 8)):
    rows = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(rows)
    rows = keras.layers.Add()([rows, keras.layers.BatchNormalization()(rows)])
    rows = keras.layers.MaxPooling2D(name=f"block{block}_pool")(rows)
rows = keras.layers.Dense(5, activation="softmax", name="predictions")(keras.layers.Flatten()(rows))
network = keras.Model(inputs, rows)
last = network.get_layer("predictions")
last.set_weights([last.get_weights()[0] / 100, last.get_weights()[1]])  # the input goes to 255
as_it_wants = lambda rows: keras.applications.vgg16.preprocess_input(rows, data_format="channels_last")
encoder = KerasApplication(find_card("keras-vgg16"), network, as_it_wants, "")
KerasApplication.input_size = (32, 32)
keras.mixed_precision.set_global_policy("mixed_float16")  # none of which is ours
keras.config.set_floatx("float16")
keras.config.set_image_data_format("channels_first")
torch.set_default_dtype(torch.float64)
torch.set_default_device("meta")
assert encoder.gives() == ("gradients", "layers")
trainable = [array.requires_grad for array in network.parameters()]

pixels = np.kron(np.random.default_rng(1).uniform(0, 255, (4, 4, 3)), np.ones((8, 8, 1)))
pixels = pixels.astype(np.float32)
rows = encoder.embed_pixels(pixels[None])
looked = encoder.differentiable(pixels)
given = as_tensor(looked.module, pixels[None]).requires_grad_()
found = looked.module(given)
np.testing.assert_allclose(found.detach().cpu().numpy(), rows, atol=1e-5)
slope = torch.autograd.grad(found.square().sum(), given)[0]
assert torch.isfinite(slope).all() and slope.abs().sum() > 0

assert looked.stages == ("stages.2", "stages.1", "stages.0")
for path, shape in zip(looked.stages, ((8, 4, 4), (6, 8, 8), (4, 16, 16)), strict=True):
    with Tap(looked, path).recording(leaf=True) as tap:
        again = looked.module(given)
    assert tuple(tap.output.shape[1:]) == shape, tap.output.shape
    assert torch.autograd.grad(again.square().sum(), tap.output)[0].abs().sum() > 0
    with torch.no_grad(), Tap(looked, path).replacing(tap.output.detach()):
        torch.testing.assert_close(looked.module(given), found, atol=1e-5, rtol=1e-4)
    with torch.no_grad(), Tap(looked, path).replacing(tap.output.detach() * 0):
        assert (looked.module(given) - found).abs().max() > 1e-6
assert not any(part._forward_hooks for part in looked.module.modules())
assert encoder.differentiable(pixels).module is not looked.module
np.testing.assert_array_equal(encoder.embed_pixels(pixels[None]), rows)
assert [array.requires_grad for array in network.parameters()] == trainable and any(trainable)

scores = encoder.classifier()
exact = np.exp(scores.embed_pixels(pixels[None])[0].astype(float))
np.testing.assert_allclose(exact / exact.sum(), rows[0], atol=1e-5)
refused = set()
for case in (make_class_question(pixels.astype(np.uint8), encoder=encoder),
             make_question(pixels.astype(np.uint8), embedding=np.arange(5.0), encoder=encoder)):
    for key, kind in offered(encoder).items():
        try:
            attribution = run(kind(**FEW.get(key, {}))(case))
        except InvalidInput as error:
            refused.add((key, error.code))
            continue
        assert attribution.shape == pixels.shape[:2] and np.isfinite(attribution).all() and attribution.any(), key
assert refused == {("full-grad", "full_grad_network")}, refused
assert keras.config.dtype_policy().name == "mixed_float16" and keras.config.floatx() == "float16"
assert keras.config.image_data_format() == "channels_first" and torch.get_default_dtype() == torch.float64
print("done")
"""


def test_on_torch() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, "-c", ON_TORCH], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "done", done.stderr[-3000:]


@pytest.mark.parametrize("name", list(APPLICATIONS))
def test_stages_are_the_last_maps_of_each_size(name: str) -> None:
    keras = keras_applications._import_keras()
    network = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(32, 32, 3))
    stages = [network.get_layer(stage) for stage in APPLICATIONS[name].stages]
    assert [stage.output.shape[1] for stage in stages] == [1, 2, 4]
    assert stages[0].output is network.output


@pytest.fixture
def small() -> Any:
    """A small network with class probabilities, on the backend set here."""
    keras = keras_applications._import_keras()
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    )
    preprocess = keras.applications.vgg16.preprocess_input
    return KerasApplication(find_card("keras-vgg16"), network, preprocess, "small")


def test_other_backends_say_what_to_do(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    assert small.gives() == ()
    with pytest.raises(InvalidInput, match="KERAS_BACKEND=torch") as info:
        small.differentiable(np.zeros((8, 8, 3), np.float32))
    assert info.value.code == "no_gradients"


def test_scores_of_classes_on_every_backend(small: Any) -> None:
    pixels = np.random.default_rng(2).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    scores = small.classifier()
    expected = np.exp(scores.embed_pixels(pixels) - scores.embed_pixels(pixels).max(1, keepdims=True))
    probabilities = small.embed_pixels(pixels)
    np.testing.assert_allclose(expected / expected.sum(1, keepdims=True), probabilities, atol=1e-5)
    np.testing.assert_array_equal(small.embed_pixels(pixels), probabilities)
    changed = scores.randomised(scores.layers(), seed=1)
    assert np.abs(changed.embed_pixels(pixels)).max() > 1  # still before the softmax
    assert scores.fingerprint == "small-scores"


def test_cards_say_when_they_give_gradients() -> None:
    assert {card.key for card in encoders() if card.gives_when} == {"keras-resnet50", "keras-vgg16"}
