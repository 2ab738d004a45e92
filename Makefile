# Makefile - all of pe. `make help` lists the targets; nothing is guessed.
VERSION := 0.1.0
SOMAJOR := 0
MODE    ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC      := gcc
endif
B       := build/$(MODE)
Q       := $(if $(V),,@)

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
STD     := -std=c17 -D_GNU_SOURCE -ffp-contract=off -fvisibility=hidden -fPIC
CPPFLAGS_ALL := -I. -Ilib/include -DPE_VERSION='"$(VERSION)"' -MMD -MP
OPT_release := -O2 -g
OPT_debug   := -O0 -g3
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_cov     := -O0 -g --coverage
OPT     := $(OPT_$(MODE))
$(if $(OPT),,$(error MODE=$(MODE): expected release, debug, asan, tsan or cov))

# ISA flags only by folder: no other file may hold an instruction that a plain x86-64 lacks.
ISA_avx2    := -mavx2 -mfma -mf16c
ISA_avxvnni := $(ISA_avx2) -mavxvnni
ISA_avx512  := $(ISA_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
ISA_vnni    := $(ISA_avx512) -mavx512vnni
ISA_vbmi2   := $(ISA_vnni) -mavx512vbmi -mavx512vbmi2
ISA_amx     := $(ISA_vbmi2)
ISAS := avx2 avxvnni avx512 vnni vbmi2 amx

LIBS_CORE   := -ljansson -lxxhash -lcrypto -lz -lpthread -lm
LIBS_RECIPE := -lgit2 -lyaml

CORE_SRC   := $(wildcard lib/base/*.c kernels/*.c kernels/ref/*.c formats/*.c) \
              $(foreach i,$(ISAS),$(wildcard kernels/$(i)/*.c)) \
              $(foreach d,backend tensor io text plan model calib eval prune quant convert,$(wildcard lib/$(d)/*.c))
RECIPE_SRC := $(wildcard lib/recipe/*.c)
COMMON_SRC := $(wildcard tools/common/*.c)
TOOL_SRC   := $(wildcard tools/pe-*.c tools/pe.c)
UNIT_SRC   := $(wildcard tests/unit/test_*.c tests/kernels/test_*.c tests/formats/test_*.c tests/golden/test_*.c)
TESTLIB_SRC:= $(wildcard tests/*.c)
BENCH_SRC  := $(wildcard tests/bench/bench_*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)
HEADERS    := $(wildcard lib/include/pe/*.h)
FORMATTED  := $(shell find lib kernels formats tools tests docs/examples -name '*.[ch]' 2>/dev/null)

obj = $(patsubst %.c,$(B)/%.o,$(1))
CORE_OBJ   := $(call obj,$(CORE_SRC))
RECIPE_OBJ := $(call obj,$(RECIPE_SRC))
COMMON_OBJ := $(call obj,$(COMMON_SRC))
TESTLIB_OBJ:= $(call obj,$(TESTLIB_SRC))
TOOLS      := $(patsubst tools/%.c,$(B)/bin/%,$(TOOL_SRC))
UNITS      := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
# Kernels of AVX-512 and later run in tests on any AVX2 machine: their sources, lowered by SIMDe
# (tests/isa/immintrin.h), are linked in front of the library's own into a second build of the kernel
# tests. Without SIMDe these programs are missing and counted as skipped.
EMULATED   := $(if $(wildcard /usr/include/simde/x86/avx512.h),$(patsubst tests/kernels/%.c,$(B)/tests/isa/%,$(wildcard tests/kernels/test_*.c)))
EMULATED_OBJ := $(patsubst kernels/%.c,$(B)/isa/%.o,$(foreach i,$(filter-out avx2,$(ISAS)),$(wildcard kernels/$(i)/*.c)))
UNITS      += $(EMULATED)
BENCHES    := $(patsubst %.c,$(B)/%,$(BENCH_SRC))
FUZZERS    := $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
SO         := libpe.so.$(VERSION)

.PHONY: all lib tools units benches fuzzers example test check check-build check-long coverage bench faults emu-faults \
        fuzz format install clean help FORCE
# No prerequisites, here or in any other file: objects stay, and nothing is linked anew while tests run.
.SECONDARY:
all: lib tools ## build the library and the tools (default)
lib: $(B)/libpe.a $(B)/libpe.so $(B)/libpe-recipe.a
tools: $(TOOLS)
units: $(UNITS)
benches: $(BENCHES)
fuzzers: $(FUZZERS)

isa_of = $(word 2,$(subst /, ,$(1)))
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "CC $<")
	$(Q)$(CC) $(STD) $(WARN) $(OPT) $(CPPFLAGS_ALL) $(if $(filter kernels/%,$<),$(ISA_$(call isa_of,$<)) -O3) $(CFLAGS) -c $< -o $@

$(B)/libpe.a: $(CORE_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/libpe-recipe.a: $(RECIPE_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/$(SO): $(CORE_OBJ)
	$(Q)$(CC) $(OPT) -shared -Wl,-soname,libpe.so.$(SOMAJOR) -Wl,--no-undefined -o $@ $^ $(LIBS_CORE)
$(B)/libpe.so: $(B)/$(SO)
	$(Q)ln -sf $(SO) $(B)/libpe.so.$(SOMAJOR) && ln -sf $(SO) $@

# pkg-config files: what a program needs that links libpe.so, and more for libpe.a (--static). Made at
# every install, since PREFIX may have changed.
FORCE:
PC_HEAD = prefix=$(PREFIX)\nlibdir=$${prefix}/lib\nincludedir=$${prefix}/include\n\nVersion: $(VERSION)\n
$(B)/pe.pc: FORCE
	@mkdir -p $(@D)
	@printf '$(PC_HEAD)Name: pe\nDescription: Runs and optimizes transformer checkpoints\n' >$@
	@printf 'Cflags: -I$${includedir}\nLibs: -L$${libdir} -lpe\nLibs.private: $(LIBS_CORE)\n' >>$@
$(B)/pe-recipe.pc: FORCE
	@mkdir -p $(@D)
	@printf '$(PC_HEAD)Name: pe-recipe\nDescription: Recipes of pe (static library)\nRequires: pe\n' >$@
	@printf 'Libs: -L$${libdir} -lpe-recipe $(LIBS_RECIPE)\n' >>$@

$(B)/bin/%: $(B)/tools/%.o $(COMMON_OBJ) $(B)/libpe-recipe.a $(B)/libpe.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(OPT) -o $@ $< $(COMMON_OBJ) $(if $(filter pe-recipe,$*),$(B)/libpe-recipe.a) $(B)/libpe.a $(if $(filter pe-recipe,$*),$(LIBS_RECIPE)) $(LIBS_CORE)

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/driver.o $(B)/libpe-recipe.a $(B)/libpe.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(OPT) -o $@ $^ $(LIBS_RECIPE) $(LIBS_CORE)

$(B)/tests/%: $(B)/tests/%.o $(TESTLIB_OBJ) $(COMMON_OBJ) $(B)/libpe-recipe.a $(B)/libpe.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(OPT) -o $@ $^ -lcmocka $(LIBS_RECIPE) $(LIBS_CORE)

test: check ## the same as check
check: ## build, run all tests, also with sanitizers; last line "N passed, N failed, N skipped"
	$(Q)$(MAKE) --no-print-directory check-build
	$(Q)tests/check.sh
check-build: all units
	$(Q)$(MAKE) --no-print-directory MODE=asan units fuzzers
check-long: ## the tests that take long, and the tools under AddressSanitizer
	$(Q)$(MAKE) --no-print-directory MODE=release all units
	$(Q)$(MAKE) --no-print-directory MODE=asan all units
	$(Q)$(MAKE) --no-print-directory MODE=tsan units
	$(Q)tests/check.sh long
coverage: ## line coverage of the tests by file and folder (gcov)
	$(Q)$(MAKE) --no-print-directory MODE=cov all units
	$(Q)find build/cov -name '*.gcda' -delete
	$(Q)tests/check.sh coverage
bench: lib benches ## speed of kernels, passes and text on this machine
	$(Q)set -e; for b in $(BENCHES); do echo "== $${b##*/}"; $$b; done
FUZZ_SECONDS ?= 30
fuzz: ## mutate good inputs for FUZZ_SECONDS each, under the sanitizers
	$(Q)$(MAKE) --no-print-directory MODE=asan fuzzers
	$(Q)set -e; for f in $(FUZZ_SRC:.c=); do build/asan/$$f $(FUZZ_SECONDS); done
faults: ## plant faults in a copy of the code, one by one: do the tests notice?
	$(Q)tests/faults/run.sh
emu-faults: ## the same for the CUDA plugin and its kernels, on the emulated GPU
	$(Q)tests/emu/faults.sh
format: ## apply .clang-format
	clang-format -i $(FORMATTED)

install: all $(B)/pe.pc $(B)/pe-recipe.pc ## into DESTDIR/PREFIX: bin, lib, include/pe, lib/pkgconfig
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/pe
	install -m 755 $(TOOLS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(B)/libpe.a $(B)/libpe-recipe.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(B)/$(SO) $(DESTDIR)$(PREFIX)/lib
	ln -sf $(SO) $(DESTDIR)$(PREFIX)/lib/libpe.so.$(SOMAJOR)
	ln -sf $(SO) $(DESTDIR)$(PREFIX)/lib/libpe.so
	install -m 644 $(HEADERS) $(DESTDIR)$(PREFIX)/include/pe
	install -m 644 $(B)/pe.pc $(B)/pe-recipe.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig
	$(if $(CUDA),install -d $(DESTDIR)$(PREFIX)/lib/pe && install -m 755 $(PLUGIN) $(DESTDIR)$(PREFIX)/lib/pe)

$(B)/isa/%.o: kernels/%.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "CC $< (emulated)")
	$(Q)$(CC) $(STD) $(WARN) $(OPT) -Wno-psabi -Wno-maybe-uninitialized -isystem tests/isa $(CPPFLAGS_ALL) $(ISA_avx2) $(CFLAGS) -c $< -o $@
$(B)/isa/%.o: tests/kernels/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) $(OPT) $(CPPFLAGS_ALL) -DPE_EMULATED $(CFLAGS) -c $< -o $@
$(B)/tests/isa/%: $(B)/isa/%.o $(EMULATED_OBJ) $(TESTLIB_OBJ) $(B)/libpe.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(OPT) -o $@ $^ -lcmocka $(LIBS_CORE)

# ---- CUDA ------------------------------------------------------------------------------------
# The plugin of GPUs (make CUDA=1), and the same plugin on stand-ins of the CUDA libraries that execute
# its PTX on the host (make emu). Neither changes the library or the tools: they load it when asked.
include kernels/cuda/toolkit.mk
CUDA_LIB  := $(patsubst %/libcublasLt.so,%,$(firstword $(wildcard $(addsuffix /libcublasLt.so,\
             $(CUDA_HOME)/lib64 $(CUDA_HOME)/lib))))
CUDA_GEN  := -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 \
             -gencode arch=compute_90,code=compute_90
CUDA_BUILT = CUDA $(shell $(NVCC) --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\),.*/\1/p'), sm_80 sm_90
PLUGIN_SRC := $(wildcard lib/backend/cuda/*.c) lib/base/error.c
PLUGIN_OBJ := $(patsubst %.c,build/cuda/%.o,$(PLUGIN_SRC))
CU_OBJ     := $(patsubst %.cu,build/cuda/%.o,$(wildcard kernels/cuda/*.cu))
PLUGIN     := $(B)/lib/pe/libpe-cuda.so
EMU_PLUGIN := $(B)/lib/pe/libpe-emu.so
ifdef CUDA
all: $(PLUGIN)
endif
.PHONY: cuda-found cuda-compiles gpu-tests
cuda-found:
	@"$(NVCC)" --version >/dev/null 2>&1 && [ -e "$(CUDA_HOME)/include/cublasLt.h" ] && [ -n "$(CUDA_LIB)" ] || \
	    { echo "CUDA=1: no CUDA toolkit: it takes an nvcc that runs (found: '$(NVCC)'), and include/cublasLt.h and" \
	    "libcublasLt.so beside it (looked for in '$(CUDA_HOME)'); install the CUDA toolkit 13 (12 is untried) and" \
	    "put its nvcc on PATH or give CUDA_HOME=/usr/local/cuda" >&2; exit 1; }
build/cuda/%.o: %.c | cuda-found
	@mkdir -p $(@D)
	$(if $(Q),@echo "CC $< (plugin)")
	$(Q)$(CC) $(STD) $(WARN) -O2 -g $(CPPFLAGS_ALL) -isystem $(CUDA_HOME)/include \
	    -DPE_CUDA_BUILT='"$(CUDA_BUILT)"' $(CFLAGS) -c $< -o $@
build/cuda/%.o: %.cu | cuda-found
	@mkdir -p $(@D)
	$(if $(Q),@echo "NVCC $<")
	$(Q)$(NVCC) $(CU_FLAGS) $(CUDA_GEN) -Xptxas -v -c $< -o $@ 2>$(@:.o=.ptxas) || { cat $(@:.o=.ptxas) >&2; exit 1; }
cuda-compiles: $(CU_OBJ) $(PLUGIN_OBJ) ## compile the CUDA plugin's sources for sm_80, sm_90 and as PTX
$(PLUGIN): $(PLUGIN_OBJ) $(CU_OBJ) lib/backend/cuda/plugin.map
	@mkdir -p $(@D)
	$(Q)$(CXX) -shared -Wl,-soname,libpe-cuda.so -Wl,--version-script=lib/backend/cuda/plugin.map -Wl,--no-undefined \
	    -Wl,--exclude-libs,ALL -Wl,-rpath,'$$ORIGIN:$(CUDA_LIB)' -o $@ $(PLUGIN_OBJ) $(CU_OBJ) \
	    -L$(CUDA_LIB) -lcudart_static -lcublasLt -lcusparse -ldl -lrt -lpthread

include tests/emu/emu.mk tests/emu/libs.mk tests/emu/kernels.mk
# All that the emulated GPU takes: the toolkit with cuBLAS 13.1 or later, a C++ compiler, zstd.
CUDA_READY := $(and $(CUDA_TOOLKIT),$(EMULIB_NEW),$(wildcard /usr/include/zstd.h),$(shell command -v $(CXX)))
check-build: $(if $(CUDA_READY),emu emu-tests emu-libtests kernel-tests cuda-compiles gpu-tests)
emu: $(if $(CUDA_READY),$(EMU_PLUGIN)) ## the plugin on stand-ins of the CUDA libraries: --device emu
$(EMU_PLUGIN): $(PLUGIN_OBJ) $(CU_EMU) $(EMU_LIB) $(EMULIB_LIBS) lib/backend/cuda/plugin.map
	@mkdir -p $(@D)
	$(Q)$(CXX) -shared -Wl,-soname,libpe-emu.so -Wl,--version-script=lib/backend/cuda/plugin.map -Wl,--no-undefined \
	    -Wl,-rpath,'$$ORIGIN/../../../emu' -o $@ $(PLUGIN_OBJ) $(CU_EMU) $(EMU_LIB) \
	    $(filter-out %libnvidia-ml.so.1,$(EMULIB_LIBS)) -ldl -lpthread

# What tests/gpu/run.sh needs on a machine with a GPU: the kernel tests on NVIDIA's runtime, the forms of
# layers, the sweep.
GPU_KT := $(patsubst tests/emu/kernels/%.c,build/cuda/tests/%,$(KT_SRC))
gpu-tests: $(PLUGIN) $(GPU_KT) $(B)/gpu/sweep $(B)/gpu/forms ## programs of tests/gpu/run.sh
build/cuda/tests/%: $(EMU_B)/kernels/%.o $(EMU_B)/kernels/device.o $(CU_OBJ) $(B)/libpe.a
	@mkdir -p $(@D)
	$(Q)$(CXX) -o $@ $^ -L$(CUDA_LIB) -lcudart_static $(LIBS_CORE) -ldl -lrt -lpthread
$(B)/gpu/%: $(B)/tests/gpu/%.o $(B)/libpe.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(OPT) -o $@ $^ $(LIBS_CORE)

clean: ## delete everything built
	rm -rf build
help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

-include $(shell find $(B) build/cuda -name '*.d' 2>/dev/null)
