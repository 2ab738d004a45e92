/* tests/emu/libs/sprules.cc - the tables of cusparseSpMM() and cusparseSpMV() in the cuSPARSE 12.6
 * manual. Read next: spmm.cc. */
#include "sprules.hh"

#include <cstring>

#include "../emu.h"
#include "number.hh"
#include "refusal.hh"

namespace sp
{

/* CSR, CSC, COO and BSR, for SpMM and SpMV: A and B have one type. `mixed` rows run only where the
 * manual's mixed-precision rules allow. */
static const struct Types {
    cudaDataType ab, c, compute;
    bool mixed;
} general_types[] = {
    { CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, false }, { CUDA_R_8I, CUDA_R_32I, CUDA_R_32I, true },
    { CUDA_R_8I, CUDA_R_32F, CUDA_R_32F, true },   { CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, true },
    { CUDA_R_16F, CUDA_R_32F, CUDA_R_32F, true },  { CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, true },
    { CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F, true },
};

/* Blocked-ELL with SpMM: tensor cores, from a compute capability on. */
static const struct EllTypes {
    cudaDataType ab, c, compute;
    int capability;
} ell_types[] = {
    { CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, 70 },   { CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, 70 },
    { CUDA_R_16F, CUDA_R_32F, CUDA_R_32F, 70 },   { CUDA_R_8I, CUDA_R_32I, CUDA_R_32I, 75 },
    { CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, 80 }, { CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F, 80 },
    { CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, 80 },
};

/* Real and complex f64 and complex f32 are in the manual, and not here. */
static bool is_wide(cudaDataType type)
{
    return emulib::size_of(type) == 0;
}

static cusparseStatus_t no_types(cudaDataType a, cudaDataType b, cudaDataType c,
                                 cudaDataType compute)
{
    if (is_wide(a) && is_wide(b) && is_wide(c)) return missing("products of these types");
    return unsupported("A %s, B %s, C %s with compute type %d", emulib::name_of(a),
                       emulib::name_of(b), emulib::name_of(c), compute);
}

static cusparseStatus_t find_types(bool *mixed, cudaDataType a, cudaDataType b, cudaDataType c,
                                   cudaDataType compute)
{
    for (const Types &t : general_types) {
        if (t.ab != a || t.ab != b || t.c != c || t.compute != compute) continue;
        *mixed = t.mixed;
        return CUSPARSE_STATUS_SUCCESS;
    }
    return no_types(a, b, c, compute);
}

static bool is_operation(cusparseOperation_t op)
{
    return op == CUSPARSE_OPERATION_NON_TRANSPOSE || op == CUSPARSE_OPERATION_TRANSPOSE ||
           op == CUSPARSE_OPERATION_CONJUGATE_TRANSPOSE;
}

static bool has_wide_indices(const SpMat &a)
{
    return a.index_type == CUSPARSE_INDEX_32I || a.index_type == CUSPARSE_INDEX_64I;
}

static cusparseStatus_t check_shapes(const SpmmCall &call, const SpMat &a, const DnMat &b,
                                     const DnMat &c)
{
    bool ta = call.op_a != CUSPARSE_OPERATION_NON_TRANSPOSE;
    bool tb = call.op_b != CUSPARSE_OPERATION_NON_TRANSPOSE;
    int64_t m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols;
    int64_t b_rows = tb ? b.cols : b.rows, n = tb ? b.rows : b.cols;
    if (b_rows != k || c.rows != m || c.cols != n)
        return invalid("op(A) %lld x %lld, op(B) %lld x %lld, C %lld x %lld", (long long)m,
                       (long long)k, (long long)b_rows, (long long)n, (long long)c.rows,
                       (long long)c.cols);
    /* B and C of different orders: the manual shows both in one order only. */
    if (b.order != c.order) return unsupported("B and C of different orders");
    return CUSPARSE_STATUS_SUCCESS;
}

/* Algorithms by format; CSR_ALG3 is for CSR alone. */
static bool fits(cusparseSpMMAlg_t alg, cusparseFormat_t format)
{
    switch (alg) {
    case CUSPARSE_SPMM_ALG_DEFAULT: return true;
    case CUSPARSE_SPMM_COO_ALG1:
    case CUSPARSE_SPMM_COO_ALG2:
    case CUSPARSE_SPMM_COO_ALG3:
    case CUSPARSE_SPMM_COO_ALG4: return format == CUSPARSE_FORMAT_COO;
    case CUSPARSE_SPMM_CSR_ALG1:
    case CUSPARSE_SPMM_CSR_ALG2:
        return format == CUSPARSE_FORMAT_CSR || format == CUSPARSE_FORMAT_CSC;
    case CUSPARSE_SPMM_CSR_ALG3: return format == CUSPARSE_FORMAT_CSR;
    case CUSPARSE_SPMM_BLOCKED_ELL_ALG1: return format == CUSPARSE_FORMAT_BLOCKED_ELL;
    case CUSPARSE_SPMM_BSR_ALG1: return format == CUSPARSE_FORMAT_BSR;
    default: return false;
    }
}

/* "opA N, opB N or T, 32-bit indices": the pointer mode is checked with the scalars. */
static cusparseStatus_t check_ell(const SpmmCall &call, const SpMat &a, const DnMat &b,
                                  const DnMat &c)
{
    if (a.block == 0) return invalid("blocks of size 0");
    if (a.index_type != CUSPARSE_INDEX_32I)
        return unsupported("Blocked-ELL without 32-bit indices");
    if (call.op_a != CUSPARSE_OPERATION_NON_TRANSPOSE ||
        call.op_b == CUSPARSE_OPERATION_CONJUGATE_TRANSPOSE)
        return unsupported("Blocked-ELL with operations %d, %d", call.op_a, call.op_b);
    bool columns =
        (call.op_b == CUSPARSE_OPERATION_NON_TRANSPOSE) == (b.order == CUSPARSE_ORDER_COL);
    if (a.type == CUDA_R_8I && !columns)
        return unsupported("int8 Blocked-ELL wants B column-major, or row-major and transposed");
    for (const EllTypes &t : ell_types) {
        if (t.ab != a.type || t.ab != b.type || t.c != c.type || t.compute != call.compute)
            continue;
        if (emulib::capability() >= t.capability) return CUSPARSE_STATUS_SUCCESS;
        return unsupported("%s Blocked-ELL begins with compute capability %d.%d",
                           emulib::name_of(a.type), t.capability / 10, t.capability % 10);
    }
    return no_types(a.type, b.type, c.type, call.compute);
}

/* "When using SpMM for mixed-precision computation on COO or CSR matrices, it defaults to COO_ALG2
 * and CSR_ALG3": so it has the restrictions of those, whatever algorithm is named. */
static cusparseStatus_t check_mixed(const SpmmCall &call, const SpMat &a)
{
    bool plain_a = call.op_a == CUSPARSE_OPERATION_NON_TRANSPOSE;
    if (a.format == CUSPARSE_FORMAT_CSC) return unsupported("mixed precision with CSC");
    if (!plain_a) return unsupported("mixed precision with a transposed A");
    if (call.op_b == CUSPARSE_OPERATION_CONJUGATE_TRANSPOSE)
        return unsupported("mixed precision with a conjugate transposed B");
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t check_spmm(const SpmmCall &call, const SpMat &a, const DnMat &b, const DnMat &c)
{
    bool mixed = false, plain_a = call.op_a == CUSPARSE_OPERATION_NON_TRANSPOSE;
    if (!is_operation(call.op_a) || !is_operation(call.op_b)) return invalid("an operation");
    cusparseStatus_t status = check_shapes(call, a, b, c);
    if (status) return status;
    if (!fits(call.alg, a.format))
        return unsupported("algorithm %d for format %d", call.alg, a.format);
    if (a.format == CUSPARSE_FORMAT_BLOCKED_ELL) return check_ell(call, a, b, c);
    if (!has_wide_indices(a)) return unsupported("16-bit indices");
    status = find_types(&mixed, a.type, b.type, c.type, call.compute);
    if (status) return status;
    if (a.format == CUSPARSE_FORMAT_BSR) {
        if (!plain_a) return unsupported("a transposed BSR matrix");
        if (a.order != CUSPARSE_ORDER_ROW) return unsupported("column-major BSR blocks");
    }
    if (call.alg == CUSPARSE_SPMM_CSR_ALG3 &&
        (!plain_a || call.op_b == CUSPARSE_OPERATION_CONJUGATE_TRANSPOSE))
        return unsupported("CSR_ALG3 with operations %d, %d", call.op_a, call.op_b);
    return mixed ? check_mixed(call, a) : CUSPARSE_STATUS_SUCCESS;
}

static size_t rounded(size_t nbytes)
{
    return (nbytes + 255) / 256 * 256;
}

/* "Requires no extra storage for COO_ALG1, COO_ALG3, COO_ALG4, BSR_ALG1"; the others want a little
 * here, so that a call without its buffer is noticed. */
size_t spmm_buffer(const SpmmCall &call, const SpMat &a)
{
    bool mixed = a.type != CUDA_R_32F;
    switch (a.format) {
    case CUSPARSE_FORMAT_BSR: return 0;
    case CUSPARSE_FORMAT_COO:
        return mixed || call.alg == CUSPARSE_SPMM_COO_ALG2 ? rounded((size_t)a.rows * 8 + 16) : 0;
    default: return rounded((size_t)a.rows * 8 + 16);
    }
}

cusparseStatus_t check_spmv(cusparseOperation_t op, const SpMat &a, const DnVec &x, const DnVec &y,
                            cudaDataType compute, cusparseSpMVAlg_t alg)
{
    bool mixed, transposed = op != CUSPARSE_OPERATION_NON_TRANSPOSE, fitting = false;
    if (!is_operation(op)) return invalid("operation %d does not exist", op);
    if (a.format == CUSPARSE_FORMAT_BLOCKED_ELL) return unsupported("SpMV with Blocked-ELL");
    if (x.size != (transposed ? a.rows : a.cols) || y.size != (transposed ? a.cols : a.rows))
        return invalid("A %lld x %lld with X of %lld and Y of %lld", (long long)a.rows,
                       (long long)a.cols, (long long)x.size, (long long)y.size);
    if (!has_wide_indices(a)) return unsupported("16-bit indices");
    switch (alg) {
    case CUSPARSE_SPMV_ALG_DEFAULT: fitting = true; break;
    case CUSPARSE_SPMV_CSR_ALG1:
    case CUSPARSE_SPMV_CSR_ALG2:
        fitting = a.format == CUSPARSE_FORMAT_CSR || a.format == CUSPARSE_FORMAT_CSC;
        break;
    case CUSPARSE_SPMV_COO_ALG1:
    case CUSPARSE_SPMV_COO_ALG2: fitting = a.format == CUSPARSE_FORMAT_COO; break;
    case CUSPARSE_SPMV_BSR_ALG1: fitting = a.format == CUSPARSE_FORMAT_BSR; break;
    default: break;
    }
    if (!fitting) return unsupported("algorithm %d for format %d", alg, a.format);
    if (a.format == CUSPARSE_FORMAT_BSR && transposed)
        return unsupported("a transposed BSR matrix");
    return find_types(&mixed, a.type, x.type, y.type, compute);
}

/* "Requires extra storage for CSR/CSC format (all algorithms) and for COO with COO_ALG2". */
size_t spmv_buffer(const SpMat &a, cusparseSpMVAlg_t alg)
{
    if (a.format == CUSPARSE_FORMAT_BSR) return 0;
    if (a.format == CUSPARSE_FORMAT_COO && alg != CUSPARSE_SPMV_COO_ALG2) return 0;
    return rounded((size_t)(a.rows > a.cols ? a.rows : a.cols) * 8 + 16);
}

/* 16 bytes of alignment are an inference: cudaMalloc() gives 256. */
cusparseStatus_t check_buffer(const void *buffer, size_t nbytes)
{
    return check_array("the buffer", emulib::Span::array(buffer, (int64_t)nbytes), 16);
}

void spoil(const char *call, void *buffer, size_t nbytes)
{
    if (nbytes == 0) return;
    if (!emu::covers(buffer, nbytes)) {
        emu::violation("%s: the buffer was freed before the work ran", call);
        return;
    }
    memset(buffer, 0xa5, nbytes);
    emu::mark_initialized(buffer, nbytes);
}

} // namespace sp
