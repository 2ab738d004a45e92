/* lib/backend/cuda/memory_cuda.c - device memory: slabs for what lives long, a pool for what lives
 * for one call, a limit over both, and how much was in use at most. Read next:
 * lib/backend/cuda/ops_cuda.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"

/* Weights are hundreds of blocks: cut from slabs they cost few calls of the driver and lie
 * together. Large ones have a slab of their own, so that it goes when they go. */
#define SLAB  ((size_t)64 << 20)
#define LARGE ((size_t)16 << 20)
#define ALIGN 256u

struct pe_slab {
    pe_slab *next;
    char *base;
    size_t nbytes, used, live; /* live: blocks not yet released */
};

/* With the lock held. The driver is asked for less at first where the limit is near. */
static pe_status add_slab(pe_slab **out, pe_cuda *d, size_t nbytes, const char *what, pe_error *err)
{
    if (nbytes > d->limit || d->used > d->limit - nbytes)
        return pe_fail(err, PE_E_NOMEM,
                       "device %s: %s: %zu bytes do not fit: %llu of %llu bytes are in use; use a "
                       "smaller --batch or raise --max-vram",
                       d->name, what, nbytes, (unsigned long long)d->used,
                       (unsigned long long)d->limit);
    pe_slab *s = calloc(1, sizeof *s);
    if (!s) return pe_fail_nomem(err, what, sizeof *s);
    pe_status st = pe_cuda_check(cudaMalloc((void **)&s->base, nbytes), d, what, err);
    if (st) {
        free(s);
        return st;
    }
    s->nbytes = nbytes;
    s->next = d->slabs;
    d->slabs = s;
    d->used += nbytes;
    if (d->used > d->peak) d->peak = d->used;
    *out = s;
    return PE_OK;
}

static size_t slab_size(const pe_cuda *d, size_t nbytes)
{
    if (nbytes >= LARGE) return nbytes;
    return d->limit - d->used >= SLAB ? SLAB : nbytes;
}

pe_status pe_cuda_alloc(const pe_backend *b, void **out, size_t nbytes, const char *what,
                        pe_error *err)
{
    pe_cuda *d = pe_cuda_of(b);
    if (nbytes > SIZE_MAX / 4) return pe_fail_nomem(err, what, nbytes);
    nbytes = pe_round_up(nbytes ? nbytes : 1, ALIGN);
    (void)pthread_mutex_lock(&d->lock);
    pe_status st = pe_cuda_check(cudaSetDevice(d->index), d, what, err);
    pe_slab *s = d->slabs;
    while (!st && s && s->nbytes - s->used < nbytes) s = s->next;
    if (!st && !s) st = add_slab(&s, d, slab_size(d, nbytes), what, err);
    if (!st) {
        *out = s->base + s->used;
        s->used += nbytes;
        s->live++;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return st;
}

void pe_cuda_release(const pe_backend *b, void *p)
{
    pe_cuda *d = pe_cuda_of(b);
    if (!p) return;
    (void)pthread_mutex_lock(&d->lock);
    pe_cuda_sparse_forget(d, p);
    pe_slab **at = &d->slabs;
    while (*at && ((char *)p < (*at)->base || (char *)p >= (*at)->base + (*at)->nbytes))
        at = &(*at)->next;
    pe_slab *s = *at;
    if (s && --s->live == 0) {
        *at = s->next;
        d->used -= s->nbytes;
        (void)cudaFree(s->base); /* waits for what still uses it */
        free(s);
    }
    (void)pthread_mutex_unlock(&d->lock);
}

pe_status pe_cuda_upload(pe_queue *q, void *dst, const void *src, size_t nbytes, pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    if (!nbytes) return PE_OK;
    return pe_cuda_check(cudaMemcpyAsync(dst, src, nbytes, cudaMemcpyHostToDevice,
                                         pe_cuda_stream(q)),
                         d, "copy to the device", err);
}

pe_status pe_cuda_download(pe_queue *q, void *dst, const void *src, size_t nbytes, pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    if (!nbytes) return PE_OK;
    return pe_cuda_check(cudaMemcpyAsync(dst, src, nbytes, cudaMemcpyDeviceToHost,
                                         pe_cuda_stream(q)),
                         d, "copy from the device", err);
}

pe_status pe_cuda_sync(pe_queue *q, pe_error *err)
{
    return pe_cuda_check(cudaStreamSynchronize(pe_cuda_stream(q)), pe_cuda_of(q->backend),
                         "waiting for the device", err);
}

pe_status pe_cuda_open_queue(pe_queue *q, pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    cudaStream_t s = NULL;
    pe_status st = pe_cuda_check(cudaSetDevice(d->index), d, "stream", err);
    if (!st)
        st = pe_cuda_check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), d, "stream", err);
    q->stream = s;
    return st;
}

void pe_cuda_close_queue(pe_queue *q)
{
    if (q->stream) (void)cudaStreamDestroy((cudaStream_t)q->stream);
    q->stream = NULL;
}

/* ---- for one call ---------------------------------------------------------------------------- */

pe_status pe_cuda_borrow(void **out, const pe_queue *q, size_t nbytes, const char *what,
                         pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    *out = NULL;
    if (!nbytes) nbytes = ALIGN;
    return pe_cuda_check(cudaMallocFromPoolAsync(out, nbytes, d->pool, pe_cuda_stream(q)), d, what,
                         err);
}

void pe_cuda_return(void *p, const pe_queue *q)
{
    if (p) (void)cudaFreeAsync(p, pe_cuda_stream(q));
}

/* The pool keeps what it has until the process ends: the default gives memory back at every
 * synchronization and asks for it again. */
pe_status pe_cuda_memory_open(pe_cuda *d, uint64_t max_nbytes, pe_error *err)
{
    struct cudaMemPoolProps props = { .allocType = cudaMemAllocationTypePinned,
                                      .location = { .type = cudaMemLocationTypeDevice,
                                                    .id = d->index } };
    uint64_t keep = UINT64_MAX;
    size_t available = 0, total = 0;
    (void)pthread_mutex_init(&d->lock, NULL);
    pe_status st = pe_cuda_check(cudaMemGetInfo(&available, &total), d, "free memory", err);
    if (!st) st = pe_cuda_check(cudaMemPoolCreate(&d->pool, &props), d, "memory pool", err);
    if (!st)
        st = pe_cuda_check(cudaMemPoolSetAttribute(d->pool, cudaMemPoolAttrReleaseThreshold, &keep),
                           d, "memory pool", err);
    d->limit = max_nbytes && max_nbytes < available ? max_nbytes : available;
    return st;
}

uint64_t pe_cuda_high_water(const pe_backend *b)
{
    pe_cuda *d = pe_cuda_of(b);
    uint64_t pool = 0;
    if (cudaMemPoolGetAttribute(d->pool, cudaMemPoolAttrUsedMemHigh, &pool) != cudaSuccess)
        pool = 0;
    (void)pthread_mutex_lock(&d->lock);
    uint64_t peak = d->peak + pool;
    (void)pthread_mutex_unlock(&d->lock);
    return peak;
}
