"""Who asks, and on whose page: what a request says of itself is believed only where it cannot be forged.

A browser tells the site of the page that sent a request (``Origin``, ``Sec-Fetch-Site``) and the name by which it
reached the server (``Host``). A page cannot change these, but it can send ``X-Forwarded-*`` as it likes, and it can
make its own name lead here (DNS rebinding). So forwarded headers count only when they come from a proxy that was
named when the server was started, and names count only where they are known.

Proxies say by which name they were reached in ``Host``, ``X-Forwarded-Host`` or ``Forwarded`` (RFC 7239), with or
without a port, in a list where there are several; some do not say it at all. Any of these will do, and so will a name
that the server was told is its own.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from explorer.core.errors import InvalidInput
from explorer.ui.gate.refusals import Refusal, Scope

PROXIES = "FORWARDED_ALLOW_IPS"
"""Addresses or networks, separated by commas, whose forwarded headers are believed; uvicorn's name for it."""
HOSTS = "EXPLORER_HOSTS"
"""Names, separated by commas, by which the server may be reached beside its addresses; ``*`` for any."""
ROOT = "GRADIO_ROOT_PATH"
"""Where a proxy shows the app: a path, or a whole address, whose name is known then; Gradio's name for it."""
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128")
"""Where the proxy of a Hugging Face Space stands; nobody else reaches the server there."""
FOREIGN = (
    "Requests from other sites are not accepted; open the app's own page. If this is its page, a proxy does not pass "
    f"on the name in the address bar: set {HOSTS} to that name, or see Behind a proxy in the README."
)
UNKNOWN_HOST = (
    f"This server does not know the name in the address. Use its IP address, or start it with {HOSTS} set to the name; "
    "see Security in the README."
)
LOGIN = ("/login", "/logout")
"""Open where a password is asked for."""
PORTS = {"http": 80, "https": 443}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Site(NamedTuple):
    """A name, and the port where one is given."""

    name: str
    port: int | None


class Origins:
    """Tells a visitor's own page from others, and a proxy's word from a visitor's.

    Args:
        environ: Where ``PROXIES``, ``HOSTS`` and ``ROOT`` are read; ``SPACE_ID`` says that this is a Space.
        root: In place of the setting ``ROOT``.

    Raises:
        InvalidInput: A setting is not what it must be.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, root: str | None = None) -> None:
        space = bool(environ.get("SPACE_ID"))
        named = environ.get(PROXIES) or (",".join(PRIVATE) if space else "")
        self._proxies = tuple(_network(name) for name in _listed(named))
        root = environ.get(ROOT, "") if root is None else root
        if root and (root.endswith("/") or not re.match("/|https?://", root)):
            raise InvalidInput(
                f"{ROOT} must be a path like /explain, or a whole address like https://school.example/explain, without "
                "a slash at its end; leave it out at the root.",
                code="root_path",
            )
        hosts = _listed(environ.get(HOSTS, ""))
        if any("/" in name for name in hosts):
            raise InvalidInput(
                f"{HOSTS} must hold names as they stand in an address, e.g. explain.school.example, without https:// "
                "and without a path.",
                code="hosts",
            )
        hosts.append(urlsplit(root).netloc)
        self._own = {_site(name) for name in hosts if name not in ("", "*")}
        self._any_host = space or "*" in hosts
        self._told = bool(_listed(environ.get(HOSTS, ""))) and not self._any_host
        here = socket.gethostname().lower()
        self._hosts = {"localhost", here, f"{here}.local", socket.getfqdn().lower()} | {site.name for site in self._own}

    def admit(self, scope: Scope, *, public: bool = False) -> dict[str, str]:
        """Write the true client, scheme and name into a request, and drop all forwarded headers.

        Args:
            scope: The request.
            public: Whether it asks for what anybody's page may load, so that a page that is refused can say so.

        Returns:
            The headers that are left, by lower-case name.

        Raises:
            Refusal: Another site's page sent it, or it came by a name that is not known.
        """
        peer = (scope.get("client") or ("", 0))[0]
        trusted = self._is_proxy(peer)
        given = _by_name(scope)
        scope["headers"] = [pair for pair in scope["headers"] if not _forwarded(pair[0])]
        said = _said(given) if trusted else Forwarded()
        scope["client"] = (household(self._visitor(said.visitors, peer)), 0)
        if said.scheme in PORTS:
            scope["scheme"] = said.scheme
        if not trusted and not self._known(given.get("host", "")):
            raise Refusal(421, UNKNOWN_HOST)
        reached = next(iter(said.hosts), given.get("host", ""))
        public = public and scope["method"] in ("GET", "HEAD")
        if (origin := given.get("origin")) is not None and not public:
            scheme, _, reached = origin.partition("://")  # what the browser itself says of its own page
            self._check_page(scheme, reached, [given.get("host", ""), *said.hosts], trusted)
            scope["scheme"] = scheme
        elif not public:
            _check_site(scope, given)
        if trusted and self._told and "." in reached and not self._known(reached):  # without one: a proxy's name for us
            raise Refusal(421, UNKNOWN_HOST)
        if reached != given.get("host", ""):
            _set_host(scope, reached)
        return _by_name(scope)

    def _check_page(self, scheme: str, host: str, hosts: list[str], trusted: bool) -> None:
        """Whether the page that sent a request is one of ours."""
        page = _site(host)
        if scheme not in PORTS or not page.name:
            raise Refusal(403, FOREIGN)
        default = PORTS[scheme]
        for site in map(_site, hosts):
            loose = trusted and site.port is None  # a browser leaves out no port but the scheme's own; proxies do
            if page.name == site.name and (loose or (page.port or default) == (site.port or default)):
                return
        if not any(page.name == own.name and own.port in (None, page.port or default) for own in self._own):
            raise Refusal(403, FOREIGN)

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        plain = getattr(found, "ipv4_mapped", None) or found  # as a server that listens on both kinds has it
        return any(found in network or plain in network for network in self._proxies)

    def _visitor(self, addresses: tuple[str, ...], peer: str) -> str:
        """The last address that no proxy of ours has: those before it are whatever the visitor wrote."""
        for address in reversed(addresses):
            if not self._is_proxy(address):
                return address[:64]
        return peer

    def _known(self, host: str) -> bool:
        name = _site(host).name
        if self._any_host or name in self._hosts or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class Forwarded(NamedTuple):
    """What the proxies say, the outermost first.

    Attributes:
        hosts: The names by which they were reached.
        scheme: Of the outermost.
        visitors: Who asked them.
    """

    hosts: tuple[str, ...] = ()
    scheme: str = ""
    visitors: tuple[str, ...] = ()


def household(address: str) -> str:
    """What one visitor has a single one of: an IPv4 address, or a whole network of IPv6 ones."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False).network_address)


def _check_site(scope: Scope, headers: Mapping[str, str]) -> None:
    """Anyone may link to the page and to what it loads; everything else is for the page itself."""
    foreign = headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
    if foreign and scope["method"] in ("GET", "HEAD"):
        foreign = "/gradio_api/" in scope["path"] or scope["path"].rstrip("/").endswith(LOGIN)
    if foreign:
        raise Refusal(403, FOREIGN)


def _said(headers: Mapping[str, str]) -> Forwarded:
    """What ``X-Forwarded-*`` say, and ``Forwarded`` where they are silent."""
    pairs = list(_pairs(headers.get("forwarded", "")))
    hosts = _listed(headers.get("x-forwarded-host", "")) or [value for name, value in pairs if name == "host"]
    schemes = _listed(headers.get("x-forwarded-proto", "")) or [value for name, value in pairs if name == "proto"]
    visitors = _listed(headers.get("x-forwarded-for", "")) or [value for name, value in pairs if name == "for"]
    port = next(iter(_listed(headers.get("x-forwarded-port", ""))), "")
    hosts = hosts or _listed(headers.get("host", ""))
    if port.isdecimal() and hosts and _site(hosts[0]).port is None:
        hosts[0] = f"{hosts[0]}:{port}"
    scheme = schemes[0].lower() if schemes else ""
    return Forwarded(tuple(hosts), scheme, tuple(_bare(visitor) for visitor in visitors))


def _pairs(forwarded: str) -> Iterator[tuple[str, str]]:
    """The pairs of a ``Forwarded`` header in their order, e.g. ``for=1.2.3.4;host="a.example:8080"``."""
    for name, quoted, plain in re.findall(r'([\w-]+)=(?:"([^"]*)"|([^\s;,"]+))', forwarded):
        yield name.lower(), quoted or plain


def _bare(address: str) -> str:
    """An address without a port and brackets, as some proxies write it."""
    bracketed = re.match(r"\[(.+?)\]", address)
    return bracketed[1] if bracketed else re.sub(r"^(\d+\.\d+\.\d+\.\d+):\d+$", r"\1", address)


def _site(host: str) -> Site:
    """Name and port of what a ``Host`` header holds."""
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d{0,5}))?", host.strip())
    if found is None:
        return Site(host.strip().strip("[]").lower(), None)
    return Site(found[1].strip("[]").lower().removesuffix("."), int(found[2]) if found[2] else None)


def _set_host(scope: Scope, host: str) -> None:
    """The name in the browser's address bar, of which Gradio makes the addresses of pictures."""
    kept = [pair for pair in scope["headers"] if pair[0].lower() != b"host"]
    scope["headers"] = [(b"host", host.encode("latin-1")), *kept]


def _by_name(scope: Scope) -> dict[str, str]:
    """The headers, by lower-case name; those that came several times as a list."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined = _forwarded(name) and key in headers
        headers[key] = f"{headers[key]}, {text}" if joined else text
    return headers


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _forwarded(name: bytes) -> bool:
    name = name.lower()
    return name.startswith(b"x-forwarded-") or name in (b"forwarded", b"x-real-ip", b"x-gradio-server")


def _network(name: str) -> Network:
    try:
        return ipaddress.ip_network(name, strict=False)
    except ValueError as error:
        raise InvalidInput(
            f"{PROXIES} must hold the proxies' addresses or networks, e.g. 127.0.0.1 or 10.0.0.0/8; anyone could send "
            "forwarded headers if it were *.",
            code="proxies",
        ) from error
