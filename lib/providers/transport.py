"""The exchange with a provider over HTTP: what goes out, what comes back, and what each way of failing means."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import httpx

from lib.errors import ProviderError, StreamTruncated
from lib.providers import jsons, sse
from lib.providers.errors import classify

DRAIN_SECONDS = 1.0
"""How long a provider may keep the connection open after its last event before it is closed."""

LONGEST_ANSWER, LONGEST_ERROR = 64 * 1024 * 1024, 256 * 1024
"""Bytes read of an answer in one piece, and of an error; what goes on for longer is no answer."""

MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What reading JSON of an unexpected shape may raise."""


class Transport:
    """One provider's address, headers and key, over an httpx client that others may share."""

    def __init__(
        self,
        client: Callable[[], httpx.Client],
        base_url: str,
        headers: Mapping[str, str],
        *,
        provider: str,
        secret: str | None = None,
        timeout: httpx.Timeout | float | None = None,
    ) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = dict(headers)
        self._secrets = (secret,) if secret else ()
        self._timeout: Any = httpx.USE_CLIENT_DEFAULT if timeout is None else timeout
        self.provider = provider

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the JSON answer to a GET."""
        return self._answer("GET", path, params=params, headers=self._headers)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON answer to a POST of a JSON body."""
        return self._answer("POST", path, content=_encoded(body), headers={**self._headers, "content-type": "application/json"})

    def stream(self, path: str, body: Mapping[str, Any], framing: Callable[[], sse.Framing] = sse.Decoder) -> Stream:
        """Return the answer to a POST as a stream of JSON events; nothing is sent before it is read."""
        decoder = framing()
        headers = {
            **self._headers,
            "content-type": "application/json",
            "accept": decoder.accept,
            "accept-encoding": "identity",  # compression would hold tokens back
        }
        return Stream(self, lambda: self._open("POST", path, content=_encoded(body), headers=headers), decoder)

    def fault(self, document: Any, status: int | None = 200) -> ProviderError:
        """Return the error that a document inside an accepted answer describes."""
        return self.failure(status, {}, _encoded(document))

    def failure(
        self, status: int | None, headers: Mapping[str, str], body: bytes = b"", exception: BaseException | None = None
    ) -> ProviderError:
        """Classify a failed exchange without ever quoting the key."""
        return classify(status, headers, body, provider=self.provider, exception=exception, secrets=self._secrets)

    def unreadable(self) -> ProviderError:
        """Return the error of an answer that is not what its protocol says."""
        return ProviderError(
            f"{self.provider} sent an answer that cannot be read. Try again, or check the base URL.", kind="network", provider=self.provider
        )

    def _answer(self, method: str, path: str, **parts: Any) -> Any:
        try:
            response = self._open(method, path, **parts)
            try:
                body = _read(response, LONGEST_ANSWER)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self.failure(None, {}, exception=error) from None
        return self.document(response, body)

    def document(self, response: httpx.Response, body: bytes) -> Any:
        """Return the JSON of an accepted answer; raise the error that it is instead."""
        try:
            document = jsons.parse(body)
        except ValueError:
            failure = self.failure(response.status_code, response.headers, body)
            raise (self.unreadable() if failure.kind == "unknown" else failure) from None
        if is_error(document):
            raise self.failure(response.status_code, response.headers, body)
        return document

    def _open(self, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request and return the response with its body unread; raise the classified error of a refusal."""
        client = self._client()
        try:
            request = client.build_request(method, f"{self._base_url}/{path}", timeout=self._timeout, **parts)
            response = client.send(request, stream=True, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.failure(None, {}, exception=error) from None
        if response.is_success:
            return response
        try:
            body = _read(response, LONGEST_ERROR)
        except httpx.HTTPError:
            body = b""  # the status alone is classified
        finally:
            response.close()
        raise self.failure(response.status_code, response.headers, body)


class Stream:
    """One streamed answer, read once through ``documents()``.

    Set ``ended`` after the protocol's last event: what still comes is read and dropped, so that the connection
    can be used again. Closing that generator earlier closes the connection, which is how a call is cancelled.
    """

    def __init__(self, transport: Transport, send: Callable[[], httpx.Response], decoder: sse.Framing) -> None:
        self.ended = False
        self._decoder = decoder
        self._transport = transport
        self._send = send

    def documents(self) -> Generator[Any, None, None]:
        """Send the request and yield each event's JSON."""
        response = self._send()
        try:
            yield from self._events(response)
        finally:
            response.close()

    def _events(self, response: httpx.Response) -> Iterator[Any]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        decoder = self._decoder
        if kind == "text/html" or (kind == "application/json" and not decoder.lines):
            yield from self._whole(response)
            return
        feed, parse = decoder.feed, jsons.parse
        chunks = response.iter_bytes() if "content-encoding" in response.headers else response.iter_raw()
        try:
            for chunk in chunks:
                for name, data in feed(chunk):
                    if data == b"[DONE]":
                        self.ended = True
                        break
                    document = parse(data)
                    if name == b"error" and "error" not in document:
                        document = {"error": document}
                    yield document
                if self.ended:
                    break
        except httpx.TimeoutException as error:
            raise self._transport.failure(None, {}, exception=error) from None
        except httpx.HTTPError:
            raise StreamTruncated(provider=self._transport.provider) from None
        except MALFORMED:
            raise self._transport.unreadable() from None
        if self.ended:
            _drain(response, chunks)
            return
        yield from self._tail(decoder)

    def _tail(self, decoder: sse.Framing) -> Iterator[Any]:
        """Yield what the end of the bytes completes; a document that is no event is a gateway's error."""
        for _, data in decoder.flush():
            if data == b"[DONE]":
                self.ended = True
                return
            try:
                yield jsons.parse(data)
            except ValueError:
                raise StreamTruncated(provider=self._transport.provider) from None
        if decoder.stray:
            raise self._transport.failure(200, {}, decoder.stray)

    def _whole(self, response: httpx.Response) -> Iterator[Any]:
        """Yield the one document of a server that does not stream, or raise the error it is."""
        try:
            body = _read(response, LONGEST_ANSWER)
        except httpx.TimeoutException as error:
            raise self._transport.failure(None, {}, exception=error) from None
        except httpx.HTTPError:
            raise StreamTruncated(provider=self._transport.provider) from None
        self.ended = True
        yield self._transport.document(response, body)


def _read(response: httpx.Response, limit: int) -> bytes:
    """Return the body, or its beginning when it is longer than ``limit``."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body[:limit])


def is_error(document: Any) -> bool:
    """Whether a JSON document is an error in one of the envelopes that come with status 200."""
    if isinstance(document, list):  # Google wraps whatever it says to a stream request in an array
        return bool(document) and isinstance(document[0], dict) and bool(document[0].get("error"))
    return isinstance(document, dict) and (
        bool(document.get("error")) or document.get("object") == "error" or document.get("type") == "error"
    )


def _encoded(document: Any) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair, pasted or cut by an editor: escaped it is still valid JSON
        return json.dumps(document, separators=(",", ":")).encode()


def _drain(response: httpx.Response, chunks: Iterator[bytes]) -> None:
    """Read what follows the last event, for a little while; the answer itself is complete whatever happens here."""
    network = response.extensions.get("network_stream")
    connection = network.get_extra_info("socket") if network is not None else None
    timer: threading.Timer | None = None
    if isinstance(connection, socket.socket):
        timer = threading.Timer(DRAIN_SECONDS, _hang_up, (connection,))
        timer.daemon = True
        timer.start()
    try:
        for _ in chunks:
            pass
    except httpx.HTTPError:
        pass
    finally:
        if timer is not None:
            timer.cancel()


def _hang_up(connection: socket.socket) -> None:
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already
