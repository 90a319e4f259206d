"""The words of subtitles, without times, numbers and marks."""

from __future__ import annotations

import re

_TIMES = re.compile(r"^\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{3}\s*-->.*$")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_ASS_FIELDS = 8
"""Commas before the text of a line as FFmpeg gives it: order, layer, style, name, three margins, effect."""


def words_of_subtitles(content: str) -> str:
    """The text of an SRT or WebVTT file, a line after the other; a line that is repeated counts once.

    Live captions roll: each shows the line before again.
    """
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", content.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")):
        rows = block.strip("\n").split("\n")
        at = next((place for place, row in enumerate(rows) if _TIMES.match(row)), None)
        if at is None:  # a header, a style, a note
            continue
        for row in rows[at + 1 :]:
            line = _TAG.sub("", row).strip()
            if line and (not lines or lines[-1] != line):
                lines.append(line)
    return "\n".join(lines)


def words_of_event(event: str) -> str:
    """The text of one subtitle as FFmpeg decodes it (an event of the ASS format)."""
    fields = event.split(",", _ASS_FIELDS)
    text = fields[-1] if len(fields) > _ASS_FIELDS else event
    return _TAG.sub("", text).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ").strip()
