MAKEFLAGS += --no-print-directory
# Hide npm's update notices, funding lines and script headers.
NPM := npm --silent
export NO_UPDATE_NOTIFIER := 1

.DEFAULT_GOAL := help
.PHONY: servers lint types unused generated formatted help install demo test coverage check-fast bench profile bench-directory bench-timing chaos fuzz check format schemas docs build pack secrets sbom

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: node_modules/.package-lock.json ## install the packages of package-lock.json if they are not up to date
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" node -e 'process.exit(Number.parseInt(process.versions.node) < 24 ? 1 : 0)' \
	  || { echo "authmq needs Node 24 or newer: install it from https://nodejs.org" >&2; exit 1; }

# npm writes this file last, so it is older than the lock file only if packages must be installed.
node_modules/.package-lock.json: package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node 24 or newer with npm" >&2; exit 1; }
	@echo "installing packages"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

demo: install ## run a demo: two workers on a real RabbitMQ, called from the command line
	@$(NPM) run demo

# Tests that touch the broker or the database run on the newest servers, too.
ON_NEWEST := test/amqp test/rpc test/db test/procedures test/events test/chaos test/tokens/broker-tokens.test.ts \
  $(addprefix test/client/,broker-token-connections.test.ts broker-token.test.ts client.test.ts reconnect.test.ts \
  revocation-list.test.ts tls.test.ts) $(addprefix test/cli/py-auth-micro/,import.test.ts tls.test.ts)

test: install ## run the tests on real servers; FILES="test/rpc a.test.ts" selects some; SERVERS=newest others
	@$(NPM) test -- $(FILES)

coverage: install ## run the tests with coverage of src/; FILES= as above
	@$(NPM) test -- --coverage $(FILES)

bench: install ## benchmark requests (15 minutes; npm run bench -- --short)
	@$(NPM) run bench -- --picture=docs/performance.svg

profile: install ## profile the CPU time of requests (npm run profile -- --workload user_get)
	@$(NPM) run profile

bench-directory: install ## benchmark directory logins, also while a directory hangs
	@$(NPM) run bench:directory

bench-timing: install ## measure whether response times reveal that an account exists
	@$(NPM) run bench:timing

fuzz: install ## fuzz every queue for five minutes (npm run fuzz -- --seconds N --seed N)
	@$(NPM) run fuzz

chaos: install ## kill and freeze processes under load, and count lost effects (15 minutes); CLUSTER=1 for clusters
	@$(NPM) run chaos

check: install ## run all CI checks: format, lint, types, unused code, generated files, tests
	@$(MAKE) -j3 servers lint types unused generated formatted
	@echo "tests on the newest servers" && $(MAKE) test SERVERS=newest FILES="$(ON_NEWEST)"
	@echo "tests" && $(MAKE) test
	@echo "speed" && $(NPM) run bench -- --short

# What the tests need is installed during the other checks, because downloads leave the processors idle.
servers:
	@echo "servers" && SERVERS=newest $(NPM) test -- --install $(ON_NEWEST) && $(NPM) test -- --install

# The checks without tests; `make check` runs them beside `servers`, the slow ones first.
lint:
	@echo "lint" && $(NPM) run check:lint
types:
	@echo "types" && $(NPM) run check:types
unused:
	@echo "unused code" && $(NPM) run check:unused
generated:
	@echo "generated files" && $(NPM) run check:generated
formatted:
	@echo "format" && $(NPM) run check:format

# Lint and types run in parallel, then the tests that need no server.
check-fast: install ## run format, lint, types and the tests that need no server (two minutes)
	@$(NPM) run check:format
	@$(NPM) run check:types & types=$$!; \
	  $(NPM) run check:lint -- --cache --cache-location node_modules/.cache/eslint/; lint=$$?; \
	  wait $$types && exit $$lint
	@$(NPM) test -- --fast

format: install ## format all files
	@$(NPM) run format

schemas: install ## generate schemas/, src/wire/queues.ts and the tables in docs/ from the code
	@$(NPM) run schemas

build: install ## compile src/ to dist/
	@$(NPM) run build

pack: install ## write the packages authmq and @authmq/client to dist/packages/
	@$(NPM) run pack

docs: install ## build the documentation site in site/ (static files)
	@$(NPM) run docs
	@echo "built site/: view it with npm run docs:serve"

sbom: install ## write sbom.cdx.json, a CycloneDX bill of materials, from package-lock.json
	@$(NPM) run sbom

# Only the folder is private: Compose mounts the files with their modes, and the images read them as other users.
secrets: ## generate missing passwords for docker-compose.yml in secrets/
	@umask 077 && mkdir -p secrets && cd secrets && umask 022 && \
	  for name in rabbitmq_password mysql_password mysql_root_password; do \
	    [ -e $$name ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > $$name; \
	  done && echo "secrets/: rabbitmq_password, mysql_password, mysql_root_password"
