"""The published evaluation protocols, exact: what a figure must be measured by to stand beside another's."""
