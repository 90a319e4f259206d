"""The explorer in a real browser, on a real server: a test for each thing that it is there for."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import wave
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from access import TOKEN

from reelmix.data.assemble import assemble
from reelmix.data.dataset import Card
from reelmix.data.sample import sample
from reelmix.models import Reelmix
from reelmix.recommender import Run
from reelmix.recommender.fit import fit

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WORDS = {"visual": "Look", "acoustic": "Sound", "textual": "Words"}
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAADElEQVR4nGP4zwACAAYBAQB/9VxdAAAAAElFTkSuQmCC"
)
"""Two dots, red and black."""

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install playwright"
)

PROGRAM = [sys.executable, "-c", "from reelmix.cli.main import run; run()", "serve"]


@contextmanager
def served(*words, **environment):
    """A server of its own process, and its address."""
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://[^\s:]+:(\d+)", line):
                at = f"http://127.0.0.1:{found[1]}"
                _ready(at)
                yield at
                break
        else:
            pytest.fail("".join(said))
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _ready(address):
    for _ in range(100):
        with suppress(OSError), urllib.request.urlopen(f"{address}/ready"):
            return
        time.sleep(0.1)
    pytest.fail("the server does not answer")


@pytest.fixture(scope="module")
def address(run_folder, other_folder):
    with served(run_folder, "--beside", other_folder) as found:
        yield found


@pytest.fixture(scope="module")
def plain_address(tmp_path_factory):
    """Of a run like those of TikTok: whole numbers for ids, no titles, no words; some items lack sound."""
    world = sample(n_users=60, n_items=40).dataset
    pairs = pl.DataFrame(
        {
            "user_id": world.interactions.users.astype(int),
            "item_id": world.interactions.items.astype(int),
        }
    )
    features = {
        name: (pl.Series(world.features[name].items.astype(int)), world.features[name].values)
        for name in ("visual", "acoustic")
    }
    data = assemble(pairs, None, features, card=Card("plain", "made for a test"), where=Path("plain"))
    folder = tmp_path_factory.mktemp("plain") / "run"
    fit(Reelmix(embedding_size=8), data.split(rng=3), epochs=2, rng=3, out=folder, draw=True)
    with served(folder) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def visit(browser, address):
    """Opens a page; at the end nothing was wrong in it and nothing was asked of another machine."""
    faults, contexts = [], []

    def opened(place="", *, at=address, viewport=None, scheme="light", quiet=True):
        context = browser.new_context(
            viewport=viewport or DESKTOP, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        if quiet:
            page.on("console", lambda said: said.type in ("error", "warning") and faults.append(said.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda asked: asked.url.startswith((at, "data:")) or faults.append(f"asked for {asked.url}"),
        )
        page.goto(f"{at}/{place}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def ask(address, path, **query):
    with urllib.request.urlopen(f"{address}{path}?{urllib.parse.urlencode(query, doseq=True)}") as response:
        return json.load(response)


def ids(page, within=".cards"):
    page.wait_for_selector(f"{within} li")
    return page.locator(f"{within} li").evaluate_all("found => found.map(one => one.dataset.item)")


def number(text):
    return float(text.replace("−", "-").replace("+", ""))


def hash_of(page):
    return urllib.parse.unquote(page.evaluate("location.hash"))


def switch(page, name):
    page.locator("label.switch", has_text=name).click()


# What one sees


def test_it_opens_on_somebody_without_being_told_whom(visit, address):
    page = visit()
    first = str(ask(address, "/v1/users", n=1)["users"][0]["id"])
    page.wait_for_selector(".cards li")
    assert page.locator("h1").inner_text() == first
    assert f"user={first}" in hash_of(page)


def test_a_user_is_picked_by_typing(visit):
    page = visit()
    page.get_by_role("combobox", name="Find a person or a video").fill("user-77")
    page.get_by_role("option", name="user-77").click()
    playwright.expect(page.locator("h1")).to_have_text("user-77")
    page.go_back()
    playwright.expect(page.locator("h1")).not_to_have_text("user-77")


def test_history_and_recommendations_are_cards_with_pictures_titles_and_modalities(visit, address):
    page = visit("#/person?user=user-7")
    history = ask(address, "/v1/profile", user_id="user-7")["history"]
    items = ask(address, "/v1/recommendations", user_id="user-7", n=12)["items"]
    assert ids(page) == [item["id"] for item in items]
    for card, item in zip(page.locator(".cards li").all(), items, strict=True):
        assert item["title"] in card.inner_text()
        assert card.locator(".thumb svg").count() == 1
        said = card.locator(".modalities").get_attribute("aria-label")
        has, _, lacks = said.partition("; ")
        for name, word in WORDS.items():
            assert (word in has) == (name in item["modalities"])
            assert (word in lacks) == (name not in item["modalities"])
    page.wait_for_selector(".person-side .tile")
    assert str(len(history)) in page.locator("#history-title").inner_text()
    assert page.locator(".tile").count() == min(12, len(history))


def test_emphasis_stands_beside_that_of_the_neighbours(visit, address):
    page = visit("#/person?user=user-7")
    for row in ask(address, "/v1/profile", user_id="user-7")["emphasis"]:
        section = page.locator(f"[data-modality={row['modality']}]")
        assert WORDS[row["modality"]] in section.inner_text()
        shown = [number(text) for text in section.locator(".weight-number").all_inner_texts()]
        assert shown == pytest.approx([row["weight"], row["neighbours"], row["everyone"]], abs=0.00501)


def test_the_parts_of_every_score_add_up_to_it(visit):
    page = visit("#/person?user=user-7")
    page.wait_for_selector(".cards li")
    for card in page.locator(".card").all():
        score, parts = re.search(
            r"Score (\S+): (.*)\. Why\?", card.locator(".spoken").text_content()
        ).groups()
        numbers = [number(part.split()[-1]) for part in parts.split(", ")]
        assert round(sum(numbers), 2) == number(score) == number(card.locator(".score").inner_text())


def test_numbers_of_a_bar_show_on_hover_and_on_focus(visit):
    page = visit("#/person?user=user-7")
    page.wait_for_selector(".cards li")
    first, second = page.locator(".card").all()[:2]
    page.mouse.move(5, 500, steps=3)  # a pointer that is on its way
    first.hover()
    tooltip = page.get_by_role("tooltip")
    tooltip.wait_for()
    first.focus()
    page.keyboard.press("Tab")
    playwright.expect(second).to_be_focused()
    playwright.expect(tooltip).to_contain_text(second.locator(".score").inner_text())
    parts = [number(text) for text in tooltip.locator("tbody td").all_inner_texts()]
    assert round(sum(parts), 2) == number(tooltip.locator("tfoot td").inner_text())


def test_a_modality_switched_off_reorders_the_list_and_says_so(visit, address):
    page = visit("#/person?user=user-7")
    before = ids(page)
    switch(page, "Words")
    items = ask(address, "/v1/recommendations", user_id="user-7", n=12, without_modality="textual")["items"]
    expected = [item["id"] for item in items]
    assert expected != before
    playwright.expect(page.locator(".cards li").first).to_have_attribute("data-item", expected[0])
    playwright.expect(page.get_by_test_id("announcer")).to_contain_text("Without Words")
    page.wait_for_selector(".move")
    assert ids(page) == expected
    assert "off=textual" in hash_of(page)
    for card in page.locator(".card").all():
        assert "Words" not in card.locator(".spoken").text_content()
    page.go_back()
    playwright.expect(page.locator(".move")).to_have_count(0)
    assert ids(page) == before


def test_why_a_recommendation_is_there(visit, address):
    page = visit("#/person?user=user-7")
    item = ids(page)[0]
    page.locator(".card").first.click()
    why = ask(address, "/v1/explanation", user_id="user-7", item_id=item)
    dialog = page.get_by_role("dialog")
    dialog.locator(".why-table").wait_for()
    text = dialog.inner_text()
    assert why["item"]["title"] in text
    parts = [
        number(row.locator("td").first.inner_text()) for row in dialog.locator(".why-table tbody tr").all()
    ]
    assert (
        round(sum(parts), 2)
        == number(dialog.locator(".why-table tfoot td").first.inner_text())
        == pytest.approx(why["score"], abs=0.00501)
    )
    for name, rank in why["rank_without"].items():
        assert f"Without {WORDS[name]}" in text
        assert f"{why['rank']} → {rank}" in text
    for reasons in why["like"].values():
        assert all(reason["title"] in text for reason in reasons)
    best = max(why["history"], key=lambda reason: reason["score"])
    assert best["title"] in dialog.get_by_label("What each watched video adds").inner_text()
    page.keyboard.press("Escape")
    playwright.expect(dialog).to_have_count(0)
    playwright.expect(page.locator(".card").first).to_be_focused()


# The map


def until(page, condition):
    """Waits in here: a page under a strict policy does not let text be run as a program again and again."""
    for _ in range(150):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never came true: {condition}")


def canvas_of(page):
    canvas = page.locator(".map-canvas")
    canvas.wait_for()
    until(page, "document.querySelector('.map-canvas').dataset.zoom !== undefined")
    return canvas


def test_the_map_pans_zooms_and_counts_what_is_in_view(visit):
    page = visit("#/map?user=user-7")
    canvas = canvas_of(page)
    assert "200" in page.locator("#view-title").inner_text()  # 120 users and 80 items
    pan = canvas.get_attribute("data-pan")
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 80, y + 40, steps=4)
    page.mouse.up()
    playwright.expect(canvas).not_to_have_attribute("data-pan", pan)
    page.mouse.wheel(0, -600)
    until(page, "Number(document.querySelector('.map-canvas').dataset.zoom) > 1.5")
    playwright.expect(page.locator("#view-title")).not_to_contain_text("200")
    page.get_by_role("button", name="Show all").click()
    playwright.expect(canvas).to_have_attribute("data-zoom", "1.000")
    playwright.expect(page.locator("#view-title")).to_contain_text("200")


def test_the_map_is_searched_and_clicked_through(visit, address):
    page = visit("#/map?user=user-7")
    canvas = canvas_of(page)
    page.get_by_role("combobox", name="Find on the map").fill("reel-5")
    page.get_by_role("option", name=re.compile("reel-5$")).first.click()
    chosen = page.locator(".map-chosen")
    title = ask(address, "/v1/explanation", user_id="user-7", item_id="reel-5")["item"]["title"]
    playwright.expect(chosen.locator("h2")).to_have_text(title)
    until(page, "Number(document.querySelector('.map-canvas').dataset.zoom) > 5")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Choose nothing").click()
    playwright.expect(chosen.locator("h2")).to_have_count(0)
    box = canvas.bounding_box()  # what was searched lies in the middle
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    playwright.expect(chosen.locator("h2")).to_have_text(title)
    chosen.get_by_role("link", name="Why?").click()
    playwright.expect(page.get_by_role("dialog").locator("h2")).to_have_text(title)


@pytest.mark.parametrize(
    ("colour", "button", "first"),
    [
        ("coverage", "Modalities", "Look, Sound and Words"),
        ("popularity", "Popularity", "Watched by"),
        ("cluster", "Clusters", "Cluster 1"),
    ],
)
def test_the_map_is_coloured_by(visit, colour, button, first):
    page = visit("#/map?user=user-7")
    canvas_of(page)
    page.get_by_role("radio", name=button).click()
    playwright.expect(page.locator(".map-legend li").first).to_contain_text(first)
    counts = page.locator(".map-legend .muted").all_inner_texts()
    assert sum(int(text.replace(",", "")) for text in counts) == 200
    if colour != "coverage":
        assert f"colour={colour}" in hash_of(page)
    page.locator(".map-legend button").first.click()
    shown = int(counts[0].replace(",", ""))
    playwright.expect(page.locator("#view-title .count")).to_have_text(str(shown))


def test_the_map_is_worked_by_keyboard(visit):
    page = visit("#/map?user=user-7")
    canvas = canvas_of(page)
    canvas.focus()
    pan = canvas.get_attribute("data-pan")
    page.keyboard.press("ArrowLeft")
    playwright.expect(canvas).not_to_have_attribute("data-pan", pan)
    page.keyboard.press("0")
    playwright.expect(canvas).to_have_attribute("data-pan", "0.0 0.0")
    page.keyboard.press("+")
    until(page, "Number(document.querySelector('.map-canvas').dataset.zoom) > 1.5")
    playwright.expect(page.get_by_test_id("announcer")).to_contain_text("in view")
    page.get_by_role("button", name="Show all").click()
    page.locator(".map-list button").first.focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".map-chosen h2")).to_have_count(1)


# Others


def test_the_neighbourhood_shows_who_watched_the_same(visit, address):
    page = visit("#/neighbours?user=user-7")
    answer = ask(address, "/v1/neighbourhood", user_id="user-7", n=30)
    page.wait_for_selector(".people tbody tr")
    rows = page.locator(".people tbody tr").all()
    assert len(rows) == len(answer["neighbours"]) + 1
    for row, neighbour in zip(rows[1:], answer["neighbours"], strict=True):
        text = row.inner_text()
        assert neighbour["id"] in text
        assert f"{len(neighbour['common'])} of {neighbour['watched']}" in " ".join(text.split())
    assert page.locator(".circle-person").count() == min(12, len(answer["neighbours"]))
    first = answer["neighbours"][0]["id"]
    page.get_by_role("link", name=first, exact=True).click()
    playwright.expect(page.locator("h1")).to_have_text(first)


def test_two_runs_stand_side_by_side(visit, address):
    page = visit("#/compare?user=user-7")
    lists = {
        run: [
            line["id"]
            for line in ask(address, "/v1/recommendations", user_id="user-7", n=20, run=run)["items"]
        ]
        for run in ("main", "beside")
    }
    page.wait_for_selector(".compare li")
    assert ids(page, ".compare section:first-of-type") == lists["main"]
    assert ids(page, ".compare section:last-of-type") == lists["beside"]
    shared = set(lists["main"]) & set(lists["beside"])
    assert page.locator(".compare-lines path").count() == len(shared)
    assert f"{len(shared)} of 20" in page.locator(".compare-lead").inner_text()
    for row in page.locator(".compare section:first-of-type li").all():
        item = row.get_attribute("data-item")
        said = row.locator(".spoken").text_content()
        assert ("not in the list of DualGNN" in said) == (item not in shared)
        if item in shared:
            by = lists["beside"].index(item) - lists["main"].index(item)
            expected = f"{abs(by)} {'higher' if by > 0 else 'lower'}" if by else "same place"
            assert expected in said
    page.locator(".compare section:last-of-type button").first.click()
    score = ask(address, "/v1/explanation", user_id="user-7", item_id=lists["beside"][0], run="beside")[
        "score"
    ]
    shown = page.get_by_role("dialog").locator(".why-table tfoot td").first.inner_text()
    assert number(shown) == pytest.approx(score, abs=0.00501)


def test_data_without_titles_show_ids(visit, plain_address):
    page = visit("#/person", at=plain_address)
    items = ask(plain_address, "/v1/users", n=1)["users"]
    page.wait_for_selector(".cards li")
    assert page.locator("h1").inner_text() == f"Person {items[0]['id']}"
    shown = page.locator(".card-title").all_inner_texts()
    assert shown == [f"Video {item}" for item in ids(page)]
    assert page.locator("label.switch").all_inner_texts() == ["Look", "Sound", "Watched ones too"]
    for view in ("map", "neighbours", "compare"):
        page.goto(f"{plain_address}/#/{view}")
        page.wait_for_selector({"map": ".map-list li", "neighbours": ".people tr", "compare": ".state"}[view])
    assert "reelmix serve RUN --beside OTHER_RUN" in page.locator(".state").inner_text()


# For everybody


def test_all_of_a_way_through_it_by_keyboard_alone(visit):
    page = visit("#/person?user=user-7")
    first = ids(page)[0]

    def tab_to(reached, most=80):
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate(f"(() => {{ const on = document.activeElement; return {reached}; }})()"):
                return
        pytest.fail(f"no way by keyboard to {reached}")

    page.keyboard.press("Tab")
    assert "Skip" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to("on.type === 'checkbox' && on.closest('label').textContent.includes('Look')")
    page.keyboard.press("Space")
    until(page, "location.hash.includes('off=visual')")
    page.keyboard.press("Space")
    until(page, "!location.hash.includes('off=visual')")
    playwright.expect(page.locator(".cards li").first).to_have_attribute("data-item", first)
    tab_to("on.classList.contains('card')")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector(".why-table")
    assert page.evaluate("document.querySelector('[role=dialog]').contains(document.activeElement)")
    page.keyboard.press("Escape")
    page.wait_for_selector(".why-table", state="detached")
    page.evaluate("document.querySelector('.brand').focus()")
    tab_to("on.textContent === 'Neighbours'")
    page.keyboard.press("Enter")
    page.wait_for_selector(".people")


PLACES = [
    "person?user=user-7",
    "person?user=user-7&item=reel-5",
    "neighbours?user=user-7",
    "compare?user=user-7",
]
PLACES += ["map?user=user-7&at=item:reel-5"]

SETTLED = ".cards li, .why-table, .people, .compare li, .map-list li"


@pytest.mark.parametrize("place", PLACES)
def test_on_a_phone_nothing_is_wider_than_the_screen(visit, place):
    page = visit(f"#/{place}", viewport=PHONE)
    page.wait_for_selector(SETTLED)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, a, input[role=switch]')]
            .filter(one => !one.closest('.unseen, svg, [inert], [style*=clip]'))
            .map(one => [one.textContent || one.ariaLabel, one.closest('label') ?? one])
            .map(([text, one]) => [text, one.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && box.height > 1 && box.height < 24)
            .map(([text]) => text)"""
    )
    assert small == [], "too small for a finger"


CONTRAST = """() => {
  const channel = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = colour => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) =>
    0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] > 0.85) return colour;
    }
    return [255, 255, 255, 1];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!walk.currentNode.data.trim() || box.width < 2) continue;
    if (element.closest('.unseen, noscript, script, svg, :disabled')) continue;
    const [one, other] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) poor.push(`${walk.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_text_stands_out_from_its_ground(visit, place, scheme):
    page = visit(f"#/{place}", scheme=scheme)
    page.wait_for_selector(SETTLED)
    page.wait_for_timeout(300)
    dark = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert dark == scheme
    assert page.evaluate(CONTRAST) == []


def test_dark_and_light_can_be_chosen_and_are_kept(visit):
    page = visit("#/person?user=user-7", scheme="light")
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    page.wait_for_selector(".cards li")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize("place", PLACES)
def test_a_screen_reader_finds_its_way(visit, place):
    axe = files("axe_playwright_python") / "axe.min.js"
    page = visit(f"#/{place}")
    page.wait_for_selector(SETTLED)
    page.wait_for_timeout(400)
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document)")
    assert [
        (fault["id"], [node["html"][:160] for node in fault["nodes"][:3]]) for fault in found["violations"]
    ] == []


@pytest.mark.parametrize("secret", [False, True], ids=["open to all here", "with a token"])
def test_files_of_items_are_shown_and_played(visit, run_folder, tmp_path, secret):
    run = Run.read(run_folder)
    items = [line.id for line in run.recommender().recommend("user-7", 2)]
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "look.png").write_bytes(PICTURE)
    with wave.open(str(tmp_path / "media" / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    named = {items[0]: "look.png", items[1]: "sound.wav"}
    paths = [named.get(identifier) for identifier in run.items.ids]
    table = run.item_table.with_columns(media=pl.Series(paths, dtype=pl.String))
    replace(run, item_table=table).write(tmp_path / "run")
    words, environment = (["--host", "0.0.0.0"], {"REELMIX_TOKEN": TOKEN}) if secret else ([], {})
    with served(tmp_path / "run", "--media", tmp_path / "media", *words, **environment) as at:
        page = visit("#/person?user=user-7", at=at, quiet=not secret)
        if secret:
            page.get_by_label("Token").fill(TOKEN)
            page.get_by_role("button", name="Open the explorer").click()
        picture = page.locator(f".cards li[data-item={items[0]}] img")
        picture.wait_for()
        size = "one => one.decode().then(() => [one.naturalWidth, one.naturalHeight])"
        assert picture.evaluate(size) == [2, 1]
        assert page.locator(".cards img").count() == 1
        page.locator(f".cards li[data-item={items[1]}]").click()
        sound = page.locator("audio")
        sound.wait_for(state="attached")
        known = (
            "one => new Promise(done => one.duration ? done() : one.addEventListener('durationchange', done))"
        )
        sound.evaluate(known)
        assert sound.evaluate("one => one.duration") == 1


# When things are not as they should be


def test_who_is_not_there_is_said_with_what_to_do(visit, address):
    page = visit("#/person?user=nobody-of-that-name", quiet=False)
    page.wait_for_selector(".state-failed")
    assert "nobody-of-that-name" in page.locator(".state-failed").first.inner_text()


def test_a_token_is_asked_for_where_the_server_wants_one(visit, run_folder):
    with served(run_folder, "--host", "0.0.0.0", REELMIX_TOKEN=TOKEN) as at:
        page = visit("", at=at, quiet=False)
        field = page.get_by_label("Token")
        field.fill("not this one")
        page.get_by_role("button", name="Open the explorer").click()
        playwright.expect(page.get_by_text("did not take that token")).to_be_visible()
        field.fill(TOKEN)
        page.get_by_role("button", name="Open the explorer").click()
        page.wait_for_selector(".cards li")
        assert TOKEN not in page.url
        assert page.evaluate("Object.values(localStorage)") == []


def test_the_built_page_is_in_the_package_and_whole():
    page = files("reelmix.server") / "page"
    named = set(re.findall(r'(?:src|href)="\./([^"]+)"', (page / "index.html").read_text(encoding="utf-8")))
    assert {name.rsplit(".")[-1] for name in named} >= {"js", "css"}
    assert all((page / name).is_file() for name in named)
    assert "http" not in (page / "index.html").read_text(encoding="utf-8")
