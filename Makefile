# Everything a user or developer does starts here. `make help` lists it.

.DEFAULT_GOAL := help
GO ?= go
BIN := bin/cis
PKGS := ./...

.PHONY: help
help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

.PHONY: deps
deps: ## install what is missing (PostgreSQL's binaries; no system-wide cluster)
	@sh scripts/deps.sh

.PHONY: build
build: ## build bin/cis
	@$(GO) build -o $(BIN) ./cmd/cis

.PHONY: run
run: deps build ## build and start the server with everything embedded
	@exec $(BIN) serve

.PHONY: demo
demo: deps build ## tell the whole story against a throw-away instance
	@$(BIN) demo

.PHONY: test
test: deps ## run all tests, and the official EventStoreDB client's suite against the embedded store
	$(GO) vet $(PKGS)
	$(GO) test -race -shuffle=on -parallel 4 -timeout 10m $(PKGS)
	sh scripts/esdb-suite.sh

.PHONY: test-eventstore
test-eventstore: ## run the store contract against EVENTSTORE_URL=esdb://…
	CIS_TEST_EVENTSTORE_URL="$(EVENTSTORE_URL)" $(GO) test -count=1 -run TestContract -v ./internal/eventstore

.PHONY: test-interop
test-interop: ## have others look: python3-icalendar at every mail we send, Redocly at the API's description
	@sh scripts/interop.sh
	@sh scripts/lint-api.sh

.PHONY: test-api
test-api: ## call the API 10,000 times with anything, and check every answer against its description
	CIS_TEST_REQUESTS=10500 $(GO) test -count=1 -v -run 'TestAnything$$' ./cmd/cis | grep -E 'requests:|FAIL|^ok|rapid. failed'

.PHONY: bench
bench: deps build ## end-to-end figures, each with the ceiling measured in the same run
	$(GO) test -run '^$$' -bench 'Benchmark$(BENCH)' -benchtime 1x -timeout 30m ./cmd/cis

.PHONY: fuzz
fuzz: ## fuzz the readers of untrusted input, 30 s each
	$(GO) test ./internal/ical -run xxx -fuzz FuzzRead -fuzztime 30s
	$(GO) test ./ingest/message -run xxx -fuzz FuzzParse -fuzztime 30s
	$(GO) test ./ingest/itip -run xxx -fuzz FuzzInterpret -fuzztime 30s
	$(GO) test ./ingest/bulk -run xxx -fuzz FuzzRead -fuzztime 30s
	$(GO) test ./ingest/senderauth -run xxx -fuzz FuzzCheck -fuzztime 30s

.PHONY: golden
golden: ## write samples and golden mails that are missing (existing samples never change)
	$(GO) test ./internal/facts -run TestSamples -update
	$(GO) test ./notifier -run TestGolden -update

.PHONY: stored-log
stored-log: ## at a release: keep a log of this version, which all later ones must read
	$(GO) test ./cmd/cis -run TestEarlierLogs -update

.PHONY: check
check: ## format, vet, staticcheck, vulnerable patterns
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || (echo "run gofmt -w ." >&2; exit 1)
	$(GO) vet $(PKGS)
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0 $(PKGS)
	@sh scripts/samples-unchanged.sh
