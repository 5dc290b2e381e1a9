"""The public face of differentiation: `backward` and `grad` first. Start reading there."""

from __future__ import annotations

from regrad.autograd.passes import backward, grad

__all__ = ["backward", "grad"]
