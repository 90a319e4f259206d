"""What goes over the wire: every question and every answer of the HTTP API, with an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

Id = Annotated[StrictInt | StrictStr, Field(description="The caller's own id, a text or an integer.")]
"""Of a user or an item, as it stands in the data."""

Ids = Annotated[list[Id], Field(max_length=1000)]
Count = Annotated[int, Field(ge=1, le=1000, description="Length of a list, at most.")]

MAX_USERS = 100
"""Users in one question."""

MAX_VALUES = 100_000
"""Numbers in one modality of a new item."""


class Message(BaseModel):
    """The base of all questions: what they do not know is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Answer(BaseModel):
    """The base of all answers."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


def _example(value: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


# Answers


class ItemCard(Answer):
    """What is known of an item."""

    model_config = _example(
        {
            "id": "clip-41",
            "title": "Rain on a roof",
            "modalities": ["visual", "acoustic"],
            "watched_by": 12,
            "media": "/media/clip-41.mp4",
            "tint": 0.31,
            "added": False,
        }
    )

    id: Id
    title: str | None = None
    modalities: list[str]
    """Those that it has; what is not named is missing."""
    watched_by: int
    """People who watched it in training."""
    media: str | None = None
    """Where its file is served, if there is one."""
    tint: float | None = None
    """A place on a circle, 0 to 1, that is near for items whose first modality is alike: their colour."""
    added: bool = False
    """Whether it came after training."""


class ScoredItem(ItemCard):
    """An item in somebody's list, with the parts of its score."""

    model_config = _example(
        {
            "id": "clip-41",
            "title": "Rain on a roof",
            "modalities": ["visual", "acoustic"],
            "watched_by": 12,
            "media": None,
            "tint": 0.31,
            "added": False,
            "score": 5.25,
            "parts": {"visual": 2.0, "acoustic": 3.0},
            "rest": 0.25,
        }
    )

    score: float
    parts: dict[str, float] = {}
    """What each modality adds; with ``rest`` they add up to ``score``."""
    rest: float = 0.0
    """What belongs to no modality."""


class ScoredUser(Answer):
    """A user who is like another."""

    id: Id
    score: float
    """Cosine of the two vectors."""


class Recommendations(Answer):
    """One person's list, best first."""

    user_id: Id | None = None
    """None for a history."""
    items: list[ScoredItem]


class Lists(Answer):
    """Several people's lists, in the order in which they were asked for."""

    lists: list[Recommendations]


class SimilarItems(Answer):
    """Items with vectors that point nearly the same way, nearest first; ``score`` is the cosine."""

    items: list[ScoredItem]


class SimilarUsers(Answer):
    """Users with vectors that point nearly the same way, nearest first."""

    users: list[ScoredUser]


class Emphasis(Answer):
    """How much somebody cares about one modality."""

    modality: str
    weight: float | None
    """The model's alpha; None for models without."""
    share: float
    """What part of the spread of all their scores it makes."""
    neighbours: float | None
    """The mean alpha of those who watched the same things, weighed by how much they have in common."""
    everyone: float | None
    """The mean alpha of all users."""


class Profile(Answer):
    """What is known of a user."""

    user_id: Id
    history: list[ItemCard]
    """What they watched in training, and what was added since."""
    emphasis: list[Emphasis]


class Reason(Answer):
    """One item or user, and what it adds to a score."""

    id: Id
    title: str | None = None
    score: float


class Explanation(Answer):
    """Why a user's score of an item is what it is."""

    user_id: Id
    item: ItemCard
    score: float
    rank: int
    """The item's place among those that the user has not watched."""
    parts: dict[str, float]
    """What each modality adds; with ``rest`` they add up to ``score``."""
    rest: float
    lifts: dict[str, float]
    """Each part less its mean over all items that have the modality."""
    rank_without: dict[str, int]
    """Its place if all items were ranked without each modality."""
    filled: list[str]
    """Modalities that the item lacks and that the model filled in."""
    like: dict[str, list[Reason]]
    """For each modality, watched items that are nearest in it; ``score`` is the cosine."""
    history: list[Reason]
    """What each watched item adds, for models whose users are what they watched."""
    neighbours: list[Reason]
    """What each co-occurring user adds, for models whose user graph adds taste."""
    sentence: str


class Neighbour(Answer):
    """Somebody who watched the same things."""

    id: Id
    common: list[Id]
    """Items that both watched."""
    watched: int
    """Items that they watched."""
    emphasis: dict[str, float]


class Neighbourhood(Answer):
    """The people who watched the same things as a user, most in common first."""

    user_id: Id
    emphasis: dict[str, float]
    neighbours: list[Neighbour]
    items: list[ItemCard]
    """The items in common."""


class Users(Answer):
    """Users whose id contains what was asked for."""

    users: list[UserSummary]
    total: int


class UserSummary(Answer):
    """A user and how much they watched."""

    id: Id
    watched: int


class Items(Answer):
    """Items whose id or title contains what was asked for, the most watched first."""

    items: list[ItemCard]
    total: int


class Map(Answer):
    """A plane on which items and users that are alike are near; columns of equal length."""

    kind: list[Literal["item", "user"]]
    id: list[Id]
    title: list[str | None]
    x: list[float]
    y: list[float]
    modalities: list[int]
    """A bit for each modality of the run that an item has, the first the lowest; -1 for users."""
    watched: list[int]
    """By how many people an item was watched, or how many items a user watched."""
    cluster: list[int]
    """Of k-means on the vectors."""
    names: list[str]
    """The modalities, in the order of the bits."""
    left_out: int
    """Items and users that are not drawn, because there are too many."""


class RunName(Answer):
    """A run that is served, by the name that ``run`` takes."""

    name: str
    model: str
    folder: str
    """The last part of its folder's name."""


class ModelCard(Answer):
    """What is served: the model, its data and how good it is."""

    run: str
    runs: list[RunName]
    version: str
    model: str
    settings: dict[str, Any]
    trained: str | None
    users: int
    items: int
    interactions: int
    modalities: list[ModalityCard]
    metrics: dict[str, dict[str, float]]
    """By stage, such as ``test``, then by metric."""
    dataset: str
    """Content hash of the data."""
    takes_history: bool
    """Whether it can recommend for somebody new from what they watched."""
    takes_items: bool
    """Whether items can be added from their content."""
    added_items: int
    added_interactions: int
    has_map: bool


class ModalityCard(Answer):
    """A modality of the run."""

    name: str
    items: int
    """Items that have it."""
    encoder: str
    size: int


class Status(Answer):
    """Of the server."""

    status: Literal["alive", "ready", "loading"]


class Reloaded(Answer):
    """The run that is served now."""

    run: str
    changed: bool
    """Whether it is another than before."""


class Added(Answer):
    """How many were taken in."""

    added: int


class Problem(Answer):
    """What went wrong, in the house's four words (RFC 9457, ``application/problem+json``)."""

    model_config = _example(
        {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "user id: expected a user of this run, found 'ann'. Did you mean 'anna'?",
            "expected": "a user of this run",
            "found": "'ann'",
            "where": "user id",
            "fix": "Did you mean 'anna'?",
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    expected: str | None = None
    found: str | None = None
    where: str | None = None
    fix: str | None = None


# Questions


class ListsAsked(Message):
    """Lists for several users."""

    model_config = Message.model_config | _example({"user_ids": ["anna", "ben"], "n": 10})

    user_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_USERS)]
    n: Count = 10
    include_seen: bool = False
    """Keep what a user has watched."""
    among: Ids | None = None
    """Only these items."""
    without: Ids = []
    """Not these items."""
    without_modalities: Annotated[list[str], Field(max_length=32)] = []
    """Rank as if these modalities added nothing."""


class HistoryAsked(Message):
    """A list for somebody new, from what they watched."""

    model_config = Message.model_config | _example({"history": ["clip-41", "clip-7"], "n": 10})

    history: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    n: Count = 10
    among: Ids | None = None
    without: Ids = []


class NewItem(Message):
    """An item that came after training, with what is known of it."""

    model_config = Message.model_config | _example(
        {"id": "clip-new", "title": "Snow on a roof", "features": {"visual": [0.12, -0.4]}}
    )

    id: Id
    title: Annotated[str, Field(max_length=1000)] | None = None
    features: Annotated[
        dict[str, Annotated[list[float], Field(min_length=1, max_length=MAX_VALUES)]], Field(max_length=32)
    ]
    """By modality the vector, or the token numbers where the modality is a bag."""


class NewItems(Message):
    """Items that came after training."""

    items: Annotated[list[NewItem], Field(min_length=1, max_length=1000)]


class NewInteraction(Message):
    """That somebody watched something."""

    model_config = Message.model_config | _example({"user_id": "anna", "item_id": "clip-7"})

    user_id: Id
    item_id: Id


class NewInteractions(Message):
    """What was watched since training."""

    interactions: Annotated[list[NewInteraction], Field(min_length=1, max_length=1000)]
