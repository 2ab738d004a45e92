/* tests/emu/libs/spmv.cc - cusparseSpMV() of the stand-in: buffer size and product.
 * Read next: sprules.cc, sprun.cc. */
#include "sp.hh"

#include "../emu.h"
#include "number.hh"
#include "refusal.hh"
#include "sprules.hh"

namespace sp
{

using emulib::Span;

/* A vector is a matrix of one column. */
static DnMat as_matrix(const DnVec &v)
{
    return { LIVE_DNMAT, v.size, 1, v.size, v.values, v.type, CUSPARSE_ORDER_COL };
}

static cusparseStatus_t check_all(cusparseHandle_t h, cusparseOperation_t op, const SpMat *a,
                                  const DnVec *x, const DnVec *y, cudaDataType compute,
                                  cusparseSpMVAlg_t alg)
{
    if (!alive(h)) return invalid("the handle is NULL or destroyed");
    if (!alive(a) || !alive(x) || !alive(y))
        return invalid("a matrix or vector is NULL or destroyed");
    return check_spmv(op, *a, *x, *y, compute, alg);
}

static cusparseStatus_t check_data(const SpMat &a, const DnVec &x, const DnVec &y,
                                   const void *buffer, size_t nbytes)
{
    Arrays of_a = arrays_of(a);
    Span in = span_of(x), out = span_of(y), scratch = Span::array(buffer, (int64_t)nbytes);
    cusparseStatus_t status = check_sparse(a);
    if (!status) status = check_array("X", in, (int64_t)emulib::size_of(x.type));
    if (!status) status = check_array("Y", out, (int64_t)emulib::size_of(y.type));
    if (!status) status = check_buffer(buffer, nbytes);
    if (!status)
        status = check_apart("Y", out, { in, of_a.offsets, of_a.indices, of_a.values, scratch });
    if (!status && nbytes)
        status =
            check_apart("the buffer", scratch, { in, of_a.offsets, of_a.indices, of_a.values });
    return status;
}

} // namespace sp

using namespace sp;

extern "C" {

cusparseStatus_t cusparseSpMV_bufferSize(cusparseHandle_t h, cusparseOperation_t op,
                                         const void *alpha, cusparseConstSpMatDescr_t a,
                                         cusparseConstDnVecDescr_t x, const void *beta,
                                         cusparseDnVecDescr_t y, cudaDataType compute,
                                         cusparseSpMVAlg_t alg, size_t *nbytes)
{
    if (emulib::enter("cusparseSpMV_bufferSize")) return CUSPARSE_STATUS_ALLOC_FAILED;
    cusparseStatus_t status = check_all(h, op, a, x, y, compute, alg);
    if (status) return status;
    if (!alpha || !beta || !nbytes) return invalid("alpha, beta or the size's place is NULL");
    *nbytes = spmv_buffer(*a, alg);
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSpMV(cusparseHandle_t h, cusparseOperation_t op, const void *alpha,
                              cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x,
                              const void *beta, cusparseDnVecDescr_t y, cudaDataType compute,
                              cusparseSpMVAlg_t alg, void *buffer)
{
    if (emulib::enter("cusparseSpMV")) return CUSPARSE_STATUS_EXECUTION_FAILED;
    cusparseStatus_t status = check_all(h, op, a, x, y, compute, alg);
    if (status) return status;
    Product p = { "cusparseSpMV",
                  *a,
                  op != CUSPARSE_OPERATION_NON_TRANSPOSE,
                  as_matrix(*x),
                  as_matrix(*y),
                  false,
                  {},
                  compute };
    size_t nbytes = spmv_buffer(*a, alg);
    status = p.scalars.take(h, alpha, beta, compute);
    if (!status) status = check_data(*a, *x, *y, buffer, nbytes);
    if (status) return status;
    cudaError_t error = emu::enqueue(h->stream, "cusparseSpMV", [=] {
        spoil("cusparseSpMV", buffer, nbytes);
        run_product(p);
    });
    return error ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
}

} // extern "C"
