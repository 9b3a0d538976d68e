"""Reading and writing files, as streams."""

from layernext.formats.compression import create_compressed, open_decompressed
from layernext.formats.layernext_json import (
    DEFAULT_PROBLEM_LIMIT,
    FileSummary,
    FileWriter,
    Spans,
    check_file,
    create_file,
    detect_geometry,
    iter_file,
    iter_raw_images,
)

__all__ = [
    "DEFAULT_PROBLEM_LIMIT",
    "FileSummary",
    "FileWriter",
    "Spans",
    "check_file",
    "create_compressed",
    "create_file",
    "detect_geometry",
    "iter_file",
    "iter_raw_images",
    "open_decompressed",
]
