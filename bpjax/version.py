"""The version, in one place for the package, its metadata and every record of results."""

__version__ = "0.2.0"
