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
/* What the pool may keep when nothing is lent: a workspace that each product asks for anew. */
#define POOL_KEEPS ((uint64_t)2 * PE_CUDA_WORKSPACE)

struct pe_slab {
    pe_slab *next;
    char *base;
    size_t nbytes, used, live; /* live: blocks not yet released; one slab may be kept without any */
};

struct pe_loan {
    pe_loan *next;
    void *p;
    size_t nbytes;
};

/* ---- the limit; all of this with the memory lock held ---------------------------------------- */

static void drop_slab(pe_cuda *d, pe_slab **at)
{
    pe_slab *s = *at;
    *at = s->next;
    d->used -= s->nbytes;
    (void)cudaFree(s->base); /* waits for what still uses it */
    free(s);
}

static void drop_empty(pe_cuda *d)
{
    for (pe_slab **at = &d->slabs; *at;)
        if ((*at)->live == 0) drop_slab(d, at);
        else at = &(*at)->next;
}

/* What is kept for later goes back to the card. The pool lets go only of what the host has seen
 * done. */
static void give_back(pe_cuda *d)
{
    drop_empty(d);
    (void)cudaDeviceSynchronize();
    (void)cudaMemPoolTrimTo(d->pool, 0);
}

static bool fits(const pe_cuda *d, uint64_t nbytes)
{
    return nbytes <= d->limit && d->used <= d->limit - nbytes;
}

static pe_status claim(pe_cuda *d, size_t nbytes, const char *what, pe_error *err)
{
    if (!fits(d, nbytes)) drop_empty(d);
    if (!fits(d, nbytes))
        return pe_fail(
            err, PE_E_NOMEM,
            "device %s: %s: %zu bytes do not fit: %llu of %llu bytes are in use; %s", d->name, what,
            nbytes, (unsigned long long)d->used, (unsigned long long)d->limit,
            d->limited ? "raise --max-vram" : "use a GPU with more free memory, or --device cpu");
    d->used += nbytes;
    return PE_OK;
}

/* What was claimed is there. */
static void note_peak(pe_cuda *d)
{
    if (d->used > d->peak) d->peak = d->used;
}

/* Bytes that the pool has of the card and lends to nobody. */
static uint64_t idle_in_pool(const pe_cuda *d)
{
    uint64_t reserved = 0;
    if (cudaMemPoolGetAttribute(d->pool, cudaMemPoolAttrReservedMemCurrent, &reserved))
        reserved = 0;
    return reserved > d->lent ? reserved - d->lent : 0;
}

/* ---- what lives long ------------------------------------------------------------------------- */

static cudaError_t take_from_card(pe_cuda *d, pe_slab *s, size_t nbytes)
{
    if (!fits(d, idle_in_pool(d))) give_back(d);
    cudaError_t e = cudaMalloc((void **)&s->base, nbytes);
    if (e != cudaErrorMemoryAllocation) return e;
    (void)cudaGetLastError();
    give_back(d);
    return cudaMalloc((void **)&s->base, nbytes);
}

static pe_status add_slab(pe_slab **out, pe_cuda *d, size_t nbytes, const char *what, pe_error *err)
{
    pe_slab *s = calloc(1, sizeof *s);
    if (!s) return pe_fail_nomem(err, what, sizeof *s);
    pe_status st = claim(d, nbytes, what, err);
    if (!st) {
        st = pe_cuda_check(take_from_card(d, s, nbytes), d, what, err);
        if (st) d->used -= nbytes;
    }
    if (st) {
        free(s);
        return st;
    }
    note_peak(d);
    s->nbytes = nbytes;
    s->next = d->slabs;
    d->slabs = s;
    *out = s;
    return PE_OK;
}

/* The driver is asked for less where the limit is near: there has to be room for what is lent. */
static size_t slab_size(const pe_cuda *d, size_t nbytes)
{
    if (nbytes >= LARGE) return nbytes;
    return d->limit - d->used >= 4 * SLAB ? SLAB : nbytes;
}

/* An empty slab serves what nearly fills it, or is a whole one: half a batch shall have half. */
static bool has_room(const pe_slab *s, size_t nbytes)
{
    if (s->nbytes - s->used < nbytes) return false;
    return s->live > 0 || s->nbytes == SLAB || s->nbytes - nbytes <= s->nbytes / 8;
}

pe_status pe_cuda_alloc(const pe_backend *b, void **out, size_t nbytes, const char *what,
                        pe_error *err)
{
    pe_cuda *d = pe_cuda_of(b);
    if (nbytes > SIZE_MAX / 4) return pe_fail_nomem(err, what, nbytes);
    nbytes = pe_round_up(nbytes ? nbytes : 1, ALIGN);
    (void)pthread_mutex_lock(&d->memory_lock);
    pe_status st = pe_cuda_check(cudaSetDevice(d->index), d, what, err);
    pe_slab *s = d->slabs;
    while (!st && s && !has_room(s, nbytes)) s = s->next;
    if (!st && !s) st = add_slab(&s, d, slab_size(d, nbytes), what, err);
    if (!st) {
        *out = s->base + s->used;
        s->used += nbytes;
        s->live++;
    }
    (void)pthread_mutex_unlock(&d->memory_lock);
    return st;
}

/* The last one that becomes empty is kept: passes make and drop a matrix for each piece of work.
 * Who gets it next may use another stream, hence the wait. */
static void empty_slab(pe_cuda *d, pe_slab *s)
{
    drop_empty(d);
    s->used = 0;
    s->live = 0;
    if (s->nbytes > SLAB) drop_empty(d);
    else (void)cudaDeviceSynchronize();
}

void pe_cuda_release(const pe_backend *b, void *p)
{
    pe_cuda *d = pe_cuda_of(b);
    if (!p) return;
    (void)pthread_mutex_lock(&d->lock);
    pe_cuda_sparse_forget(d, p);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_mutex_lock(&d->memory_lock);
    (void)cudaSetDevice(d->index);
    pe_slab *s = d->slabs;
    while (s && ((char *)p < s->base || (char *)p >= s->base + s->nbytes)) s = s->next;
    if (s && s->live == 1) empty_slab(d, s);
    else if (s) s->live--;
    (void)pthread_mutex_unlock(&d->memory_lock);
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

static cudaError_t take_from_pool(pe_cuda *d, pe_loan *l, cudaStream_t s)
{
    cudaError_t e = cudaMallocFromPoolAsync(&l->p, l->nbytes, d->pool, s);
    if (e != cudaErrorMemoryAllocation) return e;
    (void)cudaGetLastError();
    give_back(d);
    return cudaMallocFromPoolAsync(&l->p, l->nbytes, d->pool, s);
}

/* With the memory lock held. */
static pe_status lend(pe_cuda *d, pe_loan *l, cudaStream_t s, const char *what, pe_error *err)
{
    pe_status st = claim(d, l->nbytes, what, err);
    if (st) return st;
    st = pe_cuda_check(take_from_pool(d, l, s), d, what, err);
    if (st) {
        d->used -= l->nbytes;
        return st;
    }
    note_peak(d);
    d->lent += l->nbytes;
    l->next = d->loans;
    d->loans = l;
    return PE_OK;
}

pe_status pe_cuda_borrow(void **out, const pe_queue *q, size_t nbytes, const char *what,
                         pe_error *err)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    pe_loan *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l) return pe_fail_nomem(err, what, sizeof *l);
    l->nbytes = nbytes ? nbytes : ALIGN;
    (void)pthread_mutex_lock(&d->memory_lock);
    pe_status st = lend(d, l, pe_cuda_stream(q), what, err);
    (void)pthread_mutex_unlock(&d->memory_lock);
    if (st) free(l);
    else *out = l->p;
    return st;
}

/* Counted as free at once: what is lent next in the stream may be the same bytes. */
void pe_cuda_return(void *p, const pe_queue *q)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    if (!p) return;
    (void)pthread_mutex_lock(&d->memory_lock);
    pe_loan **at = &d->loans, *l;
    while (*at && (*at)->p != p) at = &(*at)->next;
    l = *at;
    (void)cudaFreeAsync(p, pe_cuda_stream(q));
    if (l) {
        *at = l->next;
        d->used -= l->nbytes;
        d->lent -= l->nbytes;
        free(l);
    }
    (void)pthread_mutex_unlock(&d->memory_lock);
}

/* By default a pool gives everything back at each synchronization and asks for it again. */
pe_status pe_cuda_memory_open(pe_cuda *d, uint64_t max_nbytes, pe_error *err)
{
    struct cudaMemPoolProps props = { .allocType = cudaMemAllocationTypePinned,
                                      .location = { .type = cudaMemLocationTypeDevice,
                                                    .id = d->index } };
    size_t available = 0, total = 0;
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_mutex_init(&d->memory_lock, NULL);
    (void)pthread_mutex_init(&d->packing, NULL);
    pe_status st = pe_cuda_check(cudaMemGetInfo(&available, &total), d, "free memory", err);
    d->limited = max_nbytes && max_nbytes < available;
    d->limit = d->limited ? max_nbytes : available;
    uint64_t keep = d->limit / 8 < POOL_KEEPS ? d->limit / 8 : POOL_KEEPS;
    if (!st) st = pe_cuda_check(cudaMemPoolCreate(&d->pool, &props), d, "memory pool", err);
    if (!st)
        st = pe_cuda_check(cudaMemPoolSetAttribute(d->pool, cudaMemPoolAttrReleaseThreshold, &keep),
                           d, "memory pool", err);
    return st;
}

uint64_t pe_cuda_high_water(const pe_backend *b)
{
    pe_cuda *d = pe_cuda_of(b);
    (void)pthread_mutex_lock(&d->memory_lock);
    uint64_t peak = d->peak;
    (void)pthread_mutex_unlock(&d->memory_lock);
    return peak;
}
