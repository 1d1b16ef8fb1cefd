"""What a page shows."""

import html
import re
from io import BytesIO
from typing import Any

from pypdf import PdfReader


def text_of(response: Any) -> str:
    return response.content.decode()


def words_of(response: Any) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", text_of(response), flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def text_of_pdf(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages)
