/* lower_bits.cc - logic, shifts and bit fields, from words to keys. Read next: ops/bits.cc. */
#include "tests/emu/runtime/lower.hh"

#include "tests/emu/runtime/ops.hh"

namespace emu
{

static bool predicates(Body &b, Spec &s, Op op)
{
    bool one = op == Op::Not;
    if (s.operands.size() != (one ? 2u : 3u)) return false;
    Inst &i = s.inst;
    i.x = (s32)op;
    i.d = b.pred_dest(s.operands[0]);
    i.a = b.predicate(s.operands[1]);
    i.y = s.operands[1].negated;
    if (!one && s.operands[2].kind == Operand::Number) {
        i.b = -1;
        i.imm = s.operands[2].value.bits != 0;
    } else if (!one) {
        i.b = b.predicate(s.operands[2]);
        i.y |= s.operands[2].negated ? 2 : 0;
    }
    return emit_run(b, s, run_pred_logic);
}

bool lower_logic(Body &b, Spec &s)
{
    Op op = s.name == "and"   ? Op::And
            : s.name == "or"  ? Op::Or
            : s.name == "xor" ? Op::Xor
            : s.name == "not" ? Op::Not
                              : Op::Cnot;
    Key k = { op };
    k.t = s.take_type();
    if (k.t == Type::Pred) return op != Op::Cnot && predicates(b, s, op);
    if (type_class(k.t) != 'b') return false;
    return emit_simple(b, s, k, op == Op::Not || op == Op::Cnot ? 1 : 2);
}

/* The amount is 32 bits, whatever is shifted. */
bool lower_shift(Body &b, Spec &s)
{
    Key k = { s.name == "shl" ? Op::Shl : Op::Shr };
    k.t = s.take_type();
    if (s.operands.size() != 3 || is_float(k.t)) return false;
    s.inst.d = b.dest(s.operands[0], k.t);
    s.inst.a = b.source(s.operands[1], k.t);
    s.inst.b = b.source(s.operands[2], Type::U32);
    return emit_key(b, s, k);
}

bool lower_funnel(Body &b, Spec &s)
{
    Key k = { Op::Shf };
    bool left = s.take("l"), right = s.take("r"), clamp = s.take("clamp");
    k.flags = s.take_flags(WRAP) | (right ? (u32)RIGHT : 0);
    k.t = s.take_type();
    if (left == right || clamp == (bool)(k.flags & WRAP) || k.t != Type::B32) return false;
    return emit_simple(b, s, k, 3);
}

/* bfe d, a, pos, len; bfi f, a, b, pos, len */
bool lower_field(Body &b, Spec &s)
{
    bool insert = s.name == "bfi";
    Key k = { insert ? Op::Bfi : Op::Bfe };
    k.t = s.take_type();
    if (s.operands.size() != (insert ? 5u : 4u) || type_bits(k.t) < 32 || is_float(k.t))
        return false;
    Inst &i = s.inst;
    i.d = b.dest(s.operands[0], k.t);
    i.a = b.source(s.operands[1], k.t);
    if (insert) {
        i.b = b.source(s.operands[2], k.t);
        i.c = b.source(s.operands[3], Type::U32);
        i.e = b.source(s.operands[4], Type::U32);
    } else {
        i.b = b.source(s.operands[2], Type::U32);
        i.c = b.source(s.operands[3], Type::U32);
    }
    return emit_key(b, s, k);
}

/* bfind, popc, clz give 32 bits; brev as many as it takes. */
bool lower_count(Body &b, Spec &s)
{
    Op op = s.name == "bfind"  ? Op::Bfind
            : s.name == "brev" ? Op::Brev
            : s.name == "popc" ? Op::Popc
                               : Op::Clz;
    Key k = { op };
    k.flags = op == Op::Bfind ? s.take_flags(SHIFTAMT) : 0;
    k.t = s.take_type();
    if (s.operands.size() != 2 || type_bits(k.t) < 32 || is_float(k.t)) return false;
    s.inst.d = b.dest(s.operands[0], op == Op::Brev ? k.t : Type::U32);
    s.inst.a = b.source(s.operands[1], k.t);
    return emit_key(b, s, k);
}

bool lower_fns(Body &b, Spec &s)
{
    Key k = { Op::Fns };
    k.t = s.take_type();
    return k.t == Type::B32 && emit_simple(b, s, k, 3);
}

/* bmsk, szext */
bool lower_bmsk(Body &b, Spec &s)
{
    Key k = { s.name == "bmsk" ? Op::Bmsk : Op::Szext };
    bool clamp = s.take("clamp");
    k.flags = s.take_flags(WRAP);
    k.t = s.take_type();
    if (clamp == (bool)(k.flags & WRAP)) return false;
    return type_bits(k.t) == 32 && emit_simple(b, s, k, 2);
}

bool lower_prmt(Body &b, Spec &s)
{
    static const char *const modes[] = { "f4e", "b4e", "rc8", "ecl", "ecr", "rc16" };
    Key k = { Op::Prmt };
    k.t = s.take_type();
    k.vec = 0;
    for (u8 m = 0; m < 6; m++) {
        if (s.take(modes[m])) k.vec = (u8)(m + 1);
    }
    return k.t == Type::B32 && emit_simple(b, s, k, 3);
}

bool lower_lop3(Body &b, Spec &s)
{
    Key k = { Op::Lop3 };
    k.t = s.take_type();
    if (k.t != Type::B32 || s.operands.size() != 5 || s.operands[0].second >= 0) return false;
    if (s.operands[4].kind != Operand::Number) return false;
    s.inst.x = (s32)s.operands[4].value.bits;
    s.operands.pop_back();
    return emit_simple(b, s, k, 3);
}

} // namespace emu
