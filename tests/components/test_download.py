"""Components from the web, from a server of our own."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wherry import components
from wherry.components import download

TEXT = "name: From the web\nimplementation: {container: {image: a}}"
FILES = {"/component.yaml": TEXT.encode(), "/latin": "é".encode("latin-1"), "/private": TEXT.encode()}
ALLOWED = "Basic " + base64.b64encode(b"me:secret").decode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        given = self.headers.get("Authorization")
        self.server.seen.append((self.path, given))  # type: ignore[attr-defined]
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        body = {"/component.yaml": TEXT.encode(), "/latin": "é".encode("latin-1"), "/private": TEXT.encode()}.get(
            self.path
        )
        status = 404 if body is None else 401 if self.path == "/private" and given != ALLOWED else 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


def serving() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


first = pytest.fixture(serving, name="first")
second = pytest.fixture(serving, name="second")


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_a_component_is_loaded_from_a_url(first: ThreadingHTTPServer) -> None:
    assert components.load_component_from_url(f"{address(first)}/component.yaml").name == "from-the-web"


def test_credentials_are_sent(first: ThreadingHTTPServer) -> None:
    url = f"{address(first)}/private"
    with pytest.raises(download.HTTPError, match="401 Unauthorized for url"):
        components.load_component_from_url(url)
    assert components.load_component_from_url(url, auth=("me", "secret")).name == "from-the-web"


def test_credentials_follow_redirects_to_the_same_place_only(
    first: ThreadingHTTPServer, second: ThreadingHTTPServer
) -> None:
    assert download.text(f"{address(first)}/to//private", ("me", "secret")) == TEXT
    assert download.text(f"{address(first)}/to/{address(second)}/component.yaml", ("me", "secret")) == TEXT
    assert first.seen == [  # type: ignore[attr-defined]
        ("/to//private", ALLOWED),
        ("/private", ALLOWED),
        (f"/to/{address(second)}/component.yaml", ALLOWED),
    ]
    assert second.seen == [("/component.yaml", None)]  # type: ignore[attr-defined]


def test_a_redirect_leads_nowhere_but_to_the_web(first: ThreadingHTTPServer) -> None:
    with pytest.raises(download.HTTPError, match="302"):
        download.text(f"{address(first)}/to/file:///etc/hostname")


@pytest.mark.parametrize(("path", "kind"), [("/nothing", download.HTTPError), ("/latin", ValueError)])
def test_an_answer_that_is_not_the_file_is_refused(
    first: ThreadingHTTPServer, path: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=path):
        components.load_component_from_url(address(first) + path)


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        (None, ValueError, "url must be a string"),
        ("host/x.yaml", download.MissingSchema, "Perhaps you meant https://host/x.yaml"),
        ("https://", download.MissingSchema, "No host"),
        ("file:///etc/hostname", download.InvalidSchema, "use https://, http:// or gs://"),
        ("ftp://host/x", download.InvalidSchema, "use https://"),
        ("http://127.0.0.1:1/x", ConnectionError, "Could not fetch http://127.0.0.1:1/x"),
        ("http://127.0.0.1:port/x", ConnectionError, "Could not fetch"),
    ],
)
def test_an_address_that_cannot_be_fetched_is_refused(url: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        components.load_component_from_url(url)


def test_credentials_are_two_texts() -> None:
    with pytest.raises(TypeError, match="a user name and a password"):
        components.load_component_from_url("https://host/x", auth="me:secret")  # type: ignore[arg-type]
