"""What a step wants, said with the tools that the request declares: one script drives every CLI.

`shell`, `write` and `edit` are intents. The tool that fits is picked by its name, and its parameters are filled by
their JSON schema; a CLI that has nothing but a shell writes and edits there.
"""

import itertools
import os
import shlex
from typing import Any

_TOOL_NAMES = {  # lower-cased names, best first
    "shell": [
        "bash",
        "shell",
        "exec_command",
        "shell_command",
        "local_shell",
        "run_shell_command",
        "execute",
        "execute_bash",
        "run_command",
        "developer__shell",
        "terminal",
    ],
    "write": ["write", "write_file", "create", "create_file", "str_replace_based_edit_tool"],
    "edit": ["edit", "replace", "edit_file", "str_replace", "str_replace_editor"],
}
_PARAM = {  # parameter name → which value of the intent it takes
    **dict.fromkeys(["command", "cmd", "script"], "command"),
    **dict.fromkeys(["file_path", "filepath", "path", "filename", "absolute_path"], "path"),
    **dict.fromkeys(["content", "contents", "file_text", "text"], "content"),
    **dict.fromkeys(["old_string", "oldstring", "old_str", "oldtext"], "old"),
    **dict.fromkeys(["new_string", "newstring", "new_str", "newtext"], "new"),
    **dict.fromkeys(["description", "instruction", "explanation"], "why"),
}


_REPLACE = (
    "import sys; p, a, b = sys.argv[1:]; t = open(p).read(); "
    "assert a in t; open(p, 'w').write(t.replace(a, b, 1))"
)


def minimal(schema: Any, root: Any = None) -> Any:
    """A smallest value that satisfies a JSON schema (the subset CLIs use)."""
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return None
    if "$ref" in schema:
        node: Any = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node.get(part, {}) if isinstance(node, dict) else {}
        return minimal(node, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return minimal(schema[key][0], root)
    kind = schema.get("type")
    kind = (
        kind[0] if isinstance(kind, list) else kind or ("object" if "properties" in schema else "string")
    ).lower()
    if kind == "object":
        props = schema.get("properties", {})
        return {k: minimal(props.get(k, {}), root) for k in schema.get("required", list(props))}
    if kind == "array":
        return [minimal(schema.get("items", {}), root) for _ in range(int(schema.get("minItems") or 0))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return {"boolean": False, "null": None}.get(kind, "x")


def _fill(schema: dict, values: dict) -> dict:
    """Arguments for a tool from its parameter schema and an intent's values."""
    props = schema.get("properties") or {}
    required = schema.get("required") or []
    args: dict[str, Any] = {}
    for name, sub in props.items():
        role = _PARAM.get(name.lower())
        if role in values:
            value = values[role]
            kinds = sub.get("type") if isinstance(sub, dict) else None
            if role == "command" and "array" in ([kinds] if isinstance(kinds, str) else kinds or []):
                value = ["bash", "-lc", value]
            args[name] = value
        elif name == "edits" and "old" in values:  # a list of replacements in one call
            args[name] = [
                {
                    k: values[_PARAM[k.lower()]]
                    for k in (sub.get("items", {}).get("properties") or {"oldText": 0, "newText": 0})
                    if _PARAM.get(k.lower()) in values
                }
            ]
        elif name in required:
            args[name] = minimal(sub)
    if not props:
        args = {"command": values["command"]} if "command" in values else dict(values)
    return args


def _patch(values: dict) -> str:
    """The apply_patch envelope for a write or edit intent."""
    path = values["path"]
    if "content" in values:
        body = "".join(f"+{line}\n" for line in values["content"].splitlines())
        return f"*** Begin Patch\n*** Add File: {path}\n{body}*** End Patch\n"
    body = "".join(f"-{line}\n" for line in values["old"].splitlines()) + "".join(
        f"+{line}\n" for line in values["new"].splitlines()
    )
    return f"*** Begin Patch\n*** Update File: {path}\n@@\n{body}*** End Patch\n"


def _by_shell(intent: str, values: dict) -> str:
    """A shell command that carries out a write or edit intent."""
    path = shlex.quote(values["path"])
    if intent == "write":
        return f"printf %s {shlex.quote(values['content'])} > {path}"
    return (
        f"python3 -c {shlex.quote(_REPLACE)} {path} {shlex.quote(values['old'])} {shlex.quote(values['new'])}"
    )


def resolve(step: dict, tools: list[dict], cwd: str) -> list[dict]:
    """A step → the blocks of one assistant turn: {"text": …} or {"name", "args"|"input", "kind"}."""
    if "calls" in step:
        return list(itertools.chain.from_iterable(resolve(s, tools, cwd) for s in step["calls"]))
    if "text" in step:
        return [{"text": step["text"]}]
    sub = lambda v: v.replace("{cwd}", cwd) if isinstance(v, str) else v  # noqa: E731
    if "call" in step:
        return [
            {
                "name": step["call"]["name"],
                "kind": "function",
                "args": {k: sub(v) for k, v in step["call"].get("args", {}).items()},
            }
        ]
    intent = next(k for k in ("shell", "write", "edit") if k in step)
    values = (
        {"command": sub(step["shell"])} if intent == "shell" else {k: sub(v) for k, v in step[intent].items()}
    )
    values["why"] = f"scripted {intent}"
    by_name = {t["name"].lower(): t for t in tools}
    for name in _TOOL_NAMES[intent]:
        if name in by_name:
            tool = by_name[name]
            return [{"name": tool["name"], "kind": "function", "args": _fill(tool["schema"], values)}]
    if intent != "shell" and "apply_patch" in by_name:
        tool, values["path"] = by_name["apply_patch"], os.path.basename(values["path"])
        if tool["kind"] == "custom":
            return [{"name": tool["name"], "kind": "custom", "input": _patch(values)}]
        return [
            {
                "name": tool["name"],
                "kind": "function",
                "args": {next(iter(tool["schema"].get("properties") or {"input": 0})): _patch(values)},
            }
        ]
    if intent != "shell":  # a CLI with nothing but a shell: do it there
        return resolve({"shell": _by_shell(intent, values)}, tools, cwd)
    return [{"text": f"(scripted model: no {intent} tool among {sorted(by_name)})"}]
