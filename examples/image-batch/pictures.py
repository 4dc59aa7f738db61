"""The input, and what must come out: the pictures, and their measures by another tool."""

import hashlib
import os
import stat
import subprocess

from PIL import Image, ImageStat

PACKAGE = "adwaita-icon-theme"
COLOUR_TOLERANCE = 0.25  # of 255; Pillow rounds each pixel to 8 bits, ImageMagick to 16


def largest_pictures(n):
    """The paths of the n largest PNG files of the package, the largest first."""
    listed = subprocess.run(["/usr/bin/dpkg", "-L", PACKAGE], stdout=subprocess.PIPE,
                            text=True, check=True).stdout
    sizes = []
    for path in listed.splitlines():
        if path.endswith(".png"):
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                sizes.append((-status.st_size, path))
    return [path for _, path in sorted(sizes)[:n]]


def measure(path):
    """What the handler measures, by Pillow and hashlib."""
    with open(path, "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    with Image.open(path) as picture:
        picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    mean = ImageStat.Stat(Image.alpha_composite(white, picture)).mean[:3]
    width, height = picture.size
    return {"width": width, "height": height, "mean": mean, "sha256": sha256}


def differences(path, result):
    """Where a result is not what we measure: a list of texts, empty if it is right."""
    wanted = measure(path)
    if not isinstance(result, dict) or set(result) != set(wanted):
        return [f"the result is {result!r}"]
    wrong = [f"{name} is {result[name]}, not {wanted[name]}"
             for name in ("width", "height", "sha256") if result[name] != wanted[name]]
    pairs = zip(result["mean"], wanted["mean"])
    if len(result["mean"]) != 3 or any(abs(a - b) > COLOUR_TOLERANCE for a, b in pairs):
        wrong.append(f"mean is {result['mean']}, not {wanted['mean']}")
    return wrong
