"""What came since training, kept in a database: new items with their features, and what was watched."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reelmix.data.vocabulary import UserOrItemId
from reelmix.errors import ConfigError, StorageError
from reelmix.extras import optional

IN_MEMORY = "sqlite://"


@dataclass(frozen=True)
class StoredItem:
    """An item that came after training.

    Attributes:
        id: the caller's.
        title: if it has one.
        features: by modality the vector, or the token numbers.
    """

    id: UserOrItemId
    title: str | None
    features: dict[str, list[float]]


class Store:
    """A database of SQLite or PostgreSQL. An addition has been written when the method returns.

    Ids are kept as JSON, which tells 7 from "7".

    Args:
        url: such as ``sqlite:///added.sqlite`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        StorageError: the database cannot be opened.
        ConfigError: SQLAlchemy, or what drives this database, is not installed.
    """

    def __init__(self, url: str = IN_MEMORY) -> None:
        sql: Any = optional("sqlalchemy", "serve")
        self._sql, self.url = sql, url
        meta = sql.MetaData()
        self._items = sql.Table(
            "reelmix_items",
            meta,
            sql.Column("number", sql.Integer, primary_key=True),
            sql.Column("item_id", sql.Text, nullable=False, unique=True),
            sql.Column("title", sql.Text),
            sql.Column("features", sql.Text, nullable=False),
        )
        self._interactions = sql.Table(
            "reelmix_interactions",
            meta,
            sql.Column("number", sql.Integer, primary_key=True),
            sql.Column("user_id", sql.Text, nullable=False),
            sql.Column("item_id", sql.Text, nullable=False),
            sql.UniqueConstraint("user_id", "item_id"),
        )
        try:
            self._engine = _engine(sql, url)
            meta.create_all(self._engine)
        except (sql.exc.ArgumentError, sql.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise ConfigError(
                expected="the URL of a database, and its driver",
                found=str(error).partition("\n")[0],
                where="store",
                fix="Such as sqlite:///added.sqlite, or postgresql+psycopg://… with psycopg installed.",
            ) from None
        except sql.exc.SQLAlchemyError as error:
            raise self._broken(error) from None

    def items(self) -> list[StoredItem]:
        """All items, in the order in which they came."""
        rows = self._read(self._sql.select(self._items).order_by(self._items.c.number))
        return [StoredItem(json.loads(row.item_id), row.title, json.loads(row.features)) for row in rows]

    def interactions(self) -> list[tuple[UserOrItemId, UserOrItemId]]:
        """All pairs of a user and an item, in the order in which they came."""
        rows = self._read(self._sql.select(self._interactions).order_by(self._interactions.c.number))
        return [(json.loads(row.user_id), json.loads(row.item_id)) for row in rows]

    def add_items(self, items: Sequence[StoredItem]) -> None:
        """Adds items, all or none.

        Raises:
            StorageError: one is there already, or the database cannot be written.
        """
        rows = [
            {"item_id": _key(item.id), "title": item.title, "features": json.dumps(item.features)}
            for item in items
        ]
        with self._writing() as connection:
            connection.execute(self._sql.insert(self._items), rows)

    def add_interactions(self, pairs: Iterable[tuple[UserOrItemId, UserOrItemId]]) -> None:
        """Adds pairs, all or none. They must not be there already.

        Raises:
            StorageError: one is, or the database cannot be written.
        """
        rows = [{"user_id": _key(user), "item_id": _key(item)} for user, item in pairs]
        if rows:
            with self._writing() as connection:
                connection.execute(self._sql.insert(self._interactions), rows)

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    def _read(self, statement: Any) -> list[Any]:
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(statement))
        except self._sql.exc.SQLAlchemyError as error:
            raise self._broken(error) from None

    @contextmanager
    def _writing(self) -> Generator[Any]:
        """A transaction; what the database refuses is a StorageError."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except self._sql.exc.SQLAlchemyError as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> StorageError:
        return StorageError(
            expected="a database that can be read and written",
            found=str(getattr(error, "orig", None) or error).partition("\n")[0],
            where=f"store {self._sql.engine.make_url(self.url).render_as_string(hide_password=True)}",
            fix="Check its address, its rights and the disk.",
        )


def _engine(sql: Any, url: str) -> Any:
    if not url.startswith("sqlite"):
        return sql.create_engine(url, pool_pre_ping=True)
    extra = {"poolclass": sql.pool.StaticPool} if url == IN_MEMORY else {}
    engine = sql.create_engine(url, connect_args={"check_same_thread": False, "timeout": 10}, **extra)

    def durable(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    sql.event.listen(engine, "connect", durable)
    return engine


def _key(identifier: UserOrItemId) -> str:
    return json.dumps(identifier, ensure_ascii=False)
