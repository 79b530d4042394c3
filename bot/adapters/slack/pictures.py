"""Charts as files in Slack: drawn, and uploaded."""

from collections.abc import Awaitable, Callable

from bot.adapters.slack.uploads import Upload, Uploads, file_name
from bot.core.chart import Chart, in_words
from bot.core.errors import Forbidden, Throttled, Unavailable
from bot.core.text import cut

Draw = Callable[[Chart], Awaitable[bytes]]
"""Takes a chart, returns a PNG. Raises Unavailable when it cannot be drawn, Throttled when it is not drawn yet."""
_ALT_TEXT = 1_000


class Undrawn(Exception):
    """There is no picture, and why: the card is then said in words. `error` has the sentence."""

    def __init__(self, error: Forbidden | Unavailable) -> None:
        super().__init__(error.text)
        self.error = error


class Pictures:
    def __init__(self, uploads: Uploads, draw: Draw) -> None:
        self._uploads = uploads
        self._draw = draw

    async def prepared(self, chart: Chart, key: str) -> Upload:
        """Draws the chart and uploads it under the name by which it is found again. Raises Undrawn when it cannot be drawn, or no file may be uploaded, and
        Throttled when it is not drawn yet."""
        try:
            picture = await self._draw(chart)
        except Throttled:
            raise
        except Unavailable as error:
            raise Undrawn(error) from error
        alternative = cut("; ".join([chart.title, *in_words(chart)]), _ALT_TEXT)
        try:
            return await self._uploads.upload(file_name(key, "png"), chart.title, picture, alternative)
        except Forbidden as error:
            raise Undrawn(error) from error
