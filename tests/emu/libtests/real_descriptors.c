/* tests/emu/libtests/real_descriptors.c - what cuBLASLt and cuSPARSE answer without a GPU about
 * every descriptor that a backend makes, and about those they refuse. Built with NVIDIA's libraries
 * and with the stand-ins; run.sh compares what the two print. Read next: tests/emu/libs/ltdesc.cc,
 * spcreate.cc. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cublasLt.h>
#include <cusparse.h>

/* Never read: the constructors look at addresses only. */
static _Alignas(256) char memory[4][256];
#define OFFSETS ((void *)memory[0])
#define INDICES ((void *)memory[1])
#define VALUES  ((void *)memory[2])

static const cusparseIndexType_t I16 = CUSPARSE_INDEX_16U, I32 = CUSPARSE_INDEX_32I,
                                 I64 = CUSPARSE_INDEX_64I;
static const cusparseIndexBase_t ZERO = CUSPARSE_INDEX_BASE_ZERO;
static const cudaDataType TYPES[] = { CUDA_R_32F, CUDA_R_16F, CUDA_R_16BF, CUDA_R_8I, CUDA_R_32I };
enum { NTYPES = sizeof TYPES / sizeof *TYPES };

static void said(const char *what, long long status)
{
    printf("%s: %lld\n", what, status);
}

static void layouts(void)
{
    static const int64_t shapes[][3] = {
        { 768, 768, 768 }, { 1, 1, 1 }, { 5, 3, 7 }, { 12, 77, 12 }
    };
    static const int32_t orders[] = { CUBLASLT_ORDER_COL, CUBLASLT_ORDER_ROW,
                                      CUBLASLT_ORDER_COL32 };
    for (int t = 0; t < NTYPES; t++) {
        for (int s = 0; s < 4; s++) {
            cublasLtMatrixLayout_t l = NULL;
            int64_t stride = 4096, got = 0;
            int32_t batch = 12;
            size_t n = 0;
            said("layout", cublasLtMatrixLayoutCreate(&l, TYPES[t], (uint64_t)shapes[s][0],
                                                      (uint64_t)shapes[s][1], shapes[s][2]));
            for (int o = 0; o < 3; o++)
                said("order", cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_ORDER,
                                                               &orders[o], sizeof orders[o]));
            said("batch", cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                           &batch, sizeof batch));
            said("stride", cublasLtMatrixLayoutSetAttribute(
                               l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, 8));
            said("get ld",
                 cublasLtMatrixLayoutGetAttribute(l, CUBLASLT_MATRIX_LAYOUT_LD, &got, 8, &n));
            said("ld", got);
            said("ld bytes", (long long)n);
            said("destroy", cublasLtMatrixLayoutDestroy(l));
        }
    }
}

/* Sizes of all attributes and their defaults, as far as they fit 8 bytes. */
static void attributes(cublasLtMatrixLayout_t l, cublasLtMatmulDesc_t d,
                       cublasLtMatmulPreference_t p)
{
    for (int a = 0; a < 40; a++) {
        if (a == 16) continue; /* not in the header */
        int64_t value[3] = { 0, 0, 0 };
        size_t n[3] = { 0, 0, 0 };
        said("layout size", cublasLtMatrixLayoutGetAttribute(l, a, NULL, 0, &n[0]));
        said("desc size", cublasLtMatmulDescGetAttribute(d, a, NULL, 0, &n[1]));
        said("preference size", cublasLtMatmulPreferenceGetAttribute(p, a, NULL, 0, &n[2]));
        if (n[0]) said("layout get", cublasLtMatrixLayoutGetAttribute(l, a, &value[0], n[0], NULL));
        if (n[1]) said("desc get", cublasLtMatmulDescGetAttribute(d, a, &value[1], n[1], NULL));
        if (n[2])
            said("preference get",
                 cublasLtMatmulPreferenceGetAttribute(p, a, &value[2], n[2], NULL));
        for (int i = 0; i < 3; i++)
            printf("attribute %d: %zu bytes, default %lld\n", a, n[i], (long long)value[i]);
        said("layout wrong size", cublasLtMatrixLayoutSetAttribute(l, a, value, n[0] + 1));
        said("desc wrong size", cublasLtMatmulDescSetAttribute(d, a, value, n[1] + 1));
        said("preference wrong size", cublasLtMatmulPreferenceSetAttribute(p, a, value, n[2] + 1));
    }
}

static void descriptors(void)
{
    static const struct {
        cublasComputeType_t compute;
        cudaDataType scale;
    } kinds[] = { { CUBLAS_COMPUTE_32F, CUDA_R_32F },
                  { CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F },
                  { CUBLAS_COMPUTE_32I, CUDA_R_32I },
                  { CUBLAS_COMPUTE_32I, CUDA_R_32F } };
    for (int k = 0; k < 4; k++) {
        cublasLtMatmulDesc_t d = NULL;
        int32_t op = CUBLAS_OP_T, mode = CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
        uint32_t epilogue = CUBLASLT_EPILOGUE_GELU_BIAS;
        const void *bias = VALUES;
        said("desc", cublasLtMatmulDescCreate(&d, kinds[k].compute, kinds[k].scale));
        said("transa", cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_TRANSA, &op, 4));
        said("pointer mode",
             cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_POINTER_MODE, &mode, 4));
        said("epilogue",
             cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, 4));
        said("bias", cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                                    sizeof bias));
        said("destroy", cublasLtMatmulDescDestroy(d));
    }
}

static void lt_refusals(void)
{
    cublasLtMatrixLayout_t l = NULL;
    cublasLtMatmulDesc_t d = NULL;
    cublasLtMatmulPreference_t p = NULL;
    cublasLtMatrixLayoutOpaque_t place;
    cublasLtMatmulHeuristicResult_t result;
    int32_t value = 1;
    int n = 0;
    said("no place: layout", cublasLtMatrixLayoutCreate(NULL, CUDA_R_32F, 1, 1, 1));
    said("no place: desc", cublasLtMatmulDescCreate(NULL, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    said("no place: preference", cublasLtMatmulPreferenceCreate(NULL));
    said("no room", cublasLtMatrixLayoutInit_internal(&place, 8, CUDA_R_32F, 1, 1, 1));
    said("init nowhere",
         cublasLtMatrixLayoutInit_internal(NULL, sizeof place, CUDA_R_32F, 1, 1, 1));
    said("get of nothing",
         cublasLtMatrixLayoutGetAttribute(NULL, CUBLASLT_MATRIX_LAYOUT_ORDER, &value, 4, NULL));
    said("init", cublasLtMatrixLayoutInit(&place, CUDA_R_32F, 1, 1, 1));
    said("layout", cublasLtMatrixLayoutCreate(&l, CUDA_R_32F, 8, 8, 8));
    said("desc", cublasLtMatmulDescCreate(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    said("preference", cublasLtMatmulPreferenceCreate(&p));
    attributes(l, d, p);
    said("no value", cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_ORDER, NULL, 4));
    said("no layout",
         cublasLtMatrixLayoutSetAttribute(NULL, CUBLASLT_MATRIX_LAYOUT_ORDER, &value, 4));
    said("no desc", cublasLtMatmulDescSetAttribute(NULL, CUBLASLT_MATMUL_DESC_TRANSA, &value, 4));
    said("no handle", cublasLtMatmulAlgoGetHeuristic(NULL, d, l, l, l, l, p, 1, &result, &n));
    said("destroy", cublasLtMatmulPreferenceDestroy(p));
    said("destroy", cublasLtMatmulDescDestroy(d));
    said("destroy", cublasLtMatrixLayoutDestroy(l));
    said("destroy NULL", cublasLtMatrixLayoutDestroy(NULL));
    said("destroy no handle", cublasLtDestroy(NULL));
    said("create without a place", cublasLtCreate(NULL));
    for (int s = 0; s < 18; s++)
        printf("status %d: %s, %s\n", s, cublasLtGetStatusName(s), cublasLtGetStatusString(s));
    said("version", (long long)cublasLtGetVersion());
}

/* Sparse matrices that a backend makes, of all types. */
static void sparse_matrices(void)
{
    for (int t = 0; t < NTYPES; t++) {
        cusparseSpMatDescr_t m = NULL;
        cusparseConstSpMatDescr_t c = NULL;
        cudaDataType type = TYPES[t];
        said("csr",
             cusparseCreateCsr(&m, 77, 129, 40, OFFSETS, INDICES, VALUES, I32, I32, ZERO, type));
        said("destroy", cusparseDestroySpMat(m));
        said("const csr", cusparseCreateConstCsr(&c, 77, 129, 40, OFFSETS, INDICES, VALUES, I64,
                                                 I64, ZERO, type));
        said("destroy", cusparseDestroySpMat(c));
        said("csc",
             cusparseCreateCsc(&m, 77, 129, 40, OFFSETS, INDICES, VALUES, I32, I32, ZERO, type));
        said("destroy", cusparseDestroySpMat(m));
        said("coo", cusparseCreateCoo(&m, 77, 129, 40, OFFSETS, INDICES, VALUES, I32, ZERO, type));
        said("destroy", cusparseDestroySpMat(m));
        for (int64_t block = 16; block <= 64; block *= 2) {
            int64_t rows = 0, cols = 0, nnz = 0;
            said("bsr", cusparseCreateBsr(&m, 5, 7, 9, block, block, OFFSETS, INDICES, VALUES, I32,
                                          I32, ZERO, type, CUSPARSE_ORDER_ROW));
            said("size", cusparseSpMatGetSize(m, &rows, &cols, &nnz));
            printf("%lld x %lld, %lld\n", (long long)rows, (long long)cols, (long long)nnz);
            said("destroy", cusparseDestroySpMat(m));
            said("ell", cusparseCreateBlockedEll(&m, 5 * block, 7 * block, block, 3 * block,
                                                 INDICES, VALUES, I32, ZERO, type));
            said("size", cusparseSpMatGetSize(m, &rows, &cols, &nnz));
            printf("%lld x %lld, %lld\n", (long long)rows, (long long)cols, (long long)nnz);
            said("destroy", cusparseDestroySpMat(m));
        }
    }
}

static void dense_matrices(void)
{
    for (int t = 0; t < NTYPES; t++) {
        cusparseDnMatDescr_t m = NULL;
        cusparseDnVecDescr_t v = NULL;
        for (int order = 0; order < 4; order++) {
            for (int64_t ld = 2; ld < 6; ld++) {
                cusparseStatus_t status =
                    cusparseCreateDnMat(&m, 3, 5, ld, VALUES, TYPES[t], (cusparseOrder_t)order);
                said("dense", status);
                if (!status) said("destroy", cusparseDestroyDnMat(m));
            }
        }
        said("vector", cusparseCreateDnVec(&v, 5, VALUES, TYPES[t]));
        said("values", cusparseDnVecSetValues(v, INDICES));
        said("destroy", cusparseDestroyDnVec(v));
        said("negative", cusparseCreateDnVec(&v, -5, VALUES, TYPES[t]));
        said("negative", cusparseCreateDnMat(&m, -3, 5, 5, VALUES, TYPES[t], CUSPARSE_ORDER_ROW));
    }
}

/* Each argument of a CSR matrix spoilt by itself. */
static cusparseStatus_t csr(int64_t rows, int64_t cols, int64_t nnz, int shift[3],
                            cusparseIndexType_t of_offsets, cusparseIndexType_t of_columns,
                            int base, cudaDataType type)
{
    cusparseSpMatDescr_t m = NULL;
    cusparseStatus_t status =
        cusparseCreateCsr(&m, rows, cols, nnz, memory[0] + shift[0], memory[1] + shift[1],
                          memory[2] + shift[2], of_offsets, of_columns, (cusparseIndexBase_t)base,
                          type);
    if (!status) cusparseDestroySpMat(m);
    return status;
}

static void csr_refusals(void)
{
    static const cusparseIndexType_t index_types[] = { I16, I32, I64, (cusparseIndexType_t)9 };
    int none[3] = { 0, 0, 0 };
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            said("csr index types",
                 csr(4, 4, 6, none, index_types[i], index_types[j], 0, CUDA_R_16F));
    for (int type = 0; type < 36; type++)
        said("csr type", csr(4, 4, 6, none, I32, I32, 0, (cudaDataType)type));
    for (int base = -1; base < 3; base++)
        said("csr base", csr(4, 4, 6, none, I32, I32, base, CUDA_R_32F));
    for (int array = 0; array < 3; array++) {
        for (int by = 1; by <= 8; by *= 2) {
            int shift[3] = { 0, 0, 0 };
            shift[array] = by;
            said("csr misaligned", csr(4, 4, 6, shift, I32, I32, 0, CUDA_R_32F));
        }
    }
    said("csr sizes", csr(-4, 4, 6, none, I32, I32, 0, CUDA_R_32F));
    said("csr sizes", csr(4, -4, 6, none, I32, I32, 0, CUDA_R_32F));
    said("csr sizes", csr(4, 4, -6, none, I32, I32, 0, CUDA_R_32F));
    said("csr sizes", csr(4, 4, 17, none, I32, I32, 0, CUDA_R_32F));
    said("csr sizes", csr(0, 4, 0, none, I32, I32, 0, CUDA_R_32F));
    said("csr sizes", csr((int64_t)1 << 31, 4, 6, none, I32, I32, 0, CUDA_R_32F));
    said("csr sizes", csr((int64_t)1 << 31, 4, 6, none, I64, I64, 0, CUDA_R_32F));
}

static void block_refusals(void)
{
    static const int64_t ells[][4] = { { 8, 8, 2, 4 },     { 7, 8, 2, 4 },    { 8, 7, 2, 4 },
                                       { 8, 8, 2, 3 },     { 8, 8, 2, 10 },   { 8, 8, 2, 0 },
                                       { 8, 8, 0, 0 },     { 8, 8, 0, 4 },    { 9, 9, 3, 6 },
                                       { 0, 8, 2, 4 },     { 8, 0, 2, 0 },    { 8, 8, 16, 16 },
                                       { -8, 8, 2, 4 },    { 8, 8, -2, 4 },   { 8, 8, 2, -4 },
                                       { 64, 64, 64, 64 }, { 96, 64, 32, 64 } };
    static const int64_t bsrs[][2] = { { 2, 2 },   { 2, 4 }, { 4, 2 }, { 0, 0 },
                                       { -2, -2 }, { 1, 1 }, { 7, 7 } };
    cusparseSpMatDescr_t m;
    for (size_t i = 0; i < sizeof ells / sizeof *ells; i++)
        said("ell", cusparseCreateBlockedEll(&m, ells[i][0], ells[i][1], ells[i][2], ells[i][3],
                                             INDICES, VALUES, I32, ZERO, CUDA_R_16F));
    said("ell 16-bit",
         cusparseCreateBlockedEll(&m, 8, 8, 2, 4, INDICES, VALUES, I16, ZERO, CUDA_R_16F));
    said("ell 64-bit",
         cusparseCreateBlockedEll(&m, 8, 8, 2, 4, INDICES, VALUES, I64, ZERO, CUDA_R_8I));
    for (size_t i = 0; i < sizeof bsrs / sizeof *bsrs; i++)
        said("bsr", cusparseCreateBsr(&m, 4, 4, 6, bsrs[i][0], bsrs[i][1], OFFSETS, INDICES, VALUES,
                                      I32, I32, ZERO, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    for (int order = -1; order < 4; order++)
        said("bsr order", cusparseCreateBsr(&m, 4, 4, 6, 2, 2, OFFSETS, INDICES, VALUES, I32, I32,
                                            ZERO, CUDA_R_32F, (cusparseOrder_t)order));
    said("bsr mixed", cusparseCreateBsr(&m, 4, 4, 6, 2, 2, OFFSETS, INDICES, VALUES, I32, I16, ZERO,
                                        CUDA_R_32F, CUSPARSE_ORDER_ROW));
    said("bsr too many", cusparseCreateBsr(&m, 4, 4, 17, 2, 2, OFFSETS, INDICES, VALUES, I32, I32,
                                           ZERO, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    said("coo 16-bit",
         cusparseCreateCoo(&m, 4, 4, 6, OFFSETS, INDICES, VALUES, I16, ZERO, CUDA_R_32F));
    said("coo too many",
         cusparseCreateCoo(&m, 4, 4, 17, OFFSETS, INDICES, VALUES, I32, ZERO, CUDA_R_32F));
    said("csc mixed",
         cusparseCreateCsc(&m, 4, 4, 6, OFFSETS, INDICES, VALUES, I64, I32, ZERO, CUDA_R_32F));
    said("fp8",
         cusparseCreateCoo(&m, 4, 4, 6, OFFSETS, INDICES, VALUES, I32, ZERO, CUDA_R_8F_E4M3));
}

/* Without a place for the descriptor, with other types and off the elements' alignment. */
static void other_refusals(void)
{
    cusparseDnMatDescr_t m = NULL;
    cusparseDnVecDescr_t v = NULL;
    said("no csr",
         cusparseCreateCsr(NULL, 4, 4, 6, OFFSETS, INDICES, VALUES, I32, I32, ZERO, CUDA_R_32F));
    said("no csc",
         cusparseCreateCsc(NULL, 4, 4, 6, OFFSETS, INDICES, VALUES, I32, I32, ZERO, CUDA_R_32F));
    said("no coo",
         cusparseCreateCoo(NULL, 4, 4, 6, OFFSETS, INDICES, VALUES, I32, ZERO, CUDA_R_32F));
    said("no bsr", cusparseCreateBsr(NULL, 4, 4, 6, 2, 2, OFFSETS, INDICES, VALUES, I32, I32, ZERO,
                                     CUDA_R_32F, CUSPARSE_ORDER_ROW));
    said("no ell",
         cusparseCreateBlockedEll(NULL, 8, 8, 2, 4, INDICES, VALUES, I32, ZERO, CUDA_R_16F));
    said("no dense", cusparseCreateDnMat(NULL, 3, 5, 5, VALUES, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    said("no vector", cusparseCreateDnVec(NULL, 5, VALUES, CUDA_R_32F));
    said("no vector", cusparseDnVecSetValues(NULL, VALUES));
    said("no dense", cusparseDnMatSetValues(NULL, VALUES));
    said("no values", cusparseSpMatSetValues(NULL, VALUES));
    for (int type = 0; type < 36; type++) {
        cudaDataType t = (cudaDataType)type;
        said("dense type", cusparseCreateDnMat(&m, 3, 5, 5, VALUES, t, CUSPARSE_ORDER_ROW));
        said("vector type", cusparseCreateDnVec(&v, 5, VALUES, t));
        for (int by = 1; by <= 8; by *= 2) {
            said("dense off",
                 cusparseCreateDnMat(&m, 3, 5, 5, memory[2] + by, t, CUSPARSE_ORDER_ROW));
            said("vector off", cusparseCreateDnVec(&v, 5, memory[2] + by, t));
        }
    }
}

/* What a conversion from dense goes through: no entries yet, then pointers. */
static void pointers(void)
{
    cusparseSpMatDescr_t m = NULL;
    int64_t n = 0;
    int version = 0;
    said("empty", cusparseCreateCsr(&m, 4, 4, 0, OFFSETS, NULL, NULL, I32, I32, ZERO, CUDA_R_16F));
    said("set", cusparseCsrSetPointers(m, OFFSETS, INDICES, VALUES));
    said("set NULL", cusparseCsrSetPointers(m, OFFSETS, NULL, NULL));
    said("set of another", cusparseCooSetPointers(m, OFFSETS, INDICES, VALUES));
    said("set of another", cusparseCscSetPointers(m, OFFSETS, INDICES, VALUES));
    said("values", cusparseSpMatSetValues(m, VALUES));
    said("no place", cusparseSpMatGetSize(m, NULL, &n, &n));
    said("no matrix", cusparseSpMatGetSize(NULL, &n, &n, &n));
    said("no matrix", cusparseCsrSetPointers(NULL, OFFSETS, INDICES, VALUES));
    said("destroy", cusparseDestroySpMat(m));
    said("destroy NULL", cusparseDestroySpMat(NULL));
    said("destroy NULL", cusparseDestroyDnMat(NULL));
    said("destroy NULL", cusparseDestroyDnVec(NULL));
    said("destroy no handle", cusparseDestroy(NULL));
    said("no handle", cusparseSetStream(NULL, 0));
    said("no handle", cusparseSetPointerMode(NULL, CUSPARSE_POINTER_MODE_HOST));
    said("no place", cusparseCreate(NULL));
    said("no handle", cusparseGetVersion(NULL, &version));
    for (int s = -1; s < 13; s++)
        printf("status %d: %s, %s\n", s, cusparseGetErrorName((cusparseStatus_t)s),
               cusparseGetErrorString((cusparseStatus_t)s));
}

int main(void)
{
    cublasLtHandle_t lt = NULL;
    cusparseHandle_t sp = NULL;
    layouts();
    descriptors();
    lt_refusals();
    sparse_matrices();
    dense_matrices();
    csr_refusals();
    block_refusals();
    other_refusals();
    pointers();
    said("cublasLtCreate without a device", cublasLtCreate(&lt));
    said("cusparseCreate without a device", cusparseCreate(&sp));
    return 0;
}
