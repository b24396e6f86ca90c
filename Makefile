# The front door. Meson builds (docs/hacking.md); this only spares the typing.
BUILD ?= build
SEEDS ?= 100000
FUZZ_SECONDS ?= 60

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@scripts/deps build
	@CC=gcc meson setup $(BUILD) >/dev/null || { cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }

demo:
	@scripts/deps demo
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) plait
	@$(BUILD)/plait lab demo

check:
	@scripts/deps check
	@scripts/check -C $(BUILD)

# Other seeds every time; the summary names them.
soak: FIRST ?= $(shell date +%s)000000
soak: all
	@SEEDS=$(SEEDS) FIRST=$(FIRST) CHECK_ONLY=seeds tests/sim/run $(BUILD)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FIRST) tests/fuzz/run $(BUILD)

bench:
	@scripts/deps bench
	@$(MAKE) --no-print-directory all
	@bench/run $(BUILD)

# Half an hour; CELLS='10/20/*/1' or QUICK=1 measure less (bench/tcp/run says more).
bench-tcp:
	@scripts/deps bench
	@$(MAKE) --no-print-directory all
	@bench/tcp/run $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf $(BUILD)

.PHONY: all demo check soak bench bench-tcp format clean
