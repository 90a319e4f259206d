"""Five further real sets, as RecBole's atomic files, from what Linux distributions hand out.

    python bench/further_sets.py libraries Sources.xz Packages.xz Translation-en.xz --out libraries
    python bench/further_sets.py depends Sources.xz Packages.xz Translation-en.xz --out depends
    python bench/further_sets.py suggests Sources.xz Packages.xz Translation-en.xz --out suggests
    python bench/further_sets.py maintainers Sources.xz Packages.xz Translation-en.xz --out maintainers
    python bench/further_sets.py insteval insteval.csv --out insteval
    python bench/further_sets.py insteval insteval.csv --out insteval8 --at-most 8
    reelmix import recbole libraries libraries-data

The three indexes are those of a Debian release (``dists/bookworm/main``: ``source/Sources.xz``,
``binary-amd64/Packages.xz``, ``i18n/Translation-en.xz``). *Libraries*: which source package is built with
which other; *depends*: which package depends on or recommends which other, for 8,000 of them; *suggests*:
which package recommends or suggests which other, most of them two or three; *maintainers*: who looks after
which source package, mailing lists and teams left out. Content is the description, reduced to 128 numbers by
TF-IDF and singular vectors, and the tags and section, as tokens. *InstEval* is the data frame of R's lme4
(Bates et al., 2015) written by ``write.csv``: which student rated which lecturer of ETH Zurich; content is
the lecturer's department. ``--at-most`` keeps so many pairs of each user, drawn at random.
"""

from __future__ import annotations

import argparse
import csv
import lzma
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

Pairs = set[tuple[str, str]]
NO_PERSON = re.compile(r"lists?\.|team|group|packages\.debian|tracker|@alioth|maint")
BUILT_WITH = ("Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch")
NEEDED = ("Depends", "Recommends")
SUGGESTED = ("Recommends", "Suggests")
DEPENDENT = 8_000
"""Packages whose dependencies are kept."""


def paragraphs(path: Path) -> dict[str, dict[str, str]]:
    """An index of Debian: each package's fields; of several versions the last."""
    found = {}
    for paragraph in lzma.decompress(path.read_bytes()).decode().split("\n\n"):
        fields = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        if fields:
            found[dict(fields)["Package"]] = dict(fields)
    return found


def needed_by(packages: Mapping[str, Mapping[str, str]], where: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Packages, and the first of each group of alternatives that these fields name."""
    for name, fields in packages.items():
        for needed in ",".join(fields.get(field, "") for field in where).split(","):
            if first := re.match(r"\s*([a-z0-9][a-z0-9+.-]+)", needed):
                yield name, first.group(1)


def looked_after(sources: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """People by their address, and the source packages that name them."""
    for name, fields in sources.items():
        for address in re.findall(r"<([^>]+)>", fields.get("Maintainer", "") + fields.get("Uploaders", "")):
            if not NO_PERSON.search(address.lower()):
                yield address.lower(), name


def core(pairs: Iterable[tuple[str, str]], of_users: int, of_items: int) -> Pairs:
    """The largest part in which everybody has, and everything is in, at least so many pairs."""
    kept = set(pairs)
    while True:
        users, items = Counter(user for user, _ in kept), Counter(item for _, item in kept)
        fewer = {(u, i) for u, i in kept if users[u] >= of_users and items[i] >= of_items}
        if len(fewer) == len(kept):
            return kept
        kept = fewer


def numbers_of(texts: Sequence[str]) -> Float[np.ndarray, "text 128"]:
    """TF-IDF of the words, in the strongest directions; zeros for a text without any."""
    words = TfidfVectorizer(
        min_df=3,
        max_df=0.3,
        sublinear_tf=True,
        stop_words="english",
        token_pattern=r"[a-z][a-z+\-]{2,}",
    ).fit_transform(texts)
    return TruncatedSVD(128, random_state=0).fit_transform(words)


def packages(kind: str, indexes: Sequence[Path]) -> tuple[Pairs, list[str], list[list[str]]]:
    """Pairs, and in the order of the items a header and the cells of their content."""
    sources, binaries, descriptions = map(paragraphs, indexes)
    if kind == "libraries":
        pairs = core(((u, i) for u, i in needed_by(sources, BUILT_WITH) if i in binaries), 5, 5)
        names = {item: [item] for _, item in pairs}
    elif kind == "depends":
        pairs = core(((u, i) for u, i in needed_by(binaries, NEEDED) if i in binaries), 5, 5)
        some = set(random.Random(0).sample(sorted({user for user, _ in pairs}), DEPENDENT))
        pairs = core({pair for pair in pairs if pair[0] in some}, 4, 5)
        names = {item: [item] for _, item in pairs}
    elif kind == "suggests":
        pairs = core(((u, i) for u, i in needed_by(binaries, SUGGESTED) if i in binaries), 2, 2)
        names = {item: [item] for _, item in pairs}
    else:
        pairs = core(looked_after(sources), 5, 2)
        names = {item: re.split(r"[,\s]+", sources[item].get("Binary", "")) for _, item in pairs}
    texts, tags = [], []
    for _, parts in sorted(names.items()):
        known = [name for name in parts if name in binaries]
        texts.append(
            " ".join(
                descriptions.get(name, {}).get("Description-en", binaries[name].get("Description", ""))
                for name in known
            )
        )
        own = {tag for name in known for tag in re.split(r",\s*", binaries[name].get("Tag", "")) if tag}
        own |= {f"section::{binaries[name].get('Section', 'none')}" for name in known}
        tags.append(" ".join(sorted(own)))
    numbers = [" ".join(f"{x:.5f}" for x in row) if row.any() else "" for row in numbers_of(texts)]
    return pairs, ["text:float_seq", "tags:token_seq"], list(map(list, zip(numbers, tags, strict=True)))


def insteval(path: Path) -> tuple[Pairs, list[str], list[list[str]]]:
    """The same of lme4's InstEval."""
    rows = list(csv.DictReader(path.open()))
    department = {f"d{row['d']}": f"department{row['dept']}" for row in rows}
    pairs = {(f"s{row['s']}", f"d{row['d']}") for row in rows}
    return pairs, ["department:token_seq"], [[department[item]] for item in sorted(department)]


def thinned(pairs: Pairs, at_most: int) -> Pairs:
    """So many pairs of each user."""
    rng, of = random.Random(0), defaultdict[str, list[str]](list)
    for user, item in sorted(pairs):
        of[user].append(item)
    return {(user, item) for user, own in of.items() for item in rng.sample(own, min(at_most, len(own)))}


def main() -> None:
    """Writes a folder of atomic files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["libraries", "depends", "suggests", "maintainers", "insteval"])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at-most", type=int, metavar="N", help="pairs of each user")
    given = parser.parse_args()
    read = insteval(given.files[0]) if given.kind == "insteval" else packages(given.kind, given.files)
    pairs, columns, cells = read
    kept = thinned(pairs, given.at_most) if given.at_most else pairs
    items = sorted({item for _, item in pairs})
    given.out.mkdir(parents=True, exist_ok=True)
    for kind, header, rows in (
        ("inter", ["user_id:token", "item_id:token"], sorted(kept)),
        ("item", ["item_id:token", *columns], [[i, *own] for i, own in zip(items, cells, strict=True)]),
    ):
        lines = ["\t".join(row) for row in [header, *rows]]
        (given.out / f"{given.out.name}.{kind}").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
