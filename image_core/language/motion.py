"""What an expression says of motion and time: no still picture can answer that, and what is left of it can be asked.

"the car moving left" is, for a still picture, "the car".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TimedExpression:
    """An expression, what a still picture can show of it, and what only a video can."""

    #: As the user gave it.
    text: str
    #: The expression without its words of motion; the text itself where there are none.
    still: str

    def document(self) -> dict[str, Any]:
        """What is told of it in a result, as JSON values."""
        return {} if self.still == self.text else {"asked": self.still}


def timed(expression: str) -> TimedExpression:
    """An expression with what it says of motion. Never fails: what is not understood stays in the still part."""
    return TimedExpression(expression, expression)
