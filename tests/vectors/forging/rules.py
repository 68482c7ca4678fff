"""Where each rule of FORMAT.md is broken: the rules are read from the page, the files are named here.

A rule is a sentence with a MUST, or one that says what is refused, or a field of a table with its range. One
that is not here, or whose files are not there, fails a test; so does a file that no rule names.
"""

import re
from collections.abc import Iterator

SAYS = re.compile(r"MUST|\brefused\b|invalid\b|at most 2\^24|Nothing follows|this holds")
RANGE = re.compile(
    r"\d to |at least|multiple|MUST|reserved|to E|number of|CRC-32|`89|u8 \| 1\b|1 grey|u8 each"
)

# Section, how the rule begins: files of `refused/`, or `vectors.json`'s where nothing is to be refused.
RULES: dict[tuple[str, str], tuple[str, ...]] = {
    ("notation", "varint |"): ("varint_not_shortest", "varint_of_six_bytes"),
    ("1", "magic |"): ("magic", "magic_last_byte", "magic_of_a_short_file", "no_bytes", "magic_alone"),
    ("1", "version |"): ("version_0", "version_2", "version_of_a_short_file"),
    ("1", "family |"): ("family_0", "family_3", "family_0_as_cnn", "family_3_as_cnn"),
    ("1", "channels |"): ("channels_0", "channels_5"),
    ("1", "length |"): (
        *("one_byte_too_few", "one_byte_too_many", "length_cut", "length_of_one_more", "length_of_one_less"),
    ),
    ("1", "width |"): ("width_0", "width_65536", "width_4294967299"),
    ("1", "height |"): ("height_0", "height_65536", "height_4294967299"),
    ("1", "payload |"): tuple(f"payload_of_words_and_{n}_bytes" for n in (1, 2, 3)),
    ("1", "crc |"): ("crc_one_less", "crc_one_more", "crc_of_other_bytes"),
    ("1", "Every byte of the file"): (
        *("header_cut", "section_past_the_end", "bytes_after_the_payload", "section_length_beyond_32_bits"),
        *("mlp_architecture_cut", "mlp_architecture_followed", "mlp_tensors_cut", "mlp_tensors_followed"),
        *("cnn_architecture_cut", "cnn_architecture_followed", "cnn_tensors_cut", "cnn_tensors_followed"),
    ),
    ("1", "Bit 4 says"): (
        *(f"planes_grey_of_{channels}_channels" for channels in (1, 2)),
        *(f"planes_grey_and_constant_{channel}" for channel in range(3)),
        "planes_no_sections_of_grey",
    ),
    ("1", "The bits of channels"): (
        *(f"planes_bit_{bit}" for bit in (5, 6, 7)),
        *(f"planes_bit_{n}_of_{n}_channels{more}" for n in (1, 2, 3) for more in ("", "_and_its_value")),
    ),
    ("1", "If no channel is left"): (
        *(
            f"planes_{name}_without_a_network"
            for name in ("architecture", "tensors", "payload", "no_sections")
        ),
    ),
    ("1", "constants |"): ("planes_no_constants", "planes_constant_of_the_network"),
    ("1", "A length below 22"): ("length_21", "length_0"),
    ("1", "An image MUST NOT"): ("pixels_8192_8193", "pixels_8065_8321", "planes_pixels"),
    ("1", "The work of a file MUST NOT"): (
        *("mlp_work", "mlp_work_of_sines", "cnn_work", "cnn_work_of_reaches"),
    ),
    ("3", "`varint n_icc`"): (
        *(
            "metadata_icc_over_2_24",
            "metadata_exif_over_2_24",
            "metadata_xmp_over_2_24",
            "metadata_of_no_bytes",
            "metadata_without_lengths",
        ),
        *("metadata_one_byte_too_few", "metadata_one_byte_too_many", "metadata_stream_cut"),
        *("metadata_checksum", "metadata_no_zlib_header"),
    ),
    ("3", "Nothing follows the stream"): ("metadata_stream_followed",),
    ("3", "A decoder MUST NOT inflate"): ("metadata_bomb",),
    ("3", "A stream that asks for a preset"): ("metadata_preset_dictionary",),
    ("4", "neurons h"): ("mlp_neurons_0", "mlp_neurons_513"),
    ("4", "depth d"): ("mlp_depth_0", "mlp_depth_17"),
    ("4", "frequencies F"): ("mlp_frequencies_0", "mlp_frequencies_33"),
    ("4", "spacing s"): (
        *("mlp_spacing_0", "mlp_spacing_5", "mlp_highest_frequency_49", "mlp_highest_frequency_51"),
    ),
    ("5", "step |"): ("mlp_matrix_step_128", "mlp_offset_step_128"),
    ("5", "levels |"): ("mlp_levels_0", "mlp_levels_2048"),
    ("5", "mean |"): ("mlp_matrix_mean_56", "mlp_phase_mean_56"),
    ("5", "low |"): (
        *("mlp_matrix_low_-2048", "mlp_matrix_low_2048", "mlp_offset_low_-2048", "mlp_offset_low_2048"),
        "mlp_low_beyond_32_bits",
    ),
    ("5", "range |"): (
        *(f"mlp_matrix_low_{name}" for name in ("0_range_2048", "2047_range_1", "-2047_range_4095")),
        *(f"mlp_offset_low_{name}" for name in ("0_range_2048", "2047_range_1", "-2047_range_4095")),
        "mlp_phase_range_2048",
    ),
    ("6.1", "If `quantile`"): ("payload_beyond_the_range",),
    ("6.5", "If no symbol was coded"): ("payload_without_symbols",),
    ("6.5", "- `point` MUST be"): (
        *("payload_last_word_changed", "payload_one_word_and_bits_too_many", "payload_last_word_not_zero"),
        "payload_less_than_the_last_words",
    ),
    ("6.5", "- the payload MUST have"): ("payload_one_word_too_many", "payload_last_zero_left_out"),
    ("7", "Each fl is one operation"): ("mlp_single_operations", "mlp_single_operations_again"),
    ("8", "levels L"): ("cnn_levels_0", "cnn_levels_10"),
    ("8", "prior p"): ("cnn_prior_0", "cnn_prior_that_is_not_there"),
    ("8", "gain |"): ("cnn_gain_25",),
    ("8", "The channels of this family, C,"): (
        "cnn_channels_fewer",
        "cnn_channels_two_more",
        "cnn_channels_of_the_network",
    ),
    ("9", "exponent k"): (
        *(f"cnn_{name}_exponent" for name in ("context0", "parents", "context1", "context2")),
        *(f"cnn_{name}_exponent" for name in ("synthesis0", "synthesis1")),
        "cnn_exponent_after_gain",
    ),
    ("9", "mean |"): ("cnn_mean_56", "cnn_mean_without_symbols"),
    ("9", "reach |"): ("cnn_reach_1024_of_the_first", "cnn_reach_1024_of_the_second"),
    ("9.2", "In each row of a matrix"): (
        *(f"cnn_sum_of_{name}" for name in ("context0", "context1", "context2", "synthesis0", "synthesis1")),
    ),
    ("9.2", "- in `parents` this holds"): ("cnn_sum_of_parents",),
    ("9.2", "- in a row t0"): ("cnn_sum_of_filters", "cnn_sum_of_filters_twice"),
    ("9.2", "- in a row of `upsampling`"): ("cnn_sum_of_upsampling",),
    ("10.2", "A latent MUST lie"): ("cnn_latent_2048", "cnn_latent_-2048"),
}
# What says how to read the page, or what is promised, and is no rule for a file.
NO_RULES = (
    ("notation", "MUST, MUST NOT and MAY"),
    ("notation", "A file that breaks a MUST"),
    ("2", "Until release 1.0.0"),
)
# Files that depend on the priors: on their residual layers, and on whether one has fewer levels than nine.
OF_PRIORS = re.compile(r"cnn_residual\d_exponent|cnn_sum_of_residual\d|cnn_levels_of_the_prior")


def rules_on(page: str) -> Iterator[tuple[str, str]]:
    """Section and text of every rule of sections 1 to 11, and of the notation before them."""
    for part in re.split(r"^##+ (?=\d)", page.split("## 12.")[0], flags=re.MULTILINE):
        section = "notation" if part.startswith("#") else part.split(" ")[0].rstrip(".")
        lines = part.splitlines()[1:]
        yield from ((section, text) for text in _of_tables(lines))
        prose = "\n".join("" if line.startswith("|") else line for line in lines)
        for paragraph in re.split(r"\n\s*\n|\n(?=- |\d\. )", prose):
            for sentence in re.split(r"(?<=[.:;]) (?=[A-Z`(])", " ".join(paragraph.split())):
                if SAYS.search(sentence):
                    yield section, sentence


def _of_tables(lines: list[str]) -> Iterator[str]:
    """Fields, of tables that have a type for each."""
    head = ""
    for line in lines:
        if not line.startswith("|"):
            head = ""
        elif not head:
            head = line
        else:
            text = " | ".join(cell.strip() for cell in line.strip("|").split("|"))
            if ("type" in head and RANGE.search(text)) or "MUST" in text:
                yield text
