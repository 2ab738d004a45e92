/* tests/emu/libs/ltmatmul.cc - cublasLtMatmul() of the stand-in: rules about pointers, then the
 * arithmetic goes into the stream. Read next: ltrun.cc. */
#include "lt.hh"

#include "../emu.h"
#include "number.hh"
#include "refusal.hh"

namespace lt
{

using emulib::Span;

/* One operand in device memory: what it is called, where, and the least alignment. */
struct Operand {
    const char *name;
    Span span;
    int64_t align;
};

enum { MAX_OPERANDS = 8 };
struct Operands {
    Operand read[MAX_OPERANDS];
    int nread = 0;
    Operand written;
    void add(const char *name, const Span &span, int64_t align)
    {
        read[nread++] = { name, span, align };
    }
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static Operand matrix(const char *name, const Matrix &m, const void *p, const Algo &algo)
{
    return { name, m.span(p), larger(algo.align, (int64_t)emulib::size_of(m.type)) };
}

static Span vector(const void *p, int64_t length, cudaDataType type, int64_t batch, int64_t stride)
{
    Span s = Span::array(p, length * (int64_t)emulib::size_of(type));
    s.batch = stride ? batch : 1;
    s.batch_stride = stride * (int64_t)emulib::size_of(type);
    return s;
}

/* C is left out where it is not read: beta known to be 0. */
static Operands operands_of(const Problem &p, const Algo &algo, const Pointers &at, bool reads_c)
{
    Operands all;
    all.written = matrix("D", p.d, at.d, algo);
    all.read[0] = matrix("A", p.a, at.a, algo);
    all.read[1] = matrix("B", p.b, at.b, algo);
    all.nread = 2;
    if (reads_c) all.read[all.nread++] = matrix("C", p.c, at.c, algo);
    if (p.has_bias())
        all.add("bias", vector(p.bias, p.m, p.bias_type, p.batch, p.bias_stride),
                larger(algo.align, (int64_t)emulib::size_of(p.bias_type)));
    if (p.alpha_vector())
        all.add("alpha", vector(at.alpha, p.m, CUDA_R_32F, p.batch, p.alpha_stride), 4);
    if (p.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE) {
        all.add("alpha", Span::array(at.alpha, 4), 4);
        all.add("beta", Span::array(at.beta, 4), 4);
    }
    return all;
}

static cublasStatus_t check_pointer(const Operand &o)
{
    if (!o.span.start) return invalid("%s is NULL", o.name);
    if ((uintptr_t)o.span.start % (uintptr_t)o.align)
        return invalid("%s is not aligned to the %lld bytes that the algorithm needs", o.name,
                       (long long)o.align);
    if (emulib::covered(o.span)) return CUBLAS_STATUS_SUCCESS;
    emulib::broken("no device allocation holds the %lld bytes of %s at %p",
                   (long long)o.span.extent(), o.name, (const void *)o.span.start);
    return CUBLAS_STATUS_EXECUTION_FAILED;
}

/* D may be C, but not reach into anything else that is read. */
static cublasStatus_t check_overlaps(const Problem &p, const Pointers &at, const Operands &all,
                                     const Span &workspace)
{
    if (emulib::overlaps_itself(all.written.span)) {
        emulib::broken("the matrices of D overlap each other");
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    for (int i = 0; i < all.nread; i++) {
        const Operand &o = all.read[i];
        bool in_place = o.name[0] == 'C' && at.c == at.d && p.c.same_as(p.d);
        bool hit = !in_place && emulib::overlap(o.span, all.written.span);
        if (!hit && !emulib::overlap(o.span, workspace)) continue;
        emulib::broken("%s overlaps %s", o.name, hit ? "D" : "the workspace");
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    if (!emulib::overlap(all.written.span, workspace)) return CUBLAS_STATUS_SUCCESS;
    emulib::broken("D overlaps the workspace");
    return CUBLAS_STATUS_EXECUTION_FAILED;
}

/* "Must be 256B aligned", and INVALID_VALUE "when workspaceSizeInBytes is less than workspace
 * required by configured algo". */
static cublasStatus_t check_workspace(const Algo &algo, const void *workspace, size_t nbytes)
{
    if (nbytes < algo.workspace)
        return invalid("a workspace of %zu bytes, algorithm %d needs %llu", nbytes, algo.id,
                       (unsigned long long)algo.workspace);
    if (nbytes == 0) return CUBLAS_STATUS_SUCCESS;
    if (!workspace) return invalid("a workspace of %zu bytes at NULL", nbytes);
    if ((uintptr_t)workspace % 256) return invalid("the workspace is not aligned to 256 bytes");
    if (emu::covers(workspace, nbytes)) return CUBLAS_STATUS_SUCCESS;
    emulib::broken("no device allocation holds the %zu bytes of the workspace at %p", nbytes,
                   workspace);
    return CUBLAS_STATUS_EXECUTION_FAILED;
}

static void read_scalars(Pointers *at, const Problem &p)
{
    if (p.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE) return;
    at->host_beta = *(const Scalar *)at->beta;
    if (!p.alpha_vector()) at->host_alpha = *(const Scalar *)at->alpha;
}

static bool beta_is_zero(const Problem &p, const Scalar &beta)
{
    return p.scale == CUDA_R_32I ? beta.i == 0 : beta.f == 0;
}

/* In the stream: what was freed or never written in the meantime. */
static bool still_good(const Operands &all, const char *when)
{
    for (int i = 0; i < all.nread; i++) {
        const Operand &o = all.read[i];
        if (!emulib::covered(o.span))
            emu::violation("cublasLtMatmul: %s was freed before %s", o.name, when);
        else if (!emulib::written(o.span))
            emu::violation("cublasLtMatmul: %s was not written, not all of it, before %s", o.name,
                           when);
        else continue;
        return false;
    }
    if (emulib::covered(all.written.span)) return true;
    emu::violation("cublasLtMatmul: D was freed before %s", when);
    return false;
}

static void work(const Problem &p, const Algo &algo, Pointers at, size_t workspace_nbytes)
{
    const char *when = "the product ran";
    Operands all = operands_of(p, algo, at, false);
    if (!still_good(all, when)) return;
    if (p.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE) {
        at.host_alpha = *(const Scalar *)at.alpha;
        at.host_beta = *(const Scalar *)at.beta;
    }
    if (!beta_is_zero(p, at.host_beta)) {
        all = operands_of(p, algo, at, true);
        if (!still_good(all, when)) return;
    }
    if (algo.workspace && !emu::covers(at.workspace, workspace_nbytes)) {
        emu::violation("cublasLtMatmul: the workspace was freed before %s", when);
        return;
    }
    run(p, algo, at);
    emulib::mark_written(all.written.span);
}

static cublasStatus_t check_pointers(const Problem &p, const Algo &algo, const Pointers &at,
                                     size_t workspace_nbytes)
{
    Operands all = operands_of(p, algo, at, true);
    cublasStatus_t status = check_workspace(algo, at.workspace, workspace_nbytes);
    if (status) return status;
    for (int i = 0; i < all.nread && !status; i++) status = check_pointer(all.read[i]);
    if (!status) status = check_pointer(all.written);
    if (status) return status;
    if (at.c == at.d && !p.c.same_as(p.d)) return invalid("C is D, but not its layout");
    Span workspace = Span::array(at.workspace, (int64_t)workspace_nbytes);
    return check_overlaps(p, at, all, workspace);
}

} // namespace lt

using namespace lt;

extern "C" cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                         const void *alpha, const void *A, cublasLtMatrixLayout_t a,
                                         const void *B, cublasLtMatrixLayout_t b, const void *beta,
                                         const void *C, cublasLtMatrixLayout_t c, void *D,
                                         cublasLtMatrixLayout_t d,
                                         const cublasLtMatmulAlgo_t *packed, void *workspace,
                                         size_t workspace_nbytes, cudaStream_t stream)
{
    if (emulib::enter("cublasLtMatmul")) return CUBLAS_STATUS_EXECUTION_FAILED;
    Problem p = {};
    Algo algo;
    Pointers at = { A, B, C, alpha, beta, D, workspace, {}, {} };
    if (!alive(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    cublasStatus_t status = make_problem(&p, desc, a, b, c, d);
    if (!status) status = unpack_algo(&algo, packed, p);
    if (!status && (!alpha || !beta)) status = invalid("alpha or beta is NULL");
    if (!status) status = check_pointers(p, algo, at, workspace_nbytes);
    if (status) return status;
    read_scalars(&at, p);
    cudaError_t error =
        emu::enqueue(stream, "cublasLtMatmul", [=] { work(p, algo, at, workspace_nbytes); });
    return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
