"""The arrays of weights files as numpy has them, read without torch and without running anything in the files.

What ``torch.save`` writes is a pickle beside raw numbers. Its opcodes are read here one by one; those that would call
something are answered for the few names that describe arrays and dictionaries, and no other name is ever looked up.
"""

from __future__ import annotations

import json
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.encoders.checkpoints import NoWeights

BFLOAT16 = "bfloat16"
"""Which numpy does not have: the upper half of a float32."""

STORAGES = {
    "Float": "<f4",
    "Double": "<f8",
    "Half": "<f2",
    "BFloat16": BFLOAT16,
    "Bool": "?",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "<i1",
    "Byte": "<u1",
}
SAFETENSORS = {
    "F32": "<f4",
    "F64": "<f8",
    "F16": "<f2",
    "BF16": BFLOAT16,
    "BOOL": "?",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
}
MAGIC = 0x1950A86A20F9469CFC6C
"""How a file begins that torch wrote before 1.6."""


MALFORMED = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, EOFError, struct.error),
    zipfile.BadZipFile,
)
"""What readers trip over where numbers stand for others than they should."""


def read_weights(path: Path) -> Mapping[str, Any]:
    """All that a .safetensors file holds, or one of ``torch.save``: arrays, and what a training loop put beside them.

    Raises:
        NoWeights: It is none.
    """
    data = path.read_bytes()
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(data)
        content = _read_zip(data) if zipfile.is_zipfile(BytesIO(data)) else _read_stream(data)
    except NoWeights:
        raise
    except MALFORMED as error:
        raise NoWeights("it is no weights file, or cut short") from error
    if not isinstance(content, dict):
        raise NoWeights("it is no torch state dict")
    return content


def _read_safetensors(data: bytes) -> dict[str, NDArray[Any]]:
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length].decode())
    header.pop("__metadata__", None)
    numbers = memoryview(data)[8 + length :]
    arrays = {}
    for name, facts in header.items():
        start, stop = facts["data_offsets"]
        if not 0 <= start <= stop <= len(numbers):
            raise NoWeights("it is cut short")
        arrays[name] = _numbers(numbers[start:stop], SAFETENSORS[facts["dtype"]]).reshape(facts["shape"])
    return arrays


def _numbers(data: Any, kind: str) -> NDArray[Any]:
    if kind == BFLOAT16:
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, kind)


@dataclass(eq=False)
class _Storage:
    """Numbers that arrays are views of; they are read after the pickle."""

    kind: str
    key: str
    size: int
    numbers: NDArray[Any] | None = None


@dataclass(eq=False)
class _View:
    """An array of a torch file, while its numbers are not read yet."""

    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> NDArray[Any]:
        numbers = self.storage.numbers
        if numbers is None:
            raise NoWeights("it is cut short")
        last = self.start + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if min((self.start, *self.shape, *self.strides)) < 0 or (0 not in self.shape and last >= numbers.size):
            raise NoWeights("an array reaches beyond its numbers")
        steps = [step * numbers.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.start :], self.shape, steps, writeable=False)


def _read_zip(data: bytes) -> Any:
    """A file as torch writes it since 1.6: an archive of the pickle and of each storage, none compressed."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        names = {info.filename: info for info in archive.infolist()}
        inside = next((name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")), None)
        if inside is None or any(info.compress_type != zipfile.ZIP_STORED for info in names.values()):
            raise NoWeights("it is no torch state dict")
        if names.get(f"{inside}byteorder") and archive.read(f"{inside}byteorder") != b"little":
            raise NoWeights("its numbers are those of another kind of machine")
        storages: dict[str, _Storage] = {}
        content = _unpickle(BytesIO(archive.read(f"{inside}data.pkl")), storages)
        for storage in storages.values():
            storage.numbers = _numbers(archive.read(f"{inside}data/{storage.key}"), storage.kind)
    return _with_arrays(content)


def _read_stream(data: bytes) -> Any:
    """A file as torch wrote it before 1.6: pickles one after another, then the storages."""
    file, storages = BytesIO(data), dict[str, _Storage]()
    if _unpickle(file, {}) != MAGIC:
        raise NoWeights("it is no torch state dict")
    _version, _system = _unpickle(file, {}), _unpickle(file, {})
    content, keys = _unpickle(file, storages), _unpickle(file, {})
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        each = 2 if storage.kind == BFLOAT16 else np.dtype(storage.kind).itemsize
        if count != storage.size or file.tell() + count * each > len(data):
            raise NoWeights("it is cut short")
        storage.numbers = _numbers(file.read(count * each), storage.kind)
    return _with_arrays(content)


def _with_arrays(content: Any) -> Any:
    """Arrays in the place of views, in dictionaries inside each other; what else there is stays as it is."""
    if isinstance(content, dict):
        return {name: _with_arrays(value) for name, value in content.items()}
    return content.array() if isinstance(content, _View) else content


class _Other:
    """Something that is no array, of which no more is wanted."""


CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": lambda *given: dict(*given),
    "torch._utils _rebuild_tensor_v2": lambda storage, start, shape, strides, *_: _View(storage, start, shape, strides),
    "torch._utils _rebuild_parameter": lambda data, *_: data,
    "torch Size": lambda *given: tuple(*given),
    **dict.fromkeys(("torch device", "argparse Namespace"), lambda *_: _Other()),
}
"""What is answered in the place of what a file would call."""


@dataclass(frozen=True)
class _Name:
    """A name in a pickle; never looked up anywhere but in ``CALLS`` and ``STORAGES``."""

    text: str


def _unpickle(file: BytesIO, storages: dict[str, _Storage]) -> Any:
    """What a pickle describes; the file stands after it then."""
    reader = _Reader(storages)
    for opcode, argument, _ in pickletools.genops(file):
        reader.step(opcode.name, argument)
    (value,) = reader.stack
    return value


class _Reader:
    """A stack that opcodes of pickles work on."""

    def __init__(self, storages: dict[str, _Storage]) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._storages = storages

    def step(self, name: str, argument: Any) -> None:
        if name in PUSHES:
            self.stack.append(argument)
        elif name in MAKES:
            self.stack.append(MAKES[name]())
        elif name in JOINS:
            count = JOINS[name]
            self.stack.append(tuple(self._taken(len(self.stack) - count)) if count else ())
        elif name in PUTS:
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif name in GETS:
            self.stack.append(self._memo[argument])
        elif name not in SKIPS:
            step = getattr(self, f"_{name.lower()}", None)
            if step is None:
                raise NoWeights("it holds objects besides arrays, which are not run")
            step(argument)

    def _taken(self, start: int) -> list[Any]:
        if start < 0:
            raise NoWeights("it is no torch state dict")
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _since_mark(self) -> list[Any]:
        return self._taken(self._marks.pop())

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self.stack))

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        list.append(self.stack[-1], value)

    def _appends(self, _: Any) -> None:
        values = self._since_mark()
        list.extend(self.stack[-1], values)

    def _setitem(self, _: Any) -> None:
        name, value = self._taken(len(self.stack) - 2)
        dict.__setitem__(self.stack[-1], name, value)

    def _setitems(self, _: Any) -> None:
        values = self._since_mark()
        dict.update(self.stack[-1], zip(values[::2], values[1::2], strict=True))

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _global(self, argument: str) -> None:
        self.stack.append(_Name(argument))

    def _stack_global(self, _: Any) -> None:
        module, name = self._taken(len(self.stack) - 2)
        self.stack.append(_Name(f"{module} {name}"))

    def _reduce(self, _: Any) -> None:
        called, given = self._taken(len(self.stack) - 2)
        answer = CALLS.get(called.text) if isinstance(called, _Name) else None
        if answer is None:
            raise NoWeights("it holds objects besides arrays, which are not run")
        self.stack.append(answer(*given))

    _newobj = _reduce

    def _build(self, _: Any) -> None:
        """What was set on an object besides what is in it: a state dict's versions; not wanted."""
        self.stack.pop()

    def _binpersid(self, _: Any) -> None:
        kind, storage, key, _place, size, *view = self.stack.pop()
        if kind != "storage" or not isinstance(storage, _Name) or any(part is not None for part in view):
            raise NoWeights("it is no torch state dict")
        name = storage.text.removeprefix("torch ").removesuffix("Storage")
        self.stack.append(self._storages.setdefault(key, _Storage(STORAGES[name], key, size)))


PUSHES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING", "STRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
MAKES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": set,
}
JOINS = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS, GETS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"GET", "BINGET", "LONG_BINGET"}
SKIPS = {"PROTO", "FRAME", "STOP"}
