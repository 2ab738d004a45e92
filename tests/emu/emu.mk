# tests/emu/emu.mk - the stand-in CUDA runtime and its tests. Included by the Makefile, or used
# alone from the repository root: make -f tests/emu/emu.mk emu. Needs g++, libzstd-dev, the CUDA toolkit.
# Read next: tests/emu/README.md.
include kernels/cuda/toolkit.mk
# The soname and symbol version that programs of this toolkit ask for.
EMU_MAJOR := $(if $(CUDA_TOOLKIT),$(shell awk '/define CUDART_VERSION/ { print int($$3 / 1000) }' \
             $(CUDA_TOOLKIT)/include/cuda_runtime_api.h))
EMU_B   := build/emu
EMU_LIB := $(EMU_B)/libcudart.so.$(EMU_MAJOR)
EMU_CXX ?= g++
EMU_Q   := $(if $(V),,@)

# NaN, -0 and rounding are exact: no fast-math. -fno-trapping-math only lets loops be vectorized.
EMU_FLAGS := -std=c++17 -O3 -g1 -fPIC -fwrapv -fno-strict-aliasing -ffp-contract=off \
             -fno-math-errno -fno-trapping-math -Wall -Wextra -Wshadow -Werror -I. \
             -isystem $(CUDA_TOOLKIT)/include -MMD -MP
EMU_SRC  := $(wildcard tests/emu/runtime/*.cc)
EMU_OPS  := $(wildcard tests/emu/runtime/ops/*.cc)
EMU_ISA_base :=
EMU_ISA_avx2 := -mavx2 -mfma -mf16c -mbmi -mbmi2 -mlzcnt -mpopcnt
EMU_OBJ  := $(patsubst tests/emu/runtime/%.cc,$(EMU_B)/runtime/%.o,$(EMU_SRC)) \
            $(foreach i,base avx2,$(EMU_OPS:tests/emu/runtime/ops/%.cc=$(EMU_B)/ops/$(i)/%.o))

.PHONY: emu emu-tests emu-check
emu: $(if $(CUDA_TOOLKIT),$(EMU_LIB)) ## the stand-in CUDA runtime

$(EMU_B)/runtime/rounded.o $(EMU_B)/runtime/convert_any.o: EMU_MORE := -frounding-math
$(EMU_B)/runtime/%.o: tests/emu/runtime/%.cc
	@mkdir -p $(@D)
	$(if $(EMU_Q),@echo "CXX $<")
	$(EMU_Q)$(EMU_CXX) $(EMU_FLAGS) $(EMU_MORE) -c $< -o $@

# One instruction set each, in a namespace of its name; nothing else may be visible to the linker,
# or it could take an AVX2 function for the plain build.
define EMU_OPS_RULE
$(EMU_B)/ops/$(1)/%.o: tests/emu/runtime/ops/%.cc
	@mkdir -p $$(@D)
	$$(if $$(EMU_Q),@echo "CXX $$< ($(1))")
	$$(EMU_Q)$$(EMU_CXX) $$(EMU_FLAGS) -DEMU_ISA=$(1) $(EMU_ISA_$(1)) -c $$< -o $$@
	$$(EMU_Q)! nm $$@ | grep ' [WVu] ' | grep -v DW.ref
endef
$(foreach i,base avx2,$(eval $(call EMU_OPS_RULE,$(i))))

$(EMU_B)/export.map: tests/emu/runtime/export.map
	@mkdir -p $(@D)
	$(EMU_Q)sed 's/MAJOR/$(EMU_MAJOR)/' $< >$@
$(EMU_LIB): $(EMU_OBJ) $(EMU_B)/export.map
	$(EMU_Q)$(EMU_CXX) -shared -Wl,-soname,$(@F) -Wl,--version-script=$(EMU_B)/export.map \
	    -Wl,--no-undefined -o $@ $(EMU_OBJ) -lzstd
	$(EMU_Q)ln -sf $(@F) $(EMU_B)/libcudart.so

-include $(EMU_OBJ:.o=.d)

# The tests link the interpreter's objects themselves: nothing of it is visible in the library.
EMU_TESTS    := $(wildcard tests/emu/ptx/test_*.cc tests/emu/ptx/check.cc)
EMU_TEST_OBJ := $(patsubst tests/emu/ptx/%.cc,$(EMU_B)/ptx/%.o,$(EMU_TESTS))
$(EMU_B)/ptx/%.o: tests/emu/ptx/%.cc
	@mkdir -p $(@D)
	$(if $(EMU_Q),@echo "CXX $<")
	$(EMU_Q)$(EMU_CXX) $(EMU_FLAGS) -O1 -c $< -o $@
$(EMU_B)/ptx/check: $(EMU_TEST_OBJ) $(EMU_OBJ)
	$(EMU_Q)$(EMU_CXX) -o $@ $^ -lzstd
emu-tests: $(if $(CUDA_TOOLKIT),$(EMU_B)/ptx/check)
-include $(EMU_TEST_OBJ:.o=.d)

# CUDA programs: PTX only, for two architectures, linked to whatever libcudart.so is found at run time.
EMU_CUFLAGS  := -O3 -std=c++17 -cudart shared -gencode arch=compute_80,code=compute_80 \
                -gencode arch=compute_90,code=compute_90 -Werror all-warnings -I.
EMU_PROGRAMS := $(patsubst tests/emu/ptx/programs/%.cu,$(EMU_B)/ptx/programs/%,\
                $(wildcard tests/emu/ptx/programs/*.cu))
$(EMU_B)/ptx/programs/%: tests/emu/ptx/programs/%.cu tests/emu/ptx/programs/program.cuh \
                         tests/emu/emu.h | $(EMU_LIB)
	@mkdir -p $(@D)
	$(if $(EMU_Q),@echo "NVCC $<")
	$(EMU_Q)$(NVCC) $(EMU_CUFLAGS) $(EMU_CUMORE) -o $@ $< $(EMU_CULIBS)
emu-tests: $(if $(CUDA_TOOLKIT),$(EMU_PROGRAMS))
# The same program with its PTX as LZ4 and as it is; zstd is what nvcc does by itself.
$(EMU_B)/ptx/programs/vecadd_lz4: EMU_CUMORE := -compress-mode=speed
$(EMU_B)/ptx/programs/vecadd_plain: EMU_CUMORE := --no-compress
$(EMU_B)/ptx/programs/vecadd_%: tests/emu/ptx/programs/vecadd.cu | $(EMU_LIB)
	$(EMU_Q)$(NVCC) $(EMU_CUFLAGS) $(EMU_CUMORE) -o $@ $<
emu-tests: $(if $(CUDA_TOOLKIT),$(EMU_B)/ptx/programs/vecadd_lz4 $(EMU_B)/ptx/programs/vecadd_plain)
# These use what emu.h offers: they link to the stand-in itself.
$(EMU_B)/ptx/programs/memory: EMU_CULIBS := -L$(EMU_B)
$(EMU_B)/ptx/programs/plugin: EMU_CULIBS := -ldl
$(EMU_B)/ptx/programs/plugin: $(EMU_B)/ptx/programs/plugin.so
$(EMU_B)/ptx/programs/plugin.so: tests/emu/ptx/programs/plugin.cu | $(EMU_LIB)
	@mkdir -p $(@D)
	$(EMU_Q)$(NVCC) $(EMU_CUFLAGS) -DPLUGIN -Xcompiler -fPIC -shared -o $@ $<

emu-check: emu emu-tests ## run the tests of the stand-in CUDA runtime
	$(EMU_Q)tests/emu/ptx/run.sh
