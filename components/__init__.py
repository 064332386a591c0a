"""KFP components: thin, one domain call each."""
