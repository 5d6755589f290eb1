"""The studio's HTTP face: a page, its pictures, and one typed question at a time.

    GET  /                           the page (static; state lives in its URL)
    GET  /api/samples                pictures that ship with the model, with questions worth asking
    POST /api/pictures               raw bytes of a picture -> its key (sha-256) and size in pixels
    GET  /api/pictures/KEY           title and size of a picture
    GET  /api/pictures/KEY/shown.jpg, KEY/thumb.jpg        the decoded picture as the page draws it
    POST /api/ask                    {picture, question, mode, box} -> answer, boxes, words, patches
    GET  /api/health                 what is loaded
    GET  /series, /part/2, ...       the chapters and their figures (`series/site.py`)

Every refusal is `{"error": "one sentence"}` with a 4xx status. Nothing is fetched from elsewhere: the content
security policy allows this origin only. Requests from another origin, or under another host name than the one served,
are refused, so that a page elsewhere cannot read a reader's pictures through the loopback address.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from showtell.core.errors import ShowtellError
from showtell.studio.desk import Assistant, Desk
from showtell.studio.limits import RequestError, StudioLimits
from showtell.studio.pictures import HeldPicture, PictureShelf
from showtell.studio.series.site import Site
from showtell.studio.state import read

STATIC = Path(__file__).parent / "static"
SAMPLES = Path(__file__).parent.parent / "pocket" / "samples"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "testserver"})
HEADERS = {
    "content-security-policy": (  # pictures of posters stand in the page itself (`series/poster.py`)
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
logger = logging.getLogger(__name__)


def create_app(
    assistant: Assistant,
    *,
    samples: Path = SAMPLES,
    limits: StudioLimits | None = None,
    hosts: frozenset[str] | None = LOOPBACK,
) -> ASGIApp:
    """The studio over a loaded model; `hosts` are the host names under which it may be reached, None for any."""
    studio = Studio(assistant, samples, limits or StudioLimits())
    routes = [
        Route("/", studio.page),
        Route("/favicon.ico", studio.favicon),
        Route("/poster.jpg", studio.poster),
        Route("/api/health", studio.health),
        Route("/api/samples", studio.samples),
        Route("/api/pictures", studio.add_picture, methods=["POST"]),
        Route("/api/pictures/{key}", studio.describe),
        Route("/api/pictures/{key}/shown.jpg", studio.shown),
        Route("/api/pictures/{key}/thumb.jpg", studio.thumbnail),
        Route("/api/ask", studio.ask, methods=["POST"]),
        *Site(studio.desk).routes(),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    handlers: dict[Any, Callable[..., Awaitable[Response]]] = {ShowtellError: _refuse, Exception: _fail}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts)


class Studio:
    """The routes, over one desk and one shelf."""

    def __init__(self, assistant: Assistant, samples: Path, limits: StudioLimits) -> None:
        self.desk = Desk(assistant)
        self.shelf = PictureShelf(samples, limits)
        self.limits = limits

    async def page(self, request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    async def favicon(self, request: Request) -> Response:
        return FileResponse(STATIC / "favicon.svg", media_type="image/svg+xml")

    async def health(self, request: Request) -> Response:
        name = self.desk.assistant.name
        return JSONResponse({"status": "ok", "model": name, "upload_bytes": self.limits.upload_bytes})

    async def samples(self, request: Request) -> Response:
        rows = [{"key": sample.key} | asdict(sample) for sample in self.shelf.samples.values()]
        return JSONResponse({"samples": rows})

    async def add_picture(self, request: Request) -> Response:
        data = await _body(request, self.limits.upload_bytes, "The picture file")
        if not data:
            raise RequestError("The file is empty; choose a picture.")
        held = await run_in_threadpool(self.shelf.add, data)
        return JSONResponse(_described(held))

    async def describe(self, request: Request) -> Response:
        held = await run_in_threadpool(self.shelf.get, request.path_params["key"])
        return JSONResponse(_described(held))

    async def shown(self, request: Request) -> Response:
        return await self._jpeg(request.path_params["key"], self.limits.shown_side)

    async def thumbnail(self, request: Request) -> Response:
        return await self._jpeg(request.path_params["key"], self.limits.thumbnail_side)

    async def poster(self, request: Request) -> Response:
        if not self.shelf.samples:
            raise RequestError("There is no sample picture to show.", 404)
        return await self._jpeg(next(iter(self.shelf.samples)), self.limits.shown_side)

    async def _jpeg(self, key: str, side: int) -> Response:
        held = await run_in_threadpool(self.shelf.get, key)
        data = await run_in_threadpool(held.jpeg, side)
        return Response(data, media_type="image/jpeg", headers={"cache-control": "no-cache"})

    async def ask(self, request: Request) -> Response:
        state = read(await _json(request, self.limits), self.limits)
        held = await run_in_threadpool(self.shelf.get, state.picture)
        async with self.desk.lock:
            if await request.is_disconnected():  # the reader has asked something newer while this one waited
                return Response(status_code=499)
            answer = await run_in_threadpool(self.desk.answer, state, held)
        return JSONResponse(answer)


class Guard:
    """ASGI wrapper: the security headers on every response, and no service to other hosts or origins."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self.hosts is not None and _host_name(host) not in self.hosts:
            return JSONResponse({"error": "The studio does not answer under this host name."}, 421)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return JSONResponse({"error": "The studio answers its own page only."}, 403)
        return None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # brackets that do not match
        return None


async def _body(request: Request, limit: int, what: str) -> bytes:
    """Read the body, refusing it as soon as it is known to be too large."""
    too_large = RequestError(f"{what} is larger than {limit / 1e6:g} MB; choose a smaller one.", 413)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise too_large
    return bytes(data)


async def _json(request: Request, limits: StudioLimits) -> object:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RequestError("A question is sent as JSON; set the content type to application/json.", 415)
    body = await _body(request, limits.request_bytes, "The question")
    try:
        return json.loads(body)
    except ValueError:
        raise RequestError("The request is not valid JSON; send an object with picture, question and mode.") from None


def _described(held: HeldPicture) -> dict[str, Any]:
    frame = held.picture.frame
    return {"key": held.key, "title": held.title, "width": frame.width, "height": frame.height}


async def _refuse(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 422
    return JSONResponse({"error": str(error)}, status)


async def _fail(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    sentence = f"The model failed on this ({type(error).__name__}); the server's log says more."
    return JSONResponse({"error": sentence}, 500)
