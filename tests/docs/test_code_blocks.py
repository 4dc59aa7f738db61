"""Every code block of the documents runs, in the order of its page.

Guards against documents that were right once: a function that has another name by now,
an option that is gone, a program that does not compile.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import blocks  # noqa: E402
import session  # noqa: E402
from harness.base import Base  # noqa: E402
from harness.cluster import WHOLE  # noqa: E402
from harness.paths import BUILD  # noqa: E402

PAGES = sorted(path.relative_to(ROOT).as_posix() for pattern in
               ("*.md", "docs/**/*.md", "examples/**/*.md", ".github/**/*.md")
               for path in ROOT.glob(pattern))
BLOCKS = [block for page in PAGES
          for block in blocks.read_blocks(page, (ROOT / page).read_text())]


@pytest.fixture(scope="module")
def cluster():
    server = Base().copy(durable=False)
    yield server.start()
    server.remove()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Where `make install` put what was built, by DESTDIR."""
    tree = tmp_path_factory.mktemp("installed")
    subprocess.run(["/usr/bin/meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"],
                   env=dict(os.environ, DESTDIR=str(tree)), check=True)
    return tree


@pytest.fixture(scope="module")
def sessions(cluster):
    """{page: its session}, made when the page's first block is run."""
    found = {}
    yield found
    for made in found.values():
        made.close()
        shutil.rmtree(made.directory, ignore_errors=True)


def session_of(page, sessions, cluster, installed):
    if page not in sessions:
        database = cluster.new_database(WHOLE)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="pawl-docs-", dir="/tmp"))
        directory.chmod(0o755)  # a server that is started as root runs as another user
        sessions[page] = session.Session(directory, installed, database.env())
    return sessions[page]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block(block, sessions, cluster, installed):
    assert block.language in blocks.LANGUAGES, "a block names a language that is known"
    shell = session_of(block.page, sessions, cluster, installed)
    path = blocks.place(block, shell.directory)
    log = shell.directory / f".log-{block.line}"
    good = shell.run(blocks.command(block, path), log)
    assert good, log.read_text() if log.exists() else "an earlier block has failed"


def test_the_first_pages_have_blocks():
    pages = {block.page for block in BLOCKS}
    assert {"README.md", "docs/operations.md", "docs/protocol.md"} <= pages
    assert {block.language for block in BLOCKS} == set(blocks.LANGUAGES)


@pytest.fixture
def shell(tmp_path, installed):
    made = session.Session(tmp_path, installed, dict(os.environ, PGHOST="first"))
    yield lambda code, language="sh", name="": run_code(made, tmp_path, code, language, name)
    made.close()


def run_code(made, directory, code, language, name):
    block = blocks.Block("page", 1, language, False, name, code)
    return made.run(blocks.command(block, blocks.place(block, directory)),
                    directory / "log")


# What would make every page green: a block that fails, and is not noticed.
@pytest.mark.parametrize("language, naive, proper", [
    ("sh", "false\ntrue\n", "true\nfalse || true\n"),
    ("sh", "exit 0\n", "(exit 0)\n"),
    ("sh", 'echo "$pawl_unset"\n', 'echo "$PGHOST"\n'),
    ("c", "int main(void) { return x; }\n", "int f(int x);\nint f(int x) { return x; }\n"),
    ("python", "assert 1 == 2\n", "assert 1 == 1\n"),
    ("ini", "a = 1\n", "[a]\nb = 1\n"),
])
def test_a_failure_is_seen(shell, language, naive, proper):
    assert shell(proper, language)
    assert not shell(naive, language)


def test_blocks_share_variables_and_directory(shell):
    assert shell("mkdir d; cd d; a=1; export PGHOST=second\n")
    assert shell('test "$a" = 1; test "$(basename "$PWD")" = d; test "$PGHOST" = second\n')


def test_what_a_block_has_left_running_hides_no_failure(shell):
    assert shell("sleep 1000 &\n")
    assert not shell("false\n")


def test_blocks_are_read():
    text = ("`hello.c`\n\n```c\nint a;\n```\n\nSee `x`.\n\n- item\n\n  ```sh\n  ls\n"
            "    -l\n  ```\n\n```text\nno\n```\n```\nwhat\n```\n")
    found = [(b.line, b.language, b.name, b.code) for b in blocks.read_blocks("p", text)]
    assert [b.background for b in blocks.read_blocks("p", "```sh background\n```\n")] == [True]
    assert found == [(3, "c", "hello.c", "int a;\n"), (11, "sh", "", "ls\n  -l\n"),
                     (19, "", "", "what\n")]
