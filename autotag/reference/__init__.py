"""The reference index: chosen, built, measured and searched with FAISS."""
