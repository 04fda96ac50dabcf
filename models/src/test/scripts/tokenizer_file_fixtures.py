"""Makes the fixtures of models/src/test/resources/tokenizers that are not a tokenizer.json: small SentencePiece and tiktoken vocabularies
and what SentencePiece, tiktoken and transformers make of a list of texts.

Needs: pip install transformers tokenizers sentencepiece protobuf tiktoken. Usage: tokenizer_file_fixtures.py OUT
"""
import base64, io, itertools, json, os, random, sys, unicodedata
import sentencepiece as spm
import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

OUT = sys.argv[1]
random.seed(11)
CORPUS = [
    "The quick brown fox jumps over the lazy dog. It wasn't easy, they'll say; we've seen 12345 of them in 2024!",
    "def add(a, b):     return a + b    print(add(1, 2))",
    "Größe, naïve café, Москва и Санкт-Петербург, 你好，世界。こんにちは世界 안녕하세요",
    "the model reads the tokens and the tokens become text again and again and again",
    "in the beginning the server started, then the engine loaded the weights and answered the requests",
] * 20

TEXTS = [
    "", " ", "  ", "     ", "\n", "\t\n \t", "Hello, world!", " Hello", "  two leading, two trailing  ", "the tokens, the tokens",
    "wasn't THEY'LL we've I'm he'd", "1 12 123 1234 12345 3.14159 ٣٤٥ ½", "a\u00a0b\u2009c\u3000d", "nul\0in\0side \x07\x1b[0m\x7f\u0085",
    "你好，世界。", "こんにちは世界", "안녕하세요", "مرحبا بالعالم", "שלום עולם", "e\u0301 vs é, a\u0308\u0323, ｶﾞ", "👨‍👩‍👧‍👦 and 🏳️‍🌈 🇩🇪", "\U0001F600\U0001F601x",
    "<|im_start|>user\nhi<|im_end|>", "<|im_start|> user <|im_end|> ", "x<|im_end|>", "</s> <s> <unk> <pad>", "<0x41>", "<s>", "<unk>",
    "▁already▁there", "▁▁", "def add(a, b):\n    return a + b\n\n\n", "a <tool> b<tool>c  <tool>", "<tool>", "<toolbox>", "<extra> x <extra>y",
    "a" * 40, "again" * 60, "\r\n\r\nwin\r\n", "a\r\nb\rc", "ＡＢＣ ﬁne ①", "tab\tsep   many    spaces", "\ufeffbom \ufffd", "x  \n  y", "…—“quotes”",
    " " * 33 + "x", "ab\u200b\u200dcd", "the\n\n\nend",
]


def write(name, cases, config=None, files=()):
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    for file, content in files:
        with open(os.path.join(folder, file), "wb") as f:
            f.write(content)
    if config is not None:
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
            json.dump(config, f)
    if cases is not None:
        with open(os.path.join(folder, "cases.json"), "w") as f:
            json.dump({"texts": TEXTS, **cases}, f, separators=(",", ":"))
    return folder


def rows(tok):
    size = max(tok.get_vocab(with_added_tokens=True).values()) + 1
    ids = [tok.encode(t, add_special_tokens=True).ids for t in TEXTS] + [
        [random.randrange(size) for _ in range(random.randrange(1, 24))] for _ in range(40)]
    byte_ids = [i for t, i in tok.get_vocab().items() if t.startswith("<0x")]
    if byte_ids:
        ids += [[random.choice(byte_ids) for _ in range(random.randrange(1, 6))] + [random.randrange(size)] for _ in range(20)]
    return [{"ids": r, "keep": tok.decode(r, skip_special_tokens=False), "skip": tok.decode(r, skip_special_tokens=True)} for r in ids if r]


def hugging_face(folder):
    tok = AutoTokenizer.from_pretrained(folder)._tokenizer
    tok.encode_special_tokens = True
    plain = [tok.encode(t, add_special_tokens=False).ids for t in TEXTS]
    tok.encode_special_tokens = False
    return plain, {
        "parsed": [tok.encode(t, add_special_tokens=False).ids for t in TEXTS],
        "full": [tok.encode(t, add_special_tokens=True).ids for t in TEXTS],
        "decode": rows(tok),
    }


def train(**options):
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, hard_vocab_limit=False, minloglevel=2, control_symbols=["<|im_start|>", "<|im_end|>"], **options)
    return model.getvalue()


# Where Hugging Face and SentencePiece disagree: the name of a byte token in the text, U+2581 among spaces to be tidied, rules over more than
# one character. Ids are to be Hugging Face's then.
DISPUTED = {"<0x41>", "▁▁", "e\u0301 vs é, a\u0308\u0323, ｶﾞ"}


def sentencepiece(name, model, config, legacy=True):
    """"plain" is SentencePiece's own answer, to which control symbols are text; without the legacy flag, which is none of its settings, and
    in disputed cases, and all else, transformers'."""
    folder = write(name, None, config, [("tokenizer.model", model)])
    sp = spm.SentencePieceProcessor(model_proto=model)
    plain, cases = hugging_face(folder)
    if legacy:
        plain = [p if t in DISPUTED else sp.encode(t) for t, p in zip(TEXTS, plain)]
    write(name, {"plain": plain, **cases})


def rules():
    """A rule table of a few lines, as the built-in ones make files of 230 KB: full-width letters, a ligature, spaces, an accent."""
    path = os.path.join(OUT, "rules.tsv")
    with open(path, "w") as f:
        f.writelines("%X\t%s\n" % (0xFF21 + i, "%X" % (65 + i)) for i in range(26))
        f.write("FB01\t66 69\nA0\t20\n3000\t20\n9\t20\nA\t20\n65 301\tE9\nFEFF\t\n")
    return path


LLAMA = dict(model_type="bpe", vocab_size=600, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
             allow_whitespace_only_pieces=True, split_digits=True, character_coverage=1.0)
BACKEND = {"tokenizer_class": "TokenizersBackend", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>"}


def sentencepieces():
    llama = train(**LLAMA, user_defined_symbols=["<tool>", "\n\n"])
    sentencepiece("spm-bpe", llama, {**BACKEND, "legacy": True})
    extra = lambda text, **more: {"content": text, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **more}
    plain = train(**LLAMA)
    # as Llama 2 and its descendants: only the first part of a text gets a space; added tokens beyond the vocabulary, one after a gap
    size = spm.SentencePieceProcessor(model_proto=plain).get_piece_size()
    sentencepiece("spm-llama", plain, {
        "tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True, "add_eos_token": True, "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "pad_token": None, "added_tokens_decoder": {str(size): extra("<tool>", rstrip=True), str(size + 1): extra("<extra>", special=False)}}, legacy=False)
    # as Gemma: no dummy prefix
    sentencepiece("spm-gemma", train(**LLAMA, add_dummy_prefix=False, user_defined_symbols=["<tool>", "\n", "\n\n", "▁▁", "▁▁▁▁"]), {**BACKEND})
    sentencepiece("spm-unigram", train(
        model_type="unigram", vocab_size=400, normalization_rule_tsv=rules(), character_coverage=0.99, user_defined_symbols=["<tool>"]),
        {**BACKEND, "add_bos_token": False, "add_eos_token": True})
    sentencepiece("spm-nfkc", train(
        model_type="unigram", vocab_size=600, byte_fallback=True, normalization_rule_name="nmt_nfkc", character_coverage=0.99), {**BACKEND})
    os.remove(os.path.join(OUT, "rules.tsv"))


CUT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN, LLAMA3 = CUT % "", CUT % "{1,3}"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
KIMI = "|".join([
    r"[\p{Han}]+", r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + r"+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + r"*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def ranks():
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    chars, moved = {}, 0
    for b in range(256):
        printable = 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255
        chars[chr(b) if printable else chr(256 + moved)] = b
        moved += not printable
    table = {}
    for b in sorted(chars.values(), reverse=True):
        table[bytes([b])] = len(table)
    for left, right in json.loads(tok.to_str())["model"]["merges"]:
        table.setdefault(bytes(chars[c] for c in left + right), len(table))
    return table


def tiktokens(name, file, table, pattern, special, config, nfc=False):
    enc = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=table, special_tokens=special)
    texts = [unicodedata.normalize("NFC", t) if nfc else t for t in TEXTS]
    ids = [[random.randrange(len(table)) for _ in range(random.randrange(1, 24))] for _ in range(40)]
    cases = {
        "parsed": [enc.encode(t, allowed_special="all") for t in texts],
        "plain": [enc.encode(t, disallowed_special=()) for t in texts],
        "decode": [{"ids": r, "keep": enc.decode(r), "skip": enc.decode(r)} for r in ids],
    }
    lines = "".join(base64.b64encode(token).decode() + " " + str(rank) + "\n" for token, rank in table.items())
    write(name, cases, config, [(file, lines.encode())] if file else [])


def all_tiktokens():
    table = ranks()
    n = len(table)
    three = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    qwen = {t: n + i for i, t in enumerate(three + ["<|extra_%d|>" % i for i in range(205)])}
    tiktokens("tiktoken-qwen", "qwen.tiktoken", table, QWEN, qwen, {"tokenizer_class": "QWenTokenizer"}, nfc=True)
    kimi = {"[BOS]": n, "[EOS]": n + 1, "<|im_end|>": n + 2, "<|im_start|>": n + 7}
    added = {str(i): {"content": t, "special": True} for t, i in kimi.items()}
    tiktokens("tiktoken-kimi", "tiktoken.model", table, KIMI, kimi, {
        "tokenizer_class": "TikTokenTokenizer", "added_tokens_decoder": added, "bos_token": "[BOS]", "eos_token": "[EOS]"})
    pattern = {"<|endoftext|>": n}
    tiktokens("tiktoken-pattern", "small.tiktoken", table, r"\p{L}+|\p{N}|[^\p{L}\p{N}]+", pattern, {
        "pat_str": r"\p{L}+|\p{N}|[^\p{L}\p{N}]+", "eos_token": "<|endoftext|>"})
    # Llama 3 is known by the number of its ranks, so the table is one that a test can make itself: bytes, pairs, then triples
    big = [bytes(t) for t in itertools.islice(itertools.chain(*(itertools.product(range(256), repeat=k) for k in (1, 2, 3))), 128000)]
    llama3 = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|eot_id|>": 128009}
    TEXTS.append("<|begin_of_text|>hi<|eot_id|>")
    tiktokens("tiktoken-llama3", None, {t: i for i, t in enumerate(big)}, LLAMA3, llama3, None)


os.makedirs(OUT, exist_ok=True)
sentencepieces()
all_tiktokens()
