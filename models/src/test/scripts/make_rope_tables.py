"""Records rotary frequencies that transformers computes from config.json values, for RopeTest.

Run in a Python with torch and transformers 5: python make_rope_tables.py > ../resources/rope.json
"""

import json

import torch
from transformers import LlamaConfig, PhiConfig, Phi3Config
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding
from transformers.models.phi.modeling_phi import PhiRotaryEmbedding

BASE = dict(
    vocab_size=8, hidden_size=64, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)
FACTORS = dict(
    short_factor=[1.0 + 0.05 * i for i in range(12)], long_factor=[1.1 + 2.5 * i for i in range(12)])

CASES = {
    "default": ("Llama", dict(max_position_embeddings=2048, rope_theta=10000.0)),
    "linear": ("Llama", dict(max_position_embeddings=2048, rope_scaling=dict(type="linear", factor=4.0))),
    "dynamic": ("Llama", dict(max_position_embeddings=2048, rope_scaling=dict(type="dynamic", factor=2.0))),
    "llama-3.1": (
        "Llama",
        dict(
            head_dim=128,
            max_position_embeddings=131072,
            rope_theta=500000.0,
            rope_scaling=dict(
                rope_type="llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=8192,
            ),
        ),
    ),
    "yarn-qwen2.5": (
        "Llama",
        dict(
            head_dim=128,
            max_position_embeddings=32768,
            rope_theta=1000000.0,
            rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=32768),
        ),
    ),
    "yarn-no-original": (
        "Llama", dict(max_position_embeddings=4096, rope_scaling=dict(rope_type="yarn", factor=2.0))),
    "yarn-mscale": (
        "Llama",
        dict(
            max_position_embeddings=163840,
            rope_scaling=dict(
                type="yarn",
                factor=40,
                original_max_position_embeddings=4096,
                beta_fast=32,
                beta_slow=1,
                mscale=0.707,
                mscale_all_dim=1.2,
            ),
        ),
    ),
    "yarn-factor-not-truncated": (
        "Llama",
        dict(
            max_position_embeddings=131072,
            rope_theta=150000.0,
            rope_scaling=dict(
                rope_type="yarn",
                factor=32.0,
                original_max_position_embeddings=4096,
                attention_factor=1.7,
                beta_fast=16.0,
                beta_slow=2.0,
                truncate=False,
            ),
        ),
    ),
    "parameters": (
        "Llama", dict(max_position_embeddings=2048, rope_parameters=dict(rope_type="linear", rope_theta=7.5e4, factor=3.0))),
    "longrope": (
        "Phi3",
        dict(
            max_position_embeddings=4096,
            original_max_position_embeddings=128,
            partial_rotary_factor=0.75,
            rope_theta=20000.0,
            rope_scaling=dict(type="longrope", **FACTORS),
        ),
    ),
    "longrope-factor": (
        "Phi3",
        dict(
            max_position_embeddings=4096,
            original_max_position_embeddings=128,
            rope_parameters=dict(
                rope_type="longrope", rope_theta=1e4, factor=9.0, partial_rotary_factor=0.75, **FACTORS),
        ),
    ),
    "longrope-attention": (
        "Phi3",
        dict(
            max_position_embeddings=4096,
            original_max_position_embeddings=128,
            partial_rotary_factor=0.75,
            rope_scaling=dict(type="longrope", attention_factor=1.31, **FACTORS),
        ),
    ),
    "partial": ("Phi", dict(max_position_embeddings=2048, partial_rotary_factor=0.5, rope_theta=500.0)),
    "partial-absent": ("Phi", dict(max_position_embeddings=2048)),
}
CLASSES = {
    "Llama": (LlamaConfig, LlamaRotaryEmbedding),
    "Phi3": (Phi3Config, Phi3RotaryEmbedding),
    "Phi": (PhiConfig, PhiRotaryEmbedding),
}


def frequencies(embedding):
    return [float(f"{float(x):.9g}") for x in embedding.inv_freq]


def main():
    out = {}
    for name, (kind, values) in CASES.items():
        config_class, embedding_class = CLASSES[kind]
        given = json.loads(json.dumps(values))
        embedding = embedding_class(config_class(**BASE, **given, pad_token_id=0))
        entry = dict(
            config=dict(architectures=[kind + "ForCausalLM"], **BASE, **values),
            frequencies=frequencies(embedding),
            attention_factor=embedding.attention_scaling,
        )
        if name.startswith("longrope"):
            original = values["original_max_position_embeddings"]
            embedding(torch.zeros(1), torch.tensor([[original]]))
            entry["long_frequencies"] = frequencies(embedding)
        out[name] = entry
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
