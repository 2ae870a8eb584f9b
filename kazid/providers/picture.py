"""Whether two pictures are the same: how large a share of their pixels differs, and where.

Effects are reads and writes of PNG files below the workspace, which are checked not to lead out of it.
"""

import io
import os
import re
from pathlib import Path

import msgspec

BASELINES = ".kazi/visual-baselines"
DIFFS = ".kazi/visual-diffs"
PIXELS_MAX = 40_000_000
"""Of one picture: 160 MB when it is unpacked."""

TOLERANCE = 24
"""Of one colour of one pixel, of 255: less is how letters are smoothed."""

_STANDS_OUT = [255 if value > TOLERANCE else 0 for value in range(256)]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


class PictureProblem(Exception):
    """A picture cannot be compared, read or kept; says why in words."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The share of pixels that differ; 1 where the sizes do. `is_seeded`: there was nothing to compare with."""

    ratio: float = 0.0
    size: str = ""
    baseline_size: str = ""
    diff: str = ""
    is_seeded: bool = False


def compare_with_baseline(taken: bytes, *, workspace: str, baseline: str, diff: str) -> Compared:
    """Compare with the baseline; a missing one is written. Raises PictureProblem."""
    try:
        from PIL import Image, ImageChops
    except ImportError:
        raise PictureProblem(
            "visual_unavailable", "pictures cannot be compared: pip install 'kazi[browser]'"
        ) from None
    known_file = place_in(workspace, baseline)
    try:
        known_bytes = known_file.read_bytes()
    except FileNotFoundError:
        write_in(workspace, baseline, taken)
        return Compared(is_seeded=True)
    except OSError as error:
        raise PictureProblem("baseline_unreadable", f"{baseline}: {os.strerror(error.errno or 0)}") from None
    try:
        with Image.open(io.BytesIO(known_bytes), formats=("PNG",)) as opened:
            if opened.width * opened.height > PIXELS_MAX:
                raise PictureProblem("baseline_unreadable", f"{baseline} has more than {PIXELS_MAX} pixels")
            known = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureProblem("baseline_unreadable", f"{baseline} is no picture: {error}") from None
    with Image.open(io.BytesIO(taken), formats=("PNG",)) as opened:
        now = opened.convert("RGB")
    sizes = f"{now.width}x{now.height}", f"{known.width}x{known.height}"
    if now.size != known.size:
        return Compared(ratio=1.0, size=sizes[0], baseline_size=sizes[1])
    difference = ImageChops.difference(now, known)
    bands = [band.point(_STANDS_OUT) for band in difference.split()]  # pyright: ignore[reportUnknownMemberType]
    mask = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    differing = mask.histogram()[255]
    ratio = differing / (now.width * now.height)
    shown = ""
    if differing:
        red = Image.composite(Image.new("RGB", now.size, (255, 0, 0)), now.convert("L").convert("RGB"), mask)
        written = io.BytesIO()
        red.save(written, format="PNG")
        shown = write_in(workspace, diff, written.getvalue())
    return Compared(ratio=ratio, size=sizes[0], baseline_size=sizes[1], diff=shown)


def is_picture_name(name: str) -> bool:
    """True for a name that is one file name and nothing else."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def place_in(workspace: str, name: str) -> Path:
    """Return the path of a file below the workspace, links followed. Raises PictureProblem."""
    root = Path(workspace).resolve()
    place = (root / name).resolve()
    if root not in place.parents or "\0" in name:
        raise PictureProblem("invalid_path", f"{name} is not below the workspace")
    return place


def write_in(workspace: str, name: str, content: bytes) -> str:
    """Write a file below the workspace, whole or not at all, and return its path. Raises PictureProblem."""
    place = place_in(workspace, name)
    partial = place.with_name(f".{place.name}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        descriptor = os.open(
            partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        partial.replace(place)
    except OSError as error:
        raise PictureProblem("picture_not_kept", f"{name}: {os.strerror(error.errno or 0)}") from None
    return str(place)
