# tests/emu/libs.mk - the stand-ins for cuBLASLt, cuSPARSE and NVML, and their tests: output under
# build/emu/. From the repository root: make -f tests/emu/libs.mk. Read next: tests/emu/libs/,
# tests/emu/libtests/run.sh.
include kernels/cuda/toolkit.mk
EMULIB_OUT  := build/emu
EMULIB_OBJ  := $(EMULIB_OUT)/obj
EMULIB_TOUT := $(EMULIB_OUT)/libtests
EMULIB_FAKE := $(EMULIB_TOUT)/fake
EMULIB_CXX  ?= g++

# What the stand-ins take from the headers came with CUDA 13; run.sh asks the same.
EMULIB_NEW  := $(shell grep -ls CUBLASLT_BATCH_MODE_POINTER_ARRAY $(CUDA_TOOLKIT)/include/cublasLt.h)

.PHONY: emu-libs emu-libtests
ifeq ($(CUDA_TOOLKIT),)
emu-libs emu-libtests:
	@echo "skip emu libraries: nvcc not found; install the CUDA toolkit 13"
else ifeq ($(EMULIB_NEW),)
emu-libs emu-libtests:
	@echo "skip emu libraries: no headers of cuBLAS 13.1 or later; install the CUDA toolkit 13"
else

# The sonames that programs ask for carry the major version of the headers.
emulib_major = $(shell sed -n 's/^\#define $(2) *\([0-9]*\).*/\1/p' $(CUDA_TOOLKIT)/include/$(1))
EMULIB_CUDART := libcudart.so.$(shell sed -n 's/^\#define CUDART_VERSION *\([0-9]*\)[0-9]\{3\}.*/\1/p' \
                   $(CUDA_TOOLKIT)/include/cuda_runtime_api.h)
EMULIB_LT     := libcublasLt.so.$(call emulib_major,cublas_api.h,CUBLAS_VER_MAJOR)
EMULIB_SP     := libcusparse.so.$(call emulib_major,cusparse.h,CUSPARSE_VER_MAJOR)
EMULIB_ML     := libnvidia-ml.so.1

EMULIB_FLAGS := -std=c++17 -O3 -g -fPIC -ffp-contract=off -fno-strict-aliasing -Wall -Wextra -Wshadow -Werror -MMD -MP \
                -isystem $(CUDA_TOOLKIT)/include -DDISABLE_CUSPARSE_DEPRECATED
EMULIB_COMMON := refusal number span panels
EMULIB_LT_SRC := $(EMULIB_COMMON) lthandle ltdesc ltrules ltkinds ltalgo ltmatmul ltrun
EMULIB_SP_SRC := $(EMULIB_COMMON) sphandle spcreate spaccess spentries sprun sprules spmm spmv spconvert
EMULIB_ML_SRC := refusal nvml
EMULIB_TESTS  := test_panels test_lt_numbers test_lt_rules test_lt_edges test_lt_pointers test_sp_numbers test_sp_rules \
                 test_sp_edges test_sp_convert test_nvml

EMULIB_LIB    := $(patsubst %/libcublasLt.so,%,$(firstword $(wildcard $(CUDA_TOOLKIT)/lib64/libcublasLt.so \
                   $(CUDA_TOOLKIT)/lib/libcublasLt.so)))
EMULIB_LIBS   := $(EMULIB_LT:%=$(EMULIB_OUT)/%) $(EMULIB_SP:%=$(EMULIB_OUT)/%) $(EMULIB_ML:%=$(EMULIB_OUT)/%)

emu-libs: $(EMULIB_LIBS)
emu-libtests: emu-libs $(EMULIB_TESTS:%=$(EMULIB_TOUT)/%) $(EMULIB_TOUT)/bench_lt \
              $(EMULIB_TOUT)/descriptors_emu $(if $(EMULIB_LIB),$(EMULIB_TOUT)/descriptors_real)

$(EMULIB_OBJ)/libs/%.o: tests/emu/libs/%.cc
	@mkdir -p $(@D)
	@echo "CXX $<"
	@$(EMULIB_CXX) $(EMULIB_FLAGS) -c $< -o $@
$(EMULIB_OBJ)/libtests/%.o: tests/emu/libtests/%.cc
	@mkdir -p $(@D)
	@echo "CXX $<"
	@$(EMULIB_CXX) $(EMULIB_FLAGS) -c $< -o $@

# The libraries are linked against the tests' runtime, which has all that tests/emu/emu.h promises; at
# run time the loader takes the runtime beside them ($ORIGIN) or that of LD_LIBRARY_PATH.
$(EMULIB_FAKE)/$(EMULIB_CUDART): $(EMULIB_OBJ)/libtests/fakecudart.o
	@mkdir -p $(@D)
	@$(EMULIB_CXX) -shared -Wl,-soname,$(EMULIB_CUDART) -o $@ $<
emulib_link = $(EMULIB_CXX) -shared -Wl,-soname,$(@F) -Wl,--version-script=tests/emu/libs/$(1).map \
              -Wl,--no-undefined -Wl,-rpath,'$$ORIGIN' -o $@ $(filter %.o,$^) -L$(EMULIB_FAKE) -l:$(EMULIB_CUDART)
emulib_objects = $(patsubst %,$(EMULIB_OBJ)/libs/%.o,$(1))
$(EMULIB_OUT)/$(EMULIB_LT): $(call emulib_objects,$(EMULIB_LT_SRC)) tests/emu/libs/lt.map $(EMULIB_FAKE)/$(EMULIB_CUDART)
	@$(call emulib_link,lt) && ln -sf $(@F) $(EMULIB_OUT)/libcublasLt.so
$(EMULIB_OUT)/$(EMULIB_SP): $(call emulib_objects,$(EMULIB_SP_SRC)) tests/emu/libs/sp.map $(EMULIB_FAKE)/$(EMULIB_CUDART)
	@$(call emulib_link,sp) && ln -sf $(@F) $(EMULIB_OUT)/libcusparse.so
$(EMULIB_OUT)/$(EMULIB_ML): $(call emulib_objects,$(EMULIB_ML_SRC)) tests/emu/libs/nvml.map $(EMULIB_FAKE)/$(EMULIB_CUDART)
	@$(call emulib_link,nvml) && ln -sf $(@F) $(EMULIB_OUT)/libnvidia-ml.so

EMULIB_HELP := $(patsubst %,$(EMULIB_OBJ)/libtests/%.o,harness ltcase spcase) $(EMULIB_OBJ)/libs/number.o
EMULIB_WITH := -L$(EMULIB_FAKE) -l:$(EMULIB_CUDART) -L$(EMULIB_OUT) -l:$(EMULIB_LT) -l:$(EMULIB_SP) -l:$(EMULIB_ML)
$(EMULIB_TOUT)/test_panels: $(EMULIB_OBJ)/libtests/test_panels.o $(EMULIB_OBJ)/libs/number.o
	@mkdir -p $(@D)
	@$(EMULIB_CXX) -o $@ $^
$(EMULIB_TOUT)/test_%: $(EMULIB_OBJ)/libtests/test_%.o $(EMULIB_HELP) $(EMULIB_LIBS)
	@mkdir -p $(@D)
	@$(EMULIB_CXX) -o $@ $(filter %.o,$^) $(EMULIB_WITH)
$(EMULIB_TOUT)/bench_lt: $(EMULIB_OBJ)/libtests/bench_lt.o $(EMULIB_OBJ)/libs/number.o $(EMULIB_OBJ)/libs/panels.o \
                          $(EMULIB_LIBS)
	@mkdir -p $(@D)
	@$(EMULIB_CXX) -o $@ $(filter %.o,$^) $(EMULIB_WITH)

# One program, once with NVIDIA's own libraries and once with the stand-ins.
EMULIB_C17 := $(CC) -std=c17 -O1 -g -Wall -Wextra -Werror -isystem $(CUDA_TOOLKIT)/include -DDISABLE_CUSPARSE_DEPRECATED
$(EMULIB_TOUT)/descriptors_real: tests/emu/libtests/real_descriptors.c
	@mkdir -p $(@D)
	@$(EMULIB_C17) -o $@ $< -L$(EMULIB_LIB) -Wl,-rpath,$(EMULIB_LIB) -lcublasLt -lcusparse -lcudart
$(EMULIB_TOUT)/descriptors_emu: tests/emu/libtests/real_descriptors.c $(EMULIB_LIBS)
	@mkdir -p $(@D)
	@$(EMULIB_C17) -o $@ $< $(EMULIB_WITH)

-include $(wildcard $(EMULIB_OBJ)/libs/*.d $(EMULIB_OBJ)/libtests/*.d)
endif
