"""Encoders, and results that hold them, as they are copied and pickled."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer import InvalidInput, MaskSettings
from explorer.encoders.cards import load_encoder
from explorer.encoders.torch_layers import from_torch

MASKING = MaskSettings(n_masks=20, feature_res=4)


def means(batch: np.ndarray) -> np.ndarray:
    return batch.mean(axis=(1, 2), dtype=np.float64)


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (24, 40, 3)).astype(np.uint8)


def there_and_back(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - made here


def explained(encoder: Any, **settings: Any) -> Any:
    image = picture()
    return explorer.explain(image, reference=image[::-1].copy(), encoder=encoder, **settings)


def check(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one.attribution, other.attribution)
    assert one.unmasked_distance == other.unmasked_distance


@pytest.mark.parametrize("again", [there_and_back, copy.deepcopy, copy.copy])
def test_results_of_a_function(again: Any) -> None:
    done = explained(explorer.from_function(means), masking=MASKING)
    other = again(done)
    check(other, done)
    longer, expected = (explorer.extend(e.probe, n_masks=30) for e in (other, done))
    np.testing.assert_array_equal(longer.embeddings, expected.embeddings)
    check(explorer.rank(again(done.probe), embedding=np.ones(3)), explorer.rank(done.probe, embedding=np.ones(3)))


def test_results_cross_to_joblibs_processes() -> None:
    joblib = pytest.importorskip("joblib")
    probe = explained(explorer.from_function(means), masking=MASKING).probe
    (longer,) = joblib.Parallel(n_jobs=2)([joblib.delayed(explorer.extend)(probe, n_masks=30)])
    np.testing.assert_array_equal(longer.embeddings, explorer.extend(probe, n_masks=30).embeddings)


def test_an_encoder_of_a_card_is_loaded_again() -> None:
    lite = load_encoder("efficientnet-lite0")
    done = explained(lite, masking=MASKING)
    stored = pickle.dumps(done)
    assert len(stored) < 2_000_000  # by its key, without its weights
    again = pickle.loads(stored)  # noqa: S301 - made here
    assert again.probe.encoder is lite
    check(again, done)


def test_another_encoder_than_that_which_was_pickled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lite = load_encoder("efficientnet-lite0")
    stored = pickle.dumps(lite)
    monkeypatch.setattr(lite, "fingerprint", "efficientnet-lite0:of another version")
    with pytest.raises(InvalidInput, match="Install the same versions, or share results by save") as caught:
        pickle.loads(stored)  # noqa: S301 - made here
    assert caught.value.code == "another_encoder"


def test_torch_networks_and_their_results() -> None:
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(12, 4)).eval()
    encoder = from_torch(network)
    pixels = picture().astype(np.float32)
    asked = {"embedding": np.ones(4), "encoder": encoder}
    for settings in ({"masking": MASKING}, {"method": "integrated-gradients"}):
        done = explorer.explain(pixels, **asked, **settings)
        check(there_and_back(done), done)
        check(copy.deepcopy(done), done)
    again = there_and_back(encoder)
    assert again.fingerprint == encoder.fingerprint
    shuffled = there_and_back(encoder.randomised(("2",)))
    np.testing.assert_array_equal(
        shuffled.embed_images(pixels[None]), encoder.randomised(("2",)).embed_images(pixels[None])
    )


@pytest.mark.parametrize("kind", ["lambda", "randomised"])
def test_what_cannot_be_pickled_says_what_would_help(kind: str) -> None:
    if kind == "lambda":
        encoder = explorer.from_function(lambda batch: means(batch))
        done = explained(encoder, masking=MASKING)
        check(copy.deepcopy(done), done)  # it needs no pickle
    else:
        done = load_encoder("efficientnet-lite0").randomised(("classifier",))
    with pytest.raises(InvalidInput, match=r"cannot be pickled\. .* at the top level of a module") as caught:
        pickle.dumps(done)
    assert caught.value.code == "not_picklable"


def test_words_and_what_was_saved_stay(tmp_path: Path) -> None:
    done = explorer.explain_words("a bee on a flower", caption="an insect", masking=MaskSettings(n_masks=20))
    again = there_and_back(done)
    np.testing.assert_array_equal(again.attribution, done.attribution)
    again.save(tmp_path / "words")
