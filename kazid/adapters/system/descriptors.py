"""How many descriptors this process may have: raised once at start, as far as the system lets it."""

import resource

DESCRIPTORS_MAX = 65_536


def raise_descriptor_limit() -> None:
    """Up to the hard limit: connections, pipes of checks and the journal share it (a deaf daemon is the failure)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else DESCRIPTORS_MAX
    if soft < min(wanted, DESCRIPTORS_MAX):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, DESCRIPTORS_MAX), hard))
