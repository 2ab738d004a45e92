/* declare.cc - declarations: ".align 8 .b8 name[16] = {...}". Read next: declare.hh. */
#include "tests/emu/runtime/declare.hh"

namespace emu
{

bool declared_space(std::string_view token, Space *space)
{
    if (token == ".global") *space = Space::Global;
    else if (token == ".const") *space = Space::Const;
    else if (token == ".shared" || token == ".shared::cta") *space = Space::Shared;
    else if (token == ".local") *space = Space::Local;
    else if (token == ".param") *space = Space::Param;
    else return false;
    return true;
}

/* .align, .ptr, type, .v2: in any order. False at the name. */
static bool attribute(Reader &r, Declaration *d)
{
    std::string_view s = r.peek();
    Space pointee;
    if (s.empty() || s[0] != '.') return false;
    r.next();
    if (s == ".align") d->align = (u32)r.number();
    else if (s == ".attribute") r.skip_past(")");
    else if (s == ".v2") d->count *= 2;
    else if (s == ".v4") d->count *= 4;
    else if (Type t = type_named(s.substr(1)); t != Type::None) d->type = t;
    else if (s != ".ptr" && !declared_space(s, &pointee)) {
        r.at--;
        r.fail("an attribute of a declaration");
    }
    return true;
}

/* A number, a symbol, generic(symbol), each with + number. */
static Initial element(Reader &r)
{
    Initial e;
    bool minus = r.accept("-"), generic = r.accept("generic");
    if (generic) r.expect("(");
    if (is_number(r.peek())) {
        e.value = literal(r.next());
        if (minus) e.value.bits = e.value.kind == 'i' ? 0 - e.value.bits : e.value.bits;
    } else {
        e.symbol = r.next();
    }
    if (generic) r.expect(")");
    if (r.peek() == "(") r.fail("an initialiser without a mask");
    if (r.accept("+")) e.value.bits += r.number();
    return e;
}

static void initialiser(Reader &r, Declaration *d)
{
    int depth = 0;
    do {
        if (r.accept("{")) depth++;
        else if (r.accept("}")) depth--;
        else if (!r.accept(",")) d->initial.push_back(element(r));
    } while (depth);
}

Declaration declaration(Reader &r, Space space)
{
    Declaration d;
    d.space = space;
    while (attribute(r, &d)) {
    }
    d.name = r.next();
    if (d.type == Type::None) r.fail("a type before the name");
    while (r.accept("[")) {
        if (r.peek() == "]") d.unsized = true;
        else d.count *= r.number();
        r.expect("]");
    }
    if (!d.align) d.align = (u32)std::max(1, type_bits(d.type) / 8);
    if (r.accept("=")) initialiser(r, &d);
    if (d.unsized && !d.initial.empty()) {
        d.unsized = false;
        d.count = d.initial.size();
    }
    return d;
}

std::vector<Declaration> parameter_list(Reader &r)
{
    std::vector<Declaration> list;
    if (!r.accept("(")) return list;
    while (!r.accept(")")) {
        if (r.accept(",")) continue;
        if (!r.accept(".param")) r.expect(".reg");
        list.push_back(declaration(r, Space::Param));
    }
    return list;
}

} // namespace emu
