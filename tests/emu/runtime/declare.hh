/* declare.hh - declarations of variables and parameters. Read next: declare.cc, module.cc. */
#ifndef PE_TESTS_EMU_DECLARE_HH
#define PE_TESTS_EMU_DECLARE_HH

#include "tests/emu/runtime/lex.hh"

namespace emu
{

/* One element of an initialiser: a number, or the address of a variable plus a number. */
struct Initial {
    Literal value;
    std::string symbol;
};

struct Declaration {
    Space space;
    Type type = Type::None;
    u32 align = 0;
    std::string name;
    u64 count = 1;
    bool unsized = false; /* name[] */
    std::vector<Initial> initial;
    u64 nbytes() const { return count * (u64)std::max(1, type_bits(type) / 8); }
};

/* Whether the token names a state space of variables: .global, .const, .shared, .local, .param. */
bool declared_space(std::string_view token, Space *space);

/* Reads what follows the space, up to the , ) or ; after it. */
Declaration declaration(Reader &r, Space space);

/* (.param .u32 a, .param .b64 b), if there is a list. */
std::vector<Declaration> parameter_list(Reader &r);

} // namespace emu

#endif
