#!/usr/bin/env python3
"""Writes every-type.gguf and every-type.f32 for the GGUF reader's tests with llama.cpp's own Python package.

    pip install gguf==0.19.0 numpy && python3 make_gguf_fixture.py ../resources/dev/apus/loaders

The GGUF file holds one tensor [2, 512] of each weight format that Apus reads, one of three dimensions, an I32 one and one of a format
that Apus only lists (IQ2_XXS). Formats that gguf can quantise hold quantised Gaussian noise, the others random blocks with finite
scales. The .f32 file holds the values that gguf.quants.dequantize gives, little-endian float32, tensor after tensor.
"""
import pathlib
import sys

import numpy as np
from gguf import GGUFWriter
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T, GGUFValueType as V
from gguf.quants import dequantize, quantize

ROWS, COLUMNS = 2, 512
QUANTISED = [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.BF16]
# byte offsets of the f16 scales inside a block: random bits there could be infinite
SCALES = {T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0], T.IQ2_XXS: [0]}


def random_blocks(rng, kind):
    block, size = GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (ROWS * COLUMNS // block, size), dtype=np.uint8)
    for at in SCALES[kind]:
        raw[:, at:at + 2] = rng.normal(0, 0.05, (len(raw), 1)).astype("<f2").view(np.uint8)
    return raw.reshape(ROWS, COLUMNS // block * size)


def main(folder):
    rng = np.random.default_rng(3)
    writer = GGUFWriter(folder / "every-type.gguf", "llama")
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4000000000)
    writer.add_int32("test.i32", -2000000000)
    writer.add_uint64("test.u64", 2**63 - 1)
    writer.add_int64("test.i64", -(2**63))
    writer.add_float32("test.f32", 0.5)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "größe 🦅 \ufffd")
    writer.add_array("test.strings", ["a", "", "ß", "<|im_end|>"])
    writer.add_key_value("test.floats", [0.25, -1.5], V.ARRAY, V.FLOAT32)
    writer.add_key_value("test.ints", [3, -1, 7], V.ARRAY, V.INT32)
    writer.add_key_value("test.bools", [True, False], V.ARRAY, V.BOOL)

    expected = []
    noise = lambda: rng.normal(0, 1, (ROWS, COLUMNS)).astype(np.float32)
    values = noise()
    writer.add_tensor("F32.weight", values)
    expected.append(values)
    half = noise().astype(np.float16)
    writer.add_tensor("F16.weight", half)
    expected.append(half.astype(np.float32))
    for kind in QUANTISED + [k for k in SCALES if k != T.IQ2_XXS]:
        raw = quantize(noise(), kind) if kind in QUANTISED else random_blocks(rng, kind)
        writer.add_tensor(f"{kind.name}.weight", raw, raw_dtype=kind)
        expected.append(dequantize(raw, kind))
    writer.add_tensor("cube", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    writer.add_tensor("ints", np.array([1, -2, 3], dtype=np.int32))
    writer.add_tensor("IQ2_XXS.weight", random_blocks(rng, T.IQ2_XXS), raw_dtype=T.IQ2_XXS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / "every-type.f32").write_bytes(b"".join(e.astype("<f4").tobytes() for e in expected))


main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
