"""The first tables. Databases of earlier revisions are refused when they are opened."""

from layernext.stack.store.migrations.first import images, people, work

revision = "0020"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables, each after those that it refers to."""
    people.audit_entry()
    images.collection()
    work.dataset()
    images.declared_name()
    images.dropped_object()
    work.embedding_model()
    work.export()
    images.job()
    images.label()
    images.label_group()
    images.operation()
    images.selection()
    people.setting()
    people.stack_user()
    people.api_key()
    images.attribute()
    people.collection_grant()
    work.dataset_version()
    images.file_upload()
    images.image()
    images.label_group_member()
    images.operation_collection()
    work.project()
    work.run_statistics()
    images.upload()
    images.annotation_set()
    images.attribute_value()
    work.embedding()
    work.evaluation()
    images.file_item()
    images.image_field()
    work.project_label()
    work.project_run()
    work.project_task()
    people.recorded_answer()
    images.selection_item()
    people.session()
    images.upload_batch()
    work.version_item()
    work.version_picture()
    work.version_set()
    work.confusion_cell()
    images.file_part()
    work.image_tally()
    work.project_image()
