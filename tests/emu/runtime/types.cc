/* types.cc - names and widths of PTX types. Read next: types.def. */
#include "tests/emu/runtime/ptx.hh"

namespace emu
{

static const struct {
    const char *text;
    int bits;
    char kind;
} table[] = {
    { "", 0, 0 },
#define EMU_TYPE(name, text, bits, kind) { text, bits, kind },
#include "tests/emu/runtime/types.def"
#undef EMU_TYPE
};

Type type_named(std::string_view text)
{
    for (size_t i = 1; i < sizeof table / sizeof *table; i++) {
        if (text == table[i].text) return (Type)i;
    }
    return Type::None;
}

int type_bits(Type t)
{
    return table[(int)t].bits;
}
char type_class(Type t)
{
    return table[(int)t].kind;
}

/* As it stands in the source, on one line. */
std::string Kernel::text(const Inst &i) const
{
    std::string out;
    for (char c : module->source.substr(i.begin, i.end - i.begin)) {
        if (c == '\n' || c == '\t') c = ' ';
        if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
    }
    return out;
}

} // namespace emu
