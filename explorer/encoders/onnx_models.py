"""ONNX files as encoders, run by OpenVINO on the CPU, without torch.

The file is read and checked before OpenVINO sees it: what it may name beside itself is numbers in its own folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import check_kind, path_text
from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.extras import how_to_install, not_importable
from explorer.core.storage import file_hash
from explorer.encoders.base import Encoder
from explorer.encoders.functions import CHANNELS, Channels, FunctionEncoder
from explorer.encoders.openvino_runtime import HINTS, bfloat16_here, import_openvino
from explorer.encoders.own_drawing import PROCESSORS, of_processor
from explorer.encoders.preprocessing import Drawing, as_drawing

LONGEST = 2**31 - 1
"""Bytes of a file, the limit of its format; larger networks have their numbers in files beside it."""

RANK = 4
"""Of what reads pictures."""
COLOURS = 4
"""At most so many channels tell where the channels are."""

PACKAGES = ("onnx", "openvino")


@dataclass(frozen=True)
class Reads:
    """What a network reads; None for a size that its file leaves open."""

    rows: int | None
    size: tuple[int | None, int | None]
    colours: int | None
    first: bool
    kind: str


class OnnxNetwork:
    """A compiled network: batches in the order of its axes -> (b, d); not thread-safe, the encoder holds its lock.

    Args:
        model: As OpenVINO read it.
        reads: What it reads.
        precision: ``"float32"`` or ``"bfloat16"``.

    Attributes:
        origin: Its file, what ``from_onnx`` was told, and the encoder's fingerprint: what is pickled of it.
    """

    origin: tuple[str, dict[str, Any], str]

    def __init__(self, model: Any, reads: Reads, precision: str) -> None:
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": HINTS[precision]}
        self._request = import_openvino().Core().compile_model(model, "CPU", hints).create_infer_request()
        self._reads = reads

    def __reduce__(self) -> Any:
        return _again, self.origin

    def __call__(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        reads = self._reads
        colours, *sides = batch.shape[1:] if reads.first else (batch.shape[3], *batch.shape[1:3])
        asked = zip((*reads.size, reads.colours), (*sides, colours), strict=True)
        if any(side is not None and side != given for side, given in asked):
            height, width = (side or "any" for side in reads.size)
            raise InvalidInput(
                f"The network reads {height} x {width} with {reads.colours or 'any number of'} channels, and was given "
                f"{sides[0]} x {sides[1]} with {colours}; give arrays of that size, or say how pictures are drawn: "
                "from_onnx(path, size=..., mean=..., std=...).",
                code="network_failed",
            )
        given = np.rint(batch) if reads.kind == "uint8" else batch
        (answer,) = self._request.infer([np.ascontiguousarray(given, reads.kind)], share_inputs=True).values()
        rows = np.array(answer, np.float32)
        return rows.reshape(rows.shape[:2]) if all(side == 1 for side in rows.shape[2:]) else rows


def missing(card: Card) -> str:
    """Nothing where the file is."""
    return "" if os.path.isfile(os.path.expanduser(card.weights)) else "no such file"


def load(card: Card, *, precision: str, weights: Path | None) -> Encoder:
    """Load the encoder of a key ``onnx:PATH``, beside whose file lies how pictures are drawn for it.

    Raises:
        InvalidInput: As ``from_onnx``.
    """
    encoder = from_onnx(weights or os.path.expanduser(card.weights), size="auto", precision=precision)
    encoder.card = replace(card, embedding=encoder.card.embedding)
    return encoder


def from_onnx(
    path: str | os.PathLike[str],
    *,
    size: int | tuple[int, int] | str | None = None,
    mean: Any = None,
    std: Any = None,
    channels: Channels | None = None,
    output: str | None = None,
    batch_size: int = 8,
    precision: str = "float32",
) -> Encoder:
    """Make an encoder of an ONNX file, run by OpenVINO on the CPU.

    Args:
        path: Of the file, whose network reads pictures (b, c, h, w) or (b, h, w, c) and gives (b, d).
        size: (h, w) of pictures, or one number for both; the encoder then takes paths, PIL images and arrays of uint8
            or floats in [0, 1], all of them drawn at that size, and the network sees float32 from 0 to 1 (one that
            reads uint8, 0 to 255, whatever is said of mean and std). ``"auto"``: as the preprocessor_config.json beside
            the file says.
        mean: Of each colour, 0 to 1, which is taken off then; three numbers, or one for all; not of uint8.
        std: By which that is divided.
        channels: ``"first"`` or ``"last"``, where the file does not tell.
        output: Name of the embedding, where the network has several outputs.
        batch_size: Rows in a call, where the file leaves it open.
        precision: ``"float32"``, or ``"bfloat16"`` where this machine's processor has it.

    Returns:
        An encoder without a text side, gradients or layers. Its embedding also counts as the scores of classes.

    Raises:
        InvalidInput: No such file, or no network that embeds pictures; the message says what is wrong with it.
        WeightsMissing: The packages that run it are not here.
    """
    check_kind("path", path, str | os.PathLike, "the path of an ONNX file")
    if absent := not_importable(PACKAGES):
        raise WeightsMissing(
            f"ONNX files need {' and '.join(absent)}: {how_to_install('lite')}.", code="packages_missing"
        )
    if not isinstance(precision, str) or precision not in HINTS or (precision == "bfloat16" and not bfloat16_here()):
        raise InvalidInput(
            f"precision must be float32, or bfloat16 where the processor has it; got {precision!r:.40}.",
            code="precision",
        )
    place = Path(path_text("path", path))
    model, digest = _read(place)
    model = _one_output(model, output)
    reads = _reads(model, channels)
    drawing = _drawing(place, reads, size, mean, std)
    if drawing is not None:
        reads = replace(reads, size=drawing.size, colours=3)
    fixed = _fix(model, reads, batch_size)
    rows = model.input(0).partial_shape[0]
    network = OnnxNetwork(model, reads, precision)
    made = FunctionEncoder(
        network,
        rows.get_length() if fixed else batch_size,
        fixed_batch=fixed,
        drawing=drawing,
        channels="first" if reads.first else "last",
    )
    version = import_openvino().__version__.split("-")[0]
    facts = (
        digest,
        output or "",
        "" if reads.first else "channels last",
        drawing.name if drawing else "",
        f"openvino {version}",
        precision,
    )
    made.fingerprint = ":".join(("onnx", *filter(None, facts)))
    made.card = replace(made.card, key="onnx", title=f"ONNX {place.name:.60}", embedding=_width(model))
    network.origin = (
        str(place.absolute()),
        {
            "size": size,
            "mean": mean,
            "std": std,
            "channels": channels,
            "output": output,
            "batch_size": batch_size,
            "precision": precision,
        },
        made.fingerprint,
    )
    return made


def _again(path: str, options: dict[str, Any], fingerprint: str) -> Any:
    """What a pickled network becomes.

    Raises:
        InvalidInput: The file here is another.
    """
    made = from_onnx(path, **options)
    if made.fingerprint != fingerprint:
        raise InvalidInput(
            f"What was pickled was made with the encoder {fingerprint}; the file here makes {made.fingerprint}.",
            code="another_encoder",
        )
    return made._function  # type: ignore[attr-defined]


# Files


def _read(path: Path) -> tuple[Any, str]:
    """The network as OpenVINO reads it, and a hash of all its numbers."""
    import onnx

    try:
        if not path.is_file():
            raise InvalidInput("No such ONNX file.", code="onnx_file")
        if path.stat().st_size > LONGEST:
            raise _no_network("it is larger than 2 GB, which the format does not allow")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        reason = (getattr(error, "strerror", None) or "it failed").lower()
        raise InvalidInput(f"The ONNX file cannot be read: {reason}.", code="onnx_file") from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, which is no error of Python's
        raise _no_network("it is damaged, or cut short") from error
    if not model.graph.node:
        raise _no_network("there is no network in it")
    _check_input(model.graph)
    beside = _check_beside(model, path.absolute().parent)
    digest = hashlib.sha256(data)
    for file in beside:
        digest.update(file_hash(file).encode())
    try:
        made = import_openvino().Core().read_model(str(path.absolute()) if beside else data)
    except RuntimeError as error:
        unknown = sorted({f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain not in STANDARD})
        why = f"it has operators of its own: {', '.join(unknown)[:120]}" if unknown else "OpenVINO cannot read it"
        raise _no_network(why) from error
    return made, digest.hexdigest()[:12]


STANDARD = {"", "ai.onnx"}


def _no_network(why: str) -> InvalidInput:
    return InvalidInput(f"The ONNX file cannot be used: {why}.", code="onnx_file")


def _check_input(graph: Any) -> None:
    """Refuse what does not read one batch of pictures."""
    numbers = {tensor.name for tensor in graph.initializer}
    inputs = [port for port in graph.input if port.name not in numbers]
    if len(inputs) != 1:
        names = ", ".join(port.name for port in inputs)[:160]
        raise _no_network(f"it reads {len(inputs)} inputs ({names}), and an encoder of pictures reads one")
    facts = inputs[0].type.tensor_type
    if not facts.HasField("shape") or len(facts.shape.dim) != RANK:
        raise _no_network("it reads no pictures, which have four axes: (b, c, h, w) or (b, h, w, c)")


def _check_beside(model: Any, folder: Path) -> list[Path]:
    """The files in which a network's numbers lie, all of them in its folder.

    Raises:
        InvalidInput: It names another place, or what is there is too short.
    """
    import onnx

    root, found = folder.resolve(), dict[Path, None]()
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        facts = {entry.key: entry.value for entry in tensor.external_data}
        location = facts.get("location", "")
        place = Path(location)
        file = (folder / place).resolve() if location and "\0" not in location else root
        is_inside = file.is_relative_to(root) and not place.is_absolute() and ".." not in place.parts
        if not is_inside or "\\" in location or ":" in location:
            raise _no_network("it names a file outside its folder")
        if not file.is_file():
            raise _no_network(f"the file {file.name!r:.60} with its numbers is not beside it")
        try:
            start, length = int(facts.get("offset") or 0), int(facts.get("length") or 0)
        except ValueError as error:
            raise _no_network("it is damaged where it says where its numbers lie") from error
        if min(start, length) < 0 or start + length > file.stat().st_size:
            raise _no_network(f"the file {file.name!r:.60} with its numbers is cut short")
        found[file] = None
    return list(found)


def _tensors(model: Any) -> Iterator[Any]:
    """All constants of a network, wherever they are."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _of_graph(graph)


# What it reads and gives


def _names(ports: Iterable[Any]) -> str:
    return ", ".join(min(port.get_names(), default="one without a name") for port in ports)[:160]


def _one_output(model: Any, name: Any) -> Any:
    """The network up to one output, of (b, d)."""
    if name is None and len(model.outputs) != 1:
        raise _no_network(f"it gives {len(model.outputs)} outputs; name one with output=, of: {_names(model.outputs)}")
    if name is not None:
        chosen = [port for port in model.outputs if name in port.get_names()]
        if not chosen:
            raise InvalidInput(
                f"The network has no output {name!r:.60}; choose one of: {_names(model.outputs)}.", code="onnx_output"
            )
        model = import_openvino().Model([chosen[0]], model.get_parameters())
    shape = model.output(0).partial_shape
    sizes = [] if shape.rank.is_dynamic else [_length(size) for size in shape]
    if not shape.rank.is_dynamic and (len(sizes) < 2 or any(size not in (1, None) for size in sizes[2:])):
        said = ", ".join("any" if size is None else str(size) for size in sizes)
        raise _no_network(f"it gives ({said}), and an embedding is one vector for each picture, (b, d)")
    return model


def _length(size: Any) -> int | None:
    return None if size.is_dynamic else size.get_length()


def _width(model: Any) -> str:
    shape = model.output(0).partial_shape
    width = None if shape.rank.is_dynamic else _length(shape[1])
    return "whatever the network gives" if width is None else f"{width} numbers"


def _reads(model: Any, channels: Any) -> Reads:
    if channels is not None and (not isinstance(channels, str) or channels not in CHANNELS):
        raise InvalidInput(f'channels must be "first" or "last"; got {channels!r:.40}.', code="channels")
    port = model.input(0)
    kind = port.element_type.get_type_name()
    kinds = {"f32": "float32", "f16": "float16", "f64": "float64", "u8": "uint8"}
    if kind not in kinds:
        raise _no_network(f"it reads {kind:.20} numbers; pictures are float32, float16, float64 or uint8")
    rows, *sides = (_length(size) for size in port.partial_shape)
    fit = [name for name, side in (("first", sides[0]), ("last", sides[2])) if side is not None and side <= COLOURS]
    if channels is None and len(fit) != 1:
        raise _no_network('it does not tell which axis the channels are; say channels="first" or channels="last"')
    first = (channels or fit[0]) == "first"
    colours, *size = sides if first else (sides[2], *sides[:2])
    return Reads(rows, (size[0], size[1]), colours, first, kinds[kind])


def _drawing(path: Path, reads: Reads, size: Any, mean: Any, std: Any) -> Drawing | None:
    """How pictures are drawn for it, as somebody says, or its folder does."""
    if reads.kind == "uint8" and not (mean is None and std is None):
        raise InvalidInput(
            "The network reads whole numbers from 0 to 255 (uint8), which nothing is taken off or divided by; leave "
            "mean and std out.",
            code="mean_range",
        )
    wanted = reads.size if size is None and None not in reads.size and not (mean is None and std is None) else size
    drawing = _beside(path, reads, size, mean, std) if isinstance(size, str) else as_drawing(wanted, mean, std)
    if drawing is None:
        return None
    if reads.colours not in (3, None):
        raise _no_network(f"it reads {reads.colours} channels, and pictures are drawn in 3; give it arrays as they are")
    if any(side not in (None, given) for side, given in zip(reads.size, drawing.size, strict=True)):
        raise InvalidInput(
            f"The network reads {' x '.join(str(side or 'any') for side in reads.size)}; "
            f"size= cannot be {drawing.size[0]} x {drawing.size[1]}.",
            code="size_range",
        )
    if reads.kind == "uint8":
        return replace(drawing, mean=(0.0,) * 3, std=(1 / 255,) * 3)
    return drawing


def _beside(path: Path, reads: Reads, size: str, mean: Any, std: Any) -> Drawing:
    if size != "auto":
        raise InvalidInput(
            f'size must be a number of pixels, (height, width) or "auto"; got {size!r:.40}.', code="size_range"
        )
    for name in PROCESSORS:
        try:
            said = json.loads((path.parent / name).read_bytes())
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidInput(f"The {name} beside the ONNX file is damaged, or no JSON.", code="processor") from error
        if isinstance(said, dict):
            own = of_processor(said, reads.size[0])
            drawn = as_drawing(own.size, own.mean if mean is None else mean, own.std if std is None else std)
            assert drawn is not None
            return replace(drawn, steps=own.steps)
    raise InvalidInput(
        f"No {PROCESSORS[0]} lies beside the ONNX file, so nothing says which colours it wants; put one there, "
        "or use explorer.from_onnx(path, size=224, mean=..., std=...).",
        code="size_unknown",
    )


def _fix(model: Any, reads: Reads, batch_size: Any) -> bool:
    """Fix the shape of what it reads where that is known, which runs faster; whether batches have to be full then."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InvalidInput("batch_size must be a whole number, at least 1.", code="batch_size_range")
    if None in reads.size or reads.colours is None:
        return reads.rows is not None
    sides = (reads.colours, *reads.size) if reads.first else (*reads.size, reads.colours)
    try:
        model.reshape([reads.rows or int(batch_size), *sides])
    except RuntimeError as error:
        raise _no_network(
            f"it cannot read a batch of shape {(reads.rows or int(batch_size), *sides)}; give the size that it is made "
            "for, or batch_size=1"
        ) from error
    return True
