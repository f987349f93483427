"""The exchange with a provider over HTTP: what goes out, what comes back, and what each way of failing means."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from lib.errors import ErrorKind, ProviderError, StreamTruncated
from lib.net import Exchange, OutboundRefused, exchanging
from lib.providers import bodies, jsons, sse
from lib.providers.catalog import KINDS
from lib.providers.errors import classify

DRAIN_SECONDS = 1.0
"""How long a provider may keep the connection open after its last event before it is closed."""

KEEP_ALIVE_SECONDS = 600.0
"""How long a stream may send signs of life and nothing else: queues of busy providers are that long, no longer."""

LONGEST_SECONDS = 3600.0
"""How long one exchange may take from its first byte to its last, however it is spun out."""

LONGEST_ANSWER, LONGEST_STREAM, LONGEST_ERROR = 64 * 1024 * 1024, 128 * 1024 * 1024, 256 * 1024
"""Bytes read of an answer in one piece, of a stream, and of an error; what goes on for longer is no answer."""

MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What reading JSON of an unexpected shape may raise."""


class Transport:
    """One provider's address, headers and key, over an httpx client that others may share."""

    listing = "models"
    """Where it lists what can be called."""

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
        self._label = KINDS[provider].label if provider in KINDS else provider

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the JSON answer to a GET."""
        return self._answer("GET", path, params=params, headers={**self._headers, "accept-encoding": "gzip"})

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON answer to a POST of a JSON body."""
        headers = {**self._headers, "content-type": "application/json", "accept-encoding": "gzip"}
        return self._answer("POST", path, content=_encoded(body), headers=headers)

    def stream(self, path: str, body: Mapping[str, Any], framing: Callable[[], sse.Framing] = sse.Decoder) -> Stream:
        """Return the answer to a POST as a stream of JSON events; nothing is sent before it is read."""
        decoder = framing()
        headers = {
            **self._headers,
            "content-type": "application/json",
            "accept": decoder.accept,
            "accept-encoding": "identity",  # compression would hold tokens back
        }
        return Stream(self, lambda exchange: self._open(exchange, "POST", path, content=_encoded(body), headers=headers), decoder)

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
        sentence = f"{self._label} sent an answer that cannot be read. Try again, or check the base URL."
        return ProviderError(sentence, kind="network", provider=self.provider)

    def endless(self, exchange: Exchange) -> ProviderError:
        """Return the error of an answer without an end; asking again would bring the same."""
        if not exchange.spun_out:
            kind: ErrorKind = "network"
            sentence = "sent more than an answer can be, and was cut off. Check the base URL, or choose another model."
        else:
            kind = "timeout"
            sentence = "kept the connection open without finishing its answer. Try again later, or choose another model."
        return ProviderError(f"{self._label} {sentence}", kind=kind, provider=self.provider, retryable=False)

    @contextmanager
    def exchange(self) -> Iterator[Exchange]:
        """Bound what happens inside; a connection that was hung up on here raises Cancelled in place of its error."""
        exchange = Exchange(LONGEST_SECONDS)
        try:
            yield exchange
        except ProviderError as error:
            exchange.check()
            if exchange.spun_out and error.kind == "timeout":
                raise self.endless(exchange) from None
            raise
        finally:
            exchange.finish()

    def _answer(self, method: str, path: str, **parts: Any) -> Any:
        with self.exchange() as exchange:
            response = self._open(exchange, method, path, **parts)
            try:
                body = self.body(response, exchange)
            except httpx.HTTPError as error:
                raise self.failure(None, {}, exception=error) from None
            finally:
                response.close()
            return self.document(response, body)

    def body(self, response: httpx.Response, exchange: Exchange) -> bytes:
        """Return the whole body of an answer; raise the error of one that is longer than any answer."""
        try:
            body = bodies.read(response, LONGEST_ANSWER)
        except httpx.DecodingError:
            raise self.unreadable() from None
        exchange.check()
        if len(body) > LONGEST_ANSWER:
            raise self.endless(exchange)
        return body

    def document(self, response: httpx.Response, body: bytes) -> Any:
        """Return the JSON of an accepted answer; raise the error that it is instead."""
        try:
            document = jsons.parse(body)
        except ValueError:
            raise self.no_document(response.status_code, response.headers, body) from None
        if is_error(document):
            raise self.failure(response.status_code, response.headers, body)
        return document

    def no_document(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return the error that a body without JSON is: a page, a proxy's words, or half an answer, whose words say nothing."""
        if body.lstrip()[:1] in (b"{", b"["):
            return self.unreadable()
        failure = self.failure(status, headers, body)
        return self.unreadable() if failure.kind == "unknown" else failure

    def _open(self, exchange: Exchange, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request and return the response with its body unread; raise the classified error of a refusal."""
        client = self._client()
        try:
            request = client.build_request(method, f"{self._base_url}/{path}", timeout=self._timeout, **parts)
            with exchanging(exchange):
                response = client.send(request, stream=True, follow_redirects=False)
        except OutboundRefused as refusal:  # the address is at fault: no other try and no cooldown would mend it
            raise ProviderError(str(refusal), kind="bad-request", provider=self.provider) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            raise self.failure(None, {}, exception=error) from None
        if response.is_success:
            return response
        try:
            body = bodies.read(response, LONGEST_ERROR)[:LONGEST_ERROR]
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

    def __init__(self, transport: Transport, send: Callable[[Exchange], httpx.Response], decoder: sse.Framing) -> None:
        self.ended = False
        self._decoder = decoder
        self._transport = transport
        self._send = send

    def documents(self) -> Generator[Any, None, None]:
        """Send the request and yield each event's JSON."""
        with self._transport.exchange() as exchange:
            response = self._send(exchange)
            try:
                yield from self._events(response, exchange)
            finally:
                response.close()
            if not self.ended:
                exchange.check()

    def _events(self, response: httpx.Response, exchange: Exchange) -> Iterator[Any]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        decoder = self._decoder
        if kind == "text/html" or (kind == "application/json" and not decoder.lines):
            yield from self._whole(response, exchange)
            return
        feed, parse = decoder.feed, jsons.parse
        chunks, pulse = bodies.chunks(response), _Pulse(self._transport, exchange)
        try:
            for chunk in chunks:
                events = feed(chunk)
                pulse.beat(len(chunk), events)
                for name, data in events:
                    if data == b"[DONE]":
                        self.ended = True
                        break
                    document = parse(data)
                    if name == b"error" and "error" not in document:
                        document = {"error": document}
                    yield document
                if self.ended:
                    break
        except (httpx.HTTPError, *MALFORMED) as error:
            raise self._broken(error, exchange) from None
        if self.ended:
            _drain(exchange, chunks)
            return
        yield from self._tail(decoder)

    def _broken(self, error: Exception, exchange: Exchange) -> ProviderError:
        """Return what it means that reading a stream raised this."""
        match error:
            case httpx.TimeoutException():
                return self._transport.failure(None, {}, exception=error)
            case httpx.HTTPError() if not isinstance(error, httpx.DecodingError):
                return StreamTruncated(provider=self._transport.provider)
            case sse.Overflow():
                return self._transport.endless(exchange)
        return self._transport.unreadable()

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
            try:
                jsons.parse(decoder.stray)
            except ValueError:
                raise self._transport.no_document(200, {}, decoder.stray) from None
            raise self._transport.failure(200, {}, decoder.stray)

    def _whole(self, response: httpx.Response, exchange: Exchange) -> Iterator[Any]:
        """Yield the one document of a server that does not stream, or raise the error it is."""
        try:
            body = self._transport.body(response, exchange)
        except httpx.HTTPError as error:
            raise self._broken(error, exchange) from None
        self.ended = True
        yield self._transport.document(response, body)


class _Pulse:
    """Watches that a stream goes somewhere: it may be neither endless nor alive with nothing to say."""

    def __init__(self, transport: Transport, exchange: Exchange) -> None:
        self._transport, self._exchange = transport, exchange
        self._size = 0
        self._heard = time.monotonic()

    def beat(self, size: int, events: Sequence[tuple[bytes, bytes]]) -> None:
        """Take note of a chunk and the events it completed; raise the error of a stream that goes nowhere."""
        self._size += size
        now = time.monotonic()
        if events and (events[-1][0] != b"ping" or events[0][0] != b"ping"):
            self._heard = now
        elif now - self._heard > KEEP_ALIVE_SECONDS:
            self._exchange.shorten(0)
        if self._size > LONGEST_STREAM or self._exchange.spun_out:
            raise self._transport.endless(self._exchange)


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


def _drain(exchange: Exchange, chunks: Iterator[bytes]) -> None:
    """Read what follows the last event, for a little while; the answer itself is complete whatever happens here."""
    exchange.shorten(DRAIN_SECONDS)
    try:
        for _ in chunks:
            if exchange.left <= 0:
                break
    except httpx.HTTPError:
        pass
