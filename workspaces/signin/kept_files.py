"""Uploads while a person confirms who they are: packed into the page that asks, and unpacked once it is confirmed.

Nothing of them is kept on the server. What is unpacked is as long as an upload may be, whatever the page sends back.
"""

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.utils.datastructures import MultiValueDict

PREFIX = "confirm-file-"
SEPARATOR = "."  # between a file's name and its content, neither of which has it as it is packed


def packed_files(files: Mapping[str, Any], sent: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Fields of the page by name, those that came back from it included; and names of files that are too long to come along."""
    packed = {name: value for name, value in sent.items() if name.startswith(PREFIX)}
    too_long = []
    for field, file in files.items():
        content = urlsafe_b64encode(zlib.compress(file.read())).decode()
        if len(content) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2:
            too_long.append(str(file.name))
        else:
            packed[PREFIX + field] = urlsafe_b64encode(str(file.name).encode()).decode() + SEPARATOR + content
    return packed, too_long


def unpacked_files(sent: Iterable[tuple[str, Any]]) -> "MultiValueDict[str, UploadedFile]":
    """The files as they were first sent. A field that is not a packed file is left out."""
    found: MultiValueDict[str, UploadedFile] = MultiValueDict()
    for name, value in sent:
        if name.startswith(PREFIX) and (file := _unpacked(value)) is not None:
            found.appendlist(name.removeprefix(PREFIX), file)
    return found


def _unpacked(value: str) -> UploadedFile | None:
    name, _, content = value.partition(SEPARATOR)
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(urlsafe_b64decode(content), settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        called = urlsafe_b64decode(name).decode()
    except (ValueError, zlib.error):
        return None
    return SimpleUploadedFile(called, text) if unpacker.eof else None
