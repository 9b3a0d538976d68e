"""The faults of the published clients, and how ours avoids each. Data of generate_compatibility.py.

A test is given as its file below ``tests`` and its name; several faults share one where it shows all of them.
"""

from __future__ import annotations

CALLS = "integration/client/test_calls.py"
FAULTS_TEST = "integration/client/test_faults.py"
ROUND = "integration/client/test_round_trip.py"
FILES = "integration/client/test_files.py"
STACK_FILES = "integration/files/test_files.py"
ITEMS = "integration/client/test_items.py"
LABELS = "integration/client/test_labels_and_jobs.py"
DATASETS = "integration/client/test_datasets.py"
PROJECTS = "integration/client/test_projects.py"
TRANSPORT = "unit/client/test_transport.py"
RETRIES = "unit/client/test_retries.py"
ADDRESSES = "unit/client/test_addresses.py"
DECODE = "unit/model/test_decode.py"
NAMES = "unit/client/test_local_names.py"
MATRIX = "contract/published/test_matrix.py"
FILE_FAULTS = "integration/client/test_file_faults.py"
HABITS = "architecture/test_client_habits.py"
MEMORY = "integration/client/test_memory.py::test_memory_does_not_grow_with_the_file"

Fault = tuple[str, str, str]

# What goes wrong there; what holds here; the test that shows it.
FAULTS: dict[int, Fault] = {
    1: (
        "if labels cannot be resolved, every image loses its annotations",
        "the client resolves nothing; a failed request ends the upload before it changes anything",
        f"{FAULTS_TEST}::test_requests_that_fail",
    ),
    2: (
        "an annotation without a reference is dropped",
        "the stack creates labels; it stores every annotation or refuses the batch",
        f"{ROUND}::test_any_run",
    ),
    3: (
        "a v1 attribute value without a reference is dropped",
        "values are kept as they are in the file",
        f"{ROUND}::test_any_v1_file",
    ),
    4: (
        "one unresolved value drops a whole attribute",
        "values are kept as they are in the file",
        f"{ROUND}::test_v2_file",
    ),
    5: ("values that are not text are dropped", "any JSON value is kept", f"{ROUND}::test_any_run"),
    6: (
        "an unknown geometry ends the image",
        "it is refused, with its location",
        f"{DECODE}::test_problems_name_their_place",
    ),
    7: (
        "an annotation without a type gets that of the annotation before it",
        "a missing type is refused, with its location",
        f"{DECODE}::test_problems_name_their_place",
    ),
    8: (
        "an image gets the bucket of the image before it",
        "each image has its own or the call's",
        f"{ROUND}::test_unique_names_and_paths",
    ),
    9: (
        "a shape without coordinates is sent",
        "it is refused, with its location",
        f"{DECODE}::test_problems_name_their_place",
    ),
    10: (
        "values of an annotation without confidence are lost",
        "they are kept",
        f"{ROUND}::test_any_v1_file",
    ),
    11: ("metadata without attributes is lost", "it is kept", f"{ROUND}::test_v2_file"),
    12: (
        "every hundredth embedding is not sent",
        "all are sent, in batches of 100",
        "integration/client/test_embeddings.py::test_any_number_of_vectors",
    ),
    13: (
        "one failed file ends a page",
        "each file fails alone and is in the report",
        "integration/client/test_file_faults.py::test_every_third_request_fails",
    ),
    14: (
        "a broken page counts as completed",
        "a missing page ends the download with an error",
        f"{FAULTS_TEST}::test_download_that_cannot_end",
    ),
    15: (
        "folders below the folder are ignored",
        "all subfolders are uploaded",
        "unit/client/test_file_sources.py::test_a_folder_with_all_below_it",
    ),
    16: (
        "an empty batch ends some uploads",
        "batches have images; an empty one from others changes nothing",
        f"{ROUND}::test_many_batches",
    ),
    17: (
        "unknown keys of a filter select everything",
        "they are refused",
        f"{ITEMS}::test_trash_and_restore",
    ),
    18: ("an unknown type is taken for another type", "it is refused", f"{ITEMS}::test_bad_lists"),
    19: (
        "an unknown shape becomes a rectangle",
        "it is refused",
        f"{PROJECTS}::test_what_cannot_be",
    ),
    20: (
        "exceptions are printed and swallowed",
        "errors are raised, as one family of exceptions",
        "unit/test_public_face.py::test_every_error_is_offered",
    ),
    21: (
        "the status of answers is ignored",
        "every status is checked",
        f"{TRANSPORT}::test_refusals_become_the_most_specific_error",
    ),
    22: (
        "refused batches look stored",
        "the report counts what the stack has confirmed",
        f"{FAULTS_TEST}::test_place_that_the_stack_names",
    ),
    23: (
        "every error message is about versions",
        "each message says what happened",
        f"{RETRIES}::test_words_for_trouble",
    ),
    24: (
        "some statuses are ignored silently",
        "none is",
        f"{TRANSPORT}::test_refusals_become_the_most_specific_error",
    ),
    25: (
        "results of metadata uploads are dropped",
        "a report lists the names without a file",
        f"{ITEMS}::test_metadata_and_queries",
    ),
    26: (
        "the result of a removal is not returned",
        "a report with the counts",
        f"{CALLS}::test_removal",
    ),
    27: ("downloads return nothing", "a report with every file", f"{FILES}::test_sync"),
    28: (
        "an upload with failed files is a success",
        "UploadIncomplete, or the failed files in the report",
        f"{FILES}::test_other_content_under_a_name_fails_and_stays",
    ),
    29: (
        "a wrong annotation type does nothing",
        "it is refused",
        f"{CALLS}::test_arguments_are_checked_first",
    ),
    30: ("a failed job is a success", "JobFailed is raised", f"{CALLS}::test_jobs"),
    31: (
        "one lost answer ends the wait for a job",
        "the client asks again",
        f"{RETRIES}::test_passing_faults_are_tried_again",
    ),
    32: (
        "waits for a job take steps of 30 s, without a limit",
        "steps grow from 0.2 s to 10 s, with an optional limit",
        f"{FAULTS_TEST}::test_job_that_does_not_end",
    ),
    33: (
        "metadata is sent although the upload failed",
        "after a failed step, no further step begins",
        f"{FILES}::test_annotations_come_with_the_files",
    ),
    34: (
        "some statuses of the tag check raise KeyError",
        "the stack checks tags with the metadata itself",
        f"{ITEMS}::test_bad_metadata",
    ),
    35: (
        "a failed count raises KeyError",
        "it raises the stack's error",
        f"{ITEMS}::test_collections_of_every_kind",
    ),
    36: (
        "an unknown project raises TypeError",
        "NotFound is raised",
        f"{PROJECTS}::test_what_cannot_be",
    ),
    37: (
        "an empty selection raises KeyError",
        "an error with the reason",
        f"{ITEMS}::test_trash_and_restore",
    ),
    38: (
        "the retry of a download raises",
        "the transport retries all requests in the same way",
        "integration/client/test_file_faults.py::test_every_third_request_fails",
    ),
    39: (
        "odd error bodies raise AttributeError",
        "any body is accepted, and the error names the status",
        f"{TRANSPORT}::test_any_error_body_is_survived",
    ),
    40: (
        "wrong arguments leave a queued job",
        "arguments are checked before anything is created",
        f"{LABELS}::test_analysis_is_refused_with_a_clear_word",
    ),
    41: (
        "refusals in a background thread are lost",
        "no call works in the background",
        f"{LABELS}::test_analysis_is_refused_with_a_clear_word",
    ),
    42: (
        "a network error ends the process",
        "ConnectionFailed is raised",
        f"{HABITS}::test_the_process_is_left_alone",
    ),
    43: ("a string is raised", "only exceptions are", f"{FILES}::test_wrong_arguments"),
    44: (
        "an unknown geometry does nothing",
        "it is refused",
        f"{CALLS}::test_arguments_are_checked_first",
    ),
    45: (
        "some methods always raise TypeError",
        "every public method is called in a test",
        f"{FILES}::test_deprecated_names",
    ),
    46: (
        "keys of results differ by method",
        "reports are typed, and also have the published keys",
        f"{LABELS}::test_labels_and_groups",
    ),
    47: (
        "an outage is reported as incompatibility",
        "each has its own error",
        f"{CALLS}::test_incompatible",
    ),
    48: (
        "an empty list divides by zero",
        "it stores nothing and says so",
        "integration/client/test_embeddings.py::test_any_number_of_vectors",
    ),
    49: (
        "download jobs report wrong progress",
        "downloads create no jobs",
        f"{FILE_FAULTS}::test_pages_as_published",
    ),
    50: (
        "a first page without data raises AttributeError",
        "DownloadIncomplete says which page",
        f"{FAULTS_TEST}::test_odd_downloads",
    ),
    51: (
        "key and secret are printed",
        "they are in no log, no repr and no error",
        f"{TRANSPORT}::test_secrets_stay_inside",
    ),
    52: (
        "payloads and progress are printed",
        "the library prints nothing",
        f"{HABITS}::test_nothing_is_printed",
    ),
    53: (
        "archives are unpacked unchecked",
        "no archive is unpacked",
        f"{HABITS}::test_no_archive_is_unpacked",
    ),
    54: (
        "names from the server can lead to any path",
        "every path is checked to stay below the folder",
        f"{FILE_FAULTS}::test_hostile_names_stay_in_the_folder",
    ),
    55: (
        "any URL is accepted",
        "only http and https are accepted, plain http with a warning",
        f"{ADDRESSES}::test_plain_http_is_warned_of",
    ),
    56: (
        "ids go into paths unquoted",
        "every name is one quoted segment",
        f"{ROUND}::test_any_names",
    ),
    57: (
        "the working directory of the process changes",
        "no call changes it",
        f"{HABITS}::test_the_process_is_left_alone",
    ),
    58: ("the secret is a public attribute", "it is not", f"{TRANSPORT}::test_secrets_stay_inside"),
    59: ("no timeouts", "every request has one", f"{RETRIES}::test_no_answer_in_time"),
    60: (
        "a connection for each request",
        "connections are kept",
        f"{TRANSPORT}::test_connections_are_kept",
    ),
    61: (
        "no retries",
        "temporary faults are retried",
        f"{RETRIES}::test_passing_faults_are_tried_again",
    ),
    62: (
        "GET requests that change things",
        "only with stacks that offer nothing else; they may be repeated",
        f"{DATASETS}::test_a_version_is_frozen",
    ),
    63: (
        "JSON within JSON, and NaN",
        "lines of JSON; a value that is not a number is refused",
        f"{ROUND}::test_not_finite",
    ),
    64: (
        "batches are limited by images",
        "batches are also limited by bytes",
        "unit/client/test_upload.py::test_batches",
    ),
    65: ("7 s of sleep after each batch", "none", f"{ROUND}::test_many_batches"),
    66: (
        "the URL is used as it is",
        "it is normalized and checked",
        f"{ADDRESSES}::test_urls_are_tidied",
    ),
    67: (
        "keys must be ASCII, and the error does not say so",
        "keys are sent as UTF-8; an impossible key is refused with a reason",
        f"{ADDRESSES}::test_impossible_credentials",
    ),
    68: (
        "paging by recursion ends at 1,000 pages",
        "a loop",
        f"{CALLS}::test_download_of_many_pages",
    ),
    69: ("a request for each downloaded file", "none", f"{FILE_FAULTS}::test_pages_as_published"),
    70: (
        "whole parts are read into memory",
        "a megabyte at a time",
        f"{FILES}::test_files_of_several_parts",
    ),
    71: (
        "small uploads use one thread",
        "files go in bundles, several at a time",
        f"{FILES}::test_up_and_known",
    ),
    72: (
        "final errors are retried 20 times, every 30 s",
        "only temporary errors are retried",
        f"{RETRIES}::test_final_refusals_are_not_repeated",
    ),
    73: (
        "an empty last part is sent",
        "only an empty file has an empty part",
        f"{FILES}::test_part_size_is_the_published_one",
    ),
    74: (
        "a bare file name is looked up in the root folder",
        "paths are resolved as usual",
        f"{FILES}::test_one_file",
    ),
    75: (
        "a failed part on Azure is a success",
        "a refused part fails the file, whatever the storage",
        f"{FILE_FAULTS}::test_a_refused_part_is_no_success",
    ),
    76: ("an empty file on GCP is not sent", "it is", f"{FILES}::test_empty_and_strange_files"),
    77: (
        "two characters of each ETag are cut off",
        "ETags are read unchanged",
        f"{STACK_FILES}::test_parts",
    ),
    78: (
        "a retry sends an empty list of parts",
        "the stack knows the parts itself",
        f"{STACK_FILES}::test_parts",
    ),
    79: (
        "a missing part raises TypeError",
        "an error says which part",
        f"{STACK_FILES}::test_a_missing_part",
    ),
    80: (
        "PNG files are declared as JPEG",
        "types are detected from the content",
        "unit/client/test_file_sources.py::test_content_is_told_by_bytes",
    ),
    81: (
        "lists of failed files are shared between calls",
        "no default is changed",
        f"{HABITS}::test_defaults_cannot_be_changed",
    ),
    82: (
        "there are no checksums, and uploads do not resume",
        "SHA-256 is checked end to end; the same call resumes",
        f"{FILE_FAULTS}::test_a_killed_upload_goes_on_with_the_parts_that_are_there",
    ),
    83: (
        "an unknown storage type leaves the upload open",
        "it is refused before any file is sent",
        f"{FILE_FAULTS}::test_unknown_storage_and_missing_etag",
    ),
    84: (
        "a stored single file ends in KeyError",
        "the report has its unique name",
        f"{FILES}::test_one_file",
    ),
    85: (
        "an argument does not do what its name says",
        "its documentation says what it does",
        f"{FILES}::test_deprecated_names",
    ),
    86: (
        "threads print progress",
        "one bar on a terminal, nothing elsewhere",
        "unit/client/test_progress.py::test_silent",
    ),
    87: (
        "error pages are saved as images",
        "status, size and checksum are checked",
        f"{FILE_FAULTS}::test_damaged_files_do_not_appear",
    ),
    88: (
        "half a file counts as complete",
        "a file appears only when it is complete",
        f"{FILE_FAULTS}::test_a_killed_download_goes_on",
    ),
    89: (
        "annotations are duplicated after a retry",
        "each entry is written once",
        f"{CALLS}::test_download_of_many_pages",
    ),
    90: (
        "all annotations are held in memory",
        "they are streamed into the file",
        MEMORY,
    ),
    91: (
        "the directory is created only at page 1",
        "it is created before the first file",
        f"{PROJECTS}::test_collections_come_with_their_images",
    ),
    92: (
        "path lists grow with each run",
        "they are rewritten, with relative paths",
        f"{DATASETS}::test_downloads",
    ),
    93: (
        "every run downloads archives again",
        "no archive is unpacked",
        f"{HABITS}::test_no_archive_is_unpacked",
    ),
    94: (
        "leaving out media breaks archives",
        "no archive is unpacked",
        f"{HABITS}::test_no_archive_is_unpacked",
    ),
    95: (
        "files with the same name overwrite each other",
        "no two share a path",
        f"{NAMES}::test_no_two_files_share_a_path",
    ),
    96: (
        "one retry for any failure",
        "temporary faults are retried for a minute",
        f"{RETRIES}::test_giving_up_is_bounded",
    ),
    97: ("defaults that calls change", "None", f"{HABITS}::test_defaults_cannot_be_changed"),
    98: (
        "the caller's data is changed",
        "it is not",
        "integration/client/test_callers_data.py::test_arguments_stay_as_they_were",
    ),
    99: (
        "arguments change their positions between versions",
        "the order is the published one; new arguments are keyword-only",
        f"{MATRIX}::test_every_method_works",
    ),
    100: (
        "some names are misspelled",
        "correct names exist beside the published ones",
        f"{HABITS}::test_misspelt_names_have_right_ones",
    ),
    101: (
        "human data is not marked as such",
        "model run and ground truth are two modes",
        f"{ROUND}::test_ground_truth_and_model_run_of_one_name",
    ),
    102: ("local times without a zone", "UTC, ISO 8601", f"{CALLS}::test_lists"),
    103: (
        "sessions are clock readings",
        "random ids",
        f"{ROUND}::test_sessions_are_random",
    ),
    104: ("no filter raises TypeError", "None means no filter", f"{ITEMS}::test_trash_and_restore"),
    105: (
        "only the last file's fields are checked",
        "all are, before the first is sent",
        f"{ITEMS}::test_bad_metadata",
    ),
    106: (
        "percentages with fractions are refused, and late",
        "rounding is allowed; the check comes first",
        f"{DATASETS}::test_what_cannot_be",
    ),
    107: (
        "an integer is not accepted as a confidence",
        "it is",
        f"{LABELS}::test_analysis_is_refused_with_a_clear_word",
    ),
    108: (
        "a wrong code raises an unintended error",
        "DataError names the argument",
        f"{LABELS}::test_bad_own_jobs",
    ),
    109: (
        "loggers with common names print at import",
        "our loggers begin with layernext and are silent",
        f"{RETRIES}::test_silent_without_logging",
    ),
    110: (
        "the whole file is in memory, twice",
        "it is read as a stream",
        MEMORY,
    ),
    111: (
        "the release contains unfinished code",
        "every public call is tested",
        f"{MATRIX}::test_every_method_works",
    ),
    112: (
        "analysis gets neither job nor filter",
        "there is no analysis, and the error says so",
        f"{LABELS}::test_analysis_is_refused_with_a_clear_word",
    ),
    113: (
        "a run is attached although its upload failed",
        "a run is attached only after a complete upload",
        f"{PROJECTS}::test_runs_go_to_a_project",
    ),
}
