"""The page in Chromium, on a running service with the drawn scene. Run by `make check-all`, which brings the browser.

With AFFECT_EDGE_BROWSER=FOLDER, pictures of the page are left in the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge.web.access import grant_file, write_grant

FOLDER = os.environ.get("AFFECT_EDGE_BROWSER", "")
pytestmark = [pytest.mark.skipif(not FOLDER, reason="needs AFFECT_EDGE_BROWSER, as `make check-all` sets it")]
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, service: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page on a phone, in the language that a test asks for, with whoever looks already in."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, locale=getattr(request, "param", "en-GB")
    )
    opened, errors = context.new_page(), []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: message.type == "error" and errors.append(message.text))
    opened.goto(service.url)
    opened.fill("#code", write_grant(grant_file(service.folder), []))
    opened.press("#code", "Enter")
    opened.wait_for_selector(".dot", state="attached")
    yield opened
    context.close()
    assert [error for error in errors if "favicon" not in error and "404" not in error] == []


def boxes(page: Any) -> Any:
    return page.locator("#picture").bounding_box()


def test_a_zone_drawn_by_mouse_is_in_force_in_the_next_frame_and_saved(page: Any, service: Any) -> None:
    page.evaluate("scrollTo(0, document.querySelector('#picture').offsetTop)")
    box = boxes(page)
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] - 4, steps=4)
    page.mouse.up()
    assert "Faces inside it now: " in page.inner_text("#draft-state")
    page.fill("#zone-name", "desk")
    page.screenshot(path=f"{FOLDER}/page-draft.png", full_page=True)
    page.click("#save-zone")
    page.wait_for_selector("#zones li:nth-child(2)")
    page.wait_for_timeout(300)
    lefts = page.evaluate("[...document.querySelectorAll('.dot')].map((dot) => dot.cx.baseVal.value / 640)")
    assert lefts
    assert min(lefts) > 0.4
    assert "desk" in (service.folder / "page.toml").read_text()
    page.screenshot(path=f"{FOLDER}/page-zone.png", full_page=True)
    page.get_by_role("button", name="Remove: desk").click()
    page.wait_for_selector("#zones li:nth-child(2)", state="detached")


def test_a_zone_drawn_by_finger_has_the_corners_that_were_tapped(page: Any, service: Any) -> None:
    page.evaluate("scrollTo(0, document.querySelector('#picture').offsetTop)")
    box = boxes(page)
    for x, y in ((0.1, 0.1), (0.3, 0.1), (0.2, 0.3)):
        page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.fill("#zone-name", "lamp")
    page.click("#save-zone")
    page.wait_for_selector("#zones li:nth-child(2)")
    assert "exclude = [[0.1, 0.1], [0.3, 0.1], [0.2, 0.3]]" in (service.folder / "page.toml").read_text()
    page.get_by_role("button", name="Remove: lamp").click()


def test_a_zone_can_be_drawn_by_keyboard_alone(page: Any, service: Any) -> None:
    page.focus("#picture")
    for keys in (["ArrowUp", "Enter"], ["ArrowRight", "ArrowRight", "Enter"], ["ArrowDown", "ArrowDown", "Enter"]):
        for key in keys:
            page.keyboard.press(key)
    assert page.locator(".draft").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.type("stool")
    page.keyboard.press("Enter")
    page.wait_for_selector("#zones li:nth-child(2)")
    page.get_by_role("button", name="Remove: stool").press("Enter")
    page.wait_for_selector("#zones li:nth-child(2)", state="detached")


def test_dots_are_green_where_the_device_scores(page: Any, service: Any) -> None:
    scored = page.evaluate("document.querySelectorAll('.dot.scored').length")
    assert scored >= 2
    assert "would be scored" in page.inner_text("#seen")


@pytest.mark.parametrize("page", ["en-GB", "de-DE", "ja-JP"], indirect=True)
def test_it_fits_a_phone_and_axe_finds_nothing(page: Any, request: pytest.FixtureRequest) -> None:
    from axe_playwright_python.sync_playwright import Axe

    language = page.evaluate("document.documentElement.lang")
    assert language == request.node.callspec.params["page"][:2]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.wait_for_timeout(1500)
    page.screenshot(path=f"{FOLDER}/page-{language}.png", full_page=True)
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["impact"], each["nodes"][0]["html"]) for each in found] == []
    assert not page.locator("text=/^[a-z]+_[a-z_]+$/").count()  # a word that is missing shows its key


def test_the_login_is_accessible_and_a_wrong_code_is_told(browser: Any, service: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(service.url)
    assert Axe().run(page).response["violations"] == []
    page.fill("#code", "AAAAA-AAAAA")
    page.press("#code", "Enter")
    page.wait_for_selector("#alert:has-text('Wrong code')")
    page.screenshot(path=f"{FOLDER}/page-login.png")
    page.close()


def test_an_update_shows_within_200_ms_of_the_frame(page: Any) -> None:
    page.evaluate("window.ages = []")
    page.wait_for_timeout(15_000)
    ages = page.evaluate("window.ages")
    print(f"{len(ages)} updates, median {np.median(ages):.0f} ms, p95 {np.percentile(ages, 95):.0f} ms")
    assert len(ages) > 60
    assert np.percentile(ages, 95) <= 200
