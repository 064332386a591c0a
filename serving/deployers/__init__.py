"""Where model servers run: one file per place, one contract for all of them."""
