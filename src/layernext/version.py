"""The version of the package: here, so that no other module needs the package for it."""

__version__ = "0.1.0"
