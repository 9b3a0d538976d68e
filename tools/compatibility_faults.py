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
        "labels that cannot be resolved empty every image",
        "nothing is resolved by the client; a failed request ends the upload before it changes anything",
        f"{FAULTS_TEST}::test_requests_that_fail",
    ),
    2: (
        "an annotation without a reference is dropped",
        "labels are made by the stack; every annotation is stored or the batch is refused",
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
    5: ("values that are no text are dropped", "any JSON value is kept", f"{ROUND}::test_any_run"),
    6: (
        "an unknown geometry ends the image",
        "it is refused with its place",
        f"{DECODE}::test_problems_name_their_place",
    ),
    7: (
        "an annotation without a type takes the one before",
        "a missing type is refused with its place",
        f"{DECODE}::test_problems_name_their_place",
    ),
    8: (
        "an image takes the bucket of the one before",
        "each image has its own or the call's",
        f"{ROUND}::test_unique_names_and_paths",
    ),
    9: (
        "a shape without coordinates is sent",
        "it is refused with its place",
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
        "plain parts of 100",
        "integration/client/test_embeddings.py::test_any_number_of_vectors",
    ),
    13: (
        "one failed file ends a page",
        "each file fails alone and is in the report",
        "integration/client/test_file_faults.py::test_every_third_request_fails",
    ),
    14: (
        "a broken page counts as completed",
        "a page that does not come ends the download with an error",
        f"{FAULTS_TEST}::test_download_that_cannot_end",
    ),
    15: (
        "folders below the folder are ignored",
        "all below it is uploaded",
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
    18: ("an unknown type means another one", "it is refused", f"{ITEMS}::test_bad_lists"),
    19: (
        "an unknown shape becomes a rectangle",
        "it is refused",
        f"{PROJECTS}::test_what_cannot_be",
    ),
    20: (
        "exceptions are printed and swallowed",
        "one family of exceptions, raised",
        "unit/test_public_face.py::test_every_error_is_offered",
    ),
    21: (
        "the status of answers is not looked at",
        "every status is",
        f"{TRANSPORT}::test_refusals_become_the_most_specific_error",
    ),
    22: (
        "refused batches look stored",
        "the report counts what the stack has confirmed",
        f"{FAULTS_TEST}::test_place_that_the_stack_names",
    ),
    23: (
        "every error speaks of versions",
        "each says what happened",
        f"{RETRIES}::test_words_for_trouble",
    ),
    24: (
        "some statuses are passed over in silence",
        "none is",
        f"{TRANSPORT}::test_refusals_become_the_most_specific_error",
    ),
    25: (
        "results of metadata uploads are dropped",
        "a report with the names that no file has",
        f"{ITEMS}::test_metadata_and_queries",
    ),
    26: (
        "the result of a removal is dropped",
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
        "one lost answer ends the wait",
        "it is asked again",
        f"{RETRIES}::test_passing_faults_are_tried_again",
    ),
    32: (
        "waits are 30 s long and have no end",
        "from 0.2 s growing to 10 s, with a limit if wanted",
        f"{FAULTS_TEST}::test_job_that_does_not_end",
    ),
    33: (
        "metadata goes out though the upload failed",
        "what comes after a failed part is not begun",
        f"{FILES}::test_annotations_come_with_the_files",
    ),
    34: (
        "some statuses of the tag check raise KeyError",
        "the stack checks tags with the metadata itself",
        f"{ITEMS}::test_bad_metadata",
    ),
    35: (
        "a failed count raises KeyError",
        "it raises what the stack said",
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
        "retries are the transport's, for all requests alike",
        "integration/client/test_file_faults.py::test_every_third_request_fails",
    ),
    39: (
        "odd error bodies raise AttributeError",
        "any body is survived, and the status is said",
        f"{TRANSPORT}::test_any_error_body_is_survived",
    ),
    40: (
        "wrong arguments leave a queued job",
        "arguments are checked before anything is made",
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
    43: ("a text is raised", "only exceptions are", f"{FILES}::test_wrong_arguments"),
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
        "typed reports, which answer the published keys as well",
        f"{LABELS}::test_labels_and_groups",
    ),
    47: (
        "an outage is called incompatibility",
        "each has its own error",
        f"{CALLS}::test_incompatible",
    ),
    48: (
        "an empty list divides by zero",
        "it stores nothing and says so",
        "integration/client/test_embeddings.py::test_any_number_of_vectors",
    ),
    49: (
        "download jobs lie about their progress",
        "downloads make no jobs",
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
        "names from the server lead anywhere",
        "every path is checked to stay below the folder",
        f"{FILE_FAULTS}::test_hostile_names_stay_in_the_folder",
    ),
    55: (
        "any URL is taken",
        "http and https alone, with a warning for plain http",
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
        "passing faults are tried again",
        f"{RETRIES}::test_passing_faults_are_tried_again",
    ),
    62: (
        "GET requests that change things",
        "only where a stack speaks nothing else; they may be repeated",
        f"{DATASETS}::test_a_version_is_frozen",
    ),
    63: (
        "JSON within JSON, and NaN",
        "lines of JSON; a value that is not a number is refused",
        f"{ROUND}::test_not_finite",
    ),
    64: (
        "batches are limited by images",
        "by bytes, too",
        "unit/client/test_upload.py::test_batches",
    ),
    65: ("7 s of sleep after each batch", "none", f"{ROUND}::test_many_batches"),
    66: (
        "the URL is joined as it is",
        "it is tidied and checked",
        f"{ADDRESSES}::test_urls_are_tidied",
    ),
    67: (
        "keys must be ASCII, unexplained",
        "UTF-8 is sent; what cannot be is refused with a reason",
        f"{ADDRESSES}::test_impossible_credentials",
    ),
    68: (
        "paging by recursion ends at 1,000 pages",
        "a loop",
        f"{CALLS}::test_download_of_many_pages",
    ),
    69: ("a request for each downloaded file", "none", f"{FILE_FAULTS}::test_pages_as_published"),
    70: (
        "parts are read whole into memory",
        "a megabyte at a time",
        f"{FILES}::test_files_of_several_parts",
    ),
    71: (
        "small uploads use one thread",
        "files go in bundles, several at a time",
        f"{FILES}::test_up_and_known",
    ),
    72: (
        "20 rounds of 30 s for hopeless errors",
        "only what may pass is tried again",
        f"{RETRIES}::test_final_refusals_are_not_repeated",
    ),
    73: (
        "an empty last part",
        "none, but of an empty file",
        f"{FILES}::test_part_size_is_the_published_one",
    ),
    74: (
        "a bare file name is looked for in the root",
        "paths are read as everywhere",
        f"{FILES}::test_one_file",
    ),
    75: (
        "a failed part on Azure is a success",
        "a part that is not taken fails the file, whoever keeps it",
        f"{FILE_FAULTS}::test_a_refused_part_is_no_success",
    ),
    76: ("an empty file on GCP is not sent", "it is", f"{FILES}::test_empty_and_strange_files"),
    77: (
        "two characters of each ETag are cut off",
        "tags are read as they are",
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
        "PNG files are called JPEG",
        "types are told by the bytes",
        "unit/client/test_file_sources.py::test_content_is_told_by_bytes",
    ),
    81: (
        "lists of failed files are shared between calls",
        "no default is changed",
        f"{HABITS}::test_defaults_cannot_be_changed",
    ),
    82: (
        "no checksums, no resume",
        "SHA-256 from end to end; the same call goes on",
        f"{FILE_FAULTS}::test_a_killed_upload_goes_on_with_the_parts_that_are_there",
    ),
    83: (
        "an unknown storage type leaves the upload open",
        "it is refused before a file is begun",
        f"{FILE_FAULTS}::test_unknown_storage_and_missing_etag",
    ),
    84: (
        "a stored single file ends in KeyError",
        "the report has its unique name",
        f"{FILES}::test_one_file",
    ),
    85: (
        "an argument means something else than it says",
        "documented as what it does",
        f"{FILES}::test_deprecated_names",
    ),
    86: (
        "threads print progress",
        "one bar on a terminal, nothing elsewhere",
        "unit/client/test_progress.py::test_silent",
    ),
    87: (
        "error pages are saved as images",
        "status, size and checksum are looked at",
        f"{FILE_FAULTS}::test_damaged_files_do_not_appear",
    ),
    88: (
        "half a file counts as there",
        "a file appears when it is whole",
        f"{FILE_FAULTS}::test_a_killed_download_goes_on",
    ),
    89: (
        "annotations come twice after a retry",
        "each entry is written once",
        f"{CALLS}::test_download_of_many_pages",
    ),
    90: (
        "all annotations are held in memory",
        "they are streamed into the file",
        MEMORY,
    ),
    91: (
        "the directory is made at page 1",
        "before the first file",
        f"{PROJECTS}::test_collections_come_with_their_images",
    ),
    92: (
        "path lists grow with each run",
        "they are written again, with relative paths",
        f"{DATASETS}::test_downloads",
    ),
    93: (
        "archives come again at every run",
        "no archive is unpacked",
        f"{HABITS}::test_no_archive_is_unpacked",
    ),
    94: (
        "media left out break archives",
        "no archive is unpacked",
        f"{HABITS}::test_no_archive_is_unpacked",
    ),
    95: (
        "files of one name overwrite each other",
        "no two share a path",
        f"{NAMES}::test_no_two_files_share_a_path",
    ),
    96: (
        "one retry for any failure",
        "passing faults are tried again for a minute",
        f"{RETRIES}::test_giving_up_is_bounded",
    ),
    97: ("defaults that calls change", "None", f"{HABITS}::test_defaults_cannot_be_changed"),
    98: (
        "the caller's data is changed",
        "it is not",
        "integration/client/test_callers_data.py::test_arguments_stay_as_they_were",
    ),
    99: (
        "arguments change their places between versions",
        "the published order; what is new has a name",
        f"{MATRIX}::test_every_method_works",
    ),
    100: (
        "misspelt names",
        "right ones, and the published ones beside them",
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
        "percentages with fractions are refused, late",
        "a rounding is allowed for; checked first",
        f"{DATASETS}::test_what_cannot_be",
    ),
    107: (
        "a whole number is not a confidence",
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
        "unfinished code is shipped",
        "every public call is tested",
        f"{MATRIX}::test_every_method_works",
    ),
    112: (
        "analysis gets neither job nor filter",
        "there is no analysis, and it is said",
        f"{LABELS}::test_analysis_is_refused_with_a_clear_word",
    ),
    113: (
        "a run is attached though its upload failed",
        "only behind a whole upload",
        f"{PROJECTS}::test_runs_go_to_a_project",
    ),
}
