/* lower_choose.cc - comparisons, selections, moves and conversions, from words to keys.
 * Read next: ops/compare.cc, ops/convert.cc. */
#include "tests/emu/runtime/lower.hh"

#include "tests/emu/runtime/ops.hh"

namespace emu
{

static bool take_comparison(Spec &s, Key *k)
{
    static const struct {
        const char *name;
        Cmp cmp;
    } names[] = {
        { "eq", Cmp::Eq },   { "ne", Cmp::Ne },   { "lt", Cmp::Lt },   { "le", Cmp::Le },
        { "gt", Cmp::Gt },   { "ge", Cmp::Ge },   { "lo", Cmp::Lt },   { "ls", Cmp::Le },
        { "hi", Cmp::Gt },   { "hs", Cmp::Ge },   { "equ", Cmp::Equ }, { "neu", Cmp::Neu },
        { "ltu", Cmp::Ltu }, { "leu", Cmp::Leu }, { "gtu", Cmp::Gtu }, { "geu", Cmp::Geu },
        { "num", Cmp::Num }, { "nan", Cmp::Nan },
    };
    bool found = false;
    for (auto &n : names) {
        if (!found && s.take(n.name)) {
            k->cmp = n.cmp;
            found = true;
        }
    }
    k->combine = s.take("and")   ? Bool::And
                 : s.take("or")  ? Bool::Or
                 : s.take("xor") ? Bool::Xor
                                 : Bool::None;
    return found;
}

/* What `set` writes where the comparison holds: all ones, or 1.0. */
static bool truth(Type t, Type s, s64 *value)
{
    bool pair = s == Type::F16x2 || s == Type::BF16x2;
    switch (t) {
    case Type::U32:
    case Type::S32: *value = pair ? 0xffff : 0xffffffff; return true;
    case Type::U16:
    case Type::S16: *value = 0xffff; return !pair;
    case Type::F32: *value = 0x3f800000; return !pair;
    case Type::F16: *value = 0x3c00; return !pair;
    case Type::BF16: *value = 0x3f80; return !pair;
    case Type::F16x2: *value = 0x3c00; return pair;
    case Type::BF16x2: *value = 0x3f80; return pair;
    default: return false;
    }
}

/* setp p|q, a, b, c; set d, a, b, c */
bool lower_setp(Body &b, Spec &s)
{
    bool set = s.name == "set";
    Key k = { set ? Op::Set : Op::Setp };
    if (!take_comparison(s, &k)) return false;
    k.flags = s.take_flags(FTZ);
    if (set) k.t = s.take_type();
    k.s = s.take_type();
    if (s.operands.size() != (k.combine == Bool::None ? 3u : 4u)) return false;
    Inst &i = s.inst;
    if (set) {
        if (!truth(k.t, k.s, &i.imm)) return false;
        i.d = b.dest(s.operands[0], k.t);
    } else {
        i.d = b.pred_dest(s.operands[0]);
        i.e = s.operands[0].second < 0 ? (s32)PRED_SINK : s.operands[0].second;
        bool pair = k.s == Type::F16x2 || k.s == Type::BF16x2;
        if (pair && s.operands[0].second < 0) return false;
    }
    i.a = b.source(s.operands[1], k.s);
    i.b = b.source(s.operands[2], k.s);
    i.x = (s32)k.combine;
    if (k.combine != Bool::None) take_condition(b, &i, s.operands[3]);
    return emit_key(b, s, k);
}

bool lower_selp(Body &b, Spec &s)
{
    Key k = { Op::Selp };
    k.t = s.take_type();
    if (s.operands.size() != 4 || type_bits(k.t) < 16) return false;
    s.inst.d = b.dest(s.operands[0], k.t);
    s.inst.a = b.source(s.operands[1], k.t);
    s.inst.b = b.source(s.operands[2], k.t);
    take_condition(b, &s.inst, s.operands[3]);
    return emit_key(b, s, k);
}

bool lower_slct(Body &b, Spec &s)
{
    Key k = { Op::Slct };
    k.flags = s.take_flags(FTZ);
    k.t = s.take_type();
    k.s = s.take_type();
    if (s.operands.size() != 4 || (k.s != Type::S32 && k.s != Type::F32)) return false;
    s.inst.d = b.dest(s.operands[0], k.t);
    s.inst.a = b.source(s.operands[1], k.t);
    s.inst.b = b.source(s.operands[2], k.t);
    s.inst.c = b.source(s.operands[3], k.s);
    return emit_key(b, s, k);
}

bool lower_testp(Body &b, Spec &s)
{
    static const char *const names[] = { "finite",     "infinite", "number",
                                         "notanumber", "normal",   "subnormal" };
    Key k = { Op::Testp };
    s.inst.x = -1;
    for (int n = 0; n < 6; n++) {
        if (s.take(names[n])) s.inst.x = n;
    }
    k.t = s.take_type();
    if (s.operands.size() != 2 || s.inst.x < 0 || (k.t != Type::F32 && k.t != Type::F64))
        return false;
    s.inst.d = b.pred_dest(s.operands[0]);
    s.inst.a = b.source(s.operands[1], k.t);
    return emit_key(b, s, k);
}

static bool move_predicate(Body &b, Spec &s)
{
    const Operand &from = s.operands[1];
    s.inst.d = b.pred_dest(s.operands[0]);
    if (from.kind == Operand::Number) {
        s.inst.a = -1;
        s.inst.imm = (s64)from.value.bits;
    } else {
        s.inst.a = b.predicate(from);
        s.inst.y = from.negated;
    }
    return emit_run(b, s, run_pred_move);
}

/* mov.b32 {lo, hi}, r and back: shifts, so that no handler of its own is needed. */
static bool move_vector(Body &b, Spec &s, Type t, bool unpack)
{
    const Operand &vector = s.operands[unpack ? 0 : 1], &whole = s.operands[unpack ? 1 : 0];
    size_t n = vector.parts.size();
    int bits = n ? type_bits(t) / (int)n : 0;
    if (n != 2 && n != 4) return false;
    Type part = bits == 32 ? Type::B32 : bits == 16 ? Type::B16 : Type::B8;
    if (bits < 8) return false;
    Inst i = s.inst;
    i.x = (s32)n;
    i.y = bits;
    i.e = type_bits(t);
    std::vector<s32> slots;
    for (const Operand &p : vector.parts)
        slots.push_back(unpack ? b.dest(p, part) : b.source(p, part));
    i.list = b.list(slots);
    if (unpack) i.a = b.source(whole, t);
    else i.d = b.dest(whole, t);
    i.run = unpack ? run_unpack : run_pack;
    b.emit(i);
    return true;
}

static bool move_special(Body &b, Spec &s)
{
    Type t;
    s.inst.x = special_register(s.operands[1].name, &t);
    if (s.inst.x < 0) b.fail("special register " + s.operands[1].name + " is not known");
    s.inst.d = b.any_dest(s.operands[0], &s.inst.y);
    return emit_run(b, s, run_special);
}

bool lower_mov(Body &b, Spec &s)
{
    Type t = s.take_type();
    if (s.operands.size() != 2) return false;
    if (t == Type::Pred) return move_predicate(b, s);
    if (s.operands[1].kind == Operand::Special) return move_special(b, s);
    if (s.operands[0].kind == Operand::Vector) return move_vector(b, s, t, true);
    if (s.operands[1].kind == Operand::Vector) return move_vector(b, s, t, false);
    Key k = { Op::Mov };
    k.t = t;
    return emit_simple(b, s, k, 1);
}

static bool pack_integers(Body &b, Spec &s)
{
    Key k = { Op::CvtPack };
    k.t = s.take_type();
    k.s = s.take_type();
    bool bytes = type_bits(k.t) == 8, words = type_bits(k.t) == 16;
    bool third = s.take("b32");
    if (!s.take("sat") || k.s != Type::S32 || is_float(k.t) || !(bytes || words)) return false;
    if (third != bytes || s.operands.size() != (third ? 4u : 3u)) return false;
    Inst &i = s.inst;
    i.d = b.dest(s.operands[0], Type::B32);
    i.a = b.source(s.operands[1], Type::S32);
    i.b = b.source(s.operands[2], Type::S32);
    if (third) i.c = b.source(s.operands[3], Type::B32);
    i.imm = 16;
    i.x = i.y = 32;
    i.e = (s32)k.t | 1 << 24;
    return emit_key(b, s, k);
}

/* Whether a conversion of these types and this rounding exists. */
static bool rounding_fits(const Key &k, Round given)
{
    bool tf = is_float(k.t), sf = is_float(k.s);
    bool to_integer = given >= Round::NearestInt && given <= Round::UpInt;
    if (tf && sf) {
        bool same = k.t == k.s, pair = k.t == Type::F16x2 || k.t == Type::BF16x2;
        if (k.t == Type::TF32) return k.s == Type::F32 && given != Round::None && !to_integer;
        if (pair) return k.s == Type::F32 && (given == Round::Nearest || given == Round::Zero);
        bool narrows = type_bits(k.t) < type_bits(k.s) || (!same && type_bits(k.t) == 16);
        if (same) return given == Round::None || to_integer;
        return narrows ? given <= Round::Up : given == Round::None;
    }
    if (tf) return given <= Round::Up;
    if (sf) return to_integer;
    return given == Round::None;
}

bool lower_cvt(Body &b, Spec &s)
{
    if (s.take("pack")) return pack_integers(b, s);
    Key k = { Op::Cvt };
    Round given = s.take_round(Round::None);
    k.flags = s.take_flags(FTZ | SAT | RELU | SATFINITE);
    k.t = s.take_type();
    k.s = s.take_type();
    bool pair = k.t == Type::F16x2 || k.t == Type::BF16x2;
    if (k.s == Type::None || s.operands.size() != (pair ? 3u : 2u) || !rounding_fits(k, given))
        return false;
    bool small = k.t == Type::F16 || k.t == Type::BF16 || k.t == Type::TF32 || pair;
    if ((k.flags & (RELU | SATFINITE)) && !(small && k.s == Type::F32)) return false;
    k.round = given == Round::None ? Round::Nearest : given;
    Inst &i = s.inst;
    i.d = b.any_dest(s.operands[0], &i.x);
    i.a = s.operands[1].kind == Operand::Number ? b.source(s.operands[1], k.s)
                                                : b.any_source(s.operands[1], &i.y);
    if (s.operands[1].kind == Operand::Number) i.y = type_bits(k.s);
    if (pair) i.b = b.source(s.operands[2], Type::F32);
    bool lanes32 = i.y < 64, source32 = type_bits(k.s) < 64;
    bool exact = i.x == std::max(type_bits(k.t), 16) && lanes32 == source32;
    if (i.x < type_bits(k.t) || i.y < type_bits(k.s)) return false;
    k.vec = exact && type_bits(k.t) >= 16;
    i.e = (s32)k.t | (s32)k.s << 8 | (s32)k.round << 16;
    return emit_key(b, s, k);
}

static bool window_of(Space space, s64 *window)
{
    *window = space == Space::Shared  ? (s64)SHARED_WINDOW
              : space == Space::Local ? (s64)LOCAL_WINDOW
              : space == Space::Param ? (s64)PARAM_WINDOW
                                      : 0;
    return space != Space::Generic;
}

/* cvta.space d, a: to a generic address; cvta.to.space: from one */
bool lower_cvta(Body &b, Spec &s)
{
    s.inst.x = s.take("to");
    Space space = take_space(s);
    if (s.operands.size() != 2 || !s.take("u64") || !window_of(space, &s.inst.imm)) return false;
    s.inst.d = b.dest(s.operands[0], Type::U64);
    s.inst.a = b.source(s.operands[1], Type::U64);
    if (s.inst.imm) return emit_run(b, s, run_cvta);
    Key k = { Op::Mov };
    k.t = Type::U64;
    return emit_key(b, s, k);
}

bool lower_isspacep(Body &b, Spec &s)
{
    Space space = take_space(s);
    if (s.operands.size() != 2 || !window_of(space, &s.inst.imm) || space == Space::Const)
        return false;
    s.inst.d = b.pred_dest(s.operands[0]);
    s.inst.a = b.source(s.operands[1], Type::U64);
    return emit_run(b, s, run_isspacep);
}

} // namespace emu
