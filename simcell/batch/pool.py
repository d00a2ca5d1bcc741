"""Local worker processes.

Decision: workers are plain child processes (``python -c``) that talk over pipes,
not `multiprocessing` ones. A script needs no ``__main__`` guard, and notebooks and
Windows work alike; the thread limits of BLAS and numba are set before those load;
Ctrl-C in a terminal reaches the parent alone, which kills its workers at once; and
a worker whose parent is gone notices by the closed pipe, whatever it is doing. The
price is one import of simcell per child, about a second. This process works too, as
one of the workers, which saves one of those imports.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Any, BinaryIO, TypeAlias

from simcell.errors import SimcellError

Job: TypeAlias = Callable[[int], int]

_START = "import sys; sys.path[:] = sys.argv[1:]; from simcell.batch.pool import serve; serve()"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run_here(job: Job, numbers: Iterable[int]) -> Generator[int]:
    """Do the job for every number in this process; yield each result."""
    for number in numbers:
        yield job(number)


def run_in_processes(job: Job, numbers: Iterable[int], workers: int) -> Generator[int]:
    """Do the job for every number, here and in child processes; yield results as they come.

    Closing the iterator, or any exception, kills the children.

    Parameters
    ----------
    job : callable
        Takes a number; can be pickled.
    numbers : iterable of int
        What to do, taken in this order.
    workers : int
        Number of processes, this one included.

    Raises
    ------
    SimcellError
        Where a worker ended by itself. What the job raises is raised here.
    """
    todo = queue.SimpleQueue[int]()
    count = 0
    for number in numbers:
        todo.put(number)
        count += 1
    results = queue.SimpleQueue[int | BaseException]()
    processes = [_start() for _ in range(min(workers, count) - 1)]
    drivers = [
        threading.Thread(target=_drive, args=(process, job, todo, results), daemon=True)
        for process in processes
    ]
    try:
        for driver in drivers:
            driver.start()
        for _ in range(count):
            result = _result(job, todo, results)
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        _stop(processes, drivers)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _START, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
        # Out of the terminal's foreground group, which is what Ctrl-C is sent to.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _result(
    job: Job, todo: queue.SimpleQueue[int], results: queue.SimpleQueue[int | BaseException]
) -> int | BaseException:
    """Take what a child has done, else do something here, else wait for a child."""
    with suppress(queue.Empty):
        return results.get_nowait()
    try:
        number = todo.get_nowait()
    except queue.Empty:
        return _next(results)
    return job(number)


def _next(results: queue.SimpleQueue[int | BaseException]) -> int | BaseException:
    """Wait for a result, so that Ctrl-C is noticed on every system."""
    while True:
        try:
            return results.get(timeout=0.5)
        except queue.Empty:
            continue


def _drive(
    process: subprocess.Popen[bytes],
    job: Job,
    todo: queue.SimpleQueue[int],
    results: queue.SimpleQueue[int | BaseException],
) -> None:
    """Feed one worker, one number at a time, and collect its answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        pickle.dump(job, process.stdin)
        while True:
            number = todo.get_nowait()
            pickle.dump(number, process.stdin)
            process.stdin.flush()
            results.put(pickle.load(process.stdout))
    except queue.Empty:
        return
    except (EOFError, OSError, pickle.UnpicklingError):
        results.put(SimcellError(_last_words(process)))
    except Exception as error:  # Such as a job that cannot be pickled; nothing may be lost here.
        results.put(error)


def _last_words(process: subprocess.Popen[bytes]) -> str:
    """Say how a worker ended."""
    code = process.wait()
    if code < 0:
        how = f"was ended by {signal.Signals(-code).name}, often a sign of too little memory"
    else:
        how = f"ended with code {code}, see its own message above"
    return (
        f"worker process {process.pid} {how}; finished samples are kept: "
        "run again with --resume, perhaps with fewer workers"
    )


def _stop(processes: list[subprocess.Popen[bytes]], drivers: list[threading.Thread]) -> None:
    for process in processes:
        process.kill()
    for driver in drivers:
        driver.join()
    for process in processes:
        # Closes the pipes too; what they still hold for a dead worker is of no use.
        with suppress(OSError), process:
            pass


def serve() -> None:
    """Do what the parent asks for until it closes the pipe or is gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Whatever a library prints must not mix with the answers.
    asked = queue.SimpleQueue[Any]()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    job: Job = asked.get()
    while True:
        number = asked.get()
        try:
            answer: int | BaseException = job(number)
        except Exception as error:
            answer = _portable(error)
        pickle.dump(answer, answers)
        answers.flush()


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent, with the place it comes from."""
    if not isinstance(error, SimcellError):
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(traceback.format_exc())
    return error


def _listen(questions: BinaryIO, asked: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            asked.put(pickle.load(questions))
    except BaseException:
        # Nobody is left to answer. Every file is whole or absent at any moment.
        os._exit(0)
