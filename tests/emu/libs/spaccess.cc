/* tests/emu/libs/spaccess.cc - what a descriptor of the stand-in for cuSPARSE tells and takes, and
 * the checks of the device arrays behind it. Read next: spentries.cc. */
#include "sp.hh"

#include "../emu.h"
#include "number.hh"
#include "refusal.hh"

namespace sp
{

using emulib::Span;

int64_t index_size(cusparseIndexType_t type)
{
    switch (type) {
    case CUSPARSE_INDEX_16U: return 2;
    case CUSPARSE_INDEX_32I: return 4;
    case CUSPARSE_INDEX_64I: return 8;
    default: return 0;
    }
}

int64_t index_at(const void *base, cusparseIndexType_t type, int64_t i)
{
    return type == CUSPARSE_INDEX_64I ? ((const int64_t *)base)[i] : ((const int32_t *)base)[i];
}

void set_index(void *base, cusparseIndexType_t type, int64_t i, int64_t value)
{
    if (type == CUSPARSE_INDEX_64I) ((int64_t *)base)[i] = value;
    else ((int32_t *)base)[i] = (int32_t)value;
}

Arrays arrays_of(const SpMat &m)
{
    int64_t noffsets = 0, nindices = m.nnz, nvalues = m.nnz;
    if (m.format == CUSPARSE_FORMAT_CSR) noffsets = m.rows + 1;
    if (m.format == CUSPARSE_FORMAT_CSC) noffsets = m.cols + 1;
    if (m.format == CUSPARSE_FORMAT_COO) noffsets = m.nnz;
    if (m.format == CUSPARSE_FORMAT_BSR) {
        noffsets = m.rows / m.block + 1;
        nindices = m.nnz / (m.block * m.block);
    }
    if (m.format == CUSPARSE_FORMAT_BLOCKED_ELL) {
        nvalues = m.rows * m.ell_cols;
        nindices = m.block ? nvalues / (m.block * m.block) : 0;
    }
    Arrays a;
    a.offsets = Span::array(m.offsets, noffsets * index_size(m.index_type));
    a.indices = Span::array(m.indices, nindices * index_size(m.index_type));
    a.values = Span::array(m.values, nvalues * (int64_t)emulib::size_of(m.type));
    return a;
}

Span span_of(const DnMat &m)
{
    int64_t size = (int64_t)emulib::size_of(m.type);
    bool by_rows = m.order == CUSPARSE_ORDER_ROW;
    Span s = Span::array(m.values, (by_rows ? m.cols : m.rows) * size);
    s.count = by_rows ? m.rows : m.cols;
    s.stride = m.ld * size;
    return s;
}

Span span_of(const DnVec &v)
{
    return Span::array(v.values, v.size * (int64_t)emulib::size_of(v.type));
}

cusparseStatus_t check_array(const char *name, const Span &s, int64_t align)
{
    if (s.empty()) return CUSPARSE_STATUS_SUCCESS;
    if (!s.start) return invalid("%s is NULL", name);
    if ((uintptr_t)s.start % (uintptr_t)align)
        return invalid("%s is not aligned to %lld bytes", name, (long long)align);
    if (emulib::covered(s)) return CUSPARSE_STATUS_SUCCESS;
    emulib::broken("no device allocation holds the %lld bytes of %s at %p", (long long)s.extent(),
                   name, (const void *)s.start);
    return CUSPARSE_STATUS_EXECUTION_FAILED;
}

/* The manual of 12.6 asks 16 bytes of the arrays of sparse vectors; that matrices need them too is
 * an inference. */
cusparseStatus_t check_sparse(const SpMat &m)
{
    Arrays a = arrays_of(m);
    cusparseStatus_t status = check_array("the offsets (or row indices) of A", a.offsets, 16);
    if (!status) status = check_array("the indices of A", a.indices, 16);
    if (!status) status = check_array("the values of A", a.values, 16);
    return status;
}

cusparseStatus_t check_apart(const char *name, const Span &written, const std::vector<Span> &read)
{
    bool hit = emulib::overlaps_itself(written);
    for (const Span &s : read) hit = hit || emulib::overlap(written, s);
    if (!hit) return CUSPARSE_STATUS_SUCCESS;
    emulib::broken("%s overlaps itself or what is read", name);
    return CUSPARSE_STATUS_EXECUTION_FAILED;
}

bool good(const char *call, const char *name, const Span &s)
{
    if (!emulib::covered(s)) emu::violation("%s: %s was freed before the work ran", call, name);
    else if (!emulib::written(s))
        emu::violation("%s: %s was not written, not all of it, before the work ran", call, name);
    else return true;
    return false;
}

static cusparseStatus_t set_pointers(SpMat *m, cusparseFormat_t format, const void *offsets,
                                     const void *indices, const void *values)
{
    if (!alive(m)) return invalid("the matrix is NULL or destroyed");
    if (m->format != format) return invalid("the matrix has format %d", m->format);
    m->offsets = offsets;
    m->indices = indices;
    m->values = values;
    m->active_buffer = nullptr; /* what preprocessing knew is about other arrays */
    return CUSPARSE_STATUS_SUCCESS;
}

template <class Object> static cusparseStatus_t set_values(Object *object, void *values)
{
    if (!alive(object)) return invalid("the descriptor is NULL or destroyed");
    object->values = values;
    return CUSPARSE_STATUS_SUCCESS;
}

} // namespace sp

using namespace sp;

extern "C" {

cusparseStatus_t cusparseSpMatGetSize(cusparseConstSpMatDescr_t m, int64_t *rows, int64_t *cols,
                                      int64_t *nnz)
{
    if (emulib::enter("cusparseSpMatGetSize")) return CUSPARSE_STATUS_INVALID_VALUE;
    if (!alive(m)) return invalid("the matrix is NULL or destroyed");
    if (!rows || !cols || !nnz) return invalid("a place is NULL");
    *rows = m->rows;
    *cols = m->cols;
    *nnz = m->nnz;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCsrSetPointers(cusparseSpMatDescr_t m, void *offsets, void *columns,
                                        void *values)
{
    if (emulib::enter("cusparseCsrSetPointers")) return CUSPARSE_STATUS_INVALID_VALUE;
    return set_pointers(m, CUSPARSE_FORMAT_CSR, offsets, columns, values);
}

cusparseStatus_t cusparseCscSetPointers(cusparseSpMatDescr_t m, void *offsets, void *rows,
                                        void *values)
{
    if (emulib::enter("cusparseCscSetPointers")) return CUSPARSE_STATUS_INVALID_VALUE;
    return set_pointers(m, CUSPARSE_FORMAT_CSC, offsets, rows, values);
}

cusparseStatus_t cusparseCooSetPointers(cusparseSpMatDescr_t m, void *rows, void *columns,
                                        void *values)
{
    if (emulib::enter("cusparseCooSetPointers")) return CUSPARSE_STATUS_INVALID_VALUE;
    return set_pointers(m, CUSPARSE_FORMAT_COO, rows, columns, values);
}

cusparseStatus_t cusparseSpMatSetValues(cusparseSpMatDescr_t m, void *values)
{
    if (emulib::enter("cusparseSpMatSetValues")) return CUSPARSE_STATUS_INVALID_VALUE;
    return set_values(m, values);
}

cusparseStatus_t cusparseDnMatSetValues(cusparseDnMatDescr_t m, void *values)
{
    if (emulib::enter("cusparseDnMatSetValues")) return CUSPARSE_STATUS_INVALID_VALUE;
    return set_values(m, values);
}

cusparseStatus_t cusparseDnVecSetValues(cusparseDnVecDescr_t v, void *values)
{
    if (emulib::enter("cusparseDnVecSetValues")) return CUSPARSE_STATUS_INVALID_VALUE;
    return set_values(v, values);
}

} // extern "C"
