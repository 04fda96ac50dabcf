"""Python jinja2 as transformers sets it up for chat templates, written anew. Needs jinja2 3.1.6."""
import copy
import datetime
import functools
import json

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2026, 3, 5, 14, 7, 9)
# What transformers appends to the last message to find where its text ends. The blank tells whether the template trims.
CONTINUE_TAG = "CONTINUE_FINAL_MESSAGE_TAG "


class Generation(Extension):
    """The tag that marks what the assistant says; it only gives its body back."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class SafeNamespace(jinja2.utils.Namespace):
    """A namespace without underscore names."""

    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            SafeNamespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        SafeNamespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: NOW.strftime(format)
    env.globals["namespace"] = SafeNamespace
    env.globals["dict"] = lambda *args, **kwargs: dict(*args, **kwargs)
    return env


@functools.cache
def compiled(source):
    return environment().from_string(source)


def expected(source, data):
    """What a template makes of data: text, raised (its own raise_exception's message) or error (any other exception)."""
    return attempt(lambda: compiled(source).render(**copy.deepcopy(data)))


def expected_continued(source, data):
    """The same with the last message left open, as apply_chat_template(continue_final_message=True) does it."""
    return attempt(lambda: continued(source, copy.deepcopy(data)))


def attempt(render):
    try:
        return {"text": render()}
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return {"raised": str(error)}
        return {"error": f"{type(error).__name__}: {error}"}
    except Exception as error:  # any exception is the expected result: the Java side must refuse too
        return {"error": f"{type(error).__name__}: {error}"}


def continued(source, data):
    last = data["messages"][-1]
    final = last["content"]
    if isinstance(final, list):
        part = [part for part in final if "text" in part][-1]
        final = part["text"]
        part["text"] = final + CONTINUE_TAG
    else:
        last["content"] = final + CONTINUE_TAG
    text = compiled(source).render(**data)
    if final.strip() not in text:
        raise ValueError("the template leaves the final message out")
    at = text.rindex(CONTINUE_TAG.strip())
    return text[:at] if text[at:].startswith(CONTINUE_TAG) else text[:at].rstrip()
