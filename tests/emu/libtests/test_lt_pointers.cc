/* tests/emu/libtests/test_lt_pointers.cc - what cublasLtMatmul() demands of device memory:
 * alignment, one allocation, written before it is read, apart from what is written, and time. Read
 * next: tests/emu/libs/ltmatmul.cc. */
#include "ltcase.hh"

static const int INVALID = CUBLAS_STATUS_INVALID_VALUE, FAILED = CUBLAS_STATUS_EXECUTION_FAILED;

/* A 64 x 64 x 64 product with room for a workspace. */
struct Square {
    LtCase t;
    char *a, *b, *c, *d, *workspace;
    size_t nbytes;

    explicit Square(int64_t size = 64)
    {
        t.m = t.n = t.k = size;
        t.max_workspace = 1 << 20;
        a = (char *)numbers(CUDA_R_32F, size * size, 1);
        b = (char *)numbers(CUDA_R_32F, size * size, 2);
        c = (char *)numbers(CUDA_R_32F, size * size, 3);
        d = (char *)device((size_t)(size * size) * 4);
        check_equal(t.ask(), 0, "heuristic");
        nbytes = t.results[0].workspaceSize;
        workspace = (char *)device(nbytes + 256);
    }
    cublasStatus_t run(const float *beta = nullptr)
    {
        return t.run(a, b, c, d, nullptr, beta, workspace, nbytes, &t.results[0].algo);
    }
};

static const float ONE = 1;

static const Case nulls("NULL pointers are invalid", [] {
    Square s;
    char **places[] = { &s.a, &s.b, &s.c, &s.d };
    for (char **place : places) {
        char *kept = *place;
        *place = nullptr;
        check_equal(s.run(), INVALID, "product");
        *place = kept;
    }
    check_equal(s.run(), 0, "product");
    check_equal(cublasLtMatmul(s.t.handle, s.t.desc, nullptr, s.a, s.t.a, s.b, s.t.b, &ONE, s.c,
                               s.t.c, s.d, s.t.d, nullptr, nullptr, 0, nullptr),
                INVALID, "alpha");
});
static const Case misaligned("pointers below the algorithm's alignment are invalid", [] {
    Square s(60);
    char **places[] = { &s.a, &s.b, &s.c, &s.d };
    s.t.set(s.t.a, CUBLASLT_MATRIX_LAYOUT_COLS,
            (uint64_t)32); /* leaves room behind a shifted pointer */
    s.t.set(s.t.b, CUBLASLT_MATRIX_LAYOUT_ROWS, (uint64_t)32);
    for (cublasLtMatrixLayout_t l : { s.t.b, s.t.c, s.t.d })
        s.t.set(l, CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)32);
    check_equal(s.t.ask(), 0, "heuristic");
    for (char **place : places) {
        *place += 8;
        check_equal(s.run(), INVALID, "product with 16-byte loads");
        *place -= 8;
    }
    s.t.prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, (uint32_t)8);
    check_equal(s.t.ask(), 0, "heuristic");
    s.a += 8;
    check_equal(s.run(), 0, "product with an algorithm that takes it");
});
static const Case implicit("without an algorithm pointers are taken to be aligned", [] {
    Square s;
    s.t.set(s.t.a, CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)32);
    s.t.set(s.t.b, CUBLASLT_MATRIX_LAYOUT_ROWS, (uint64_t)32);
    check_equal(cublasLtMatmul(s.t.handle, s.t.desc, &ONE, s.a, s.t.a, s.b, s.t.b, &ONE, s.c, s.t.c,
                               s.d, s.t.d, nullptr, nullptr, 0, nullptr),
                0, "aligned");
    check_equal(cublasLtMatmul(s.t.handle, s.t.desc, &ONE, s.a + 4, s.t.a, s.b, s.t.b, &ONE, s.c,
                               s.t.c, s.d, s.t.d, nullptr, nullptr, 0, nullptr),
                INVALID, "aligned to 4 bytes");
});
static const Case odd_bytes("no algorithm takes a pointer between two elements", [] {
    LtCase t;
    t.gap = 1;
    char *p = (char *)numbers(CUDA_R_32F, 200, 1), *d = (char *)device(1024);
    check_equal(t.run(p + 2, p, d, d), INVALID, "product");
});
static const Case int8_align("int8 matrices are aligned to 4 bytes", [] {
    LtCase t = int8_case();
    t.gap = 4;
    t.align = 4;
    char *p = (char *)numbers(CUDA_R_8I, 400, 1), *d = (char *)device(1024);
    check_equal(t.run(p + 4, p, d, d), 0, "product");
    check_equal(t.run(p + 2, p, d, d), INVALID, "product");
});
static const Case workspaces("the workspace is large enough and aligned to 256 bytes", [] {
    Square s;
    s.nbytes--;
    check_equal(s.run(), INVALID, "too small");
    s.nbytes = 0;
    check_equal(s.run(), INVALID, "none");
    s.nbytes = s.t.results[0].workspaceSize;
    s.workspace += 16;
    check_equal(s.run(), INVALID, "misaligned");
    s.workspace = nullptr;
    check_equal(s.run(), INVALID, "NULL");
});
static const Broken workspace_short("a workspace shorter than it is said to be is seen",
                                    "the workspace at", [] {
                                        Square s;
                                        s.workspace = (char *)device(4096);
                                        check_equal(s.run(), FAILED, "product");
                                    });

static const Broken a_short("A past its allocation is seen", "bytes of A at", [] {
    Square s;
    s.a = (char *)numbers(CUDA_R_32F, 64 * 64 - 1, 1);
    check_equal(s.run(), FAILED, "product");
});
static const Broken b_ld("a leading dimension that leads past the allocation is seen",
                         "bytes of B at", [] {
                             Square s;
                             s.t.set(s.t.b, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)68);
                             check_equal(s.run(), FAILED, "product");
                         });
static const Broken batch_short("a batch past the allocation is seen", "bytes of D at", [] {
    LtCase t;
    t.batch = 3;
    void *p = numbers(CUDA_R_32F, 96 * 3, 1), *c = numbers(CUDA_R_32F, 96, 2);
    check_equal(t.run(p, p, c, device(2 * 32 * 4)), FAILED, "product");
});
static const Broken on_host("host memory is no device memory", "bytes of A at", [] {
    Square s;
    alignas(256) static float numbers_here[64 * 64];
    s.a = (char *)numbers_here;
    check_equal(s.run(), FAILED, "product");
});
static const Broken bias_short("a bias shorter than the rows of D is seen", "bytes of bias at", [] {
    LtCase t;
    t.epilogue = CUBLASLT_EPILOGUE_BIAS;
    t.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, (const void *)numbers(CUDA_R_32F, 7, 1));
    void *p = numbers(CUDA_R_32F, 96, 1), *d = device(128);
    check_equal(t.run(p, p, d, d), FAILED, "product");
});
static const Case no_bias("a bias epilogue without a bias is invalid", [] {
    LtCase t;
    t.epilogue = CUBLASLT_EPILOGUE_BIAS;
    void *p = numbers(CUDA_R_32F, 96, 1), *d = device(128);
    check_equal(t.run(p, p, d, d), INVALID, "product");
});
static const Broken alphas_short("alphas fewer than the rows of D are seen", "bytes of alpha at",
                                 [] {
                                     LtCase t = int8_case();
                                     t.cd = CUDA_R_8I;
                                     t.scale = CUDA_R_32F;
                                     t.pointer_mode =
                                         CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
                                     void *p = numbers(CUDA_R_8I, 96, 1), *d = device(32);
                                     check_equal(t.run(p, p, d, d, numbers(CUDA_R_32F, 7, 1)),
                                                 FAILED, "product");
                                 });
static const Broken host_alpha("alpha in host memory is seen in device mode", "bytes of alpha at",
                               [] {
                                   LtCase t;
                                   t.pointer_mode = CUBLASLT_POINTER_MODE_DEVICE;
                                   void *p = numbers(CUDA_R_32F, 96, 1), *d = device(128);
                                   check_equal(t.run(p, p, d, d, &ONE, &ONE), FAILED, "product");
                               });

static const Broken a_unwritten("A that was never written is seen", "A was not written", [] {
    Square s;
    s.a = (char *)device(64 * 64 * 4);
    check_equal(s.run(), 0, "product");
});
static const Broken b_partly("B that was written in part is seen",
                             "B was not written, not all of it", [] {
                                 Square s;
                                 s.b = (char *)device(64 * 64 * 4);
                                 std::vector<float> most(64 * 64 - 1, 1.0f);
                                 cudaMemcpy(s.b, most.data(), most.size() * 4,
                                            cudaMemcpyHostToDevice);
                                 check_equal(s.run(), 0, "product");
                             });
static const Broken c_unwritten("C that was never written is seen with a beta", "C was not written",
                                [] {
                                    Square s;
                                    s.c = (char *)device(64 * 64 * 4);
                                    check_equal(s.run(&ONE), 0, "product");
                                });
static const Case c_unread("C is not read with a beta of 0", [] {
    Square s;
    s.c = s.d;
    check_equal(s.run(), 0, "product");
    check_equal((long long)host<float>(s.d, 64 * 64).size(), 64 * 64, "D can be read");
});
static const Broken c_later("a beta on the device is looked at when the work runs",
                            "C was not written", [] {
                                LtCase t;
                                t.pointer_mode = CUBLASLT_POINTER_MODE_DEVICE;
                                void *p = numbers(CUDA_R_32F, 96, 1), *one = device(&ONE, 4);
                                check_equal(t.run(p, p, device(128), device(128), one, one), 0,
                                            "product");
                            });
static const Case gaps_unread("what lies between columns need not be written", [] {
    LtCase t;
    t.gap = 4;
    char *a = (char *)device(12 * 12 * 4);
    std::vector<float> column(8, 1.0f);
    for (int j = 0; j < 12; j++)
        cudaMemcpy(a + j * 12 * 4, column.data(), 32, cudaMemcpyHostToDevice);
    void *d = device(12 * 4 * 4);
    check_equal(t.run(a, numbers(CUDA_R_32F, 16 * 4, 2), d, d), 0, "product");
});
static const Broken gap_read("gaps of D are not written", "A was not written", [] {
    LtCase t;
    t.gap = 4;
    t.m = t.n = t.k = 8;
    void *p = numbers(CUDA_R_32F, 96, 1), *d = device(96 * 4);
    check_equal(t.run(p, p, d, d), 0, "product");
    LtCase whole;
    whole.m = 12;
    whole.n = whole.k = 8;
    void *e = device(96 * 4);
    check_equal(whole.run(d, p, e, e), 0, "product");
});

static const Broken inside("D inside A is seen", "A overlaps D", [] {
    Square s;
    s.d = s.a;
    check_equal(s.run(), FAILED, "product");
});
static const Broken partly("D over a part of C is seen", "C overlaps D", [] {
    Square s(32);
    s.c = (char *)numbers(CUDA_R_32F, 64 * 64, 3);
    s.d = s.c + 32 * 4;
    check_equal(s.run(&ONE), FAILED, "product");
});
static const Case other_layout("C in place has the layout of D", [] {
    Square s(32);
    s.c = s.d = (char *)numbers(CUDA_R_32F, 64 * 64, 3);
    s.t.set(s.t.c, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)36);
    check_equal(s.t.ask(), 0, "heuristic");
    check_equal(s.run(&ONE), INVALID, "product");
});
static const Broken workspace_inside("a workspace inside B is seen", "B overlaps the workspace",
                                     [] {
                                         Square s;
                                         char *both =
                                             (char *)numbers(CUDA_R_32F, 64 * 64 + (1 << 18), 2);
                                         s.b = s.workspace = both;
                                         check_equal(s.run(), FAILED, "product");
                                     });
static const Broken batches_overlap(
    "matrices of D that overlap each other are seen", "overlap each other", [] {
        LtCase t;
        t.batch = 2;
        t.make();
        t.set(t.d, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, (int64_t)16);
        t.set(t.c, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, (int64_t)16);
        void *p = numbers(CUDA_R_32F, 192, 1), *d = device(1024);
        check_equal(t.run(p, p, d, d), FAILED, "product");
    });
static const Case between("D in the gaps of A is fine", [] {
    LtCase t;
    t.m = t.n = t.k = 8;
    t.make();
    for (cublasLtMatrixLayout_t l : { t.a, t.c, t.d })
        t.set(l, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)16);
    char *both = (char *)numbers(CUDA_R_32F, 128, 1);
    check_equal(t.run(both, numbers(CUDA_R_32F, 64, 2), both + 32, both + 32), 0, "product");
});

static const Case deferred("nothing happens before something waits", [] {
    Square s;
    cudaStream_t stream;
    check_equal(cudaStreamCreate(&stream), 0, "stream");
    check_equal(s.t.run(s.a, s.b, s.c, s.d, nullptr, nullptr, s.workspace, s.nbytes,
                        &s.t.results[0].algo, stream),
                0, "product");
    check(!was_written(s.d, 64 * 64 * 4), "D is not there yet");
    check_equal(cudaStreamSynchronize(stream), 0, "wait");
    check(was_written(s.d, 64 * 64 * 4), "D is there");
});
static const Case no_stream("a stream that does not exist fails", [] {
    Square s;
    cudaStream_t stream;
    check_equal(cudaStreamCreate(&stream), 0, "stream");
    check_equal(cudaStreamDestroy(stream), 0, "destroy");
    check_equal(s.t.run(s.a, s.b, s.c, s.d, nullptr, nullptr, s.workspace, s.nbytes,
                        &s.t.results[0].algo, stream),
                FAILED, "product");
});
static const Case early_alpha("alpha and beta of the host are read in the call", [] {
    LtCase t;
    float alpha = 1, beta = 0;
    void *a = numbers(CUDA_R_32F, 96, 1), *b = numbers(CUDA_R_32F, 48, 2), *d = device(128),
         *e = device(128);
    check_equal(t.run(a, b, d, d, &alpha, &beta), 0, "product");
    alpha = 7;
    check_equal(t.run(a, b, e, e), 0, "product");
    check(host<float>(d, 32) == host<float>(e, 32), "the same");
});
