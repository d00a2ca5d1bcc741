"""The group of commands that both command lines are: errors in one line, exit codes.

0 = done, 1 = done, and something is off, 2 = input that cannot be used, 130 = stopped.
"""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import click

from simcell.errors import SimcellError

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Commands(click.Group):
    """Turns errors that a user can mend into one line and exit code 2.

    Parameters
    ----------
    program : str
        What lines begin with.
    resumes : str
        The command that goes on with ``--resume`` after it was stopped.
    smaller : str
        What needs less memory.
    """

    def __init__(self, *args: Any, program: str, resumes: str, smaller: str, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **kwargs)
        self._program, self._resumes, self._smaller = program, resumes, smaller

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what the command returns
        """Run a command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = ctx.command_path if error.ctx is None else error.ctx.command_path
            self._stop(ctx, f"{error.format_message()} (`{command} --help` explains)", 2)
        except (SimcellError, OSError, MemoryError) as error:
            if getattr(error, "errno", None) == errno.EPIPE:
                raise  # `simcell presets | head`: click ends quietly
            self._stop(ctx, self._reason(ctx, error), 2)
        except (KeyboardInterrupt, SystemError) as error:
            # Ctrl-C inside a compiled kernel surfaces as a SystemError with it behind.
            if not isinstance(error.__cause__ or error.__context__ or error, KeyboardInterrupt):
                raise
            self._stop(ctx, "stopped" + self._again(ctx, "; go on"), 130)

    def _reason(self, ctx: click.Context, error: Exception) -> str:
        """Say in words what went wrong."""
        if isinstance(error, MemoryError):
            return f"out of memory; use {self._smaller}"
        if isinstance(error, OSError):
            place = f"{error.filename}: " if error.filename else ""
            said = f"{place}{error.strerror or error}"
            if error.errno in _FULL:
                said += f"; free some space and run it again{self._again(ctx, '')}"
            return said
        return str(error)

    def _again(self, ctx: click.Context, how: str) -> str:
        return f"{how} with --resume" if ctx.invoked_subcommand == self._resumes else ""

    def _stop(self, ctx: click.Context, message: str, code: int) -> NoReturn:
        """Say in one line why, and end with this exit code."""
        click.echo(f"{self._program}: {' '.join(message.split())}", err=True)
        ctx.exit(code)
