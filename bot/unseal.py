"""`aiec backup open`: a backup of configuration with its Secrets readable, for whoever holds the key."""

import asyncio
import os
import sys
from pathlib import Path

from bot.app import opener
from bot.core.errors import Invalid
from bot.settings import load


async def unseal(path: str) -> int:
    """Prints the file, each encrypted Secret as the object that it was."""
    readable = opener(load(os.environ))
    try:
        written = await asyncio.to_thread(Path(path).read_bytes)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", "Take it out of the store that AIEC_BACKUP_URL names.") from error
    sys.stdout.buffer.write(readable(written))
    return 0
