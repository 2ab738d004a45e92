/* operand.cc - operands of an instruction, and the slots they stand for. Read next: lower.hh. */
#include "tests/emu/runtime/body.hh"

namespace emu
{

Operand Body::operand()
{
    std::string_view s = r_.peek();
    Operand o;
    if (s == "{") return vector_operand();
    if (s == "[") return address_operand();
    if (r_.accept("!")) {
        o = named_operand(r_.next());
        o.negated = true;
        return o;
    }
    bool minus = r_.accept("-");
    if (is_number(r_.peek())) {
        o.kind = Operand::Number;
        o.value = literal(r_.next());
        if (minus && o.value.kind == 'i') o.value.bits = 0 - o.value.bits;
        else if (minus) o.value.bits ^= o.value.kind == 'f' ? (u64)1 << 31 : (u64)1 << 63;
        return o;
    }
    if (minus) fail("a minus before something that is no number");
    o = named_operand(r_.next());
    if (r_.accept("|")) {
        Operand q = named_operand(r_.next());
        o.second = q.kind == Operand::Sink ? (s32)PRED_SINK : predicate(q);
    } else if (o.kind == Operand::Symbol && r_.accept("+")) {
        o.offset += (s64)r_.number();
    }
    return o;
}

Operand Body::vector_operand()
{
    Operand o;
    o.kind = Operand::Vector;
    r_.expect("{");
    while (!r_.accept("}")) {
        o.parts.push_back(operand());
        if (r_.peek() != "}") r_.expect(",");
    }
    return o;
}

/* [%rd1+8], [symbol+4], [symbol+%r], [16] */
Operand Body::address_operand()
{
    Operand o;
    o.kind = Operand::Address;
    r_.expect("[");
    for (bool minus = false; !r_.accept("]");) {
        if (r_.accept("+")) {
            minus = false;
        } else if (r_.accept("-")) {
            minus = !minus;
        } else if (is_number(r_.peek())) {
            s64 n = (s64)r_.number();
            o.offset += minus ? -n : n;
            minus = false;
        } else {
            Operand base = named_operand(r_.next());
            if (base.kind == Operand::Reg && !o.bits) {
                o.slot = base.slot;
                o.bits = base.bits;
            } else if (base.kind == Operand::Symbol && o.name.empty()) {
                o.name = base.name;
                o.space = base.space;
                o.offset += base.offset;
            } else {
                fail("an address of more than a register, a symbol and a number");
            }
        }
    }
    return o;
}

Operand Body::named_operand(std::string_view text)
{
    Operand o;
    o.name = text;
    Binding b;
    const Binding *found = lookup(o.name);
    if (text == "_") {
        o.kind = Operand::Sink;
    } else if (found && found->kind != Binding::Symbol) {
        o.kind = found->kind == Binding::Pred ? Operand::Pred : Operand::Reg;
        o.slot = found->slot;
        o.bits = found->bits;
    } else if (symbol(o.name, &b)) {
        o.kind = Operand::Symbol;
        o.space = b.space;
        o.offset = (s64)b.at;
    } else if (text == "WARP_SZ") {
        o.kind = Operand::Number;
        o.value.bits = 32;
    } else if (!text.empty() && text[0] == '%') {
        o.kind = Operand::Special;
    } else {
        o.kind = Operand::Name;
    }
    return o;
}

s32 Body::constant(u64 value, bool wide)
{
    auto known = constants_[wide].find(value);
    if (known != constants_[wide].end()) return known->second;
    k_.nconst += wide ? 64 : 32;
    k_.constants.push_back({ -k_.nconst, wide, value });
    return constants_[wide][value] = -k_.nconst;
}

s32 Body::source(const Operand &o, Type t)
{
    int bits = type_bits(t);
    switch (o.kind) {
    case Operand::Reg:
        if (o.bits != bits) fail("register " + o.name + " has another width than the type");
        return o.slot;
    case Operand::Number: return constant(literal_as(o.value, t), bits == 64);
    case Operand::Symbol:
        if (bits < 32) fail("an address of " + o.name + " in less than 32 bits");
        return constant(bits == 64 ? (u64)o.offset : (u32)o.offset, bits == 64);
    default: fail("operand " + o.name + " is no register or number");
    }
}

s32 Body::dest(const Operand &o, Type t)
{
    if (o.kind == Operand::Sink) return SLOT_SINK;
    if (o.kind != Operand::Reg) fail("destination " + o.name + " is no register");
    if (o.bits != type_bits(t)) fail("register " + o.name + " has another width than the type");
    return o.slot;
}

s32 Body::any_dest(const Operand &o, int *bits)
{
    *bits = o.kind == Operand::Sink ? 64 : o.bits;
    if (o.kind == Operand::Sink) return SLOT_SINK;
    if (o.kind != Operand::Reg) fail("destination " + o.name + " is no register");
    return o.slot;
}

s32 Body::any_source(const Operand &o, int *bits)
{
    if (o.kind == Operand::Reg) {
        *bits = o.bits;
        return o.slot;
    }
    *bits = 64;
    return source(o, Type::B64);
}

s32 Body::predicate(const Operand &o)
{
    if (o.kind != Operand::Pred) fail("operand " + o.name + " is no predicate");
    return o.slot;
}

s32 Body::pred_dest(const Operand &o)
{
    return o.kind == Operand::Sink ? (s32)PRED_SINK : predicate(o);
}

bool Spec::take(std::string_view modifier)
{
    for (size_t i = 0; i < modifiers.size(); i++) {
        if (modifiers[i] == modifier) {
            modifiers.erase(modifiers.begin() + (long)i);
            return true;
        }
    }
    return false;
}

Type Spec::take_type()
{
    for (size_t i = 0; i < modifiers.size(); i++) {
        Type t = type_named(modifiers[i]);
        if (t == Type::None) continue;
        modifiers.erase(modifiers.begin() + (long)i);
        return t;
    }
    return Type::None;
}

u32 Spec::take_flags(u32 allowed)
{
    static const struct {
        const char *name;
        u32 flag;
    } names[] = {
        { "ftz", FTZ },
        { "sat", SAT },
        { "wide", WIDE },
        { "hi", HI },
        { "lo", LOW },
        { "cc", CARRY_OUT },
        { "NaN", NANS },
        { "relu", RELU },
        { "satfinite", SATFINITE },
        { "shiftamt", SHIFTAMT },
        { "wrap", WRAP },
        { "trans", TRANS },
    };
    u32 flags = 0;
    for (auto &n : names) {
        if ((allowed & n.flag) && take(n.name)) flags |= n.flag;
    }
    return flags;
}

Round Spec::take_round(Round otherwise)
{
    static const struct {
        const char *name;
        Round round;
    } names[] = {
        { "rn", Round::Nearest },  { "rz", Round::Zero },     { "rm", Round::Down },
        { "rp", Round::Up },       { "rna", Round::Away },    { "rni", Round::NearestInt },
        { "rzi", Round::ZeroInt }, { "rmi", Round::DownInt }, { "rpi", Round::UpInt },
    };
    for (auto &n : names) {
        if (take(n.name)) return n.round;
    }
    return otherwise;
}

} // namespace emu
