# What people and CI run. Everything else is a cargo command or a script under scripts/.

CARGO ?= cargo
PYTHON ?= python3
export CARGO_TERM_COLOR ?= auto

.PHONY: help build demo check test bench soak dist dist-test

help:
	@echo 'make demo    build, serve on a free local port, load the bundled purchases, show what to try (KEEP=1 keeps serving)'
	@echo 'make build   target/release/tessera'
	@echo 'make check   format, lints, dependency edges, OpenAPI, licences: the quick gate'
	@echo 'make test    check, and every test; all that CI runs'
	@echo 'make bench   the embedded store against the bare engine below it'
	@echo 'make soak    the same tests with larger numbers'
	@echo 'make dist    a Debian package in target/dist; make dist-test installs, upgrades and removes it in a folder of its own'

build: toolchain
	$(CARGO) build --release --locked --package tessera-server

demo: build
	@scripts/demo.sh

check: toolchain
	@scripts/check.sh

test: check
	@scripts/test.sh

bench: toolchain
	@scripts/bench.sh

soak: build
	@scripts/soak.sh

dist: toolchain
	@scripts/dist.sh

dist-test: build
	@scripts/dist-test.sh target/release/tessera

.PHONY: toolchain
toolchain:
	@scripts/toolchain.sh
