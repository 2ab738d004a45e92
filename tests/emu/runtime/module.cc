/* module.cc - the outer level of a PTX module: kernels, functions, variables.
 * Read next: body.hh (what is inside a kernel). */
#include "tests/emu/runtime/declare.hh"
#include "tests/emu/runtime/heap.hh"

#include <cstdlib>

namespace emu
{

namespace
{

struct ModuleReader {
    Module &m;
    Reader r;
    bool external = false;

    void all();
    bool directive(std::string_view s);
    void target();
    void entry();
    void entry_limits(Kernel &k);
    void function();
    void variable(Space space);
    void fill(const Declaration &d, u64 at);
};

} // namespace

void ModuleReader::all()
{
    while (!r.peek().empty()) {
        std::string_view s = r.next();
        Space space;
        if (directive(s)) continue;
        if (s == ".entry") entry();
        else if (s == ".func") function();
        else if (declared_space(s, &space)) variable(space);
        else {
            r.at--;
            r.fail("a directive");
        }
        external = false;
    }
}

bool ModuleReader::directive(std::string_view s)
{
    if (s == ".version" || s == ".address_size") r.next();
    else if (s == ".target") target();
    else if (s == ".extern") external = true;
    else if (s == ".pragma" || s == ".alias") r.skip_past(";");
    else if (s != ".visible" && s != ".weak" && s != ".common" && s != ";") return false;
    return true;
}

void ModuleReader::target()
{
    std::string name(r.next());
    size_t digits = name.find_first_of("0123456789");
    char *end = nullptr;
    if (name.compare(0, 3, "sm_") || digits != 3) r.fail("a target like sm_80 before");
    m.arch = (int)strtol(name.c_str() + 3, &end, 10);
    m.arch_suffix = end;
    while (r.accept(",")) r.next();
}

void ModuleReader::entry()
{
    std::string name(r.next());
    auto &k = m.kernels[name] = std::make_unique<Kernel>();
    k->name = name;
    k->module = &m;
    for (Declaration &d : parameter_list(r)) {
        k->param_nbytes = align_up(k->param_nbytes, d.align);
        k->params.push_back({ d.name, k->param_nbytes, (u32)d.nbytes() });
        k->param_nbytes += (u32)d.nbytes();
    }
    entry_limits(*k);
    k->body = r.at;
    r.skip_block();
}

void ModuleReader::entry_limits(Kernel &k)
{
    while (r.peek() != "{") {
        std::string_view s = r.next();
        if (s == ".maxntid" || s == ".reqntid") {
            u32 n[3] = { (u32)r.number(), 1, 1 };
            for (int i = 1; i < 3 && r.accept(","); i++) n[i] = (u32)r.number();
            k.max_threads = n[0] * n[1] * n[2];
            if (s == ".reqntid") memcpy(k.required, n, sizeof n);
        } else if (s == ".minnctapersm" || s == ".maxnctapersm" || s == ".maxnreg") {
            r.number();
        } else if (s == ".pragma") {
            r.skip_past(";");
        } else {
            r.at--;
            r.fail("a limit of a kernel that is known");
        }
    }
}

void ModuleReader::function()
{
    Function f;
    while (r.accept(".attribute")) r.skip_past(")");
    for (Declaration &d : parameter_list(r)) f.results.push_back(d.name);
    std::string name(r.next());
    for (Declaration &d : parameter_list(r)) f.params.push_back(d.name);
    while (r.peek() != "{" && r.peek() != ";") r.next();
    if (r.accept(";")) {
        m.functions.insert({ name, f }); /* does not replace one with a body */
        return;
    }
    f.body = r.at;
    r.skip_block();
    m.functions[name] = f;
}

void ModuleReader::fill(const Declaration &d, u64 at)
{
    u32 size = (u32)std::max(1, type_bits(d.type) / 8);
    u64 end = at + d.nbytes();
    for (const Initial &e : d.initial) {
        u64 value = literal_as(e.value, d.type);
        if (!e.symbol.empty()) {
            auto v = m.variables.find(e.symbol);
            if (v == m.variables.end()) r.fail("an initialiser with a variable that is known");
            value = v->second.at + e.value.bits;
        }
        if (at + size > end) r.fail("fewer values in the initialiser before");
        memcpy((void *)at, &value, size);
        at += size;
    }
}

/* Variables of a module are zero unless they say otherwise, and count as written. */
void ModuleReader::variable(Space space)
{
    Declaration d = declaration(r, space);
    r.expect(";");
    if (space == Space::Shared) {
        m.shared[d.name] = { d.unsized ? 0 : (u32)d.nbytes(), d.align, d.unsized || external };
        return;
    }
    if (external) r.fail("a variable that this module defines, before");
    if (d.align > 256) r.fail("an alignment of at most 256, before");
    u64 nbytes = std::max<u64>(d.nbytes(), 1);
    u64 at = (u64)heap().take(nbytes, d.name);
    if (!at) fault(cudaErrorMemoryAllocation, "no room for device variable %s", d.name.c_str());
    HeapOpen open;
    memset((void *)at, 0, nbytes);
    heap().mark(at, nbytes);
    m.variables[d.name] = { space, at, nbytes };
    fill(d, at);
}

Module::Module(std::string text) : source(std::move(text))
{
    tokens = lex(source);
    ModuleReader{ *this, Reader{ tokens, 0 } }.all();
}

Module::~Module()
{
    for (auto &v : variables) heap().give((void *)v.second.at);
}

Kernel *Module::kernel(const std::string &name)
{
    auto i = kernels.find(name);
    return i == kernels.end() ? nullptr : i->second.get();
}

} // namespace emu
