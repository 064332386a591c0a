"""LangGraph graphs, their prompts and golden sets. A graph's file travels with the model that was made with it.

A graph's file imports LangGraph and the standard library, nothing of ours, and has ``build(write, ask)``. A change to
one is a new graph: add its hash to ``ALLOWED`` in wrappers/graph_code.py and leave the old ones there, so that models
made before still load.
"""
