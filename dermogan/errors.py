"""Errors that a user of dermogan meets, and the one about missing parts of it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from simcell import SimcellError


class DermoganError(SimcellError):
    """Input that cannot be used: one line with field, value, what is allowed, what to do."""


def need(module: str, *, extra: str = "dermogan") -> ModuleType:
    """Import a module of an extra; say what to install where it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        msg = f"{error.name} is not installed; run: pip install 'simcell[{extra}]'"
        raise DermoganError(msg) from None
