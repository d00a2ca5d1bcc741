"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_S = 15.0

Advance = Callable[[int], None]
"""Takes the number of samples that are newly done."""


@contextmanager
def reported(n: int, done: int, progress: bool | None, what: str = "samples") -> Iterator[Advance]:
    """Report on ``n`` samples, of which ``done`` were there before.

    Parameters
    ----------
    n, done : int
        Samples in all, and at the start.
    progress : bool or None
        True: a bar; False: nothing; None: a bar on a terminal, else lines on stderr.
    what : str
        What is counted, where it is not samples.

    Yields
    ------
    callable
        To be told of newly finished samples.
    """
    if progress is False:
        yield lambda _: None
    elif progress or sys.stderr.isatty():
        with _bar(n, done, what) as advance:
            yield advance
    else:
        yield _lines(n, done, what)


@contextmanager
def _bar(n: int, done: int, what: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    rate = TextColumn("{task.fields[rate]}")
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), rate, TimeLeft())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=n, completed=done, rate="")
        start, made = time.perf_counter(), 0

        def advance(count: int) -> None:
            nonlocal made
            made += count
            seconds = time.perf_counter() - start
            bar.update(task, advance=count, rate=f"{made / max(seconds, 1e-9):.1f}/s")

        yield advance


def _lines(n: int, done: int, what: str) -> Advance:
    start = said = time.perf_counter()
    before = done

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        now = time.perf_counter()
        if now - said >= _EVERY_S:
            said = now
            rate = (done - before) / (now - start)
            left = (n - done) / rate
            sys.stderr.write(f"{done}/{n} {what}, {rate:.1f}/s, {left:.0f} s left\n")

    return advance
