/* lower_memory.cc - loads, stores, atomics, copies and fences, from words to keys.
 * Read next: ops/memory.cc, atomic.cc, async.cc. */
#include "tests/emu/runtime/lower.hh"

#include "tests/emu/runtime/ops.hh"

namespace emu
{

/* .v2, .v4, and the parts of a register operand. */
static bool elements(Spec &s, const Operand &o, std::vector<Operand> *parts)
{
    size_t n = s.take("v2") ? 2 : s.take("v4") ? 4 : s.take("v8") ? 8 : 1;
    if (o.kind == Operand::Vector) *parts = o.parts;
    else parts->push_back(o);
    return parts->size() == n;
}

bool lower_load(Body &b, Spec &s)
{
    take_cache_hints(s);
    Key k = { Op::Ld };
    k.flags = take_order(s);
    Space space = take_space(s);
    std::vector<Operand> parts;
    k.t = s.take_type();
    if (s.operands.size() != 2 || !elements(s, s.operands[0], &parts)) return false;
    Inst &i = s.inst;
    k.space = address(b, s.operands[1], space, &i);
    std::vector<s32> slots;
    for (const Operand &o : parts) {
        int bits;
        slots.push_back(b.any_dest(o, &bits));
        if (o.kind == Operand::Sink) continue;
        if (bits < type_bits(k.t) || (i.y && i.y != bits)) return false;
        i.y = bits;
    }
    if (!i.y) i.y = 32; /* all of it into the sink */
    if (k.space == Space::Param && !i.x) k.op = Op::LdParam;
    i.list = b.list(slots);
    i.e = (s32)slots.size();
    return emit_key(b, s, k);
}

bool lower_store(Body &b, Spec &s)
{
    take_cache_hints(s);
    Key k = { Op::St };
    k.flags = take_order(s);
    Space space = take_space(s);
    std::vector<Operand> parts;
    k.t = s.take_type();
    if (s.operands.size() != 2 || !elements(s, s.operands[1], &parts)) return false;
    Inst &i = s.inst;
    k.space = address(b, s.operands[0], space, &i);
    std::vector<s32> slots;
    i.y = type_bits(k.t) == 64 ? 64 : 32;
    for (const Operand &o : parts) {
        int bits = i.y;
        slots.push_back(o.kind == Operand::Reg ? b.any_source(o, &bits) : b.source(o, k.t));
        if (o.kind == Operand::Reg && bits == 64 && parts.size() == 1) i.y = 64;
        if (bits < type_bits(k.t) || (bits == 64) != (i.y == 64)) return false;
    }
    i.list = b.list(slots);
    i.e = (s32)slots.size();
    return emit_key(b, s, k);
}

/* atom.op d, [a], b, c; red.op [a], b */
bool lower_atomic(Body &b, Spec &s)
{
    static const char *const operations[] = { "add", "min",  "max", "and", "or",
                                              "xor", "exch", "cas", "inc", "dec" };
    take_cache_hints(s);
    bool returns = s.name == "atom";
    Inst &i = s.inst;
    i.flags = take_order(s) | STRONG;
    Space space = take_space(s);
    s.take("noftz");
    Type t = s.take_type();
    std::string operation;
    for (auto o : operations) {
        if (s.take(o)) operation = o;
    }
    bool cas = operation == "cas", exchange = operation == "exch";
    if (s.operands.size() != (returns ? 2u : 1u) + (cas ? 2 : 1)) return false;
    if (!returns && (cas || exchange)) return false;
    size_t at = returns;
    i.run = select_atomic(operation, t);
    if (!i.run) return false;
    i.d = returns ? b.dest(s.operands[0], t) : (s32)SLOT_SINK;
    i.y = (s32)address(b, s.operands[at], space, &i);
    if (space != Space::Generic && space != Space::Global && space != Space::Shared) return false;
    i.b = b.source(s.operands[at + 1], t);
    i.c = cas ? b.source(s.operands[at + 2], t) : i.b;
    i.e = (s32)(t == Type::F16x2 ? Type::F16 : t == Type::BF16x2 ? Type::BF16 : t);
    b.emit(i);
    return true;
}

static bool copy(Body &b, Spec &s)
{
    take_cache_hints(s);
    bool to_shared = s.take("shared") || s.take("shared::cta") || s.take("shared::cluster");
    if (!to_shared || !s.take("global") || s.operands.size() < 3 || s.operands.size() > 4)
        return false;
    Inst from = s.inst;
    Inst &i = s.inst;
    if (s.operands[2].kind != Operand::Number) return false;
    s32 nbytes = (s32)s.operands[2].value.bits, size = 0, ignore = -1;
    if (nbytes != 4 && nbytes != 8 && nbytes != 16) return false;
    if (s.operands.size() == 4) {
        const Operand &o = s.operands[3];
        if (o.kind == Operand::Pred) {
            ignore = b.predicate(o);
            if (o.negated) i.flags |= NEGATED;
        } else {
            size = b.source(o, Type::U32);
        }
    }
    if (address(b, s.operands[0], Space::Shared, &i) != Space::Shared) return false;
    if (address(b, s.operands[1], Space::Global, &from) != Space::Global) return false;
    if (!from.x || from.imm != (s32)from.imm) return false;
    i.list = b.list({ from.a, from.x, (s32)from.imm, nbytes, size, ignore });
    return emit_run(b, s, run_copy_async);
}

/* cp.async.ca, .cg, .commit_group, .wait_group, .wait_all */
bool lower_copy_async(Body &b, Spec &s)
{
    if (!s.take("async")) return false;
    if (s.take("commit_group")) return s.operands.empty() && emit_run(b, s, run_copy_commit);
    s.inst.x = -1;
    if (s.take("wait_all")) return s.operands.empty() && emit_run(b, s, run_copy_wait);
    if (s.take("wait_group")) {
        if (s.operands.size() != 1 || s.operands[0].kind != Operand::Number) return false;
        s.inst.x = (s32)s.operands[0].value.bits;
        return emit_run(b, s, run_copy_wait);
    }
    for (auto other : { "bulk", "mbarrier" }) {
        if (s.take(other)) return false;
    }
    return copy(b, s);
}

/* Instructions that change no result. */
bool lower_hint(Body &b, Spec &s)
{
    s.modifiers.clear();
    return emit_run(b, s, run_nothing);
}

/* Its result is only good as an operand that is not looked at. */
bool lower_policy(Body &b, Spec &s)
{
    s.modifiers.clear();
    Operand zero;
    zero.kind = Operand::Number;
    if (s.operands.empty()) return false;
    s.operands = { s.operands[0], zero };
    Key k = { Op::Mov };
    k.t = Type::B64;
    return emit_simple(b, s, k, 1);
}

/* membar.cta/gl/sys, fence{.sc,.acq_rel}.scope */
bool lower_fence(Body &b, Spec &s)
{
    for (auto n : { "sc", "acq_rel", "acquire", "release" }) s.take(n);
    s.inst.x = take_scope(s);
    return emit_run(b, s, run_fence);
}

} // namespace emu
