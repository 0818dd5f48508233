"""Tests of `quantize` and `gguf`: run `python3 -m unittest` in this folder."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

import gguf
import quantize
from quantize import FORMATS, GRIDS, decode, encode, fake_quantize, pack, unpack

SHARED = Path(__file__).resolve().parents[4] / "shared"
FIXTURES = SHARED / "fixtures" / "quant"
FIXTURE_SHAPE = (16, 512)
METHODS = ("search", "range")
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])

# RMSE over standard deviation on normal weights that each method stays below.
ERROR_BOUNDS = {
    "F32": {"search": 0.0, "range": 0.0},
    "F16": {"search": 3e-4, "range": 3e-4},
    "Q8_0": {"search": 0.0050, "range": 0.0056},
    "Q6_K": {"search": 0.0165, "range": 0.0195},
    "Q5_K": {"search": 0.0345, "range": 0.0390},
    "Q4_K": {"search": 0.0705, "range": 0.0800},
}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def awkward() -> torch.Tensor:
    """[3, 12, 512]: zeros, constants, blocks of one sign, very small, large and spread values among ordinary ones."""
    weight = normal(3, 12, 512, seed=1)
    weight[0, 0] = 0
    weight[0, 1] = 0.37
    weight[0, 2] = -0.37
    weight[0, 3, :256] = 0
    weight[0, 4] = weight[0, 4].abs()
    weight[0, 5] = -weight[0, 5].abs() - 1
    weight[0, 6, 1:] = 0
    weight[1, 0] *= 1e-6
    weight[1, 1] *= 1e-20
    weight[1, 2] *= 1e-42
    weight[1, 3] *= 1e4
    weight[1, 4] *= 1e8
    weight[1, 5] = weight[1, 5].sign() * torch.finfo(torch.float32).max
    weight[2] *= torch.exp(4 * normal(12, 512, seed=2))
    return weight


def rmse(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.double() - b.double()).square().mean().sqrt())


class Fixtures(unittest.TestCase):
    """Blocks that the format's own implementation made, with the floats it reads from them."""

    @unittest.skipUnless(FIXTURES.is_dir(), f"needs {FIXTURES}")
    def test_reads_and_repacks_blocks_of_others(self) -> None:
        for type in ("F16", "Q8_0", "Q4_K", "Q5_K", "Q6_K"):
            with self.subTest(type):
                stem = FIXTURES / (type if type.endswith("_K") else type.lower()).replace("Q", "q")
                blocks = np.fromfile(stem.with_suffix(".blocks"), np.uint8)
                floats = np.fromfile(stem.with_suffix(".f32"), "<f4").reshape(FIXTURE_SHAPE)
                read = gguf.dequantize(blocks, type, FIXTURE_SHAPE)
                np.testing.assert_array_equal(read.view(np.uint32), floats.view(np.uint32))
                np.testing.assert_array_equal(pack(unpack(blocks, type, FIXTURE_SHAPE)), blocks)

    @unittest.skipUnless(FIXTURES.is_dir(), f"needs {FIXTURES}")
    def test_finds_a_grid_again(self) -> None:
        # Weights that lie on a grid of the type come back with at most half the error of any others.
        for type in ("Q8_0", "Q6_K"):
            with self.subTest(type):
                stem = FIXTURES / type.replace("Q", "q")
                floats = torch.from_numpy(np.fromfile(stem.with_suffix(".f32"), "<f4").reshape(FIXTURE_SHAPE))
                error = rmse(decode(encode(floats, type)), floats) / float(floats.std())
                self.assertLess(error, ERROR_BOUNDS[type]["search"] / 2)


class Encoding(unittest.TestCase):
    def test_packed_blocks_read_as_the_decoded_values(self) -> None:
        for weight in (awkward(), normal(7, 768), normal(256), normal(2, 3, 5, 256)):
            for type, form in FORMATS.items():
                for method in METHODS:
                    with self.subTest(type=type, method=method, shape=tuple(weight.shape)):
                        encoded = encode(weight, type, method=method)
                        self.assertEqual(encoded.shape, tuple(weight.shape))
                        blocks = pack(encoded)
                        self.assertEqual(blocks.dtype, np.uint8)
                        self.assertEqual(blocks.shape, (weight.numel() // form.block * form.block_bytes,))
                        decoded = decode(encoded)
                        self.assertTrue(bool(torch.isfinite(decoded).all()))
                        read = gguf.dequantize(blocks, type, tuple(weight.shape))
                        np.testing.assert_array_equal(read, decoded.numpy())
                        np.testing.assert_array_equal(pack(unpack(blocks, type, encoded.shape)), blocks)

    def test_error_bounds(self) -> None:
        weight = normal(64, 1024, seed=3)
        for type, bounds in ERROR_BOUNDS.items():
            for method, bound in bounds.items():
                with self.subTest(type=type, method=method):
                    self.assertLessEqual(rmse(decode(encode(weight, type, method=method)), weight), bound)

    def test_search_is_never_worse_than_the_range(self) -> None:
        weight = awkward().clamp(-1e6, 1e6)
        for type, grid in GRIDS.items():
            with self.subTest(type):
                block = FORMATS[type].block
                errors = [(decode(encode(weight, type, method=method)).double() - weight.double()).square()
                          .reshape(-1, block).sum(-1) for method in METHODS]
                self.assertTrue(bool((errors[0] <= errors[1] * (1 + 1e-4)).all()))

    def test_zeros_and_constants(self) -> None:
        for type in FORMATS:
            for method in METHODS:
                with self.subTest(type=type, method=method):
                    zeros = torch.zeros(2, 512)
                    self.assertTrue(torch.equal(decode(encode(zeros, type, method=method)), zeros))
                    for value in (0.37, -0.37, -2000.0):
                        constant = torch.full((2, 512), value)
                        decoded = decode(encode(constant, type, method=method))
                        # As near as a half's 11 bits are; Q6_K's range reaches one code further down than up.
                        rtol = 2**-5 if type == "Q6_K" and method == "range" else 2**-10
                        torch.testing.assert_close(decoded, constant, rtol=rtol, atol=0)

    def test_small_weights_lose_little_to_coarse_halves(self) -> None:
        # Super-scales are below the least normal half here.
        weight = normal(16, 512, seed=10) * 2e-4
        for type in GRIDS:
            for method in METHODS:
                with self.subTest(type=type, method=method):
                    error = rmse(decode(encode(weight, type, method=method)), weight) / float(weight.std())
                    self.assertLessEqual(error, 1.3 * ERROR_BOUNDS[type][method])

    def test_saturates_beyond_the_format(self) -> None:
        weight = torch.full((256,), torch.finfo(torch.float32).max)
        weight[::2] *= -1
        for type in GRIDS:
            for method in METHODS:
                with self.subTest(type=type, method=method):
                    decoded = decode(encode(weight, type, method=method))
                    self.assertTrue(bool(torch.isfinite(decoded).all()))
                    self.assertTrue(bool((decoded.sign() == weight.sign()).all()))
                    self.assertGreater(float(decoded.abs().min()), 65504.0)

    def test_values_below_the_least_half_become_zero(self) -> None:
        for type in GRIDS:
            for method in METHODS:
                with self.subTest(type=type, method=method):
                    decoded = decode(encode(normal(4, 256) * 1e-12, type, method=method))
                    self.assertEqual(float(decoded.abs().max()), 0.0)

    def test_importance_lowers_the_weighted_error(self) -> None:
        weight = normal(8, 32, 512, seed=4)
        importance = torch.exp(2 * normal(512, seed=5))
        importance[:40] = 0
        for type in GRIDS:
            with self.subTest(type):
                plain, weighted = (float(((decode(encode(weight, type, given)) - weight).square() * importance).mean())
                                   for given in (None, importance))
                # Little is left to choose with 8 bits.
                self.assertLess(weighted, plain * (0.97 if type == "Q8_0" else 0.85))

    def test_importance_without_differences_changes_nothing_much(self) -> None:
        weight = normal(32, 512, seed=6)
        for type in GRIDS:
            for importance in (torch.tensor(3.7), torch.zeros(512), torch.full((32, 1), 1e-20)):
                with self.subTest(type=type):
                    plain, given = (rmse(decode(encode(weight, type, i)), weight) for i in (None, importance))
                    self.assertAlmostEqual(given / plain, 1.0, places=3)

    def test_chunks_do_not_show(self) -> None:
        weight, importance = normal(3, 4, 512, seed=7), normal(4, 512, seed=8).square()
        whole = {type: pack(encode(weight, type, importance)) for type in GRIDS}
        ordinary = quantize.CHUNK_WEIGHTS
        try:
            quantize.CHUNK_WEIGHTS = 5 * 256
            for type in GRIDS:
                np.testing.assert_array_equal(pack(encode(weight, type, importance)), whole[type])
        finally:
            quantize.CHUNK_WEIGHTS = ordinary

    def test_refuses_what_it_cannot_store(self) -> None:
        for type in FORMATS:
            for bad in (float("nan"), float("inf"), -float("inf")):
                weight = normal(2, 256)
                weight[1, 3] = bad
                for method in METHODS:
                    with self.subTest(type=type, bad=bad), self.assertRaisesRegex(ValueError, "NaN"):
                        encode(weight, type, method=method)
        for type, length in (("Q4_K", 255), ("Q5_K", 384), ("Q6_K", 32), ("Q8_0", 48)):
            for refusing in (encode, fake_quantize):
                with self.subTest(type=type), self.assertRaisesRegex(ValueError, "multiple of"):
                    refusing(normal(256, length), type)
        with self.assertRaisesRegex(ValueError, "IQ1_S"):
            encode(normal(256), "IQ1_S")
        with self.assertRaisesRegex(ValueError, "method"):
            encode(normal(256), "Q4_K", method="guess")
        for importance in (torch.tensor(float("nan")), torch.tensor(-1.0)):
            with self.assertRaisesRegex(ValueError, "importance"):
                encode(normal(256), "Q4_K", importance)
        with self.assertRaisesRegex(ValueError, "bytes"):
            unpack(bytes(143), "Q4_K", (256,))


class FakeQuantization(unittest.TestCase):
    def test_equals_encoding_by_range(self) -> None:
        for device in DEVICES:
            weight = awkward().to(device)
            for type in FORMATS:
                with self.subTest(type=type, device=device):
                    stored = decode(encode(weight, type, method="range"))
                    self.assertTrue(torch.equal(fake_quantize(weight, type), stored))
                    self.assertTrue(torch.equal(stored.cpu(), decode(encode(weight.cpu(), type, method="range"))))
                    transposed = weight[..., :256].contiguous().mT.contiguous().mT
                    self.assertTrue(torch.equal(fake_quantize(transposed, type),
                                                fake_quantize(transposed.contiguous(), type)))

    def test_rounds_to_halves_as_the_type_does(self) -> None:
        every_half = torch.arange(0x7C00, dtype=torch.int16).view(torch.float16).float()
        between = torch.cat([every_half, (every_half[1:] + every_half[:-1]) / 2, normal(10_000) * 1e-4])
        between = torch.cat([between, -between, torch.nextafter(between, torch.tensor(torch.inf))])
        between = between[between.abs() < 65520]
        self.assertTrue(torch.equal(quantize._round_to_half(between), between.half().float()))

    def test_gradient_passes_straight_through(self) -> None:
        for type in FORMATS:
            for dtype in (torch.float32, torch.bfloat16):
                with self.subTest(type=type, dtype=dtype):
                    weight = normal(4, 6, 256).to(dtype).requires_grad_()
                    upstream = normal(4, 6, 256, seed=9).to(dtype)
                    result = fake_quantize(weight, type)
                    self.assertEqual(result.dtype, dtype)
                    result.backward(upstream)
                    self.assertTrue(torch.equal(weight.grad, upstream))

    def test_compiles_to_the_same_values(self) -> None:
        for device in DEVICES:
            for type in FORMATS:
                with self.subTest(type=type, device=device):
                    torch._dynamo.reset()
                    # On the CPU the default backend needs a C++ compiler; this one still checks that all is traced.
                    backend = "inductor" if device == "cuda" else "aot_eager"
                    compiled = torch.compile(lambda x: fake_quantize(x, type), fullgraph=True, backend=backend)
                    for dtype in (torch.float32, torch.bfloat16):
                        weight = awkward().clamp(-1e38, 1e38).to(device, dtype).requires_grad_()
                        result = compiled(weight)
                        self.assertTrue(torch.equal(result, fake_quantize(weight, type)))
                        result.backward(torch.ones_like(result))
                        self.assertTrue(torch.equal(weight.grad, torch.ones_like(weight)))


class Files(unittest.TestCase):
    METADATA = [
        ("general.architecture", "string", "qwen3moe"), ("general.name", "string", "小 model"),
        ("a.count", "u32", 4_000_000_000), ("a.signed", "i32", -7), ("a.wide", "u64", 2**40), ("a.real", "f32", 0.5),
        ("a.yes", "bool", True), ("a.no", "bool", False), ("a.words", "string[]", ["", "Ġthe", "词"]),
        ("a.types", "i32[]", [1, -3, 6]), ("a.none", "string[]", []), ("a.reals", "f32[]", [1.5, -2.0]),
    ]

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "test.gguf"

    def test_reads_what_was_written(self) -> None:
        tensors = []
        for index, type in enumerate(FORMATS):
            for shape in ((3, 256), (2, 3, 512), (256,)):
                weight = normal(*shape, seed=index)
                tensors.append((f"{type}.{len(shape)}.weight", shape, type, pack(encode(weight, type, method="range"))))
        tensors.append(("norm.weight", (5,), "F32", normal(5).numpy().tobytes()))
        tensors.append(("as_floats.weight", (2, 8), "F32", normal(2, 8).numpy()))
        gguf.write(self.path, self.METADATA, tensors)
        metadata, read = gguf.read(self.path)
        self.assertEqual(metadata, {key: value for key, _, value in self.METADATA})
        self.assertEqual(list(read), [name for name, *_ in tensors])
        for name, shape, type, blocks in tensors:
            self.assertEqual(read[name][:2], (type, shape))
            self.assertEqual(read[name][2].tobytes(), bytes(memoryview(blocks).cast("B")))
            self.assertEqual(gguf.dequantize(read[name][2], type, shape).shape, shape)

    def test_layout(self) -> None:
        gguf.write(self.path, [("k", "u32", 7)], [("a", (2, 3), "F32", bytes(range(24))), ("b", (1,), "F16", b"xy")])
        header = (b"GGUF" + b"\3\0\0\0" + b"\2\0\0\0\0\0\0\0" + b"\1\0\0\0\0\0\0\0"
                  + b"\1\0\0\0\0\0\0\0k" + b"\4\0\0\0" + b"\7\0\0\0"
                  + b"\1\0\0\0\0\0\0\0a" + b"\2\0\0\0" + b"\3\0\0\0\0\0\0\0" + b"\2\0\0\0\0\0\0\0" + bytes(4) + bytes(8)
                  + b"\1\0\0\0\0\0\0\0b" + b"\1\0\0\0" + b"\1\0\0\0\0\0\0\0" + b"\1\0\0\0" + b"\x20\0\0\0\0\0\0\0")
        header += bytes(-len(header) % 32)
        self.assertEqual(self.path.read_bytes(), header + bytes(range(24)) + bytes(8) + b"xy" + bytes(30))

    def test_refuses_what_does_not_fit(self) -> None:
        for metadata, tensors in (
            ([("k", "u32", -1)], []),
            ([("k", "u32", "word")], []),
            ([("k", "string", 5)], []),
            ([("k", "i32[]", [1, "x"])], []),
            ([("k", "letters", 5)], []),
            ([("k", "u32", 1), ("k", "u32", 2)], []),
            ([], [("a", (256,), "Q4_K", bytes(143))]),
            ([], [("a", (255,), "Q4_K", bytes(144))]),
            ([], [("a", (256,), "Q9_K", bytes(144))]),
            ([], [("a", (1,), "F32", bytes(4)), ("a", (1,), "F32", bytes(4))]),
        ):
            with self.subTest(metadata=metadata, tensors=tensors), self.assertRaises(ValueError):
                gguf.write(self.path, metadata, tensors)
            self.assertFalse(self.path.exists())
        self.path.write_bytes(b"GGUF" + bytes(10))
        with self.assertRaises(ValueError):
            gguf.read(self.path)
        gguf.write(self.path, [], [("a", (256,), "Q4_K", bytes(144))])
        self.path.write_bytes(self.path.read_bytes()[:-32])
        with self.assertRaises(ValueError):
            gguf.read(self.path)


if __name__ == "__main__":
    unittest.main()
