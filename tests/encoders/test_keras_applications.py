"""Keras encoders, with random weights made here; nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import inspect
import os
import pickle
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.core.embedder import Box
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.encoders import keras_applications
from explorer.encoders.cards import find_card, load_encoder
from explorer.encoders.keras_applications import APPLICATIONS, KerasApplication
from explorer.encoders.layers import HOW

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # TensorFlow's own

CARD = find_card("keras-resnet50")
OFFLINE = (
    "ResNet50 (Keras) is not on this computer and there is no network; "
    "run `explorer models fetch keras-resnet50` where there is one."
)
PIXELS = np.random.default_rng(3).integers(0, 256, (3, 224, 224, 3)).astype(np.float32)

OTHER_BACKEND = """
import sys, numpy, keras
from explorer.encoders.cards import load_encoder
encoder = load_encoder("keras-resnet50", weights=sys.argv[1])
numpy.save(sys.argv[3], encoder.embed_pixels(numpy.load(sys.argv[2])))
print(keras.config.backend(), encoder.fingerprint)
"""


@pytest.fixture(scope="module")
def keras() -> Any:
    """Keras, on whichever backend it is set to here."""
    return keras_applications._import_keras()


@pytest.fixture(scope="module")
def network(keras: Any) -> Any:
    """The library's ResNet50 with random weights, pushed away from nearly equal probabilities."""
    keras.utils.set_random_seed(0)
    network = keras.applications.ResNet50(weights=None)
    last = network.get_layer("predictions")
    last.set_weights([last.get_weights()[0] * 100, last.get_weights()[1]])
    return network


@pytest.fixture(scope="module")
def weights(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its weights as a file."""
    path = tmp_path_factory.mktemp("keras") / "resnet50.weights.h5"
    network.save_weights(path)
    return path


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a download that is refused at once."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    change_application(monkeypatch, url="http://127.0.0.1:1/resnet50.h5")


def change_application(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    monkeypatch.setitem(APPLICATIONS, "ResNet50", replace(APPLICATIONS["ResNet50"], **changes))


# Embedding


def test_embeds_as_the_library_does(keras: Any, network: Any, weights: Path) -> None:
    encoder = load_encoder("keras-resnet50", weights=weights)
    before = PIXELS.copy()
    answer = encoder.embed_pixels(PIXELS)
    inputs = keras.applications.resnet50.preprocess_input(PIXELS.copy())
    expected = keras.ops.convert_to_numpy(network(inputs, training=False))
    assert answer.dtype == np.float32
    assert answer.shape == (3, 1000)
    assert expected.max() > 0.01  # so that the comparison means something
    np.testing.assert_allclose(answer, expected, atol=1e-4)  # processors differ: 1e-5 was seen
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(PIXELS, before)


def test_sees_the_whole_picture(weights: Path) -> None:
    encoder = load_encoder("keras-resnet50", weights=weights)
    pixels, box = encoder.view(np.zeros((40, 60, 3), np.uint8))
    assert pixels.shape == (224, 224, 3)
    assert box == Box()
    assert encoder.embed_images(np.zeros((2, 40, 60, 3), np.uint8)).shape == (2, 1000)


def test_cannot_read_captions(weights: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read captions"):
        load_encoder("keras-resnet50", weights=weights).embed_texts(["a bee"])


@pytest.mark.parametrize("name", list(APPLICATIONS))
def test_zero_colour_is_zero_for_the_network(keras: Any, name: str) -> None:
    preprocess = getattr(keras.applications, APPLICATIONS[name].module).preprocess_input
    encoder = KerasApplication(CARD, None, preprocess, "")
    np.testing.assert_allclose(encoder.zero_colour, [123.68, 116.779, 103.939], rtol=1e-6)
    constant = np.broadcast_to(encoder.zero_colour, (2, 8, 8, 3)).copy()
    np.testing.assert_array_equal(preprocess(constant), np.zeros((2, 8, 8, 3), np.float32))


def test_many_threads_get_the_same_answers(weights: Path) -> None:
    encoder = load_encoder("keras-resnet50", weights=weights)
    together = encoder.embed_pixels(PIXELS)
    with ThreadPoolExecutor(3) as pool:
        apart = [pool.submit(encoder.embed_pixels, row[None], place=i) for i, row in enumerate(PIXELS)]
    np.testing.assert_array_equal(np.concatenate([rows.result() for rows in apart]), together)


def test_the_other_backend_agrees(keras: Any, weights: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", PIXELS)
    other = "torch" if keras.config.backend() == "tensorflow" else "tensorflow"
    files = [str(weights), str(tmp_path / "pixels.npy"), str(tmp_path / "rows.npy")]
    environment = {**os.environ, "KERAS_BACKEND": other}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND, *files], env=environment, capture_output=True, text=True, check=True
    )
    encoder = load_encoder("keras-resnet50", weights=weights)
    assert done.stdout.split()[0] == other
    assert encoder.fingerprint.replace(keras.config.backend(), other) in done.stdout
    np.testing.assert_allclose(np.load(tmp_path / "rows.npy"), encoder.embed_pixels(PIXELS), atol=1e-4)


# Weights files


def test_fingerprint_names_weights_and_run_time(keras: Any, weights: Path) -> None:
    fingerprint = load_encoder("keras-resnet50", weights=weights).fingerprint
    assert hashlib.sha256(weights.read_bytes()).hexdigest()[:12] in fingerprint
    assert f"keras {keras.__version__} {keras.config.backend()}" in fingerprint


def spoil(kind: str, keras: Any, weights: Path, path: Path) -> None:
    """Write something to ``path`` that is not ResNet50's weights."""
    if kind == "text":
        path.write_text("hello")
    elif kind == "empty file":
        path.touch()
    elif kind == "cut short":
        path.write_bytes(weights.read_bytes()[:100_000])
    elif kind == "other network":
        other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        other.save_weights(path) if path.name.endswith(".weights.h5") else other.save(path)
    elif kind == "a part only":
        import h5py

        shutil.copy(weights, path)
        with h5py.File(path, "a") as file:
            del file["layers/conv2d_9"]


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
@pytest.mark.parametrize("kind", ["text", "empty file", "cut short", "other network", "a part only"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_files_that_are_no_weights(keras: Any, weights: Path, tmp_path: Path, kind: str, name: str) -> None:
    spoil(kind, keras, weights, tmp_path / name)
    with pytest.raises(InvalidInput, match=r"does not hold the weights of ResNet50|reads its weights from") as info:
        load_encoder("keras-resnet50", weights=tmp_path / name)
    assert info.value.code == "weights_file"
    assert str(tmp_path) not in str(info.value)


@pytest.mark.parametrize("name", ["model.keras", "w.pt", "w.safetensors", "w"])
def test_other_kinds_of_files_are_refused(weights: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(weights, tmp_path / name)
    with pytest.raises(InvalidInput, match=r"from \.weights\.h5 or \.h5 files only"):
        load_encoder("keras-resnet50", weights=tmp_path / name)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_pickles_are_not_run(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "hole")))
    with pytest.raises(InvalidInput, match="reads its weights from"):
        load_encoder("keras-resnet50", weights=tmp_path / name)
    assert not (tmp_path / "hole").exists()


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_code_inside_a_model_is_not_run(keras: Any, tmp_path: Path) -> None:
    """Of a whole model, which may bring code along, nothing but the arrays is looked at."""
    hole = tmp_path / "hole"
    lure = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x, path=str(hole): (os.mkdir(path), x)[1])])
    hole.rmdir()  # it was dug when the model was made
    lure.save(tmp_path / "w.h5")
    assert b"Lambda" in (tmp_path / "w.h5").read_bytes()
    with pytest.raises(InvalidInput, match="does not hold the weights of ResNet50"):
        load_encoder("keras-resnet50", weights=tmp_path / "w.h5")
    lure.save(tmp_path / "w.keras")
    with pytest.raises(InvalidInput, match="files only"):
        load_encoder("keras-resnet50", weights=tmp_path / "w.keras")
    assert not hole.exists()


# Getting them


@pytest.mark.parametrize("name", list(APPLICATIONS))
def test_table_agrees_with_the_installed_keras(keras: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from keras.src.applications import resnet, vgg16

    known = APPLICATIONS[name]
    if name == "ResNet50":
        assert known.url == f"{resnet.BASE_WEIGHTS_PATH}{known.file}"
        assert known.md5 == resnet.WEIGHTS_HASHES["resnet50"][0]
    else:
        assert known.url == vgg16.WEIGHTS_PATH
        assert f'file_hash="{known.md5}"' in inspect.getsource(vgg16)


def test_offline_says_which_command_to_run() -> None:
    assert find_card("keras-resnet50").missing == "weights not downloaded"
    with pytest.raises(WeightsMissing) as info:
        load_encoder("keras-resnet50")
    assert str(info.value) == OFFLINE
    assert info.value.code == "weights_offline"


def test_offline_is_told_before_keras_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes seconds, and brings remarks of TensorFlow's that nothing keeps from the terminal."""
    monkeypatch.setattr(keras_applications, "_import_keras", lambda: pytest.fail("Keras was imported"))
    with pytest.raises(WeightsMissing, match="there is no network"):
        keras_applications.load(CARD, precision="float32", weights=None)


def test_a_silent_network_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keras_applications.TIMEOUT <= 10
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections and never answers
        change_application(monkeypatch, url=f"http://127.0.0.1:{server.getsockname()[1]}/resnet50.h5")
        monkeypatch.setattr(keras_applications, "TIMEOUT", 0.1)
        with pytest.raises(WeightsMissing) as info:
            load_encoder("keras-resnet50")
    assert str(info.value) == OFFLINE


@pytest.fixture
def cached(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights in Keras' cache, in the older format of the files that Keras downloads."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    path = tmp_path / "models" / "resnet50.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    change_application(monkeypatch, md5=hashlib.md5(path.read_bytes()).hexdigest())
    return path


def test_cached_weights_need_no_network(network: Any, cached: Path) -> None:
    assert keras_applications.missing(CARD) == ""
    encoder = keras_applications.load(CARD, precision="float32", weights=None)
    for found, wanted in zip(encoder._network.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_damaged_weights_in_the_cache_are_fetched_again(cached: Path) -> None:
    cached.write_bytes(cached.read_bytes()[:5000])
    with pytest.raises(WeightsMissing) as info:
        keras_applications.load(CARD, precision="float32", weights=None)
    assert str(info.value) == OFFLINE


def test_fetches_what_is_not_there(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras is left to download, from a file: URL, and to check the hash."""
    served = tmp_path / "elsewhere" / "resnet50.h5"
    served.parent.mkdir()
    cached.rename(served)
    change_application(monkeypatch, url=served.as_uri())
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))  # read from KERAS_HOME at import
    assert keras_applications._download(CARD, APPLICATIONS["ResNet50"]) == cached
    assert keras_applications._cached_intact(APPLICATIONS["ResNet50"]) == cached


class Answering(http.server.BaseHTTPRequestHandler):
    """Knows the file when asked for its head, and then breaks off."""

    head = 200

    def do_HEAD(self) -> None:
        self.send_response(self.head)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(("head", "why"), [(200, "the download broke off"), (403, "weights answered 403")])
def test_a_server_that_will_not_give_them(head: int, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(Answering, "head", head)
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        change_application(monkeypatch, url=f"http://127.0.0.1:{server.server_port}/resnet50.h5")
        try:
            with pytest.raises(WeightsMissing, match=why) as info:
                keras_applications.load(CARD, precision="float32", weights=None)
        finally:
            server.shutdown()
            thread.join()
    assert "`explorer models fetch keras-resnet50` tries again" in str(info.value)


# Keras itself


def test_keras_is_told_to_be_modest_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    keras_applications._import_keras()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_no_backend(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(weights, tmp_path / "w.weights.h5")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(WeightsMissing, match="no backend here; pip install tensorflow"):
        load_encoder("keras-resnet50", weights=tmp_path / "w.weights.h5")


def embedded(encoder: KerasApplication) -> list[np.ndarray]:
    """What an encoder says, also with other weights and before its softmax."""
    changed = encoder.randomised(("conv1_conv", "predictions"), "reinitialise", seed=1)
    return [one.embed_pixels(PIXELS) for one in (encoder, changed, encoder.classifier())]


def test_the_users_settings_change_no_embedding(keras: Any, weights: Path) -> None:
    """A policy of half precision, floats of 16 bits, channels first; all of it is still there afterwards."""
    before = keras_applications.load(CARD, precision="float32", weights=weights)
    expected = embedded(before)
    settings = keras.config
    policy = settings.dtype_policy()
    try:
        keras.mixed_precision.set_global_policy("mixed_float16")
        settings.set_floatx("float16")
        settings.set_image_data_format("channels_first")
        drawn = random.getstate()
        encoder = keras_applications.load(CARD, precision="float32", weights=weights)
        for found in (embedded(encoder), embedded(before)):
            np.testing.assert_array_equal(found, expected)
        assert random.getstate() == drawn
        assert (settings.floatx(), settings.image_data_format()) == ("float16", "channels_first")
        assert settings.dtype_policy().name == "mixed_float16"
        assert keras.layers.Dense(1).compute_dtype == "float16"
    finally:
        settings.set_floatx("float32")
        settings.set_image_data_format("channels_last")
        keras.mixed_precision.set_global_policy(policy)
    assert encoder.fingerprint == before.fingerprint


def test_clearing_keras_forgets_no_encoder(keras: Any, weights: Path) -> None:
    encoder = keras_applications.load(CARD, precision="float32", weights=weights)
    before = encoder.embed_pixels(PIXELS)
    keras.backend.clear_session()
    np.testing.assert_array_equal(encoder.embed_pixels(PIXELS), before)


def test_without_eager_execution(keras: Any, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    monkeypatch.setattr(tensorflow, "executing_eagerly", lambda: False)
    with pytest.raises(InvalidInput, match="disable_eager_execution"):
        keras_applications.load(CARD, precision="float32", weights=weights)


ALL_TOGETHER = """
import sys, numpy
{imports}
from explorer.encoders.cards import load_encoder
pixels = numpy.load(sys.argv[2])
for key, weights in {wanted}:
    rows = load_encoder(key, weights=weights).embed_pixels(pixels)
    print(key, rows.shape)
numpy.save(sys.argv[3], rows)
import keras, openvino, open_clip, tensorflow, timm, torch, torchvision
"""
KERAS_HERE, LITE_HERE = '("keras-resnet50", sys.argv[1])', '("efficientnet-lite0", None)'
ODD = "t.experimental.numpy.experimental_enable_numpy_behavior(); t.config.run_functions_eagerly(True)"


@pytest.mark.parametrize(
    ("imports", "wanted"),
    [
        (f"import tensorflow as t; {ODD}", [LITE_HERE, KERAS_HERE]),
        ("import keras, openvino, torch", [KERAS_HERE]),
        ("import open_clip, timm, openvino, keras", [KERAS_HERE]),
    ],
)
def test_frameworks_are_imported_in_any_order(imports: str, wanted: list[str], weights: Path, tmp_path: Path) -> None:
    """torch's compiler loaded after TensorFlow, as torchvision, timm and open_clip do, used to end the process."""
    for framework in ("tensorflow", "timm", "open_clip", "openvino"):
        if importlib.util.find_spec(framework) is None:
            pytest.skip(f"no {framework}")
    np.save(tmp_path / "pixels.npy", PIXELS)
    code = ALL_TOGETHER.format(imports=imports, wanted=f"[{', '.join(wanted)}]")
    files = [str(weights), str(tmp_path / "pixels.npy"), str(tmp_path / "rows.npy")]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "EXPLORER_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code, *files], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-800:]
    encoder = load_encoder("keras-resnet50", weights=weights)
    np.testing.assert_allclose(np.load(tmp_path / "rows.npy"), encoder.embed_pixels(PIXELS), atol=1e-4)


def test_looking_for_weights_imports_no_keras() -> None:
    code = (
        "import sys, explorer\n[card.missing for card in explorer.encoders()]\n"
        "assert not {'keras', 'tensorflow', 'torch', 'open_clip'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Layers


def test_layers_and_blocks(keras: Any, network: Any, weights: Path) -> None:
    encoder = load_encoder("keras-resnet50", weights=weights)
    blocks = encoder.blocks()
    assert len(encoder.layers()) == 107
    assert len(blocks) == 18
    assert list(blocks)[:2] == ["conv1", "conv2_block1"]
    assert list(blocks)[-2:] == ["conv5_block3", "predictions"]
    assert [layer for inner in blocks.values() for layer in inner] == list(encoder.layers())
    assert set(encoder.weights("conv1_bn")) == {"gamma", "beta", "moving_mean", "moving_variance"}
    np.testing.assert_array_equal(
        encoder.weights("conv1_conv")["bias"], network.get_layer("conv1_conv").get_weights()[1]
    )


def test_each_layer_of_vgg16_is_a_block_as_in_the_paper() -> None:
    names = [f"block{i}_conv{j}" for i in range(1, 6) for j in range(1, 3 + (i > 2))] + ["fc1", "fc2", "predictions"]
    assert len(names) == 16
    assert [KerasApplication._block(None, name) for name in names] == names  # type: ignore[arg-type]


@pytest.mark.parametrize("how", HOW)
def test_randomised_layers(weights: Path, how: str) -> None:
    encoder = load_encoder("keras-resnet50", weights=weights)
    names = ("conv1_conv", "conv1_bn", "conv2_block1_1_conv", "predictions")
    rows = encoder.embed_pixels(PIXELS)
    changed = encoder.randomised(names, how, seed=2)
    assert np.abs(changed.embed_pixels(PIXELS) - rows).max() > 0.01
    np.testing.assert_array_equal(encoder.embed_pixels(PIXELS), rows)
    alone = encoder.randomised(names[:1], how, seed=2)
    for name in encoder.layers():
        old, new = encoder.weights(name), changed.weights(name)
        if name not in names:
            assert all((old[key] == new[key]).all() for key in old)
    kernel, other, same = (e.weights("conv1_conv")["kernel"] for e in (encoder, changed, alone))
    np.testing.assert_array_equal(other, same)  # whatever else is randomised
    assert (other != kernel).any()
    if how != "reinitialise":
        np.testing.assert_array_equal(np.sort(other, axis=None), np.sort(kernel, axis=None))
    rows_kept = (encoder.weights(names[2])["kernel"] == changed.weights(names[2])["kernel"]).all()
    assert rows_kept == (how == "shuffle_rows")  # a 1 x 1 kernel has one row only


def test_reinitialised_is_what_keras_starts_with(keras: Any, weights: Path) -> None:
    encoder = load_encoder("keras-resnet50", weights=weights)
    one, other = (encoder.randomised(("conv5_block1_0_conv", "conv1_bn"), "reinitialise", seed=s) for s in (1, 2))
    kernel = one.weights("conv5_block1_0_conv")["kernel"]
    limit = np.sqrt(6 / (1024 + 2048))  # Glorot's uniform law
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)
    assert (kernel != other.weights("conv5_block1_0_conv")["kernel"]).mean() > 0.99
    again = one.randomised(("conv5_block1_0_conv",), "reinitialise", seed=1)
    np.testing.assert_array_equal(again.weights("conv5_block1_0_conv")["kernel"], kernel)
    assert (one.weights("conv1_bn")["moving_variance"] == 1).all()
    assert (one.weights("conv1_bn")["beta"] == 0).all()


def test_the_other_backend_randomises_alike(keras: Any, weights: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", PIXELS)
    other = "torch" if keras.config.backend() == "tensorflow" else "tensorflow"
    files = [str(weights), str(tmp_path / "pixels.npy"), str(tmp_path / "rows.npy")]
    code = OTHER_BACKEND.replace(
        "numpy.save", "encoder = encoder.randomised(('conv1', 'predictions'), seed=3)\nnumpy.save"
    )
    environment = {**os.environ, "KERAS_BACKEND": other}
    subprocess.run([sys.executable, "-c", code, *files], env=environment, capture_output=True, text=True, check=True)
    changed = load_encoder("keras-resnet50", weights=weights).randomised(("conv1", "predictions"), seed=3)
    np.testing.assert_allclose(np.load(tmp_path / "rows.npy"), changed.embed_pixels(PIXELS), atol=1e-4)
