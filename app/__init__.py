"""The review page: experiments, verdicts and lists, in a browser."""
