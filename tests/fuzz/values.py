"""What hostile callers put where a page expects something else, each as it stands in an address."""

from urllib.parse import quote

LONG = 20_000  # letters; the server in front reads a head of some 64 KB
ENORMOUS = 1_000_000  # letters in a form

ENCODED = [
    "",
    "%20%20%20",
    "%00",
    "a%00b",
    "%2500",
    "%ED%A0%80",  # half of a character
    "%FF%FE",
    "%C0%AF",
    "%0d%0aSet-Cookie:%20a=b",
    "a%0ab",
    "%E2%80%AE%D7%90%E2%80%8F",  # from right to left
    "%F0%9F%92%A9%EF%B8%8F",
    "%EF%BC%91%EF%BC%92",  # full-width digits
    "%D9%A1%D9%A2",  # Arabic digits
    "%C2%B2",
    "%zz",
    "%",
    "%1B%07%08%7F",
]
WORDS = [
    "../../etc/passwd",
    "//evil.example/",
    "https://evil.example/",
    "javascript:alert(1)",
    "'\"><script>",
    "{{7*7}}{%x%}",
    "%s%n%(x)s",
    "' OR 1=1 --",
    "[" * 500,
    "(" * 2_000 + "a+" * 100 + ")$",
    "[1]",
    '{"a": null}',
    "null",
    "None",
    "true",
    "undefined",
    ",",
    "1,2,3",
    "a" * LONG,
    "1 " * 5_000,
]
NUMBERS = [
    "0",
    "-1",
    "-0",
    "1e400",
    "NaN",
    "Infinity",
    "1_0",
    "0x10",
    "1.5",
    "2147483648",
    "9223372036854775808",
    "-9223372036854775809",
]
NUMBERS += ["9" * 400, "9" * 5_000, "1e999999999"]
TIMES = [
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59:59+14:00",
    "0001-01-01T00:00:00-14:00",
    "2026-02-30",
    "0000-00-00",
    "2026-13",
    "9999-12",
    "0001-01",
    "2026-W40-1",
    "24:00:00",
    "23:59:60",
    "12:00:00.9999999",
]

IN_ADDRESS = [*ENCODED, *(quote(each) for each in [*WORDS, *NUMBERS, *TIMES])]
IN_FORM = [
    "",
    "   ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\u202e\u05d0",
    "💩",
    "\uff11\uff12",
    "\u0661\u0662",
    "²",
    "a\nb",
    "a\r\nBcc: x@evil.example",
    "\x1b\x07",
    "%s",
]
IN_FORM += [*WORDS, *NUMBERS, *TIMES, "a" * ENORMOUS]
