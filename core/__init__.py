"""What every room of Screentest shares: settings, errors, the data types and the protocols."""
