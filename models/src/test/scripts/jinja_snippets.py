"""Expressions and statements that the snippets of JinjaFixtureTest are made of, and the variables that they see."""
DATA = {
    "s": "Hello, World", "e": "", "u": "Zürich 😀 日本", "ws": "  a\tb \n c  ", "n": 7, "z": 0, "neg": -3, "f": 2.5, "big": 12345678901234567890,
    "t": True, "no": False, "nil": None, "l": [3, 1, 2], "el": [], "nested": [[1, 2], [3, [4]]], "words": ["b", "A", "c", "a"],
    "d": {"b": 1, "a": "x", "items": [1], "nested": {"k": None}}, "ed": {}, "q": "it's \"q\"", "html": "<a href='x'>&</a>",
    "users": [{"name": "Bo", "age": 3, "on": True}, {"name": "al", "age": 1, "on": False}, {"name": "Cy", "age": 3}],
    "m": [{"role": "system", "content": "S"}, {"role": "user", "content": " hi "}, {"role": "assistant", "content": None}],
    "j": {"k": [1, 2.0, 1e20, 1e-7, None, True, "ü\"\\\n\u0001\u007f/<>&'"], "e": [], "o": {}, "1": {"x": [[]]}},
}

EXPRESSIONS = r"""
s
nil
t
no
f
big
1.0
1e16
1e15
1.5e-7
123456789.123
-0.0
1e400
[1, 2.0, 'a', none, true, u]
(1,)
()
(1, 'b')
{'a': 1, 'b': [none]}
{1: 2, true: 3, 1.0: 4}
q
[q, "a'b", 'a"b', "\n\t\\\x00\u200b"]
missing
[missing]
missing.x
missing[0]
missing + 1
missing ~ 'x'
missing == other
missing is defined
nil.x
nil.x.y
d.x
d.x.y
d['x'] is defined
d['items']
d.get('a')
d.get('zz')
d.get('zz', 5)
d.keys()
d.values()
d.items()
d.items()|list
d.nested.k is none
d.pop('a')
l.append(4)
d.update({})
l.sort()
l.index(1)
l.index(9)
l.count(3)
l[0]
l[-1]
l[3]
l[3] is defined
l['0']
l.0
l[1:]
l[:-1]
l[::-1]
l[::2]
l[5:]
l[-2:]
l[1:n-4]
l[n:0:-1]
s[1:4]
s[::-1]
s[-5:]
s[100:]
u[7]
u[-2:]
u[::-1]
u|length
u|list
(1,2,3)[1:]
range(5)
range(5)|list
range(2, 10, 3)|list
range(5, 0, -2)|list
range(5)[1:3]
range(5)[-1]
range(0, 1, 0)
range(1000000)
1 + 2 * 3
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
7 / 2
6 / 2
2 ** 10
2 ** 3 ** 2
2 ** -1
2 ** 100
-2 ** 2
9223372036854775807 + 1
9223372036854775807 * 9223372036854775807
-9223372036854775808 - 1
1 / 0
1 // 0
1 % 0
0.1 + 0.2
1 == 1.0
1 == true
'a' == "a"
'a' < 'b'
'a' < 1
[1, 2] < [1, 3]
(1, 2) == [1, 2]
1 < 2 < 3
1 < 3 < 2
1 < 2 > 0 != 5
'a' 'b' "c"
'a' + 'b'
'a' + 1
'a' ~ 1 ~ none ~ true ~ 1.5
'ab' * 3
3 * 'ab'
'ab' * -1
[0] * 3
l + [4]
l + (4,)
(1,) + (2,)
l - [1]
'a' in s
'H' in s
'x' not in s
1 in l
4 in l
'a' in d
'zz' in d
1 in s
1 in nil
1 in missing
'x' in ['x', 'y']
not t
not t and no
t and 'x'
no or 'y'
e or nil
t and no or 5
'a' if t
'a' if no
('a' if no) is defined
'a' if no else 'b'
'a' if no else 'b' if no else 'c'
1 if t else missing.x
-n
+n
-s
- n|abs
(-n)|abs
-3|abs
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is number
t is number
n is integer
t is integer
f is float
f is integer
t is boolean
nil is none
nil is not none
s is string
n is string
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
n is sequence
nil is sequence
l is iterable
n is iterable
missing is iterable
d.items() is sequence
t is true
1 is true
no is false
n is eq 7
n is gt 3
n is lessthan 3
n is in l
1 is in [1]
n is sameas n
t is sameas true
s is lower
'abc' is lower
'ABC' is upper
'1' is upper
range is callable
s is callable
'upper' is filter
'odd' is test
n is unknown_test
n|unknown_filter
(n|unknown_filter) if no else 'ok'
n is odd is true
s is defined and s is string
not s is defined
s|upper
s|lower
u|upper
'straße'|upper
'hello world-foo (bar)'|title
'hELLO'|capitalize
ws|trim
'xxaxx'|trim('x')
s|length
l|length
n|length
missing|length
nil|length
s|replace('l', 'L')
s|replace('l', 'L', 1)
'aaa'|replace('', '-')
n|replace('7', 'x')
l|join
l|join(', ')
l|join('-')|upper
users|join(', ', attribute='name')
missing|join
nil|join
l|first
l|last
el|first
el|first is defined
s|first
l|sort
l|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
users|sort(attribute='age')|map(attribute='name')|list
users|sort(attribute='age,name')|map(attribute='name')|list
[1, 'a']|sort
words|unique|list
words|min
words|max
l|sum
users|sum(attribute='age')
users|sum(attribute='age', start=10)
words|sum
l|reverse|list
s|reverse
l|list
s|list
d|list
d|items|list
missing|items|list
l|items|list
d|dictsort
d|dictsort(reverse=true)
{'b': 2, 'A': 1}|dictsort(by='value')
{'b': 2, 'A': 1}|dictsort(true)
l|map('string')|join('+')
words|map('upper')|list
users|map(attribute='zz', default='-')|list
users|selectattr('on')|list|length
users|selectattr('on', 'defined')|map(attribute='name')|join
users|selectattr('age', 'equalto', 3)|map(attribute='name')|join(' ')
users|selectattr('name', 'in', ['Bo', 'Cy'])|list|length
users|rejectattr('on')|map(attribute='name')|list
users|rejectattr('on', 'undefined')|list|length
l|select('odd')|list
l|select|list
l|reject('odd')|list
l|select('gt', 1)|list
[0, '', none, 1]|select|list
l|select('odd')|length
l|batch(2)|list
l|batch(2, 'x')|list
range(7)|slice(3)|list
users|groupby('age')|length
users|groupby('name')|first|first
n|default('x')
missing|default('x')
nil|default('x')
nil|default('x', true)
e|d('x', boolean=true)
missing.a|default('x')
'42'|int
'42.9'|int
'abc'|int
'abc'|int(default=9)
'0x1f'|int(base=16)
'ff'|int(0, 16)
f|int
nil|int
missing|int
'1.5'|float
'x'|float
n|float
f|round
2.567|round(2)
2.567|round(1, 'floor')
2.51|round(1, 'ceil')
3.5|round|int
n|round
n|string + 'x'
(n|string)|length
html|e
html|safe
(html|safe) + '<b>'
'<b>' + (html|safe)
(html|safe) ~ '<b>'
html|escape|length
s|center(20)
'%s is %d'|format('x', 3)
'%s' % s
'%s %r' % ('a', 'b')
'%5d|%-5d|%05d|%+d' % (1, 2, 3, 4)
'%.2f %e %g' % (1.005, 12345.678, 0.00001)
'%x %X %o %c %%' % (255, 255, 8, 'z')
'%(a)s' % {'a': 1}
'%s' % (1, 2)
'%s %s' % 1
'%d' % 'x'
'{} {}'.format(1, 'b')
'{1}{0}'.format('a', 'b')
'{a.b} {b[0]}'.format(a={'b': 1}, b=[2])
'{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}'.format('a', 'b', 'c', 3, 1.5, 1234567)
'{!r}'.format('a')
'{}'.format()
'a b  c'.split()
'a,b,,c'.split(',')
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.rsplit(',')
' a b c '.split(none, 1)
' a b c '.rsplit(none, 1)
'a'.split('')
'aXbXc'.split('X')[-1]
'</think>x</think>y'.split('</think>')[-1].lstrip('\n')
s.startswith('Hell')
s.startswith(('x', 'H'))
s.endswith('d')
s.strip('Hd')
ws.strip()
ws.lstrip()
ws.rstrip()
'..a..'.lstrip('.')
s.replace('o', '0')
s.replace('o', '0', 1)
s.find('o')
s.find('zz')
s.rfind('o')
s.index('zz')
s.count('l')
s.upper() ~ s.lower() ~ s.title() ~ s.swapcase()
'hello wOrld'.capitalize()
"they're bill's".title()
', '.join(words)
', '.join(l)
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.removeprefix('a').removesuffix('c')
'7'.zfill(3) ~ '-7'.zfill(4)
'a'.center(4, '*') ~ 'ab'.center(5) ~ 'a'.ljust(3, '.') ~ 'a'.rjust(3, '.')
'a\nb\r\nc'.splitlines()
'123'.isdigit() ~ 'a1'.isalnum() ~ 'ab'.isalpha() ~ ' '.isspace() ~ 'A'.isupper() ~ 'a'.islower() ~ ''.isdigit()
s.nope
s.nope()
s()
s.split(1)
'a\tb'.expandtabs(4)
j|tojson
j|tojson(indent=2)
j|tojson(indent=0)
j|tojson(ensure_ascii=true)
u|tojson(ensure_ascii=true)
j|tojson(separators=(',', ':'))
j|tojson(sort_keys=true)
j|tojson(2)
d|tojson(indent=4, sort_keys=true)
[1, 'a', none, true, 1.5, (1, 2)]|tojson
{1: 2, none: 3, true: 4, 1.5: 6}|tojson
missing|tojson
range(3)|tojson
l|map('string')|tojson
'a'|tojson|tojson
s|indent
'a\nb\n\nc'|indent
'a\nb\n\nc'|indent(2, true)
'a\nb\n\nc'|indent(width='> ', blank=true)
'a\nb\n'|indent(first=true)
'foo bar baz qux'|truncate(9)
'foo bar baz qux'|truncate(9, true)
'foo bar baz qux'|truncate(11, false, '...', 0)
'a b_c d'|wordcount
d|attr('a') is defined
-5|abs
'x'|abs
s.__class__
s.__class__.__mro__
s['__class__']
''.__class__.__mro__[1].__subclasses__()
d.__class__.x
l._private
namespace(a=1).a
namespace(a=1).b is defined
namespace(_a=1)
namespace({'a': 2}).a
dict(a=1, b=2)
dict([('a', 1)])
cycler('a', 'b').next()
joiner('|')() ~ 'x'
raise_exception('no')
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %p %I %y %-d %%')
0b101 + 0o17 + 0xff + 1_000
1.5.x
'\x41\u00e9\U0001F600\101\q\''
'\u00'
"\N{BULLET}"
[1, 2, 3,]
{'a': 1,}
(1, 2,)
1,
1, 2
[[1, 2], [3]][0][1]
{'a': {'b': 1}}.a.b
nested[1][1][0]
m[0].role ~ m[0]['role']
m[1]['content'].strip()
m|map(attribute='role')|join('/')
m[1:]|length
m[-1].content is none
m|selectattr('role', 'equalto', 'user')|list|tojson
(m|first).role == 'system'
m[0]['role'] == 'system' and m|length > 2
[1, [2, [3]]]|tojson
l is eq([3, 1, 2])
d == {'b': 1, 'a': 'x', 'items': [1], 'nested': {'k': none}}
{} == {} and [] == []
not (1 == 2)
not 1 == 2
1 if 2
a.b.c
'a'.b.c
nil()
d()
range()
s|upper|lower|title
s|upper()
s | replace("o", "0") | length
(s, n)|join
*l
s s
s |
)
(1
[1
{'a'}
{'a' 1}
1 +
'abc
@
a = 1
s.1.2
f(1, a=2, 3)
dict(a=1, a=2)
dict(**{'a': 1}, **{'b': 2})
dict(**{'a': 1})
range(*[1, 4])|list
""".strip("\n").split("\n")

STATEMENTS = [
    "a\nb\n", "a\n\n", "\n", "", "a\r\nb\rc\r\n",
    "{% if t %}\nyes\n{% endif %}\nend", "x {% if t %} y {% endif %} z", "  {% if t %}\n  y\n  {% endif %}\n  z",
    "  {%- if t -%}  \n y \n {%- endif -%}  \n z", "  {%+ if t %}\ny{% endif +%}\nz", "a {{- s -}} b", "a \n {{- s }} \n b",
    "a{# c #}b\n{# d #}\ne", "a {#- c -#} b", "  {# c #}\n  x", "a {#+ c +#}\n b", "{# open", "{{ s", "{% if", "{% if t %}", "{% endif %}",
    "{% raw %}{{ x }}{% y %}{% endraw %}", "{%- raw -%}  {{ x }}  {%- endraw -%}  z", "{% raw %}\n a\n{% endraw %}\nb", "{% raw %} open",
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in el %}a{% else %}none{% endfor %}", "{% for x in l if x > 1 %}{{ loop.index }}{{ x }}{{ loop.last }} {% endfor %}",
    "{% for x in l if x > 5 %}a{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for a, b in [[1, 2], [3]] %}{{ a }}{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in nil %}{% endfor %}", "{% for x in n %}{% endfor %}", "{% for x in missing %}a{% endfor %}b",
    "{% for x in l %}{{ loop.index0 }}{{ loop.index }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{{ loop.depth }}{% endfor %}{% endfor %}",
    "{% for x in nested recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in l %}{{ loop(l) }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}e{% endfor %}", "{% break %}",
    "{% for x in l|select('odd') %}{{ loop.length }}{{ loop.last }}{{ x }} {% endfor %}",
    "{% for x in l %}{{ loop }}{% endfor %}", "{% for x in l, 5 %}{{ x }};{% endfor %}",
    "{% set x = 1 %}{% for y in l %}{% set x = x + y %}{{ x }} {% endfor %}{{ x }}",
    "{% set ns = namespace(x=0) %}{% for y in l %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}",
    "{% set d.x = 1 %}", "{% set missing.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set (a, b) = [1, 2] %}{{ b }}",
    "{% set a, b = [1] %}", "{% set none = 1 %}", "{% set x %}a{{ n }}b{% endset %}[{{ x }}]", "{% set x | upper %}ab{% endset %}{{ x }}",
    "{% set x | replace('a', 'b') | length %}aaa{% endset %}{{ x }}",
    "{% if no %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}", "{% if no %}{% elif n == 7 %}b{% else %}c{% endif %}",
    "{% if no %}{% set zz = 1 %}{% endif %}{{ zz is defined }}",
    "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}", "{% set s = 'new' %}{{ s }}", "{{ s }}{% set s = s ~ '!' %}{{ s }}",
    "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}|{{ f(1, c=3) }}|{{ f(b=5, a=4) }}",
    "{% macro f(a) %}{{ a is defined }}{% endmacro %}{{ f() }}", "{% macro f(a) %}{{ a }}{{ a.x }}{% endmacro %}{{ f() }}",
    "{% macro f() %}x{% endmacro %}{{ f(1) }}", "{% macro f() %}x{% endmacro %}{{ f(a=1) }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, a=3) }}", "{% macro f() %}{{ s }}{{ g }}{% endmacro %}{% set g = 9 %}{{ f() }}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{{ f() }}{% macro f() %}x{% endmacro %}",
    "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{{ n }}{% endcall %}", "{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) f() %}{{ a }}-{{ b }}{% endcall %}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}", "{% macro f() %}x{% endmacro %}{% call f() %}{% endcall %}", "{% macro f(a=1, b) %}{% endmacro %}",
    "{% macro f() %}x{% endmacro %}{{ f }}{{ f.name }}", "{% macro f() %} a \n{% endmacro %}[{{ f() | trim }}]{{ f()|length }}",
    "{% macro f() %}{% set q = 1 %}{% endmacro %}{{ f() }}{{ q is defined }}{{ q }}",
    "{% call n %}{% endcall %}", "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aa{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% with %}{% set w = 1 %}{{ w }}{% endwith %}{{ w is defined }}",
    "{% generation %}a{{ n }}{% set gg = 1 %}{% endgeneration %}{{ gg is defined }}", "{% for x in l %}{% generation %}{{ x }}{% endgeneration %}{% endfor %}",
    "{% block b %}{{ n }}{% endblock %}", "{% block b %}{{ n }}{% endblock b %}x", "{% for x in l %}{% block b scoped %}{{ x }}{% endblock %}{% endfor %}",
    "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}", "{% unknown %}", "{% 1 %}", "{% endfor %}", "{% for x in l %}{% endif %}",
    "{% for %}{% endfor %}", "{% for x %}{% endfor %}", "{% if %}{% endif %}", "{% set %}", "{% set x = %}", "{% print n, s %}", "{% do l %}",
    "{{ '}}' }}{{ {'a': {'b': 1}} }}{{ '{%' }}", "{{ {'a':1}}}", "{%if t%}a{%endif%}", "{%if(t)%}a{%endif%}", "{{'a'if t else'b'}}",
    "{%- for m in m -%}\n{{ m.role }}: {{ m.content }}\n{% endfor %}", "{% for x in l %}\n  {{ x }}\n{% endfor %}\n", "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\n",
    "{% autoescape false %}{{ html }}{% endautoescape %}", "\ufeffa", "{{ s }}\n\n", "  {{ s }}  \n  {{ n }}", "\t{% if t %}\n\ta\n\t{% endif %}\n",
    "{% if t %} {% endif %}x", "a\n  {% set x = 1 %}\n  b", "a  {% set x = 1 %}  b", "{% set x = 1 %}   \nb", "{% set x = 1 -%}   \nb",
    "{{ l }}\n{%- if t %}\n\nx\n{%- endif %}\n", "{%- if t %}{{- 'a' }}{%- endif -%}\n\n", "{% if t: %}x{% endif %}",
    "{% for x in l if x is unknown_thing %}{% endfor %}", "{% if no %}{{ n|nope }}{% endif %}ok", "{% if t %}{{ n|nope }}{% endif %}ok", "{% if no %}{% for x in l %}{{ n|nope }}{% endfor %}{% endif %}ok",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b %}x{% endset %}{{ ns.a }}{{ ns.b }}{{ ns }}", "{% set ns = namespace() %}{% set ns._a = 1 %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}", "{% set j = joiner() %}{{ j() }}a{{ j() }}b",
    "{% set g = l|map('string') %}{{ g|list }}{{ g|list }}", "{% for x in l|reverse %}{{ x }}{% endfor %}", "{% for i in range(0, 10, 4) %}{{ i }} {% endfor %}",
    "{% set x = [] %}{% set x = x + [1] %}{{ x }}", "{% set first = true %}{% for x in l %}{% if first %}{% set first = false %}A{% endif %}{{ first }}{% endfor %}",
    "{% set ns = namespace(go=true) %}{% for x in l if ns.go %}{{ x }}{% set ns.go = false %}{% endfor %}",
    "{{ raise_exception('Roles must alternate') }}", "{% for g, us in users|groupby('age') %}{{ g }}:{{ us|map(attribute='name')|join(',') }};{% endfor %}",
    "{% for x in l %}{{ loop.nope is defined }}{% endfor %}", "{{ loop is defined }}", "{% for loop in l %}{{ loop }}{% endfor %}", "{% macro caller() %}x{% endmacro %}{{ caller() }}",
]
