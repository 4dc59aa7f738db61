# Forwards to Meson and to scripts; nothing is built here.
#
#   make            build into build/
#   make demo       install packages, build, run an example (EXAMPLE=image-batch)
#   make check      install packages, build three times, run every test
#   make bench      measure, beside other job systems (QUICK=1: in five minutes)
#   make torture    the long storms
#   make install    DESTDIR is honoured; PREFIX counts when build/ is first made

EXAMPLE ?= image-batch
PREFIX ?= /usr/local

# What packages.txt names is what is used, whatever else is on the PATH.
export PATH := /usr/sbin:/usr/bin:/sbin:/bin:$(PATH)

.PHONY: all demo check bench torture install clean packages

all:
	@command -v meson >/dev/null || \
		{ echo "meson is not installed; scripts/install-packages installs it" >&2; exit 1; }
	@test -f build/build.ninja || meson setup --prefix=$(PREFIX) build
	@meson compile -C build

packages:
	@scripts/install-packages

demo: packages
	@test -x examples/$(EXAMPLE)/run || \
		{ echo "there is no example \"$(EXAMPLE)\"; there are:" >&2; \
		  ls -d examples/*/run | cut -d/ -f2 >&2; exit 2; }
	@$(MAKE) --no-print-directory all >&2
	@examples/$(EXAMPLE)/run

check: packages
	@scripts/check

bench: packages
	@scripts/install-packages bench/packages.txt
	@$(MAKE) --no-print-directory all >&2
	@bench/run

torture: packages
	@$(MAKE) --no-print-directory all >&2
	@tests/torture/run

install: all
	@meson install --no-rebuild -C build

clean:
	@rm -rf build build-asan build-tsan
