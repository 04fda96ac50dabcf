"""Records tiny random models of many configurations for GoldenTest.

Run in a Python with torch and transformers 5: python make_goldens.py OUT_DIR [name ...]
Each case becomes a folder OUT_DIR/NAME with config.json, safetensors and golden.json: prompts, the last position's logits, the
log-probabilities of the prompt's tokens and greedy ids with the margins they won by, all computed by transformers in float32 on the
CPU from the folder as written. Greedy steps run the whole sequence anew, so that rotary settings which depend on its length are
those of the sequence.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

transformers.logging.disable_progress_bar()

VOCAB = 64
GREEDY = 8

BASE = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)


def case(config, prompts=(9, 70), dtype="bfloat16", old=False, shards=None, edit=None, greedy=GREEDY, convert=None, **values):
    """One case; old: config.json with rope_theta and rope_scaling; edit: changes config.json before the model is read back;
    convert: lays tensors and config.json out anew once the model's answers are recorded."""
    return dict(
        config=config,
        prompts=prompts,
        dtype=dtype,
        old=old,
        shards=shards,
        edit=edit,
        greedy=greedy,
        convert=convert,
        values={**BASE, **values},
    )


def rope(kind="default", theta=10000.0, **values):
    return {"rope_type": kind, "rope_theta": theta, **values}


def longrope(dim, **values):
    return rope(
        "longrope",
        short_factor=[1.0 + 0.07 * i for i in range(dim // 2)],
        long_factor=[1.3 + 1.9 * i for i in range(dim // 2)],
        **values,
    )


def type_key(config):
    """The oldest style: "type" instead of "rope_type"."""
    config["rope_scaling"]["type"] = config["rope_scaling"].pop("rope_type")


def without(*keys):
    def edit(config):
        for key in keys:
            config.pop(key, None)

    return edit


QWEN = dict(head_dim=8)
MOE = dict(
    head_dim=8,
    num_experts=4,
    num_experts_per_tok=2,
    moe_intermediate_size=16,
    decoder_sparse_step=1,
    num_hidden_layers=3,
)
GPT2 = dict(n_embd=32, n_layer=2, n_head=4, n_positions=96)
GEMMA = dict(head_dim=16, tie_word_embeddings=True)
WIDE = dict(num_attention_heads=2, num_key_value_heads=1)  # partial rotation needs wide heads
MULTIPLIERS = dict(embedding_multiplier=3.0, residual_multiplier=0.7, attention_multiplier=0.2, logits_scaling=1.5)


def neox_style(config):
    """The names of GPT-NeoX's own config.json."""
    config["rotary_emb_base"] = config.pop("rope_theta")
    config["rotary_pct"] = config.pop("partial_rotary_factor")
    config.pop("rope_scaling")


def gemma3_style(config):
    """Gemma 3 before transformers 5: two bases, a scaling for the global layers, a pattern."""
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters["full_attention"].pop("rope_theta")
    config["rope_local_base_freq"] = parameters["sliding_attention"]["rope_theta"]
    config["rope_scaling"] = parameters["full_attention"]
    config.pop("layer_types")
    config["sliding_window_pattern"] = 2


def renamed(tensors, layer, final):
    """Tensors under other names: layer maps what stands behind model.layers.N., final whole names."""
    out = {}
    for name, tensor in tensors.items():
        if name.startswith("model.layers."):
            _, _, number, rest = name.split(".", 3)
            for old, new in layer.items():
                if rest.startswith(old + "."):
                    out[new.replace("{}", number) + rest[len(old):]] = tensor
        elif name.rsplit(".", 1)[0] in final:
            out[final[name.rsplit(".", 1)[0]] + "." + name.rsplit(".", 1)[1]] = tensor
    return out


def numbers(tensors):
    return sorted({int(name.split(".")[2]) for name in tensors if name.startswith("model.layers.")})


def plain_rope(config):
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]


def to_internlm2(tensors, config):
    block = "model.layers.{}."
    out = renamed(
        tensors,
        {
            "input_layernorm": block + "attention_norm",
            "self_attn.o_proj": block + "attention.wo",
            "post_attention_layernorm": block + "ffn_norm",
            "mlp.gate_proj": block + "feed_forward.w1",
            "mlp.up_proj": block + "feed_forward.w3",
            "mlp.down_proj": block + "feed_forward.w2",
        },
        {"model.embed_tokens": "model.tok_embeddings", "model.norm": "model.norm", "lm_head": "output"},
    )
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    for i in numbers(tensors):
        q, k, v = (tensors[f"model.layers.{i}.self_attn.{x}_proj.weight"] for x in "qkv")
        dim = q.shape[0] // heads
        parts = [q.view(kv, heads // kv, dim, -1), k.view(kv, 1, dim, -1), v.view(kv, 1, dim, -1)]
        out[f"model.layers.{i}.attention.wqkv.weight"] = torch.cat(parts, 1).reshape(-1, q.shape[1]).contiguous()
    plain_rope(config)
    config.update(architectures=["InternLM2ForCausalLM"], model_type="internlm2", bias=False)
    return out, config


def fused(tensors, out, target):
    for i in numbers(tensors):
        for kind in ("weight", "bias"):
            parts = [tensors.get(f"model.layers.{i}.self_attn.{x}_proj.{kind}") for x in "qkv"]
            if parts[0] is not None:
                out[target.replace("{}", str(i)) + "." + kind] = torch.cat(parts, 0)


def to_qwen(tensors, config):
    block = "transformer.h.{}."
    out = renamed(
        tensors,
        {
            "input_layernorm": block + "ln_1",
            "self_attn.o_proj": block + "attn.c_proj",
            "post_attention_layernorm": block + "ln_2",
            "mlp.gate_proj": block + "mlp.w2",
            "mlp.up_proj": block + "mlp.w1",
            "mlp.down_proj": block + "mlp.c_proj",
        },
        {"model.embed_tokens": "transformer.wte", "model.norm": "transformer.ln_f", "lm_head": "lm_head"},
    )
    fused(tensors, out, block + "attn.c_attn")
    return out, dict(
        architectures=["QWenLMHeadModel"],
        model_type="qwen",
        hidden_size=config["hidden_size"],
        intermediate_size=2 * config["intermediate_size"],
        kv_channels=config["hidden_size"] // config["num_attention_heads"],
        layer_norm_epsilon=config["rms_norm_eps"],
        max_position_embeddings=4096,
        seq_length=config["max_position_embeddings"],
        num_attention_heads=config["num_attention_heads"],
        num_hidden_layers=config["num_hidden_layers"],
        rotary_emb_base=config["rope_parameters"]["rope_theta"],
        rotary_pct=1.0,
        tie_word_embeddings=False,
        use_dynamic_ntk=True,
        use_logn_attn=True,
        vocab_size=config["vocab_size"],
    )


def to_chatglm(tensors, config):
    block = "transformer.encoder.layers.{}."
    out = renamed(
        tensors,
        {
            "input_layernorm": block + "input_layernorm",
            "self_attn.o_proj": block + "self_attention.dense",
            "post_attention_layernorm": block + "post_attention_layernorm",
            "mlp.gate_up_proj": block + "mlp.dense_h_to_4h",
            "mlp.down_proj": block + "mlp.dense_4h_to_h",
        },
        {
            "model.embed_tokens": "transformer.embedding.word_embeddings",
            "model.norm": "transformer.encoder.final_layernorm",
            "lm_head": "transformer.output_layer",
        },
    )
    fused(tensors, out, block + "self_attention.query_key_value")
    return out, dict(
        architectures=["ChatGLMModel"],
        model_type="chatglm",
        add_bias_linear=False,
        add_qkv_bias=True,
        apply_residual_connection_post_layernorm=False,
        ffn_hidden_size=config["intermediate_size"],
        hidden_size=config["hidden_size"],
        kv_channels=config["head_dim"],
        layernorm_epsilon=config["rms_norm_eps"],
        multi_query_attention=True,
        multi_query_group_num=config["num_key_value_heads"],
        num_attention_heads=config["num_attention_heads"],
        num_layers=config["num_hidden_layers"],
        padded_vocab_size=config["vocab_size"],
        rmsnorm=True,
        rope_ratio=config["rope_parameters"]["rope_theta"] / 10000,
        seq_length=config["max_position_embeddings"],
        tie_word_embeddings=False,
    )


def to_minicpm(tensors, config):
    plain_rope(config)
    config.update(
        architectures=["MiniCPMForCausalLM"],
        model_type="minicpm",
        scale_emb=config.pop("embedding_multiplier"),
        scale_depth=1.4,
        dim_model_base=config["hidden_size"] / config.pop("logits_scaling"),
    )
    config.pop("residual_multiplier")
    config.pop("attention_multiplier")
    return tensors, config

CASES = {
    # Llama
    "llama-bias": case("Llama", attention_bias=True, mlp_bias=True, old=True),
    "llama-wide-heads": case("Llama", head_dim=16, num_key_value_heads=1, tie_word_embeddings=True, dtype="float16"),
    "llama-linear": case("Llama", rope_parameters=rope("linear", factor=4.0), old=True, edit=type_key),
    "llama-dynamic": case("Llama", rope_parameters=rope("dynamic", factor=3.0), old=True),
    "llama-yarn": case(
        "Llama",
        head_dim=16,
        rope_parameters=rope("yarn", factor=4.0, original_max_position_embeddings=64),
        old=True,
    ),
    "llama-yarn-all": case(
        "Llama",
        head_dim=16,
        rope_parameters=rope(
            "yarn",
            theta=5000.0,
            factor=8.0,
            original_max_position_embeddings=32,
            attention_factor=0.83,
            beta_fast=6.0,
            beta_slow=0.5,
            truncate=False,
        ),
    ),
    "llama-llama3": case(
        "Llama",
        head_dim=16,
        rope_parameters=rope(
            "llama3",
            theta=500.0,
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=64,
        ),
        old=True,
    ),
    "llama-longrope": case(
        "Llama",
        prompts=(33, 70),
        rope_parameters=longrope(8, original_max_position_embeddings=64, factor=4.0),
    ),
    "llama-partial": case("Llama", head_dim=16, rope_parameters=rope(partial_rotary_factor=0.5)),
    "llama-sharded": case("Llama", shards="16KB", dtype="float16"),
    "llama-gelu": case("Llama", hidden_act="gelu", rms_norm_eps=0.01, old=True),
    # Mistral
    "mistral-window": case("Mistral", sliding_window=12, head_dim=16),
    # Qwen
    "qwen2-window": case(
        "Qwen2",
        use_sliding_window=True,
        sliding_window=10,
        max_window_layers=1,
        num_hidden_layers=3,
        old=True,
        edit=without("layer_types"),
    ),
    "qwen2-layer-types": case(
        "Qwen2",
        use_sliding_window=True,
        sliding_window=10,
        num_hidden_layers=3,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        tie_word_embeddings=True,
    ),
    "qwen2-window-off": case("Qwen2", use_sliding_window=False, sliding_window=10, max_window_layers=0, old=True),
    "qwen2-yarn": case(
        "Qwen2", rope_parameters=rope("yarn", theta=1e6, factor=4.0, original_max_position_embeddings=64), old=True,
        edit=type_key,
    ),
    "qwen3-window": case(
        "Qwen3", use_sliding_window=True, sliding_window=9, max_window_layers=1, num_hidden_layers=3, **QWEN
    ),
    "qwen3-bias": case("Qwen3", attention_bias=True, head_dim=16, rms_norm_eps=1e-3, old=True, tie_word_embeddings=True),
    "qwen3-moe-norm": case("Qwen3Moe", norm_topk_prob=True, **{**MOE, "num_hidden_layers": 2}),
    "qwen3-moe-step": case(
        "Qwen3Moe",
        norm_topk_prob=False,
        mlp_only_layers=[3],
        **{**MOE, "decoder_sparse_step": 2, "num_hidden_layers": 4},
        old=True,
    ),
    "qwen3-moe-window": case(
        "Qwen3Moe", use_sliding_window=True, sliding_window=11, **{**MOE, "num_hidden_layers": 2}, attention_bias=True
    ),
    # Gemma 2
    "gemma2-caps": case(
        "Gemma2",
        query_pre_attn_scalar=16,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
        sliding_window=9,
        **GEMMA,
    ),
    "gemma2-no-caps": case(
        "Gemma2",
        query_pre_attn_scalar=20,
        attn_logit_softcapping=None,
        final_logit_softcapping=None,
        sliding_window=9,
        old=True,
        edit=without("layer_types"),
        attention_bias=True,
        **GEMMA,
    ),
    # Phi-3
    "phi3-longrope": case(
        "Phi3",
        prompts=(33, 70),
        original_max_position_embeddings=64,
        rope_parameters=longrope(8),
        old=True,
    ),
    "phi3-longrope-partial": case(
        "Phi3",
        prompts=(64, 65),
        greedy=0,
        num_attention_heads=2,
        num_key_value_heads=1,
        original_max_position_embeddings=64,
        rope_parameters=longrope(12, partial_rotary_factor=0.75),
        sliding_window=48,
        tie_word_embeddings=True,
        old=True,
        edit=type_key,
    ),
    "phi3-window": case("Phi3", sliding_window=11, hidden_act="gelu_pytorch_tanh"),
    # GPT-2
    "gpt2-inverse": case(
        "GPT2", scale_attn_by_inverse_layer_idx=True, activation_function="relu", n_inner=24, **{**GPT2, "n_layer": 3}
    ),
    "gpt2-unscaled": case(
        "GPT2", scale_attn_weights=False, activation_function="gelu", layer_norm_epsilon=1e-3, n_inner=24, **GPT2
    ),
    # Architectures beyond the first
    "mixtral": case("Mixtral", num_local_experts=4, num_experts_per_tok=2, intermediate_size=16),
    "qwen2-moe": case(
        "Qwen2Moe", shared_expert_intermediate_size=20, norm_topk_prob=False, **{**MOE, "head_dim": None, "num_hidden_layers": 2}
    ),
    "olmoe": case("Olmoe", num_experts=4, num_experts_per_tok=2, intermediate_size=16, norm_topk_prob=False),
    "granite-moe": case(
        "GraniteMoe", num_local_experts=4, num_experts_per_tok=2, intermediate_size=16, **MULTIPLIERS
    ),
    "granite": case("Granite", attention_bias=True, mlp_bias=True, **MULTIPLIERS, old=True),
    "phi": case("Phi", rope_parameters=rope(partial_rotary_factor=0.5), head_dim=None, old=True),
    "gpt-neox": case("GPTNeoX", rope_parameters=rope(partial_rotary_factor=0.25, theta=3000.0), **WIDE),
    "gpt-neox-sequential": case(
        "GPTNeoX",
        use_parallel_residual=False,
        attention_bias=False,
        hidden_act="gelu_new",
        rope_parameters=rope(partial_rotary_factor=0.5),
        old=True,
        edit=neox_style,
        **WIDE,
    ),
    "stablelm": case("StableLm", use_qkv_bias=True, rope_parameters=rope(partial_rotary_factor=0.25), **WIDE, old=True),
    "stablelm-parallel": case(
        "StableLm", use_parallel_residual=True, rope_parameters=rope(partial_rotary_factor=0.5), **WIDE
    ),
    "starcoder2": case("Starcoder2", sliding_window=20, norm_epsilon=1e-3),
    "gemma": case("Gemma", hidden_act="gelu", **GEMMA, old=True),
    "gemma3": case(
        "Gemma3Text",
        num_hidden_layers=3,
        sliding_window=10,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        query_pre_attn_scalar=16,
        final_logit_softcapping=20.0,
        rope_parameters={
            "sliding_attention": rope(theta=1000.0),
            "full_attention": rope("linear", theta=50000.0, factor=8.0),
        },
        **GEMMA,
    ),
    "gemma3-old": case(
        "Gemma3Text",
        num_hidden_layers=2,
        sliding_window=10,
        layer_types=["sliding_attention", "full_attention"],
        query_pre_attn_scalar=11,
        rope_parameters={"sliding_attention": rope(theta=2000.0), "full_attention": rope("linear", theta=1e6, factor=4.0)},
        edit=gemma3_style,
        **GEMMA,
    ),
    "olmo": case("Olmo", attention_bias=True),
    "olmo2": case("Olmo2", rope_parameters=rope(theta=500000.0)),
    "olmo3": case(
        "Olmo3",
        sliding_window=10,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={
            "sliding_attention": rope(theta=5000.0),
            "full_attention": rope("yarn", theta=5000.0, factor=4.0, original_max_position_embeddings=64),
        },
    ),
    "cohere": case("Cohere", logit_scale=0.5, attention_bias=True),
    "cohere2": case(
        "Cohere2", logit_scale=0.25, sliding_window=10, layer_types=["sliding_attention", "full_attention"], old=True
    ),
    "smollm3": case("SmolLM3", no_rope_layer_interval=2, tie_word_embeddings=False),
    "smollm3-list": case(
        "SmolLM3", no_rope_layers=[0, 1], use_sliding_window=True, sliding_window=10, old=True, mlp_bias=True,
        edit=without("layer_types"),
    ),
    "glm": case("Glm", head_dim=8, rope_parameters=rope(partial_rotary_factor=0.5)),
    "glm4": case("Glm4", head_dim=8, rope_parameters=rope(partial_rotary_factor=0.5), attention_bias=False, old=True),
    "exaone4": case(
        "Exaone4", sliding_window=10, sliding_window_pattern=2, layer_types=["sliding_attention", "full_attention"]
    ),
    "nemotron": case("Nemotron", rope_parameters=rope(partial_rotary_factor=0.5), head_dim=8, attention_bias=True),
    "helium": case("Helium", head_dim=8, rope_parameters=rope(theta=100000.0)),
    "seed-oss": case("SeedOss", head_dim=8, attention_bias=True, attention_out_bias=True),
    "ernie4.5": case("Ernie4_5", head_dim=8, use_bias=True, tie_word_embeddings=True),
    "arcee": case("Arcee", head_dim=8),
    "hunyuan": case("HunYuanDenseV1", head_dim=8, tie_word_embeddings=True),
    "hunyuan-alpha": case(
        "HunYuanDenseV1", head_dim=8, attention_bias=True, rope_parameters=rope("dynamic", factor=1.0, alpha=50.0),
        old=True,
    ),
    "internlm3": case("InternLM3", head_dim=8, attention_bias=True, mlp_bias=True),
    "ministral": case("Ministral", head_dim=8, sliding_window=10, layer_types=["sliding_attention", "full_attention"]),
    # Architectures that transformers does not have, laid out anew from one that computes the same
    "internlm2": case("Llama", convert=to_internlm2),
    "qwen": case("Qwen2", num_key_value_heads=4, convert=to_qwen),
    "chatglm": case("Glm", head_dim=8, rope_parameters=rope(partial_rotary_factor=0.5, theta=20000.0), convert=to_chatglm),
    "minicpm": case(
        "Granite",
        embedding_multiplier=3.0,
        residual_multiplier=1.4 / 2**0.5,
        attention_multiplier=8**-0.5,
        logits_scaling=2.0,
        tie_word_embeddings=True,
        convert=to_minicpm,
    ),
}


def fill(model, seed):
    """Weights with scales that make every part of the model matter; values that bfloat16 and float16 hold exactly."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name.lower() or ".ln_" in name or parameter.dim() < 2 and name.endswith("weight"):
            plus_one = name.endswith("weight") and float(parameter.abs().max()) > 0.5
            value = (1 if plus_one else 0) + 0.3 * noise
        elif parameter.dim() < 2:
            value = 0.3 * noise
        elif "embed" in name or "wte" in name:
            value = 0.8 * noise
        elif "wpe" in name:
            value = 0.3 * noise
        else:
            fan_in = parameter.shape[0] if type(model).__name__.startswith("GPT2") and "lm_head" not in name else parameter.shape[-1]
            value = (1.6 if any(x in name for x in ("q_proj", "k_proj", "qkv", "query", "gate.w")) else 1.0) * noise / fan_in**0.5
        parameter.data.copy_(value.to(torch.bfloat16).float())


def old_style(config):
    """rope_parameters of transformers 5 as rope_theta and rope_scaling of the versions before."""
    parameters = config.pop("rope_parameters", None)
    if parameters is None:
        return
    config["rope_theta"] = parameters.pop("rope_theta")
    if "partial_rotary_factor" in parameters:
        config["partial_rotary_factor"] = parameters.pop("partial_rotary_factor")
    config["rope_scaling"] = None if parameters["rope_type"] == "default" else parameters
    config["torch_dtype"] = config.pop("dtype", "float32")


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0].float()


def record(model, length, greedy, generator):
    prompt = torch.randint(3, VOCAB, (length,), generator=generator).tolist()
    out = logits(model, prompt)
    logprobs = torch.log_softmax(out, -1)
    picked = [float(logprobs[i, prompt[i + 1]]) for i in range(length - 1)]
    ids, margins, last, sequence = [], [], out[-1], list(prompt)
    for _ in range(greedy):
        top = torch.topk(last, 2).values
        ids.append(int(last.argmax()))
        margins.append(round(float(top[0] - top[1]), 5))
        sequence.append(ids[-1])
        last = logits(model, sequence)[-1]
    return dict(
        prompt=prompt,
        last_logits=[round(float(x), 5) for x in out[-1]],
        prompt_logprobs=[round(x, 5) for x in picked],
        greedy=ids,
        greedy_margins=margins,
    )


def make(folder, name, spec):
    if folder.exists():
        shutil.rmtree(folder)
    values = dict(spec["values"])
    if spec["config"] == "GPT2":
        for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
                    "max_position_embeddings"):
            values.pop(key)
    if spec["config"] == "GPTNeoX":
        values.pop("num_key_value_heads")
    values = {key: value for key, value in values.items() if key != "head_dim" or value is not None}
    config = getattr(transformers, spec["config"] + "Config")(**values)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config)
    seed = sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**31
    fill(model, seed)
    model.to(getattr(torch, spec["dtype"])).save_pretrained(folder, **({"max_shard_size": spec["shards"]} if spec["shards"] else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    if spec["old"]:
        old_style(written)
    if spec["edit"]:
        spec["edit"](written)
    path.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(seed)
    cases = [record(model, length, spec["greedy"], generator) for length in spec["prompts"]]
    golden = dict(transformers=transformers.__version__, dtype="float32", cases=cases)
    (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    if spec["convert"]:
        file = folder / "model.safetensors"
        tensors, config = spec["convert"](load_file(file), written)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file, {"format": "pt"})
        path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    spread = max(abs(x) for x in cases[-1]["last_logits"])
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size} bytes, largest logit {spread:.2f}, margins {cases[-1]['greedy_margins'][:3]}")


def main():
    out = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or CASES:
        make(out / name, name, CASES[name])


if __name__ == "__main__":
    main()
