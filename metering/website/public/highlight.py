"""Colours for code examples: strings, comments, numbers, keywords and names of JSON members. Output is safe HTML."""

import re

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

KEYWORDS = (
    "import from for in if break print return await const new var using while is async function func package"
    " defer range echo true false null True False None nil err"
)
STRING = r'@"(?:[^"]|"")*"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
TOKENS = re.compile(
    r"(?P<comment>(?m:^|(?<=\s))(?://|#)[^\n]*)"
    rf"|(?P<name>\"[A-Za-z_]+\"(?=\s*:))|(?P<string>{STRING})"
    r"|(?P<number>\b\d+(?:\.\d+)?\b)"
    rf"|(?P<keyword>(?<![\w$.-])(?:{'|'.join(KEYWORDS.split())})\b)"
)
CLASSES = {"comment": "c", "name": "p", "string": "s", "number": "n", "keyword": "k"}


def highlight(code: str) -> SafeString:
    """The code as HTML with <span class="s|k|c|n|p">, every character of it escaped."""
    parts: list[str] = []
    at = 0
    for match in TOKENS.finditer(code):
        kind = CLASSES[match.lastgroup or "string"]
        parts += [escape(code[at : match.start()]), f'<span class="{kind}">{escape(match[0])}</span>']
        at = match.end()
    parts.append(escape(code[at:]))
    return mark_safe("".join(parts))  # noqa: S308 - every piece was escaped above
