# kernels/cuda/toolkit.mk - where the CUDA toolkit is: CUDA_HOME if it has an nvcc, else nvcc on PATH.
# Included by the Makefile and by tests/emu/*.mk, which can be used alone, too.
ifndef NVCC
NVCC := $(firstword $(wildcard $(addsuffix /bin/nvcc,$(CUDA_HOME))) $(shell command -v nvcc 2>/dev/null))
endif
ifeq ($(wildcard $(addsuffix /bin/nvcc,$(CUDA_HOME))),)
override CUDA_HOME := $(patsubst %/bin/nvcc,%,$(realpath $(shell command -v $(NVCC) 2>/dev/null)))
endif
# Empty where one of the two is missing.
CUDA_TOOLKIT := $(if $(and $(NVCC),$(wildcard $(CUDA_HOME)/include/cublasLt.h)),$(CUDA_HOME))
