"""A catalog's regions in the memory of a process that searches often: what a store on disk takes tens of milliseconds for takes two."""
