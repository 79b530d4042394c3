"""Backups in S3, by AWS' own client in threads. A file is a multipart upload, which nobody sees before it is completed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from bot.core.errors import AiecError, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable

_PART = 8 * 1024 * 1024  # S3 takes 10,000 parts; grown when that would not do
_GROWS_EVERY = 1000
_READ = 1024 * 1024
_UNAUTHENTICATED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired")


class Bucket:
    """Implements `bot.core.backups.Backups`."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self.where = f"s3://{bucket}/{prefix}".rstrip("/")
        self._made: Any = None

    async def names(self, prefix: str) -> list[str]:
        found: list[str] = await self._call(self._names, prefix)
        return found

    def _names(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
        return [one["Key"].removeprefix(self._prefix) for page in pages for one in page.get("Contents", ())]

    @asynccontextmanager
    async def create(self, name: str) -> AsyncIterator["_Upload"]:
        await self._call(self._abandon, name)
        upload = _Upload(self, self._prefix + name)
        await upload.begin()
        try:
            yield upload
            await upload.finish()
        except BaseException:
            with suppress(AiecError):
                await upload.abort()
            raise

    async def read(self, name: str) -> AsyncIterator[bytes]:
        answer = await self._call(self._client.get_object, Bucket=self._bucket, Key=self._prefix + name)
        body = answer["Body"]
        try:
            while piece := await self._call(body.read, _READ):
                yield piece
        finally:
            body.close()

    async def remove(self, name: str) -> None:
        await self._call(self._client.delete_object, Bucket=self._bucket, Key=self._prefix + name)
        await self._call(self._abandon, name)

    def _abandon(self, name: str) -> None:
        """Aborts the uploads of that name that a process left when it was killed."""
        key = self._prefix + name
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key):
            for one in page.get("Uploads", ()):
                if one["Key"] == key:
                    self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=one["UploadId"])

    async def close(self) -> None:
        if self._made is not None:
            self._made.close()

    @property
    def _client(self) -> Any:
        if self._made is None:
            # Of the checksums that the client adds by itself other makers of S3 do not know all.
            settings = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=30, request_checksum_calculation="when_required")
            self._made = boto3.session.Session().client("s3", config=settings)
        return self._made

    async def call(self, method: str, **arguments: Any) -> Any:
        """Calls a method of the client, for this bucket."""
        return await self._call(lambda: getattr(self._client, method)(Bucket=self._bucket, **arguments))

    async def _call(self, what: Callable[..., Any], *given: Any, **named: Any) -> Any:
        try:
            return await asyncio.to_thread(what, *given, **named)
        except (ClientError, BotoCoreError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> AiecError:
        if isinstance(error, NoCredentialsError):
            return Unauthenticated(f"There are no credentials for {self.where}.", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod a role.")
        if not isinstance(error, ClientError):
            return Unavailable(f"{self.where} cannot be reached: {error}", "Check AWS_ENDPOINT_URL and the network.")
        code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            return Invalid(f"There is no bucket {self._bucket} for backups.", "Create it, or correct AIEC_BACKUP_URL.")
        if code in _UNAUTHENTICATED:
            return Unauthenticated(f"{self.where} does not accept our credentials: {code}.", "Renew them.")
        if code in ("NoSuchKey", "404"):
            return NotFound(f"That is not in {self.where}: {said}")
        if status == 403:
            return Forbidden(f"We may not {error.operation_name} in {self.where}: {said or code}.", f"Allow it in the bucket's policy: {_ACTIONS}.")
        return Unavailable(f"{self.where} answered {error.operation_name} with {status} {code}: {said}", "It is looked at again.")


_ACTIONS = "s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload"


class _Upload:
    """A multipart upload: at most two parts of it are in memory."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket, self._key = bucket, key
        self._id = ""
        self._buffer = bytearray()
        self._parts: list[dict[str, Any]] = []

    async def begin(self) -> None:
        self._id = (await self._bucket.call("create_multipart_upload", Key=self._key))["UploadId"]

    async def write(self, data: bytes) -> None:
        self._buffer += data
        size = _PART << (len(self._parts) // _GROWS_EVERY)
        while len(self._buffer) >= size:
            part = bytes(self._buffer[:size])
            del self._buffer[:size]
            await self._send(part)

    async def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        answer = await self._bucket.call("upload_part", Key=self._key, UploadId=self._id, PartNumber=number, Body=part)
        self._parts.append({"ETag": answer["ETag"], "PartNumber": number})

    async def finish(self) -> None:
        if self._buffer or not self._parts:
            await self._send(bytes(self._buffer))
        await self._bucket.call("complete_multipart_upload", Key=self._key, UploadId=self._id, MultipartUpload={"Parts": self._parts})

    async def abort(self) -> None:
        await self._bucket.call("abort_multipart_upload", Key=self._key, UploadId=self._id)
