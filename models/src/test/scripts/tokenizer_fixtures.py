"""Makes the tokenizer fixtures of models/src/test/resources/tokenizers: small trained vocabularies and what the reference
implementation (Hugging Face tokenizers) makes of a list of texts. See tokenizer_file_fixtures.py for the other formats.

Needs: pip install tokenizers. Usage: tokenizer_fixtures.py OUT BYTE_LEVEL_TOKENIZER_JSON
"""
import json, os, random, shutil, sys
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, normalizers, trainers, processors, Regex, AddedToken

OUT, BYTE_LEVEL = sys.argv[1:3]
os.makedirs(OUT, exist_ok=True)
random.seed(7)
CORPUS = [
    "The quick brown fox jumps over the lazy dog. It wasn't easy, they'll say; we've seen 12345 of them in 2024!",
    "def add(a, b):\n    return a + b\n\n\tprint(add(1, 2))",
    "Größe, naïve café, Москва и Санкт-Петербург, 你好，世界。こんにちは世界 안녕하세요",
    "the model reads the tokens and the tokens become text again and again and again",
    "in the beginning the server started, then the engine loaded the weights and answered the requests",
] * 20

TEXTS = [
    "", " ", "  ", "\n", "\t\n \t", "Hello, world!", " Hello", "  two leading, two trailing  ", "the tokens, the tokens",
    "wasn't THEY'LL we've I'm he'd", "1 12 123 1234 12345 3.14159 ٣٤٥ ½", "a\u00a0b\u2009c\u3000d", "nul\0in\0side",
    "你好，世界。", "こんにちは世界", "안녕하세요", "مرحبا بالعالم", "שלום עולם", "e\u0301 vs é, a\u0308\u0323", "👨‍👩‍👧‍👦 and 🏳️‍🌈 🇩🇪", "\U0001F600\U0001F601x",
    "<|im_start|>user\nhi<|im_end|>", "</s> <s> <unk> <pad> <0x41>", "▁already▁there", "def add(a, b):\n    return a + b\n\n\n",
    "a" * 40, "\r\n\r\nwin\r\n", "ＡＢＣ ﬁne", "tab\tsep   many    spaces", "\ufeffbom \ufffd", "x  \n  y", "…—“quotes”",
]


def cases(tok):
    # plain: what a special token's text means when it is only text
    tok.encode_special_tokens = False
    parsed = [tok.encode(t, add_special_tokens=False).ids for t in TEXTS]
    full = [tok.encode(t, add_special_tokens=True).ids for t in TEXTS]
    tok.encode_special_tokens = True
    plain = [tok.encode(t, add_special_tokens=False).ids for t in TEXTS]
    tok.encode_special_tokens = False
    size = max(tok.get_vocab(with_added_tokens=True).values()) + 1
    rows = [p for p in full if p] + [[random.randrange(size) for _ in range(random.randrange(1, 24))] for _ in range(40)]
    byte_ids = [i for t, i in tok.get_vocab().items() if t.startswith("<0x")]
    if byte_ids:
        rows += [[random.choice(byte_ids) for _ in range(random.randrange(1, 6))] + [random.randrange(size)] for _ in range(20)]
    return {
        "texts": TEXTS, "parsed": parsed, "full": full, "plain": plain,
        "decode": [{"ids": r, "keep": tok.decode(r, skip_special_tokens=False), "skip": tok.decode(r, skip_special_tokens=True)} for r in rows],
    }


def save(name, tok):
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        f.write(tok.to_str(pretty=False))
    with open(os.path.join(folder, "cases.json"), "w") as f:
        json.dump(cases(tok), f, ensure_ascii=True, separators=(",", ":"))


def bpe_with_fallback(prepend, strip, name):
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.normalizer = normalizers.Sequence(([normalizers.Prepend("▁")] if prepend else []) + [normalizers.Replace(" ", "▁")])
    specials = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=700, special_tokens=specials, show_progress=False))
    d = json.loads(tok.to_str())
    d["pre_tokenizer"] = None
    d["added_tokens"] = [a for a in d["added_tokens"] if a["id"] < 3]
    n = max(d["model"]["vocab"].values()) + 1
    for i, (text, special) in enumerate([("<|im_start|>", True), ("<tool>", False), ("<|im_end|>", True)]):
        d["added_tokens"].append(dict(id=n + i, content=text, single_word=False, lstrip=False, rstrip=False, normalized=False, special=special))
    tok = Tokenizer.from_str(json.dumps(d))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if strip else [])
    tok.decoder = decoders.Sequence(steps)
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    save(name, tok)


def unigram():
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tok.decoder = decoders.Metaspace(prepend_scheme="always")
    tok.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    save("unigram", tok)


def wordpiece():
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tok.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    tok.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    save("wordpiece", tok)


def suffix():
    tok = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.decoder = decoders.BPEDecoder()
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "<s>"], end_of_word_suffix="</w>", show_progress=False))
    save("suffix", tok)


save("byte-level", Tokenizer.from_file(BYTE_LEVEL))
shutil.copy(os.path.join(os.path.dirname(BYTE_LEVEL), "tokenizer_config.json"), os.path.join(OUT, "byte-level", "tokenizer_config.json"))
bpe_with_fallback(True, True, "llama")
bpe_with_fallback(False, False, "gemma")
unigram()
wordpiece()
suffix()
