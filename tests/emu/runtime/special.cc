/* special.cc - special registers, address spaces, fences, predicates, and what stops a kernel.
 * Read next: lower_choose.cc, lower_flow.cc. */
#include "tests/emu/runtime/ops.hh"

#include "tests/emu/runtime/body.hh"

namespace emu
{

static const struct {
    const char *name;
    Type type;
} registers[] = {
#define EMU_SPECIAL(which, name, type, value) { name, Type::type },
#include "tests/emu/runtime/special.def"
#undef EMU_SPECIAL
};

enum Special {
#define EMU_SPECIAL(which, name, type, value) which,
#include "tests/emu/runtime/special.def"
#undef EMU_SPECIAL
};

int special_register(const std::string &name, Type *t)
{
    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++) {
        if (name == registers[i].name) {
            *t = registers[i].type;
            return (int)i;
        }
    }
    return -1;
}

/* Times are counts of instructions: the same in every run. The loop over lanes is inside each case,
 * so that what does not depend on the lane is calculated once. */
void run_special(Warp &w, const Inst &i, u32 mask)
{
    const Block &b = *w.block;
    const u32 *n = b.l.threads, dynamic = b.l.dynamic, all_shared = dynamic + b.k.shared_nbytes;
    u64 clock = b.steps + w.steps, values[32];
    (void)all_shared;
    switch ((Special)i.x) {
#define EMU_SPECIAL(which, name, type, value)   \
    case which:                                 \
        for (u32 lane = 0; lane < 32; lane++) { \
            u32 t = w.id * 32 + lane;           \
            (void)t;                            \
            values[lane] = (u64)(value);        \
        }                                       \
        break;
#include "tests/emu/runtime/special.def"
#undef EMU_SPECIAL
    }
    for (; mask; mask &= mask - 1) {
        u32 lane = (u32)__builtin_ctz(mask);
        if (i.y == 64) ((u64 *)(w.r + i.d))[lane] = values[lane];
        else w.r[i.d + (s32)lane] = i.y == 32 ? (u32)values[lane] : (u16)values[lane];
    }
}

/* mov between a register of i.e bits and i.x registers of i.y bits, i.list; the first is lowest. */
void run_pack(Warp &w, const Inst &i, u32 mask)
{
    for (; mask; mask &= mask - 1) {
        int lane = __builtin_ctz(mask);
        u64 v = 0;
        for (s32 n = 0; n < i.x; n++) v |= (u64)w.r[i.list[n] + lane] << (n * i.y);
        if (i.e == 64) ((u64 *)(w.r + i.d))[lane] = v;
        else w.r[i.d + lane] = (u32)v;
    }
}

void run_unpack(Warp &w, const Inst &i, u32 mask)
{
    u32 keep = i.y == 32 ? ~0u : (1u << i.y) - 1;
    for (; mask; mask &= mask - 1) {
        int lane = __builtin_ctz(mask);
        u64 v = i.e == 64 ? ((u64 *)(w.r + i.a))[lane] : w.r[i.a + lane];
        for (s32 n = 0; n < i.x; n++) w.r[i.list[n] + lane] = (u32)(v >> (n * i.y)) & keep;
    }
}

/* i.imm is the window; i.x: to the space, else from it */
void run_cvta(Warp &w, const Inst &i, u32 mask)
{
    u64 *d = (u64 *)(w.r + i.d), *a = (u64 *)(w.r + i.a), add = (u64)(i.x ? -i.imm : i.imm);
    for (; mask; mask &= mask - 1) {
        int lane = __builtin_ctz(mask);
        d[lane] = a[lane] + add;
    }
}

/* i.imm is the window of the space, 0 for global */
void run_isspacep(Warp &w, const Inst &i, u32 mask)
{
    const u64 *a = (u64 *)(w.r + i.a);
    u32 in = 0;
    for (u32 l = 0; l < 32; l++) in |= (u32)((a[l] & WINDOW_MASK) == (u64)i.imm) << l;
    w.set_pred(i.d, in, mask);
}

/* i.x: for other blocks too */
void run_fence(Warp &w, const Inst &i, u32)
{
    Launch &l = w.block->l;
    if (l.race) l.shared_race.fence(w.id);
    if (l.race_global && i.x) l.global_race.fence();
}

/* i.a, i.b predicates, or the constant i.imm where i.b is -1; i.y bits: which are negated */
void run_pred_logic(Warp &w, const Inst &i, u32 mask)
{
    u32 a = w.pred(i.a, i.y & 1);
    u32 b = i.b < 0 ? (i.imm ? ALL_LANES : 0) : w.pred(i.b, i.y & 2);
    u32 r = (Op)i.x == Op::And   ? a & b
            : (Op)i.x == Op::Or  ? a | b
            : (Op)i.x == Op::Xor ? a ^ b
                                 : ~a;
    w.set_pred(i.d, r, mask);
}

/* From predicate i.a, or the constant i.imm when that is -1. */
void run_pred_move(Warp &w, const Inst &i, u32 mask)
{
    u32 v = i.a < 0 ? (i.imm ? ALL_LANES : 0) : w.pred(i.a, i.y & 1);
    w.set_pred(i.d, v, mask);
}

void run_nothing(Warp &, const Inst &, u32) {}

void run_trap(Warp &w, const Inst &, u32 mask)
{
    w.fail(__builtin_ctz(mask), "trap");
}

void run_unsupported(Warp &w, const Inst &i, u32 mask)
{
    const std::string &why = w.block->k.strings[(u32)i.x];
    w.fail(__builtin_ctz(mask),
           "the interpreter does not know this instruction" + (why.empty() ? "" : " (" + why + ")"),
           cudaErrorNotSupported);
}

} // namespace emu
