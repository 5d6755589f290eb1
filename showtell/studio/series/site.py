"""The routes of the series.

    GET /series                  the contents
    GET /part/2?shuffle.order=…  a chapter; the URL holds the state of any of its figures as DEMO.FIELD=TEXT
    GET /figure/NAME             one figure alone
    GET /source/MODULE           a file of the library
    GET /api/figures/NAME?…      one figure as JSON, FIELD=TEXT

A state that is refused leaves the page standing: the sentence is put in the figure's place, with its default state.
"""

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from showtell.studio.demos.catalogue import BY_NAME, DEMOS
from showtell.studio.desk import Desk
from showtell.studio.limits import RequestError
from showtell.studio.series import page
from showtell.studio.series.bounds import read_state
from showtell.studio.series.chapter import MARK, Chapter, build
from showtell.studio.series.demo import Demo
from showtell.studio.series.figure import figure_html
from showtell.studio.series.numbers import numbers
from showtell.studio.series.runner import Runner
from showtell.studio.series.source import module_source
from showtell.studio.series.tools import Tools, Unavailable

MOST_QUERY_CHARACTERS = 4000


class Site:
    """Chapters, figures and sources over the studio's desk."""

    def __init__(self, desk: Desk) -> None:
        self.tools = Tools(desk.assistant)
        self.runner = Runner(self.tools, desk.lock)
        self._chapters: dict[int, Chapter] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/series", self.contents),
            Route("/part/{number:int}", self.part),
            Route("/figure/{name}", self.figure),
            Route("/source/{module}", self.source),
            Route("/api/figures/{name}", self.data),
        ]

    async def contents(self, request: Request) -> Response:
        written = await run_in_threadpool(self._written)
        return HTMLResponse(page.contents_page(written, DEMOS, self.tools.model_name))

    async def part(self, request: Request) -> Response:
        number = request.path_params["number"]
        chapter = (await run_in_threadpool(self._written)).get(number)
        if chapter is None:
            sentence = (
                f"Part {number} is not written yet." if 1 <= number <= len(page.PARTS) else "There are eight parts."
            )
            return HTMLResponse(page.message_page(sentence, self.tools.model_name), 404)
        figures = {name: await self._figure(BY_NAME[name], request.query_params) for name in chapter.demos}
        html = MARK.sub(lambda found: figures[found[1]], chapter.html)
        demos = [BY_NAME[name] for name in chapter.demos]
        part = page.PARTS[number - 1]
        return HTMLResponse(page.chapter_page(part, chapter, html, demos, self.tools.model_name))

    async def figure(self, request: Request) -> Response:
        demo = BY_NAME.get(request.path_params["name"])
        if demo is None:
            return HTMLResponse(page.message_page("There is no figure of that name.", self.tools.model_name), 404)
        html = await self._figure(demo, request.query_params)
        return HTMLResponse(page.figure_page(demo, html, self.tools.model_name))

    async def source(self, request: Request) -> Response:
        module = request.path_params["module"]
        try:
            text = module_source(module)
        except RequestError as error:
            return HTMLResponse(page.message_page(str(error), self.tools.model_name), error.status)
        return HTMLResponse(page.source_page(module, text, self.tools.model_name))

    async def data(self, request: Request) -> Response:
        demo = BY_NAME.get(request.path_params["name"])
        if demo is None:
            raise RequestError("There is no figure of that name.", 404)
        state = read_state(demo.state_type, _short(request.query_params))

        async def wanted() -> bool:
            return not await request.is_disconnected()

        figure = await self.runner.figure(demo, state, wanted)
        return Response(status_code=499) if figure is None else JSONResponse(figure)

    async def _figure(self, demo: Demo[Any], query: Mapping[str, str]) -> str:
        """A figure in the state that the page's URL gives it, or in its default one under the sentence of a refusal."""
        refusal = ""
        state = demo.default()
        try:
            prefix = f"{demo.name}."
            own = {key.removeprefix(prefix): text for key, text in query.items() if key.startswith(prefix)}
            state = read_state(demo.state_type, _short(own))
            return figure_html(demo, await self.runner.figure(demo, state))
        except RequestError as error:
            refusal = str(error)
        try:
            return figure_html(demo, await self.runner.figure(demo, demo.default()), refusal)
        except Unavailable as error:
            return figure_html(demo, None, str(error))

    def _written(self) -> dict[int, Chapter]:
        """Every chapter there is, built on first use."""
        for path in sorted(page.ARTICLES.glob("[0-9]*.md")):
            number = int(path.name.split("-")[0])
            if number not in self._chapters:
                self._chapters[number] = build(path.read_text(encoding="utf-8"), numbers(self.tools))
        return self._chapters


def _short(query: Mapping[str, str]) -> dict[str, str]:
    if sum(len(key) + len(text) for key, text in query.items()) > MOST_QUERY_CHARACTERS:
        raise RequestError("The address is too long to be the state of a figure; begin again without it.", 414)
    return dict(query)
