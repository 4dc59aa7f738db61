"""The rules for C: the tree obeys them, and each of them bites.

A rule that has stopped to see anything passes for ever. So each one is shown a naive
snippet that it must refuse, and one as it should be that it must accept.
"""

import json
import re
import subprocess

import pytest
import rules_c
import tree

SOURCES = ("src/*.c", "src/*.h", "include/*.h", "examples/*.c")
ALL = SOURCES + ("tests/*.c", "tests/*.h", "bench/*.c", "bench/*.h")
HEADERS = ("src/*.h", "include/*.h")

RULES = [
    (rules_c.layers, SOURCES),
    (rules_c.threads, SOURCES),
    (rules_c.transactions, SOURCES),
    (rules_c.banned, SOURCES),
    (rules_c.jumps, ALL),
    (rules_c.nesting, ALL),
    (rules_c.guards, HEADERS),
    (rules_c.banner, ALL),
]

# (rule, path, naive text that it refuses, text that it accepts)
SNIPPETS = [
    (rules_c.layers, "src/base/x.c", '#include "db/db.h"\n', '#include "base/x.h"\n'),
    (rules_c.layers, "src/handler/x.c", '#include "queue/push.h"\n',
     '#include "pawl.h"\n'),
    (rules_c.layers, "src/db/x.c", '#include "db.h"\n', '#include "db/db.h"\n'),
    (rules_c.layers, "src/worker/x.c", "#include <libpq-fe.h>\n",
     "/* #include <libpq-fe.h> */\n"),
    (rules_c.layers, "src/queue/x.c", "#include <jansson.h>\n", "#include <time.h>\n"),
    (rules_c.threads, "src/db/x.c", "void f(void) { pthread_create(a, b, c, d); }",
     "/* pthread_create(a) */ void f(void) { pthread_self(); }"),
    (rules_c.transactions, "src/queue/x.c", 'char *s = "begin";',
     'char *s = "begin with an id";'),
    (rules_c.transactions, "src/db/y.c", 'f("SELECT 1; START " "TRANSACTION");',
     "/* BEGIN */ int begin;"),
    (rules_c.transactions, "src/db/y.c", 'f("BEGIN ISOLATION LEVEL READ COMMITTED");',
     'f("END");'),
    (rules_c.banned, "src/cli/x.c", "void f(void) { strcpy(a, b); }",
     'void f(void) { puts("strcpy(a)"); }'),
    (rules_c.banned, "src/worker/x.c", "#define WAIT() usleep(1)\n",
     "void f(void) { asleep(1); }"),
    (rules_c.banned, "src/queue/x.c", "void f(void) { exit(1); }",
     "void f(void) { exit_code(1); }"),
    (rules_c.banned, "src/db/x.c", "void f(void) { fprintf(stderr, a); }",
     "void f(void)\n{\n\tfprintf(stderr, a);\n\tabort();\n}\n"),
    (rules_c.banned, "src/cli/x.c", 'void f(void) { system ("ls"); }',
     "int system_is_up;"),
    (rules_c.jumps, "src/db/x.c", "int\nf(void)\n{\n\tgoto out;\nout:\n\treturn 0;\n}\n",
     "int\nf(void)\n{\n\tgoto done;\ndone:\n\treturn 0;\n}\n"),
    (rules_c.jumps, "src/db/x.c", "int\nf(void)\n{\ndone:\n\tgoto done;\n}\n",
     "int\nf(void)\n{\n\tgoto done;\ndone:\n\treturn 0;\n}\n"),
    (rules_c.nesting, "src/db/x.c",
     "void f(void) { if (a) { for (;;) { while (b) { if (c) { d(); } } } } }",
     "void f(void) { if (a) { for (;;) { while (b) { d((s) {1}); } } } }"),
    (rules_c.guards, "src/db/x.h", "#ifndef DB_H\n#define DB_H\n#endif\n",
     "#ifndef PAWL_DB_X_H\n#define PAWL_DB_X_H\n#endif\n"),
    (rules_c.banner, "src/db/x.c", "/* something */\nint a;\n",
     "/*\n * x.c - something\n */\nint a;\n"),
]


def rule_name(value):
    """Names a case after its rule, not after a page of SQL."""
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("rule, patterns", RULES, ids=rule_name)
def test_the_tree_obeys(rule, patterns):
    tree.check(rule, *patterns)


@pytest.mark.parametrize("rule, path, naive, proper", SNIPPETS, ids=rule_name)
def test_the_rule_bites(rule, path, naive, proper):
    assert rule(path, naive), "the naive snippet was accepted"
    assert rule(path, proper) == [], "the proper snippet was refused"


def test_every_rule_has_a_naive_snippet():
    assert {rule for rule, _ in RULES} == {snippet[0] for snippet in SNIPPETS}


# Guards against: one function that grows with every case that somebody adds.
def ctags(*paths):
    """{path: [tag]} of functions, with line and end."""
    answer = subprocess.run(
        ["/usr/bin/ctags-universal", "--languages=C", "--map-C=+.h", "--c-kinds=f",
         "--output-format=json", "--fields=+ne", "-f", "-", *paths],
        cwd=tree.ROOT, check=True, capture_output=True, text=True)
    found = {}
    for line in answer.stdout.splitlines():
        tag = json.loads(line)
        found.setdefault(tag["path"], []).append(tag)
    return found


def test_functions_are_short():
    tags = ctags(*tree.matching(*ALL))
    assert tags, "ctags found no function"
    tree.expect_none([complaint for path, found in tags.items()
                      for complaint in rules_c.function_size(path, found)])


def test_a_long_function_is_seen(tmp_path):
    for lines, complaints in ((rules_c.FUNCTION_LINES - 3, 0),
                              (rules_c.FUNCTION_LINES, 1)):
        source = tmp_path / f"f{lines}.c"
        source.write_text("void\nf(void)\n{\n" + "\tg();\n" * lines + "}\n")
        tags = ctags(str(source))
        found = rules_c.function_size("f.c", tags[str(source)])
        assert len(found) == complaints


# Guards against: layout as a matter of taste. The version is Debian 12's.
def clang_format(*paths):
    return subprocess.run(["/usr/bin/clang-format", "--dry-run", "-Werror",
                           "--style=file:" + str(tree.ROOT / ".clang-format"), *paths],
                          cwd=tree.ROOT, capture_output=True, text=True)


def test_layout_is_that_of_clang_format():
    answer = clang_format(*tree.matching(*ALL))
    wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", answer.stderr, re.M)))
    tree.expect_none(wrong)
    assert answer.returncode == 0


def test_a_bad_layout_is_seen(tmp_path):
    source = tmp_path / "f.c"
    source.write_text("int f(void) {return 1;}\n")
    assert clang_format(str(source)).returncode != 0


# Guards against: a function of the header that the shared library does not export, and
# an internal one that it does.
def declared(header):
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    return sorted(set(re.findall(r"\b(pawl_\w+)\(", code)))


def test_the_export_list_is_the_header():
    exported = re.findall(r"^\t\t(\w+);", tree.read("src/libpawl.map"), re.M)
    assert exported == declared(tree.read("include/pawl.h"))


def test_a_missing_export_is_seen():
    assert declared("/* pawl_no() */ void pawl_b(int a);\nint pawl_a(void);\n"
                    "typedef int pawl_type;\n") == ["pawl_a", "pawl_b"]


# Guards against: a program that says another version than its library.
def test_the_version_is_one():
    project = re.search(r"version: '([^']+)'", tree.read("meson.build")).group(1)
    header = re.search(r'PAWL_VERSION "([^"]+)"', tree.read("include/pawl.h")).group(1)
    assert project == header
