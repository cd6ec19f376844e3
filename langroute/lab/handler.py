"""One HTTP connection to the lab's server: routes, errors and streams on the wire."""

import json
import logging
import socket
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import parse_qsl, urlsplit

from langroute.lab import wire
from langroute.lab.exchange import Exchange
from langroute.lab.faults import OVERLOADED, Cut, Gate, status_error
from langroute.lab.formats import WireFormat
from langroute.lab.refusals import ApiError, Json

if TYPE_CHECKING:
    from langroute.lab.server import LabHttpServer, LabServer

_MAX_BODY_BYTES = 8 * 1024 * 1024
_ROUTES = {"/v1/models": "GET", "/v1/lab/meter": "GET"}
_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
)
_log = logging.getLogger("langroute.lab")


class ChatHandler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 with kept connections; every answer leaves in one write, so that no delayed ACK stalls it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _unsent = b""
    _chunked = True

    def do_GET(self) -> None:
        """Models and meter."""
        self._serve()

    def do_POST(self) -> None:
        """Answers."""
        self._serve()

    # Served too, to be told that they are not allowed here.
    do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_POST  # noqa: N815 - the base class names them so

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the meter tells what was served."""

    @property
    def _http(self) -> "LabHttpServer":
        return cast("LabHttpServer", self.server)

    @property
    def _lab(self) -> "LabServer":
        return self._http.lab

    @property
    def _format(self) -> WireFormat:
        return self._lab.format

    def _serve(self) -> None:
        with self._http.requests:
            self._answer()

    def _answer(self) -> None:
        try:
            self._route(self._read_body())
        except ApiError as refusal:
            self._send_json(refusal.status, self._format.refused(refusal), refusal.headers)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            _log.exception("a request to the lab's server failed")
            self.close_connection = True
            self._send_json(500, self._format.refused(status_error(500)))

    def _read_body(self) -> bytes:
        """The whole body, whatever becomes of the request: what is left unread would be taken for the next one."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise ApiError("The request must carry a valid Content-Length.", status=411)
        if int(length) > _MAX_BODY_BYTES:
            self.close_connection = True
            raise ApiError(f"The request is larger than {_MAX_BODY_BYTES} bytes.", status=413)
        return self.rfile.read(int(length))

    def _route(self, body: bytes) -> None:
        address = urlsplit(self.path)
        path = address.path.rstrip("/")
        name = path.removeprefix("/v1/models/")
        asks = self._format.takes(path)
        method = "POST" if asks else "GET" if name != path else _ROUTES.get(path)
        if method is None:
            raise ApiError(f"Invalid URL ({self.command} {path})", status=404)
        if method != self.command:
            told = f"Not allowed to {self.command} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
            raise ApiError(told, status=405, headers={"allow": method})
        if self._lab.api_key is not None:
            headers = cast("Mapping[str, str]", self.headers)
            self._format.check_key(headers, dict(parse_qsl(address.query)), self._lab.api_key)
        if asks:
            self._chat(path, body)
        elif path == "/v1/lab/meter":
            self._send_json(200, self._lab.meter.as_json())
        else:
            self._models(None if name == path else name)

    def _models(self, name: str | None) -> None:
        listed: list[Json] = [
            {"id": known, "object": "model", "created": 0, "owned_by": "langroute-lab"}
            for known in self._lab.service.engine.names
        ]
        if name is None:
            self._send_json(200, {"object": "list", "data": listed})
            return
        found = next((model for model in listed if model["id"] == name), None)
        if found is None:
            raise ApiError(f"The model '{name}' does not exist", status=404, param="model", code="model_not_found")
        self._send_json(200, found)

    def _chat(self, path: str, body: bytes) -> None:
        data = _decode(body)
        self._lab.note_request(data)
        faults = self._lab.faults
        if planned := faults.next_error():
            raise planned
        request = self._format.read(path, data)
        exchange = self._lab.service.open(request)
        gate = faults.next_gate()
        if request.stream:
            self._stream(exchange, cut=exchange.cut or faults.next_cut(), gate=gate)
            return
        if gate:
            gate.pass_through()
        for _ in exchange.pieces():
            pass
        self._send_json(200, self._format.whole(exchange), {self._format.id_header: f"req_{exchange.id}"})

    def _stream(self, exchange: Exchange, *, cut: Cut | None, gate: Gate | None) -> None:
        """Send the chunks as they are made; whatever ends this early closes the exchange, which meters the cut."""
        self._begin_stream()
        with closing(self._format.events(exchange)) as chunks:
            sent = 0
            try:
                for chunk in chunks:
                    if gate and sent == gate.after_chunks:
                        self._flush()
                        gate.pass_through()
                    if (cut and sent == cut.after_chunks) or self._client_left():
                        chunks.close()  # metered before the client sees the end
                        self._break_off(clean=cut is not None and cut.clean)
                        return
                    self._send_event(self._format.frame(chunk))
                    sent += 1
            except ConnectionError:
                raise
            except ApiError as refusal:
                self._send_event(self._format.frame(self._format.failed(refusal)))
                self._break_off(clean=True)
                return
            except Exception:
                _log.exception("a stream of the lab's server failed")
                self._send_event(self._format.frame(self._format.failed(status_error(500))))
                self._break_off(clean=True)
                return
        self._send_event(self._format.final, last=True)

    def _begin_stream(self) -> None:
        """Prepare the head of a stream; it leaves with the first event. HTTP/1.0 knows no chunks, only the end."""
        self._chunked = self.request_version != "HTTP/1.0"
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        if self._chunked:
            headers["transfer-encoding"] = "chunked"
        else:
            self.close_connection = True
        self._unsent = self._head(200, headers)

    def _send_event(self, data: bytes, *, last: bool = False) -> None:
        self._unsent += (self._frame(data) if data else b"") + (self._frame(b"") if last else b"")
        self._flush()

    def _frame(self, data: bytes) -> bytes:
        """A chunk of the chunked transfer coding; an empty one ends the body."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, b""
        self.wfile.write(unsent)

    def _break_off(self, *, clean: bool) -> None:
        """End a stream short; when not clean, the client sees the connection close in the middle of a body."""
        self.close_connection = True
        if clean:
            self._unsent += self._frame(b"")
        self._flush()

    def _client_left(self) -> bool:
        """Whether the client has closed its end: a write alone would notice only the time after."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def _send_json(self, status: int, data: Json, headers: dict[str, str] | None = None) -> None:
        body = wire.to_bytes(data)
        kept = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        self.wfile.write(self._head(status, kept) + (b"" if self.command == "HEAD" else body))

    def _head(self, status: int, headers: dict[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", f"date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self.close_connection:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _phrase(status: int) -> str:
    """The words of a status; 529 is Anthropic's own and in no standard."""
    return "Site is overloaded" if status == OVERLOADED else HTTPStatus(status).phrase


def _decode(body: bytes) -> object:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise ApiError(_NOT_JSON) from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
