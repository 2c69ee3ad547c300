# Leeward: build, run, test. Bare `make` prints this help.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -s -w -X github.com/leeward-failover/leeward/pkg/daemon.Version=$(VERSION)
BUILD     := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
SERVICES  := $(notdir $(wildcard services/*))
MODULES    = $(shell go list -m -f '{{.Dir}}')
STATE     := $(CURDIR)/.state
REGIONS   := frankfurt london dallas tokyo
PROBE_URL = "$$(cat $(STATE)/world/secrets/probe-url-$(1) 2>/dev/null)"
UP        = LEEWARD_STATE=$(STATE)/leeward LEEWARD_BENCHMARK_FOLDER=$(STATE)/leeward/benchmark \
            $(foreach r,$(REGIONS),SHOP_$(shell echo $(r) | tr a-z A-Z)_DATABASE_URL=$(call PROBE_URL,$(r))) \
            LEEWARD_HOOK_DISTRIBUTION_SECRET=file:$(STATE)/world/secrets/registry-hook-token

.PHONY: help install build up down demo demo-chaos demo-loopback picture map k6 bench-datapath bench-prober bench-ranker test test-long test-exactly-once test-compose check lint generate tidy tools clean

help: ## show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: ## install what is missing, and say what (LEEWARD_NO_INSTALL=1 only says)
	@tools/install.sh

build: ## build every binary into bin/
	@mkdir -p bin
	$(BUILD) -o bin/leeward ./cmd/leeward
	@for s in $(SERVICES); do $(BUILD) -o bin/$$s ./services/$$s/cmd/$$s || exit 1; done
	$(BUILD) -o bin/world ./test/cmd/world
	$(BUILD) -o bin/demo ./test/cmd/demo

up: install build ## start the demo world and all of Leeward, then print the API's address
	@bin/world up --detach --state $(STATE)/world
	@bin/world topology examples/leeward.yaml > $(STATE)/leeward.yaml # with the versions of this machine's base images
	@$(UP) bin/leeward up --detach --file $(STATE)/leeward.yaml --bus 10.88.0.1:4222 --build-root $(CURDIR) --buildkit unix://$(STATE)/world/buildkitd.sock \
	  $(foreach r,$(REGIONS),--wrap 'prober-$(r)=nsenter --net=/run/netns/lw-$(r) --') $(foreach n,1 2 3 4,--health prober-$(word $(n),$(REGIONS))=10.88.$(n).1:9110)
	@bin/world push-base base/node
	@echo "the base images are pushed, which starts the shop's build; containers run in about half a minute, a full ranking takes about two: bin/leeward rank shop"

down: ## stop everything: no process, mount, namespace or container stays
	@[ ! -x bin/leeward ] || bin/leeward down --state $(STATE)/leeward
	@[ ! -x bin/world ] || bin/world down

demo: up ## the main job unattended: push, build, replicate, measure, rank, three failovers
	@bin/demo --state $(STATE)

demo-chaos: up ## the demo, with every service, NATS and ClickHouse killed once on the way
	@bin/demo --state $(STATE) --chaos

demo-loopback: ## the main job with regions simulated on loopback, without builds; an ordinary user is enough
	@mkdir -p bin
	$(BUILD) -o bin/leeward ./cmd/leeward
	$(BUILD) -o bin/demo ./test/cmd/demo
	@bin/demo --loopback

picture: up ## photograph the console during a failover, for the README
	@$(BUILD) -o bin/picture ./test/cmd/picture
	@bin/picture --out docs/pictures/console-failover.png

map: ## draw the console's map anew from npm's world-atlas
	go run ./services/gateway/cmd/worldmap services/gateway/internal/console/assets/land.svg

k6: bin/k6 ## build k6, the load generator, into bin/ (a minute the first time)

bin/k6: tools/k6/go.mod tools/k6/go.sum
	cd tools/k6 && GOWORK=off CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o ../../bin/k6 go.k6.io/k6
	@touch bin/k6

bench-datapath: ## measure the data path: throughput, freshness, sizes, losses, rankings; one line of JSON comes last
	@mkdir -p bin
	@$(BUILD) -o bin/leeward ./cmd/leeward
	@$(BUILD) -o bin/recorder ./services/recorder/cmd/recorder
	@$(BUILD) -o bin/blocks ./services/recorder/cmd/blocks
	@$(BUILD) -o bin/benchdatapath ./test/cmd/benchdatapath
	@bin/benchdatapath --bin bin

bench-prober: ## measure what a probe costs and how exact it is, beside fping and blackbox_exporter; one line of JSON comes last
	@tools/install.sh --bench >&2
	@mkdir -p bin
	@$(BUILD) -o bin/prober ./services/prober/cmd/prober
	@$(BUILD) -o bin/benchprober ./test/cmd/benchprober
	@bin/benchprober --bin bin

bench-ranker: ## measure what a refresh of all rankings costs, by apps and by samples stored; one line of JSON comes last
	@mkdir -p bin
	@$(BUILD) -o bin/leeward ./cmd/leeward
	@$(BUILD) -o bin/ranker ./services/ranker/cmd/ranker
	@$(BUILD) -o bin/benchranker ./test/cmd/benchranker
	@bin/benchranker --bin bin

test: install bin/k6 ## run every test (root needed for the demo world's)
	go test -race -timeout 15m work

ROUNDS ?= 200
SEED   ?= 1
test-exactly-once: install ## kill, freeze, wipe and cut everything on the data path for 200 rounds (ROUNDS, SEED), about a quarter of an hour
	go test -timeout 60m -v ./services/recorder -run 'ExactlyOnce|PowerCut' -rounds $(ROUNDS) -seed $(SEED)

test-compose: ## build the images and run docker-compose.yml under a dockerd of the test's own (root needed)
	@tools/install.sh --compose
	go test ./test/compose -count=1 -run TestWebhook -compose -v -timeout 15m

test-long: test demo-chaos test-exactly-once ## every test and the demo with kills, a region cut off for a minute, then five minutes each of stress and of fuzzing
	go test -timeout 10m -count=1 -v ./test/leaf -run Cut -cut 60s
	go test -timeout 20m -count=1 -v ./services/prober/internal/probe -run 'Thousand|Share|Stalled|Dead|Hogs' -span 60s
	go test -timeout 10m -count=1 ./services/prober -run NoSampleIsLost -outage 60s
	go test -timeout 10m -count=1 ./services/prober -run Reload -per-app 1000
	go test -timeout 30m -count=1 -v ./services/ranker/internal/simulate -more 10
	go test -timeout 10m -count=1 -v ./services/gateway/internal/load -run Stalled -stretch 10
	go test -timeout 20m ./pkg/clickhouse -run Stress -stress 5m
	go test -timeout 20m ./pkg/config -run '^$$' -fuzz FuzzParse -fuzztime 5m
	go test -timeout 20m ./schemas -run '^$$' -fuzz FuzzDecodeSampleBatch -fuzztime 5m
	for f in Distribution DockerHub GitHubPackage GitHubRegistryPackage GitHubPush Alertmanager Grafana Pingdom NewRelic Dynatrace Datadog; do go test ./services/gateway/internal/hook -run '^$$' -fuzz "^Fuzz$$f$$" -fuzztime 1m || exit 1; done
	for f in Leeward K6 JMeter Vegeta Hey Oha Wrk2 Atlas Pingdom NewRelic Dynatrace Datadog Cloudprober Prometheus RemoteWrite; do go test ./services/gateway/internal/importer -run '^$$' -fuzz "^Fuzz$$f$$" -fuzztime 20s || exit 1; done
	go test ./pkg/git -run '^$$' -fuzz FuzzAnswerOfAServer -fuzztime 1m

check: tools lint ## generated files, module files, lint, dependency rules, macOS, arm64, vulnerabilities
	@go generate work
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff >/dev/null && GOWORK=off CGO_ENABLED=0 go build -trimpath ./...) || { echo "$$m: run make tidy, or mend the build"; exit 1; }; done
	@CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go vet ./cmd/leeward/... ./test/cmd/demo || { echo "leeward does not compile for macOS: put what only Linux has behind a build tag"; exit 1; }
	@CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go vet ./services/prober/... ./services/builder/internal/benchmark || { echo "what talks to the kernel does not compile for linux/arm64"; exit 1; }
	@git diff --exit-code -- schemas/SUBJECTS.md schemas/json examples/leeward.schema.json docs/reference || { echo "generated files are stale: commit what make generate wrote"; exit 1; }
	@tools/vulnerabilities.sh

lint: tools ## lint every module
	bin/golangci-lint run $(addsuffix /...,$(MODULES))

generate: ## write generated files again
	go generate work

tidy: ## tidy every module
	@for m in $(MODULES); do (cd $$m && GOWORK=off GOFLAGS=-mod=mod go mod tidy) || exit 1; done

tools: ## build the linters into bin/
	@[ -x bin/golangci-lint -a bin/golangci-lint -nt tools/go.mod ] || (GOWORK=off GOBIN=$(CURDIR)/bin go -C tools install tool && touch bin/golangci-lint)

clean: down ## remove what was built and all state
	rm -rf bin $(STATE)
