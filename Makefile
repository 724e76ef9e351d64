# Two commands do everything, from a bare machine on:
#
#	make train    sets up libtorch, builds the commands, trains an embedded recipe and says where the pictures are
#	make test     sets up libtorch and runs all tests
#
# The rest: make (or make build) builds the commands into bin/; make fuzz looks for inputs that no test has thought of;
# make asan looks for memory that the C++ uses after its end, beyond its bounds, or never frees (Linux, gcc or clang;
# some 5 minutes the first time, in build/asan); make race looks for data races in all packages (some 10 minutes; make test does
# so for those without cgo); make killtest kills trainings and resumes them; make setup, make bench, make fmt, make clean.

SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.PHONY: go setup build train test fuzz asan race killtest bench fmt clean

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMANDS = $(filter-out ./tools/setup ./tools/layers ./tools/bench ./tools/killtest,$(patsubst %/main.go,./%,$(wildcard tools/*/main.go)))
RECIPE ?= cgan_digits

go:
	@command -v go >/dev/null || { echo "make: Go is missing; install 1.26 or later from https://go.dev/dl/" >&2; exit 1; }

setup: go
	@go run ./tools/setup

build: setup
	@mkdir -p bin
	go build -trimpath -ldflags "-X github.com/imori-ml/imori/tools/internal/cli.Version=$(VERSION)" -o bin/ $(COMMANDS)

train: build
	@run=runs/$(RECIPE)/$$(date +%Y%m%d-%H%M%S)
	./bin/train -recipe $(RECIPE) -out $$run
	[ $(RECIPE) != cgan_digits ] || ./bin/digitcheck $$run
	echo "The pictures are in $$run/samples"

# gotorch's own tests, run against our library. Two assert what libtorch 2 has changed: targets of a cross-entropy
# outside [0,1], which it refuses, and the bytes of a pickle. One asserts that a garbage collection ends within 10 ms,
# which a busy machine may miss once or twice.
GOTORCH := github.com/wangkuiyi/gotorch
GOTORCH_TESTS := $(GOTORCH) $(GOTORCH)/nn $(GOTORCH)/nn/functional $(GOTORCH)/nn/initializer
OUTDATED := TestFunctionalBinaryCrossEntropy|TestTensorGobEncode
HURRIED := TestTensorGC
# The formatter whose opinion counts: each version has its own.
CLANG_FORMAT_VERSION := 14
CPP := $(wildcard cgotorch/src/*.cc cgotorch/src/*.h torchx/arena/*.c)

# Tests of several packages run side by side, and threads that spin while they wait would take the cores from each other.
test: export OMP_WAIT_POLICY ?= passive
# -count=1: Go does not see that libtorch or libcgotorch.so has changed, and would repeat a remembered result.
test: go
	@start=$$SECONDS
	step() { echo; echo "== $$*"; }
	step set-up
	go run ./tools/setup --werror
	step format
	unformatted=$$(gofmt -l .)
	[ -z "$$unformatted" ] || { echo "not formatted; run make fmt: $$unformatted" >&2; exit 1; }
	if ! command -v clang-format >/dev/null; then echo "C++: skipped, no clang-format here"
	elif ! clang-format --version | grep -q "version $(CLANG_FORMAT_VERSION)\."; then echo "C++: skipped, clang-format is not version $(CLANG_FORMAT_VERSION)"
	else clang-format --dry-run --Werror $(CPP); fi
	step go vet
	go vet ./...
	step layers
	go run ./tools/layers
	if command -v golangci-lint >/dev/null; then step golangci-lint; golangci-lint run; fi
	/usr/bin/python3 -c 'import torch, numpy' 2>/dev/null || echo "tests that load weights in Python are skipped: /usr/bin/python3 has no torch or numpy"
	step go test
	go test -count=1 ./...
	step go test -race, packages without cgo
	go test -race -count=1 $$(go run ./tools/layers -pure)
	step "gotorch's own tests"
	skip='$(HURRIED)'
	if go run ./tools/setup --print | grep '^libtorch  *[2-9]' >/dev/null; then
		skip="$$skip|$(OUTDATED)"
		echo "skipping $(OUTDATED): they assert what libtorch 2 has changed"
	fi
	go test -count=1 -vet=off -p 1 -skip "^($$skip)$$" $(GOTORCH_TESTS)
	for try in 1 2 3; do
		go test -count=1 -vet=off -run '^$(HURRIED)$$' $(GOTORCH) && break
		[ $$try -lt 3 ]
	done
	step examples/custom
	(cd examples/custom && go vet ./... && go test -count=1 ./...)
	echo
	echo "PASS"
	printf 'ok  \tmake test\t%d.0s\n' $$((SECONDS - start))

# Each fuzz target in turn: make fuzz FUZZTIME=10m FUZZ=FuzzRead FUZZFLAGS='-parallel 1'. An input that fails is
# in the package's testdata/fuzz then, where go test, and so make test, runs it from then on: commit it with the mend.
# go clean -fuzzcache forgets what former runs found interesting.
FUZZTIME ?= 1m
FUZZ ?= ^Fuzz
FUZZFLAGS ?=
fuzz: export OMP_WAIT_POLICY ?= passive
fuzz: setup
	@start=$$SECONDS count=0 failed=
	# Names come before the line of their package: "ok  	github.com/imori-ml/imori/datasets	0.01s".
	targets=$$(go test -list '$(FUZZ)' ./... | awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print names[i], $$2; n = 0 }')
	[ -n "$$targets" ] || { echo "no fuzz target matches $(FUZZ)" >&2; exit 1; }
	log=$$(mktemp)
	trap 'rm -f "$$log"' EXIT
	while read -r target package; do
		count=$$((count + 1)) began=$$SECONDS result=ok
		# Shrinking each input that finds new code would take a minute by default, and most of the time.
		go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $(FUZZFLAGS) "$$package" >"$$log" 2>&1 </dev/null || result=FAIL
		execs=$$(grep -o 'execs: [0-9]*' "$$log" | tail -1 | cut -d' ' -f2 || true)
		printf '%-4s\t%-16s %-40s %5ds %12s executions\n' $$result $$target $${package#*/*/*/} $$((SECONDS - began)) "$${execs:-0}"
		[ $$result = ok ] || { cat "$$log"; failed="$$failed $$target"; }
	done <<<"$$targets"
	echo
	[ -z "$$failed" ] || { echo "FAIL:$$failed"; exit 1; }
	printf 'ok  \tmake fuzz\t%d targets, %ds\n' $$count $$((SECONDS - start))

# torchx's tests with AddressSanitizer and LeakSanitizer in our C++, in cgo's and in Go's. The library lies aside, where
# no other program finds it. Go's own -asan brings the runtimes into the program (preloading them would put them into
# each Python that a test starts, too) and shows LeakSanitizer Go's heap: what only a Go value points to is no leak.
# libtorch itself is as it comes, but its allocations are seen. There are no suppressions: Debian's libtorch, OpenBLAS
# and libgomp leak nothing. Where others do, LSAN_OPTIONS=suppressions=FILE in the environment names them.
# Before them a leak and a use after free are made on purpose, and must be reported.
# ASAN_SECONDS is the time of the test of finalizers, ASAN_TEST a pattern of tests.
ASAN_SECONDS ?= 10
ASAN_TEST ?= .
ASAN_CXXFLAGS := -fsanitize=address -fno-omit-frame-pointer -O1 -g1 -Wno-maybe-uninitialized
# handle_*=0: a nil pointer in Go is a panic, which Go makes of the signal.
# use_sigaltstack=0: each thread's stack for signals is Go's, which must be as large as Go thinks.
# allocator_may_return_null=1: a tensor that fits into no memory is an error, which tests expect, and not the end.
ASAN_RUNTIME := handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0:use_sigaltstack=0:allocator_may_return_null=1
ASAN_RUNTIME := $(ASAN_RUNTIME):detect_leaks=1:detect_odr_violation=2:detect_stack_use_after_return=0
asan: export OMP_WAIT_POLICY ?= passive
asan: go
	@start=$$SECONDS dir=$(CURDIR)/build/asan
	[ "$$(go env GOOS)" = linux ] || { echo "make asan: works on Linux only" >&2; exit 1; }
	go run ./tools/setup -cxxflags '$(ASAN_CXXFLAGS)' -out "$$dir"
	go test -asan -c -o "$$dir/torchx.test" ./torchx
	export LD_LIBRARY_PATH="$$dir$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}"
	ldd "$$dir/torchx.test" | grep -F "=> $$dir/libcgotorch.so" >/dev/null ||
		{ echo "make asan: torchx.test takes another libcgotorch.so than $$dir's; see ldd" >&2; exit 1; }
	run() { (cd torchx && ASAN_OPTIONS='$(ASAN_RUNTIME)' exec "$$dir/torchx.test" -test.short -test.v -test.run "$$1"); }
	# Silence proves nothing where a sanitizer sleeps: a fault made on purpose must be reported.
	deliberate() {
		log="$$dir/log.$$1"
		! IMORI_DELIBERATE_FAULT=$$1 run '^TestDeliberateFault$$' >"$$log" 2>&1 && grep -E "$$2" "$$log" >/dev/null ||
			{ echo "make asan: a deliberate $$1 was not reported, expected '$$2' in $$log: the sanitizer is not at work" >&2; exit 1; }
	}
	deliberate leak ' in Torch_Device '
	deliberate use-after-free '==ERROR: AddressSanitizer: heap-use-after-free'
	status=0
	IMORI_STRESS_SECONDS=$(ASAN_SECONDS) run '$(ASAN_TEST)' >"$$dir/log" 2>&1 || status=$$?
	count() { grep -cE "$$1" "$$dir/log" || true; }
	tests="$$(count '^--- PASS') tests passed, $$(count '^--- SKIP') skipped, $$(count '^--- FAIL') failed"
	found="$$(count '==ERROR: AddressSanitizer') memory errors, $$(count '^(Direct|Indirect) leak') leaks"
	summary="$$tests; $$found; $$((SECONDS - start))s; see build/asan/log"
	if [ $$status = 0 ] && ! grep '^--- PASS' "$$dir/log" >/dev/null; then
		printf 'FAIL\tmake asan\tno test ran, expected one that matches ASAN_TEST=%s; %s\n' '$(ASAN_TEST)' "$$summary"
		exit 1
	fi
	if [ $$status != 0 ]; then
		grep -E -A 30 '^ *--- FAIL|==ERROR: |^panic|^fatal|^SIG|^libcgotorch' "$$dir/log" | head -n 200 || true
		printf 'FAIL\tmake asan\t%s\n' "$$summary"
		exit 1
	fi
	printf 'ok  \tmake asan\t%s\n' "$$summary"

# RACE is what to look at. A package alone may take more than Go's 10 minutes on a busy machine.
RACE ?= ./...
race: export OMP_WAIT_POLICY ?= passive
race: setup
	go test -race -short -count=1 -timeout 30m $(RACE)

# The long form of what make test does with a kill for each model: make killtest KILLS='-kills 1000 -seed 7 -models vae'.
KILLS ?= -kills 100
killtest: setup
	go run ./tools/killtest $(KILLS)

bench: build
	@mkdir -p build
	go run ./tools/bench -json build/bench.json

fmt: go
	gofmt -w .
	@if command -v clang-format >/dev/null; then clang-format -i $(CPP); else echo "C++: skipped, no clang-format here"; fi

clean:
	rm -rf bin build
