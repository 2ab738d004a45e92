/* lex.hh - PTX as tokens, and a reader over them. Read next: declare.hh, module.cc. */
#ifndef PE_TESTS_EMU_LEX_HH
#define PE_TESTS_EMU_LEX_HH

#include "tests/emu/runtime/ptx.hh"

namespace emu
{

/* Comments, .loc, .file and .section are left out. Tokens point into the source. The last one is
 * empty. "add.s32" and "%tid.x" are one token, ".reg" is one, "::" inside names belongs to them. */
std::vector<Token> lex(const std::string &source);

/* A number as it is written; what it means depends on the type it is used with. */
struct Literal {
    char kind = 'i'; /* i integer, f 0f..., d 0d... or decimal with a point */
    u64 bits = 0;
};
bool is_number(std::string_view text);
Literal literal(std::string_view text);
u64 literal_as(const Literal &l, Type t); /* its bits as a value of type t */

struct Reader {
    const std::vector<Token> &tokens;
    size_t at;

    std::string_view peek(size_t ahead = 0) const
    {
        size_t i = at + ahead;
        return i < tokens.size() ? tokens[i].text : std::string_view();
    }
    u32 line() const { return tokens[at < tokens.size() ? at : tokens.size() - 1].line; }
    std::string_view next();
    bool accept(std::string_view text); /* skips it if it is next */
    void expect(std::string_view text);
    void skip_past(std::string_view text);
    void skip_block(); /* from { past its } */
    u64 number();
    [[noreturn]] void fail(const char *expected) const;
};

} // namespace emu

#endif
