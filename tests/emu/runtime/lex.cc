/* lex.cc - PTX text to tokens, numbers to bits. Read next: lex.hh. */
#include "tests/emu/runtime/lex.hh"

#include <cctype>
#include <cstdlib>

namespace emu
{

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

namespace
{

struct Lexer {
    const std::string &s;
    size_t i = 0;
    u32 line = 1;
    std::vector<Token> out;

    char at(size_t ahead) const { return i + ahead < s.size() ? s[i + ahead] : 0; }
    void skip_line()
    {
        while (i < s.size() && s[i] != '\n') i++;
    }
    void add(size_t end)
    {
        out.push_back({ std::string_view(s).substr(i, end - i), line });
        i = end;
    }
    void skip_comment();
    void skip_section();
    bool space_or_comment();
    size_t name_end(size_t from) const;
    void directive();
    void string();
};

} // namespace

void Lexer::skip_comment()
{
    size_t end = s.find("*/", i + 2);
    end = end == s.npos ? s.size() : end + 2;
    for (; i < end; i++) line += s[i] == '\n';
}

/* .section name { ... } holds debug information. */
void Lexer::skip_section()
{
    for (; i < s.size() && s[i] != '}'; i++) line += s[i] == '\n';
    if (i < s.size()) i++;
}

bool Lexer::space_or_comment()
{
    char c = at(0);
    if (c == '\n') line++;
    if (isspace((unsigned char)c) || c == 0) i++;
    else if (c == '/' && at(1) == '/') skip_line();
    else if (c == '/' && at(1) == '*') skip_comment();
    else return false;
    return true;
}

/* Past a name and, with dots, its parts: "ld.global.L2::128B.v4.u32". */
size_t Lexer::name_end(size_t from) const
{
    size_t j = from;
    bool dots = s[i] != '.';
    while (j < s.size()) {
        if (in_name(s[j]) || (dots && s[j] == '.')) j++;
        else if (s[j] == ':' && j + 2 < s.size() && s[j + 1] == ':' && in_name(s[j + 2])) j += 2;
        else break;
    }
    return j;
}

void Lexer::directive()
{
    size_t end = name_end(i + 1);
    std::string_view name = std::string_view(s).substr(i, end - i);
    if (name == ".loc" || name == ".file") skip_line();
    else if (name == ".section") skip_section();
    else add(end);
}

void Lexer::string()
{
    size_t end = s.find('"', i + 1);
    add(end == s.npos ? s.size() : end + 1);
}

std::vector<Token> lex(const std::string &source)
{
    Lexer l{ source, 0, 1, {} };
    while (l.i < source.size()) {
        char c = source[l.i];
        if (l.space_or_comment()) continue;
        if (c == '.') l.directive();
        else if (in_name(c) || c == '%') l.add(l.name_end(l.i + 1));
        else if (c == '"') l.string();
        else l.add(l.i + 1);
    }
    l.add(l.i);
    return std::move(l.out);
}

bool is_number(std::string_view text)
{
    return !text.empty() && isdigit((unsigned char)text[0]);
}

Literal literal(std::string_view text)
{
    std::string s(text);
    char second = s.size() > 2 && s[0] == '0' ? (char)tolower((unsigned char)s[1]) : 0;
    Literal l;
    if (s.find('.') != s.npos) {
        double d = strtod(s.c_str(), nullptr);
        l.kind = 'd';
        memcpy(&l.bits, &d, sizeof d);
    } else if (second == 'f' || second == 'd') {
        l.kind = second;
        l.bits = strtoull(s.c_str() + 2, nullptr, 16);
    } else if (second == 'b') {
        l.bits = strtoull(s.c_str() + 2, nullptr, 2);
    } else {
        l.bits = strtoull(s.c_str(), nullptr, 0);
    }
    return l;
}

u64 literal_as(const Literal &l, Type t)
{
    float f;
    double d;
    u32 bits = (u32)l.bits;
    u64 r = l.bits;
    if (l.kind == 'f') {
        memcpy(&f, &bits, sizeof f);
        d = f;
    } else {
        memcpy(&d, &l.bits, sizeof d);
        f = (float)d;
    }
    if (l.kind == 'd' && (t == Type::F32 || t == Type::TF32)) {
        memcpy(&bits, &f, sizeof f);
        r = bits;
    } else if (l.kind == 'f' && t == Type::F64) {
        memcpy(&r, &d, sizeof d);
    }
    int n = type_bits(t);
    return n >= 64 || n == 0 ? r : r & (((u64)1 << n) - 1);
}

std::string_view Reader::next()
{
    if (at + 1 >= tokens.size()) fail("more text");
    return tokens[at++].text;
}

bool Reader::accept(std::string_view text)
{
    if (peek() != text) return false;
    at++;
    return true;
}

void Reader::expect(std::string_view text)
{
    if (!accept(text)) fail(std::string(text).c_str());
}

void Reader::skip_past(std::string_view text)
{
    while (next() != text) {
    }
}

void Reader::skip_block()
{
    expect("{");
    for (int depth = 1; depth;) {
        std::string_view t = next();
        depth += t == "{" ? 1 : t == "}" ? -1 : 0;
    }
}

u64 Reader::number()
{
    if (!is_number(peek())) fail("a number");
    return literal(next()).bits;
}

void Reader::fail(const char *expected) const
{
    fault(cudaErrorInvalidPtx, "PTX line %u: found '%.*s', expected %s", line(), (int)peek().size(),
          peek().data(), expected);
}

} // namespace emu
