"""What differs between providers on the wire, and the first of them: OpenAI's chat completions."""

from collections.abc import Generator, Mapping
from typing import Protocol

from langroute.lab import wire
from langroute.lab.exchange import Exchange
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest, read_request

OPENAI_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using "
    "Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)


class WireFormat(Protocol):
    """One provider's way to ask and to answer; connections, faults and streams are the server's affair.

    Attributes:
        id_header: the header that carries the id of an answer.
        final: what follows the last event of a stream; empty where nothing does.
    """

    id_header: str
    final: bytes

    def takes(self, path: str) -> bool:
        """Whether requests for an answer are posted to this path."""
        ...

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str], key: str) -> None:
        """Refuse a request that does not carry the key.

        Args:
            headers: the headers of the request, looked up without regard to case.
            query: the parameters of its URL.
            key: the key it must carry.

        Raises:
            ApiError: it carries none, or another one.
        """
        ...

    def read(self, path: str, body: object) -> ChatRequest:
        """Check a request's decoded JSON, and read it.

        Raises:
            ApiError: the provider would refuse it.
        """
        ...

    def whole(self, exchange: Exchange) -> Json:
        """The body of a whole answer; the exchange is finished."""
        ...

    def events(self, exchange: Exchange) -> Generator[Json, None, None]:
        """The events of a streamed answer, generated as they are taken; closing it breaks the exchange off."""
        ...

    def frame(self, event: Json) -> bytes:
        """An event as it is written into a stream, its empty line included."""
        ...

    def refused(self, error: ApiError) -> Json:
        """The body of a refusal."""
        ...

    def failed(self, error: ApiError) -> Json:
        """The event that ends a stream which failed after it had begun."""
        ...


class ChatFormat:
    """OpenAI's chat completions."""

    id_header = "x-request-id"
    final = b"data: [DONE]\n\n"

    def takes(self, path: str) -> bool:
        """Whether requests for an answer are posted to this path."""
        return path == "/v1/chat/completions"

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str], key: str) -> None:  # noqa: ARG002
        """Refuse a request without the bearer key."""
        check_bearer(headers, key)

    def read(self, path: str, body: object) -> ChatRequest:  # noqa: ARG002 - all that is asked stands in the body
        """Check a request, and read it."""
        return read_request(body)

    def whole(self, exchange: Exchange) -> Json:
        """The completion."""
        return wire.completion(exchange)

    def events(self, exchange: Exchange) -> Generator[Json, None, None]:
        """The chunks."""
        return wire.chunks(exchange)

    def frame(self, event: Json) -> bytes:
        """A chunk is nothing but its data."""
        return b"data: %b\n\n" % wire.to_bytes(event)

    def refused(self, error: ApiError) -> Json:
        """The error as OpenAI words it."""
        return error.body()

    def failed(self, error: ApiError) -> Json:
        """The error in place of a chunk."""
        return error.body()


def check_bearer(headers: Mapping[str, str], key: str) -> None:
    """Refuse a request that does not carry the key as OpenAI's clients send it.

    Raises:
        ApiError: it carries none, or another one.
    """
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise ApiError(OPENAI_NO_KEY, status=401)
    if given.strip() != key:
        raise ApiError(f"Incorrect API key provided: {given.strip()[:3]}***.", status=401, code="invalid_api_key")
