"""Whose word a request is taken for: proxies, names and sites."""

from __future__ import annotations

from typing import Any

import pytest

from explorer.core.errors import InvalidInput
from explorer.ui.gate.origins import HOSTS, PROXIES, ROOT, Origins
from explorer.ui.gate.refusals import Refusal


def request(peer: str = "10.0.0.9", path: str = "/gradio_api/queue/join", method: str = "POST", **headers: str) -> Any:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "client": (peer, 5), "scheme": "http", "headers": pairs}


def admitted(origins: Origins, scope: Any) -> bool:
    try:
        origins.admit(scope)
    except Refusal:
        return False
    return True


def test_forwarded_headers_of_a_visitor_are_dropped():
    scope = request(
        host="127.0.0.1:7860", x_forwarded_host="evil.test", x_forwarded_for="1.2.3.4", x_real_ip="1.2.3.4",
        forwarded="for=1.2.3.4", x_forwarded_proto="https",
    )  # fmt: skip
    headers = Origins({}).admit(scope)
    assert headers == {"host": "127.0.0.1:7860"}
    assert scope["client"][0] == "10.0.0.9"
    assert scope["scheme"] == "http"


def test_a_named_proxy_is_believed():
    origins = Origins({PROXIES: "10.0.0.9, 10.1.0.0/16"})
    scope = request(host="inside", x_forwarded_host="explain.test", x_forwarded_proto="https",
                    x_forwarded_for="6.6.6.6, 1.2.3.4, 10.1.0.3", origin="https://explain.test")  # fmt: skip
    origins.admit(scope)
    assert scope["client"][0] == "1.2.3.4"  # what stands before it anyone may have written
    assert scope["scheme"] == "https"
    assert not admitted(origins, request(host="inside", x_forwarded_host="explain.test", origin="https://evil.test"))
    assert not admitted(origins, request("10.2.0.1", host="inside", x_forwarded_host="e.test", origin="https://e.test"))


def test_a_named_proxy_is_known_on_a_server_that_listens_on_both_kinds_of_addresses():
    origins = Origins({PROXIES: "127.0.0.1, 10.1.0.0/16"})
    scope = request("::ffff:127.0.0.1", host="inside", x_forwarded_for="1.2.3.4, ::ffff:10.1.0.3")
    origins.admit(scope)
    assert scope["client"][0] == "1.2.3.4"
    assert not admitted(origins, request("::ffff:127.0.0.2", host="inside"))


INSIDE = {"host": "127.0.0.1:7860"}
WAYS = [
    ("explain.test", {"host": "explain.test"}),
    ("explain.test", {"host": "explain.test:80"}),
    ("explain.test:8080", {"host": "explain.test:8080"}),
    ("explain.test:8080", {"host": "explain.test"}),
    ("explain.test", INSIDE | {"x_forwarded_host": "explain.test"}),
    ("explain.test", INSIDE | {"x_forwarded_host": "explain.test, inside.example:81"}),
    ("explain.test", INSIDE | {"x_forwarded_host": "outside.example,explain.test"}),
    ("explain.test:8080", {"host": "explain.test", "x_forwarded_port": "8080"}),
    ("explain.test:8080", INSIDE | {"x_forwarded_host": "explain.test", "x_forwarded_port": "8080"}),
    ("explain.test", INSIDE | {"forwarded": "for=1.2.3.4;host=explain.test;proto=http"}),
    ("explain.test:8080", INSIDE | {"forwarded": 'For="[::1]:5", for=10.0.0.9;Host="explain.test:8080"'}),
    ("EXPLAIN.test", {"host": "explain.test."}),
    ("[2001:db8::1]:8080", {"host": "[2001:db8::1]:8080"}),
]


@pytest.mark.parametrize(("page", "headers"), WAYS, ids=[str(headers) for _, headers in WAYS])
def test_a_proxy_may_say_its_name_in_any_way(page, headers):
    origins = Origins({PROXIES: "10.0.0.9"})
    scope = request(**headers, origin=f"http://{page}")
    assert origins.admit(scope)["host"] == page  # of which Gradio makes the addresses of pictures
    assert not admitted(origins, request(**headers, origin="http://evil.test"))
    assert not admitted(origins, request("10.2.0.1", **INSIDE | headers | INSIDE, origin=f"http://{page}"))


def test_another_port_is_another_site_where_the_port_is_known():
    origins = Origins({PROXIES: "10.0.0.9"})
    assert not admitted(origins, request(host="explain.test:8080", origin="http://explain.test:9090"))
    assert not admitted(origins, request("10.2.0.1", host="127.0.0.1", origin="http://127.0.0.1:9090"))
    assert not admitted(origins, request(host="explain.test:443", origin="http://explain.test"))
    assert admitted(origins, request(host="explain.test:443", origin="https://explain.test"))


def test_the_page_itself_is_told_where_it_is():
    origins = Origins({PROXIES: "10.0.0.9"})
    scope = request(
        path="/", method="GET", **INSIDE, x_forwarded_host="explain.test, b", x_forwarded_proto="https, http"
    )
    assert origins.admit(scope) == {"host": "explain.test"}
    assert scope["scheme"] == "https"
    scope = request(
        path="/", method="GET", **INSIDE, forwarded="for=1.2.3.4;host=explain.test;proto=HTTPS, for=10.0.0.9"
    )
    assert origins.admit(scope) == {"host": "explain.test"}
    assert scope["scheme"] == "https"
    assert scope["client"][0] == "1.2.3.4"


@pytest.mark.parametrize("root", ["https://explain.test/somewhere", "/somewhere"])
def test_a_name_that_was_told_is_our_own_page(root):
    silent = request("127.0.0.1", **INSIDE, origin="https://explain.test")
    told = Origins({ROOT: root, HOSTS: "" if "test" in root else "explain.test"})
    assert admitted(told, silent)
    assert not admitted(Origins({}), request("127.0.0.1", **INSIDE, origin="https://explain.test"))
    for origin in (
        "https://evil.test",
        "https://explain.test.evil.test",
        "null",
        "explain.test",
        "https://",
        "http://[::1",
    ):
        assert not admitted(told, request("127.0.0.1", **INSIDE, origin=origin)), origin


def test_a_port_that_was_told_is_the_only_one():
    told = Origins({HOSTS: "explain.test:8080"})
    assert admitted(told, request(**INSIDE, origin="http://explain.test:8080"))
    assert not admitted(told, request(**INSIDE, origin="http://explain.test:9090"))


@pytest.mark.parametrize("root", ["explain", "/explain/", "/", "ftp://explain.test/x"])
def test_a_root_that_gradio_would_stumble_over_is_refused_at_the_start(root):
    for origins in (lambda: Origins({ROOT: root}), lambda: Origins({}, root=root)):
        with pytest.raises(InvalidInput, match="must be a path like /explain"):
            origins()


@pytest.mark.parametrize("name", ["https://explain.test", "explain.test/here"])
def test_an_address_in_place_of_a_name_is_refused_at_the_start(name):
    with pytest.raises(InvalidInput, match="must hold names"):
        Origins({HOSTS: f"other.test, {name}"})


def test_behind_a_proxy_too_only_the_names_that_were_told_are_ours():
    told = Origins({PROXIES: "10.0.0.9", HOSTS: "explain.test"})
    for inside in ("127.0.0.1:7860", "app:7860"):
        assert admitted(told, request(host=inside, origin="https://explain.test"))
        assert admitted(told, request(path="/", method="GET", host=inside))
    rebound = {"host": "rebound.evil.test"}
    for headers in (
        rebound,
        INSIDE | {"x_forwarded_host": "rebound.evil.test"},
        INSIDE | {"forwarded": "host=evil.test"},
    ):
        assert not admitted(told, request(path="/", method="GET", **headers)), headers
    assert not admitted(told, request(**rebound, origin="http://rebound.evil.test"))
    assert admitted(Origins({PROXIES: "10.0.0.9", HOSTS: "*"}), request(**rebound, origin="http://rebound.evil.test"))
    assert admitted(Origins({PROXIES: "10.0.0.9"}), request(**rebound, origin="http://rebound.evil.test"))


def test_any_name_is_nobodys_own_page():
    assert not admitted(Origins({HOSTS: "*"}), request(**INSIDE, origin="http://evil.test"))


@pytest.mark.parametrize("visitor", ["1.2.3.4:555", '"[2001:db8::7]:555"'])
def test_a_visitors_port_is_not_part_of_the_address(visitor):
    scope = request(**INSIDE, forwarded=f"for={visitor}")
    Origins({PROXIES: "10.0.0.9"}).admit(scope)
    assert scope["client"][0] in ("1.2.3.4", "2001:db8::")


def test_a_space_stands_behind_its_proxy():
    origins = Origins({"SPACE_ID": "who/what"})
    scope = request("10.20.0.1", host="who-what.hf.space", x_forwarded_for="9.9.9.9, 8.8.4.4, 10.3.3.3")
    origins.admit(scope)
    assert scope["client"][0] == "8.8.4.4"
    assert admitted(origins, request(host="who-what.hf.space", origin="https://who-what.hf.space"))
    assert not admitted(origins, request(host="who-what.hf.space", origin="https://other.hf.space"))


@pytest.mark.parametrize("value", ["*", "proxy.test", "10.0.0.0/99", "127.0.0.1,*"])
def test_a_proxy_that_is_no_address_is_refused_at_the_start(value):
    with pytest.raises(InvalidInput, match="addresses or networks"):
        Origins({PROXIES: value})


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:7860", "localhost:1", "[::1]:7860", "192.168.1.5:80", "app.localhost"]
)
def test_addresses_need_no_name(host):
    assert admitted(Origins({}), request(host=host))


@pytest.mark.parametrize("host", ["evil.test", "evil.test:7860", "127.0.0.1.evil.test", "localhost.evil.test", ""])
def test_unknown_names_are_refused_until_they_are_told(host):
    assert not admitted(Origins({}), request(host=host))
    assert admitted(Origins({HOSTS: "*"}), request(host=host))
    assert admitted(Origins({HOSTS: f"other, {host.split(':')[0]}"}), request(host=host)) == bool(host)


@pytest.mark.parametrize(
    ("site", "method", "path", "good"),
    [
        ("cross-site", "GET", "/", True),
        ("cross-site", "GET", "/assets/x.js", True),
        ("cross-site", "POST", "/", False),
        ("cross-site", "GET", "/gradio_api/file=x", False),
        ("same-site", "GET", "/gradio_api/queue/data", False),
        ("cross-site", "GET", "/logout", False),
        ("cross-site", "GET", "/explain/logout/", False),
        ("same-site", "GET", "/login", False),
        ("same-origin", "GET", "/logout", True),
        ("none", "GET", "/logout", True),
        ("same-origin", "GET", "/gradio_api/queue/data", True),
        ("none", "GET", "/gradio_api/file=x", True),
    ],
)
def test_sites_by_what_the_browser_says(site, method, path, good):
    assert admitted(Origins({}), request(method=method, path=path, host="127.0.0.1", sec_fetch_site=site)) == good
