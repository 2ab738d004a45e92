/* ops.hh - the handlers that exist once, and how the others are selected. Files in ops/ are
 * compiled for several instruction sets (emu.mk); they use lanes.hh. Read next: select.cc. */
#ifndef PE_TESTS_EMU_OPS_HH
#define PE_TESTS_EMU_OPS_HH

#include "tests/emu/runtime/warp.hh"

namespace emu
{

/* The families of ops/, each NULL for a key that it does not know. */
#define EMU_FAMILIES(SELECT) \
    SELECT(select_integer)   \
    SELECT(select_bits)      \
    SELECT(select_float)     \
    SELECT(select_half)      \
    SELECT(select_compare)   \
    SELECT(select_convert)   \
    SELECT(select_memory)    \
    SELECT(select_matrix)

#define EMU_SELECT(name) Handler name(const Key &k);
namespace base
{
EMU_FAMILIES(EMU_SELECT)
}
namespace avx2
{
EMU_FAMILIES(EMU_SELECT)
}
#undef EMU_SELECT

/* Arithmetic in a rounding mode other than to the nearest (rounded.cc). */
Handler select_rounded(const Key &k);
/* Any cvt of one value, and f16 or bf16 by themselves (convert_any.cc). */
u64 convert_one(const Inst &i, u64 value);
double half_to_double(u16 h, Type t);
u16 double_to_half(double x, Type t);

void run_unsupported(Warp &w, const Inst &i, u32 mask);
void run_trap(Warp &w, const Inst &i, u32 mask);
void run_nothing(Warp &w, const Inst &i, u32 mask);
void run_printf(Warp &w, const Inst &i, u32 mask);
void run_assert(Warp &w, const Inst &i, u32 mask);
void run_special(Warp &w, const Inst &i, u32 mask);
void run_fence(Warp &w, const Inst &i, u32 mask);
void run_activemask(Warp &w, const Inst &i, u32 mask);
void run_isspacep(Warp &w, const Inst &i, u32 mask);
void run_pack(Warp &w, const Inst &i, u32 mask);
void run_unpack(Warp &w, const Inst &i, u32 mask);
void run_cvta(Warp &w, const Inst &i, u32 mask);

/* Predicates */
void run_pred_logic(Warp &w, const Inst &i, u32 mask);
void run_pred_move(Warp &w, const Inst &i, u32 mask);

/* Collectives: mask is the member mask */
void run_warpsync(Warp &w, const Inst &i, u32 mask);
void run_shuffle(Warp &w, const Inst &i, u32 mask);
void run_vote(Warp &w, const Inst &i, u32 mask);
void run_match(Warp &w, const Inst &i, u32 mask);
void run_redux(Warp &w, const Inst &i, u32 mask);
void run_elect(Warp &w, const Inst &i, u32 mask);

/* cp.async */
void run_copy_async(Warp &w, const Inst &i, u32 mask);
void run_copy_commit(Warp &w, const Inst &i, u32 mask);
void run_copy_wait(Warp &w, const Inst &i, u32 mask);

Handler select_atomic(const std::string &operation, Type t);
int special_register(const std::string &name, Type *t); /* -1: there is none */

/* Kinds of complaints (Warp::complain). */
enum Complaint { RACE, UNWRITTEN, OTHER };

/* One access of one lane: checks alignment, bounds, that loads read what was written, and races;
 * marks what stores write. Faults, or returns where the bytes are. Atomics do both. */
enum class Access : u8 { Load, Store, Atomic };
struct AccessKind {
    Access access;
    bool strong = false; /* volatile, relaxed or atomic: does not race with another one */
};
u8 *reach(Warp &w, Space space, u64 at, u32 nbytes, int lane, AccessKind kind);
u8 *reach_global(Warp &w, u64 at, u32 nbytes, int lane, AccessKind kind);
u8 *reach_shared(Warp &w, u64 at, u32 nbytes, int lane, AccessKind kind);
u8 *reach_const(Warp &w, u64 at, u32 nbytes, int lane);
u8 *reach_local(Warp &w, u64 at, u32 nbytes, int lane);
u8 *reach_param(Warp &w, u64 at, u32 nbytes, int lane);
/* Says that two blocks raced, the other one under this stamp. */
void race_on_global(Warp &w, u64 at, u32 nbytes, int lane, Access access, u32 stamp);

/* What a strong access does to the order of warps and blocks. */
void order_strong(Warp &w, Space space, u64 at, u32 flags, Access access);

} // namespace emu

#endif
