"""Secrets in backups, encrypted and authenticated (Fernet: AES-128-CBC and HMAC-SHA-256) with a key of AIEC_BACKUP_KEY."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from bot.core.errors import Invalid
from bot.core.steps.config_backup import SEALED


class Seal:
    """`secret`: the text of AIEC_BACKUP_KEY, at least 32 characters."""

    def __init__(self, secret: str) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"aiec backup\0" + secret.encode()).digest()))

    def close(self, text: bytes) -> bytes:
        """Returns the text encrypted, as one line of ASCII."""
        return self._fernet.encrypt(text)

    def open(self, file: bytes) -> bytes:
        """Returns a config backup with its Secrets readable. Raises Invalid when the key is not the one that they were encrypted with."""
        mark = SEALED.encode()
        try:
            return b"".join(self._fernet.decrypt(line[len(mark) :].strip()) + b"\n" if line.startswith(mark) else line for line in file.splitlines(True))
        except InvalidToken as error:
            raise Invalid(
                "AIEC_BACKUP_KEY is not the key that these Secrets were encrypted with, or they were changed.", "Use the key of that time."
            ) from error
