"""Issues of action items: whether their repository is there and has issues, and who can read them."""

from datetime import UTC, datetime, timedelta

from bot.checks.finding import Finding, failed, ok, warning, wrong
from bot.core.codehost import CodeHost
from bot.core.errors import AiecError
from bot.core.issues import Issues
from bot.settings import Settings

BREAKS = "action items: they have no issues"


async def issues(settings: Settings, code: CodeHost | None, tracker: Issues | None) -> list[Finding]:
    """Returns what is to be said of `github.issues`; nothing where it is not configured. Whether the token may write is only known when it does."""
    github = settings.config.github
    if code is None or tracker is None or github is None or github.issues is None:
        return []
    if settings.github_token is None:
        return [wrong("github issues", "GITHUB_TOKEN is not set, and nobody makes issues without one", BREAKS, "set it; it needs `issues: write`")]
    try:
        repository = await code.repository(github.issues)
        await tracker.changed(github.issues, datetime.now(UTC) - timedelta(hours=1))
    except AiecError as error:
        return [failed("github issues", error, BREAKS)]
    if not repository.private:
        text = f"{repository.name} is public: everybody can read the action items of incidents that are not private"
        return [warning("github issues", text, fix="name a private repository in `github.issues`, unless that is meant")]
    return [ok("github issues", f"action items have their issues in {repository.name}")]
