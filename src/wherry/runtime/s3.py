"""Speaks S3: objects by key, in pieces, with retries; standard library only.

Called by `wherry.runtime.transfer` and `wherry.runtime.remote`, from many threads.  Invariants: memory is constant
whatever the size of an object; what may pass is tried again, with growing pauses, and what will not is said at once,
with S3's own code.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import random
import threading
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from wherry.runtime import grant, sigv4
from wherry.runtime.failures import TaskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

    from wherry.runtime.sigv4 import Keys

PART_BYTES = 16 << 20
"""Larger files go up in parts of this size, or of larger ones where it takes more than 10,000."""
LINK_HEADER = "x-amz-meta-wherry-link"
"""Marks an object whose content is the target of a symbolic link."""
_MOST_PARTS = 10_000
_PIECE_BYTES = 1 << 20
_TRIES = 8
_LONGEST_PAUSE_S = 20.0
_TIMEOUT_S = 60.0
_PASSING = frozenset((408, 429, 500, 502, 503, 504))
_PASSING_CODES = frozenset(
    ("RequestTimeout", "SlowDown", "InternalError", "OperationAborted", "ConditionalRequestConflict")
)
_EXPIRED_CODES = frozenset(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"))
_SKEWED_CODE = "RequestTimeTooSkewed"


class ObjectError(TaskError):
    """The store refuses or fails; `status` is HTTP's, 0 when there was no answer, `code` is S3's."""

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message, kind="StoreError")
        self.status = status
        self.code = code


class Listed:
    """One object of a listing."""

    def __init__(self, key: str, size: int) -> None:
        self.key = key
        self.size = size


class Part:
    """A piece of a file as the body of a request."""

    def __init__(self, path: str, start: int, size: int) -> None:
        self.path = path
        self.start = start
        self.size = size

    def sha256(self) -> str:
        """Of its content, in hex."""
        sha = hashlib.sha256()
        for piece in self.pieces():
            sha.update(piece)
        return sha.hexdigest()

    def pieces(self) -> Iterator[bytes]:
        """Its content.  Raises OSError, also when the file has become shorter."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.start)
            left = self.size
            while left:
                piece = file.read(min(_PIECE_BYTES, left))
                if not piece:
                    raise OSError(errno.EIO, "the file became shorter while it was read", self.path)
                left -= len(piece)
                yield piece


class Client:
    """One endpoint.  Each thread has a connection of its own, which is kept until `close`."""

    def __init__(
        self,
        endpoint: str,
        region: str,
        keys: Callable[[], Keys],
        *,
        part_bytes: int = PART_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ObjectError(f"The endpoint {endpoint!r} of the object store is no http:// or https:// address")
        self._endpoint = endpoint
        self._secure = parts.scheme == "https"
        self._host = parts.netloc
        self._base = parts.path.rstrip("/")
        self._region = region
        self._keys = keys
        self._part_bytes = part_bytes
        self._sleep = sleep
        self._ahead_s = 0.0  # of the store's clock, as far as it has complained
        self._connections: dict[int, http.client.HTTPConnection] = {}  # by thread

    # Whole objects.

    def read(self, bucket: str, key: str) -> bytes:
        """A whole small object.  Raises FileNotFoundError, ObjectError."""
        return self._ask("GET", bucket, key).data

    def exists(self, bucket: str, key: str) -> bool:
        """Whether an object is there.  Raises ObjectError."""
        try:
            self._ask("HEAD", bucket, key)
        except FileNotFoundError:
            return False
        return True

    def put(self, bucket: str, key: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        """Make an object, over an earlier one.  Raises ObjectError."""
        self._ask("PUT", bucket, key, body=data, headers=headers)

    def create(self, bucket: str, key: str, data: bytes) -> bool:
        """Make an object unless there is one; False then.  Raises ObjectError."""
        try:
            self._ask("PUT", bucket, key, body=data, headers={"if-none-match": "*"})
        except ObjectError as error:
            if error.status == 412:
                # A first try may have arrived, and only its answer was lost.
                return error.code == _TRIED_AGAIN and self.read(bucket, key) == data
            if error.status != 501:
                raise
            if self.exists(bucket, key):  # a store without conditional writes: as good as it can be
                return False
            self.put(bucket, key, data)
        return True

    def listing(self, bucket: str, prefix: str) -> Iterator[Listed]:
        """The objects whose keys start with `prefix`, in the order of their keys.  Raises ObjectError."""
        token = ""
        while True:
            query = [("list-type", "2"), ("prefix", prefix), ("max-keys", "1000")]
            query += [("continuation-token", token)] if token else []
            page = _xml(self._ask("GET", bucket, "", query=query).data, bucket)
            for entry in page.iter(f"{_namespace(page)}Contents"):
                yield Listed(_text(entry, "Key"), int(_text(entry, "Size")))
            token = _text(page, "NextContinuationToken")
            if _text(page, "IsTruncated") != "true" or not token:
                return

    # Files.

    def download(self, bucket: str, key: str, path: str) -> str | None:
        """The object as the file `path`, or, for one that is a link, its target: no file is made then.

        A connection that breaks is taken up where it stopped.  Raises FileNotFoundError, ObjectError, OSError.
        """
        with open(path, "wb", buffering=0) as file:
            position, tag, idle = 0, "", 0
            while True:
                headers = {"range": f"bytes={position}-", "if-match": tag} if position else {}
                response = self._open("GET", bucket, key, headers=headers)[0]
                if position and response.status != 206:
                    raise ObjectError(f"{self._name(bucket, key)}: the store does not give parts of objects")
                if response.getheader(LINK_HEADER):
                    return response.read().decode("utf-8", "surrogateescape")
                tag = response.getheader("etag") or ""
                size = position + int(response.getheader("content-length") or 0)
                before = position
                position += self._pour(response, file, size - position)
                if position == size:
                    return None
                idle = idle + 1 if position == before else 0
                if idle >= _TRIES or not tag:
                    raise ObjectError(f"{self._name(bucket, key)} stopped after {position:,} of {size:,} bytes")
                self._pause(idle)

    def _pour(self, response: http.client.HTTPResponse, file: BinaryIO, size: int) -> int:
        """Write what comes; how much came."""
        done = 0
        buffer = memoryview(bytearray(min(_PIECE_BYTES, max(size, 1))))
        try:
            while done < size:
                count = response.readinto(buffer)
                if not count:
                    break
                _write_all(file, buffer[:count])
                done += count
            if done == size:
                response.read()  # to the end, so that the connection can be used again
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            self._drop()
        else:
            if done != size:
                self._drop()
        return done

    def is_large(self, path: str) -> bool:
        """Whether the file goes up in parts.  Raises OSError."""
        return os.path.getsize(path) > self._part_bytes

    def upload(self, bucket: str, key: str, path: str, each: Callable[[Callable[[Any], None], Any], None]) -> None:
        """The file `path` as an object: in one piece, or in parts, for which `each(work, parts)` calls `work`.

        Raises ObjectError, OSError.
        """
        size = os.path.getsize(path)
        if size <= self._part_bytes:
            self._ask("PUT", bucket, key, body=Part(path, 0, size))
            return
        step = max(self._part_bytes, -(-size // _MOST_PARTS))
        started = self._ask("POST", bucket, key, query=[("uploads", "")])
        upload = _text(_xml(started.data, bucket), "UploadId")
        tags: dict[int, str] = {}

        def send(number: int) -> None:
            part = Part(path, (number - 1) * step, min(step, size - (number - 1) * step))
            query = [("partNumber", str(number)), ("uploadId", upload)]
            tags[number] = self._ask("PUT", bucket, key, query=query, body=part).tag

        try:
            each(send, range(1, -(-size // step) + 1))
            rows = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tags[number])}</ETag></Part>"
                for number in sorted(tags)
            )
            body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
            self._ask("POST", bucket, key, query=[("uploadId", upload)], body=body)
        except BaseException:
            self._abort(bucket, key, upload)
            raise

    def _abort(self, bucket: str, key: str, upload: str) -> None:
        try:
            self._ask("DELETE", bucket, key, query=[("uploadId", upload)], tries=1)
        except (ObjectError, grant.GrantError, OSError):
            return  # parts that nobody completes are for the bucket's lifecycle rule

    def close(self) -> None:
        """Give up all connections; no thread may be using one."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    # Requests.

    def _ask(self, method: str, bucket: str, key: str, **details: Any) -> _Answer:
        response, data = self._open(method, bucket, key, whole=True, **details)
        if response.status == 200 and method == "POST" and b"<Error>" in data:  # S3 says some errors late
            raise self._error(bucket, key, 200, data, again=False)
        return _Answer(data, response.getheader("etag") or "")

    def _open(
        self,
        method: str,
        bucket: str,
        key: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: bytes | Part | None = None,
        headers: dict[str, str] | None = None,
        tries: int = _TRIES,
        whole: bool = False,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """The answer to a request, when it is a good one, with the `whole` of its body or none of it yet."""
        path = sigv4.quoted_path(f"{self._base}/{bucket}/{key}" if key else f"{self._base}/{bucket}")
        asked = sigv4.quoted_query(query or [])
        sha256 = body.sha256() if isinstance(body, Part) else hashlib.sha256(body or b"").hexdigest()
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._send(method, path, asked, headers or {}, body, sha256)
                good = response.status < 300
                data = response.read() if whole or not good else b""
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                failure: Exception = ObjectError(f"{self._endpoint} cannot be reached: {error or type(error).__name__}")
            else:
                if good:
                    return response, data
                failure = self._error(bucket, key, response.status, data, again=attempt > 1)
                if self._is_hidden(failure, method, bucket, key):
                    failure = _missing(self._name(bucket, key))
                if not self._passes(failure, response):
                    raise failure
            if attempt >= tries:
                raise failure
            self._pause(attempt)

    def _send(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes | Part | None, sha256: str
    ) -> http.client.HTTPResponse:
        now = time.time() + self._ahead_s
        signed = sigv4.signed_headers(
            self._keys(),
            method,
            path,
            query,
            {**headers, "host": self._host},
            sha256,
            region=self._region,
            service="s3",
            now=now,
        )
        connection = self._connection()
        connection.putrequest(method, f"{path}?{query}" if query else path, skip_host=True, skip_accept_encoding=True)
        for name, value in signed.items():
            connection.putheader(name, value)
        size = body.size if isinstance(body, Part) else len(body or b"")
        if size or method in ("PUT", "POST"):
            connection.putheader("content-length", str(size))
        connection.endheaders()
        try:
            for piece in body.pieces() if isinstance(body, Part) else ([body] if body else ()):
                connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the store has heard enough, and may have said why
        return connection.getresponse()

    def _connection(self) -> http.client.HTTPConnection:
        connection = self._connections.get(threading.get_ident())
        if connection is None:
            make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            connection = self._connections[threading.get_ident()] = make(self._host, timeout=_TIMEOUT_S)
        return connection

    def _drop(self) -> None:
        connection = self._connections.pop(threading.get_ident(), None)
        if connection is not None:
            connection.close()

    def _passes(self, failure: Exception, response: http.client.HTTPResponse) -> bool:
        """Whether it is worth another try."""
        if not isinstance(failure, ObjectError):
            return False
        if failure.code == _SKEWED_CODE:
            date = response.getheader("date")
            before, self._ahead_s = self._ahead_s, parsedate_to_datetime(date).timestamp() - time.time() if date else 0
            return abs(self._ahead_s - before) > 60
        return failure.status in _PASSING or failure.code in _PASSING_CODES

    def _pause(self, attempt: int) -> None:
        self._sleep(random.uniform(0.5, 1.0) * min(0.2 * 2**attempt, _LONGEST_PAUSE_S))

    def _error(self, bucket: str, key: str, status: int, data: bytes, *, again: bool) -> Exception:
        """What an answer means that is no good one."""
        code, message = _code_of(data)
        name = self._name(bucket, key)
        if status == 404 and code != "NoSuchBucket" and (key or code == "NoSuchKey"):
            return _missing(name)
        ends_at = self._keys().ends_at
        if code in _EXPIRED_CODES or (status in (400, 401, 403) and ends_at is not None and ends_at <= time.time()):
            return grant.ended(ends_at if ends_at is not None else time.time())
        if status == 412 and again:
            code = _TRIED_AGAIN
        said = ": ".join(part for part in (code, message) if part) or http.client.responses.get(status, str(status))
        return ObjectError(f"{name}: {said}", status, code)

    def _is_hidden(self, failure: Exception, method: str, bucket: str, key: str) -> bool:
        """Whether an object that may not be looked at is none: S3 says that to nobody who may not list all of a
        bucket, and a grant lets list what it lets read."""
        refused = isinstance(failure, ObjectError) and failure.status == 403 and failure.code in ("", "AccessDenied")
        if not refused or not key or method not in ("GET", "HEAD"):
            return False
        try:
            return next((listed.key for listed in self.listing(bucket, key)), "") != key
        except ObjectError:
            return False

    def _name(self, bucket: str, key: str) -> str:
        return f"s3://{bucket}/{key}"


_TRIED_AGAIN = "PreconditionFailedAgain"


class _Answer:
    def __init__(self, data: bytes, tag: str) -> None:
        self.data = data
        self.tag = tag


def _missing(name: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "No such object", name)


def _write_all(file: BinaryIO, view: memoryview) -> None:
    while view:
        view = view[file.write(view) :]


def _xml(data: bytes, bucket: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ObjectError(f"The answer about s3://{bucket} is not XML: {error}") from None


def _namespace(element: ElementTree.Element) -> str:
    return element.tag[: element.tag.find("}") + 1]


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{_namespace(element)}{name}") or ""


def _code_of(data: bytes) -> tuple[str, str]:
    try:
        element = ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return "", ""
    return _text(element, "Code"), _text(element, "Message")
