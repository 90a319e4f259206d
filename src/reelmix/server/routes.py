"""What can be asked: every route, from its parameters to its answer."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import FileResponse

from reelmix.data.vocabulary import UserOrItemId, Vocabulary
from reelmix.server import people, schemas
from reelmix.server.measures import Measures
from reelmix.server.served import Served
from reelmix.server.service import Service
from reelmix.server.store import StoredItem

RunParameter = Annotated[str | None, Query(max_length=200, description="Name of a run that is served.")]
IdParameter = Annotated[str, Query(min_length=1, max_length=1000, description="The caller's own id.")]
Key = Annotated[str | None, Query(max_length=64, description="Of this item, in place of the token.")]
CountParameter = Annotated[int, Query(ge=1, le=1000, description="Length of the list, at most.")]
Names = Annotated[list[str], Query(max_length=32, description="Rank as if these modalities added nothing.")]
Searched = Annotated[str, Query(max_length=200, description="What ids or titles should contain.")]


def about(app: FastAPI, service: Service, measures: Measures) -> None:
    """Routes about the server and what it serves."""

    @app.get("/health", tags=["server"])
    async def health() -> schemas.Status:
        """Whether the server runs."""
        return schemas.Status(status="alive")

    @app.get("/ready", tags=["server"])
    async def ready() -> schemas.Status:
        """Whether it can answer."""
        return schemas.Status(status="ready")

    @app.get("/metrics", tags=["server"], response_class=Response)
    async def metrics() -> Response:
        """What the server counts about itself, for Prometheus."""
        one = service[None]
        for name, value in (
            ("items", len(one.run.items)),
            ("users", len(one.run.users)),
            ("added_items", one.added_items),
            ("added_interactions", service.added_interactions),
            ("loaded", service.loaded.timestamp()),
        ):
            measures.gauges[name].set(value)
        return Response(measures.text(), media_type=measures.content_type)

    @app.get("/v1/model", tags=["model"])
    def model(run: RunParameter = None) -> schemas.ModelCard:
        """What is served: the model, its data and how good it is."""
        return _card(service, service[run])

    @app.get("/v1/map", tags=["explorer"])
    def draw(run: RunParameter = None) -> schemas.Map:
        """Where items and users lie on a plane."""
        found = service[run].catalogue.map
        if found is None:
            raise HTTPException(404, "This run has no map: train it with reelmix train --map.")
        return found

    @app.get("/media", tags=["explorer"], response_class=FileResponse)
    def media(item_id: IdParameter, run: RunParameter = None, key: Key = None) -> FileResponse:
        """The file of an item, at the address that lists give for it."""
        file = service.media_file(parsed(service[run].run.items, item_id), run)
        if file is None:
            raise HTTPException(404, "This item has no file, or files are not served.")
        return FileResponse(file)


def reads(app: FastAPI, service: Service) -> None:
    """Routes that answer from the run."""

    @app.get("/v1/recommendations", tags=["recommend"])
    def recommendations(
        user_id: IdParameter,
        n: CountParameter = 10,
        include_seen: bool = False,
        without_modality: Names = [],  # noqa: B006
        run: RunParameter = None,
    ) -> schemas.Recommendations:
        """A user's list, best first, with the parts of every score."""
        one = service[run]
        return _list(
            one,
            parsed_user(one, user_id),
            n=n,
            include_seen=include_seen,
            without_modalities=without_modality,
        )

    @app.post("/v1/recommendations", tags=["recommend"])
    def lists(asked: schemas.ListsAsked, run: RunParameter = None) -> schemas.Lists:
        """Lists for several users."""
        one = service[run]
        options = asked.model_dump(exclude={"user_ids"})
        return schemas.Lists(lists=[_list(one, user, **options) for user in asked.user_ids])

    @app.post("/v1/recommendations/history", tags=["recommend"])
    def for_history(asked: schemas.HistoryAsked, run: RunParameter = None) -> schemas.Recommendations:
        """A list for somebody new, from what they watched; nothing is trained."""
        one = service[run]
        taste = one.recommender.taste_of(asked.history)
        lines = one.recommender.recommend_for_taste(taste, asked.n, among=asked.among, without=asked.without)
        return schemas.Recommendations(items=one.scored(taste, lines))

    @app.get("/v1/similar-items", tags=["recommend"])
    def similar_items(
        item_id: IdParameter, n: CountParameter = 10, run: RunParameter = None
    ) -> schemas.SimilarItems:
        """Items whose vectors point nearly the same way."""
        one = service[run]
        lines = one.recommender.similar_items(parsed(one.run.items, item_id), n)
        cards = (one.catalogue.card(one.run.items.row(line.id)).model_dump() for line in lines)
        return schemas.SimilarItems(
            items=[
                schemas.ScoredItem(**card, score=line.score) for card, line in zip(cards, lines, strict=True)
            ]
        )

    @app.get("/v1/similar-users", tags=["recommend"])
    def similar_users(
        user_id: IdParameter, n: CountParameter = 10, run: RunParameter = None
    ) -> schemas.SimilarUsers:
        """Users whose vectors point nearly the same way."""
        one = service[run]
        lines = one.recommender.similar_users(parsed(one.run.users, user_id), n)
        return schemas.SimilarUsers(
            users=[schemas.ScoredUser(id=line.id, score=line.score) for line in lines]
        )

    @app.get("/v1/explanation", tags=["explain"])
    def explanation(
        user_id: IdParameter, item_id: IdParameter, run: RunParameter = None
    ) -> schemas.Explanation:
        """Why a user's score of an item is what it is."""
        one = service[run]
        return one.explanation(parsed_user(one, user_id), parsed(one.run.items, item_id))

    @app.get("/v1/profile", tags=["explain"])
    def profile(user_id: IdParameter, run: RunParameter = None) -> schemas.Profile:
        """What a user watched, and how much they care about each modality."""
        one = service[run]
        return people.profile(one, parsed_user(one, user_id))

    @app.get("/v1/neighbourhood", tags=["explain"])
    def neighbourhood(
        user_id: IdParameter, n: CountParameter = 20, run: RunParameter = None
    ) -> schemas.Neighbourhood:
        """Who watched the same things as a user."""
        one = service[run]
        return people.neighbourhood(one, parsed_user(one, user_id), n)

    @app.get("/v1/users", tags=["explorer"])
    def users(query: Searched = "", n: CountParameter = 20, run: RunParameter = None) -> schemas.Users:
        """Users whose id contains a text, those who watched most first."""
        return service[run].catalogue.users(query, n)

    @app.get("/v1/items", tags=["explorer"])
    def items(query: Searched = "", n: CountParameter = 20, run: RunParameter = None) -> schemas.Items:
        """Items whose id or title contains a text, the most watched first."""
        return service[run].catalogue.items(query, n)


def writes(app: FastAPI, service: Service) -> None:
    """Routes that change what is served, one after the other; they leave the threads of reading alone."""
    one = CapacityLimiter(1)

    @app.post("/v1/items", tags=["write"])
    async def add_items(asked: schemas.NewItems) -> schemas.Added:
        """Takes in new items, all or none, and keeps them. Needs the token."""
        items = [StoredItem(item.id, item.title, dict(item.features)) for item in asked.items]
        return schemas.Added(added=await to_thread.run_sync(service.add_items, items, limiter=one))

    @app.post("/v1/interactions", tags=["write"])
    async def add_interactions(asked: schemas.NewInteractions) -> schemas.Added:
        """Takes in what was watched, all or none, and keeps it. Needs the token.

        It is no longer recommended; and where the model can, the user's list follows it at once.
        """
        pairs = [(one.user_id, one.item_id) for one in asked.interactions]
        return schemas.Added(added=await to_thread.run_sync(service.add_interactions, pairs, limiter=one))

    @app.post("/v1/reload", tags=["write"])
    async def reload() -> schemas.Reloaded:
        """Reads the run folders again; requests meanwhile are answered from what was. Needs the token."""
        changed = await to_thread.run_sync(service.reload, limiter=one)
        return schemas.Reloaded(run=service[None].name, changed=changed)


def _list(one: Served, user: UserOrItemId, **options: Any) -> schemas.Recommendations:
    taste = one.taste(user)
    lines = one.recommender.recommend_for_taste(taste, **options)
    scored = one.scored(taste, lines)
    left_out = set(options.get("without_modalities", ()))
    if left_out:
        scored = [
            item.model_copy(
                update={"parts": {name: value for name, value in item.parts.items() if name not in left_out}}
            )
            for item in scored
        ]
        scored = [item.model_copy(update={"rest": item.score - sum(item.parts.values())}) for item in scored]
    return schemas.Recommendations(user_id=user, items=scored)


def _card(service: Service, one: Served) -> schemas.ModelCard:
    run, manifest = one.run, one.run.manifest
    features, chosen = manifest["dataset"]["features"], manifest.get("chosen", {})
    return schemas.ModelCard(
        run=one.name,
        runs=[
            schemas.RunName(name=other.name, model=str(other.run.manifest["model"]), folder=other.folder.name)
            for other in service
        ],
        version=version("reelmix"),
        model=str(manifest["model"]),
        settings={**run.settings["model"], **chosen.get("settings", {})},
        trained=manifest.get("started"),
        users=len(run.users),
        items=len(run.items),
        interactions=len(run.interactions.users),
        modalities=[
            schemas.ModalityCard(
                name=name,
                items=int(run.vectors.present[:, place].sum()),
                encoder=str(features[name]["encoder"]),
                size=int(features[name]["size"]),
            )
            for place, name in enumerate(run.vectors.item_parts)
        ],
        metrics={stage: dict(values) for stage, values in run.metrics.items()},
        dataset=str(manifest["dataset"].get("content_hash", "")),
        takes_history=one.takes_history,
        takes_items=one.takes_items,
        added_items=one.added_items,
        added_interactions=service.added_interactions,
        has_map=run.map is not None,
    )


def parsed(vocabulary: Vocabulary, text: str) -> UserOrItemId:
    """An id of a query string in the run's type."""
    return vocabulary.parse(text)


def parsed_user(one: Served, text: str) -> UserOrItemId:
    """The same of a user, who may be new."""
    return one.run.users.parse(text)
