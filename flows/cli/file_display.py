"""The results of the commands on files, for people. As light as `flows.cli.printing`."""

from typing import Any

from flows.cli.printing import line, table
from tasks.wording import counted

NO_FLIP = "needs flip-evaluator: pip install '.[perceptual]'"


def show_encoded(made: dict[str, Any]) -> None:
    """Show the result of an encoding."""
    line(f"{made['image']} → {made['output']}")
    line(
        f"{made['n_bytes']} bytes, {made['rate_bpp']:.4f} bpp, {made['psnr_db']:.2f} dB, "
        f"λ {made['rd_lambda']:.4g}, {made['encode_seconds']:.1f} s on {made['device']}"
    )
    unit = {"target_psnr_db": "dB", "target_bpp": "bpp"}.get(made["goal"])
    if unit:
        off = made["goal_reached"] - made["goal_value"]
        missed = "missed, " if (off > 0 if unit == "bpp" else off < 0) else ""
        line(
            f"target {made['goal_value']:g} {unit}: {missed}reached {made['goal_reached']:.4g} {unit} "
            f"({off:+.3g}) in {counted(len(made['attempts']), 'fit')}"
        )
    for note in made["notes"]:
        line(f"note: {note}")


def show_decoded(made: dict[str, Any]) -> None:
    """Show the result of a decoding."""
    size = f"{made['width']}x{made['height']}x{made['channels']}"
    line(f"{made['bitstream']} → {made['output']}")
    carried = f"ICC profile {made['icc_n_bytes']} bytes, EXIF {made['exif_n_bytes']} bytes"
    line(f"{size}, {carried}, XMP {made['xmp_n_bytes']} bytes")


def show_inspection(found: dict[str, Any]) -> None:
    """Show where the bits of a bitstream go."""
    architecture = ", ".join(f"{name} {value}" for name, value in found["architecture"].items())
    line(
        f"{found['bitstream']}: format {found['format_version']}, "
        f"{found['width']}x{found['height']}x{found['channels']}, {found['n_bytes']} bytes, "
        f"{found['rate_bpp']:.4f} bpp"
    )
    line(f"model {found['model']} ({architecture}): {found['n_parameters']} parameters")
    line(f"{found['multiply_adds_per_pixel']} multiply-adds per pixel")
    sections = [
        (
            part["name"],
            str(part["n_bytes"]),
            str(8 * part["n_bytes"]),
            f"{part['n_bytes'] / found['n_bytes']:.1%}",
        )
        for part in found["sections"]
    ]
    line("")
    table(("section", "bytes", "bits", "share"), sections)
    total = sum(part["bits"] for part in found["parts"])
    rows = []
    for part in found["parts"]:
        rows.append((f"{part['name']}, all", "", "", *_counts(part, total)))
        rows += [_tensor_row(tensor, total) for tensor in found["tensors"] if tensor["part"] == part["name"]]
    line("")
    table(("tensor", "shape", "step", "symbols", "zero", "bits", "bits/symbol", "share"), rows)


def _tensor_row(tensor: dict[str, Any], total: float) -> tuple[str, ...]:
    shape = "x".join(str(n) for n in tensor["shape"])
    step = "not coded" if tensor["step"] is None else f"{tensor['step']:.4g}"
    return (f"  {tensor['name']}", shape, step, *_counts(tensor, total))


def _counts(share: dict[str, Any], total: float) -> tuple[str, ...]:
    each = share["bits"] / share["n_symbols"] if share["n_symbols"] else 0.0
    return (
        str(share["n_symbols"]),
        str(share["n_zero"]),
        f"{share['bits']:.0f}",
        f"{each:.3f}",
        f"{share['bits'] / total if total else 0.0:.1%}",
    )


def show_compared(made: dict[str, Any]) -> None:
    """Show how close two files are."""
    for side in (made["first"], made["second"]):
        line(f"{side['path']}: {side['n_bytes']} bytes, {side['rate_bpp']:.4f} bpp")
    line(f"PSNR {made['psnr_db']:.2f} dB, largest difference {made['max_difference']} of 255")
    line(f"MS-SSIM {_measured(made['ms_ssim'], 'is not for images under 161 pixels a side')}")
    line(f"FLIP {_measured(made['flip'], NO_FLIP)}")
    if made["output"]:
        line(f"picture: {made['output']}")


def _measured(value: float | None, why_not: str) -> str:
    return why_not if value is None else f"{value:.4f}"


def show_report(made: dict[str, Any]) -> None:
    """Show what is in the report of an archive."""
    failed = f", {made['n_failed']} failed" if made["n_failed"] else ""
    counts = f"{counted(made['n_archived'], 'file')} of {counted(made['n_images'], 'image')}{failed}"
    line(f"{made['output']}: {counts}, {made['n_pictures']} with pictures; {made['n_bytes']} bytes")
