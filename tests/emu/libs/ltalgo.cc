/* tests/emu/libs/ltalgo.cc - algorithms of the stand-in for cuBLASLt: three, so that the choice
 * among them, their alignments and the workspace matter as they do on a GPU. Read next: ltrun.cc.
 */
#include "lt.hh"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "number.hh"
#include "refusal.hh"

namespace lt
{

/* Fastest first. SPLIT_K leaves two partial sums of D in the workspace; TILES and it load 16 bytes
 * at once; SCALAR takes what the elements allow, of which int8 asks 4 bytes. */
enum { SPLIT_K = 24, TILES = 6, SCALAR = 1 };
static const int ids[] = { SPLIT_K, TILES, SCALAR };

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x100000001b3u;
}

/* What a packed algorithm is bound to: all that decides which kernels exist, but no sizes, so that
 * one choice may serve other sizes too; whether it can is checked again for each problem. */
static uint64_t signature(const Problem &p)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const Matrix *m : { &p.a, &p.b, &p.c, &p.d })
        hash = mixed(mixed(hash, (uint64_t)m->type), m->row_major);
    hash = mixed(mixed(hash, (uint64_t)p.compute), (uint64_t)p.scale);
    hash = mixed(mixed(hash, p.transa), p.transb);
    return mixed(mixed(hash, (uint64_t)p.pointer_mode), p.epilogue);
}

static Algo algo_for(int id, const Problem &p)
{
    Algo a = { id, 16, 1, 0 };
    if (id == SCALAR) a.align = 1; /* the elements' own size is asked for anyway */
    if (id == SCALAR && p.integers()) a.align = 4;
    if (id == SPLIT_K) {
        a.splits = 2;
        a.workspace = (uint64_t)(p.m * p.n * p.batch * a.splits) * 4;
        a.workspace = (a.workspace + 255) / 256 * 256;
    }
    return a;
}

static bool strides_fit(const Matrix &m, int64_t align)
{
    int64_t size = (int64_t)emulib::size_of(m.type);
    return m.ld * size % align == 0 && m.batch_stride * size % align == 0;
}

/* Whether the sizes allow it; pointers and workspace are another matter. */
static cublasStatus_t check_algo(const Algo &a, const Problem &p)
{
    if (a.id == SPLIT_K && p.k < 64) return unsupported("algorithm %d needs k >= 64", a.id);
    for (const Matrix *m : { &p.a, &p.b, &p.c, &p.d })
        if (!strides_fit(*m, a.align))
            return unsupported("algorithm %d needs strides of %lld bytes", a.id,
                               (long long)a.align);
    return CUBLAS_STATUS_SUCCESS;
}

enum : uint64_t { PACKED = 0x656d752e616c676f };

static void pack(cublasLtMatmulAlgo_t *packed, const Algo &a, const Problem &p)
{
    memset(packed, 0, sizeof *packed);
    packed->data[0] = PACKED;
    packed->data[1] = (uint64_t)a.id;
    packed->data[2] = signature(p);
    packed->data[3] = mixed(mixed(PACKED, packed->data[1]), packed->data[2]);
}

static cublasStatus_t unpack(Algo *algo, const cublasLtMatmulAlgo_t &packed, const Problem &p)
{
    int id = (int)packed.data[1];
    if (packed.data[0] != PACKED ||
        packed.data[3] != mixed(mixed(PACKED, packed.data[1]), packed.data[2]) ||
        std::find(std::begin(ids), std::end(ids), id) == std::end(ids))
        return invalid("an algorithm that no heuristic gave");
    if (packed.data[2] != signature(p))
        return invalid("an algorithm of a problem with other types, orders, operations, pointer "
                       "mode or epilogue");
    *algo = algo_for(id, p);
    return check_algo(*algo, p) ? invalid("algorithm %d does not fit the sizes", id)
                                : CUBLAS_STATUS_SUCCESS;
}

/* "When NULL, an implicit heuristics query with default search preferences will be performed": no
 * workspace, and pointers aligned to 256 bytes. */
cublasStatus_t unpack_algo(Algo *algo, const cublasLtMatmulAlgo_t *packed, const Problem &p)
{
    if (packed) return unpack(algo, *packed, p);
    *algo = algo_for(TILES, p);
    if (check_algo(*algo, p)) *algo = algo_for(SCALAR, p);
    return check_algo(*algo, p);
}

/* Alignments that the preference promises are what the algorithms may use; a bias pointer stands
 * for its own alignment, a NULL one for any. */
static bool allowed(const Algo &a, const Problem &p, const Preference &preference)
{
    if (check_algo(a, p) || a.workspace > preference.max_workspace) return false;
    for (uint32_t align : preference.align)
        if (align < a.align) return false;
    if (p.has_bias() && (uintptr_t)p.bias % (uintptr_t)a.align) return false;
    return a.id != SPLIT_K || (preference.reduction & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
}

/* Preferences that would change the answer in ways the stand-in does not know are not ignored. */
static cublasStatus_t check_preference(const Preference &p, const Problem &problem)
{
    const Matrix *matrices[] = { &problem.a, &problem.b, &problem.c, &problem.d };
    if (p.search != CUBLASLT_SEARCH_BEST_FIT) return missing("search mode %u", p.search);
    if (p.impl_mask != ~0ull) return missing("masks of implementations");
    if (p.max_waves != 0) return missing("a maximum of waves");
    for (int i = 0; i < 4; i++) {
        if (p.align[i] == 0 || (p.align[i] & (p.align[i] - 1)))
            return invalid("%c: an alignment of %u bytes", "ABCD"[i], p.align[i]);
        if (p.align[i] < emulib::size_of(matrices[i]->type))
            return unsupported("%c: aligned to less than an element", "ABCD"[i]);
    }
    return CUBLAS_STATUS_SUCCESS;
}

static float waves(const Problem &p)
{
    enum { TILE = 128, PROCESSORS = 132 };
    int64_t tiles = ((p.m + TILE - 1) / TILE) * ((p.n + TILE - 1) / TILE) * p.batch;
    return (float)tiles / PROCESSORS;
}

static void fill(cublasLtMatmulHeuristicResult_t *r, const Algo &a, const Problem &p)
{
    r->workspaceSize = a.workspace;
    r->state = CUBLAS_STATUS_SUCCESS;
    r->wavesCount = waves(p);
}

} // namespace lt

using namespace lt;

extern "C" {

/* No algorithm left by the preference is NOT_SUPPORTED, with 0 results. */
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *count)
{
    if (emulib::enter("cublasLtMatmulAlgoGetHeuristic")) return CUBLAS_STATUS_NOT_SUPPORTED;
    Problem p = {};
    const Preference *of_preference = preference_of(preference);
    if (!alive(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (wanted <= 0 || !results || !count) return invalid("no room for results");
    *count = 0;
    if (!of_preference) return invalid("the preference is NULL, destroyed or of another kind");
    cublasStatus_t status = make_problem(&p, desc, a, b, c, d);
    if (!status) status = check_preference(*of_preference, p);
    if (status) return status;
    const char *wanted_int8 = getenv("PE_EMU_LT_INT8");
    if (p.integers() && wanted_int8 && !strcmp(wanted_int8, "off"))
        return unsupported("no algorithm for int8: PE_EMU_LT_INT8=off");
    for (int id : ids) {
        Algo algo = algo_for(id, p);
        if (*count == wanted || !allowed(algo, p, *of_preference)) continue;
        cublasLtMatmulHeuristicResult_t *r = &results[(*count)++];
        memset(r, 0, sizeof *r);
        pack(&r->algo, algo, p);
        fill(r, algo, p);
    }
    return *count ? CUBLAS_STATUS_SUCCESS : unsupported("no algorithm for these alignments");
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *packed,
                                       cublasLtMatmulHeuristicResult_t *result)
{
    if (emulib::enter("cublasLtMatmulAlgoCheck")) return CUBLAS_STATUS_NOT_SUPPORTED;
    Problem p = {};
    Algo algo;
    if (!alive(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!packed || !result) return invalid("the algorithm or the result is NULL");
    cublasStatus_t status = make_problem(&p, desc, a, b, c, d);
    if (!status) status = unpack(&algo, *packed, p);
    if (!status) fill(result, algo, p);
    return status;
}

} // extern "C"
