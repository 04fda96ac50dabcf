"""Lays checkpoints of make_goldens.py out as GGUF files by the conventions of llama.cpp's converter, for GoldenTest.

Run in a Python with gguf, torch and safetensors: python make_ggufs.py GOLDENS_DIR OUT_DIR [name ...]
Each NAME becomes OUT_DIR/NAME.gguf; its answers are those of GOLDENS_DIR/NAME/golden.json. The conventions: matrices of the llama
architecture's relatives have the rows of queries and keys permuted so that rotated pairs lie side by side; norms of 1 + w are stored
added up; experts are stacked; vectors are F32; Llama 3's scaling is worked out as divisors; fused parts that llama.cpp splits are split.
"""

import json
import math
import pathlib
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import load_file

# name of the golden case to architecture; the second value lists conventions
CASES = {
    "llama-llama3": ("llama", ["permute", "rope_freqs"]),
    "mixtral": ("llama", ["permute"]),
    "granite": ("granite", ["permute"]),
    "arcee": ("arcee", ["permute"]),
    "qwen2-yarn": ("qwen2", []),
    "qwen2-moe": ("qwen2moe", []),
    "qwen3-bias": ("qwen3", []),
    "qwen3-moe-norm": ("qwen3moe", []),
    "gemma": ("gemma", ["plus_one"]),
    "gemma2-caps": ("gemma2", ["plus_one"]),
    "gemma3": ("gemma3", ["plus_one"]),
    "phi3-longrope-partial": ("phi3", []),
    "phi": ("phi2", []),
    "stablelm": ("stablelm", []),
    "stablelm-parallel": ("stablelm", []),
    "starcoder2": ("starcoder2", []),
    "olmo2": ("olmo2", []),
    "olmoe": ("olmoe", []),
    "glm4": ("glm4", []),
    "nemotron": ("nemotron", ["plus_one"]),
    "hunyuan": ("hunyuan-dense", []),
    "ernie4.5": ("ernie4_5", []),
    "seed-oss": ("seed_oss", []),
    "internlm2": ("internlm2", ["permute"]),
}

LAYER = {
    "input_layernorm": "attn_norm",
    "attention_norm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.dense": "attn_output",
    "attention.wo": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.query_layernorm": "attn_q_norm",
    "self_attn.key_layernorm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "ffn_norm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "feed_forward.w1": "ffn_gate",
    "feed_forward.w3": "ffn_up",
    "feed_forward.w2": "ffn_down",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
    "block_sparse_moe.gate": "ffn_gate_inp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp",
    "mlp.shared_expert.down_proj": "ffn_down_shexp",
}
SANDWICH = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
GLM4 = {"post_self_attn_layernorm": "post_attention_norm", "post_mlp_layernorm": "post_ffw_norm"}
SEED = {"post_attention_layernorm": "post_attention_norm"}
EXPERT = {"gate_proj": "ffn_gate_exps", "up_proj": "ffn_up_exps", "down_proj": "ffn_down_exps",
          "w1": "ffn_gate_exps", "w3": "ffn_up_exps", "w2": "ffn_down_exps"}
FINAL = {
    "model.embed_tokens": "token_embd",
    "model.tok_embeddings": "token_embd",
    "model.norm": "output_norm",
    "model.final_layernorm": "output_norm",
    "lm_head": "output",
    "output": "output",
}


def layer_names(arch):
    extra = {"gemma2": SANDWICH, "gemma3": SANDWICH, "olmo2": SANDWICH, "glm4": GLM4, "seed_oss": SEED}
    return {**LAYER, **extra.get(arch, {})}


def permute(matrix, heads):
    return matrix.reshape(heads, 2, matrix.shape[0] // heads // 2, *matrix.shape[1:]).swapaxes(1, 2).reshape(matrix.shape)


def ungroup(tensors, config):
    """InternLM2's fused projection as three."""
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    out = {}
    for name, tensor in tensors.items():
        if not name.endswith("attention.wqkv.weight"):
            out[name] = tensor
            continue
        layer = name.removesuffix("attention.wqkv.weight")
        group = heads // kv
        parts = tensor.view(kv, group + 2, -1, tensor.shape[1])
        for part, rows in (("q", parts[:, :group]), ("k", parts[:, group:group + 1]), ("v", parts[:, group + 1:])):
            out[layer + f"self_attn.{part}_proj.weight"] = rows.reshape(-1, tensor.shape[1])
    return out


def convert(tensors, arch, conventions, config):
    heads = config["num_attention_heads"]
    kv = config.get("num_key_value_heads", heads)
    names = layer_names(arch)
    out, stacks = {}, {}
    for name, tensor in ungroup(tensors, config).items():
        value = tensor.float().numpy()
        base, kind = name.rsplit(".", 1)
        if "plus_one" in conventions and "norm" in base and kind == "weight":
            value = value + 1
        if base in FINAL:
            out[FINAL[base] + "." + kind] = value
            continue
        _, _, number, rest = base.split(".", 3)
        if ".experts." in rest:
            expert, part = rest.split(".experts.")[1].split(".")
            stacks.setdefault(f"blk.{number}.{EXPERT[part]}.weight", {})[int(expert)] = value
            continue
        if "permute" in conventions and rest.endswith("q_proj"):
            value = permute(value, heads)
        if "permute" in conventions and rest.endswith("k_proj"):
            value = permute(value, kv)
        out[f"blk.{number}.{names[rest]}.{kind}"] = value
    for name, experts in stacks.items():
        out[name] = np.stack([experts[i] for i in sorted(experts)])
    return out


def rope_of(config):
    parameters = config.get("rope_parameters") or {}
    if "full_attention" in parameters:
        return parameters["full_attention"], parameters["sliding_attention"]["rope_theta"]
    scaling = config.get("rope_scaling") or {}
    merged = {"rope_theta": config.get("rope_theta", 10000.0),
              "partial_rotary_factor": config.get("partial_rotary_factor", 1.0), **scaling, **parameters}
    merged.setdefault("rope_type", merged.get("type", "default"))
    return merged, None


def head_dim(config):
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def write_rope(writer, arch, conventions, config):
    rope, local = rope_of(config)
    dim = int(head_dim(config) * rope.get("partial_rotary_factor", 1.0))
    writer.add_rope_dimension_count(dim)
    if arch != "gemma2":  # llama.cpp's files of it have none
        writer.add_rope_freq_base(rope["rope_theta"])
    if local is not None:
        writer.add_float32(f"{arch}.rope.freq_base_swa", local)
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_string(f"{arch}.rope.scaling.type", rope["rope_type"])
        writer.add_float32(f"{arch}.rope.scaling.factor", rope["factor"])
        if "original_max_position_embeddings" in rope:
            writer.add_uint32(
                f"{arch}.rope.scaling.original_context_length", rope["original_max_position_embeddings"])
    if "rope_freqs" in conventions:
        periods = rope["rope_theta"] ** (np.arange(0, dim, 2) / dim)
        low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
        high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
        factors = []
        for period in periods:
            wave = 2 * math.pi * period
            smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"])
            factors.append(1 if wave < high else rope["factor"] if wave > low
                           else 1 / ((1 - smooth) / rope["factor"] + smooth))
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    if rope["rope_type"] in ("longrope", "su"):
        original = config["original_max_position_embeddings"]
        factor = config["max_position_embeddings"] / original
        writer.add_uint32(f"{arch}.rope.scaling.original_context_length", original)
        writer.add_float32(
            f"{arch}.rope.scaling.attn_factor", math.sqrt(1 + math.log(factor) / math.log(original)))
        for kind in ("long", "short"):
            writer.add_tensor(f"rope_factors_{kind}.weight", np.array(rope[f"{kind}_factor"], dtype=np.float32))


def write_keys(writer, arch, config):
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config.get("num_key_value_heads", config["num_attention_heads"]))
    if config.get("head_dim"):
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    for key in ("layer_norm_eps", "norm_epsilon", "norm_eps"):
        if key in config:
            writer.add_layer_norm_eps(config[key])
    if "rms_norm_eps" in config:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        writer.add_sliding_window(config["sliding_window"])
    if arch == "gemma3":
        writer.add_uint32("gemma3.attention.sliding_window_pattern", config["layer_types"].index("full_attention") + 1)
    for key in ("attn_logit_softcapping", "final_logit_softcapping"):
        if config.get(key) is not None:
            writer.add_float32(f"{arch}.{key}", config[key])
    experts = config.get("num_experts") or config.get("num_local_experts")
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config["num_experts_per_tok"])
    if "moe_intermediate_size" in config:
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if "shared_expert_intermediate_size" in config:
        writer.add_expert_shared_feed_forward_length(config["shared_expert_intermediate_size"])
    if arch == "granite":
        writer.add_float32("granite.embedding_scale", config["embedding_multiplier"])
        writer.add_float32("granite.residual_scale", config["residual_multiplier"])
        writer.add_float32("granite.attention.scale", config["attention_multiplier"])
        writer.add_float32("granite.logit_scale", config["logits_scaling"])
    if arch == "stablelm":
        writer.add_parallel_residual(True)  # whatever the model does: the converter's default


def make(goldens, out, name):
    arch, conventions = CASES[name]
    config = json.loads((goldens / name / "config.json").read_text())
    config = {key: value for key, value in config.items() if value is not None}
    tensors = load_file(goldens / name / "model.safetensors")
    writer = gguf.GGUFWriter(out / f"{name}.gguf", arch)
    write_keys(writer, arch, config)
    write_rope(writer, arch, conventions, config)
    for key, value in convert(tensors, arch, conventions, config).items():
        if value.ndim == 1:
            writer.add_tensor(key, value.astype(np.float32))
        elif key.startswith("blk.0."):
            writer.add_tensor(key, value.astype(np.float16))
        else:
            bits = torch.from_numpy(np.ascontiguousarray(value)).bfloat16().view(torch.int16).numpy().view(np.uint8)
            writer.add_tensor(key, bits, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(name, (out / f"{name}.gguf").stat().st_size, "bytes")


def main():
    goldens, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for name in sys.argv[3:] or CASES:
        make(goldens, out, name)


if __name__ == "__main__":
    main()
