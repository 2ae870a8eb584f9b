"""How each built-in agent is pointed at a model of another address: its variables and settings, in a HOME of its own.

None of this is a dispatch's: it is what a person does once to configure their agent. `kazictl harness check` and the
project's own tests use it to drive a real agent against a scripted model on loopback.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

CLAUDE_MODEL = "claude-sonnet-4-5"
MODELS: Mapping[str, str] = {
    "claude": CLAUDE_MODEL,
    "gemini_cli": "gemini-2.5-pro",
    "mini": "openai/fake-model",
    "aider": "openai/fake-model",
    "pi": "fake/fake-model",
}
"""`[harness] model`, where the configuration does not say it."""


def _claude(home: Path, url: str) -> Mapping[str, str]:
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "dummy"}


def _codex(home: Path, url: str) -> Mapping[str, str]:
    folder = home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(
        'model = "fake-model"\nmodel_provider = "fake"\ncheck_for_update_on_startup = false\n'
        f'[model_providers.fake]\nname = "fake"\nbase_url = "{url}/v1"\nenv_key = "OPENAI_API_KEY"\n'
        'wire_api = "responses"\nrequest_max_retries = 1\nstream_max_retries = 1\n[analytics]\nenabled = false\n'
    )
    return {"OPENAI_API_KEY": "dummy", "CODEX_HOME": str(folder)}


def _opencode(home: Path, url: str) -> Mapping[str, str]:
    model = {
        "name": "Fake",
        "tool_call": True,
        "limit": {"context": 200_000, "output": 8000},
        "cost": {"input": 1, "output": 2},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Fake",
        "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"},
        "models": {"fake-model": model},
    }
    config = {"autoupdate": False, "share": "disabled", "model": "fake/fake-model", "small_model": "fake/fake-model",
              "provider": {"fake": provider}}  # fmt: skip
    path = home / "opencode.json"
    path.write_text(json.dumps(config))
    return {"OPENCODE_CONFIG": str(path)}


def _gemini(home: Path, url: str) -> Mapping[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "telemetry": {"enabled": False},
    }
    _written(home / ".gemini" / "settings.json", settings)
    return {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": "dummy"}


def _copilot(home: Path, url: str) -> Mapping[str, str]:
    return {
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_API_KEY": "dummy",
        "COPILOT_MODEL": "fake-model",
        "COPILOT_OFFLINE": "true",
    }


def _pi(home: Path, url: str) -> Mapping[str, str]:
    cost = {"input": 1, "output": 2, "cacheRead": 0, "cacheWrite": 0}
    model = {
        "id": "fake-model",
        "name": "Fake",
        "input": ["text"],
        "contextWindow": 200_000,
        "maxTokens": 8000,
        "cost": cost,
    }
    fake = {"baseUrl": f"{url}/v1", "api": "openai-completions", "apiKey": "dummy", "models": [model]}
    _written(home / ".pi" / "agent" / "models.json", {"providers": {"fake": fake}})
    return {"PI_OFFLINE": "1"}


def _qwen(home: Path, url: str) -> Mapping[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True},
    }
    _written(home / ".qwen" / "settings.json", settings)
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "dummy", "OPENAI_MODEL": "fake-model"}


def _litellm(home: Path, url: str) -> Mapping[str, str]:
    return {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "dummy", "MSWEA_COST_TRACKING": "ignore_errors"}


def _aider(home: Path, url: str) -> Mapping[str, str]:
    # For a model that it does not know it would replace whole files, which the script does not speak.
    (home / ".aider.conf.yml").write_text("edit-format: diff\n")
    return _litellm(home, url)


def _written(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(value))


CONFIGURE: Mapping[str, Callable[[Path, str], Mapping[str, str]]] = {
    "claude": _claude, "codex": _codex, "opencode": _opencode, "gemini_cli": _gemini, "copilot": _copilot, "pi": _pi,
    "qwen": _qwen, "mini": _litellm, "aider": _aider,
}  # fmt: skip
"""By agent: writes its configuration below this HOME, for a model at this address; answers its variables."""
