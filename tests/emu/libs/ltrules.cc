/* tests/emu/libs/ltrules.cc - from descriptors to a problem: shapes, leading dimensions, batches
 * and what cuBLASLt offers beyond that. The statuses are those of cublasLtMatmul() in the cuBLAS 13
 * manual; where it names none, a conflict is INVALID_VALUE. Read next: ltkinds.cc. */
#include "lt.hh"

#include <climits>

#include "number.hh"
#include "refusal.hh"

namespace lt
{

emulib::Span Matrix::span(const void *p) const
{
    emulib::Span s;
    int64_t size = (int64_t)emulib::size_of(type);
    s.start = (const char *)p;
    s.nbytes = (row_major ? cols : rows) * size;
    s.count = row_major ? rows : cols;
    s.stride = ld * size;
    s.batch = batch;
    s.batch_stride = batch_stride * size;
    return s;
}

bool Matrix::same_as(const Matrix &o) const
{
    return type == o.type && row_major == o.row_major && rows == o.rows && cols == o.cols &&
           ld == o.ld && batch == o.batch && batch_stride == o.batch_stride;
}

/* Orders of int8 tensor cores exist on compute capability 7.5 and 8.x only. */
static cublasStatus_t check_order(const Layout &l, char which)
{
    switch (l.order) {
    case CUBLASLT_ORDER_COL:
    case CUBLASLT_ORDER_ROW: return CUBLAS_STATUS_SUCCESS;
    case CUBLASLT_ORDER_COL32:
    case CUBLASLT_ORDER_COL4_4R2_8C:
    case CUBLASLT_ORDER_COL32_2R_4R4:
        if (emulib::capability() >= 90)
            return unsupported("%c: order %d ends with compute capability 8.x", which, l.order);
        return missing("order %d (%c), which compute capability 8.x has", l.order, which);
    default: return invalid("%c: order %d does not exist", which, l.order);
    }
}

/* "Usually only values that can be expressed as int32_t are supported"; empty matrices are refused
 * here, which the manual leaves open. */
static cublasStatus_t check_layout(const Layout &l, char which, bool may_repeat)
{
    cublasStatus_t status = check_order(l, which);
    if (status) return status;
    if (l.rows == 0 || l.cols == 0)
        return invalid("%c: %zu x %zu is empty", which, (size_t)l.rows, (size_t)l.cols);
    if (l.rows > INT32_MAX || l.cols > INT32_MAX)
        return unsupported("%c: %zu x %zu, past 2^31 - 1", which, (size_t)l.rows, (size_t)l.cols);
    int64_t least = (int64_t)(l.order == CUBLASLT_ORDER_ROW ? l.cols : l.rows);
    if (l.ld < least && !(may_repeat && l.ld == 0))
        return invalid("%c: leading dimension %lld, expected at least %lld", which, (long long)l.ld,
                       (long long)least);
    if (l.batch < 1) return invalid("%c: %d matrices in the batch", which, l.batch);
    if (l.batch > 1 && l.batch_stride < 0)
        return invalid("%c: batch stride %lld", which, (long long)l.batch_stride);
    if (l.batch_mode == CUBLASLT_BATCH_MODE_POINTER_ARRAY)
        return missing("batches of pointer arrays (%c)", which);
    if (l.batch_mode != CUBLASLT_BATCH_MODE_STRIDED)
        return invalid("%c: batch mode %u does not exist", which, l.batch_mode);
    if (l.plane_offset) return invalid("%c: a plane offset of a real matrix", which);
    return CUBLAS_STATUS_SUCCESS;
}

static Matrix matrix_of(const Layout &l)
{
    Matrix m;
    m.type = (cudaDataType)l.type;
    m.row_major = l.order == CUBLASLT_ORDER_ROW;
    m.rows = (int64_t)l.rows;
    m.cols = (int64_t)l.cols;
    m.ld = l.ld;
    m.batch = l.batch;
    m.batch_stride = l.batch > 1 ? l.batch_stride : 0;
    return m;
}

static cublasStatus_t check_operation(int32_t op, const char *which, bool *transposed)
{
    if (op != CUBLAS_OP_N && op != CUBLAS_OP_T && op != CUBLAS_OP_C)
        return invalid("%s: operation %d does not exist", which, op);
    *transposed = op != CUBLAS_OP_N;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_operations(Problem *p, const Desc &desc)
{
    cublasStatus_t status = check_operation(desc.transa, "A", &p->transa);
    if (!status) status = check_operation(desc.transb, "B", &p->transb);
    if (status) return status;
    if (desc.transc != CUBLAS_OP_N) return unsupported("C cannot be transposed");
    if (desc.fill != CUBLAS_FILL_MODE_FULL) return unsupported("fill mode %d", desc.fill);
    /* A real matrix has nothing to conjugate; the manual does not say that this is allowed. */
    if (desc.transa == CUBLAS_OP_C || desc.transb == CUBLAS_OP_C)
        return unsupported("a conjugate transposition of real numbers");
    return CUBLAS_STATUS_SUCCESS;
}

/* C and D agree in all but the leading dimension and the batch stride. */
static cublasStatus_t check_shapes(Problem *p)
{
    int64_t a_cols = p->transa ? p->a.rows : p->a.cols;
    int64_t b_rows = p->transb ? p->b.cols : p->b.rows;
    p->m = p->transa ? p->a.cols : p->a.rows;
    p->n = p->transb ? p->b.rows : p->b.cols;
    p->k = a_cols;
    p->batch = p->d.batch;
    if (a_cols != b_rows)
        return invalid("op(A) has %lld columns, op(B) %lld rows", (long long)a_cols,
                       (long long)b_rows);
    if (p->d.rows != p->m || p->d.cols != p->n)
        return invalid("D is %lld x %lld, the product %lld x %lld", (long long)p->d.rows,
                       (long long)p->d.cols, (long long)p->m, (long long)p->n);
    if (p->c.rows != p->d.rows || p->c.cols != p->d.cols || p->c.row_major != p->d.row_major)
        return invalid("C and D differ in shape or order");
    if (p->a.batch != p->batch || p->b.batch != p->batch || p->c.batch != p->batch)
        return invalid("batches of %lld, %lld, %lld and %lld matrices", (long long)p->a.batch,
                       (long long)p->b.batch, (long long)p->c.batch, (long long)p->batch);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_layouts(const Layout *a, const Layout *b, const Layout *c,
                                    const Layout *d)
{
    cublasStatus_t status = check_layout(*a, 'A', false);
    if (!status) status = check_layout(*b, 'B', false);
    if (!status) status = check_layout(*c, 'C', c != d);
    if (!status) status = check_layout(*d, 'D', false);
    return status;
}

/* Without a layout of C, C has that of D. */
cublasStatus_t make_problem(Problem *p, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                            cublasLtMatrixLayout_t d)
{
    const Desc *of_desc = desc_of(desc);
    const Layout *of_a = layout_of(a), *of_b = layout_of(b), *of_d = layout_of(d);
    const Layout *of_c = c ? layout_of(c) : of_d;
    if (!of_desc || !of_a || !of_b || !of_c || !of_d)
        return invalid("a descriptor is NULL, destroyed or of another kind");
    cublasStatus_t status = check_layouts(of_a, of_b, of_c, of_d);
    if (status) return status;
    p->a = matrix_of(*of_a);
    p->b = matrix_of(*of_b);
    p->c = matrix_of(*of_c);
    p->d = matrix_of(*of_d);
    status = check_operations(p, *of_desc);
    if (!status) status = check_shapes(p);
    if (!status) status = check_kind(p, *of_desc);
    return status;
}

} // namespace lt
