"""What kills a process of `poison_worker`, and nobody else's: that module changes whatever imports it."""

POISON = b"POISON"
"""The end of a file that kills its process wherever it is decoded."""

POISON_CROP = (77, 78, 79)
"""The colour of crops that kill their process in the embedder."""

SHARDS = ("00000", "00001", "00002")
