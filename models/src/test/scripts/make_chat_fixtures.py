#!/usr/bin/env python3
"""Writes the fixtures of JinjaFixtureTest: what Python jinja2 renders for snippets and for templates in the formats of model families.

  make_chat_fixtures.py                 writes the expectations in ../resources/chat; run it after a change of a template
  make_chat_fixtures.py --check FOLDER  writes FOLDER/expected for the templates FOLDER/*.jinja, such as those of models on your disk;
                                        then run JinjaFixtureTest with -Dapus.chat.templates=FOLDER to compare

Needs jinja2 3.1.6. The environment (jinja_environment.py) is the one transformers compiles chat templates with, written anew.
"""
import argparse
import json
import pathlib

from chat_conversations import ALWAYS, CONTINUED, CONVERSATIONS, FAMILIES, SETTINGS
from jinja_environment import expected, expected_continued
from jinja_snippets import DATA, EXPRESSIONS, STATEMENTS

RESOURCES = pathlib.Path(__file__).resolve().parent.parent / "resources" / "chat"


def snippets():
    sources = ["{{ " + e + " }}" for e in EXPRESSIONS] + STATEMENTS
    return {"data": DATA, "cases": [{"source": source, **expected(source, DATA)} for source in sources]}


def family(source, bos, eos):
    """Everything one template renders; equal texts are written once and named by their number."""
    tokens = {"bos_token": bos, "eos_token": eos}
    texts = {}
    cases = []
    for conversation, messages in CONVERSATIONS.items():
        always = {**tokens, **ALWAYS, "messages": messages}
        results = {name: expected(source, {**always, **settings}) for name, settings in SETTINGS.items()}
        results[CONTINUED] = expected_continued(source, always)
        for setting, result in results.items():
            if "text" in result:
                result = {"text": texts.setdefault(result["text"], len(texts))}
            cases.append({"conversation": conversation, "setting": setting, **result})
    return {"variables": tokens, "texts": list(texts), "cases": cases}


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def write_families(folder, templates, tokens):
    write(folder / "expected" / "conversations.json", {"conversations": CONVERSATIONS, "settings": {**SETTINGS, CONTINUED: {}}})
    for path in templates:
        bos, eos = tokens.get(path.stem, ("<s>", "</s>"))
        write(folder / "expected" / (path.name + ".json"), family(path.read_text(encoding="utf-8"), bos, eos))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="FOLDER", type=pathlib.Path, help="a folder of templates (*.jinja) of your own")
    check = parser.parse_args().check
    if check is None:
        write(RESOURCES / "snippets.json", snippets())
        folder = RESOURCES / "families"
        write_families(folder, [folder / f"{name}.jinja" for name in FAMILIES], FAMILIES)
        return
    templates = sorted(check.glob("*.jinja"))
    if not templates:
        parser.error(f"{check} has no *.jinja files; save one template per file")
    write_families(check, templates, {})


if __name__ == "__main__":
    main()
