"""The screens, one file each; app/main.py lists them."""
