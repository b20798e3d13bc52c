"""Many workers of one gateway: processes that share the listeners' addresses, watched by one that serves nothing.

Each worker is a whole gateway. The kernel hands every new connection to one of them (`SO_REUSEPORT`), and they tell
each other nothing: what makes a revocation take effect in one takes effect in all, see `stores`. Counters are added up
over the workers, also over those that are gone, whichever worker is asked for `/metrics`.

    starting   all workers must come up, else none serves
    a death    another worker is started: at once if this one had lived for a while, else later and later
    SIGHUP     new workers with the settings of now; as each comes up, an old one may go
    SIGTERM    workers let calls under way end, then go; who does not is killed
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from prometheus_client import multiprocess

from gateway.app.control import StartError

_log = logging.getLogger(__name__)

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which `prometheus_client` learns that there are other processes."""

_LIVED = 10.0
"""Seconds after which a worker counts as one that worked."""

_DELAYS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the next worker, while one after the other dies young."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Times are seconds."""

    command: Sequence[str]
    """Starts a worker; `--ready-fd N` is added, where it writes a byte when it serves."""
    count: int
    start_seconds: float = 60.0
    """Until a worker serves; a database that is being migrated elsewhere is waited for no longer."""
    stop_seconds: float = 30.0
    """Until a worker that was told to stop is gone: longer than it lets calls under way go on."""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Worker:
    process: asyncio.subprocess.Process
    since: float

    @property
    def age(self) -> float:
        return asyncio.get_running_loop().time() - self.since


@contextmanager
def shared_address(host: str, port: int) -> Iterator[int]:
    """The port that all workers listen on (a free one for 0), ours as long as the block runs. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, socket.SOCK_STREAM) as alone:  # whoever has it already does not share it with us
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
        taken = alone.getsockname()
    with socket.socket(family, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(taken)
        yield int(held.getsockname()[1])


class Workers:
    """Starts and watches workers. Make it with `supervised`."""

    def __init__(self, options: WorkerOptions, metrics: str) -> None:
        self._options = options
        self._metrics = metrics
        self._watched: dict[_Worker, asyncio.Task[None]] = {}
        self._stopping: set[_Worker] = set()
        self._turn = asyncio.Lock()
        """Held while a worker comes up in the place of another one: it is renewed, or has the settings of now."""
        self._young = 0

    @property
    def pids(self) -> list[int]:
        """Of the workers that serve."""
        return [worker.process.pid for worker in self._watched if worker not in self._stopping]

    async def start(self) -> None:
        """All workers, or StartError and none."""
        try:
            await asyncio.gather(*(self._add() for _ in range(self._options.count)))
        except StartError:
            await self.stop()
            raise

    async def renew(self) -> None:
        """Replaces all workers, one by one. Raises StartError where a new one does not come up; the old ones stay.

        One that takes a dead one's place is waited for: it may have read the settings of before.
        """
        async with self._turn:
            before = [worker for worker in self._watched if worker not in self._stopping]
        for old in before:
            async with self._turn:
                if old not in self._watched:  # it died meanwhile, and another one has its place
                    continue
                await self._add()
                self._stopping.add(old)
            await self._end(old)

    async def stop(self) -> None:
        """Ends all workers, and the starting of new ones."""
        self._stopping.update(self._watched)
        watching = dict(self._watched)
        for task in watching.values():
            task.cancel()
        await asyncio.gather(*watching.values(), return_exceptions=True)
        await asyncio.gather(*(self._end(worker) for worker in {**watching, **self._watched}))

    async def _add(self) -> None:
        worker = await self._launch()
        self._watched[worker] = asyncio.get_running_loop().create_task(self._watch(worker))

    async def _launch(self) -> _Worker:
        """A worker that serves."""
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._options.command,
                "--ready-fd",
                str(writing),
                stdin=asyncio.subprocess.PIPE,  # ends when we do, and the worker with it
                pass_fds=(writing,),
                env={**os.environ, **self._options.environment, METRICS_FOLDER: self._metrics},
            )
        finally:
            os.close(writing)
        worker = _Worker(process, asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(self._options.start_seconds):
                if await _byte(reading):
                    return worker
        except TimeoutError:
            process.kill()
        except BaseException:  # nobody is left who would watch it
            process.kill()
            raise
        status = await process.wait()
        raise StartError(f"a worker did not come up (status {status}); its messages say why")

    async def _watch(self, worker: _Worker) -> None:
        """Until the worker is gone; another one takes its place, unless it was told to go."""
        status = await worker.process.wait()
        multiprocess.mark_process_dead(worker.process.pid, self._metrics)  # type: ignore[no-untyped-call]
        while worker not in self._stopping:
            self._young = 0 if worker.age > _LIVED else self._young + 1
            _log.error("worker %s ended with status %s; another one is started", worker.process.pid, status)
            if self._young:
                await asyncio.sleep(_DELAYS[min(self._young, len(_DELAYS)) - 1])
            if await self._replaced(worker):
                break
        self._watched.pop(worker, None)
        self._stopping.discard(worker)

    async def _replaced(self, dead: _Worker) -> bool:
        """Whether another one has the place of one that is dead."""
        async with self._turn:
            try:
                if dead not in self._stopping:
                    await self._add()
            except StartError as fault:
                _log.error("%s", fault)
                return False
            self._watched.pop(dead, None)
            return True

    async def _end(self, worker: _Worker) -> None:
        if worker.process.returncode is None:
            worker.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._options.stop_seconds):
                await worker.process.wait()
        except TimeoutError:
            _log.error("worker %s did not stop and is killed", worker.process.pid)
            worker.process.kill()
            await worker.process.wait()


@asynccontextmanager
async def supervised(options: WorkerOptions) -> AsyncIterator[Workers]:
    """Workers that serve while the block runs. Raises StartError."""
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="gateway-metrics-"))
        workers = Workers(options, folder)
        await workers.start()
        opened.push_async_callback(workers.stop)
        yield workers


async def _byte(reading: int) -> bytes:
    """The byte that a worker writes when it serves; nothing if it ends before."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(reading, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return await reader.read(1)
    finally:
        transport.close()
