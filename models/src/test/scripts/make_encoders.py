"""Makes the tiny random encoders of resources/encoders and what transformers and sentence-transformers answer with them.

Run once, with torch, transformers and sentence-transformers installed: python make_encoders.py. Seeds are fixed, so weights repeat.
"""
import json
import pathlib
import shutil

import torch
import transformers as tr
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent.parent / "resources" / "encoders"
TEXTS = [
    "The cat sat on the mat.",
    "A dog barks!",
    "x",
    "Grüße aus Köln, 12 café",
    "the quick brown fox jumps over the lazy dog and the cat sat on the mat while a dog barks at the fox, again and again",
]
PAIRS = [
    ["where did the cat sit?", "The cat sat on the mat."],
    ["where did the cat sit?", "A dog barks!"],
    ["x", " ".join(["the lazy dog jumps over the mat"] * 6)],
    [" ".join(["the quick brown fox"] * 8), " ".join(["barks and sits"] * 9)],
]
CORPUS = TEXTS + [t for pair in PAIRS for t in pair] + ["Grüße Köln café where did sit jumps barks"] * 3


def word_piece(post):
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False))
    tok.decoder = decoders.WordPiece()
    if post == "template":
        tok.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    else:
        tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tok


def byte_bpe(post):
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.decoder = decoders.ByteLevel()
    if post == "template":
        tok.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    else:
        tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tok


def fast(tok, roberta, length):
    names = dict(bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>") \
        if roberta else dict(sep_token="[SEP]", cls_token="[CLS]", unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]")
    inputs = ["input_ids", "attention_mask"] + ([] if roberta else ["token_type_ids"])
    return tr.PreTrainedTokenizerFast(tokenizer_object=tok, model_max_length=length, model_input_names=inputs, **names)


def spread(model):
    """Random weights of a size at which every part of the model matters."""
    torch.manual_seed(7)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.normal_(0, 0.25)
            elif name.endswith("weight"):
                p.uniform_(0.6, 1.4)
            else:
                p.normal_(0, 0.1)
    return model.eval()


def sizes(**more):
    return dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, **more)


def save(name, model, tok):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model.save_pretrained(folder)
    tok.save_pretrained(folder)
    return folder


def hidden(model, tok, length):
    out = []
    for text in TEXTS:
        e = tok(text, return_tensors="pt", truncation=True, max_length=length)
        with torch.no_grad():
            base = model.base_model(**e).last_hidden_state[0]
        out.append({"text": text, "ids": e["input_ids"][0].tolist(), "hidden": [[round(v, 6) for v in row] for row in base.tolist()]})
    return out


def scored(model, tok, length):
    out = []
    for a, b in PAIRS:
        e = tok(a, b, return_tensors="pt", truncation="longest_first", max_length=length)
        with torch.no_grad():
            logits = model(**e).logits[0]
        types = e["token_type_ids"][0].tolist() if "token_type_ids" in e else [0] * e["input_ids"].shape[1]
        out.append({"a": a, "b": b, "ids": e["input_ids"][0].tolist(), "types": types, "logits": [round(v, 6) for v in logits.tolist()]})
    return out


def write(folder, **golden):
    golden = {"transformers": tr.__version__, "torch": torch.__version__, **golden}
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")


def rounded(rows):
    return [[round(float(v), 6) for v in row] for row in rows]


def bert_embed():
    tok = fast(word_piece("template"), False, 64)
    model = spread(tr.BertModel(tr.BertConfig(vocab_size=len(tok), max_position_embeddings=64, **sizes())))
    plain = save("bert-embed", model, tok)
    states = hidden(model, tok, 16)
    modules = Transformer(str(plain), max_seq_length=16)
    st = SentenceTransformer(modules=[modules, Pooling(32, "mean"), Normalize()],
                             prompts={"query": "search: ", "document": ""}, device="cpu")
    shutil.rmtree(plain)
    st.save(str(plain), create_model_card=False)
    vectors = {mode: rounded(SentenceTransformer(modules=[modules, Pooling(32, mode)], device="cpu").encode(TEXTS))
               for mode in ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]}
    write(plain, states=states, embeddings=rounded(st.encode(TEXTS)), queries=rounded(st.encode(TEXTS, prompt_name="query")), pooled=vectors)


def bert_rerank():
    tok = fast(word_piece("template"), False, 48)
    model = spread(tr.BertForSequenceClassification(tr.BertConfig(vocab_size=len(tok), max_position_embeddings=48, num_labels=1, **sizes())))
    folder = save("bert-rerank", model, tok)
    ce = CrossEncoder(str(folder), device="cpu")
    write(folder, pairs=scored(model, tok, 48), scores=[round(float(v), 6) for v in ce.predict(PAIRS)])


def xlm_roberta():
    tok = fast(byte_bpe("template"), True, 40)
    model = spread(tr.XLMRobertaModel(tr.XLMRobertaConfig(vocab_size=len(tok), max_position_embeddings=42, type_vocab_size=1, pad_token_id=1,
                                                          hidden_act="gelu_new", layer_norm_eps=1e-5, **sizes())))
    folder = save("xlm-roberta", model.half().float(), tok)
    write(folder, states=hidden(model, tok, 40))


def roberta_classify():
    tok = fast(byte_bpe("roberta"), True, 40)
    labels = {0: "negative", 1: "neutral", 2: "positive"}
    model = spread(tr.RobertaForSequenceClassification(tr.RobertaConfig(
        vocab_size=len(tok), max_position_embeddings=42, type_vocab_size=1, pad_token_id=1, id2label=labels, label2id={v: k for k, v in labels.items()}, **sizes())))
    folder = save("roberta-classify", model, tok)
    write(folder, states=hidden(model, tok, 40), pairs=scored(model, tok, 40))


def distilbert_classify():
    tok = fast(word_piece("bert"), False, 48)
    model = spread(tr.DistilBertForSequenceClassification(tr.DistilBertConfig(
        vocab_size=len(tok), max_position_embeddings=48, dim=32, n_layers=2, n_heads=4, hidden_dim=64, num_labels=2)))
    tok.model_input_names = ["input_ids", "attention_mask"]
    folder = save("distilbert-classify", model, tok)
    write(folder, states=hidden(model, tok, 48), pairs=scored(model, tok, 48))


def decoders():
    """Hidden states of decoders behind the final norm, pooled: what embeddings of theirs are made of."""
    out = {}
    for name in ["llama", "qwen3", "gemma2", "gpt2", "phi3"]:
        model = tr.AutoModel.from_pretrained(HERE.parent / "golden" / name, dtype=torch.float32).eval()
        vocab = model.config.vocab_size
        cases = []
        for length in [1, 7, 40]:
            ids = [(i * 37 + 11) % vocab for i in range(length)]
            with torch.no_grad():
                states = model(torch.tensor([ids])).last_hidden_state[0]
            cases.append({"ids": ids, "last": rounded(states[-1:])[0], "mean": rounded(states.mean(0, keepdim=True))[0]})
        out[name] = cases
    (HERE / "decoders.json").write_text(json.dumps(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    decoders()
    bert_embed()
    bert_rerank()
    xlm_roberta()
    roberta_classify()
    distilbert_classify()
