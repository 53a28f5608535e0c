# Two commands matter: `make book` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3
PROFILE ?= paper
BIN = .venv/bin
RUN = $(BIN)/python -m

.PHONY: book pdf jupyter test test-browser test-long chapter chapters sweep sweep-adopt sabotage bench \
  bench-rebasin drift mutate lock package clean environment

book: environment
	@$(RUN) book.pipeline.book --profile $(PROFILE)

test: environment
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/zizmor --quiet --offline --no-progress .github > /dev/null || $(BIN)/zizmor --offline .github
	@OMP_NUM_THREADS=1 $(RUN) pytest -n auto
	@OMP_NUM_THREADS=1 MC_LIB_PLAIN=1 $(RUN) pytest -n auto
	@$(RUN) book.pipeline.compare
	@echo "test: style, types, library, bad input, chapters and figures all passed"

# the built book in a real browser; MC_LIB_BROWSER names one that is not found by itself
test-browser: environment
	@$(RUN) pytest --confcutdir tests/browser -n auto tests/browser
	@echo "test-browser: every page passed; screenshots in _build/screenshots"

# the whole book as one file, _build/book.pdf, through the same browser
pdf: book
	@$(RUN) book.pipeline.pdf

# the chapters in JupyterLab, with the kernel that the book is built with
jupyter: environment
	@$(RUN) book.pipeline.jupyter $(ARGUMENTS)

# the coverage of the library, then ten thousand random examples a law (about an hour)
LAWS ?= long
test-long: environment
	@OMP_NUM_THREADS=1 MC_LIB_PLAIN=all $(RUN) pytest -n auto \
	  --cov --cov-report=term-missing:skip-covered --cov-fail-under=95
	@OMP_NUM_THREADS=1 MC_LIB_PLAIN=all MC_LIB_HYPOTHESIS=$(LAWS) $(RUN) pytest -n auto \
	  --dist worksteal -m hypothesis tests

# one chapter with other parameters: make chapter CH=06 SET="seed=3 networks=20"
chapter: environment
	@mkdir -p _build/runs
	@$(RUN) book.pipeline.execute --profile $(PROFILE) "$(CH)" _build/runs "$(SET)"

# execute all chapters with the paper's settings and commit what they show
chapters: environment
	@$(RUN) book.pipeline.book --chapters
	@$(RUN) book.pipeline.adopt

# chapters × seeds × settings from sweeps/NAME.yaml: make sweep SWEEP=seeds ON=local|slurm|kubernetes
SWEEP ?= example
ON ?= local
sweep: environment
	@$(RUN) book.pipeline.sweep $(SWEEP) --on $(ON)

# make the table of that sweep the one that the book shows
sweep-adopt: environment
	@$(RUN) book.pipeline.sweep $(SWEEP) --adopt

# break one hypothesis at a time: do the checks of its statement notice?
sabotage: environment
	@OMP_NUM_THREADS=1 $(RUN) book.pipeline.sabotage

# against scipy and geomstats, in an environment of its own
bench: _build/bench/ready
	@_build/bench/bin/python benchmarks/run.py

_build/bench/ready: benchmarks/requirements.lock pyproject.toml
	@rm -rf _build/bench && $(PYTHON) -m venv _build/bench
	@_build/bench/bin/pip install --quiet -r benchmarks/requirements.lock
	@_build/bench/bin/pip install --quiet --no-deps -e .
	@touch $@

# against rebasin, in an environment of its own
bench-rebasin: _build/rebasin/ready
	@PYTHONPATH=book _build/rebasin/bin/python benchmarks/against_rebasin.py

_build/rebasin/ready: benchmarks/rebasin.lock pyproject.toml
	@rm -rf _build/rebasin && $(PYTHON) -m venv _build/rebasin
	@_build/rebasin/bin/pip install --quiet -r benchmarks/rebasin.lock
	@_build/rebasin/bin/pip install --quiet --no-deps -e .
	@touch $@

# do figures or printed lines depend on threads or on the processor? (about half an hour)
drift: environment
	@$(RUN) book.pipeline.drift $(CH)

# change the library line by line and count the changes that no test notices; or those of a part,
# ONLY="mc_lib.layers*"
mutate: environment
	@MC_LIB_PLAIN=all OMP_NUM_THREADS=1 $(BIN)/mutmut run $(if $(ONLY),"$(ONLY)")
	@$(BIN)/mutmut results

# resolve the packages again; versions that still fit stay, unless UPGRADE=--upgrade
lock: | $(BIN)/uv
	@$(BIN)/uv pip compile --quiet --config-file requirements.toml $(UPGRADE) pyproject.toml \
	  --output-file requirements.lock

$(BIN)/uv:
	@$(PYTHON) book/pipeline/environment.py

# the wheel and the sdist in dist/, checked, and the library's tests run with them
package: environment
	@$(RUN) book.pipeline.package

environment:
	@$(PYTHON) book/pipeline/environment.py

clean:
	rm -rf _build .snakemake .venv dist
