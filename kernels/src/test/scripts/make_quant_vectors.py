"""Makes quant-vectors.bin, the expected values of DequantizerTest, with gguf-py (pip install gguf numpy).

For each format: its name, a count of blocks, the raw blocks and the floats that gguf.quants.dequantize reads from them.
Scales are random but finite; every other byte is random, so all bit fields are exercised.

    python3 make_quant_vectors.py ../resources/dev/apus/kernels/quant/quant-vectors.bin
"""

import struct
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

BLOCKS = 8
# Byte offsets of the float16 fields of a block.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.IQ4_NL: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_XS: [0],
}


def main(path):
    rng = np.random.default_rng(7)
    with open(path, "wb") as out:
        for kind, offsets in HALVES.items():
            size, block_bytes = GGML_QUANT_SIZES[kind]
            raw = rng.integers(0, 256, (BLOCKS, block_bytes), dtype=np.uint8)
            for offset in offsets:
                scales = rng.normal(0, 0.05, BLOCKS).astype(np.float16)
                raw[:, offset:offset + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
            values = dequantize(raw, kind).astype("<f4").reshape(-1)
            assert values.size == BLOCKS * size and np.isfinite(values).all()
            name = kind.name.encode()
            out.write(struct.pack("<i", len(name)) + name + struct.pack("<i", BLOCKS))
            out.write(raw.tobytes() + values.tobytes())


main(sys.argv[1])
