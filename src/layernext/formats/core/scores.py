"""Scores of other tools as confidences from 0 to 1."""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct

from layernext.errors import ConfigurationError, FormatError, Problem

SIGMOID = "sigmoid"
_MEANINGS = "100 for percent, or sigmoid for logits"


class Scores(Struct, frozen=True):
    """How the scores of a source become confidences.

    Attributes:
        divisor: number to divide them by, such as 100 for percent; 1 leaves them unchanged.
        is_logit: whether they are logits, to which the logistic function is applied.
    """

    divisor: float = 1.0
    is_logit: bool = False

    @classmethod
    def parse(cls, text: str | float | None) -> Scores:
        """The scale that a user names: a number, or ``sigmoid``.

        Raises:
            ConfigurationError: it is neither.
        """
        if text is None:
            return cls()
        if text == SIGMOID:
            return cls(is_logit=True)
        try:
            divisor = float(text)
        except ValueError:
            divisor = 0.0
        if not 0 < divisor < math.inf:
            message = f"the scale of confidences is {text!r}, must be a number above 0, or sigmoid"
            raise ConfigurationError(message, hint=f"use {_MEANINGS}")
        return cls(divisor=divisor)

    @property
    def is_plain(self) -> bool:
        """Whether scores are confidences already."""
        return self.divisor == 1 and not self.is_logit

    def read(self, value: Any, where: str, name: str = "score") -> float | None:
        """A score as a confidence; None if there is none.

        Args:
            value: as it is in the source; text that is a number is one.
            where: its location, for messages.
            name: what the source calls it.

        Raises:
            FormatError: it is not a number, or not from 0 to 1 after scaling.
        """
        if value is None:
            return None
        try:
            if isinstance(value, bool):
                raise TypeError  # noqa: TRY301 - the same sentence
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            message = f"the {name} is {_short(value)}, must be a number from 0 to 1"
            raise FormatError(Problem(where, message)) from error
        text = _short(value if not isinstance(value, str) else number)
        if self.is_logit:
            number = _logistic(number)
        elif self.divisor != 1:
            number /= self.divisor
        if 0 <= number <= 1:
            return number
        scaled = "" if self.is_plain else f" divided by {self.divisor:g}"
        raise FormatError(
            Problem(where, f"the {name} is {text}{scaled}, must be from 0 to 1"),
            hint=f"give --scale-confidence {_MEANINGS}" if self.is_plain else None,
        )


def _logistic(number: float) -> float:
    if number >= 0:
        return 1 / (1 + math.exp(-min(number, 700.0)))
    power = math.exp(max(number, -700.0))
    return power / (1 + power)


def _short(value: Any) -> str:
    text = repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - fits a line
