/* ops/lanes.hh - loops over the 32 lanes of registers, in the shape that the compiler vectorizes.
 * Files that include it are compiled once for each instruction set, into a namespace of that name:
 * nothing in them may be visible to the linker but their select function. Read next: integer.cc. */
#ifndef PE_TESTS_EMU_LANES_HH
#define PE_TESTS_EMU_LANES_HH

#include "tests/emu/runtime/ops.hh"

#define EMU_INLINE inline __attribute__((always_inline))

namespace emu
{
namespace EMU_ISA
{
namespace
{

/* 64-bit values lie in 64-bit lanes, all others in 32-bit lanes with zeros above. */
template <int nbytes> struct LaneOf {
    typedef u32 type;
};
template <> struct LaneOf<8> {
    typedef u64 type;
};
template <class T> using Lane = typename LaneOf<sizeof(T)>::type;

template <class T> EMU_INLINE Lane<T> *lanes(const Warp &w, s32 slot)
{
    return (Lane<T> *)(w.r + slot);
}

template <class T> EMU_INLINE T unpack(Lane<T> raw)
{
    return (T)raw;
}
template <> EMU_INLINE float unpack<float>(u32 raw)
{
    return __builtin_bit_cast(float, raw);
}
template <> EMU_INLINE double unpack<double>(u64 raw)
{
    return __builtin_bit_cast(double, raw);
}

EMU_INLINE u32 pack(u8 v)
{
    return v;
}
EMU_INLINE u32 pack(s8 v)
{
    return (u8)v;
}
EMU_INLINE u32 pack(u16 v)
{
    return v;
}
EMU_INLINE u32 pack(s16 v)
{
    return (u16)v;
}
EMU_INLINE u32 pack(u32 v)
{
    return v;
}
EMU_INLINE u32 pack(s32 v)
{
    return (u32)v;
}
EMU_INLINE u64 pack(u64 v)
{
    return v;
}
EMU_INLINE u64 pack(s64 v)
{
    return (u64)v;
}
EMU_INLINE u32 pack(float v)
{
    return __builtin_bit_cast(u32, v);
}
EMU_INLINE u64 pack(double v)
{
    return __builtin_bit_cast(u64, v);
}

/* d[lane] = f(lane) where mask says so. f is called for all lanes: it must be harmless. */
template <class R, class F> EMU_INLINE void each(R *d, u32 mask, F f)
{
    R t[32];
    for (int l = 0; l < 32; l++) t[l] = f(l);
    if (mask == ALL_LANES) {
        memcpy(d, t, sizeof t);
    } else {
        for (int l = 0; l < 32; l++) d[l] = mask >> l & 1 ? t[l] : d[l];
    }
}

/* d = f(a), f(a, b), f(a, b, c) with types of their own: map<D>(w, i, mask, f taking A, B, C). */
template <class D, class A, class F> EMU_INLINE void map1(Warp &w, const Inst &i, u32 mask, F f)
{
    const Lane<A> *a = lanes<A>(w, i.a);
    each(lanes<D>(w, i.d), mask, [&](int l) { return pack((D)f(unpack<A>(a[l]))); });
}

template <class D, class A, class B, class F>
EMU_INLINE void map2(Warp &w, const Inst &i, u32 mask, F f)
{
    const Lane<A> *a = lanes<A>(w, i.a);
    const Lane<B> *b = lanes<B>(w, i.b);
    each(lanes<D>(w, i.d), mask,
         [&](int l) { return pack((D)f(unpack<A>(a[l]), unpack<B>(b[l]))); });
}

template <class D, class A, class B, class C, class F>
EMU_INLINE void map3(Warp &w, const Inst &i, u32 mask, F f)
{
    const Lane<A> *a = lanes<A>(w, i.a);
    const Lane<B> *b = lanes<B>(w, i.b);
    const Lane<C> *c = lanes<C>(w, i.c);
    each(lanes<D>(w, i.d), mask,
         [&](int l) { return pack((D)f(unpack<A>(a[l]), unpack<B>(b[l]), unpack<C>(c[l]))); });
}

/* A mask of the lanes for which f(lane) holds. */
template <class F> EMU_INLINE u32 lanes_where(F f)
{
    u32 bits = 0;
    for (int l = 0; l < 32; l++) bits |= f(l) ? 1u << l : 0;
    return bits;
}

} // namespace
} // namespace EMU_ISA
} // namespace emu

#endif
