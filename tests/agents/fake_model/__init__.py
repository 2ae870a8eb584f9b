"""A scripted stand-in for a language-model API, for driving real coding-agent CLIs in tests.

It listens on loopback only, and speaks four protocols, streamed (SSE) and plain, one module each: Anthropic
Messages (`…/messages`), OpenAI Chat Completions (`…/chat/completions`), OpenAI Responses (`…/responses`) and Gemini
(`…/models/<m>:generateContent`). What it answers is a scenario, named by the first segment of the path.

    with FakeModel({"mine": {"steps": [...]}}) as model:
        run_cli(base_url=model.url("mine"))
        assert model.requests[-1]["step"] == 1
"""

from tests.agents.fake_model.server import FakeModel

__all__ = ["FakeModel"]
