/* lower_matrix.cc - mma, ldmatrix and their like, from words to keys. Read next: ops/matrix.cc. */
#include "tests/emu/runtime/lower.hh"

#include "tests/emu/runtime/ops.hh"

namespace emu
{

static bool slots_of(Body &b, const Operand &o, size_t n, Type t, bool dest,
                     std::vector<s32> *slots)
{
    if (o.kind != Operand::Vector && n == 1) {
        slots->push_back(dest ? b.dest(o, t) : b.source(o, t));
        return true;
    }
    if (o.kind != Operand::Vector || o.parts.size() != n) return false;
    for (const Operand &p : o.parts) slots->push_back(dest ? b.dest(p, t) : b.source(p, t));
    return true;
}

bool lower_ldmatrix(Body &b, Spec &s)
{
    bool load = s.name == "ldmatrix";
    Key k = { load ? Op::Ldmatrix : Op::Stmatrix };
    bool form = s.take("sync") + s.take("aligned") + s.take("m8n8") == 3;
    Inst &i = s.inst;
    i.e = s.take("x1") ? 1 : s.take("x2") ? 2 : s.take("x4") ? 4 : 0;
    k.flags = s.take_flags(TRANS);
    Space space = take_space(s);
    k.t = s.take_type();
    if (!form || !i.e || k.t != Type::B16 || s.operands.size() != 2) return false;
    if (space != Space::Shared && space != Space::Generic) return false;
    std::vector<s32> slots;
    if (!slots_of(b, s.operands[load ? 0 : 1], (size_t)i.e, Type::B32, load, &slots)) return false;
    i.y = (s32)address(b, s.operands[load ? 1 : 0], space, &i);
    i.list = b.list(slots);
    i.flow = Flow::Aligned;
    return emit_key(b, s, k);
}

bool lower_movmatrix(Body &b, Spec &s)
{
    Key k = { Op::Movmatrix };
    bool form = s.take("sync") + s.take("aligned") + s.take("m8n8") + s.take("trans") == 4;
    if (!form || s.take_type() != Type::B16) return false;
    k.t = Type::B32;
    s.inst.flow = Flow::Aligned;
    return emit_simple(b, s, k, 1);
}

/* Types of D, A, B, C, and how many registers the fragments have. */
struct Shape {
    Type d, a, b, c;
    size_t nd, na, nb;
};

static bool take_shape(Spec &s, Key *k, Shape *m, bool sparse)
{
    static const struct {
        const char *name;
        u8 k;
    } shapes[] = { { "m16n8k4", 4 },
                   { "m16n8k8", 8 },
                   { "m16n8k16", 16 },
                   { "m16n8k32", 32 },
                   { "m16n8k64", 64 } };
    k->vec = 0;
    for (auto &n : shapes) {
        if (s.take(n.name)) k->vec = n.k;
    }
    m->d = s.take_type();
    m->a = s.take_type();
    m->b = s.take_type();
    m->c = s.take_type();
    if (!k->vec || m->c == Type::None || m->d != m->c) return false;
    int bits = type_bits(m->a), words = k->vec * bits / 32; /* registers a row of B, times 4 */
    bool same = m->a == m->b, bytes = bits == 8 && type_bits(m->b) == 8 && !is_float(m->a);
    if (!same && !bytes) return false;
    if ((m->d == Type::S32) != bytes) return false;
    m->nd = m->d == Type::F16 ? 2 : 4;
    m->nb = (size_t)words / 4;
    m->na = sparse ? (size_t)words / 4 : (size_t)words / 2;
    return m->nb > 0;
}

static bool sparse_operands(Body &b, Spec &s, Shape m, u8 k)
{
    const Operand &selector = s.operands[5];
    if (selector.kind != Operand::Number) return false;
    u64 most = k == 16 ? 4 : k == 32 ? 2 : 1; /* selectors of 16-bit k 16 and k 32, 8-bit k 64 */
    if (selector.value.bits >= most) return false;
    s.inst.a = b.source(s.operands[4], Type::B32);
    s.inst.x = (s32)selector.value.bits;
    return m.a == m.b;
}

bool lower_mma(Body &b, Spec &s)
{
    bool ordered = s.take("sp::ordered_metadata"), sparse = ordered || s.take("sp");
    Key k = { sparse ? Op::MmaSparse : Op::Mma };
    bool form = s.take("sync") + s.take("aligned") + s.take("row") + s.take("col") == 4;
    Shape m;
    if (!sparse) k.flags = s.take_flags(SATFINITE);
    if (!form || !take_shape(s, &k, &m, sparse) || s.operands.size() != (sparse ? 6u : 4u))
        return false;
    if ((k.flags & SATFINITE) && m.d != Type::S32) return false;
    if (is_signed(m.b)) k.flags |= SIGN;
    k.t = m.d;
    k.s = m.a;
    Type word = m.d == Type::F32 ? Type::F32 : Type::B32;
    size_t counts[] = { m.nd, m.na, m.nb, m.nd };
    std::vector<s32> all(16);
    for (size_t n = 0; n < 4; n++) {
        std::vector<s32> slots;
        if (!slots_of(b, s.operands[n], counts[n], n == 0 || n == 3 ? word : Type::B32, n == 0,
                      &slots)) {
            return false;
        }
        std::copy(slots.begin(), slots.end(), all.begin() + (long)n * 4);
    }
    if (sparse && !sparse_operands(b, s, m, k.vec)) return false;
    s.inst.y = ordered;
    s.inst.list = b.list(all);
    s.inst.flow = Flow::Aligned;
    return emit_key(b, s, k);
}

} // namespace emu
