"""Calls that write what a stack has in the format that the next tool wants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from layernext.client.calls.items import ItemCalls
from layernext.client.download import iter_annotations
from layernext.client.progress import ProgressChoice, show_progress
from layernext.errors import NotFound
from layernext.formats import ConversionReport, ExportOptions, Sample, in_pixels, write_export
from layernext.model import Mode


class ExportCalls(ItemCalls):
    """Exports."""

    def export(
        self,
        collection: str,
        run: str,
        target: str | os.PathLike[str],
        format: str,
        *,
        ground_truth: bool | None = None,
        overwrite: bool = False,
        strict: bool = False,
        progress: ProgressChoice = None,
    ) -> ConversionReport:
        """Write a run of a collection in another format, streamed.

        Args:
            collection: by name or id.
            run: name of the model run or ground truth.
            target: file or folder, which appears only when it is whole.
            format: one of those of `layernext.convert`.
            ground_truth: True or False if both a ground truth and a model run have this name.
            overwrite: replace what is there.
            strict: refuse what the format cannot hold.
            progress: as in `upload_modelrun_from_json`.

        Returns:
            How much was written, and what the format cannot hold.

        Raises:
            NotFound: no such collection or run.
            ConfigurationError: no such format, or the target is there already.
            DataError: the format needs the sizes of images that the stack does not know yet, or
                with `strict` it cannot hold something.
        """
        mode: Mode | None = None if ground_truth is None else "human" if ground_truth else "machine"
        sizes = self._image_sizes(collection)
        with show_progress(progress, f"export {run}", len(sizes) or None) as advance:
            return write_export(
                self._samples(collection, run, mode, sizes),
                Path(target),
                format,
                ExportOptions(overwrite=overwrite, strict=strict),
                advance=advance,
            )

    def _image_sizes(self, collection: str) -> dict[str, tuple[int | None, int | None]]:
        """Width and height of a collection's images; nothing of a stack that cannot say."""
        if self._connection.native is None:
            return {}
        return {item.name: (item.width, item.height) for item in self.iter_items(collection)}

    def _samples(
        self,
        collection: str,
        run: str,
        mode: Mode | None,
        sizes: dict[str, tuple[int | None, int | None]],
    ) -> Iterator[Sample]:
        count = 0
        for one in iter_annotations(self._connection, collection, run, mode):
            count += 1
            width, height = sizes.get(one.image, (None, None))
            yield Sample(
                image=one.image,
                annotations=in_pixels(one, width, height),
                width=width,
                height=height,
            )
        if not count:
            raise NotFound(f"{collection!r} has no annotations of {run!r}", status=404)
