"""What the reliability notes list, row by row, and who tries it: threats (A), bad inputs (F), faults (X), loads (L).

A row names tests, or functions of ``tests/load``, which ``python tests/load`` runs by hand because they take minutes.
The few rows that nobody can try say why. Where the notes name other limits than
``explorer.core.limits``, the caps hold.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

SERVER, LEAVING, FAULTS, PLACES, PROBES = (
    f"tests/ui/test_{name}.py::test_" for name in ("server", "leaving", "faults", "places", "probe_cache")
)
GATE, UPLOADS, BAD, ADMISSION, LIFE, FUZZ = (
    f"tests/ui/gate/test_{name}.py::test_"
    for name in ("http_filter", "upload_store", "bad_inputs", "admission", "lifecycle", "fuzz")
)
FOLDERS, MEMORY, PICTURES, STATES = (
    f"tests/ui/memory/test_{name}.py::test_" for name in ("temp_folder", "kept", "pictures", "states")
)
IMAGES, PRESETS = (f"tests/pictures/test_{name}.py::test_" for name in ("images", "examples"))
CAPTIONS, SETTINGS, PROBE, RANK, MASKS = (
    f"tests/core/test_{name}.py::test_" for name in ("captions", "settings", "probe", "rank", "masks")
)
FILES, EXPORT = (f"tests/results/test_{name}.py::test_" for name in ("folders", "export"))
CLI, ENTRY = (f"tests/cli/test_{name}.py::test_" for name in ("main", "entry_points"))
SOURCE, GATES, PROJECT = (f"tests/contracts/test_{name}.py::test_" for name in ("source_gates", "imports", "project"))
OPENING = "tests/ui/tabs/explore/test_open_link.py::test_"
LITE, CLIP, KERAS, TIMM = (
    f"tests/encoders/test_{name}.py::test_" for name in ("lite", "openclip", "keras_applications", "timm")
)
CLICKED, LOST, JOB = (f"tests/browser/test_{name}.py::test_" for name in ("bad_input", "losses", "main_job"))
LOAD = "tests/load/scenarios.py::"
BENCHMARK = "tests/benchmark/test_run.py::test_"

NO_RAY = (
    "Ray is not used: no worker, port or dashboard of it exists; tests/contracts/test_imports.py refuses the import."
)


class Row(NamedTuple):
    """One row of the notes: what it is about, and the tests of it or else why there is none."""

    about: str
    tests: tuple[str, ...]
    why_not: str


def row(about: str, *tests: str, why_not: str = "") -> Row:
    return Row(about, tests, why_not)


THREATS = {
    "A1.1": row(
        "links that the server would fetch",
        f"{GATE}no_input_of_any_event_makes_the_server_fetch",
        f"{GATE}a_picture_given_again_to_its_input_is_no_way_round",
        f"{SERVER}the_server_fetches_no_link",
        f"{UPLOADS}gradio_fetches_and_copies_nothing",
        f"{IMAGES}links_are_not_followed",
    ),
    "A1.2": row(
        "paths out of the folder",
        f"{SERVER}no_file_of_the_server_can_be_read",
        f"{GATE}no_picture_that_was_not_uploaded_is_read",
        f"{GATE}links_and_pipes_inside_the_upload_folder_are_not_followed",
        f"{UPLOADS}nothing_else_is_served_and_nothing_told",
        f"{SERVER}nothing_else_in_those_folders_is",
    ),
    "A1.3": row(
        "text that becomes a file to download",
        f"{BAD}no_text_becomes_a_file_that_is_sent",
        f"{SERVER}routes_the_app_does_not_need_are_closed",
    ),
    "A1.4": row(
        "redirects, and being a proxy for anyone",
        f"{SERVER}no_file_of_the_server_can_be_read",
        f"{SERVER}routes_the_app_does_not_need_are_closed",
        f"{GATE}no_input_of_any_event_makes_the_server_fetch",
    ),
    "A1.5": row(
        "other sites in a visitor's browser",
        f"{GATE}other_sites_cannot_use_a_visitor",
        f"{GATE}no_answer_allows_another_site_to_read_it",
        "tests/ui/gate/test_origins.py::test_sites_by_what_the_browser_says",
        "tests/ui/gate/test_origins.py::test_unknown_names_are_refused_until_they_are_told",
    ),
    "A1.6": row(
        "uploads that exhaust",
        f"{UPLOADS}requests_that_no_page_sends_are_refused",
        f"{UPLOADS}exactly_the_limit_is_taken",
        f"{UPLOADS}a_body_that_is_announced_too_large_is_not_read",
        f"{UPLOADS}one_address_cannot_take_everything",
        f"{SERVER}large_bodies_are_refused",
    ),
    "A1.7": row(
        "thousands of ranges", f"{GATE}any_range_of_a_file_is_answered", f"{UPLOADS}one_piece_or_the_whole_file"
    ),
    "A1.8": row(
        "markup in captions, names and files",
        f"{CLICKED}markup_in_a_caption_stays_text",
        f"{LOST}markup_in_a_files_name_stays_text",
        f"{UPLOADS}anything_else_is_refused_in_one_sentence",
        f"{UPLOADS}files_are_served_as_what_they_are",
        "tests/browser/test_share.py::test_markup_in_a_links_caption_stays_text",
        "tests/browser/test_words.py::test_markup_stays_text",
        f"{FAULTS}a_handler_tells_any_error_as_text",
    ),
    "A1.9": row(
        "names of pages and events are keys",
        f"{BAD}what_names_a_page_or_a_visitor_is_told_nobody",
        f"{LEAVING}nobody_elses_run_can_be_stopped",
        f"{UPLOADS}a_visitors_name_is_nowhere",
        f"{EXPORT}nothing_of_the_machine_is_in_it",
        f"{OPENING}nobodys_file_is_found_by_its_hash",
    ),
    "A1.10": row("disk filled by deep links", f"{SERVER}routes_the_app_does_not_need_are_closed"),
    "A1.11": row(
        "routes nobody needs",
        f"{GATE}gradio_opens_no_route_that_was_not_looked_at",
        f"{GATE}only_what_was_let_in_is_reached",
        f"{SERVER}routes_the_app_does_not_need_are_closed",
    ),
    "A1.12": row("guessed passwords", f"{BAD}nobody_logs_in"),
    "A1.13": row(
        "pickles", f"{GATES}nothing_forbidden", f"{GATES}the_gate_catches", f"{FILES}a_damaged_probe_is_refused"
    ),
    "A2.1": row(
        "decompression bombs",
        f"{IMAGES}a_bomb_is_refused_before_it_decodes",
        f"{IMAGES}sizes_beyond_the_caps_are_refused_by_the_header",
        f"{BAD}the_largest_picture_is_taken",
        f"{ENTRY}a_bomb_is_an_error_in_every_thread",
    ),
    "A2.2": row(
        "the content decides the format",
        f"{IMAGES}other_formats_are_told_by_their_content_and_never_opened",
        f"{IMAGES}only_the_sniffed_format_is_tried",
        f"{BAD}a_picture_that_is_none_gets_its_sentence",
        f"{UPLOADS}pictures_are_taken_by_their_content",
    ),
    "A2.3": row(
        "which way is up", f"{IMAGES}eight_orientations_are_one_picture", f"{IMAGES}damaged_exif_counts_as_none"
    ),
    "A2.4": row(
        "colour modes and transparency",
        f"{IMAGES}colour_modes_agree_with_the_master",
        f"{IMAGES}greys_of_any_depth_agree",
        f"{IMAGES}a_colour_hidden_under_alpha_zero_never_shows",
        f"{IMAGES}a_transparent_colour_is_hidden_at_every_depth",
        f"{IMAGES}one_bit_is_black_and_white",
        f"{IMAGES}an_icc_profile_is_not_applied",
    ),
    "A2.5": row(
        "moving pictures",
        f"{IMAGES}of_an_animation_the_first_frame_is_used",
        f"{IMAGES}a_long_animation_is_not_decoded",
        f"{PICTURES}an_animation_is_opened_once_for_its_first_frame",
    ),
    "A2.6": row(
        "damaged files",
        f"{IMAGES}a_cut_file_is_incomplete",
        f"{IMAGES}a_png_with_a_bad_checksum_is_incomplete",
        f"{IMAGES}no_damage_raises_anything_but_our_error",
        f"{IMAGES}nobody_asks_pil_for_half_pictures",
        f"{BAD}a_picture_that_is_none_gets_its_sentence",
    ),
    "A2.7": row(
        "SVG by content",
        f"{IMAGES}other_formats_are_told_by_their_content_and_never_opened",
        f"{BAD}a_picture_that_is_none_gets_its_sentence",
    ),
    "A2.8": row(
        "sizes out of all proportion",
        f"{IMAGES}sizes_beyond_the_caps_are_refused_by_the_header",
        f"{IMAGES}sizes_at_the_caps_are_taken",
        f"{IMAGES}arrays_that_are_no_pictures",
        f"{SETTINGS}feature_res_above_the_image_side",
    ),
    "A2.9": row(
        "metadata that leaks",
        f"{FILES}nothing_of_the_input_file_leaks",
        f"{EXPORT}nothing_of_the_machine_is_in_it",
        f"{UPLOADS}a_visitors_name_is_nowhere",
    ),
    "A2.10": row(
        "results to the last bit",
        f"{FILES}what_is_saved",
        f"{EXPORT}the_numbers_are_the_results",
        "tests/browser/test_share.py::test_everything_can_be_taken_home_and_brought_back",
    ),
    "A2.11": row(
        "holes in native code",
        f"{SOURCE}floors_lie_above_the_known_holes",
        f"{SOURCE}what_is_installed_reaches_its_floor",
        f"{PROJECT}every_dependency_has_a_floor",
    ),
    "A3.1": row(
        "captions longer than the model reads",
        f"{CLIP}cuts_a_caption_at_75_tokens",
        f"{CLIP}cuts_between_words",
        f"{LITE}a_long_caption_is_cut_visibly",
        f"{CAPTIONS}a_caption_that_is_too_long_says_which_words_are_ignored",
    ),
    "A3.2": row("captions of megabytes", f"{CAPTIONS}length", f"{SERVER}large_bodies_are_refused"),
    "A3.3": row(
        "blanks, odd scripts, no text",
        f"{CAPTIONS}nothing_to_read",
        f"{CAPTIONS}no_text",
        f"{CAPTIONS}echoed_as_typed",
        f"{CAPTIONS}cleaned",
        f"{CAPTIONS}any_text_is_read_or_refused",
        f"{CAPTIONS}embedded",
    ),
    "A3.4": row(
        "code in weights files",
        f"{CLIP}pickles_are_not_run",
        f"{TIMM}pickles_are_not_run",
        f"{KERAS}pickles_are_not_run",
        f"{FILES}a_damaged_probe_is_refused",
        f"{GATES}nothing_forbidden",
        f"{LITE}damaged_package_is_refused",
    ),
    "A3.5": row(
        "code in Keras models",
        f"{KERAS}code_inside_a_model_is_not_run",
        f"{KERAS}other_kinds_of_files_are_refused",
        f"{SOURCE}no_network_is_made_from_a_file",
    ),
    "A3.6": row(
        "names of models that lead elsewhere",
        f"{SERVER}bad_values_get_one_clear_answer",
        f"{CLI}unknown_encoder",
        f"{TIMM}names_that_will_not_do",
        f"{CLIP}unknown_names",
        f"{GATES}the_gate_catches",
    ),
    "A3.7": row(
        "numbers that exhaust",
        f"{SERVER}bad_values_get_one_clear_answer",
        f"{GATE}numbers_of_another_kind_are_refused_in_words",
        f"{SETTINGS}no_whole_number",
        f"{SETTINGS}integers_larger_than_any_float",
        f"{SETTINGS}the_caps_are_the_designs",
        f"{FUZZ}every_event_takes_hostile_values",
    ),
    "A3.8": row(
        "memory of sessions",
        f"{MEMORY}sessions_never_hold_more_than_the_cap",
        f"{MEMORY}results_are_kept_for_their_time_only",
        f"{STATES}a_page_that_was_opened_costs_little",
        f"{LOAD}phone_photos",
        f"{LOAD}left_open",
    ),
    "A3.9": row(
        "caches: their size, and who gets what",
        f"{MEMORY}the_same_question_of_many_costs_once",
        f"{MEMORY}the_least_recently_used_goes_first",
        f"{PROBES}the_oldest_probes_are_forgotten_first",
        f"{IMAGES}the_hash_tells_shapes_and_pixels_apart",
        f"{PICTURES}the_same_file_elsewhere_is_known",
        f"{BAD}what_names_a_page_or_a_visitor_is_told_nobody",
    ),
    "A3.10": row(
        "embeddings that are not finite",
        f"{RANK}non_finite_embeddings_are_counted",
        "tests/results/test_wire.py::test_non_finite_embeddings_are_told",
        f"{RANK}a_reference_that_is_none",
    ),
    "A3.11": row(
        "embeddings without length",
        f"{RANK}zero_length_embeddings_are_counted",
        f"{RANK}a_reference_that_is_none",
        "tests/results/test_wire.py::test_a_reference_without_length_leaves_everything_to_the_rest",
    ),
    "A3.12": row(
        "nothing to explain",
        f"{RANK}a_dead_model",
        f"{RANK}a_dead_model_that_rounds",
        f"{RANK}a_uniform_picture",
        f"{CLICKED}uniform_picture",
        "tests/contracts/test_instrument_maths.py::test_flat_where_python_says_so",
    ),
    "A3.13": row(
        "Stop",
        f"{LEAVING}a_run_that_is_stopped_leaves_its_place_every_time",
        f"{JOB}stop_keeps_what_is_there_and_run_goes_on",
        f"{PROBES}a_stopped_run_goes_on_where_it_stopped",
        f"{PROBE}stopping_embeds_nothing_more",
    ),
    "A3.14": row(
        "clients that leave",
        f"{LEAVING}a_client_that_is_killed_leaves_its_place",
        f"{ADMISSION}a_run_that_nobody_listens_to_gives_its_place_up",
        f"{LIFE}a_page_that_goes_while_it_waits_ends_nobodys_queue",
        f"{FAULTS}waiting_yields_and_whoever_leaves_does_not_wait",
    ),
    "A3.15": row(
        "two tabs",
        f"{LEAVING}two_pages_never_mix",
        f"{LEAVING}two_runs_of_one_page_are_each_whole",
        f"{STATES}pages_do_not_see_each_other",
    ),
    "A3.16": row(
        "more runs than there is room for",
        f"{ADMISSION}each_limit_is_told_and_leaves_the_others_room",
        f"{ADMISSION}a_burst_of_one_client_leaves_everybody_elses_stop",
        f"{LOST}a_full_queue_is_told_and_the_result_stays",
    ),
    "A3.17": row(
        "a temporary folder of somebody else's",
        f"{FOLDERS}a_process_and_its_children_have_one_each",
        f"{FOLDERS}without_a_folder_one_line_says_why",
        f"{SERVER}safety_settings_hold_in_the_running_app",
    ),
    "A3.18": row("Ray's open ports", why_not=NO_RAY),
    "A3.19": row("pictures decoded by a network's library", f"{GATES}nothing_forbidden", f"{GATES}the_gate_catches"),
}

PICTURE_REFUSED = f"{BAD}a_picture_that_is_none_gets_its_sentence"
VALUES = f"{SERVER}bad_values_get_one_clear_answer"

BAD_INPUTS = {
    "F1": row("no picture", f"{CLICKED}no_picture", VALUES),
    "F2": row("an empty file", PICTURE_REFUSED),
    "F3": row("a file over the limit", PICTURE_REFUSED, f"{CLICKED}a_file_over_the_cap_is_refused_at_the_door"),
    "F4": row("text called a picture", PICTURE_REFUSED, f"{CLICKED}unreadable_pictures"),
    "F5": row("half a JPEG", PICTURE_REFUSED, f"{CLICKED}unreadable_pictures"),
    "F6": row("a PNG whose checksum is wrong", PICTURE_REFUSED),
    "F7": row("SVG, and SVG called PNG", PICTURE_REFUSED, f"{CLICKED}unreadable_pictures"),
    "F8": row("a bomb", PICTURE_REFUSED, f"{CLICKED}unreadable_pictures"),
    "F9": row("one pixel", PICTURE_REFUSED),
    "F10": row("a thread", PICTURE_REFUSED),
    "F11": row("500 frames", f"{BAD}a_picture_that_is_odd_is_explained_and_that_is_said"),
    "F12": row("TIFF in CMYK", PICTURE_REFUSED),
    "F13": row("EPS or PDF called JPEG, and no Ghostscript", PICTURE_REFUSED),
    "F14": row("HEIC of a phone", PICTURE_REFUSED),
    "F15": row(
        "nothing but transparency",
        f"{BAD}a_picture_that_is_odd_is_explained_and_that_is_said",
        f"{RANK}a_transparent_picture",
    ),
    "F16": row("all black", f"{CLICKED}uniform_picture", f"{BAD}a_picture_of_one_colour_is_said_to_be"),
    "F17": row("a caption of spaces", f"{CLICKED}captions_that_are_none", VALUES),
    "F18": row("a caption nobody can see", VALUES, f"{CAPTIONS}nothing_to_read"),
    "F19": row("a caption one character too long", f"{CLICKED}captions_that_are_none", VALUES),
    "F20": row(
        "more words than are read", f"{BAD}a_long_caption_says_what_is_not_read", f"{CLIP}cuts_a_caption_at_75_tokens"
    ),
    "F21": row("a caption of markup", f"{CLICKED}markup_in_a_caption_stays_text", f"{JOB}captions"),
    "F22": row(
        "a picture compared with itself",
        f"{BAD}a_picture_compared_with_itself_is_said_to_be",
        f"{RANK}identical_inputs_are_noticed",
        "tests/results/test_wire.py::test_identical_pictures_are_said_to_be",
    ),
    "F23": row("Run pressed twenty times", f"{CLICKED}run_pressed_many_times_embeds_once"),
    "F24": row("Stop before any start", f"{CLICKED}stop_before_start_does_nothing"),
    "F25": row(
        "a tab that slept too long",
        f"{BAD}a_picture_that_was_swept_has_to_be_added_again",
        f"{MEMORY}a_lost_result_is_said_to_be",
        f"{OPENING}what_the_server_no_longer_has_is_not_guessed",
    ),
    "F26": row(
        "a server that was restarted",
        f"{LOST}a_broken_connection_is_told_and_the_page_comes_back",
        f"{LIFE}a_server_that_is_told_to_end_does_so_politely",
    ),
    "F27": row(
        "a full queue",
        f"{LOST}a_full_queue_is_told_and_the_result_stays",
        f"{JOB}the_queue_says_who_comes_first",
        f"{ADMISSION}each_limit_is_told_and_leaves_the_others_room",
    ),
    "F28": row("a billion masks", VALUES, f"{SETTINGS}out_of_range"),
    "F29": row("NaN masks", VALUES, f"{SETTINGS}no_whole_number"),
    "F30": row("infinitely many masks", VALUES, f"{SETTINGS}no_whole_number"),
    "F31": row("too few masks, or fewer than none", VALUES, f"{SETTINGS}out_of_range"),
    "F32": row(
        "a number of another kind",
        VALUES,
        f"{GATE}numbers_of_another_kind_are_refused_in_words",
        f"{SETTINGS}no_whole_number",
    ),
    "F33": row("keeping nothing or all", VALUES, f"{SETTINGS}out_of_range"),
    "F34": row(
        "cells beyond the limits", VALUES, f"{SETTINGS}out_of_range", f"{SETTINGS}feature_res_above_the_image_side"
    ),
    "F35": row("seeds beyond the limits", VALUES, f"{SETTINGS}out_of_range"),
    "F36": row("an encoder that is a path", VALUES, f"{CLI}unknown_encoder"),
    "F37": row("an encoder of somebody else's", VALUES, f"{TIMM}names_that_will_not_do"),
    "F38": row(
        "a file of the server as picture",
        f"{SERVER}only_uploaded_files_are_read",
        f"{GATE}no_picture_that_was_not_uploaded_is_read",
    ),
    "F39": row(
        "a link as picture", f"{SERVER}the_server_fetches_no_link", f"{GATE}values_of_another_kind_are_refused_in_words"
    ),
    "F40": row(
        "a picture inside the request",
        f"{SERVER}a_picture_inside_the_request_is_refused",
        f"{SERVER}large_bodies_are_refused",
    ),
    "F41": row(
        "another visitor's picture",
        f"{BAD}a_path_that_is_known_can_be_used_and_none_can_be_guessed",
        f"{UPLOADS}the_same_picture_costs_once_and_no_name_can_be_guessed",
    ),
    "F42": row(
        "an event that does not exist",
        f"{GATE}wrong_bodies_get_words_and_never_500",
        f"{SERVER}broken_requests_leave_the_server_alive",
    ),
    "F43": row("too few inputs", f"{GATE}wrong_bodies_get_words_and_never_500"),
    "F44": row(
        "bodies that are no JSON, or too much",
        f"{SERVER}broken_requests_leave_the_server_alive",
        f"{SERVER}large_bodies_are_refused",
        f"{FUZZ}bodies_of_any_bytes_are_answered",
    ),
    "F45": row("past the queue", f"{SERVER}routes_the_app_does_not_need_are_closed"),
    "F46": row(
        "Stop for an event that is made up",
        f"{SERVER}an_unknown_event_can_be_cancelled_without_harm",
        f"{LEAVING}nobody_elses_run_can_be_stopped",
    ),
    "F47": row("a caption that is no text", VALUES, f"{CAPTIONS}no_text"),
    "F48": row("no such file", f"{CLI}bad_pictures", f"{IMAGES}files_that_are_none"),
    "F49": row("a folder for a picture", f"{CLI}bad_pictures", f"{IMAGES}files_that_are_none"),
    "F50": row(
        "nowhere to write",
        f"{CLI}unwritable_output",
        f"{ENTRY}a_full_disk_ends_the_command_and_keeps_nothing",
        f"{FILES}a_full_disk_keeps_nothing",
    ),
    "F51": row("results that are there already", f"{CLI}results_are_not_overwritten_unasked"),
    "F52": row(
        "going on with other settings",
        f"{CLI}stopped_and_resumed_equals_uninterrupted",
        f"{FILES}other_settings_are_refused",
    ),
    "F53": row(
        "no weights and no network",
        f"{CLI}missing_weights_exit_with_3",
        f"{CLIP}offline_says_which_command_to_run",
        f"{KERAS}offline_says_which_command_to_run",
        f"{TIMM}offline_says_which_command_to_run",
    ),
    "F54": row("Ctrl-C", f"{CLI}stopped_and_resumed_equals_uninterrupted"),
    "F55": row(
        "one bad picture among many, or none",
        f"{BENCHMARK}pictures_that_cannot_be_used",
        f"{BENCHMARK}data_without_any_item",
        f"{ENTRY}the_command_explains_one_picture_at_a_time",
    ),
    "F56": row("NaN in an array", f"{IMAGES}non_finite_values_are_counted", f"{PROBE}non_finite_pixels_are_counted"),
    "F57": row(
        "arrays of another shape",
        f"{IMAGES}arrays_that_are_no_pictures",
        f"{PROBE}a_function_needs_height_width_channels",
    ),
    "F58": row("floats up to 255", f"{IMAGES}floats_beyond_one_are_refused"),
    "F59": row(
        "models that answer with no embedding",
        f"{PROBE}answers_that_are_no_embedding",
        f"{RANK}non_finite_embeddings_are_counted",
        f"{RANK}zero_length_embeddings_are_counted",
    ),
    "F60": row("masks that are none", f"{MASKS}unusable_masks", f"{MASKS}as_many_masks_as_asked_for"),
}

BROKEN = {
    "X1": row("Stop in mid-run", f"{LEAVING}a_run_that_is_stopped_leaves_its_place_every_time", f"{LOAD}mixed"),
    "X2": row(
        "a client that is killed",
        f"{LEAVING}a_client_that_is_killed_leaves_its_place",
        f"{ADMISSION}what_nobody_listens_for_is_dropped",
        f"{LOAD}mixed",
    ),
    "X3": row(
        "a client that reads slowly",
        f"{LEAVING}a_client_that_does_not_read_holds_up_nobody",
        f"{LIFE}only_silent_and_stuck_connections_are_closed",
    ),
    "X4": row(
        "a model that fails in mid-run",
        f"{FAULTS}a_run_that_fails_at_batch_7_keeps_what_it_had",
        f"{FAULTS}evidence_that_fails_midway_says_how_far_it_came",
        f"{FAULTS}a_view_that_cannot_be_made_ends_the_run_in_words_too",
        f"{FAULTS}a_sweep_that_fails_keeps_its_maps_and_goes_on",
    ),
    "X5": row(
        "no memory left",
        f"{FAULTS}a_run_that_runs_out_of_memory_says_so_and_the_next_one_works",
        f"{FAULTS}every_error_has_words",
    ),
    "X6": row("a Ray worker that is killed", why_not=NO_RAY),
    "X7": row(
        "a full disk",
        f"{UPLOADS}a_full_disk_is_told_and_got_over",
        f"{OPENING}an_export_that_cannot_be_written_says_so",
        f"{LITE}a_cache_that_cannot_be_written_is_done_without",
        f"{FILES}a_full_disk_keeps_nothing",
        f"{PRESETS}a_full_disk_leaves_nothing_behind",
    ),
    "X8": row(
        "damaged weights",
        f"{LITE}a_spoilt_cache_is_made_again",
        f"{LITE}damaged_package_is_refused",
        f"{CLIP}damaged_weights_in_the_cache",
        f"{CLIP}files_that_are_no_weights",
        f"{TIMM}damaged_weights_in_the_cache",
        f"{TIMM}files_that_are_no_weights",
        f"{KERAS}damaged_weights_in_the_cache_are_fetched_again",
        f"{KERAS}files_that_are_no_weights",
    ),
    "X9": row(
        "no network at the start",
        f"{PLACES}without_a_network_a_home_and_a_locale_the_app_starts_and_asks_nobody",
        f"{CLIP}a_silent_network_counts_as_none",
        f"{CLIP}cached_weights_need_no_network",
        f"{KERAS}a_silent_network_counts_as_none",
        f"{CLI}missing_weights_exit_with_3",
        "tests/browser/test_main_job.py::test_first_screen_is_a_finished_result",
    ),
    "X10": row(
        "a network that dies in mid-download",
        f"{CLIP}a_download_that_breaks_off_leaves_nothing_to_load",
        f"{KERAS}a_server_that_will_not_give_them",
        f"{PRESETS}without_a_network_the_command_is_named",
        f"{PRESETS}a_reader_never_sees_half_a_picture",
    ),
    "X11": row(
        "told to end",
        f"{LIFE}a_server_that_is_told_to_end_does_so_politely",
        f"{LIFE}a_second_signal_ends_it_at_once",
        f"{FAULTS}closing_ends_a_run_at_its_next_step_and_refuses_others",
        f"{ADMISSION}a_closed_server_takes_nothing",
    ),
    "X12": row(
        "killed and started again",
        f"{LIFE}a_killed_server_leaves_nothing_for_long",
        f"{FOLDERS}what_a_killed_server_leaves_goes_when_another_starts",
        f"{FOLDERS}files_are_written_whole_or_not_at_all",
        f"{FILES}a_failure_while_moving_keeps_nothing",
    ),
    "X13": row(
        "clocks, locales, homes and other users",
        f"{PLACES}the_command_works_in_odd_places",
        f"{PLACES}what_people_type_in_a_plain_locale_is_read_or_refused_in_one_line",
        f"{PLACES}a_folder_that_cannot_be_written_is_told_in_one_line",
        f"{FOLDERS}the_app_is_built_for_a_user_without_a_home",
        f"{SOURCE}nothing_is_timed_by_a_clock_that_jumps",
    ),
    "X14": row("a blocked event loop", f"{SOURCE}coroutines_do_no_slow_work", f"{LOAD}classroom"),
}

LOADS = {
    "L1": row("one visitor, many runs", f"{LOAD}one_session"),
    "L2": row("a class that presses Run together", f"{LOAD}classroom"),
    "L3": row(
        "a burst beyond the room there is",
        f"{ADMISSION}a_burst_of_one_client_leaves_everybody_elses_stop",
        f"{ADMISSION}each_limit_is_told_and_leaves_the_others_room",
        f"{ADMISSION}what_is_on_its_way_and_at_work_counts_too",
    ),
    "L4": row(
        "a hundred tabs that do nothing",
        f"{LOAD}left_open",
        f"{STATES}a_page_that_was_opened_costs_little",
        f"{LIFE}a_crowd_of_silent_clients_does_not_shut_the_others_out",
    ),
    "L5": row(
        "days of use, and a leak that must be seen",
        f"{LOAD}mixed",
        f"{LOAD}one_session",
        "tests/load/leaking.py::send_and_keep",
    ),
    "L6": row(
        "hundreds of different pictures",
        f"{MEMORY}sessions_never_hold_more_than_the_cap",
        f"{PICTURES}little_is_kept_and_made_anew_where_there_was_no_room",
        f"{UPLOADS}when_all_is_full_the_greediest_gives_way",
        f"{UPLOADS}files_go_when_nobody_has_used_them",
        f"{LOAD}phone_photos",
    ),
    "L7": row("everything at once for a quarter of an hour", f"{LOAD}mixed"),
}

ROWS = THREATS | BAD_INPUTS | BROKEN | LOADS
SIZES = {"A1.": 13, "A2.": 11, "A3.": 19, "F": 60, "X": 14, "L": 7}
"""How many rows each list of the notes has."""


def expected() -> Iterator[str]:
    """The name of every row."""
    for start, count in SIZES.items():
        yield from (f"{start}{number}" for number in range(1, count + 1))


@cache
def functions(path: str) -> frozenset[str]:
    """What a file of tests defines."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_every_row_is_there() -> None:
    assert list(ROWS) == list(expected())


@pytest.mark.parametrize("name", list(ROWS))
def test_every_row_is_tried_or_says_why_not(name: str) -> None:
    about, tests, why_not = ROWS[name]
    assert about
    assert bool(tests) != bool(why_not)
    assert len(set(tests)) == len(tests)
    for test in tests:
        path, _, function = test.partition("::")
        assert (ROOT / path).is_file(), path
        assert function in functions(path), test


def test_few_rows_are_not_tried() -> None:
    assert {name for name, entry in ROWS.items() if entry.why_not} == {"A3.18", "X6"}
    assert all(len(entry.why_not.split()) > 5 for entry in ROWS.values() if entry.why_not)


def test_what_is_named_is_looked_for() -> None:
    """A table that finds everything would never fail."""
    assert "test_every_row_is_there" in functions("tests/contracts/test_reliability_table.py")
    assert "test_no_such_test" not in functions("tests/contracts/test_reliability_table.py")
