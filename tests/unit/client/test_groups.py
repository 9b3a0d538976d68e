"""The client's groups: attributes with short calls, and other names that lead to them."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

from layernext import AsyncLayerNextClient, LayerNextClient
from layernext.client.earlier_names import EarlierNames
from layernext.client.groups.group import Group
from layernext.client.other_names import CallOf
from layernext.client.published_names import PublishedNames

ARGUMENTS = ("key_abc", "a secret", "https://api.example.com")
CORE = {
    "close", "compare", "compare_runs", "download_to_file", "evaluate", "get_stack_info",
    "get_stack_status", "iter_annotations", "model_run", "upload_groundtruth_from_json",
    "upload_modelrun", "upload_modelrun_from_json", "validate_file",
}  # fmt: skip


def groups_of(client: object) -> dict[str, Any]:
    """The groups of a client by attribute."""
    return {name: value for name, value in vars(client).items() if not name.startswith("_")}


def calls_of(group: object) -> dict[str, Any]:
    """The public methods of a group's class."""
    return {
        name: method
        for name, method in inspect.getmembers(type(group), callable)
        if not name.startswith("_")
    }


OTHER_NAMES = {
    name: value
    for names in (PublishedNames, EarlierNames)
    for name, value in vars(names).items()
    if isinstance(value, CallOf)
}


def test_groups_are_cheap_and_short() -> None:
    """A client has a group for each noun; making them sends nothing, and none shows a secret."""
    with LayerNextClient(*ARGUMENTS) as client:
        groups = groups_of(client)
        assert {"collections", "datasets", "files", "items", "jobs", "labels", "runs"} <= set(
            groups
        )
        for name, group in groups.items():
            assert isinstance(group, Group)
            assert repr(group) == f"<{name.title()} of https://api.example.com>"
            assert group.__doc__


def test_only_the_core_is_on_the_client_itself() -> None:
    """Whatever else the client has under its own name is another name, in one of two lists."""
    names = {name for name in vars(LayerNextClient) if not name.startswith("_")}
    assert names == CORE


def test_names_in_groups_do_not_repeat_the_noun() -> None:
    """`client.items.list`, not `client.items.list_items`."""
    with LayerNextClient(*ARGUMENTS) as client:
        repeated = [
            f"{name}.{call}"
            for name, group in groups_of(client).items()
            for call in calls_of(group)
            if name != "analysis" and name.rstrip("s") in call.split("_")
        ]
    assert repeated == []


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_lead_to_a_call(name: str) -> None:
    """Another name takes the same arguments as the group's call, on both clients."""
    call: CallOf[Any, Any] = OTHER_NAMES[name]
    client, twin = LayerNextClient(*ARGUMENTS), AsyncLayerNextClient(*ARGUMENTS)
    method = getattr(getattr(client, call.group), call.method.__name__)
    assert inspect.signature(getattr(client, name)) == inspect.signature(method)
    assert inspect.signature(getattr(twin, name)).parameters == inspect.signature(method).parameters
    assert getattr(LayerNextClient, name).__name__ == name
    assert getattr(LayerNextClient, name).__doc__ == method.__doc__
    client.close()


def test_a_name_calls_the_group_of_its_client() -> None:
    """The call reaches the group that the client has now, with the arguments as they are."""
    calls: list[tuple[Any, ...]] = []

    class Jobs:
        def wait(self, *arguments: Any, **options: Any) -> str:
            calls.append((arguments, options))
            return "done"

    client = LayerNextClient(*ARGUMENTS)
    client.jobs = Jobs()  # type: ignore[assignment]
    assert client.wait_for_job_complete("a job", timeout_s=5) is not None
    assert calls == [(("a job",), {"timeout_s": 5})]
    client.close()


def test_the_twin_has_the_same_groups_and_calls() -> None:
    """Each group and each call has a twin with the same arguments."""
    client, twin = LayerNextClient(*ARGUMENTS), AsyncLayerNextClient(*ARGUMENTS)
    twins = groups_of(twin)
    assert set(twins) == set(groups_of(client))
    for name, group in groups_of(client).items():
        assert repr(twins[name]) == f"<Async{name.title()} of https://api.example.com>"
        assert set(calls_of(twins[name])) == set(calls_of(group))
        for call in calls_of(group):
            ours = inspect.signature(getattr(group, call)).parameters
            assert inspect.signature(getattr(twins[name], call)).parameters == ours
    client.close()


def test_groups_go_to_other_processes() -> None:
    """A client's pickle holds one connection for all groups; a group can be sent by itself, too."""
    with LayerNextClient(*ARGUMENTS, timeout_s=7) as client:
        copy = pickle.loads(pickle.dumps(client))
        page = pickle.loads(pickle.dumps(client.items.page))
    assert repr(copy) == repr(client)
    assert {id(group._connection) for group in groups_of(copy).values()} == {id(copy._connection)}
    assert page.__self__._connection.transport.url == "https://api.example.com"
    copy.close()
