"""Names both sides of the socket must agree on. Costs nothing to import."""

SCHEMA_VERSION = 2
"""Of every JSON document kazid gives out. Additive fields never bump it."""

API_PREFIX = "/v1"
HOOKS_PATH = "/v1/hooks"
"""What follows it in a request is a secret."""
OWNER_ME = "@me"
"""In a path: the caller's own login."""

HEADER_IDEMPOTENCY_KEY = "Idempotency-Key"
CONTENT_JSON = "application/json"
CONTENT_PROBLEM = "application/problem+json"
CONTENT_LINES = "application/x-ndjson"


def encode_id(goal_id: str) -> str:
    """A goal id as one path segment: `~` and `/` as in JSON pointers, the rest percent-encoded (UTF-8)."""
    escaped = goal_id.replace("~", "~0").replace("/", "~1")
    safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
    return "".join(c if c in safe else "".join(f"%{b:02X}" for b in c.encode()) for c in escaped)


def decode_id(segment: str) -> str:
    """The goal id behind an already percent-decoded path segment."""
    return segment.replace("~1", "/").replace("~0", "~")
