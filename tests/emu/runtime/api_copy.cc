/* api_copy.cc - copies and fills, put into streams. Read next: stream.cc, api_memory.cc. */
#include "tests/emu/runtime/api.hh"

#include "tests/emu/runtime/registry.hh"

namespace emu
{

/* A rectangle of bytes: `height` rows of `width`. A plain copy is one row. */
struct Area {
    u64 at;
    size_t pitch;
};

struct CopyJob {
    Area to, from;
    size_t width, height;
    bool to_device, from_device;
};

static size_t extent(const CopyJob &c, size_t pitch)
{
    return c.height ? pitch * (c.height - 1) + c.width : 0;
}

/* Which sides are device memory, by the direction that the caller names; and whether the addresses
 * fit that. */
static cudaError_t check(CopyJob *c, cudaMemcpyKind kind)
{
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault)
        return cudaErrorInvalidMemcpyDirection;
    if (c->to.pitch < c->width || c->from.pitch < c->width) return cudaErrorInvalidPitchValue;
    c->to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    c->from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind == cudaMemcpyDefault) {
        c->to_device = heap().inside(c->to.at);
        c->from_device = heap().inside(c->from.at);
    }
    if (!c->width || !c->height) return cudaSuccess;
    auto fits = [&](const Area &a, bool on_device) {
        size_t n = extent(*c, a.pitch);
        if (on_device) return heap().covering(a.at, n) || pinned(a.at, n);
        return a.at != 0 && !heap().inside(a.at);
    };
    return fits(c->to, c->to_device) && fits(c->from, c->from_device) ? cudaSuccess
                                                                      : cudaErrorInvalidValue;
}

static void still_there(u64 at, size_t nbytes, const char *what)
{
    if (!heap().inside(at) || heap().covering(at, nbytes)) return;
    fault(cudaErrorIllegalAddress, "%s: the memory is gone: %s", what, heap().describe(at).c_str());
}

/* One row. What was never written stays so; PE_EMU_INIT=2 lets none of it reach the host. */
static void copy_row(const char *what, u64 to, u64 from, size_t nbytes)
{
    bool to_device = heap().inside(to), from_device = heap().inside(from);
    still_there(to, nbytes, what);
    still_there(from, nbytes, what);
    memmove((void *)to, (const void *)from, nbytes);
    if (to_device && from_device) memmove(heap().state(to), heap().state(from), nbytes);
    else if (to_device) heap().mark(to, nbytes);
    else if (from_device && options().init == 2 && !heap().written(from, nbytes)) {
        u64 at = from;
        while (*heap().state(at) & WRITTEN) at++;
        violation("%s to the host of device memory that was never written, at %s", what,
                  heap().describe(at).c_str());
    }
}

static void put_copy(const std::shared_ptr<Stream> &s, const char *what, const CopyJob &c)
{
    /* Pageable host memory is staged: the caller may change it as soon as the call returns. */
    bool staged = c.to_device && !c.from_device && !pinned(c.from.at, extent(c, c.from.pitch));
    auto buffer = std::make_shared<std::vector<u8>>();
    if (staged) {
        for (size_t row = 0; row < c.height; row++) {
            const u8 *p = (const u8 *)c.from.at + row * c.from.pitch;
            buffer->insert(buffer->end(), p, p + c.width);
        }
    }
    put(s, { what,
             [=] {
                 for (size_t row = 0; row < c.height; row++) {
                     u64 from = staged ? (u64)buffer->data() + row * c.width
                                       : c.from.at + row * c.from.pitch;
                     copy_row(what, c.to.at + row * c.to.pitch, from, c.width);
                 }
             },
             true,
             {} });
}

static cudaError_t copy(const char *what, CopyJob c, cudaMemcpyKind kind, cudaStream_t stream,
                        bool wait)
{
    auto s = stream_of(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    cudaError_t e = check(&c, kind);
    if (e != cudaSuccess) return e;
    if (c.width && c.height) put_copy(s, what, c);
    /* Only copies within the device do not wait. */
    if (wait && !(c.to_device && c.from_device)) run_stream(s);
    return cudaSuccess;
}

static CopyJob line(u64 to, u64 from, size_t nbytes)
{
    return { { to, nbytes }, { from, nbytes }, nbytes, 1, false, false };
}

static cudaError_t fill(const char *what, void *p, int value, size_t nbytes, cudaStream_t stream)
{
    auto s = stream_of(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    if (!nbytes) return cudaSuccess;
    bool on_device = heap().covering((u64)p, nbytes);
    if (!on_device && !pinned((u64)p, nbytes)) return cudaErrorInvalidValue;
    put(s, { what,
             [=] {
                 still_there((u64)p, nbytes, what);
                 memset(p, value, nbytes);
                 if (on_device) heap().mark((u64)p, nbytes);
             },
             true,
             {} });
    return cudaSuccess;
}

static cudaError_t symbol_range(const void *symbol, size_t offset, size_t nbytes, u64 *at)
{
    size_t size;
    cudaError_t e = find_variable(symbol, at, &size);
    if (e != cudaSuccess) return e;
    if (offset > size || nbytes > size - offset) return cudaErrorInvalidValue;
    *at += offset;
    return cudaSuccess;
}

static cudaError_t to_symbol(const char *what, const void *symbol, const void *from, size_t nbytes,
                             size_t offset, cudaMemcpyKind kind, cudaStream_t s, bool wait)
{
    u64 at;
    cudaError_t e = symbol_range(symbol, offset, nbytes, &at);
    if (e != cudaSuccess) return e;
    bool fits = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice ||
                kind == cudaMemcpyDefault;
    return fits ? copy(what, line(at, (u64)from, nbytes), kind, s, wait)
                : cudaErrorInvalidMemcpyDirection;
}

static cudaError_t from_symbol(const char *what, void *to, const void *symbol, size_t nbytes,
                               size_t offset, cudaMemcpyKind kind, cudaStream_t s, bool wait)
{
    u64 at;
    cudaError_t e = symbol_range(symbol, offset, nbytes, &at);
    if (e != cudaSuccess) return e;
    bool fits = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice ||
                kind == cudaMemcpyDefault;
    return fits ? copy(what, line((u64)to, at, nbytes), kind, s, wait)
                : cudaErrorInvalidMemcpyDirection;
}

} // namespace emu

using namespace emu;

extern "C" {

cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind)
{
    Call call("cudaMemcpy");
    if (call.refused()) return call.error();
    return call.done(copy("cudaMemcpy", line((u64)to, (u64)from, nbytes), kind, nullptr, true));
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind,
                            cudaStream_t s)
{
    Call call("cudaMemcpyAsync");
    if (call.refused()) return call.error();
    return call.done(copy("cudaMemcpyAsync", line((u64)to, (u64)from, nbytes), kind, s, false));
}

cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                         size_t width, size_t height, enum cudaMemcpyKind kind)
{
    Call call("cudaMemcpy2D");
    if (call.refused()) return call.error();
    CopyJob c = { { (u64)to, to_pitch }, { (u64)from, from_pitch }, width, height, false, false };
    return call.done(copy("cudaMemcpy2D", c, kind, nullptr, true));
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t s)
{
    Call call("cudaMemcpy2DAsync");
    if (call.refused()) return call.error();
    CopyJob c = { { (u64)to, to_pitch }, { (u64)from, from_pitch }, width, height, false, false };
    return call.done(copy("cudaMemcpy2DAsync", c, kind, s, false));
}

cudaError_t cudaMemset(void *p, int value, size_t nbytes)
{
    Call call("cudaMemset");
    if (call.refused()) return call.error();
    return call.done(fill("cudaMemset", p, value, nbytes, nullptr));
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t nbytes, cudaStream_t s)
{
    Call call("cudaMemsetAsync");
    if (call.refused()) return call.error();
    return call.done(fill("cudaMemsetAsync", p, value, nbytes, s));
}

/* Row by row: what lies between the rows is left as it was, and as unwritten as it was. */
cudaError_t cudaMemset2DAsync(void *p, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t s)
{
    Call call("cudaMemset2DAsync");
    if (call.refused()) return call.error();
    if (width > pitch) return call.done(cudaErrorInvalidValue);
    cudaError_t e = cudaSuccess;
    for (size_t i = 0; i < height && e == cudaSuccess; i++)
        e = fill("cudaMemset2DAsync", (char *)p + i * pitch, value, width, s);
    return call.done(e);
}

cudaError_t cudaGetSymbolAddress(void **p, const void *symbol)
{
    Call call("cudaGetSymbolAddress");
    if (call.refused()) return call.error();
    if (!p) return call.done(cudaErrorInvalidValue);
    return call.done(symbol_range(symbol, 0, 0, (u64 *)p));
}

cudaError_t cudaGetSymbolSize(size_t *nbytes, const void *symbol)
{
    Call call("cudaGetSymbolSize");
    if (call.refused()) return call.error();
    u64 at;
    if (!nbytes) return call.done(cudaErrorInvalidValue);
    return call.done(find_variable(symbol, &at, nbytes));
}

cudaError_t cudaMemcpyToSymbol(const void *symbol, const void *from, size_t nbytes, size_t offset,
                               enum cudaMemcpyKind kind)
{
    Call call("cudaMemcpyToSymbol");
    if (call.refused()) return call.error();
    return call.done(
        to_symbol("cudaMemcpyToSymbol", symbol, from, nbytes, offset, kind, nullptr, true));
}

cudaError_t cudaMemcpyToSymbolAsync(const void *symbol, const void *from, size_t nbytes,
                                    size_t offset, enum cudaMemcpyKind kind, cudaStream_t s)
{
    Call call("cudaMemcpyToSymbolAsync");
    if (call.refused()) return call.error();
    return call.done(
        to_symbol("cudaMemcpyToSymbolAsync", symbol, from, nbytes, offset, kind, s, false));
}

cudaError_t cudaMemcpyFromSymbol(void *to, const void *symbol, size_t nbytes, size_t offset,
                                 enum cudaMemcpyKind kind)
{
    Call call("cudaMemcpyFromSymbol");
    if (call.refused()) return call.error();
    return call.done(
        from_symbol("cudaMemcpyFromSymbol", to, symbol, nbytes, offset, kind, nullptr, true));
}

cudaError_t cudaMemcpyFromSymbolAsync(void *to, const void *symbol, size_t nbytes, size_t offset,
                                      enum cudaMemcpyKind kind, cudaStream_t s)
{
    Call call("cudaMemcpyFromSymbolAsync");
    if (call.refused()) return call.error();
    return call.done(
        from_symbol("cudaMemcpyFromSymbolAsync", to, symbol, nbytes, offset, kind, s, false));
}

} // extern "C"
