"""The task's S3 client against answers that go wrong, from a server that says what it is told to."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from wherry.runtime.grant import GrantError
from wherry.runtime.s3 import Client, ObjectError
from wherry.runtime.sigv4 import Keys

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def error(status: int, code: str) -> Answer:
    return plain(status, f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode())


def plain(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"content_length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


def hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.close()


def cut(body: bytes, after: int, status: int = 200) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        plain(status, body[:after], content_length=str(len(body)), etag='"tag"')(handler)
        handler.close_connection = True

    return answer


class Script:
    """Answers in turn; what was asked lies in `asked`."""

    def __init__(self, answers: list[Answer]) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.pauses: list[float] = []
        left = iter(answers)
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked.append((self.command, self.path, headers, body))
                next(left)(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @contextmanager
    def client(self, keys: Keys | None = None) -> Iterator[Client]:
        given = keys or Keys("access", "secret", "token")
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{self.server.server_address[1]}"
        try:
            with closing(Client(address, "region", lambda: given, part_bytes=10, sleep=self.pauses.append)) as client:
                yield client
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


@pytest.mark.parametrize(
    "trouble", [error(503, "SlowDown"), error(500, "InternalError"), plain(502), hang_up, error(400, "RequestTimeout")]
)
def test_what_may_pass_is_tried_again(trouble: Answer) -> None:
    script = Script([trouble, trouble, plain(200, b"data")])
    with script.client() as client:
        assert client.read("bucket", "key") == b"data"
    assert len(script.pauses) == 2
    assert script.pauses[0] < script.pauses[1]


def test_not_for_ever() -> None:
    script = Script([error(503, "SlowDown")] * 20)
    with script.client() as client, pytest.raises(ObjectError, match="s3://bucket/key: SlowDown: as told"):
        client.read("bucket", "key")
    assert len(script.asked) == 8
    assert sum(script.pauses) < 60


def test_what_will_not_pass_is_said_at_once() -> None:
    script = Script([error(404, "NoSuchBucket")])
    with script.client() as client, pytest.raises(ObjectError, match="NoSuchBucket"):
        client.read("bucket", "key")
    assert script.pauses == []


def test_a_broken_download_is_taken_up_where_it_stopped(tmp_path: Path) -> None:
    data = bytes(range(200))
    script = Script(
        [cut(data, 70), error(503, "SlowDown"), cut(data[70:], 30, 206), plain(206, data[100:], etag='"tag"')]
    )
    with script.client() as client:
        assert client.download("bucket", "key", str(tmp_path / "file")) is None
    assert (tmp_path / "file").read_bytes() == data
    assert [headers.get("range") for _, _, headers, _ in script.asked] == [None, "bytes=70-", "bytes=70-", "bytes=100-"]
    assert script.asked[1][2]["if-match"] == '"tag"'


def test_an_object_that_changes_meanwhile_is_not_put_together(tmp_path: Path) -> None:
    script = Script([cut(b"old" * 9, 5), error(412, "PreconditionFailed")])
    with script.client() as client, pytest.raises(ObjectError, match="PreconditionFailed"):
        client.download("bucket", "key", str(tmp_path / "file"))


def test_a_download_that_gets_nowhere_ends(tmp_path: Path) -> None:
    script = Script([cut(b"x" * 9, 5), *[cut(b"x" * 4, 0, 206)] * 20])
    with script.client() as client, pytest.raises(ObjectError, match="stopped after 5 of 9 bytes"):
        client.download("bucket", "key", str(tmp_path / "file"))


def test_a_record_whose_first_answer_was_lost_is_ours() -> None:
    script = Script([hang_up, error(412, "PreconditionFailed"), plain(200, b"mine")])
    with script.client() as client:
        assert client.create("bucket", "key", b"mine")
    assert script.asked[0][2]["if-none-match"] == "*"


def test_a_record_that_another_one_made_meanwhile_is_not() -> None:
    script = Script([hang_up, error(412, "PreconditionFailed"), plain(200, b"theirs")])
    with script.client() as client:
        assert not client.create("bucket", "key", b"mine")


def test_a_store_without_conditional_writes_is_looked_at_first() -> None:
    script = Script([error(501, "NotImplemented"), plain(404), plain(200), error(501, "NotImplemented"), plain(200)])
    with script.client() as client:
        assert client.create("bucket", "key", b"mine")
        assert not client.create("bucket", "key", b"again")
    assert [method for method, *_ in script.asked] == ["PUT", "HEAD", "PUT", "PUT", "HEAD"]


def test_s3_hides_what_is_not_there_from_those_who_may_not_list_all() -> None:
    other = b"<ListBucketResult><Contents><Key>key2</Key><Size>1</Size></Contents></ListBucketResult>"
    script = Script([error(403, "AccessDenied"), plain(200, other)])
    with script.client() as client, pytest.raises(FileNotFoundError):
        client.read("bucket", "key")


def test_an_object_that_may_not_be_read_is_no_missing_one() -> None:
    listed = b"<ListBucketResult><Contents><Key>key</Key><Size>1</Size></Contents></ListBucketResult>"
    script = Script([error(403, "AccessDenied"), plain(200, listed)])
    with script.client() as client, pytest.raises(ObjectError, match="AccessDenied"):
        client.read("bucket", "key")


def test_a_clock_that_is_wrong_is_set_by_the_stores() -> None:
    def late(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.date_time_string = lambda timestamp=None: formatdate(4_102_444_800, usegmt=True)  # type: ignore[method-assign]
        error(403, "RequestTimeTooSkewed")(handler)

    script = Script([late, plain(200, b"data")])
    with script.client() as client:
        assert client.read("bucket", "key") == b"data"
    assert script.asked[1][2]["x-amz-date"].startswith("21000101T")


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ExpiredToken"), (403, "AccessDenied"), (403, "InvalidAccessKeyId")]
)
def test_an_ended_grant_is_told_whatever_the_store_calls_it(status: int, code: str) -> None:
    script = Script([error(status, code)])
    with (
        script.client(Keys("a", "s", "t", ends_at=1.0)) as client,
        pytest.raises(GrantError, match="grant_hours") as told,
    ):
        client.put("bucket", "key", b"")
    assert told.value.kind == "GrantEnded"


def test_parts_that_fail_leave_no_upload_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 25)
    begun = b"<InitiateMultipartUploadResult><UploadId>u 1</UploadId></InitiateMultipartUploadResult>"
    script = Script([plain(200, begun), plain(200, etag='"1"'), error(403, "AccessDenied"), plain(204)])

    def in_turn(work: Callable[[Any], None], items: Any) -> None:
        for item in items:
            work(item)

    with script.client() as client, pytest.raises(ObjectError, match="AccessDenied"):
        client.upload("bucket", "key", str(tmp_path / "file"), in_turn)
    assert [(method, path) for method, path, *_ in script.asked] == [
        ("POST", "/bucket/key?uploads="),
        ("PUT", "/bucket/key?partNumber=1&uploadId=u%201"),
        ("PUT", "/bucket/key?partNumber=2&uploadId=u%201"),
        ("DELETE", "/bucket/key?uploadId=u%201"),
    ]


def test_an_error_that_comes_late_is_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 15)
    begun = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    failed = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>'
    script = Script([plain(200, begun), plain(200, etag='"1"'), plain(200, etag='"2"'), plain(200, failed), plain(204)])

    def in_turn(work: Callable[[Any], None], items: Any) -> None:
        for item in items:
            work(item)

    with script.client() as client, pytest.raises(ObjectError, match="InternalError"):
        client.upload("bucket", "key", str(tmp_path / "file"), in_turn)
    assert b'<Part><PartNumber>1</PartNumber><ETag>"1"</ETag></Part>' in script.asked[3][3]


def test_pages_of_a_listing() -> None:
    first = (
        b"<R xmlns='urn:x'><IsTruncated>true</IsTruncated><NextContinuationToken>t+/=</NextContinuationToken>"
        b"<Contents><Key>a b</Key><Size>1</Size></Contents></R>"
    )
    last = b"<R xmlns='urn:x'><Contents><Key>c</Key><Size>0</Size></Contents></R>"
    script = Script([plain(200, first), plain(200, last)])
    with script.client() as client:
        assert [(each.key, each.size) for each in client.listing("bucket", "p/")] == [("a b", 1), ("c", 0)]
    assert "continuation-token=t%2B%2F%3D" in script.asked[1][1]


def test_only_an_address_is_an_endpoint() -> None:
    for endpoint in ("localhost:9000", "ftp://x", ""):
        with pytest.raises(ObjectError, match="no http:// or https:// address"):
            Client(endpoint, "region", lambda: Keys("a", "b"))
