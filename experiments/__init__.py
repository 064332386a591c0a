"""Online judgement: assignment, statistics and decisions. No input or output, no clock, no globals."""
