/* tests/emu/libs/spconvert.cc - cusparseDenseToSparse() and cusparseSparseToDense() of the
 * stand-in. Read next: spentries.cc. */
#include "sp.hh"

#include <cstring>

#include "../emu.h"
#include "number.hh"
#include "refusal.hh"
#include "sprules.hh"

namespace sp
{

using emulib::Span;

static const char *const CONVERT = "cusparseDenseToSparse_convert";
static const char *const ANALYSIS = "cusparseDenseToSparse_analysis";

static cusparseStatus_t check_pair(cusparseHandle_t h, const SpMat *s, const DnMat *d)
{
    if (!alive(h)) return invalid("the handle is NULL or destroyed");
    if (!alive(s) || !alive(d)) return invalid("a matrix is NULL or destroyed");
    if (s->rows != d->rows || s->cols != d->cols)
        return invalid("%lld x %lld and %lld x %lld", (long long)s->rows, (long long)s->cols,
                       (long long)d->rows, (long long)d->cols);
    if (s->type != d->type)
        return unsupported("%s and %s", emulib::name_of(s->type), emulib::name_of(d->type));
    if (emulib::size_of(s->type) == 0) return missing("conversions of this type");
    if (s->type == CUDA_R_32I) return unsupported("conversions of int32");
    if (s->index_type == CUSPARSE_INDEX_16U) return unsupported("16-bit indices");
    return CUSPARSE_STATUS_SUCCESS;
}

/* BSR is in neither manual page's list; Blocked-ELL goes one way only. */
static cusparseStatus_t check_to_sparse(cusparseHandle_t h, const DnMat *d, const SpMat *s,
                                        cusparseDenseToSparseAlg_t alg)
{
    cusparseStatus_t status = check_pair(h, s, d);
    if (status) return status;
    if (alg != CUSPARSE_DENSETOSPARSE_ALG_DEFAULT) return invalid("algorithm %d", alg);
    if (s->format == CUSPARSE_FORMAT_BSR) return unsupported("dense to BSR");
    if (s->format == CUSPARSE_FORMAT_BLOCKED_ELL && s->block == 0)
        return invalid("blocks of size 0");
    return CUSPARSE_STATUS_SUCCESS;
}

static size_t buffer_of(const SpMat &s)
{
    int64_t lines = s.format == CUSPARSE_FORMAT_CSC ? s.cols : s.rows;
    return (size_t)(lines * 8 + 16 + 255) / 256 * 256;
}

/* Entries that are not zero, line by line: rows, but columns for CSC. */
template <class Visit> static void each_nonzero(const DnMat &d, bool by_columns, Visit visit)
{
    int64_t lines = by_columns ? d.cols : d.rows, width = by_columns ? d.rows : d.cols;
    for (int64_t line = 0; line < lines; line++) {
        for (int64_t i = 0; i < width; i++) {
            int64_t at = by_columns ? offset_in(d, i, line) : offset_in(d, line, i);
            if (emulib::load(d.values, d.type, at) != 0) visit(line, i, at);
        }
    }
}

/* Counts, and writes the offsets of CSR and CSC. */
static void analyse(const DnMat &d, const SpMat &s, int64_t *nnz, void *buffer)
{
    bool by_columns = s.format == CUSPARSE_FORMAT_CSC,
         ell = s.format == CUSPARSE_FORMAT_BLOCKED_ELL;
    Arrays a = arrays_of(s);
    *nnz = ell ? s.nnz : 0;
    if (!good(ANALYSIS, "the dense matrix", span_of(d))) return;
    spoil(ANALYSIS, buffer, buffer_of(s));
    if (ell) return;
    std::vector<int64_t> counts((size_t)(by_columns ? s.cols : s.rows), 0);
    each_nonzero(d, by_columns, [&](int64_t line, int64_t, int64_t) { counts[(size_t)line]++; });
    for (int64_t count : counts) *nnz += count;
    if (s.format == CUSPARSE_FORMAT_COO) return;
    if (!emulib::covered(a.offsets)) {
        emu::violation("%s: the offsets were freed before the work ran", ANALYSIS);
        return;
    }
    int64_t sum = s.base, line = 0;
    for (int64_t count : counts) {
        set_index((void *)s.offsets, s.index_type, line++, sum);
        sum += count;
    }
    set_index((void *)s.offsets, s.index_type, line, sum);
    emulib::mark_written(a.offsets);
}

/* Blocks of index -1 are left as they are (an inference): padding is the caller's to fill. */
static void fill_ell(const DnMat &d, const SpMat &s)
{
    int64_t slots = s.ell_cols / s.block, size = (int64_t)emulib::size_of(s.type);
    for (int64_t i = 0; i < s.rows; i++) {
        for (int64_t slot = 0; slot < slots; slot++) {
            int64_t raw = index_at(s.indices, s.index_type, i / s.block * slots + slot);
            int64_t col = raw - s.base;
            char *to = (char *)s.values + (i * s.ell_cols + slot * s.block) * size;
            if (raw == -1) continue;
            if (col < 0 || col >= s.cols / s.block) {
                emu::violation("%s: block column %lld is out of range", CONVERT, (long long)raw);
                return;
            }
            for (int64_t j = 0; j < s.block; j++)
                memcpy(to + j * size,
                       (const char *)d.values + offset_in(d, i, col * s.block + j) * size,
                       (size_t)size);
            emulib::mark_written(Span::array(to, s.block * size));
        }
    }
}

static void fill(const DnMat &d, const SpMat &s)
{
    Arrays a = arrays_of(s);
    int64_t size = (int64_t)emulib::size_of(s.type), next = 0;
    bool coordinates = s.format == CUSPARSE_FORMAT_COO, fits = true;
    if (!good(CONVERT, "the dense matrix", span_of(d))) return;
    if (s.format == CUSPARSE_FORMAT_BLOCKED_ELL) {
        if (good(CONVERT, "the block columns", a.indices)) fill_ell(d, s);
        return;
    }
    each_nonzero(d, s.format == CUSPARSE_FORMAT_CSC, [&](int64_t line, int64_t i, int64_t at) {
        fits = fits && next < s.nnz;
        if (!fits) return;
        if (coordinates) set_index((void *)s.offsets, s.index_type, next, line + s.base);
        set_index((void *)s.indices, s.index_type, next, i + s.base);
        memcpy((char *)s.values + next++ * size, (const char *)d.values + at * size, (size_t)size);
    });
    if (!fits || next != s.nnz) {
        emu::violation("%s: the dense matrix changed since its analysis", CONVERT);
        return;
    }
    if (coordinates) emulib::mark_written(a.offsets);
    emulib::mark_written(a.indices);
    emulib::mark_written(a.values);
}

} // namespace sp

using namespace sp;

extern "C" {

cusparseStatus_t cusparseDenseToSparse_bufferSize(cusparseHandle_t h, cusparseConstDnMatDescr_t d,
                                                  cusparseSpMatDescr_t s,
                                                  cusparseDenseToSparseAlg_t alg, size_t *nbytes)
{
    if (emulib::enter("cusparseDenseToSparse_bufferSize")) return CUSPARSE_STATUS_ALLOC_FAILED;
    cusparseStatus_t status = check_to_sparse(h, d, s, alg);
    if (status) return status;
    if (!nbytes) return invalid("the size's place is NULL");
    *nbytes = buffer_of(*s);
    return CUSPARSE_STATUS_SUCCESS;
}

/* The number of entries is in the descriptor when it returns, so it waits for the stream. */
cusparseStatus_t cusparseDenseToSparse_analysis(cusparseHandle_t h, cusparseConstDnMatDescr_t d,
                                                cusparseSpMatDescr_t s,
                                                cusparseDenseToSparseAlg_t alg, void *buffer)
{
    if (emulib::enter(ANALYSIS)) return CUSPARSE_STATUS_EXECUTION_FAILED;
    cusparseStatus_t status = check_to_sparse(h, d, s, alg);
    if (status) return status;
    bool has_offsets = s->format == CUSPARSE_FORMAT_CSR || s->format == CUSPARSE_FORMAT_CSC;
    status = check_array("the dense matrix", span_of(*d), (int64_t)emulib::size_of(d->type));
    if (!status && has_offsets) status = check_array("the offsets", arrays_of(*s).offsets, 16);
    if (!status) status = check_buffer(buffer, buffer_of(*s));
    if (status) return status;
    int64_t nnz = 0;
    DnMat from = *d;
    SpMat to = *s;
    cudaError_t error = emu::enqueue(h->stream, ANALYSIS,
                                     [&nnz, from, to, buffer] { analyse(from, to, &nnz, buffer); });
    if (error || cudaStreamSynchronize(h->stream)) return CUSPARSE_STATUS_EXECUTION_FAILED;
    s->nnz = nnz;
    s->analysed = d;
    s->analysis_buffer = buffer;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseDenseToSparse_convert(cusparseHandle_t h, cusparseConstDnMatDescr_t d,
                                               cusparseSpMatDescr_t s,
                                               cusparseDenseToSparseAlg_t alg, void *buffer)
{
    if (emulib::enter(CONVERT)) return CUSPARSE_STATUS_EXECUTION_FAILED;
    cusparseStatus_t status = check_to_sparse(h, d, s, alg);
    if (status) return status;
    if (s->analysed != d || s->analysis_buffer != buffer)
        return invalid("no analysis of this dense matrix with this buffer came before");
    Arrays a = arrays_of(*s);
    status = check_array("the dense matrix", span_of(*d), (int64_t)emulib::size_of(d->type));
    if (!status) status = check_sparse(*s);
    if (!status) status = check_buffer(buffer, buffer_of(*s));
    if (!status)
        status = check_apart("the values", a.values, { span_of(*d), a.indices, a.offsets });
    if (!status) status = check_apart("the indices", a.indices, { span_of(*d), a.offsets });
    if (status) return status;
    DnMat from = *d;
    SpMat to = *s;
    cudaError_t error = emu::enqueue(h->stream, CONVERT, [from, to] { fill(from, to); });
    return error ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSparseToDense_bufferSize(cusparseHandle_t h, cusparseConstSpMatDescr_t s,
                                                  cusparseDnMatDescr_t d,
                                                  cusparseSparseToDenseAlg_t alg, size_t *nbytes)
{
    if (emulib::enter("cusparseSparseToDense_bufferSize")) return CUSPARSE_STATUS_ALLOC_FAILED;
    cusparseStatus_t status = check_pair(h, s, d);
    if (status) return status;
    if (alg != CUSPARSE_SPARSETODENSE_ALG_DEFAULT || !nbytes)
        return invalid("algorithm %d, or the size's place is NULL", alg);
    if (s->format == CUSPARSE_FORMAT_BSR || s->format == CUSPARSE_FORMAT_BLOCKED_ELL)
        return unsupported("format %d to dense", s->format);
    *nbytes = 0; /* "the routine requires no extra storage" */
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSparseToDense(cusparseHandle_t h, cusparseConstSpMatDescr_t s,
                                       cusparseDnMatDescr_t d, cusparseSparseToDenseAlg_t alg,
                                       void *)
{
    if (emulib::enter("cusparseSparseToDense")) return CUSPARSE_STATUS_EXECUTION_FAILED;
    cusparseStatus_t status = check_pair(h, s, d);
    if (status) return status;
    if (alg != CUSPARSE_SPARSETODENSE_ALG_DEFAULT) return invalid("algorithm %d", alg);
    if (s->format == CUSPARSE_FORMAT_BSR || s->format == CUSPARSE_FORMAT_BLOCKED_ELL)
        return unsupported("format %d to dense", s->format);
    Arrays a = arrays_of(*s);
    Span out = span_of(*d);
    status = check_sparse(*s);
    if (!status) status = check_array("the dense matrix", out, (int64_t)emulib::size_of(d->type));
    if (!status) status = check_apart("the dense matrix", out, { a.offsets, a.indices, a.values });
    if (status) return status;
    SpMat from = *s;
    DnMat to = *d;
    cudaError_t error = emu::enqueue(h->stream, "cusparseSparseToDense", [from, to, out] {
        Entries<float> e;
        if (!read_entries(&e, "cusparseSparseToDense", from, false)) return;
        for (int64_t r = 0; r < to.rows; r++) {
            for (int64_t c = 0; c < to.cols; c++)
                emulib::store(to.values, to.type, offset_in(to, r, c), 0);
            for (int64_t i = e.first[(size_t)r]; i < e.first[(size_t)r + 1]; i++)
                emulib::store(to.values, to.type, offset_in(to, r, e.col[(size_t)i]),
                              e.value[(size_t)i]);
        }
        emulib::mark_written(out);
    });
    return error ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
}

} // extern "C"
