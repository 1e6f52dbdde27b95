"""Review: the tag ledger, evidence, sheets, sidecars."""
