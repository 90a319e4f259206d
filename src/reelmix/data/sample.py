"""A simulated micro-video world whose truth is known: who cares how much about look, sound and words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Float32, Int

from reelmix.data.assemble import assemble
from reelmix.data.dataset import Card, Dataset
from reelmix.data.sample_words import LOOKS, SOUNDS, TOPICS
from reelmix.errors import ConfigError, DataError, nearest

MODALITIES = ("visual", "acoustic", "textual")
CLUSTERS = (len(LOOKS), len(SOUNDS), len(TOPICS))
FEATURE_SIZES = (48, 32, 40)
MISSING = (0.15, 0.25, 0.20)  # share of the items that an uploader's care leaves without each modality
LATENT_SIZE = 12  # fewer than clusters, so that some looks, sounds or topics resemble each other
COMMUNITIES = 30
LEAST = 5  # interactions of a user: below five, a random split holds nothing out; of an item, for symmetry
SMALLEST = 4 * LEAST  # users or items of a world: a user watches at most a quarter of the items
TASTE_STRENGTH = 3.5  # of a match one standard deviation above the mean; Gumbel noise deviates by 1.28
START = 1_709_510_400  # Monday 2024-03-04 00:00 UTC
DAYS = 42
DIGITS = 6  # what is kept of a real number before it decides a choice: its last bits differ between machines


@dataclass(frozen=True, eq=False)
class Sample:
    """A simulated dataset and the truth that it was drawn from.

    No person, video or recording stands behind it. With item i, user u and modality m:

    - **Content.** In each modality, i belongs to one cluster (a look, a sound, a topic: its title names all
      three). ``z_im`` is the cluster's centre plus noise; the feature is ``tanh(z_im A_m) B_m`` plus noise,
      with fixed random ``A_m`` and ``B_m``.
    - **Taste.** u belongs to a community g. ``p_um`` points to two clusters that all of g like and to one of
      u's own.
    - **Emphasis.** ``e_g`` ~ Dirichlet(1, 1, 1), its largest part dealt to each modality in turn, and
      ``e_u`` ~ Dirichlet(12 e_g + 0.3). Some live for the look and some for the sound, and those who watch
      alike care alike, as the paper argues.
    - **Choice.** ``y_ui = 3.5 sum_m e_um s_umi + b_i``: the match ``s_umi`` is ``<p_um, z_im>`` standardised
      over items, ``b_i`` ~ Exponential(0.6) is a mild popularity. u watches the n_u items of the largest
      ``y_ui`` + Gumbel noise: a draw without replacement with chances in proportion to ``exp(y_ui)``. n_u is
      long-tailed, at least five. An item that fewer than five watched is shown to those next in line for it.
      Times are evenings of six weeks and tell nothing about taste.
    - **Holes.** Uploaders are more or less careless, those of unpopular items more: the same items tend to
      lack several modalities, but none lacks all. Holes are in the data, not in the world: choices follow
      ``z_im``, and an item without textual features still has the title that people read.

    Attributes:
        dataset: all that a recommender may see; its card says that it is simulated.
        emphasis: ``e_um``, rows in the order of ``dataset.users``, each summing to 1.
        tastes: ``p_um``, of unit length.
        latents: ``z_im``, items in the order of ``dataset.items``.
        appeal: ``b_i``.
        clusters: each item's look, sound and topic, by number.
    """

    dataset: Dataset
    emphasis: Float[np.ndarray, "user modality"]
    tastes: Float[np.ndarray, "modality user latent"]
    latents: Float[np.ndarray, "modality item latent"]
    appeal: Float[np.ndarray, " item"]
    clusters: Int[np.ndarray, "modality item"]

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the columns of ``emphasis`` are."""
        return self.dataset.modalities

    def match(self, modality: str) -> Float[np.ndarray, "user item"]:
        """``s_umi``: how well each item suits each user in one modality, mean 0 and deviation 1 over items.

        Raises:
            DataError: there is no such modality.
        """
        if modality not in self.modalities:
            raise DataError(
                expected="a modality of the sample",
                found=repr(modality),
                where="match",
                fix=nearest(modality, self.modalities),
            )
        m = self.modalities.index(modality)
        return _match(self.tastes[m], self.latents[m])

    def utility(self) -> Float[np.ndarray, "user item"]:
        """``y_ui``: what choices follow but for luck; no recommender is expected to rank better."""
        return _utility(self.emphasis, self.tastes, self.latents, self.appeal)


def sample(rng: int = 0, n_users: int = 2000, n_items: int = 1000) -> Sample:
    """A simulated dataset with planted emphasis, the same on every machine; :class:`Sample` tells its story.

    Args:
        rng: seed.
        n_users: at least 20; ids are ``user-1``, ``user-2`` and so on.
        n_items: at least 20; ids are ``reel-1``, ``reel-2`` and so on.

    Raises:
        ConfigError: too few users or items.
    """
    for name, size in (("n_users", n_users), ("n_items", n_items)):
        if size < SMALLEST:
            raise ConfigError(
                expected=f"at least {SMALLEST}", found=str(size), where=name, fix="Choose a larger world."
            )
    # PCG64 by name: what default_rng stands for may change
    generator = np.random.Generator(np.random.PCG64(rng))
    clusters, centres, latents = _items(generator, n_items)
    emphasis, tastes = _users(generator, n_users, centres)
    appeal = generator.exponential(0.6, n_items)
    users, items = _choices(generator, _utility(emphasis, tastes, latents, appeal))
    times = _times(generator, len(users))
    has = _present(generator, appeal)
    features = [_features(generator, z, size) for z, size in zip(latents, FEATURE_SIZES, strict=True)]
    # in the order of a vocabulary, so that row r of every array belongs to the id in row r
    user_ids = pl.Series(sorted(f"user-{number}" for number in range(1, n_users + 1)))
    item_ids = pl.Series(sorted(f"reel-{number}" for number in range(1, n_items + 1)))
    dataset = assemble(
        pl.DataFrame(
            {"user_id": user_ids.gather(users), "item_id": item_ids.gather(items), "timestamp": times}
        ),
        pl.DataFrame({"item_id": item_ids, "title": _titles(generator, clusters)}),
        {
            name: (item_ids.filter(pl.Series(there)), values[there])
            for name, there, values in zip(MODALITIES, has, features, strict=True)
        },
        card=Card("simulated sample", f"simulated by reelmix.data.sample with rng={rng}", simulated=True),
        where=Path("simulated sample"),
        encoders=dict.fromkeys(MODALITIES, "simulated"),
    )
    return Sample(dataset, emphasis, tastes, latents, appeal, clusters)


def rank_agreement(learned: Float[np.ndarray, "user modality"], planted: Sample) -> dict[str, float]:
    """Spearman's rank correlation over users between a learned emphasis and the planted one, by modality.

    1: the learned emphasis puts users in the planted order. 0: it says nothing about them. NaN: it is the
    same for all users. Only order counts, so learned attention need be neither positive nor of any sum.

    Raises:
        DataError: ``learned`` has not one row a user and one column a modality of the sample.
    """
    if learned.shape != planted.emphasis.shape:
        raise DataError(
            expected=f"shape {planted.emphasis.shape} (user, modality)",
            found=str(learned.shape),
            where="learned emphasis",
            fix="Give every user and every modality, in the order of the sample's dataset.",
        )
    columns = zip(planted.modalities, learned.T, planted.emphasis.T, strict=True)
    return {name: _rank_correlation(ours, theirs) for name, ours, theirs in columns}


def _rank_correlation(one: Float[np.ndarray, " user"], other: Float[np.ndarray, " user"]) -> float:
    first, second = (_ranks(values) - (len(values) + 1) / 2 for values in (one, other))
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale else float("nan")


def _ranks(values: Float[np.ndarray, " user"]) -> Float[np.ndarray, " user"]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _items(
    generator: np.random.Generator, n_items: int
) -> tuple[
    Int[np.ndarray, "modality item"],
    list[Float[np.ndarray, "_ latent"]],
    Float[np.ndarray, "modality item latent"],
]:
    """Each item's clusters, the clusters' centres, and ``z_im``."""
    clusters = np.stack([generator.integers(size, size=n_items) for size in CLUSTERS])
    centres = [_unit(generator.standard_normal((size, LATENT_SIZE))) for size in CLUSTERS]
    latents = np.stack([centre[cluster] for centre, cluster in zip(centres, clusters, strict=True)])
    return clusters, centres, latents + generator.normal(0, 0.2, latents.shape)


def _users(
    generator: np.random.Generator, n_users: int, centres: list[Float[np.ndarray, "_ latent"]]
) -> tuple[Float[np.ndarray, "user modality"], Float[np.ndarray, "modality user latent"]]:
    """``e_um`` and ``p_um``."""
    community = generator.integers(COMMUNITIES, size=n_users)
    drawn = generator.dirichlet([1.0] * len(MODALITIES), COMMUNITIES)
    shared = np.stack([np.roll(parts, g - parts.argmax()) for g, parts in enumerate(drawn)])
    weights = generator.standard_gamma(12 * shared[community] + 0.3)
    borders = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    # borders are rounded rather than parts, so that the parts still sum to 1
    emphasis = np.diff(np.round(borders, DIGITS), axis=1, prepend=0.0)
    tastes: list[np.ndarray] = []
    for centre in centres:
        liked = np.stack([generator.permutation(len(centre))[:2] for _ in range(COMMUNITIES)])[community]
        own = generator.integers(len(centre), size=(n_users, 1))
        shares = generator.dirichlet([4.0, 4.0, 2.0], n_users)
        towards = centre[np.concatenate([liked, own], axis=1)]
        tastes.append(_unit((shares[:, :, None] * towards).sum(axis=1)))
    return emphasis, np.stack(tastes)


def _match(
    tastes: Float[np.ndarray, "user latent"], latents: Float[np.ndarray, "item latent"]
) -> Float[np.ndarray, "user item"]:
    match = tastes @ latents.T
    match -= match.mean(axis=1, keepdims=True)
    return match / match.std(axis=1, keepdims=True)


def _utility(
    emphasis: Float[np.ndarray, "user modality"],
    tastes: Float[np.ndarray, "modality user latent"],
    latents: Float[np.ndarray, "modality item latent"],
    appeal: Float[np.ndarray, " item"],
) -> Float[np.ndarray, "user item"]:
    columns = zip(emphasis.T, tastes, latents, strict=True)
    return appeal + TASTE_STRENGTH * sum(e[:, None] * _match(p, z) for e, p, z in columns)


def _choices(
    generator: np.random.Generator, utility: Float[np.ndarray, "user item"]
) -> tuple[Int[np.ndarray, " interaction"], Int[np.ndarray, " interaction"]]:
    """Rows of users and of the items they watch."""
    n_users, n_items = utility.shape
    activity = LEAST + np.floor(generator.lognormal(np.log(13), 0.9, n_users))
    urge = np.round(utility + generator.gumbel(size=utility.shape), DIGITS)
    order = np.argsort(-urge, axis=1, kind="stable")
    watched = np.zeros(utility.shape, bool)
    first = np.arange(n_items) < np.minimum(activity, n_items // 4)[:, None]
    np.put_along_axis(watched, order, first, axis=1)
    for item in np.flatnonzero(watched.sum(axis=0) < LEAST):
        inclined = np.argsort(np.where(watched[:, item], np.inf, -urge[:, item]), kind="stable")
        watched[inclined[: LEAST - watched[:, item].sum()], item] = True
    users, items = np.nonzero(watched)
    return users, items


def _times(generator: np.random.Generator, count: int) -> Int[np.ndarray, " interaction"]:
    """Unix seconds, around eight in the evening."""
    day = generator.integers(DAYS, size=count)
    second = np.floor(3600 * generator.normal(20, 3, count)).astype(np.int64) % 86_400
    return START + 86_400 * day + second


def _present(
    generator: np.random.Generator, appeal: Float[np.ndarray, " item"]
) -> Bool[np.ndarray, "modality item"]:
    careless = generator.standard_normal(len(appeal)) - appeal / 0.6
    risk = 0.6 * careless + generator.standard_normal((len(MODALITIES), len(appeal)))
    rank = np.argsort(np.argsort(-risk, axis=1, kind="stable"), axis=1, kind="stable")
    lacks = rank < np.round(np.array(MISSING) * len(appeal))[:, None]
    bare = np.flatnonzero(lacks.all(axis=0))
    lacks[risk[:, bare].argmin(axis=0), bare] = False
    return ~lacks


def _features(
    generator: np.random.Generator, latents: Float[np.ndarray, "item latent"], size: int
) -> Float32[np.ndarray, "item feature"]:
    hidden = 2 * LATENT_SIZE
    inner = generator.standard_normal((LATENT_SIZE, hidden))
    outer = generator.standard_normal((hidden, size)) / np.sqrt(hidden)
    noise = generator.normal(0, 0.15, (len(latents), size))
    values = np.round(np.tanh(latents @ inner) @ outer + noise, 3)
    return (values + 0.0).astype(np.float32)  # + 0.0 leaves no negative zero


def _titles(generator: np.random.Generator, clusters: Int[np.ndarray, "modality item"]) -> list[str]:
    words = generator.integers(2, size=clusters.shape)
    titles: list[str] = []
    seen: Counter[str] = Counter()
    for (look, sound, topic), (a, b, c) in zip(clusters.T.tolist(), words.T.tolist(), strict=True):
        title = f"{LOOKS[look][a]} {TOPICS[topic][c]} {SOUNDS[sound][b]}"
        title = title[0].upper() + title[1:]
        seen[title] += 1
        titles.append(title if seen[title] == 1 else f"{title}, part {seen[title]}")
    return titles


def _unit(vectors: Float[np.ndarray, "*rows latent"]) -> Float[np.ndarray, "*rows latent"]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
