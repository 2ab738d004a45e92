/* lower_flow.cc - branches, ends, barriers and collective instructions of a warp.
 * Read next: warp.cc, block.cc, collective.cc. */
#include "tests/emu/runtime/lower.hh"

#include "tests/emu/runtime/ops.hh"

namespace emu
{

bool lower_branch(Body &b, Spec &s)
{
    s.take("uni");
    if (s.operands.size() != 1 || s.operands[0].kind != Operand::Name) return false;
    b.branch_to(s.operands[0].name);
    return emit_run(b, s, nullptr, Flow::Branch);
}

bool lower_branch_indexed(Body &b, Spec &s)
{
    s.take("uni");
    if (!s.take("idx") || s.operands.size() != 2) return false;
    s.inst.a = b.source(s.operands[0], Type::U32);
    b.branch_list(s.operands[1].name);
    return emit_run(b, s, nullptr, Flow::Indexed);
}

/* exit, and ret: of a kernel the same, of an inlined function a branch to its end */
bool lower_exit(Body &b, Spec &s)
{
    s.take("uni");
    if (s.name == "exit" || !b.inlined()) return emit_run(b, s, nullptr, Flow::Exit);
    b.branch_to(RETURN_LABEL);
    return emit_run(b, s, nullptr, Flow::Branch);
}

bool lower_trap(Body &b, Spec &s)
{
    return emit_run(b, s, run_trap);
}

static bool warp_barrier(Body &b, Spec &s)
{
    if (!s.take("sync") || s.operands.size() != 1) return false;
    s.inst.b = b.source(s.operands[0], Type::B32);
    return emit_run(b, s, run_warpsync, Flow::WarpSync);
}

/* bar is barrier.aligned. Fields: a number; b and LOW count; x: sync, red, arrive; y: popc, and,
 * or; c and NEGATED predicate; d result; TRANS: aligned. */
bool lower_barrier(Body &b, Spec &s)
{
    s.take("cta");
    if (s.take("warp")) return warp_barrier(b, s);
    Inst &i = s.inst;
    bool red = s.take("red"), arrive = s.take("arrive"), sync = s.take("sync");
    if (red + arrive + sync != 1) return false;
    if (s.take("aligned") || s.name == "bar") i.flags |= TRANS;
    i.x = red ? 1 : arrive ? 2 : 0;
    size_t at = 0, n = s.operands.size();
    if (red) {
        bool popc = s.take("popc"), all = s.take("and"), any = s.take("or");
        if (popc + all + any != 1 || n < 3) return false;
        Type t = s.take_type();
        if (t != (popc ? Type::U32 : Type::Pred)) return false;
        i.y = popc ? 0 : all ? 1 : 2;
        i.d = popc ? b.dest(s.operands[0], t) : b.pred_dest(s.operands[0]);
        take_condition(b, &i, s.operands[n - 1]);
        at = 1;
        n--;
    }
    if (n - at < 1 || n - at > 2) return false;
    i.a = b.source(s.operands[at], Type::U32);
    if (n - at == 2) {
        i.b = b.source(s.operands[at + 1], Type::U32);
        i.flags |= LOW;
    }
    if (arrive && n - at != 2) return false;
    return emit_run(b, s, run_nothing, Flow::Barrier);
}

bool lower_shuffle(Body &b, Spec &s)
{
    Inst &i = s.inst;
    i.x = s.take("idx") ? 0 : s.take("up") ? 1 : s.take("down") ? 2 : s.take("bfly") ? 3 : -1;
    if (!s.take("sync") || i.x < 0 || s.take_type() != Type::B32 || s.operands.size() != 5)
        return false;
    i.d = b.dest(s.operands[0], Type::B32);
    i.c = s.operands[0].second < 0 ? (s32)PRED_SINK : s.operands[0].second;
    i.a = b.source(s.operands[1], Type::B32);
    i.e = b.source(s.operands[2], Type::B32);
    i.y = b.source(s.operands[3], Type::B32);
    i.b = b.source(s.operands[4], Type::B32);
    return emit_run(b, s, run_shuffle, Flow::Collective);
}

bool lower_vote(Body &b, Spec &s)
{
    Inst &i = s.inst;
    i.x = s.take("all") ? 0 : s.take("any") ? 1 : s.take("uni") ? 2 : s.take("ballot") ? 3 : -1;
    Type t = s.take_type();
    if (!s.take("sync") || i.x < 0 || s.operands.size() != 3) return false;
    if (t != (i.x == 3 ? Type::B32 : Type::Pred)) return false;
    i.d = i.x == 3 ? b.dest(s.operands[0], t) : b.pred_dest(s.operands[0]);
    i.a = b.predicate(s.operands[1]);
    if (s.operands[1].negated) i.flags |= NEGATED;
    i.b = b.source(s.operands[2], Type::B32);
    return emit_run(b, s, run_vote, Flow::Collective);
}

bool lower_match(Body &b, Spec &s)
{
    Inst &i = s.inst;
    bool any = s.take("any"), all = s.take("all");
    Type t = s.take_type();
    if (!s.take("sync") || any == all || s.operands.size() != 3 || type_bits(t) < 32) return false;
    i.x = all;
    i.y = type_bits(t);
    i.d = b.dest(s.operands[0], Type::B32);
    i.c = s.operands[0].second < 0 ? (s32)PRED_SINK : s.operands[0].second;
    i.a = b.source(s.operands[1], t);
    i.b = b.source(s.operands[2], Type::B32);
    return emit_run(b, s, run_match, Flow::Collective);
}

bool lower_redux(Body &b, Spec &s)
{
    static const char *const names[] = { "add", "min", "max", "and", "or", "xor" };
    Inst &i = s.inst;
    i.x = -1;
    for (int n = 0; n < 6; n++) {
        if (s.take(names[n])) i.x = n;
    }
    Type t = s.take_type();
    if (!s.take("sync") || i.x < 0 || s.operands.size() != 3 || type_bits(t) != 32 || is_float(t))
        return false;
    if ((type_class(t) == 'b') != (i.x >= 3)) return false;
    i.y = is_signed(t);
    i.d = b.dest(s.operands[0], t);
    i.a = b.source(s.operands[1], t);
    i.b = b.source(s.operands[2], Type::B32);
    return emit_run(b, s, run_redux, Flow::Collective);
}

bool lower_elect(Body &b, Spec &s)
{
    Inst &i = s.inst;
    if (!s.take("sync") || s.operands.size() != 2 || s.operands[0].second < 0) return false;
    i.d = b.dest(s.operands[0], Type::B32);
    i.c = s.operands[0].second;
    i.b = b.source(s.operands[1], Type::B32);
    return emit_run(b, s, run_elect, Flow::Collective);
}

bool lower_activemask(Body &b, Spec &s)
{
    if (s.take_type() != Type::B32 || s.operands.size() != 1) return false;
    s.inst.d = b.dest(s.operands[0], Type::B32);
    return emit_run(b, s, run_activemask);
}

} // namespace emu
