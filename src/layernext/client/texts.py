"""Arguments that are names, checked before anything is sent."""

from __future__ import annotations

from layernext.errors import DataError, Problem
from layernext.model import find_names_problem


def check_text(value: object, where: str, what: str) -> str:
    """A name that an argument must be.

    Args:
        value: the argument.
        where: its name.
        what: what it names, such as ``a collection``.

    Raises:
        DataError: it cannot be a name.
    """
    problem = find_names_problem(value, what)
    if problem:
        raise DataError(Problem(where, problem))
    return str(value)
