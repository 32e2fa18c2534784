"""The version, kept here alone: pyproject.toml and `typedvision.__version__` both read it."""

__version__ = "0.1.0"
