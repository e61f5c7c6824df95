# Every target says what it needs. With Go and make alone: build test start check bench fuzz crash.
# race needs a C compiler; gate and performance need java 17 and mvn; conformance needs these, node, npm, python3 with venv, and kcat.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# A count, not a time: at a time's end go test may report a worker's interrupted input as a failure (golang/go#56238).
FUZZTIME ?= 20000x
CRASH_ROUNDS ?= 200
RUNS ?= 300
JOBS ?= 2
PEERS_FLAGS ?=
LINT := go tool -modfile=.ci/lint.mod golangci-lint

.PHONY: build test start check drift mutants soak race fuzz gate bench performance crash conformance conformance-kafka help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

build: ## bin/highwater
	go build -o bin/highwater .

test: ## every test that needs Go alone
	go test ./...

start: build ## one node on 127.0.0.1:9092, data in .highwater/
	@echo "Highwater: broker on 127.0.0.1:9092, metrics and pprof on http://127.0.0.1:9644, data in .highwater/data."
	@echo "Try next, in another terminal (kcat is in the Debian package of that name):"
	@echo "  seq 3 | kcat -P -b 127.0.0.1:9092 -t hello     # write three records"
	@echo "  kcat -C -b 127.0.0.1:9092 -t hello -e          # read them back"
	@echo "  bin/highwater dump-log --records --values .highwater/data/hello-0/*.log"
	@echo "Ctrl-C stops it. What was acknowledged is in .highwater/data when it starts again."
	@exec bin/highwater serve --override log.dirs=.highwater/data

check: ## formatting, vet, linters
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	go mod verify
	for module in . broker/conformance bench/nats; do (cd $$module && go mod tidy -diff); done
	$(LINT) run ./...
	cd bench/nats && go vet ./...

drift: build ## exercises are what the solutions make; every exercise compiles
	bin/highwater generate --check
	go vet -tags mine ./exercises/... ./chapters/...

mutants: build ## every named wrong program is rejected by its exercise's tests
	bin/highwater mutants

soak: ## RUNS runs (300) of each chapter's graded suite over its solution, with the race detector, JOBS (2) at once
	.ci/soak $(RUNS) $(JOBS) $(notdir $(wildcard chapters/*))

race: ## the tests of broker, chapters and benchmarks under the race detector
	CGO_ENABLED=1 go test -race ./broker/... ./chapters/... ./bench/...

fuzz: ## every fuzz target, FUZZTIME inputs each (20000x) or a time (5m)
	@go list ./... | while read -r pkg; do \
	  targets=$$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || test $$? -eq 1); \
	  for target in $$targets; do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$pkg"; \
	  done; \
	done

gate: ## counts per batch, and CPU against Apache Kafka in the same run: the figures that may fail a change
	go test -count=1 -v -tags kafka ./bench/gate

bench: ## the micro benchmarks, as benchstat reads them
	go test -run '^$$' -bench . -benchmem ./broker/... ./bench/...

performance: build ## docs/performance.md anew: every load beside Apache Kafka, half an hour on a quiet machine, 40 GB of disk
	mkdir -p .highwater
	bin/highwater bench peers $(PEERS_FLAGS) --out .highwater/performance.txt --profile .highwater/profiles
	bin/highwater bench report .highwater/performance.txt --out docs

crash: build ## CRASH_ROUNDS rounds of kill -9 under load, each verified
	cd broker/conformance && HIGHWATER_KILL_ROUNDS=$(CRASH_ROUNDS) go test -count=1 -run TestKill -timeout 30m -v ./...

conformance: build ## real clients and Kafka's own tools against Highwater
	cd broker/conformance && HIGHWATER_TARGET=highwater go test -count=1 -timeout 20m ./...

conformance-kafka: ## the same wire tests against Apache Kafka 4.3
	cd broker/conformance && HIGHWATER_TARGET=kafka go test -count=1 -timeout 20m ./...
