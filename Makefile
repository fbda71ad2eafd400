# Every verb of the project. `make help` lists them.
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
SUITE ?= node

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | awk -F'\t' '{ printf "  %-24s %s\n", $$1, $$2 }'

setup: ## install what this host needs (Debian packages, npm packages)
	@host/setup.sh

image: setup ## build dist/oramaos-VERSION-amd64.qcow2 (TEST=1: with fault injection; COUNTER=N; SERVICES=rqlite,coredns: only these; BASE=buildroot: from source)
	@node image/main.ts

reproduce: setup ## build twice, elsewhere and later, and compare bytes (FULL=1: the kernel too)
	@node image/reproduce.ts

run: setup ## boot one node for a person: its console on this terminal
	@image=$$(node image/main.ts) && node qemu/run.ts "$$image"

cluster: setup ## boot N=6 nodes that form a cluster, for a person
	@node tests/e2e/run-cluster.ts $(or $(N),6)

buildroot-check: setup ## judge buildroot-external/ by BUILDROOT_DIR=a checkout of Buildroot
	@node image/buildroot/main.ts check

buildroot-files: setup ## make anew what buildroot-external/ repeats of services/ and the npm lock file
	@node image/buildroot/main.ts files

buildroot-menuconfig: setup ## Buildroot's menus on our configuration (BUILDROOT_DIR=)
	@node image/buildroot/main.ts menuconfig

buildroot-savedefconfig: setup ## keep what was chosen in them
	@node image/buildroot/main.ts savedefconfig

check: setup ## types, lint, format, shell scripts
	@node tests/run.ts check

test-unit: setup ## tests that need no machine: minutes, no root
	@node tests/run.ts unit

test: setup ## check, unit tests, simulation, buildroot-check if BUILDROOT_DIR is set, end-to-end tests in QEMU
	@node tests/run.ts check images unit simulation buildroot e2e

test-e2e: setup ## one end-to-end suite: SUITE=node
	@node tests/run.ts e2e:$(SUITE)

test-long: setup ## what does not fit into `make test`
	@node tests/run.ts long

bench: image ## measure, print a table, write dist/bench.json
	@node bench/main.ts

format: setup ## rewrite files in the project's format
	@prettier --write --log-level warn .

clean: ## remove what was built here (the cache outside stays)
	rm -rf dist .tap

BUILDROOT_VERBS = buildroot-check buildroot-files buildroot-menuconfig buildroot-savedefconfig
.PHONY: $(BUILDROOT_VERBS) help setup image reproduce run cluster check test-unit test test-e2e test-long bench format clean
