# SPDX-License-Identifier: Apache-2.0
# `make run` starts everything on this machine, `make test` shows that it works. The rest is for developers.

CONFIGURATION ?= release
SERVICES := bus users things journal http-adapter mqtt-adapter mqtt-bridge coap-adapter writer-postgres reader-postgres
PREFIX ?= /usr/local
SWIFT ?= swift
ITERATIONS ?= 10000000

.PHONY: help run build install install-cli install-test test test-compose bench fuzz format lint clean-data

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: install build ## install what is missing, build, start everything on http://localhost:8080; Ctrl-C stops it
	@exec deploy/local/run --binaries "$$($(SWIFT) build -c $(CONFIGURATION) --show-bin-path)"

build: ## build all services and the client (CONFIGURATION=debug for a quick one)
	@set -e; for service in $(SERVICES) martlet; do $(SWIFT) build -c $(CONFIGURATION) --product $$service; done

install: ## install what running needs (apt; says what it does before it asks for sudo)
	@deploy/local/install run

install-cli: ## build the client and install it as PREFIX/bin/martlet (/usr/local)
	@$(SWIFT) build -c $(CONFIGURATION) --product martlet
	@install -D -m 755 "$$($(SWIFT) build -c $(CONFIGURATION) --show-bin-path)/martlet" "$(DESTDIR)$(PREFIX)/bin/martlet"

install-test: ## install what the tests need besides
	@deploy/local/install run test

test: install-test ## unit, integration, end-to-end and fault tests
	@deploy/local/test

test-compose: ## build the image, bring the compose stack up in a container engine, break it, check it
	@Tests/Compose/run

bench: ## measure against peers and limits; writes Benchmarks/results/
	@deploy/local/install run test bench
	@deploy/local/bench

fuzz: ## ten million inputs into every decoder
	@set -e; for product in fuzz bus mqtt-adapter coap-adapter; do $(SWIFT) build -c release --product $$product; done
	@set -e; for target in senml-json senml-cbor senml-json-to-cbor senml-cbor-to-json raw-message path json mqtt mqtt-topics coap; do \
		"$$($(SWIFT) build -c release --show-bin-path)/fuzz" $$target --iterations $(ITERATIONS); \
	done
	@"$$($(SWIFT) build -c release --show-bin-path)/fuzz" mqtt-session --iterations 50000
	@"$$($(SWIFT) build -c release --show-bin-path)/fuzz" coap-session --iterations 50000

format: ## rewrite the sources as CI wants them
	@$(SWIFT) format --in-place --recursive Package.swift Shared Services Tests Benchmarks

lint: ## what CI checks of the sources' form
	@$(SWIFT) format lint --strict --recursive Package.swift Shared Services Tests Benchmarks

clean-data: ## throw away the local stack's database, log and secrets
	@deploy/local/run --destroy
