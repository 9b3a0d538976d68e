"""Where listings are whose records are those of the model."""

from __future__ import annotations

from layernext.wire.native.protocol import BASE_PATH

RUNS_PATH = f"{BASE_PATH}/runs"
LABELS_PATH = f"{BASE_PATH}/labels"
JOBS_PATH = f"{BASE_PATH}/jobs"
AUDIT_PATH = f"{BASE_PATH}/audit"
USERS_PATH = f"{BASE_PATH}/users"
GRANTS_PATH = f"{BASE_PATH}/grants"
PROJECTS_PATH = f"{BASE_PATH}/projects"
DATASETS_PATH = f"{BASE_PATH}/datasets"
EMBEDDING_SEARCH_PATH = f"{BASE_PATH}/embeddings/search"
