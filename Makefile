MAKEFLAGS += --no-print-directory
# npm needs no update notices and no funding lines here; the first line of every target is its own business.
NPM := npm --silent
export NO_UPDATE_NOTIFIER := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test coverage check-fast bench profile bench-directory bench-timing chaos fuzz check format schemas docs build secrets sbom

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: node_modules/.package-lock.json ## install the packages of package-lock.json, where they are not yet
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" node -e 'process.exit(Number.parseInt(process.versions.node) < 24 ? 1 : 0)' \
	  || { echo "authmq needs Node 24 or newer: install it from https://nodejs.org" >&2; exit 1; }

# npm writes this file last, so it is older than the lock file exactly when there is something to do.
node_modules/.package-lock.json: package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node 24 or newer with npm" >&2; exit 1; }
	@echo "installing packages"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

demo: install ## see it work, step by step: two workers on a real RabbitMQ, called from the command line
	@$(NPM) run demo

test: install ## run the tests on a real RabbitMQ and MariaDB; FILES="a.test.ts b.test.ts" for some of them
	@$(NPM) test -- $(FILES)

coverage: install ## run the tests and report what of src/ they reach; FILES= as above
	@$(NPM) test -- --coverage $(FILES)

bench: install ## measure what requests cost beside an echo, a hash and a statement (15 minutes; npm run bench -- --short)
	@$(NPM) run bench -- --picture=docs/performance.svg

profile: install ## show where the time of a request goes (npm run profile -- --workload user_get)
	@$(NPM) run profile

bench-directory: install ## measure directory logins against a bare bind and search, and what a directory that hangs does
	@$(NPM) run bench:directory

bench-timing: install ## measure whether the time of a refused login, or of a forgotten password, tells who exists
	@$(NPM) run bench:timing

fuzz: install ## send every queue what nobody should, for five minutes (npm run fuzz -- --seconds N --seed N)
	@$(NPM) run fuzz

chaos: install ## kill, freeze and cut everything under load, and count what was lost or done twice (15 minutes)
	@$(NPM) run chaos

check: install ## all that CI checks: format, lint, types, unused code, generated files, tests
	@echo "format" && $(NPM) run check:format
	@echo "lint" && $(NPM) run check:lint
	@echo "types" && $(NPM) run check:types
	@echo "unused code" && $(NPM) run check:unused
	@echo "generated files" && $(NPM) run check:generated
	@echo "tests" && $(MAKE) test
	@echo "speed" && $(NPM) run bench -- --short

# Lint and types take a processor each; the tests that need no server follow.
check-fast: install ## format, lint, types and the tests that need no server: for each change, two minutes
	@$(NPM) run check:format
	@$(NPM) run check:types & types=$$!; \
	  $(NPM) run check:lint -- --cache --cache-location node_modules/.cache/eslint/; lint=$$?; \
	  wait $$types && exit $$lint
	@$(NPM) test -- --fast

format: install ## format all files
	@$(NPM) run format

schemas: install ## write schemas/ and the tables of docs/configuration.md anew from the code
	@$(NPM) run schemas

build: install ## compile src/ to dist/
	@$(NPM) run build

docs: install ## build the documentation as a site in site/, to be served by anything
	@$(NPM) run docs
	@echo "site/: npm run docs:serve shows it on loopback"

sbom: install ## write sbom.cdx.json: what an installation consists of (CycloneDX), by package-lock.json alone
	@$(NPM) run sbom

# The folder is closed and its files are open: Compose mounts the files as they are, for users of its images' choice.
secrets: ## make random passwords for docker-compose.yml in secrets/, where they are not yet
	@umask 077 && mkdir -p secrets && cd secrets && umask 022 && \
	  for name in rabbitmq_password mysql_password mysql_root_password; do \
	    [ -e $$name ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > $$name; \
	  done && echo "secrets/: rabbitmq_password, mysql_password, mysql_root_password"
