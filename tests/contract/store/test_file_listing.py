"""Files of a collection, page by page, on both databases."""

from __future__ import annotations

from layernext.stack.store import FileUploadRequest, NewFile, Store

NAMES = ["B.jpg", "a.jpg", "b/ü.jpg", "a_1.jpg", "Z", "ä", "a"]


def test_pages(store: Store) -> None:
    """Every file once, in one order whatever the size of the pages, and by kind of collection."""
    request = FileUploadRequest(name="yard", kind=7, fields={}, is_override=False, names=NAMES)
    upload_id, public_id = store.files.open_upload(request)
    new = {
        name: NewFile(
            name=name, object_path=f"x/{number}", size=number, checksum="0" * 64, fields={}
        )
        for number, name in enumerate(NAMES)
    }
    store.files.store_bundle(upload_id, NAMES, new)
    listing = store.file_listing
    place = listing.find_collection("yard", None)
    assert place is not None
    assert place.id == public_id
    assert listing.find_collection("yard", 5) is None
    assert listing.find_collection(public_id, 5) is not None
    orders = []
    for limit in (1, 2, len(NAMES), 100):
        found: list[str] = []
        after: str | None = None
        while True:
            rows, after = listing.page(place.row_id, after, limit)
            found += [row.name for row in rows]
            if after is None:
                break
        orders.append(found)
    assert sorted(orders[0]) == sorted(NAMES)
    assert all(order == orders[0] for order in orders)
    known = store.files.find_known(upload_id, [*NAMES, "new"])
    assert {each.name: each.size for each in known} == {n: i for i, n in enumerate(NAMES)}
