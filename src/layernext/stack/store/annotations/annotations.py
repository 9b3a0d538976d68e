"""The annotation sets of a database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layernext.model import Mode
from layernext.stack.store.access.records import CheckCollections, Within
from layernext.stack.store.annotations import reading, sets
from layernext.stack.store.annotations.prepared import PreparedSet
from layernext.stack.store.annotations.records import ImageSets, StoredSet
from layernext.stack.store.annotations.uploads import PublishedUpload
from layernext.stack.store.database import Database
from layernext.stack.store.labels.labels import Labels
from layernext.stack.store.pages import read_pair
from layernext.wire.native import BatchResult, RemoveResult


class Annotations:
    """The annotation sets of model runs and ground truths.

    Args:
        database: where they are.
        labels: of the same.
    """

    def __init__(self, database: Database, labels: Labels) -> None:
        self._database, self._labels = database, labels

    def write_batch(
        self,
        upload: str | PublishedUpload,
        sequence: int | None,
        digest: str,
        sets_: Sequence[PreparedSet],
        check: CheckCollections | None = None,
    ) -> BatchResult:
        """Store a batch in one transaction: all of it, visible at once, or nothing.

        A set replaces the one that its operation had for the image; if that came from the same
        upload, the annotations are appended instead.

        Args:
            upload: id of one that was opened; or that of a published client, which is opened in
                the same transaction if this is its first batch.
            sequence: the batch's number; None for a published client, whose batches are known
                again by their digest.
            digest: of the batch's content.
            sets_: the batch, in order.
            check: called with the row ids of the collections that the images are in; what it raises
                changes nothing.

        Raises:
            NotFound: there is no such upload.
            Conflict: it is finished, or had another batch of this number.
        """
        result = sets.write_batch(
            self._database,
            self._labels,
            upload,
            sets_,
            sequence=sequence,
            digest=digest,
            check=check,
        )
        if not result.repeated:
            self._database.activity.add_batch(result.images, result.annotations)
        return result

    def remove(self, collection_id: int | None, run: str, mode: Mode | None) -> RemoveResult:
        """Delete a run's sets in a collection (None: everywhere); repeating it removes nothing."""
        modes: list[Mode] = ["machine", "human"] if mode is None else [mode]
        return self._database.write_again(
            lambda connection: sets.remove(self._database, connection, collection_id, run, modes)
        )

    def iter_sets(
        self,
        collection_id: int | None,
        *,
        runs: Sequence[str] = (),
        mode: Mode | None = None,
        image: str | None = None,
        after: str | None = None,
        within: Within = None,
    ) -> Iterator[StoredSet]:
        """Annotation sets as a stream, all as they stand at one moment, in upload order.

        Args:
            collection_id: row id; None for every collection.
            runs: names of model runs and ground truths; none given means all.
            mode: only model runs or only ground truths.
            image: only this image.
            after: a cursor of an earlier stream, to go on behind it.
            within: row ids of the only collections.

        Raises:
            InvalidRequest: `after` is not a cursor.
        """
        return reading.iter_sets(
            self._database,
            collection_id,
            runs=runs,
            mode=mode,
            image_name=image,
            after=read_pair(after, start=-1),
            within=within,
        )

    def image_page(
        self,
        collection_id: int,
        *,
        runs: Sequence[str],
        mode: Mode | None,
        after_image: int,
        limit: int,
        with_files: bool = False,
    ) -> tuple[list[ImageSets], bool]:
        """Images that have sets, and whether more follow.

        With `with_files` also those that only have a file.
        """
        return reading.image_page(
            self._database,
            collection_id,
            runs=runs,
            mode=mode,
            after_image=after_image,
            limit=limit,
            with_files=with_files,
        )

    def sets_of_image(self, image_id: int, run: str, mode: Mode) -> list[StoredSet]:
        """The sets that a model run or ground truth has for one image."""
        return reading.sets_of_image(self._database, image_id, run, mode)

    def sets_of_images(
        self, image_ids: Sequence[int], runs: Sequence[tuple[str, Mode]]
    ) -> list[tuple[int, StoredSet]]:
        """The sets of some images, each with its image's row id.

        Args:
            image_ids: row ids.
            runs: names and modes of model runs and ground truths; unknown ones have no sets.
        """
        return reading.sets_of_images(self._database, image_ids, runs)
