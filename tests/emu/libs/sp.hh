/* tests/emu/libs/sp.hh - inside of the stand-in for cuSPARSE: descriptors, and a sparse matrix as
 * it is read out of device memory. Read next: spcreate.cc, spentries.cc, spmm.cc. */
#pragma once

#include <cstdint>
#include <vector>

#include <cusparse.h>

#include "span.hh"

enum : uint64_t { LIVE_SPMAT = 0x656d752e73706d74, LIVE_DNMAT, LIVE_DNVEC, LIVE_SPHANDLE };

struct cusparseContext {
    uint64_t magic;
    cudaStream_t stream;
    cusparsePointerMode_t pointer_mode;
};

/* rows, cols and nnz count elements in every format, as cusparseSpMatGetSize() does. */
struct cusparseSpMatDescr {
    uint64_t magic;
    cusparseFormat_t format;
    int64_t rows, cols, nnz;
    int64_t block;                          /* edge of a block (BSR, Blocked-ELL) */
    int64_t ell_cols;                       /* columns that Blocked-ELL stores for each row */
    const void *offsets, *indices, *values; /* COO: row indices, column indices */
    cusparseIndexType_t index_type;
    cusparseIndexBase_t base;
    cudaDataType type;
    cusparseOrder_t order; /* inside a BSR block */
    /* What cusparseSpMM_preprocess() left in the one active buffer, and for which call. */
    void *active_buffer;
    uint64_t active_call, active_stamp;
    /* The dense matrix that cusparseDenseToSparse_analysis() has seen, and in which buffer. */
    const void *analysed, *analysis_buffer;
};

struct cusparseDnMatDescr {
    uint64_t magic;
    int64_t rows, cols, ld;
    void *values;
    cudaDataType type;
    cusparseOrder_t order;
};

struct cusparseDnVecDescr {
    uint64_t magic;
    int64_t size;
    void *values;
    cudaDataType type;
};

namespace sp
{

typedef cusparseSpMatDescr SpMat;
typedef cusparseDnMatDescr DnMat;
typedef cusparseDnVecDescr DnVec;

template <class Object> bool alive(const Object *object, uint64_t magic)
{
    return object && object->magic == magic;
}
inline bool alive(const SpMat *m)
{
    return alive(m, LIVE_SPMAT);
}
inline bool alive(const DnMat *m)
{
    return alive(m, LIVE_DNMAT);
}
inline bool alive(const DnVec *v)
{
    return alive(v, LIVE_DNVEC);
}
inline bool alive(cusparseHandle_t h)
{
    return alive(h, LIVE_SPHANDLE);
}

/* Marks an object dead and keeps its memory; a violation if it was dead already. */
cusparseStatus_t destroy(void *object, uint64_t *magic, uint64_t live);

/* Statuses with their reason (refusal.hh). */
__attribute__((format(printf, 1, 2))) cusparseStatus_t invalid(const char *format, ...);
__attribute__((format(printf, 1, 2))) cusparseStatus_t unsupported(const char *format, ...);
__attribute__((format(printf, 1, 2))) cusparseStatus_t missing(const char *format, ...);

int64_t index_size(cusparseIndexType_t type); /* bytes; 0 if there is no such type */
int64_t index_at(const void *base, cusparseIndexType_t type, int64_t i);
void set_index(void *base, cusparseIndexType_t type, int64_t i, int64_t value);

/* The device arrays of a matrix. */
struct Arrays {
    emulib::Span offsets, indices, values;
};
Arrays arrays_of(const SpMat &m);
emulib::Span span_of(const DnMat &m);
emulib::Span span_of(const DnVec &v);
inline int64_t offset_in(const DnMat &m, int64_t row, int64_t col)
{
    return m.order == CUSPARSE_ORDER_ROW ? row * m.ld + col : col * m.ld + row;
}

/* At the call: aligned and within one allocation. */
cusparseStatus_t check_array(const char *name, const emulib::Span &s, int64_t align);
cusparseStatus_t check_sparse(const SpMat &m);
/* No byte of `written` belongs to anything read. */
cusparseStatus_t check_apart(const char *name, const emulib::Span &written,
                             const std::vector<emulib::Span> &read);
/* In the stream: still allocated, and written. A violation names what is not. */
bool good(const char *call, const char *name, const emulib::Span &s);

/* A matrix of any format as rows of entries, in the order in which they are stored. */
template <class Number> struct Entries {
    int64_t rows, cols;
    std::vector<int64_t> first, col; /* entries of row r are first[r] to first[r+1] */
    std::vector<Number> value;
};
/* False, after a violation, if an index array breaks the rules of its format. */
bool read_entries(Entries<float> *out, const char *call, const SpMat &m, bool transposed);
bool read_entries(Entries<int32_t> *out, const char *call, const SpMat &m, bool transposed);

/* alpha and beta, read in the call or, in device pointer mode, when the work runs. */
struct Scalars {
    const void *alpha, *beta;
    cudaDataType type;
    bool on_device;
    int64_t held[2];

    cusparseStatus_t take(cusparseHandle_t h, const void *a, const void *b, cudaDataType compute);
    bool fetch(const char *call); /* in the stream */
    float alpha_float() const;
    float beta_float() const;
    int32_t alpha_int() const;
    int32_t beta_int() const;
};

/* What SpMM and SpMV do to one row: out = alpha * sum + beta * out. */
struct Product {
    const char *call;
    SpMat a;
    bool transposed;
    DnMat b, c; /* vectors are matrices of one column */
    bool b_transposed;
    Scalars scalars;
    cudaDataType compute;
};
void run_product(Product p);

} // namespace sp
