"""Calls of the published client that would have the stack run a model: refused before anything is sent."""

from __future__ import annotations

from typing import Any, NoReturn

from layernext.client.groups.group import Group
from layernext.client.texts import check_text
from layernext.errors import DataError, NotSupported, Problem

_TASKS = ("auto_tagging", "embedding", "auto_annotation")
_HINT = "docs/automatic-analysis.md shows how to do the same with a model of your own"


class Analysis(Group):
    """Automatic analysis: refused with a reason, before anything is sent."""

    def register_model(self, input_model_path: str, model_id: str, task: str) -> None:
        """Not supported: a stack runs no models. See docs/automatic-analysis.md.

        Args:
            input_model_path: a folder.
            model_id: a name.
            task: ``auto_tagging``, ``embedding`` or ``auto_annotation``.

        Raises:
            DataError: an argument is wrong.
            NotSupported: always, unless an argument is wrong.
        """
        check_text(input_model_path, "input_model_path", "a folder")
        check_text(model_id, "model_id", "a model")
        if task not in _TASKS:
            raise DataError(Problem("task", f"is {task!r}, must be one of {', '.join(_TASKS)}"))
        _refuse("register a model")

    def auto_tag_collection(
        self,
        collection_id: str,
        model_id: str = "default",
        input_resolution: tuple[int, int] = (480, 480),
        confidence_threshold: float = 0.5,
        query: str = "",
        filters: dict[str, Any] | None = None,
        inference_platform: str = "use_env",
    ) -> None:
        """Not supported: a stack runs no models. See docs/automatic-analysis.md.

        Args:
            collection_id, model_id, query, filters, inference_platform: passed on as given; the published clients document them.
            input_resolution: two whole numbers.
            confidence_threshold: 0 to 1.

        Raises:
            DataError: an argument is wrong.
            NotSupported: always, unless an argument is wrong.
        """
        del query, filters, inference_platform
        check_text(collection_id, "collection_id", "a collection")
        _check_analysis(model_id, input_resolution, confidence_threshold)
        _refuse("tag a collection")

    def generate_auto_tags_to_metalake(
        self,
        item_type: str,
        model_id: str = "default",
        input_resolution: tuple[int, int] = (300, 300),
        confidence_threshold: float = 0.5,
        query: str = "",
        filters: dict[str, Any] | None = None,
        inference_platform: str = "use_env",
    ) -> None:
        """Not supported: a stack runs no models. See docs/automatic-analysis.md.

        Args:
            item_type, model_id, query, filters, inference_platform: passed on as given; the published clients document them.
            input_resolution: two whole numbers.
            confidence_threshold: 0 to 1.

        Raises:
            DataError: an argument is wrong.
            NotSupported: always, unless an argument is wrong.
        """
        del query, filters, inference_platform
        check_text(item_type, "item_type", "a type")
        _check_analysis(model_id, input_resolution, confidence_threshold)
        _refuse("tag images")

    def auto_annotate_project(
        self,
        project_id: str,
        annotation_type: str = "segment",
        model_id: str = "default",
        *,
        prompt: list[dict[str, Any]] | None = None,
        confidence_threshold: float = 0.5,
        labels: Any = None,
        auto_annotation_operation: str | None = None,
    ) -> None:
        """Not supported: a stack runs no models. See docs/automatic-analysis.md.

        Args:
            project_id, model_id, labels, auto_annotation_operation: passed on as given; the published clients document them.
            annotation_type: ``bbox`` or ``segment``.
            prompt: objects with ``label`` and ``description``.
            confidence_threshold: 0 to 1.

        Raises:
            DataError: an argument is wrong.
            NotSupported: always, unless an argument is wrong.
        """
        del labels, auto_annotation_operation
        check_text(project_id, "project_id", "a project")
        if annotation_type not in {"bbox", "segment"}:
            message = f"is {annotation_type!r}, must be 'bbox' or 'segment'"
            raise DataError(Problem("annotation_type", message))
        entries: Any = prompt or []
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict) or not {"label", "description"} <= entry.keys():
                raise DataError(Problem(f"prompt[{number}]", "must have label and description"))
        _check_analysis(model_id, (1, 1), confidence_threshold)
        _refuse("annotate a project")

    def prompt_inference(
        self,
        name: str,
        shape: Any,
        *,
        bbox: Any = None,
        clicks: Any = None,
    ) -> None:
        """Not supported: a stack runs no models. See docs/automatic-analysis.md.

        Args:
            name, shape, bbox, clicks: passed on as given; the published clients document them.

        Raises:
            DataError: no image is named.
            NotSupported: always, unless an argument is wrong.
        """
        del shape, bbox, clicks
        check_text(name, "name", "an image")
        _refuse("follow a prompt")

    def generate_embeddings_for_collection(
        self,
        collection_id: str,
        model_id: str = "default",
        query: str = "",
        filters: dict[str, Any] | None = None,
        inference_platform: str = "use_env",
    ) -> None:
        """Not supported: a stack runs no models. `client.embeddings.insert` stores yours.

        Args:
            collection_id, model_id, query, filters, inference_platform: passed on as given; the published clients document them.

        Raises:
            DataError: an argument is wrong.
            NotSupported: always, unless an argument is wrong.
        """
        del query, filters, inference_platform
        check_text(collection_id, "collection_id", "a collection")
        check_text(model_id, "model_id", "a model")
        _refuse("make embeddings")

    def generate_embeddings_to_metalake(
        self,
        item_type: str = "image",
        model_id: str = "default",
        query: str = "",
        filters: dict[str, Any] | None = None,
        inference_platform: str = "use_env",
    ) -> None:
        """Not supported: a stack runs no models. `client.embeddings.insert` stores yours.

        Args:
            item_type, model_id, query, filters, inference_platform: passed on as given; the published clients document them.

        Raises:
            DataError: an argument is wrong.
            NotSupported: always, unless an argument is wrong.
        """
        del query, filters, inference_platform
        check_text(item_type, "item_type", "a type")
        check_text(model_id, "model_id", "a model")
        _refuse("make embeddings")


def _check_analysis(model_id: str, resolution: Any, confidence: Any) -> None:
    check_text(model_id, "model_id", "a model")
    is_pair = isinstance(resolution, list | tuple) and len(resolution) == 2  # noqa: PLR2004
    if not is_pair or not all(isinstance(side, int) and side > 0 for side in resolution):
        raise DataError(Problem("input_resolution", "must be two whole numbers above 0"))
    is_number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not is_number or not 0 <= confidence <= 1:
        raise DataError(Problem("confidence_threshold", f"is {confidence!r}, must be 0 to 1"))


def _refuse(what: str) -> NoReturn:
    raise NotSupported(f"the stack does not run models and cannot {what}", status=501, hint=_HINT)
