"""A network cable that can be cut: a TCP port that leads to a Unix socket, in a thread of its own."""

import asyncio
import threading
from pathlib import Path
from types import TracebackType

CHUNK_BYTES = 65_536


class Cable:
    """`port` leads to `target` until `cut`: then nothing passes and nobody is told, or (`loud`) all is reset.

    Use it in a `with` block; every method may be called from any thread.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._whole.set()
        self._refuses = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="cable", daemon=True)
        self.port = 0

    def __enter__(self) -> "Cable":
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, *, loud: bool) -> None:
        """Until `mend`."""
        self._loop.call_soon_threadsafe(self._cut, loud)

    def mend(self) -> None:
        """What was held back passes now."""
        self._loop.call_soon_threadsafe(self._mend)

    def _cut(self, loud: bool) -> None:
        self._refuses = loud
        self._whole.clear()
        if loud:
            for writer in self._writers:
                writer.transport.abort()

    def _mend(self) -> None:
        self._refuses = False
        self._whole.set()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        far_writer = None
        try:
            if self._refuses:
                return
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_unix_connection(str(self._target))
            self._writers.add(far_writer)
            there = asyncio.ensure_future(self._carry(reader, far_writer))
            back = asyncio.ensure_future(self._carry(far_reader, writer))
            try:
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            for end in (writer, far_writer):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._whole.wait()
            writer.write(chunk)
            await writer.drain()
