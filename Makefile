# `make run` and `make test` need Python >= 3.11 (with venv and pip), make and the package registries.
PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin
# Containers often set this. Then each process compiles all that it imports again: half of a start's processor time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run console console-dev console-pictures charts test check soak cluster cluster-soak simulation fuzz fuzz-cost bench conformance-moto conformance-clients lock docs clean
.DEFAULT_GOAL := run

.tools/bin/uv: requirements/uv.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Keytrail needs Python >= 3.11: make PYTHON=/path/to/python3.11 run")'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	touch $@

# At last every module is imported once, which writes its bytecode: pip writes that of all it installs, and uv does not.
.venv/.run: $(UV) requirements/run.txt requirements/console.txt pyproject.toml
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt -r requirements/console.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -c 'import importlib, pkgutil, services; [importlib.import_module(each.name) for each in pkgutil.walk_packages(services.__path__, "services.")]'
	touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	-$(BIN)/python -m services.adapters.bundled.make_class_caches  # the tests start some twenty brokers, and can do without
	touch $@

.venv-moto/.ready: $(UV) requirements/moto.txt
	test -x .venv-moto/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv-moto
	$(UV) pip install --quiet --python .venv-moto/bin/python --require-hashes -r requirements/moto.txt
	touch $@

run: .venv/.run
	$(BIN)/keytrail up

# `keytrail up` builds the console by itself; this also fetches what checks and tests of it need.
console: .venv/.run
	$(BIN)/python -m services.console.build --checks

# Pages change in the browser as you save them: http://127.0.0.1:5173/console/, for the Keytrail at KEYTRAIL_URL.
console-dev: console
	$(BIN)/python -m services.console.checks dev

# Pictures of every page, in .console/pictures, of an installation with a small story; five of them for docs/console.md.
console-pictures: .venv/.dev console
	$(BIN)/python -m tests.console.pictures

# Helm of its Go modules, whose digests are pinned. That takes two and a half minutes of processor time, so `make test` only checks
# what was rendered; `make soak` renders it again.
.tools/bin/helm: tests/charts/go.mod tests/charts/go.sum | $(UV)
	cd tests/charts && GOTOOLCHAIN=local go build -mod=readonly -buildvcs=false -o $(CURDIR)/$@ helm.sh/helm/v3/cmd/helm

charts: .venv/.dev .tools/bin/helm
	$(BIN)/python -m tests.charts.rendering

# Most tests wait for servers: three files at a time, on two cores. Those that time what a fault does come after them, two at a
# time: half of their time they wait, and none of their limits is close. The full counts' limits are: they run one by one.
THREE := -n 3 --dist loadfile --no-loadscope-reorder
TWO := -n 2 --dist loadfile --no-loadscope-reorder
TIMED := tests/faults/test_outages.py tests/faults/test_soak.py tests/faults/test_clock_steps_back.py tests/faults/test_present.py
TIMED += tests/cluster
# `make test T="tests/domain/test_grants.py -k retire"` runs what T names, and nothing else.
test: .venv/.dev console
ifdef T
	$(BIN)/pytest -m "not soak and not cluster" $(T)
else
	$(BIN)/pytest -m "not soak and not cluster" $(THREE) $(TIMED:%=--ignore=%)
	$(BIN)/pytest -m "not soak and not cluster" $(TWO) $(TIMED)
endif

check: .venv/.dev console
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m services.console.checks

# Where the counts are full, attackers and costly policies are timed too.
# What takes half an hour by itself, and adds up over runs, has targets of its own: `cluster-soak`, `simulation` and `fuzz`.
soak: TIMED += tests/attacks/test_denial.py tests/attacks/test_costly_alerts.py tests/e2e/test_authorisation.py
# `make soak T=tests/console` runs everything that T names, and nothing else: do that after a change of what these tests are about.
soak: .venv/.dev console
ifdef T
	$(BIN)/pytest -m "not cluster" --soak -o timeout=1800 $(T)
else
	$(BIN)/pytest -m "not cluster" --soak -o timeout=1800 $(THREE) $(TIMED:%=--ignore=%)
	$(BIN)/pytest -m "not cluster" --soak -o timeout=1800 $(TIMED)
endif

# Three brokers, Postgres with a standby, two processes of each kind: each kind of fault once, under load.
# What `make test` does with few clients comes here with many.
cluster: .venv/.dev
	$(BIN)/python -m tests.cluster.broker_clock
	$(BIN)/pytest -s -m "cluster and not soak" --durations=0 tests/cluster

# Three rounds of every fault, the five deliberate breaks, and an upgrade in the other order and back. Rounds add up over runs:
# .cluster.json says how many there were.
cluster-soak: .venv/.dev
	$(BIN)/python -m tests.cluster.broker_clock
	$(BIN)/pytest -s -m cluster --soak --durations=0 tests/cluster tests/upgrade

# Each run goes on where the last one ended, and adds up; .simulation.json says how far it has come.
simulation: .venv/.dev
	$(BIN)/python -m tests.simulation 20000 --resume

# A million inputs for the doors that take a stranger's bytes; corpora, findings and sums of all runs are in .fuzz.
fuzz: .venv/.dev
	$(BIN)/python -m tests.fuzz

fuzz-cost: .venv/.dev
	$(BIN)/python -m tests.attacks.fuzz_cost

bench: .venv/.dev
	$(BIN)/python -m bench

conformance-moto: .venv/.dev .venv-moto/.ready
	$(BIN)/python -m conformance.moto

# CLIENTS="encryption-sdks scanners" runs these groups alone; what is fetched stays in .clients/.
conformance-clients: .venv/.dev
	$(BIN)/python -m conformance.clients $(CLIENTS)

docs: .venv/.dev
	$(BIN)/python docs/generate.py

lock: $(UV)
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/run.in -o requirements/run.txt
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/console.in -o requirements/console.txt
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/dev.in -o requirements/dev.txt
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/moto.in -o requirements/moto.txt
	echo uv | $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 - -o requirements/uv.txt

clean:
	rm -rf .venv .venv-moto .console .clients .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .simulation.json .cluster.json .fuzz
