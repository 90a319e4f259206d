"""What is added to a drawn SVG for those who cannot see it, and so that several fit on one page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from reelmix.study.figure import Figure

_NAMESPACES = {
    "http://www.w3.org/2000/svg": "",
    "http://www.w3.org/1999/xlink": "xlink:",
    "http://www.w3.org/XML/1998/namespace": "xml:",
}


def described(svg: bytes, figure: Figure) -> bytes:
    """The picture with its title and caption for those who cannot see it, and no ids but its own."""
    root = ElementTree.fromstring(svg)
    own = f"svg-{figure.name}-"
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg.decode()))
    for element in list(root.iter()):
        for child in [child for child in element if child.tag.endswith(("}metadata", "}style"))]:
            element.remove(child)  # the style would hold for all of a page
        element.tag = _qualified(element.tag)
        attributes = {_qualified(name): value for name, value in element.attrib.items()}
        element.attrib.clear()
        for name, value in attributes.items():
            if name == "id":
                if value in used:
                    element.set(name, own + value)
                continue
            if name == "xlink:href" and value.startswith("#"):
                value = f"#{own}{value[1:]}"
            value = value.replace("url(#", f"url(#{own}")
            # Verdana has the widths of DejaVu Sans, which telephones lack.
            element.set(name, value.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif"))
    for place, (tag, text) in enumerate((("title", figure.title), ("desc", figure.caption))):
        said = ElementTree.Element(tag, id=own + tag)
        said.text = printable(text)
        root.insert(place, said)
    root.attrib.update(
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "xmlns:xlink": "http://www.w3.org/1999/xlink",
            "role": "img",
            "aria-labelledby": f"{own}title {own}desc",
            "style": "stroke-linejoin: round; stroke-linecap: butt",
        }
    )
    return ElementTree.tostring(root, encoding="unicode").encode() + b"\n"


def _qualified(name: str) -> str:
    space, _, local = name.removeprefix("{").rpartition("}")
    return _NAMESPACES.get(space, "") + local


def printable(text: str) -> str:
    """The text on one line, without the characters that XML forbids."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]", " ", text).split())
