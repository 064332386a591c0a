"""The screens, one file each; app/main.py lists them.

The folder is not called ``pages``: Streamlit would take its files for pages of its own, beside those of main.py.
"""
