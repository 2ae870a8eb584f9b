"""What a scripted model has to say so that each real agent fixes the file, and how they are pointed at it."""

from kazid.harnesses.pointing import CONFIGURE, MODELS

FIX, FIX_BY_TEXT, FIX_AND_SUBMIT = "fix", "fix-aider", "fix-mswea"
SCENARIOS = {"aider": FIX_BY_TEXT, "mini": FIX_AND_SUBMIT}
"""What a model has to say for this agent to fix the file, where that is not `FIX`."""

__all__ = ["CONFIGURE", "FIX", "FIX_AND_SUBMIT", "FIX_BY_TEXT", "MODELS", "SCENARIOS"]
