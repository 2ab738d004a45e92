/* tests/emu/libs/spmm.cc - cusparseSpMM() of the stand-in: buffer size, preprocessing, product.
 * Read next: sprules.cc, sprun.cc. */
#include "sp.hh"

#include <atomic>
#include <cstring>

#include "../emu.h"
#include "number.hh"
#include "refusal.hh"
#include "sprules.hh"

namespace sp
{

using emulib::Span;

/* What may not change between preprocessing and product: all but alpha, beta, B, C and A's values.
 */
static uint64_t identity(const SpmmCall &call, const SpMat &a)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint64_t part :
         { (uint64_t)call.op_a, (uint64_t)call.op_b, (uint64_t)call.compute, (uint64_t)call.alg,
           (uint64_t)(uintptr_t)a.offsets, (uint64_t)(uintptr_t)a.indices, (uint64_t)a.nnz })
        hash = (hash ^ part) * 0x100000001b3u;
    return hash;
}

static cusparseStatus_t check_all(cusparseHandle_t h, const SpmmCall &call, const SpMat *a,
                                  const DnMat *b, const DnMat *c)
{
    if (!alive(h)) return invalid("the handle is NULL or destroyed");
    if (!alive(a) || !alive(b) || !alive(c)) return invalid("a matrix is NULL or destroyed");
    if (a->format == CUSPARSE_FORMAT_BLOCKED_ELL && h->pointer_mode != CUSPARSE_POINTER_MODE_HOST)
        return unsupported("Blocked-ELL with device pointers to alpha and beta");
    return check_spmm(call, *a, *b, *c);
}

/* Tensor cores load 16 bytes at once, hence the alignment with Blocked-ELL; an inference. */
static cusparseStatus_t check_data(const Product &p, const void *buffer, size_t nbytes)
{
    bool tensor = p.a.format == CUSPARSE_FORMAT_BLOCKED_ELL;
    Span b = span_of(p.b), c = span_of(p.c), scratch = Span::array(buffer, (int64_t)nbytes);
    Arrays a = arrays_of(p.a);
    cusparseStatus_t status = check_sparse(p.a);
    if (!status) status = check_array("B", b, tensor ? 16 : (int64_t)emulib::size_of(p.b.type));
    if (!status) status = check_array("C", c, tensor ? 16 : (int64_t)emulib::size_of(p.c.type));
    if (!status) status = check_buffer(buffer, nbytes);
    if (!status) status = check_apart("C", c, { b, a.offsets, a.indices, a.values, scratch });
    if (!status && nbytes)
        status = check_apart("the buffer", scratch, { b, a.offsets, a.indices, a.values });
    return status;
}

/* The buffer holds what preprocessing wrote: this stamp, and nothing else worth reading. */
static bool stamp_intact(const void *buffer, uint64_t stamp)
{
    uint64_t found;
    if (!good("cusparseSpMM", "the active buffer", Span::array(buffer, sizeof found))) return false;
    memcpy(&found, buffer, sizeof found);
    if (found == stamp) return true;
    emu::violation("cusparseSpMM: the active buffer changed since cusparseSpMM_preprocess");
    return false;
}

static cusparseStatus_t enqueue(cusparseHandle_t h, const Product &p, const SpmmCall &call,
                                const SpMat *a, void *buffer, size_t nbytes)
{
    bool active = nbytes && a->active_buffer == buffer;
    uint64_t stamp = a->active_stamp;
    if (active && a->active_call != identity(call, *a)) {
        emulib::broken("other arguments than cusparseSpMM_preprocess had with this buffer");
        return CUSPARSE_STATUS_EXECUTION_FAILED;
    }
    cudaError_t error = emu::enqueue(h->stream, "cusparseSpMM", [=] {
        if (active && !stamp_intact(buffer, stamp)) return;
        if (!active) spoil("cusparseSpMM", buffer, nbytes);
        run_product(p);
    });
    return error ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
}

} // namespace sp

using namespace sp;

extern "C" {

cusparseStatus_t cusparseSpMM_bufferSize(cusparseHandle_t h, cusparseOperation_t op_a,
                                         cusparseOperation_t op_b, const void *alpha,
                                         cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                                         const void *beta, cusparseDnMatDescr_t c,
                                         cudaDataType compute, cusparseSpMMAlg_t alg,
                                         size_t *nbytes)
{
    if (emulib::enter("cusparseSpMM_bufferSize")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpmmCall call = { op_a, op_b, compute, alg };
    cusparseStatus_t status = check_all(h, call, a, b, c);
    if (status) return status;
    if (!alpha || !beta || !nbytes) return invalid("alpha, beta or the size's place is NULL");
    *nbytes = spmm_buffer(call, *a);
    return CUSPARSE_STATUS_SUCCESS;
}

/* "Writing to matA's internal state", const or not. */
cusparseStatus_t cusparseSpMM_preprocess(cusparseHandle_t h, cusparseOperation_t op_a,
                                         cusparseOperation_t op_b, const void *alpha,
                                         cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                                         const void *beta, cusparseDnMatDescr_t c,
                                         cudaDataType compute, cusparseSpMMAlg_t alg, void *buffer)
{
    if (emulib::enter("cusparseSpMM_preprocess")) return CUSPARSE_STATUS_EXECUTION_FAILED;
    static std::atomic<uint64_t> stamps{ 1 };
    SpmmCall call = { op_a, op_b, compute, alg };
    cusparseStatus_t status = check_all(h, call, a, b, c);
    if (status) return status;
    if (!alpha || !beta) return invalid("alpha or beta is NULL");
    size_t nbytes = spmm_buffer(call, *a);
    status = check_sparse(*a);
    if (!status) status = check_buffer(buffer, nbytes);
    if (status || nbytes == 0) return status;
    SpMat *matrix = const_cast<SpMat *>(a);
    uint64_t stamp = stamps++ * 0x9e3779b97f4a7c15u;
    matrix->active_buffer = buffer;
    matrix->active_call = identity(call, *a);
    matrix->active_stamp = stamp;
    SpMat copy = *a;
    cudaError_t error = emu::enqueue(h->stream, "cusparseSpMM_preprocess", [=] {
        Entries<float> unused;
        if (!read_entries(&unused, "cusparseSpMM_preprocess", copy, false)) return;
        spoil("cusparseSpMM_preprocess", buffer, nbytes);
        memcpy(buffer, &stamp, sizeof stamp);
    });
    return error ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSpMM(cusparseHandle_t h, cusparseOperation_t op_a,
                              cusparseOperation_t op_b, const void *alpha,
                              cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                              const void *beta, cusparseDnMatDescr_t c, cudaDataType compute,
                              cusparseSpMMAlg_t alg, void *buffer)
{
    if (emulib::enter("cusparseSpMM")) return CUSPARSE_STATUS_EXECUTION_FAILED;
    SpmmCall call = { op_a, op_b, compute, alg };
    cusparseStatus_t status = check_all(h, call, a, b, c);
    if (status) return status;
    Product p = { "cusparseSpMM",
                  *a,
                  op_a != CUSPARSE_OPERATION_NON_TRANSPOSE,
                  *b,
                  *c,
                  op_b != CUSPARSE_OPERATION_NON_TRANSPOSE,
                  {},
                  compute };
    size_t nbytes = spmm_buffer(call, *a);
    status = p.scalars.take(h, alpha, beta, compute);
    if (!status) status = check_data(p, buffer, nbytes);
    return status ? status : enqueue(h, p, call, a, buffer, nbytes);
}

} // extern "C"
