"""What clients say of parts that the stack has not seen, until it has inspected the file."""

from __future__ import annotations

from layernext.stack.store import FileUploadRequest, LookResult, Store
from layernext.stack.store.files.records import ItemPart


def test_parts_are_kept_until_the_look(store: Store) -> None:
    request = FileUploadRequest(
        name="yard", kind=7, fields={}, is_override=False, names=["a.bin", "b.bin"]
    )
    upload_id, _ = store.files.open_upload(request)
    parts = [ItemPart(1, 10, "1" * 64), ItemPart(2, 3, "2" * 64)]
    for name in ("a.bin", "b.bin"):
        item = store.files.begin_file(upload_id, name, size=13, checksum="3" * 64).item
        assert item is not None
        placed = store.files.set_place(item, f"objects/{name}", "handle")
        store.files.add_part(placed, ItemPart(1, 10, "0" * 64))
        assert store.files.finish_file(placed, 13, None, parts if name == "a.bin" else ())
    files = store.file_states.list_pending(0, 9)
    said = store.file_states.list_announced(files)
    assert [said[file.image_id].parts for file in files] == [parts, []]
    assert {each.checksum for each in said.values()} == {"3" * 64}
    seen = LookResult(checksum="3" * 64, content_type="application/octet-stream")
    store.file_states.set_look({files[0].image_id: (files[0], seen)})
    assert store.file_states.list_announced(files)[files[0].image_id].parts == []
