# tests/emu/kernels.mk - the kernels of the CUDA plugin as PTX, and their tests on the stand-in runtime.
# Included by the Makefile, or: make -f tests/emu/kernels.mk kernel-tests (after make -f tests/emu/emu.mk).
include kernels/cuda/toolkit.mk
EMU_B     ?= build/emu
CU_SRC    := $(wildcard kernels/cuda/*.cu)
CU_FLAGS  := -std=c++17 -O3 -fmad=false -I. -Ilib/include -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra \
             -Werror all-warnings -MMD -MP
# One architecture of PTX is enough for the interpreter.
CU_EMU    := $(patsubst kernels/cuda/%.cu,$(EMU_B)/cuda/%.o,$(CU_SRC))
KT_SRC    := $(wildcard tests/emu/kernels/test_*.c)
KT        := $(patsubst tests/emu/kernels/%.c,$(EMU_B)/kernels/%,$(KT_SRC))
KT_CFLAGS := -std=c17 -D_GNU_SOURCE -O2 -g -ffp-contract=off -Wall -Wextra -Werror -I. -Ilib/include \
             -isystem $(CUDA_HOME)/include -MMD -MP

.PHONY: kernel-tests
.PRECIOUS: $(EMU_B)/kernels/%.o $(EMU_B)/cuda/%.o
kernel-tests: $(KT)
$(EMU_B)/cuda/%.o: kernels/cuda/%.cu
	@mkdir -p $(@D)
	@echo "NVCC $<"
	@$(NVCC) $(CU_FLAGS) -gencode arch=compute_90,code=compute_90 -c $< -o $@
$(EMU_B)/kernels/%.o: tests/emu/kernels/%.c
	@mkdir -p $(@D)
	@gcc $(KT_CFLAGS) -c $< -o $@
$(EMU_B)/kernels/%: $(EMU_B)/kernels/%.o $(EMU_B)/kernels/device.o $(CU_EMU) build/release/libpe.a $(EMU_B)/libcudart.so.13
	@g++ -o $@ $(filter %.o %.a,$^) $(EMU_B)/libcudart.so.13 -Wl,-rpath,'$$ORIGIN/..' \
	    -ljansson -lxxhash -lcrypto -lz -lpthread -lm
-include $(wildcard $(EMU_B)/cuda/*.d $(EMU_B)/kernels/*.d)
