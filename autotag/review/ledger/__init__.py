"""The tag ledger: who said what of which tag of which image."""
