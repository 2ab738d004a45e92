/* lower.cc - mnemonics to lowering functions, and what these share. Read next: lower_arith.cc. */
#include "tests/emu/runtime/lower.hh"

namespace emu
{

Lowering lowering(const std::string &name)
{
    static const auto *table = new std::unordered_map<std::string, Lowering>{
#define EMU_OPCODE(name, function) { name, function },
#include "tests/emu/runtime/opcodes.def"
#undef EMU_OPCODE
    };
    auto i = table->find(name);
    return i == table->end() ? nullptr : i->second;
}

bool emit_simple(Body &b, Spec &s, const Key &k, size_t sources)
{
    if (s.operands.size() != sources + 1) return false;
    Inst &i = s.inst;
    s32 *slots[] = { &i.a, &i.b, &i.c };
    i.d = b.dest(s.operands[0], k.t);
    for (size_t n = 0; n < sources; n++) *slots[n] = b.source(s.operands[n + 1], k.t);
    return emit_key(b, s, k);
}

bool emit_key(Body &b, Spec &s, const Key &k)
{
    s.inst.run = select_handler(k);
    s.inst.flags |= k.flags;
    if (!s.inst.run) return false;
    b.emit(s.inst);
    return true;
}

bool emit_run(Body &b, Spec &s, Handler run, Flow flow)
{
    s.inst.run = run;
    s.inst.flow = flow;
    b.emit(s.inst);
    return true;
}

Space take_space(Spec &s)
{
    static const struct {
        const char *name;
        Space space;
    } names[] = {
        { "global", Space::Global },      { "shared", Space::Shared },
        { "shared::cta", Space::Shared }, { "shared::cluster", Space::Shared },
        { "local", Space::Local },        { "param", Space::Param },
        { "param::entry", Space::Param }, { "param::func", Space::Param },
        { "const", Space::Const },
    };
    for (auto &n : names) {
        if (s.take(n.name)) return n.space;
    }
    return Space::Generic;
}

/* Caches do not exist here. */
void take_cache_hints(Spec &s)
{
    static const char *const names[] = { "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc" };
    for (auto n : names) s.take(n);
    for (size_t n = 0; n < s.modifiers.size();) {
        const std::string &m = s.modifiers[n];
        bool hint = !m.compare(0, 4, "L1::") || !m.compare(0, 4, "L2::");
        bool policy = m == "L2::cache_hint";
        if (!hint) {
            n++;
            continue;
        }
        s.modifiers.erase(s.modifiers.begin() + (long)n);
        if (policy && !s.operands.empty()) s.operands.pop_back();
    }
}

/* .volatile, .relaxed and so on, with a scope. */
u32 take_order(Spec &s)
{
    u32 flags = 0;
    s.take("weak");
    if (s.take("volatile") || s.take("relaxed")) flags |= STRONG;
    if (s.take("acquire")) flags |= STRONG | ACQUIRE;
    if (s.take("release")) flags |= STRONG | RELEASE;
    if (s.take("acq_rel")) flags |= STRONG | ACQUIRE | RELEASE;
    take_scope(s);
    return flags;
}

/* Whether the scope reaches beyond the block; true when there is none. */
bool take_scope(Spec &s)
{
    bool cta = s.take("cta");
    for (auto n : { "cluster", "gpu", "sys", "gl" }) s.take(n);
    return !cta;
}

Space address(Body &b, const Operand &o, Space space, Inst *i)
{
    if (o.kind != Operand::Address) b.fail("an address in brackets is missing");
    i->a = o.slot;
    i->x = o.bits;
    i->imm = o.offset;
    if (o.bits == 16) b.fail("a register of 16 bits as an address");
    if (o.name.empty()) return space;
    /* The .param space of a call's parameters is local memory. */
    bool as_named = space == Space::Generic || space == o.space ||
                    (space == Space::Param && o.space == Space::Local);
    if (!as_named) b.fail("variable " + o.name + " is in another state space");
    return o.space;
}

bool take_condition(Body &b, Inst *i, const Operand &o)
{
    i->c = b.predicate(o);
    if (o.negated) i->flags |= NEGATED;
    return true;
}

} // namespace emu
