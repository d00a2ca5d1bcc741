"""What both command lines make of errors: one line, and an exit code."""

from __future__ import annotations

import errno
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

import dermogan.cli
import simcell.cli
from simcell import SimcellError
from simcell.commands import Commands


def run(error: BaseException, command: str = "make") -> Result:
    @click.group(cls=Commands, program="tool", resumes="make", smaller="less")
    def group() -> None: ...

    @group.command()
    def make() -> None:
        raise error

    group.add_command(make, "look")
    return CliRunner().invoke(group, [command])


def interrupted_kernel() -> SystemError:
    error = SystemError("a compiled function returned a result with an exception set")
    error.__cause__ = KeyboardInterrupt()
    return error


FULL = OSError(errno.ENOSPC, "No space left on device", "run/log.csv")


@pytest.mark.parametrize(
    ("error", "command", "code", "said"),
    [
        (SimcellError("x = 1:\n must be 2"), "make", 2, "x = 1: must be 2"),
        (MemoryError(), "make", 2, "out of memory; use less"),
        (
            PermissionError(errno.EACCES, "Permission denied", "a"),
            "make",
            2,
            "a: Permission denied",
        ),
        (
            FULL,
            "make",
            2,
            "run/log.csv: No space left on device; free some space and run it again with --resume",
        ),
        (
            FULL,
            "look",
            2,
            "run/log.csv: No space left on device; free some space and run it again",
        ),
        (KeyboardInterrupt(), "make", 130, "stopped; go on with --resume"),
        (interrupted_kernel(), "look", 130, "stopped"),
        (
            click.UsageError("no such thing"),
            "look",
            2,
            "no such thing (`group look --help` explains)",
        ),
    ],
)
def test_errors_are_one_line(error: BaseException, command: str, code: int, said: str) -> None:
    result = run(error, command)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"tool: {said}\n")


def test_errors_of_the_program_itself_are_not_hidden() -> None:
    for bug in (
        SystemError("real"),
        ValueError("real"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
    ):
        result = run(bug)
        assert result.stderr == ""
        assert result.exit_code == 1


@pytest.mark.parametrize(
    ("main", "name"), [(simcell.cli.main, "simcell"), (dermogan.cli.main, "dermogan")]
)
def test_both_command_lines_speak_so(main: click.Group, name: str) -> None:
    assert isinstance(main, Commands)
    result = CliRunner().invoke(main, ["no-such-command"], prog_name=name)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{name}: No such command")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["simcell", "dermogan"])
def test_help_needs_nothing_heavy(name: str) -> None:
    heavy = ["numpy", "numba", "scipy", "torch", "cv2", "zarr", "pydantic"]
    script = (
        f"import sys\nfrom {name}.cli import main\nmain(['--help'], standalone_mode=False)\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
