"""The source: dpkg's database of this machine, in batches.

A batch is a dict: section, batch (its number in the section, from 1) and packages, a list
of dicts with the columns of the table.
"""

import datetime
import os
from collections import defaultdict

DATABASE = "/var/lib/dpkg"
COLUMNS = ("section", "name", "architecture", "version", "size_kib", "maintainer", "day")


def read_batches(size, packages=None):
    """Batches of so many packages: the first of each section, then the second of each."""
    sections = defaultdict(list)
    for package in sorted(read_packages(), key=lambda p: (p["name"], p["architecture"]))[:packages]:
        sections[package["section"]].append(package)
    batches = [
        {"section": section, "batch": 1 + first // size,
         "packages": rows[first:first + size]}
        for section, rows in sections.items() for first in range(0, len(rows), size)
    ]
    return sorted(batches, key=lambda b: (b["batch"], b["section"]))


def read_packages():
    with open(f"{DATABASE}/status", encoding="utf-8", errors="replace") as file:
        for paragraph in file.read().split("\n\n"):
            fields = read_fields(paragraph)
            if "Version" in fields:
                yield {
                    "section": fields.get("Section", "none"),
                    "name": fields["Package"],
                    "architecture": fields["Architecture"],
                    "version": fields["Version"],
                    "size_kib": int(fields["Installed-Size"])
                    if "Installed-Size" in fields else None,
                    "maintainer": fields.get("Maintainer"),
                    "day": read_day(fields["Package"], fields["Architecture"]),
                }


def read_fields(paragraph):
    """The fields that have one line."""
    lines = [line.partition(": ") for line in paragraph.splitlines()
             if not line.startswith((" ", "\t"))]
    return {name: text for name, colon, text in lines if colon}


def read_day(name, architecture):
    """When it was installed: then dpkg wrote the list of its files."""
    for file in (f"info/{name}.list", f"info/{name}:{architecture}.list", "status"):
        try:
            seconds = os.stat(f"{DATABASE}/{file}").st_mtime
        except FileNotFoundError:
            continue
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()
    raise FileNotFoundError(DATABASE)
