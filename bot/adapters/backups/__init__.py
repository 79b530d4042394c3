"""Where backups lie: a folder, or a bucket of S3."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.adapters.backups.folder import Folder
from bot.core.backups import Backups


@asynccontextmanager
async def open_backups(url: str) -> AsyncIterator[Backups]:
    """Yields the place that `file:///PATH` or `s3://BUCKET/PREFIX` names; nothing is asked of it yet. Where S3 is and who we are there is said by AWS' own
    variables and files."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        yield Folder(Path(unquote(parts.path)))
        return
    from bot.adapters.backups.s3 import Bucket  # botocore takes a while, and 30 MiB, to be imported

    bucket = Bucket(parts.netloc, parts.path.strip("/"))
    try:
        yield bucket
    finally:
        await bucket.close()
