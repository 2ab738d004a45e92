/* fatbin.cc - the PTX inside the fat binaries that nvcc makes. Read next: registry.cc.
 *
 * A header (magic, version, its size, size of what follows), then entries: a header with kind,
 * sizes, architecture and flags, and the payload. The layout is not documented; it is what nvcc
 * 11 to 13 write. */
#include "tests/emu/runtime/registry.hh"

#include <algorithm>
#include <zstd.h>

namespace emu
{

constexpr u32 FAT_MAGIC = 0xba55ed50, ZSTD_MAGIC_NUMBER_LE = 0xfd2fb528;
constexpr u16 KIND_PTX = 1;
constexpr u64 FLAG_LZ4 = 0x2000;
constexpr u64 MOST = (u64)1 << 30; /* of one PTX text */

template <class T> static T at(const u8 *p, size_t offset)
{
    T v;
    memcpy(&v, p + offset, sizeof v);
    return v;
}

struct Entry {
    u16 kind;
    u32 header_nbytes, compressed, arch;
    u64 padded, flags, nbytes;
};

static Entry entry_at(const u8 *p)
{
    return { at<u16>(p, 0), at<u32>(p, 4),  at<u32>(p, 16), at<u32>(p, 28),
             at<u64>(p, 8), at<u64>(p, 40), at<u64>(p, 56) };
}

static std::string unpack_zstd(const u8 *p, const Entry &e)
{
    std::string text(e.nbytes, 0);
    size_t n = ZSTD_decompress(&text[0], text.size(), p, e.compressed ? e.compressed : e.padded);
    if (ZSTD_isError(n))
        fault(cudaErrorInvalidKernelImage, "fat binary: zstd: %s", ZSTD_getErrorName(n));
    text.resize(n);
    return text;
}

/* A length of 15 goes on in bytes of 255. */
static size_t lz4_length(const u8 **p, const u8 *end, size_t n)
{
    if (n < 15) return n;
    u8 c = 255;
    while (c == 255 && *p < end) {
        c = *(*p)++;
        n += c;
    }
    return n;
}

static std::string unpack_lz4(const u8 *p, const Entry &e)
{
    const u8 *end = p + e.compressed;
    std::string text;
    auto broken = [] { fault(cudaErrorInvalidKernelImage, "fat binary: damaged LZ4 data"); };
    while (p < end && text.size() < e.nbytes) {
        u8 token = *p++;
        size_t literals = lz4_length(&p, end, token >> 4);
        if (literals > (size_t)(end - p)) broken();
        text.append((const char *)p, literals);
        p += literals;
        if (text.size() >= e.nbytes) break;
        if (end - p < 2) broken();
        size_t back = at<u16>(p, 0);
        p += 2;
        size_t match = lz4_length(&p, end, token & 15) + 4;
        if (back == 0 || back > text.size()) broken();
        for (size_t i = 0; i < match; i++) text += text[text.size() - back];
    }
    return text;
}

static std::string unpack(const u8 *p, const Entry &e)
{
    std::string text;
    if (e.nbytes > MOST || e.padded > MOST)
        fault(cudaErrorInvalidKernelImage, "fat binary: too large");
    if (e.padded >= 4 && at<u32>(p, 0) == ZSTD_MAGIC_NUMBER_LE) text = unpack_zstd(p, e);
    else if (e.flags & FLAG_LZ4) text = unpack_lz4(p, e);
    else text.assign((const char *)p, e.padded);
    return text.substr(0, text.find('\0'));
}

/* "sm_90a": PTX for one architecture only. */
static bool for_one_arch(const std::string &text)
{
    size_t t = text.find(".target sm_");
    if (t == text.npos) return false;
    t = text.find_first_not_of("0123456789", t + 11);
    return t != text.npos && text[t] >= 'a' && text[t] <= 'z';
}

std::string best_ptx(const void *data, int cc, std::string *found)
{
    const u8 *p = (const u8 *)data;
    if (at<u32>(p, 0) != FAT_MAGIC) fault(cudaErrorInvalidKernelImage, "not a fat binary");
    const u8 *end = p + at<u16>(p, 6) + at<u64>(p, 8);
    int best = -1;
    std::string text;
    for (p += at<u16>(p, 6); p + 64 <= end;) {
        Entry e = entry_at(p);
        *found += format("%s%s %u", found->empty() ? "" : ", ",
                         e.kind == KIND_PTX ? "PTX" : "code for", e.arch);
        if (e.kind == KIND_PTX && (int)e.arch <= cc && (int)e.arch >= best) {
            std::string candidate = unpack(p + e.header_nbytes, e);
            if (!for_one_arch(candidate) || (int)e.arch == cc) {
                text = std::move(candidate);
                best = (int)e.arch;
            }
        }
        p += e.header_nbytes + e.padded;
    }
    return text;
}

} // namespace emu
