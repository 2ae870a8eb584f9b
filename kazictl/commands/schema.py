"""`kazictl schema [PROVIDER]`: what a goal-file may hold, or one predicate kind's keys, by the daemon that reads it.

The daemon answers with JSON Schema; `--json-schema` and `--json` print it as it is, for editors and agents. People get
its tables.
"""

from kazictl.document import entries, is_object, members
from kazictl.render import table, value_text
from kazictl.session import Session
from kazictl.targets import quote
from kazictl.terminal import Terminal, one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document


def run(session: Session) -> int:
    """Print the keys of one kind, or the tables and kinds of a goal-file."""
    kind = session.arguments.word
    reply = session.client().get(f"{API_PREFIX}/schema" + (f"/{quote(kind)}" if kind else ""))
    if session.wants_json or "json-schema" in session.arguments.flags:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    document = reply.document
    session.show(_kind_lines(document, session.out) if kind else _file_lines(document, session.out))
    return exit_codes.OK


def _kind_lines(schema: "Document", out: Terminal) -> list[str]:
    notes = [_built(schema)] if schema.get("x-kazid-built") is False else []
    notes += ["deprecated"] if schema.get("deprecated") else []
    about = f": {one_line(schema['description'])}" if schema.get("description") else ""
    marks = f" ({', '.join(notes)})" if notes else ""
    rule = [f"  {one_line(schema['x-kazid-verdicts'])}"] if schema.get("x-kazid-verdicts") else []
    return [f"{one_line(schema.get('title', '?'))}{about}{marks}", *rule, "", *_key_lines(schema, out)]


def _file_lines(schema: "Document", out: Terminal) -> list[str]:
    """Each table of a goal-file with its keys, then the predicate kinds."""
    properties = members(schema, "properties")
    plain_keys = {key: value for key, value in properties.items() if not _tables_of(value)}
    lines = [out.paint("Keys of the file", "bold"), *_key_lines({**schema, "properties": plain_keys}, out)]
    for name, value in properties.items():
        keys = _own_keys(_tables_of(value))
        if keys:
            brackets = f"[[{name}]]" if value.get("type") == "array" else f"[{name}]"
            lines += ["", out.paint(one_line(brackets), "bold"), *_key_lines(keys, out)]
    kinds = [
        (one_line(name), _built(kind), one_line(kind.get("description", "")))
        for name, kind in members(schema, "$defs").items()
        if is_object(kind)
    ]
    if kinds:
        lines += ["", out.paint("Predicate kinds (kazictl schema KIND)", "bold")]
        lines += table(out, ("KIND", "", "ABOUT"), kinds)
    return lines


def _own_keys(schema: "Document") -> "Document":
    """Without the keys that only some kinds have: an entry lists them for editors, by description alone."""
    kept = {
        key: value
        for key, value in members(schema, "properties").items()
        if not (is_object(value) and value.keys() == {"description"})
    }
    return {**schema, "properties": kept} if kept else {}


def _tables_of(value: object) -> "Document":
    """The schema of a table, or of one entry of an array of tables; empty for anything else."""
    if not is_object(value):
        return {}
    if value.get("type") == "array":
        return _tables_of(value.get("items"))
    return value if members(value, "properties") else {}


def _key_lines(schema: "Document", out: Terminal) -> list[str]:
    required = entries(schema, "required")
    rows = [
        (
            one_line(key),
            _type(value) if is_object(value) else "?",
            _presence(key, value if is_object(value) else {}, required),
            one_line(value.get("description", "")) if is_object(value) else "",
        )
        for key, value in members(schema, "properties").items()
    ]
    return table(out, ("KEY", "TYPE", "DEFAULT", "ABOUT"), rows)


def _type(value: "Document") -> str:
    if entries(value, "enum"):
        return " | ".join(one_line(choice) for choice in entries(value, "enum"))
    if "const" in value:
        return one_line(value["const"])
    if value.get("type") == "array" and is_object(value.get("items")):
        return f"list of {_type(value['items'])}"
    choices = [_type(choice) for choice in entries(value, "oneOf") if is_object(choice)]
    return one_line(value.get("type") or " or ".join(choices) or "any")


def _presence(key: str, value: "Document", required: list[object]) -> str:
    if key in required:
        return "(required)"
    return value_text(value["default"]) if value.get("default") is not None else ""


def _built(kind: "Document") -> str:
    if kind.get("x-kazid-unusable"):
        return "cannot be used here"
    return "not built yet" if kind.get("x-kazid-built") is False else ""
