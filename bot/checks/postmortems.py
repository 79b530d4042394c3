"""Where published post-mortems are kept."""

from bot.bot import Ports
from bot.checks.finding import Finding, failed, ok
from bot.core.errors import AiecError
from bot.core.library import Library

BREAKS = "published post-mortems are files in Slack alone, until it can be reached"


async def postmortems(ports: Ports) -> list[Finding]:
    """Returns a line for each place that is configured."""
    return [await _place(library) for library in ports.libraries.values()]


async def _place(library: Library) -> Finding:
    try:
        return ok("post-mortems", f"{library.name}: {await library.ready()}")
    except AiecError as error:
        return failed("post-mortems", error, BREAKS)
