"""Models behind one contract, one file each."""
