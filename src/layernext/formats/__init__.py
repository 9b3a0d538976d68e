"""Reading and writing files of any format, as streams.

`layernext.formats.registry` has the formats; `Format` says what a further one needs.
"""

import logging

from layernext.formats.coco import read_coco, read_coco_labels
from layernext.formats.conversion import (
    ConversionReport,
    convert,
    counts_to_dict,
    merged,
    write_export,
)
from layernext.formats.core.archive import is_archive
from layernext.formats.core.classes import Classes
from layernext.formats.core.compression import create_compressed, open_decompressed
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.image_names import NameMatch, NameMatcher, matched_names
from layernext.formats.core.json_stream import JsonWindow, Spans, iter_list, iter_members
from layernext.formats.core.label_rules import LabelRules, parse_mapping
from layernext.formats.core.losses import DEFAULT_PROBLEM_LIMIT, Losses
from layernext.formats.core.pixels import IMAGE_EXTENSIONS, Sizes, image_sizes, in_pixels, size_in
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, SampleWriter
from layernext.formats.core.scores import Scores
from layernext.formats.core.source_options import SourceOptions
from layernext.formats.core.targets import atomic_target, safe_relative
from layernext.formats.layernext_json import (
    FileSummary,
    FileWriter,
    check_file,
    create_file,
    detect_geometry,
    iter_file,
    iter_raw_images,
    read_skeletons,
)
from layernext.formats.masks import mask_png
from layernext.formats.reading import read_format
from layernext.formats.registry import (
    FORMATS,
    Registry,
    detect_format,
    get_format,
    list_formats,
)
from layernext.formats.validation import Validation, validate_source
from layernext.formats.voc import voc_xml
from layernext.formats.yolo import yolo_line

# A library is silent until the program that uses it sets up logging; without any handler Python
# itself would print the warnings.
logging.getLogger("layernext.formats").addHandler(logging.NullHandler())

__all__ = [
    "DEFAULT_PROBLEM_LIMIT",
    "FORMATS",
    "IMAGE_EXTENSIONS",
    "KEPT",
    "Certainty",
    "Classes",
    "ConversionReport",
    "Detection",
    "ExportOptions",
    "FileSummary",
    "FileWriter",
    "Format",
    "Holds",
    "JsonWindow",
    "LabelRules",
    "Losses",
    "NameMatch",
    "NameMatcher",
    "Probe",
    "ReadOptions",
    "Registry",
    "Sample",
    "SampleWriter",
    "Scores",
    "Sizes",
    "SourceOptions",
    "Spans",
    "Validation",
    "atomic_target",
    "check_file",
    "convert",
    "counts_to_dict",
    "create_compressed",
    "create_file",
    "detect_format",
    "detect_geometry",
    "get_format",
    "image_sizes",
    "in_pixels",
    "is_archive",
    "iter_file",
    "iter_list",
    "iter_members",
    "iter_raw_images",
    "list_formats",
    "mask_png",
    "matched_names",
    "merged",
    "open_decompressed",
    "parse_mapping",
    "read_coco",
    "read_coco_labels",
    "read_format",
    "read_skeletons",
    "safe_relative",
    "size_in",
    "validate_source",
    "voc_xml",
    "write_export",
    "yolo_line",
]
