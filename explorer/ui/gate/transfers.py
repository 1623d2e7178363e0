"""Pictures on their way in, and files on their way out: Gradio's three addresses for them, answered by us.

Gradio's own take any file of any kind from anyone, and let their reader ask for ten thousand pieces of one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import stat
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.pictures.formats import check_bytes, read_header
from explorer.ui.gate.refusals import Refusal
from explorer.ui.gate.upload_store import Uploads
from explorer.ui.memory.temp_folder import cannot_store

TYPES = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
         "zip": "application/zip"}  # fmt: skip
STATUSES = {"image_bytes": 413, "image_megapixels": 413, "image_format": 415, "image_svg": 415}
"""How a picture is refused, by the code of the error; 400 otherwise."""
AROUND = 100_000
"""Bytes of a request that are no picture."""
SMALL = 10_000
"""Bytes of a field that is no file."""
CHUNK = 65_536
AT_ONCE = 2
"""Uploads that are looked at and stored at the same time."""
WATCHED = 500
"""Uploads whose progress can be asked for."""
LONGEST_NAME = 64
UNKNOWN_SECONDS, POLL_SECONDS = 3.0, 0.1
"""How long an upload that has not begun is waited for, and how often one under way is looked at."""
UNREADABLE = "The upload could not be read; add the picture again."
SEVERAL = "Add one picture at a time."
NOT_HERE = "That file is not here, or not any more; reload the page."
NO_FILE = "There is no picture in the upload; add one."

log = logging.getLogger(__name__)


def routes(uploads: Uploads) -> list[Route]:
    """Where pictures are sent to, how far they are, and where files are loaded from."""
    transfers = Transfers(uploads)
    return [
        Route("/gradio_api/upload", transfers.receive, methods=["POST"]),
        Route("/gradio_api/upload_progress", transfers.progress),
        Route("/gradio_api/file={path:path}", transfers.serve),
    ]


@dataclass
class Progress:
    """How far an upload is.

    Attributes:
        name: What its visitor calls the file.
        received: Bytes of it so far.
        done: Whether it has ended, well or not.
    """

    name: str = ""
    received: int = 0
    done: bool = False


class Transfers:
    """The answers to requests that bring or fetch a file.

    Args:
        uploads: Where pictures are kept.
    """

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._storing = asyncio.Semaphore(AT_ONCE)
        self._under_way: OrderedDict[str, Progress] = OrderedDict()

    async def receive(self, request: Request) -> Response:
        """Take one picture, and say under what path events may name it."""
        address = request.client.host if request.client else ""
        progress, body = self._watched(request.query_params.get("upload_id", "")), Body(request)
        try:
            with self._uploads.room(address):
                return JSONResponse([str(await self._received(request, body, progress, address))])
        except Refusal as refusal:
            status, text = refusal.status, refusal.text
        except InvalidInput as error:
            status, text = STATUSES.get(error.code, 400), str(error)
        except OSError as error:  # ours from storing it, the system's from taking it in
            log.warning("A picture could not be stored: %s", error.__cause__ or error)
            status, text = 507, str(cannot_store(error))
        except ClientDisconnect:
            return PlainTextResponse(UNREADABLE, 400)  # nobody is left to read it
        finally:
            progress.done = True
        await body.drain()
        return PlainTextResponse(text, status)

    async def _received(self, request: Request, body: Body, progress: Progress, address: str) -> Path:
        """Store the one picture of a request."""
        form = await _form(request, body, progress)
        try:
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            if not files:
                raise InvalidInput(NO_FILE, code="no_file")
            async with self._storing:
                return await run_in_threadpool(self._store, files[0], address)
        finally:
            await form.close()

    def _store(self, upload: UploadFile, address: str) -> Path:
        check_bytes(upload.size or 0)
        return self._uploads.keep(upload.file, read_header(upload.file), address)

    def _watched(self, name: str) -> Progress:
        """What is known of an upload, by the name that its page gave it."""
        if not 0 < len(name) <= LONGEST_NAME:
            return Progress()
        progress = self._under_way[name] = Progress()
        while len(self._under_way) > WATCHED:
            self._under_way.popitem(last=False)
        return progress

    async def progress(self, request: Request) -> Response:
        """Say how far an upload is, until it has ended."""
        name = request.query_params.get("upload_id", "")
        return StreamingResponse(
            self._told(name), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _told(self, name: str) -> AsyncIterator[str]:
        waits = round(UNKNOWN_SECONDS / POLL_SECONDS)
        while name not in self._under_way and waits:
            waits -= 1
            await asyncio.sleep(POLL_SECONDS)
        progress, seen = self._under_way.get(name), 0
        while progress is not None and not progress.done:
            new, seen = progress.received - seen, progress.received
            if new:
                yield _event(msg="update", orig_name=progress.name, chunk_size=new)
            await asyncio.sleep(POLL_SECONDS)
        yield _event(msg="done")

    async def serve(self, request: Request) -> Response:
        """Send a file, or one piece of it."""
        try:
            file, size = await run_in_threadpool(self._opened, request.path_params["path"])
        except (InvalidInput, OSError):  # gone between two looks
            return PlainTextResponse(NOT_HERE, 404, {"X-Content-Type-Options": "nosniff"})
        ending = Path(file.name).suffix.removeprefix(".")
        headers = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-store",  # on a school's computer the next visitor is somebody else
            "Content-Disposition": 'attachment; filename="distance-explorer.zip"' if ending == "zip" else "inline",
            "Content-Type": TYPES[ending],
            "X-Content-Type-Options": "nosniff",
        }
        start, stop = _piece(request.headers.get("range", ""), size)
        if start >= stop and size:
            file.close()
            return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
        part = (start, stop) != (0, size)
        if part:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        headers["Content-Length"] = str(stop - start)
        if request.method == "HEAD":
            file.close()
            return Response(status_code=206 if part else 200, headers=headers)
        return StreamingResponse(_pieces(file, start, stop), 206 if part else 200, headers)

    def _opened(self, text: str) -> tuple[BinaryIO, int]:
        """A file that may be sent, and its size."""
        path = self._uploads.served(text)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            os.close(descriptor)
            raise InvalidInput(NOT_HERE, code="not_uploaded")
        return open(path, "rb", opener=lambda *_: descriptor), facts.st_size


class Body:
    """The body of a request, as long as it can be that of one picture.

    Args:
        request: Whose body; nobody else may read it.
    """

    def __init__(self, request: Request) -> None:
        announced = re.fullmatch(r"\d{1,15}", request.headers.get("content-length", ""), re.ASCII)
        self._chunks = request.stream()
        self._size = int(announced[0]) if announced else 0
        self._seen = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Its parts as they come.

        Raises:
            InvalidInput: It is too large.
        """
        if self._too_large():
            check_bytes(self._size)
        async for chunk in self._chunks:
            self._seen += len(chunk)
            if self._too_large():
                check_bytes(self._seen)
            yield chunk

    async def drain(self) -> None:
        """Take in the rest and forget it: browsers read no answer before they have sent everything."""
        try:
            while not self._too_large():
                self._seen += len(await anext(self._chunks))
        except (StopAsyncIteration, ClientDisconnect):
            return

    def _too_large(self) -> bool:
        return max(self._size, self._seen) > MAX_UPLOAD_BYTES + AROUND


class _Parser(MultiPartParser):
    """Starlette's, telling how much of the file has come."""

    def __init__(self, request: Request, body: Body, progress: Progress) -> None:
        super().__init__(request.headers, body.chunks(), max_files=1, max_fields=4, max_part_size=SMALL)
        self._progress = progress

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        super().on_part_data(data, start, end)
        if (file := self._current_part.file) is not None:
            self._progress.name = file.filename or ""
            self._progress.received += end - start


async def _form(request: Request, body: Body, progress: Progress) -> FormData:
    """The parts of a request, its file on disk where it is large.

    Raises:
        InvalidInput: It is too large, or not what a page sends.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidInput(UNREADABLE, code="upload_unreadable")
    try:
        return await _Parser(request, body, progress).parse()
    except MultiPartException as error:
        several = error.message.startswith("Too many files")
        raise InvalidInput(SEVERAL if several else UNREADABLE, code="upload_unreadable") from error


def _piece(asked: str, size: int) -> tuple[int, int]:
    """Start and stop of what a Range header asks for; the whole file where it is none, or asks for several pieces."""
    found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", asked.strip(), re.ASCII)
    if found is None or not any(found.groups()):
        return 0, size
    first, last = found.groups()
    if not first:
        return max(size - int(last), 0), size if int(last) else 0
    if last and int(last) < int(first):
        return 0, size
    return int(first), min(int(last) + 1, size) if last else size


async def _pieces(file: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        while start < stop:
            chunk = await run_in_threadpool(file.read, min(CHUNK, stop - start))
            start += len(chunk)
            yield chunk


def _event(**message: object) -> str:
    return f"data: {json.dumps(message)}\n\n"
