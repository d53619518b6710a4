# Origami: build, try, test. "make" alone lists what there is to do.

GO      ?= go
BIN     := bin/origami
GUEST   := build/guest.raw
DEBIAN  := build/debian.raw
# The race detector needs a C compiler; RACE= turns it off. It comes with checks
# of pointer arithmetic, which in SQLite, translated from C, cost more than the
# tests of everything that keeps something in a database; ours has none.
RACE    ?= -race -gcflags=modernc.org/...=-d=checkptr=0
# Packages at a time: two, because those that boot machines want a core each.
TESTFLAGS ?= -p 2 -timeout 20m
# Where the tests begin that draw their cases; other targets draw new ones each
# time, 0 does so here.
RAPID_SEED ?= 1
# More flags of "origami serve" for run and demo, such as --listen.
SERVEFLAGS ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOFILES  = find . -name '*.go' -not -path './build/*' -not -path '*/testdata/*'
LDFLAGS := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help build run demo guest image-debian test unit check fmt lint generate man cover coverage-doc bench microbench setup clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build bin/origami, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/origami

run: build ## build it and serve on 127.0.0.1:8773, state in build/data
	$(BIN) serve --data-dir build/data $(SERVEFLAGS)

demo: build guest ## the main job end to end, on a service of its own: about a minute
	@scripts/setup.sh demo
	@scripts/demo.sh $(GUEST) $(SERVEFLAGS)

guest: $(GUEST) ## build the small Linux guest of the demo and the tests

$(GUEST): scripts/build-testimage.sh $(wildcard scripts/guest/*)
	scripts/setup.sh demo
	scripts/build-testimage.sh $@

image-debian: $(DEBIAN) ## build build/debian.raw, a Debian 12 cloud image

$(DEBIAN): scripts/build-debian.sh scripts/debian-cloud.cfg
	scripts/setup.sh debian
	scripts/build-debian.sh $@

test: setup check guest image-debian ## everything CI runs: checks, tests with -race, on both databases, with machines
	RAPID_SEED=$(RAPID_SEED) ORIGAMI_TEST_GUEST=$(abspath $(GUEST)) ORIGAMI_TEST_DEBIAN=$(abspath $(DEBIAN)) scripts/postgres-test.sh $(GO) run ./internal/testreport \
		-results build/test-results.txt -skips .ci/skips $(if $(CI),-strict) \
		$(GO) test -json -vet=off $(RACE) $(TESTFLAGS) ./...
	$(GO) run ./internal/coverage -results build/test-results.txt -check

unit: ## the tests that need neither machines nor PostgreSQL, without -race
	$(GO) run ./internal/testreport -skips .ci/skips $(GO) test -json -short ./...

check: lint ## formatting, go vet, staticcheck

fmt: ## format the Go code
	@$(GOFILES) -exec gofmt -l -w {} +

lint:
	@bad=$$($(GOFILES) -exec gofmt -l {} +) && \
		[ -z "$$bad" ] || { echo "not formatted; run make fmt:"; echo "$$bad"; exit 1; }
	@for script in .ci/run scripts/*.sh scripts/guest/rc*; do sh -n $$script || exit 1; done
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

man: build ## build/man, manual pages of all commands
	$(BIN) man build/man/man1

generate: ## write the generated files anew
	$(GO) generate ./...

cover: ## statement coverage of the unit tests, by function
	@mkdir -p build
	$(GO) test -short -coverprofile=build/cover.out ./... >/dev/null
	$(GO) tool cover -func=build/cover.out

coverage-doc: ## write docs/coverage.md from the last "make test"
	$(GO) run ./internal/coverage -results build/test-results.txt

bench: build guest image-debian ## the benchmarks, as docs/benchmarks.md shows them; BENCH=import,launch runs those
	@scripts/setup.sh bench
	$(GO) run ./internal/bench -origami $(BIN) -debian $(DEBIAN) -guest $(GUEST) -only '$(BENCH)'

microbench: ## the Go benchmarks of all packages
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...

setup:
	@scripts/setup.sh test
	@mkdir -p build

clean: ## remove what was built; downloaded packages too
	rm -rf bin build
