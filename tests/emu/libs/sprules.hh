/* tests/emu/libs/sprules.hh - which products the stand-in for cuSPARSE takes, and the buffers that
 * they need. Read next: sprules.cc, spmm.cc, spmv.cc. */
#pragma once

#include "sp.hh"

namespace sp
{

/* The arguments of an SpMM call that are not pointers to data. */
struct SpmmCall {
    cusparseOperation_t op_a, op_b;
    cudaDataType compute;
    cusparseSpMMAlg_t alg;
};

/* Whether types, formats, operations, orders and shapes may be combined; what is not documented to
 * work is refused. */
cusparseStatus_t check_spmm(const SpmmCall &call, const SpMat &a, const DnMat &b, const DnMat &c);
size_t spmm_buffer(const SpmmCall &call, const SpMat &a);

cusparseStatus_t check_spmv(cusparseOperation_t op, const SpMat &a, const DnVec &x, const DnVec &y,
                            cudaDataType compute, cusparseSpMVAlg_t alg);
size_t spmv_buffer(const SpMat &a, cusparseSpMVAlg_t alg);

/* The buffer is there, and large enough. */
cusparseStatus_t check_buffer(const void *buffer, size_t nbytes);
/* Scratch of a call that ran: nothing in it is worth reading. In the stream. */
void spoil(const char *call, void *buffer, size_t nbytes);

} // namespace sp
