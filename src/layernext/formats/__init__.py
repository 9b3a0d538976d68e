"""Reading and writing files, as streams."""

from layernext.formats.coco import read_coco, read_coco_labels
from layernext.formats.compression import create_compressed, open_decompressed
from layernext.formats.conversion import (
    FORMATS,
    ConversionReport,
    ExportOptions,
    check_format,
    convert,
    merged,
    read_format,
    write_export,
)
from layernext.formats.detection import detect_format
from layernext.formats.json_stream import JsonWindow, Spans, iter_list, iter_members
from layernext.formats.layernext_json import (
    DEFAULT_PROBLEM_LIMIT,
    FileSummary,
    FileWriter,
    check_file,
    create_file,
    detect_geometry,
    iter_file,
    iter_raw_images,
)
from layernext.formats.masks import mask_png
from layernext.formats.pixels import Sizes, image_sizes, in_pixels, size_in
from layernext.formats.samples import Losses, Sample, atomic_target, safe_relative
from layernext.formats.xml_formats import voc_xml
from layernext.formats.yolo import yolo_line

__all__ = [
    "DEFAULT_PROBLEM_LIMIT",
    "FORMATS",
    "ConversionReport",
    "ExportOptions",
    "FileSummary",
    "FileWriter",
    "JsonWindow",
    "Losses",
    "Sample",
    "Sizes",
    "Spans",
    "atomic_target",
    "check_file",
    "check_format",
    "convert",
    "create_compressed",
    "create_file",
    "detect_format",
    "detect_geometry",
    "image_sizes",
    "in_pixels",
    "iter_file",
    "iter_list",
    "iter_members",
    "iter_raw_images",
    "mask_png",
    "merged",
    "open_decompressed",
    "read_coco",
    "read_coco_labels",
    "read_format",
    "safe_relative",
    "size_in",
    "voc_xml",
    "write_export",
    "yolo_line",
]
