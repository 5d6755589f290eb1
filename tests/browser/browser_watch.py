"""What a reader should never meet on the page: another machine, an error in the console, a refusal nobody announced."""

from playwright.sync_api import ConsoleMessage, Page, Response, Route


class Watch:
    """Listens to one page and knows what it was told to expect."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.expected: set[int] = set()
        self.found: list[str] = []

    def expects(self, status: int) -> None:
        """Announce a refusal (0: no answer at all); the browser's own console line about it is then no error either."""
        self.expected.add(status)

    def follow(self, page: Page) -> Page:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"threw: {error}"))
        page.on("response", self._response)
        page.route("**/*", self._route)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        about_a_refusal = "Failed to load resource" in message.text and bool(self.expected)
        if message.type in ("error", "warning") and not about_a_refusal:
            self.found.append(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.found.append(f"{response.status}: {response.url}")

    def _route(self, route: Route) -> None:
        url = route.request.url
        if url.startswith((f"{self.address}/", "blob:", "data:")):
            return route.continue_()
        self.found.append(f"left the machine: {url}")
        return route.abort()
