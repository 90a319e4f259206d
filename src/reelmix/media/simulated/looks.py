"""Moving pictures of each look of the simulated sample: one small scene, filmed in sixteen ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from reelmix.data.sample_words import LOOKS

Picture = Float[np.ndarray, "row column 3"]
Plane = Float[np.ndarray, "row column"]

GREY = np.array([0.30, 0.59, 0.11])
"""How bright red, green and blue seem."""


@dataclass(frozen=True)
class Shot:
    """What is filmed in a clip, the same in all its pictures but for the time.

    Attributes:
        x, y: of each pixel, from -1 to 1, rightwards and upwards.
        hues: of the sky, the ground and the subject, from 0 to 1.
        place, speed: of the subject, which goes to and fro.
        size: of the subject.
        seed: of what else is drawn by chance.
    """

    x: Plane
    y: Plane
    hues: Float[np.ndarray, " 3"]
    place: Float[np.ndarray, " 2"]
    speed: float
    size: float
    seed: int

    def chance(self, t: float | None = None) -> np.random.Generator:
        """The same chances again for a clip, or for one of its pictures."""
        return np.random.default_rng([self.seed, 0 if t is None else 1 + round(1000 * t)])

    def subject(self, t: float) -> tuple[float, float]:
        """Where the subject is."""
        return self.place[0] + 0.5 * np.sin(2 * np.pi * self.speed * t), float(self.place[1])

    def scene(self, t: float, zoom: float = 1.0) -> Picture:
        """Sky, ground, and a round subject with a smaller one beside it."""
        x, y = self.x / zoom, self.y / zoom
        sky = hsv(self.hues[0], 0.45, 0.75 + 0.2 * y)
        ground = hsv(self.hues[1], 0.6, 0.45 + 0.15 * np.sin(9 * x + 3 * y))
        picture = mix(sky, ground, soft(-0.25 - y, 0.03))
        a, b = self.subject(t)
        picture = mix(picture, hsv(self.hues[2], 0.8, 0.9 - 0.3 * (x - a)), disc(x, y, a, b, self.size))
        return mix(picture, hsv(self.hues[2] + 0.5, 0.7, 0.8), disc(x, y, a + 0.5, b - 0.2, 0.5 * self.size))


def pictures(
    look: int, rng: np.random.Generator, *, frames: int, side: int, rate: float
) -> UInt8[np.ndarray, "frame side side 3"]:
    """The pictures of a clip.

    Args:
        look: which, in the order of :data:`reelmix.data.sample_words.LOOKS`.
        rng: draws what is filmed.
        frames: how many.
        side: of a picture, pixels.
        rate: pictures a second.
    """
    line = np.linspace(-1, 1, side)
    y, x = np.meshgrid(-line, line, indexing="ij")
    shot = Shot(
        x,
        y,
        rng.uniform(size=3),
        rng.uniform([-0.3, -0.3], [0.3, 0.3]),
        float(rng.uniform(0.2, 0.6)),
        float(rng.uniform(0.25, 0.45)),
        int(rng.integers(1 << 31)),
    )
    film = _FILMED[look]
    clip = np.stack([film(shot, frame / rate) for frame in range(frames)])
    return (255 * clip.clip(0, 1)).round().astype(np.uint8)


# Sixteen looks


def _neon(shot: Shot, t: float) -> Picture:
    scene = shot.scene(t) @ GREY
    edges = 9 * (np.abs(np.gradient(scene, axis=0)) + np.abs(np.gradient(scene, axis=1)))
    glow = blurred(edges, 3) + edges
    tubes = np.abs(np.sin(5 * shot.x + 3 * np.sin(2 * shot.y + shot.seed % 7))) < 0.06
    return glow[..., None] * [1.0, 0.1, 0.8] + 0.9 * tubes[..., None] * np.array([0.1, 0.9, 1.0])


def _candlelit(shot: Shot, t: float) -> Picture:
    flicker = 0.9 + 0.2 * shot.chance(t).uniform()
    light = flicker * np.exp(-3 * (shot.x**2 + (shot.y + 0.2) ** 2))
    flame = disc(shot.x * 2.5, shot.y, 0, 0.05, 0.16)[..., None] * np.array([1.0, 0.85, 0.4])
    return shot.scene(t) * light[..., None] * np.array([1.1, 0.6, 0.2]) + flame


def _golden_hour(shot: Shot, t: float) -> Picture:
    sun = np.exp(-5 * ((shot.x - 0.5) ** 2 + (shot.y - 0.1) ** 2))
    return 0.55 * shot.scene(t) * [1.0, 0.75, 0.4] + (0.25 + sun)[..., None] * np.array([1.0, 0.65, 0.2])


def _black_and_white(shot: Shot, t: float) -> Picture:
    chance = shot.chance(t)
    grey = (shot.scene(t) @ GREY - 0.5) * 1.5 + 0.5
    grey = grey + 0.05 * chance.standard_normal(grey.shape)
    scratch = np.abs(shot.x - chance.uniform(-1, 1)) < 0.01
    return np.where(scratch, 0.95, grey * vignette(shot))[..., None].repeat(3, axis=2)


def _pastel(shot: Shot, t: float) -> Picture:
    return 0.62 + 0.36 * shot.scene(t)


def _slow_motion(shot: Shot, t: float) -> Picture:
    r = np.hypot(shot.x - shot.place[0], 2 * (shot.y - shot.place[1]))
    rings = np.sin(24 * r - 3 * t) * np.exp(-1.5 * r)
    return np.stack([0.2 + 0.2 * rings, 0.45 + 0.3 * rings, 0.6 + 0.35 * rings], axis=2)


def _time_lapse(shot: Shot, t: float) -> Picture:
    streaks = smooth_noise(shot, (24, 3), shift=2.5 * t)
    day = 0.5 + 0.5 * np.sin(4 * t + shot.seed % 5)
    sky = hsv(0.58 + 0.08 * day, 0.7, 0.3 + 0.6 * day + 0 * shot.x)
    picture = mix(sky, np.ones(3), 0.8 * soft(streaks - 0.55, 0.08))
    towers = shot.y < -0.35 + 0.35 * (np.sin(13 * np.floor(4 * shot.x) + shot.seed % 11) + 0.5)
    lights = ((12 * shot.x % 1) < 0.4) & ((12 * shot.y % 1) < 0.4)
    facade = np.where(lights[..., None], [1.0, 0.9, 0.5], [0.1, 0.1, 0.15])
    return np.where(towers[..., None], facade, picture)


def _close_up(shot: Shot, t: float) -> Picture:
    chance = shot.chance()
    picture = hsv(shot.hues[0], 0.5, 0.25 + 0.1 * shot.y)
    for _ in range(12):
        a, b = chance.uniform(-1, 1, 2)
        colour = hsv(chance.uniform(), 0.6, np.array(0.9))
        picture = mix(picture, colour, 0.45 * disc(shot.x, shot.y, a + 0.05 * t, b, 0.22, edge=0.03))
    petal = 0.55 + 0.15 * np.cos(6 * np.arctan2(shot.y, shot.x) + t)
    return mix(
        picture, hsv(shot.hues[2], 0.85, 0.95 - 0.4 * shot.x**2), soft(petal - np.hypot(shot.x, shot.y), 0.03)
    )


def _handheld(shot: Shot, t: float) -> Picture:
    chance = shot.chance(t)
    angle = 0.35 + 0.15 * chance.standard_normal()
    dx, dy = 0.15 * chance.standard_normal(2)
    x = np.cos(angle) * shot.x - np.sin(angle) * shot.y + dx
    y = np.sin(angle) * shot.x + np.cos(angle) * shot.y + dy
    turned = Shot(x, y, shot.hues, shot.place, shot.speed, shot.size, shot.seed).scene(t)
    smeared = np.mean([np.roll(turned, 3 * k, axis=1) for k in range(5)], axis=0)
    return np.where((np.abs(shot.x) > 0.6)[..., None], 0.03, smeared)


def _drone_shot(shot: Shot, t: float) -> Picture:
    x, y = 3 * shot.x + 0.6 * t, 3 * shot.y + 1.2 * t
    field = np.sin(12.9898 * np.floor(x) + 78.233 * np.floor(y) + shot.seed % 97)
    green = hsv(0.22 + 0.1 * field, 0.6, 0.5 + 0.15 * np.sin(40 * (x if shot.seed % 2 else y)))
    road = (np.abs(x % 1 - 0.5) > 0.46) | (np.abs(y % 1 - 0.5) > 0.46)
    return np.where(road[..., None], [0.75, 0.72, 0.65], green)


def _stop_motion(shot: Shot, t: float) -> Picture:
    steps = max(1, len(shot.x) // 14)
    small = shot.scene(np.floor(3 * t) / 3)[::steps, ::steps]
    clay = np.round(small * 4) / 4
    blocks = clay.repeat(steps, axis=0).repeat(steps, axis=1)[: len(shot.x), : len(shot.x)]
    bump = 0.12 * np.sin(np.pi * np.arange(len(shot.x)) / steps) ** 2
    return blocks * [1.0, 0.85, 0.75] + (bump[:, None] + bump)[..., None]


def _rainy_day(shot: Shot, t: float) -> Picture:
    grey = 0.35 * shot.scene(t) + 0.65 * np.array([0.35, 0.42, 0.5])
    fall = smooth_noise(shot, (3, 70), shift=6 * t, slant=0.3)
    return grey * 0.85 + 0.45 * soft(fall - 0.72, 0.05)[..., None]


def _moonlit(shot: Shot, t: float) -> Picture:
    stars = shot.chance().uniform(size=shot.x.shape) > 0.995
    night = 0.35 * shot.scene(t) * [0.25, 0.4, 0.9] + stars[..., None] * 0.7 * (shot.y > -0.2)[..., None]
    moon = disc(shot.x, shot.y, -0.5, 0.55, 0.2)
    halo = 0.4 * np.exp(-6 * ((shot.x + 0.5) ** 2 + (shot.y - 0.55) ** 2))
    return mix(night + halo[..., None] * np.array([0.5, 0.6, 0.9]), np.array([0.95, 0.95, 0.85]), moon)


def _foggy(shot: Shot, t: float) -> Picture:
    fog = (0.75 + 0.2 * smooth_noise(shot, (4, 4), shift=0.3 * t))[..., None]
    return (1 - fog) * shot.scene(t) + fog * np.array([0.82, 0.84, 0.86])


def _vhs(shot: Shot, t: float) -> Picture:
    chance = shot.chance(t)
    scene = shot.scene(t)
    shifted = np.stack([np.roll(scene[..., c], shift, axis=1) for c, shift in enumerate((-5, 0, 5))], axis=2)
    lines = 0.75 + 0.25 * np.sin(np.pi * np.arange(len(shot.x)) / 2)[:, None, None]
    band = np.abs(shot.y - chance.uniform(-1, 1)) < 0.06
    noise = chance.standard_normal(shot.x.shape) * (0.12 + 0.4 * band)
    return shifted * lines * [1.0, 0.9, 0.95] + noise[..., None]


def _snowy(shot: Shot, t: float) -> Picture:
    white = np.array([0.93, 0.95, 1.0])
    picture = mix(0.4 * shot.scene(t) + 0.5, white, soft(-0.1 - shot.y + 0.1 * np.sin(4 * shot.x), 0.05))
    chance, inside = shot.chance(), np.full(shot.x.shape, -1.0)
    for _ in range(40):
        a, b, r = chance.uniform(-1, 1), chance.uniform(-1, 1), chance.uniform(0.012, 0.035)
        inside = np.maximum(inside, r - np.hypot(shot.x - a, shot.y - (b - t + 1) % 2 + 1))
    return mix(picture, np.ones(3), soft(inside, 0.02))


_FILMED: tuple[Callable[[Shot, float], Picture], ...] = (
    _neon,
    _candlelit,
    _golden_hour,
    _black_and_white,
    _pastel,
    _slow_motion,
    _time_lapse,
    _close_up,
    _handheld,
    _drone_shot,
    _stop_motion,
    _rainy_day,
    _moonlit,
    _foggy,
    _vhs,
    _snowy,
)
assert len(_FILMED) == len(LOOKS)


# What they are drawn with


def hsv(
    hue: float | Plane, saturation: float, value: float | Float[np.ndarray, "*place"]
) -> Float[np.ndarray, "*place 3"]:
    """A colour of some brightness."""
    turn = np.asarray(hue)[..., None] * 6 + np.array([0, 4, 2])
    pure = np.clip(np.abs(turn % 6 - 3) - 1, 0, 1)
    return np.asarray(value)[..., None] * (1 - saturation + saturation * pure)


def mix(under: np.ndarray, over: np.ndarray, share: Plane) -> Picture:
    """One picture over another."""
    return under + share[..., None] * (over - under)


def soft(inside: Plane, edge: float) -> Plane:
    """1 where positive, 0 where negative, and a slope between."""
    return np.clip(0.5 + inside / edge, 0, 1)


def disc(x: Plane, y: Plane, a: float, b: float, radius: float, edge: float = 0.02) -> Plane:
    """1 within a circle."""
    return soft(radius - np.hypot(x - a, y - b), edge)


def vignette(shot: Shot) -> Plane:
    """Darker towards the corners."""
    return 1 - 0.4 * (shot.x**2 + shot.y**2)


def blurred(plane: Plane, reach: int) -> Plane:
    """The mean over a square."""
    for axis in (0, 1):
        plane = np.mean([np.roll(plane, k, axis=axis) for k in range(-reach, reach + 1)], axis=0)
    return plane


def smooth_noise(shot: Shot, cells: tuple[int, int], *, shift: float = 0.0, slant: float = 0.0) -> Plane:
    """Chance from 0 to 1 that changes slowly, over so many cells upwards and across, moving with a shift."""
    grid = shot.chance().uniform(size=cells)
    rows, columns = cells
    across = ((shot.x + slant * shot.y + 1) / 2 * columns + (shift if rows > columns else 0)) % columns
    up = ((shot.y + 1) / 2 * rows + (shift if rows <= columns else 0)) % rows
    r, c = up.astype(int) % rows, across.astype(int) % columns
    fr, fc = up - np.floor(up), across - np.floor(across)
    below = grid[r, c] * (1 - fc) + grid[r, (c + 1) % columns] * fc
    above = grid[(r + 1) % rows, c] * (1 - fc) + grid[(r + 1) % rows, (c + 1) % columns] * fc
    return below * (1 - fr) + above * fr
