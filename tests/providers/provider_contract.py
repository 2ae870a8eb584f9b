"""The Provider port as tests: `kazid.testing`, which plugin authors inherit as well."""

from kazid.testing import EVIDENCE_BYTES_MAX, ODD_VALUES, ProviderContract, a_look

__all__ = ["EVIDENCE_BYTES_MAX", "ODD_VALUES", "ProviderContract", "a_look"]
