"""Numbers that stand for kinds of things in the published protocol."""

from __future__ import annotations

OBJECT_TYPES = {
    "video": 1, "image": 2, "dataset": 3, "video_collection": 4,
    "image_collection": 5, "other": 6, "other_collection": 7,
}  # fmt: skip
IMAGE_COLLECTION = OBJECT_TYPES["image_collection"]

CONTENT_TYPES = {"video": 4, "image": 5, "other": 7}
"""What a collection holds, and its object type."""

ITEM_TYPES = {"video": 1, "image": 2, "other": 6}
"""What an item is, and its object type."""

ITEM_OF_COLLECTION = {code: ITEM_TYPES[word] for word, code in CONTENT_TYPES.items()}
"""The object type of a collection to that of what it holds."""

COLLECTION_OF_OBJECT = {
    **{ITEM_TYPES[word]: code for word, code in CONTENT_TYPES.items()},
    **{code: code for code in CONTENT_TYPES.values()},
    OBJECT_TYPES["dataset"]: IMAGE_COLLECTION,
}
"""An object type to that of the collection it is in, or is."""
