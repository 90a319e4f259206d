"""All that is served: one run or two, swapped whole, and what came since, kept in the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reelmix.data.vocabulary import UserOrItemId
from reelmix.errors import DataError, ReelmixError, UnknownIdError, nearest
from reelmix.files import require_folder
from reelmix.server.links import Links
from reelmix.server.served import Served, same_kind, served
from reelmix.server.store import Store, StoredItem

Pair = tuple[UserOrItemId, UserOrItemId]


class Service:
    """What requests are answered from. Reads take no lock: what is served is replaced, never changed.

    Args:
        folders: name to run folder, or to a link to one; the first is what is asked for without a name.
        store: keeps what came since training.
        media: folder of the items' files; None serves none.
        index_from: items from which on a run is answered from by an approximate index; None always reads all.
        token: without which nobody may read; None if everybody may.

    Raises:
        StorageError, RunError: a run, or the store, cannot be read.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        store: Store,
        media: Path | None = None,
        index_from: int | None = None,
        token: str | None = None,
    ) -> None:
        self.folders, self.store, self.index_from = dict(folders), store, index_from
        self.media = None if media is None else require_folder(media, "the folder of media").resolve()
        self.links = None if media is None else Links(token)
        self._writing = threading.Lock()
        self.left_out = 0
        self._served: Mapping[str, Served] = {}
        self._marks: Mapping[str, object] = {}
        self._refused: Mapping[str, object] = {}
        self.added_interactions = 0
        self.loaded = datetime.now(UTC)
        self.reload()

    def __getitem__(self, name: str | None) -> Served:
        """A run by name; the first for None.

        Raises:
            UnknownIdError: there is none of this name.
        """
        everything = self._served
        if name is None:
            return next(iter(everything.values()))
        if name not in everything:
            raise UnknownIdError(
                expected="a run that is served",
                found=repr(name),
                where="run",
                fix=nearest(name, everything),
            )
        return everything[name]

    def __iter__(self) -> Iterator[Served]:
        """The runs that are served."""
        return iter(self._served.values())

    def reload(self) -> bool:
        """Reads all runs again and swaps them in one step; whether one of them is another than before.

        Raises:
            StorageError, RunError: one cannot be read; what was served is served on.
        """
        with self._writing:
            marks = self._looked()
            self._refused = marks  # until it is read: what cannot be is not tried again by itself
            items, interactions = self.store.items(), self.store.interactions()
            found: dict[str, Served] = {}
            left_out = 0
            for name, folder in self.folders.items():
                found[name], more = served(
                    name,
                    folder,
                    items=items,
                    interactions=interactions,
                    links=self.links,
                    index_from=self.index_from,
                )
                left_out += more
            changed = marks != self._marks
            self._served, self._marks, self.left_out = found, marks, left_out
            self.added_interactions, self.loaded = len(interactions), datetime.now(UTC)
            return changed

    @property
    def stale(self) -> bool:
        """Whether a folder, or what a link points to, is another than was read, or could not be."""
        return self._looked() not in (self._marks, self._refused)

    def _looked(self) -> Mapping[str, object]:
        return {name: _mark(folder) for name, folder in self.folders.items()}

    def add_items(self, items: Sequence[StoredItem]) -> int:
        """Takes in items, all or none: they have been kept when this returns.

        Raises:
            DataError, ConfigError: see :meth:`reelmix.recommender.Recommender.add_items`.
            StorageError: the store cannot be written.
        """
        with self._writing:
            _require_once([item.id for item in items], "items")
            first, *others = self._served.values()
            found = {first.name: first.with_items(items).ready()}
            self.store.add_items(items)
            for other in others:
                try:
                    found[other.name] = other.with_items(items).ready()
                except ReelmixError:  # of another run's kind
                    found[other.name] = other
                    self.left_out += len(items)
            self._served = found
            return len(items)

    def add_interactions(self, pairs: Sequence[Pair]) -> int:
        """Takes in what was watched, all or none; what is known already counts once.

        Raises:
            DataError: ids of another type than the run's.
            UnknownIdError: an unknown item.
            ConfigError: a user is new, and the model knows only those of its training.
            StorageError: the store cannot be written.
        """
        with self._writing:
            first, *others = self._served.values()
            same_kind([user for user, _ in pairs], "user")
            for user, _ in pairs:
                _require_type(user, first)
            fresh = [pair for pair in dict.fromkeys(pairs) if not _watched(first, *pair)]
            found = {first.name: first.with_interactions(fresh)}
            self.store.add_interactions(fresh)
            for other in others:
                try:
                    found[other.name] = other.with_interactions(fresh)
                except ReelmixError:
                    found[other.name] = other
                    self.left_out += len(fresh)
            self._served = found
            self.added_interactions += len(fresh)
            return len(fresh)

    def media_file(self, item: UserOrItemId, name: str | None) -> Path | None:
        """The file of an item, if it has one within the folder of media; links out of it are not followed.

        Raises:
            UnknownIdError: there is no such item.
        """
        one = self[name]
        path = one.catalogue.media_of(one.run.items.row(item))
        if path is None or self.media is None:
            return None
        try:
            file = (self.media / path).resolve()
            inside = file.is_relative_to(self.media) and file.is_file()
        except (OSError, ValueError):
            return None
        return file if inside else None

    def close(self) -> None:
        """Gives back what is held."""
        self.store.close()


def _watched(one: Served, user: UserOrItemId, item: UserOrItemId) -> bool:
    row = one.run.items.row(item)
    return (user in one.since or user in one.run.users) and row in one.history(user)


def _require_once(identifiers: Sequence[UserOrItemId], where: str) -> None:
    same_kind(identifiers, "item")
    if len(set(identifiers)) < len(identifiers):
        twice = next(identifier for identifier in identifiers if identifiers.count(identifier) > 1)
        raise DataError(
            expected="every item once", found=f"{twice!r} twice", where=where, fix="Leave one of them out."
        )


def _require_type(user: UserOrItemId, one: Served) -> None:
    known = one.run.users.ids
    if isinstance(user, str) == (len(known) == 0 or isinstance(known[0], str)):
        return
    raise DataError(
        expected=f"user ids of the run's type, such as {known[0]!r}",
        found=repr(user),
        where="interactions",
        fix="Write them like the ids of the run.",
    )


def _mark(folder: Path) -> object:
    """What changes when another run is put in a folder's place."""
    try:
        manifest = (folder / "manifest.json").stat()
        return folder.resolve(), manifest.st_ino, manifest.st_mtime_ns, manifest.st_size
    except OSError as error:
        return error.errno
