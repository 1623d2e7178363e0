"""Who asks, and on whose page: what a request says of itself is believed only where it cannot be forged.

A browser tells the site of the page that sent a request (``Origin``, ``Sec-Fetch-Site``) and the name by which it
reached the server (``Host``). A page cannot change these, but it can send ``X-Forwarded-*`` as it likes, and it can
make its own name lead here (DNS rebinding). So forwarded headers count only when they come from a proxy that was
named when the server was started, and names count only where they are known.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping

from explorer.core.errors import InvalidInput
from explorer.ui.gate.refusals import Refusal, Scope

PROXIES = "FORWARDED_ALLOW_IPS"
"""Addresses or networks, separated by commas, whose ``X-Forwarded-*`` are believed; uvicorn's name for it."""
HOSTS = "EXPLORER_HOSTS"
"""Names, separated by commas, by which the server may be reached beside its addresses; ``*`` for any."""
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128")
"""Where the proxy of a Hugging Face Space stands; nobody else reaches the server there."""
FOREIGN = "Requests from other sites are not accepted; open the app's own page."
UNKNOWN_HOST = (
    f"This server does not know the name in the address. Use its IP address, or start it with {HOSTS} set to the name; "
    "see Security in the README."
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Origins:
    """Tells a visitor's own page from others, and a proxy's word from a visitor's.

    Args:
        environ: Where the settings ``PROXIES`` and ``HOSTS`` are read; ``SPACE_ID`` says that this is a Space.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        space = bool(environ.get("SPACE_ID"))
        named = environ.get(PROXIES) or (",".join(PRIVATE) if space else "")
        self._proxies = tuple(_network(name) for name in _listed(named))
        hosts = {name.lower() for name in _listed(environ.get(HOSTS, ""))}
        self._any_host = space or "*" in hosts
        here = socket.gethostname().lower()
        self._hosts = hosts | {"localhost", here, f"{here}.local", socket.getfqdn().lower()}

    def admit(self, scope: Scope) -> dict[str, str]:
        """Write the true client and scheme into a request, and drop forwarded headers that nobody vouches for.

        Returns:
            The headers that are left, by lower-case name.

        Raises:
            Refusal: Another site's page sent it, or it came by a name that is not known.
        """
        peer = (scope.get("client") or ("", 0))[0]
        trusted = self._is_proxy(peer)
        if not trusted:
            scope["headers"] = [pair for pair in scope["headers"] if not _forwarded(pair[0])]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        visitor = self._visitor(headers.get("x-forwarded-for", ""), peer) if trusted else peer
        scope["client"] = (household(visitor), 0)
        if trusted:
            if headers.get("x-forwarded-proto", "").split(",")[0].strip() in ("http", "https"):
                scope["scheme"] = headers["x-forwarded-proto"].split(",")[0].strip()
        elif not self._known(headers.get("host", "")):
            raise Refusal(421, UNKNOWN_HOST)
        self._check_site(scope, headers)
        return headers

    def _check_site(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Anyone may link to the page and to what it loads; everything else is for the page itself."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None:
            hosts = {headers.get("host"), headers.get("x-forwarded-host", "").split(",")[0].strip() or None}
            foreign = re.sub(r"^https?://", "", origin) not in hosts - {None}
        else:
            foreign = site not in ("same-origin", "none")
            if foreign and scope["method"] in ("GET", "HEAD"):
                foreign = "/gradio_api/" in scope["path"]
        if foreign:
            raise Refusal(403, FOREIGN)

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)

    def _visitor(self, forwarded: str, peer: str) -> str:
        """The last address that no proxy of ours has: those before it are whatever the visitor wrote."""
        for address in reversed(_listed(forwarded)):
            if not self._is_proxy(address):
                return address[:64]
        return peer

    def _known(self, host: str) -> bool:
        name = re.sub(r":\d*$", "", host).strip("[]").lower()
        if self._any_host or name in self._hosts or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


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


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _forwarded(name: bytes) -> bool:
    name = name.lower()
    return name.startswith(b"x-forwarded-") or name in (b"forwarded", b"x-real-ip")


def _network(name: str) -> Network:
    try:
        return ipaddress.ip_network(name, strict=False)
    except ValueError as error:
        raise InvalidInput(
            f"{PROXIES} must hold the proxies' addresses or networks, e.g. 127.0.0.1 or 10.0.0.0/8; anyone could send "
            "forwarded headers if it were *.",
            code="proxies",
        ) from error
