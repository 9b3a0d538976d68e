"""Outputs of models, as their libraries return them, on their way into annotations.

`adapters` lists what is recognized: one module for each kind of output. None of them imports the library.
"""
