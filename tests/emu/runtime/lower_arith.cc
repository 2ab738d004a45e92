/* lower_arith.cc - arithmetic, from words to keys. Read next: lower.cc, ops/integer.cc. */
#include "tests/emu/runtime/lower.hh"

#include "tests/emu/runtime/ops.hh"

namespace emu
{

/* Rounding modes other than to nearest exist for f32 and f64 only; they need the Op at run time. */
static bool emit_rounded(Body &b, Spec &s, Key k, size_t sources)
{
    s.inst.x = (s32)k.op;
    s.inst.y = (s32)k.round;
    return emit_simple(b, s, k, sources);
}

static bool with_carry(Body &b, Spec &s, Key k, size_t sources)
{
    s.inst.x = (s32)k.op;
    if (is_signed(k.t)) k.flags |= WRAP; /* a signed product */
    k.t = type_bits(k.t) == 64 ? Type::U64 : Type::U32;
    return emit_simple(b, s, k, sources);
}

/* add, sub, addc, subc */
bool lower_add(Body &b, Spec &s)
{
    Key k = { s.name[0] == 'a' ? Op::Add : Op::Sub };
    k.round = s.take_round(Round::Nearest);
    k.flags = s.take_flags(FTZ | SAT | CARRY_OUT);
    k.t = s.take_type();
    if (s.name.size() == 4) k.flags |= CARRY_IN;
    if (k.flags & (CARRY_IN | CARRY_OUT)) return !is_float(k.t) && with_carry(b, s, k, 2);
    if (is_float(k.t)) return emit_rounded(b, s, k, 2);
    return !(k.flags & FTZ) && emit_simple(b, s, k, 2);
}

/* mul, mad, madc; of floats mul and fma */
bool lower_mul(Body &b, Spec &s)
{
    bool add = s.name != "mul";
    Key k = { add ? Op::Mad : Op::Mul };
    k.round = s.take_round(Round::Nearest);
    k.flags = s.take_flags(FTZ | SAT | HI | LOW | WIDE | CARRY_OUT);
    k.t = s.take_type();
    if (s.name == "madc") k.flags |= CARRY_IN;
    if (is_float(k.t)) {
        if (add) k.op = Op::Fma;
        return emit_rounded(b, s, k, add ? 3 : 2);
    }
    if (!(k.flags & (HI | LOW | WIDE))) return false;
    if (k.flags & (CARRY_IN | CARRY_OUT))
        return !(k.flags & (WIDE | SAT)) && with_carry(b, s, k, 3);
    if (!(k.flags & WIDE)) return emit_simple(b, s, k, add ? 3 : 2);
    Type wide = k.t == Type::U16   ? Type::U32
                : k.t == Type::S16 ? Type::S32
                : k.t == Type::U32 ? Type::U64
                                   : Type::S64;
    if (type_bits(k.t) > 32 || s.operands.size() != (add ? 4u : 3u)) return false;
    s.inst.d = b.dest(s.operands[0], wide);
    s.inst.a = b.source(s.operands[1], k.t);
    s.inst.b = b.source(s.operands[2], k.t);
    if (add) s.inst.c = b.source(s.operands[3], wide);
    return emit_key(b, s, k);
}

bool lower_mul24(Body &b, Spec &s)
{
    Key k = { s.name == "mul24" ? Op::Mul24 : Op::Mad24 };
    k.flags = s.take_flags(HI | LOW);
    k.t = s.take_type();
    return emit_simple(b, s, k, k.op == Op::Mul24 ? 2 : 3);
}

bool lower_fma(Body &b, Spec &s)
{
    Key k = { Op::Fma };
    k.round = s.take_round(Round::None);
    k.flags = s.take_flags(FTZ | SAT | RELU);
    k.t = s.take_type();
    bool half = k.t != Type::F32 && k.t != Type::F64;
    if (!is_float(k.t) || (half && k.round != Round::Nearest) || (!half && (k.flags & RELU)))
        return false;
    return emit_rounded(b, s, k, 3);
}

/* Integers, and floats: .approx and .full give the nearest value as .rn does. */
bool lower_div(Body &b, Spec &s)
{
    Key k = { Op::Div };
    bool loose = s.take("approx") || s.take("full");
    k.round = s.take_round(Round::Nearest);
    k.flags = s.take_flags(FTZ);
    k.t = s.take_type();
    if (is_float(k.t)) return emit_rounded(b, s, k, 2);
    return !loose && emit_simple(b, s, k, 2);
}

bool lower_integer(Body &b, Spec &s)
{
    Key k = { s.name == "rem" ? Op::Rem : Op::Sad };
    k.t = s.take_type();
    return !is_float(k.t) && emit_simple(b, s, k, k.op == Op::Rem ? 2 : 3);
}

bool lower_minmax(Body &b, Spec &s)
{
    Key k = { s.name == "min" ? Op::Min : Op::Max };
    bool xorsign = s.take("xorsign");
    if (xorsign != s.take("abs")) return false;
    k.flags = s.take_flags(FTZ | NANS | RELU) | (xorsign ? (u32)ABS : 0);
    k.t = s.take_type();
    if (is_float(k.t) ? (k.flags & RELU) : (k.flags & (FTZ | NANS | ABS))) return false;
    return emit_simple(b, s, k, 2);
}

bool lower_unary(Body &b, Spec &s)
{
    Key k = { s.name == "abs" ? Op::Abs : Op::Neg };
    k.flags = s.take_flags(FTZ);
    k.t = s.take_type();
    return emit_simple(b, s, k, 1);
}

/* rcp, sqrt, rsqrt, sin, cos, ex2, lg2, tanh */
bool lower_function(Body &b, Spec &s)
{
    static const struct {
        const char *name;
        Op op;
    } names[] = {
        { "rcp", Op::Rcp }, { "sqrt", Op::Sqrt }, { "rsqrt", Op::Rsqrt }, { "sin", Op::Sin },
        { "cos", Op::Cos }, { "ex2", Op::Ex2 },   { "lg2", Op::Lg2 },     { "tanh", Op::Tanh },
    };
    Key k = { Op::Rcp };
    for (auto &n : names) {
        if (s.name == n.name) k.op = n.op;
    }
    bool approx = s.take("approx");
    k.round = s.take_round(approx ? Round::Nearest : Round::None);
    k.flags = s.take_flags(FTZ);
    k.t = s.take_type();
    if (k.round == Round::None) return false;
    return emit_rounded(b, s, k, 1);
}

bool lower_copysign(Body &b, Spec &s)
{
    Key k = { Op::Copysign };
    k.t = s.take_type();
    return emit_simple(b, s, k, 2);
}

/* dp4a.atype.btype, dp2a.lo.atype.btype: d and c are 32 bits */
bool lower_dot(Body &b, Spec &s)
{
    Key k = { s.name == "dp4a" ? Op::Dp4a : Op::Dp2a };
    k.flags = s.take_flags(k.op == Op::Dp2a ? LOW | HI : 0);
    k.t = s.take_type();
    k.s = s.take_type();
    if (type_bits(k.t) != 32 || type_bits(k.s) != 32) return false;
    return emit_simple(b, s, k, 3);
}

} // namespace emu
