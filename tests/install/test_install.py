"""What `make install` puts in place, used as somebody else would use it.

Guards against: a header, a library or a pkg-config file that only works inside the
build directory; symbols that leak into the programs of others; a library that keeps
state of its own, so that two clients in one process meet.
"""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ["PAWL_BUILD"])
PROGRAM = """
#include <pawl.h>
#include <stdio.h>

int
main(void)
{
	pawl_client *client = NULL;
	pawl_error error;
	pawl_status status = pawl_client_open("host=/nonexistent", &client, &error);
	printf("%s %s\\n", pawl_version(), pawl_status_name(status));
	pawl_client_close(client);
	return 0;
}
"""


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          **options).stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Where DESTDIR led; the prefix is below it."""
    directory = tmp_path_factory.mktemp("install")
    run("/usr/bin/meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet",
        env=dict(os.environ, DESTDIR=str(directory)))
    return directory


def only(tree, pattern):
    found = sorted(tree.rglob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


@pytest.fixture(scope="module")
def flags(tree):
    """What pkg-config answers, with the tree in front."""
    environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(tree), PKG_CONFIG_PATH=str(
        only(tree, "pawl.pc").parent))

    def ask(*arguments):
        return shlex.split(run("/usr/bin/pkg-config", *arguments, "pawl",
                               env=environment))

    return ask


def test_a_program_builds_and_runs_against_the_shared_library(tree, flags, tmp_path):
    answer = build_and_run(tree, tmp_path, flags("--cflags", "--libs"))
    assert answer == f"{run_version(flags)} PAWL_ERR_CONNECT\n"


def test_a_program_builds_and_runs_against_the_static_library(tree, flags, tmp_path):
    """libpq itself stays shared, as Debian has it."""
    answer = build_and_run(tree, tmp_path, [
        *flags("--cflags"), str(only(tree, "libpawl.a")), "-lpq", "-pthread"])
    assert answer == f"{run_version(flags)} PAWL_ERR_CONNECT\n"


def run_version(flags):
    return flags("--modversion")[0]


def build_and_run(tree, tmp_path, libraries):
    (tmp_path / "main.c").write_text(PROGRAM)
    program = str(tmp_path / "main")
    run("/usr/bin/gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", program,
        str(tmp_path / "main.c"), *libraries)
    where = str(only(tree, "libpawl.so.0").parent)
    return run(program, env=dict(os.environ, LD_LIBRARY_PATH=where))


def test_the_header_is_fit_for_other_compilers(tree, tmp_path):
    include = str(only(tree, "pawl.h").parent)
    (tmp_path / "main.c").write_text("#include <pawl.h>\n")
    for standard in ("c99", "c11", "c17"):
        run("/usr/bin/gcc", f"-std={standard}", "-Wall", "-Wextra", "-Werror",
            "-pedantic", "-fsyntax-only", "-I", include, str(tmp_path / "main.c"))


def test_the_shared_library_exports_the_header_alone(tree):
    wanted = set(re.findall(r"^\t\t(\w+);", (ROOT / "src/libpawl.map").read_text(), re.M))
    symbols = run("/usr/bin/nm", "-D", "--defined-only", "--format=posix",
                  str(only(tree, "libpawl.so.0")))
    defined = {line.split()[0].partition("@")[0] for line in symbols.splitlines()
               if line.split()[1] != "A"}
    assert defined == wanted


def test_the_static_library_exports_the_header_alone(tree):
    """A program may have its own buffer_append."""
    wanted = set(re.findall(r"^\t\t(\w+);", (ROOT / "src/libpawl.map").read_text(), re.M))
    symbols = run("/usr/bin/nm", "--defined-only", "--extern-only", "--format=posix",
                  str(only(tree, "libpawl.a")))
    defined = {line.split()[0] for line in symbols.splitlines() if len(line.split()) > 2}
    assert defined == wanted


def test_the_program_exports_the_header_alone(tree):
    """Handlers in shared objects call it, and keep their own buffer_append."""
    wanted = set(re.findall(r"^\t\t(\w+);", (ROOT / "src/libpawl.map").read_text(), re.M))
    symbols = run("/usr/bin/nm", "-D", "--defined-only", "--format=posix",
                  str(only(tree, "pawl")))
    defined = {line.split()[0].partition("@")[0] for line in symbols.splitlines()
               if line.split()[1] == "T"}
    assert defined == wanted


def test_the_library_needs_libpq_and_the_c_library_alone(tree):
    dynamic = run("/usr/bin/readelf", "-d", str(only(tree, "libpawl.so.0")))
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    assert needed <= {"libpq.so.5", "libc.so.6"}
    assert "libpq.so.5" in needed


def test_the_library_keeps_no_globals():
    """Nothing that can be written to, in the objects that the library is made from."""
    archives = [str(BUILD / "src" / name / f"libpawl-{name}.a")
                for name in ("base", "db", "queue", "worker")]
    symbols = run("/usr/bin/objdump", "-t", *archives)
    found = [line for line in symbols.splitlines()
             if re.search(r"\s(\.data|\.bss|\.tdata|\.tbss|\*COM\*)\s+[0-9a-f]*[1-9a-f]",
                          line)]
    assert found == []


def test_the_program_is_hardened(tree):
    program = str(only(tree, "pawl"))
    header = run("/usr/bin/readelf", "-hld", program)
    assert "DYN (Position-Independent" in header
    assert "GNU_RELRO" in header and "BIND_NOW" in header
    assert "GNU_STACK" in header and "RWE" not in header
    symbols = run("/usr/bin/nm", "-D", program)
    assert "__stack_chk_fail" in symbols and "_chk@" in symbols


def test_the_program_says_its_version(tree, flags):
    answer = run(str(only(tree, "pawl")), "version")
    assert run_version(flags) in answer
