"""Writing and reading GGUF (version 3) files, as far as this recipe needs them.

A file is a header, metadata, the list of tensors, and the tensors' data, each tensor aligned. All numbers are
little-endian. A tensor's dimensions are listed fastest first, the reverse of the shapes used here.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import quantize
from quantize import FORMATS

MAGIC = b"GGUF"
VERSION = 3
ALIGNMENT = 32
ARRAY = 9  # number of the metadata kind whose values are arrays

# Kinds of metadata: their number in the file and, but for strings, how `struct` names them.
SCALARS: dict[str, tuple[int, str]] = {
    "u8": (0, "B"), "i8": (1, "b"), "u16": (2, "H"), "i16": (3, "h"), "u32": (4, "I"), "i32": (5, "i"), "f32": (6, "f"),
    "bool": (7, "?"), "string": (8, ""), "u64": (10, "Q"), "i64": (11, "q"), "f64": (12, "d"),
}
KIND_OF_NUMBER = {number: kind for kind, (number, _) in SCALARS.items()}
TYPE_OF_NUMBER = {form.id: name for name, form in FORMATS.items()}

Metadata = list[tuple[str, str, Any]]  # key, kind ("u32", "string", ...; "string[]" for an array of them), value
Tensors = list[tuple[str, tuple[int, ...], str, bytes | np.ndarray]]  # name, shape, type, blocks


def tensor_bytes(shape: tuple[int, ...], type: str) -> int:
    """Bytes of a tensor's blocks."""
    form = FORMATS[type]
    if len(shape) == 0 or shape[-1] % form.block != 0:
        raise ValueError(f"rows of {tuple(shape)} are no multiple of {type}'s {form.block} weights")
    return int(np.prod(shape, dtype=np.int64)) // form.block * form.block_bytes


def write(path: str | Path, metadata: Metadata, tensors: Tensors) -> None:
    """Write a file; the data go out tensor by tensor, in the order given.

    ValueError: a name given twice, an unknown kind or type, or blocks that do not fit their shape; nothing is written.
    """
    head = [MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(metadata))]
    for what, names in ("key", [key for key, _, _ in metadata]), ("tensor", [name for name, *_ in tensors]):
        if len(set(names)) != len(names):
            raise ValueError(f"a {what} is given twice: {sorted(name for name in set(names) if names.count(name) > 1)}")
    for key, kind, value in metadata:
        head.append(_string(key) + _typed_value(key, kind, value))
    offset = 0
    for name, shape, type, blocks in tensors:
        if type not in FORMATS:
            raise ValueError(f"{name}: unknown type {type!r}")
        expected = tensor_bytes(shape, type)
        if memoryview(blocks).nbytes != expected:
            raise ValueError(f"{name}: {memoryview(blocks).nbytes} bytes for {tuple(shape)} in {type}, not {expected}")
        dimensions = tuple(reversed(shape))
        head.append(_string(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions,
                                                FORMATS[type].id, offset))
        offset = _aligned(offset + expected)
    with open(path, "wb") as file:
        file.write(b"".join(head))
        for _, _, _, blocks in tensors:
            _pad(file)
            file.write(memoryview(np.ascontiguousarray(np.frombuffer(blocks, np.uint8))))
        _pad(file)


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, tuple[str, tuple[int, ...], np.ndarray]]]:
    """Metadata by key, and tensors by name: (type, shape, blocks as uint8). The blocks are mapped, not read."""
    data = np.memmap(path, np.uint8, mode="r")
    reader = _Reader(data)
    magic, version, tensor_count, key_count = reader.take("<4sIQQ")
    if magic != MAGIC or version not in (2, VERSION):
        raise ValueError(f"{path} is no GGUF file of version 2 or {VERSION}")
    metadata = {}
    for _ in range(key_count):
        key = reader.string()
        metadata[key] = reader.value(*reader.take("<I"))
    listed = []
    for _ in range(tensor_count):
        name = reader.string()
        (rank,) = reader.take("<I")
        *dimensions, number, offset = reader.take(f"<{rank}QIQ")
        if number not in TYPE_OF_NUMBER:
            raise ValueError(f"{name} has type number {number}, which is not read here")
        listed.append((name, TYPE_OF_NUMBER[number], tuple(reversed(dimensions)), offset))
    start = _aligned(reader.at, metadata.get("general.alignment", ALIGNMENT))
    tensors = {}
    for name, type, shape, offset in listed:
        blocks = data[start + offset : start + offset + tensor_bytes(shape, type)]
        if len(blocks) != tensor_bytes(shape, type):
            raise ValueError(f"{name} ends behind the end of {path}")
        tensors[name] = (type, shape, blocks)
    return metadata, tensors


def dequantize(raw: bytes | np.ndarray, type: str, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 weights [*shape] of a tensor's blocks."""
    return quantize.decode(quantize.unpack(raw, type, shape)).numpy()


class _Reader:
    """Takes values one after the other from a file's bytes."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.at = 0

    def bytes(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count].tobytes()
        if len(taken) != count:
            raise ValueError("the GGUF file ends within its header")
        self.at += count
        return taken

    def take(self, layout: str) -> tuple:
        return struct.unpack(layout, self.bytes(struct.calcsize(layout)))

    def string(self) -> str:
        return self.bytes(*self.take("<Q")).decode("utf8")

    def value(self, number: int) -> Any:
        if number == ARRAY:
            element, count = self.take("<IQ")
            kind = KIND_OF_NUMBER.get(element)
            if kind is not None and kind != "string":
                return list(self.take(f"<{count}{SCALARS[kind][1]}"))
            return [self.value(element) for _ in range(count)]
        if number not in KIND_OF_NUMBER:
            raise ValueError(f"unknown kind {number} of metadata")
        kind = KIND_OF_NUMBER[number]
        return self.string() if kind == "string" else self.take(f"<{SCALARS[kind][1]}")[0]


def _typed_value(key: str, kind: str, value: Any) -> bytes:
    element = kind.removesuffix("[]")
    if element not in SCALARS:
        raise ValueError(f"{key}: unknown kind {kind!r}")
    number, layout = SCALARS[element]
    try:
        if element == kind:
            packed = _string(value) if kind == "string" else struct.pack("<" + layout, value)
            return struct.pack("<I", number) + packed
        values = list(value)
        if element == "string":
            packed = b"".join(map(_string, values))
        else:
            packed = struct.pack(f"<{len(values)}{layout}", *values)
        return struct.pack("<IIQ", ARRAY, number, len(values)) + packed
    except (struct.error, AttributeError, TypeError) as error:
        raise ValueError(f"{key}: {value!r:.80} is no {kind}") from error


def _string(text: str) -> bytes:
    encoded = text.encode("utf8")
    return struct.pack("<Q", len(encoded)) + encoded


def _aligned(offset: int, alignment: int = ALIGNMENT) -> int:
    return -(-offset // alignment) * alignment


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT))
