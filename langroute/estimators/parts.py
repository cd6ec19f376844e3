"""What is stored of something fitted; it lives below all rooms, for policies and acceptance rules are fitted too."""

from langroute.parts import Fitted, Parts

__all__ = ["Fitted", "Parts"]
