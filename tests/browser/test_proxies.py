"""The app in a browser that reaches it through a proxy."""

from __future__ import annotations

import pytest

from tests.ui import proxies

from .conftest import FINISHED
from .driving import ink, press_run, status, wait_done

pytestmark = pytest.mark.browser


@pytest.fixture
def behind(monkeypatch, request):
    """The app's port, with settings for a proxy in front of it."""
    from explorer.ui import build_app, launch

    for name, value in request.param.items():
        monkeypatch.setenv(name, value)
    demo = build_app()
    launch(demo, prevent_thread_lock=True, quiet=True)
    yield demo.server_port
    demo.close()


def add_picture(page, assets) -> None:
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    page.locator("#picture input[type=file]").set_input_files(assets / "rocket.jpg")


@pytest.mark.parametrize(
    "behind", [{"FORWARDED_ALLOW_IPS": "127.0.0.1", "GRADIO_ROOT_PATH": "/explain"}], indirect=True
)
def test_the_main_job_under_a_path_of_another_site(behind, chromium, assets):
    config = proxies.under("/explain", proxies.snippet("nginx"))
    with proxies.nginx(config, behind) as port:
        home = f"http://explain.localhost:{port}/explain/"
        page, asked = chromium.new_context().new_page(), []
        page.on("request", lambda r: asked.append(r.url))
        page.set_default_timeout(120_000)
        page.goto(home)
        page.wait_for_function(FINISHED)
        before = ink(page)
        add_picture(page, assets)
        page.wait_for_function("document.querySelector('#picture img')?.naturalWidth > 0")
        press_run(page, 60)
        wait_done(page, 60)
        assert ink(page) != before
        assert [url for url in asked if not url.startswith((home, "data:", "blob:"))] == []


@pytest.mark.parametrize(
    "behind", [{"EXPLORER_HOSTS": "explain.test"}, {"EXPLORER_HOSTS": "other.test"}], indirect=True
)
def test_behind_a_proxy_that_says_no_name_the_page_works_or_says_why(behind, chromium, assets, request):
    """nginx as its beginners write it; the name leads here, as on a network with a name server of its own."""
    told = request.node.callspec.params["behind"]["EXPLORER_HOSTS"] == "explain.test"
    with proxies.nginx(proxies.BARE, behind) as port:
        page = chromium.new_context(proxy={"server": f"http://127.0.0.1:{port}"}).new_page()
        page.set_default_timeout(120_000)
        page.goto("http://explain.test/")
        page.wait_for_function(FINISHED)
        if told:
            add_picture(page, assets)
            page.wait_for_function("document.querySelector('#picture img')?.naturalWidth > 0")
            press_run(page, 60)
            wait_done(page, 60)
            return
        page.locator("#run").click()
        page.locator(".refused").wait_for()
        assert "set EXPLORER_HOSTS to that name" in page.locator(".refused").inner_text()
        assert "60 masks" not in status(page)
