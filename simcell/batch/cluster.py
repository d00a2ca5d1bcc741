"""Workers on other machines, through Dask."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from importlib import import_module
from itertools import islice
from types import ModuleType
from typing import Protocol
from uuid import uuid4

from simcell.errors import SimcellError

RETRIES = 3
_PATIENCE_S = 30


class _Future(Protocol):
    """What is used of a Dask future."""

    def result(self) -> int: ...


def run_on_cluster(
    job: Callable[[int], int], numbers: Iterable[int], address: str
) -> Generator[int]:
    """Do the job for every number on a Dask cluster; yield results as they come.

    Two jobs a thread are under way at any time, so that memory stays flat however
    many there are. Dask repeats the jobs of a lost worker on another one.

    Parameters
    ----------
    job : callable
        Takes a number; can be pickled. The workers must see the same files.
    numbers : iterable of int
        What to do.
    address : str
        Of the scheduler, such as ``"tcp://host:8786"``.

    Raises
    ------
    SimcellError
        Where Dask or the cluster is not there, or a task killed its workers. What
        the job raises is raised here.
    """
    dask = _dask()
    with ExitStack() as stack:
        try:
            client = dask.Client(address, timeout=_PATIENCE_S, set_as_default=False)
            stack.enter_context(client)
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except (OSError, ValueError) as error:
            msg = (
                f"cluster = {address!r}: the scheduler has no worker after {_PATIENCE_S} s; "
                "start `dask worker`, then run again with --resume"
            )
            raise SimcellError(msg) from error
        run, waiting = uuid4().hex[:8], iter(numbers)

        def submit(number: int) -> _Future:
            key = f"simcell-{run}-{number}"
            future: _Future = client.submit(job, number, key=key, pure=False, retries=RETRIES)
            return future

        at_once = 2 * sum(client.nthreads().values())
        # Nothing else holds the futures, so that Dask forgets those that are done.
        running = dask.as_completed(loop=client.loop)
        for number in islice(waiting, at_once):
            running.add(submit(number))
        try:
            for future in running:
                yield _result(dask, future)
                for number in islice(waiting, 1):
                    running.add(submit(number))
        finally:
            client.cancel(list(running.futures))


def check_scheduler(address: str) -> None:
    """Refuse an address where nothing listens, at once and before any file is made.

    A ``Client`` would try for a minute and then complain from its destructor.
    """
    addressing = import_module(f"{_dask().__name__}.comm.addressing")
    try:
        _, place = addressing.parse_address(address, strict=True)
        host, port = addressing.parse_host_port(place)
        socket.create_connection((host, port), timeout=_PATIENCE_S).close()
    except (OSError, ValueError, OverflowError) as error:
        msg = (
            f"cluster = {address!r}: no scheduler answers there ({error}); "
            "start `dask scheduler` and give its address, like tcp://host:8786"
        )
        raise SimcellError(msg) from error


def _dask() -> ModuleType:
    try:
        return import_module("distributed")
    except ImportError as error:
        msg = "cluster: Dask is not installed; run: pip install 'simcell[cluster]'"
        raise SimcellError(msg) from error


def _result(dask: ModuleType, future: _Future) -> int:
    try:
        return future.result()
    except dask.KilledWorker as error:
        msg = (
            f"cluster: every worker that tried a task died ({str(error)[:120]}), often a sign of "
            "too little memory; finished samples are kept: run again with --resume"
        )
        raise SimcellError(msg) from error
