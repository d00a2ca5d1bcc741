"""Batches made ahead by worker processes, so that the trainer does not wait for simulations."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process

import cv2

from dermogan.data import Batch, Data
from dermogan.errors import DermoganError
from dermogan.recipe import Recipe

_AHEAD = 3  # batches made ahead, per worker
_data: Data | None = None  # of a worker process


def _start(recipe_text: str, seed: int) -> None:
    global _data
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's to deal with
    threading.Thread(target=_end_with_the_trainer, daemon=True).start()
    cv2.setNumThreads(1)
    _data = Data(Recipe.from_text(recipe_text), seed)


def _end_with_the_trainer() -> None:
    """End this worker when the trainer has been killed; its queue would wait for ever."""
    trainer = parent_process()
    if trainer is not None:
        trainer.join()
        os._exit(1)


def _make(step: int, rank: int, ranks: int) -> Batch:
    assert _data is not None
    return _data.batch(step, rank, ranks)


class Feed:
    """Batches in order, made ahead by worker processes; knows how long the trainer waited.

    Attributes
    ----------
    waited_s, first_s : float
        Wall-clock seconds spent in `next`: for all batches but the first, and for the first,
        which waits for the workers to start.
    began_s : float
        When the first batch was there, by ``time.perf_counter``.
    """

    def __init__(
        self, data: Data, steps: range, pool: ProcessPoolExecutor | None, rank: int, ranks: int
    ) -> None:
        self._data, self._pool, self._share = data, pool, (rank, ranks)
        self._steps = iter(steps)
        self._coming: deque[Future[Batch]] = deque()
        self.waited_s = self.first_s = self.began_s = 0.0
        for _ in range(_AHEAD * data.recipe.data.workers if pool else 0):
            self._order()

    def _order(self) -> None:
        step = next(self._steps, None)
        if step is not None and self._pool is not None:
            self._coming.append(self._pool.submit(_make, step, *self._share))

    def next(self) -> Batch:
        """Return the next batch."""
        began = time.perf_counter()
        if self._pool is None:
            batch = self._data.batch(next(self._steps), *self._share)
        else:
            try:
                batch = self._coming.popleft().result()
                self._order()
            except BrokenProcessPool:
                msg = "a worker process was killed (out of memory?); go on with fewer data.workers"
                raise DermoganError(msg) from None
        now = time.perf_counter()
        if self.began_s:
            self.waited_s += now - began
        else:
            self.first_s, self.began_s = now - began, now
        return batch


@contextmanager
def feed(data: Data, steps: range, rank: int = 0, ranks: int = 1) -> Iterator[Feed]:
    """Open the batches of these steps; the worker processes end with the block."""
    workers = data.recipe.data.workers
    if workers == 0:
        yield Feed(data, steps, None, rank, ranks)
        return
    context = get_context("spawn")  # a fork would copy the trainer's threads' locks
    pool = ProcessPoolExecutor(
        workers, context, initializer=_start, initargs=(data.recipe.text, data.seed)
    )
    try:
        yield Feed(data, steps, pool, rank, ranks)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
