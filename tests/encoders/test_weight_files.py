"""Weights files read without torch: the arrays that torch reads, and nothing in a file is run."""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from explorer.encoders import conse, efficientnet_lite
from explorer.encoders.checkpoints import NoWeights
from explorer.encoders.weight_files import read_weights

KINDS = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def arrays() -> dict[str, torch.Tensor]:
    """One of each kind, and views: turned, cut, of one storage, of no number, spread over a row."""
    base = torch.arange(24).reshape(2, 3, 4)
    found = {kind: (base % 7).to(getattr(torch, kind)) for kind in KINDS}
    whole = base.float()
    views = {
        "turned": whole.permute(2, 0, 1),
        "cut": whole[1:, 1:],
        "whole": whole,
        "spread": whole[0, :1].expand(5, 4),
    }
    return found | views | {"none": torch.zeros(0, 3), "number": torch.tensor(3.0)}


def saved(content: Any, *, old: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


@pytest.mark.parametrize("old", [False, True])
def test_arrays_are_those_of_torch(tmp_path: Path, old: bool):
    content = arrays() | {"parameter": torch.nn.Parameter(torch.ones(2))}
    (tmp_path / "w.pth").write_bytes(saved(collections.OrderedDict(content), old=old))
    read = read_weights(tmp_path / "w.pth")
    assert list(read) == list(content)
    for name, tensor in content.items():
        np.testing.assert_array_equal(read[name], tensor.detach().float().numpy(), err_msg=name)
        if name not in ("bfloat16",):
            assert read[name].dtype == tensor.detach().numpy().dtype, name


def test_safetensors_are_those_of_their_library(tmp_path: Path):
    content = {name: tensor.contiguous() for name, tensor in arrays().items() if name not in ("whole", "spread")}
    save_file(content, tmp_path / "w.safetensors", metadata={"format": "pt"})
    read = read_weights(tmp_path / "w.safetensors")
    assert set(read) == set(content)
    for name, tensor in content.items():
        np.testing.assert_array_equal(read[name], tensor.float().numpy(), err_msg=name)


def test_the_packaged_files_are_read_whole():
    from safetensors.numpy import load_file

    lite = torch.load(efficientnet_lite.weights_path(), weights_only=True)
    sentences = load_file(conse._model_folder() / "model.safetensors")
    for path, expected in (
        (efficientnet_lite.weights_path(), {name: tensor.numpy() for name, tensor in lite.items()}),
        (conse._model_folder() / "model.safetensors", sentences),
    ):
        read = read_weights(path)
        assert list(read) == list(expected) or path.suffix == ".safetensors"
        assert set(read) == set(expected)
        assert all(np.array_equal(read[name], array) for name, array in expected.items())


def test_what_stands_beside_the_arrays_stays_plain(tmp_path: Path):
    content = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "losses": [0.5, 0.25], "net": {"a": torch.ones(2)}}
    (tmp_path / "w.pth").write_bytes(saved(content))
    read = read_weights(tmp_path / "w.pth")
    assert (read["epoch"], read["losses"]) == (3, [0.5, 0.25])
    assert not isinstance(read["args"], argparse.Namespace)  # nothing of the file's is made
    np.testing.assert_array_equal(read["net"]["a"], [1, 1])


class Call:
    """Pickled, it is a call of something with something."""

    def __init__(self, function: Any, *given: Any) -> None:
        self._answer = function, given

    def __reduce__(self) -> Any:
        return self._answer


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize(
    "call", [Call(exec, "import os; os.mkdir('made')"), Call(Path, "made"), Call(getattr, {}, "a")]
)
def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, protocol: int):
    monkeypatch.chdir(tmp_path)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": call}, protocol))
    (tmp_path / "w.pth").write_bytes(packed.getvalue())
    with pytest.raises(NoWeights, match="not run"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "made").exists()


def test_arrays_that_reach_beyond_their_numbers_are_refused(tmp_path: Path):
    whole = saved({"a": torch.arange(6.0).reshape(2, 3)}, old=True)
    assert whole.count(b"K\x02K\x03\x86") == 1  # the shape (2, 3)
    (tmp_path / "w.pth").write_bytes(whole.replace(b"K\x02K\x03\x86", b"K\x02K\x09\x86"))
    with pytest.raises(NoWeights, match="beyond"):
        read_weights(tmp_path / "w.pth")


def test_a_compressed_archive_is_refused(tmp_path: Path):
    """A few kB of it could be as large as the memory."""
    source, packed = zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(1000)}))), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    (tmp_path / "w.pth").write_bytes(packed.getvalue())
    with pytest.raises(NoWeights, match="no torch state dict"):
        read_weights(tmp_path / "w.pth")


FILES = {
    "new.pth": saved({"state_dict": arrays(), "epoch": 3}),
    "old.pth": saved({"state_dict": arrays(), "epoch": 3}, old=True),
}


@settings(max_examples=300)
@given(name=st.sampled_from([*FILES]), place=st.floats(0, 0.999), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_files_are_refused_in_words_or_read(tmp_path_factory, name: str, place: float, byte: int, cut: bool):
    content = bytearray(FILES[name])
    at = int(place * len(content))
    content[at:] = b"" if cut else bytes([byte]) + content[at + 1 :]
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    path.write_bytes(bytes(content))
    with contextlib.suppress(NoWeights):
        assert isinstance(read_weights(path), dict)
