/* check.cc - runs the cases. check [--list FOLDER] [NAME...]: with --list, every legal PTX text is
 * also written into the folder. Read next: check.hh. */
#include "tests/emu/ptx/check.hh"

#include "tests/emu/runtime/heap.hh"
#include "tests/emu/runtime/warp.hh"

#include <cstdio>
#include <cstring>
#include <set>
#include <unistd.h>

namespace check
{

struct Registered {
    const char *name;
    void (*body)();
};

static std::vector<Registered> &cases()
{
    static std::vector<Registered> all;
    return all;
}

static int failures_of_case;
static std::string list_folder;

Case::Case(const char *name, void (*body)())
{
    cases().push_back({ name, body });
}

void fail(const char *file, int line, const std::string &what)
{
    if (++failures_of_case <= 5) printf("# %s:%d: %s\n", file, line, what.c_str());
}

Array::Array(size_t nbytes) : nbytes_(nbytes)
{
    at_ = (u64)emu::heap().take(nbytes);
    if (!at_) fail(__FILE__, __LINE__, "no device memory is left");
}

Array::~Array()
{
    emu::heap().give((void *)at_);
}

void Array::put(const void *from, size_t nbytes)
{
    emu::HeapOpen open;
    memcpy((void *)at_, from, nbytes);
    emu::heap().mark(at_, nbytes);
}

void Array::take(void *to) const
{
    emu::HeapOpen open;
    memcpy(to, (const void *)at_, nbytes_);
}

static void append(const std::string &name, const char *mode, const std::string &text)
{
    FILE *f = fopen((list_folder + "/" + name).c_str(), mode);
    if (!f) return;
    fwrite(text.data(), 1, text.size(), f);
    fclose(f);
}

/* Texts of one kernel go into one file together, under other names: ptxas is slow to start. */
static void list(const std::string &head, const std::string &text)
{
    static std::set<std::string> seen;
    static const std::string alone = ".visible .entry k(";
    if (list_folder.empty() || !seen.insert(text).second) return;
    std::string number = std::to_string(seen.size());
    if (text.compare(0, alone.size(), alone)) {
        append(number + ".ptx", "w", head + text);
        return;
    }
    static bool first = true;
    if (first) append("kernels.ptx", "w", head);
    first = false;
    append("kernels.ptx", "a", ".visible .entry k" + number + "(" + text.substr(alone.size()));
}

/* Reports go to stderr: they are read from a file that takes its place. */
static std::string captured(const std::function<void()> &work)
{
    fflush(stderr);
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    work();
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    std::string text;
    char buffer[4096];
    rewind(file);
    while (size_t n = fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
    fclose(file);
    return text;
}

std::string run(const std::string &text, const std::vector<u64> &params, Shape shape, bool legal)
{
    static const char head[] = ".version 9.0\n.target sm_90\n.address_size 64\n";
    bool headless = text.find(".version") == text.npos;
    std::string whole = headless ? head + text : text;
    if (legal) list(headless ? head : "", text);
    std::string said = captured([&] {
        emu::forget_errors();
        try {
            emu::Module m(whole);
            emu::Kernel *k = m.kernel("k");
            if (!k) emu::fault(cudaErrorInvalidDeviceFunction, "no kernel k");
            emu::decode(*k);
            std::vector<u64> p = params;
            p.resize(std::max<size_t>(p.size(), (k->param_nbytes + 7) / 8));
            u32 grid[3] = { shape.blocks, 1, 1 }, threads[3] = { shape.threads, 1, 1 };
            emu::HeapOpen open;
            emu::run_launch(*k, grid, threads, shape.dynamic, (const u8 *)p.data());
        } catch (const emu::Fault &f) {
            emu::report(f.code, f.text);
        }
    });
    emu::forget_errors();
    return said;
}

static std::string kernel_around(const std::string &code, const std::vector<int> &bits)
{
    static const char *const names[] = { "d", "a", "b", "c", "e" };
    std::string s = ".visible .entry k(";
    for (size_t n = 0; n < bits.size(); n++) s += ".param .u64 p" + std::to_string(n) + ", ";
    s += ".param .u32 n)\n{\n    .reg .pred p, q, r;\n    .reg .b32 t, i, limit;\n    .reg .b64 "
         "at, x;\n";
    for (size_t n = 0; n < bits.size(); n++) {
        s += emu::format("    .reg .b%d %s;\n", bits[n], names[n]);
    }
    s += "    mov.u32 i, %ctaid.x;\n    mov.u32 t, %tid.x;\n    mad.lo.u32 i, i, 256, t;\n"
         "    ld.param.u32 limit, [n];\n    setp.ge.u32 p, i, limit;\n    @p ret;\n";
    for (size_t n = 1; n < bits.size(); n++) {
        s += emu::format("    ld.param.u64 at, [p%zu];\n    mad.wide.u32 at, i, 8, at;\n"
                         "    ld.global.b%d %s, [at];\n",
                         n, bits[n], names[n]);
    }
    s += "    " + code + "\n    ld.param.u64 at, [p0];\n    mad.wide.u32 at, i, 8, at;\n";
    return s +
           emu::format("    mov.b64 x, 0;\n    st.global.b64 [at], x;\n    st.global.b%d [at], d;\n"
                       "    ret;\n}\n",
                       bits[0]);
}

std::vector<u64> evaluate(const std::string &code, const std::string &widths,
                          const std::vector<std::vector<u64>> &in)
{
    std::vector<int> bits;
    for (const char *p = widths.c_str(); *p; p += *p == ' ') {
        char *end;
        bits.push_back((int)strtol(p, &end, 10));
        p = end;
    }
    size_t n = in[0].size();
    std::vector<std::unique_ptr<Array>> arrays;
    std::vector<u64> params;
    arrays.push_back(std::make_unique<Array>(n * 8));
    for (auto &v : in) arrays.push_back(std::make_unique<Array>(v));
    for (auto &a : arrays) params.push_back(a->at());
    params.push_back(n);
    Shape shape = { (u32)((n + 255) / 256), 256, 0 };
    std::string said = run(kernel_around(code, bits), params, shape);
    if (!said.empty()) fail(__FILE__, __LINE__, code + ": " + said);
    return arrays[0]->get<u64>();
}

static void compare(const std::string &code, const std::string &widths,
                    const std::vector<std::vector<u64>> &in,
                    const std::function<u64(size_t)> &expected)
{
    std::vector<u64> found = evaluate(code, widths, in);
    int bits = atoi(widths.c_str());
    u64 mask = bits == 64 ? ~(u64)0 : ((u64)1 << bits) - 1;
    for (size_t i = 0; i < found.size(); i++) {
        u64 want = expected(i) & mask;
        if ((found[i] & mask) == want) continue;
        std::string what = code;
        for (size_t n = 0; n < in.size(); n++)
            what += emu::format(" %c = %#llx", "abce"[n], (unsigned long long)in[n][i]);
        fail(__FILE__, __LINE__,
             what + emu::format(": found %#llx, expected %#llx",
                                (unsigned long long)(found[i] & mask), (unsigned long long)want));
    }
}

void each1(const std::string &code, const std::string &widths, const Values &a,
           const std::function<u64(u64)> &expected)
{
    compare(code, widths, { a }, [&](size_t i) { return expected(a[i]); });
}

void each2(const std::string &code, const std::string &widths, const Values &a, const Values &b,
           const std::function<u64(u64, u64)> &expected)
{
    std::vector<std::vector<u64>> in(2);
    for (u64 x : a) {
        for (u64 y : b) {
            in[0].push_back(x);
            in[1].push_back(y);
        }
    }
    compare(code, widths, in, [&](size_t i) { return expected(in[0][i], in[1][i]); });
}

void each3(const std::string &code, const std::string &widths, const Values &a, const Values &b,
           const Values &c, const std::function<u64(u64, u64, u64)> &expected)
{
    std::vector<std::vector<u64>> in(3);
    for (u64 x : a) {
        for (u64 y : b) {
            for (u64 z : c) {
                in[0].push_back(x);
                in[1].push_back(y);
                in[2].push_back(z);
            }
        }
    }
    compare(code, widths, in, [&](size_t i) { return expected(in[0][i], in[1][i], in[2][i]); });
}

Values edges(int bits)
{
    u64 most = bits == 64 ? ~(u64)0 : ((u64)1 << bits) - 1, top = (u64)1 << (bits - 1);
    Values v = { 0, 1, 2, 3, 5, 7, most, most - 1, top, top - 1, top + 1, most / 3, most / 5 };
    v.push_back(0x123456789abcdef0 & most);
    v.push_back(0xfedcba9876543211 & most);
    for (int b = 4; b < bits; b += bits / 4) v.push_back((u64)1 << b);
    return v;
}

Values amounts()
{
    return { 0, 1, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 0xffffffff };
}

static u64 of_float(float f)
{
    u32 u;
    memcpy(&u, &f, 4);
    return u;
}

static u64 of_double(double d)
{
    u64 u;
    memcpy(&u, &d, 8);
    return u;
}

Values floats()
{
    Values v = { 0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000,
                 0x807fffff, 0x3f800000, 0xbf800000, 0x3f800001, 0x3f7fffff, 0x7f7fffff,
                 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001 };
    for (float f : { 0.5f, 1.5f, 2.5f, -3.5f, 0.1f, 3.14159265f, -1e-30f, 1e30f, 16777215.0f,
                     16777217.0f, 2147483520.0f, 1e-42f, -0.75f, 65504.0f, 1e-7f }) {
        v.push_back(of_float(f));
    }
    return v;
}

Values doubles()
{
    Values v = { 0,
                 (u64)1 << 63,
                 1,
                 0x000fffffffffffff,
                 0x0010000000000000,
                 0x7fefffffffffffff,
                 0x7ff0000000000000,
                 0xfff0000000000000,
                 0x7ff8000000000000 };
    for (double d : { 1.0, -1.0, 0.5, 1.5, 2.5, -3.5, 0.1, 1e300, -1e-300, 9007199254740993.0,
                      2147483647.5, -2147483648.5, 4294967295.5, 1e19, 1e-310 }) {
        v.push_back(of_double(d));
    }
    return v;
}

} // namespace check

int main(int argc, char **argv)
{
    using namespace check;
    int first = 1, failed = 0;
    if (argc > 2 && !strcmp(argv[1], "--list")) {
        list_folder = argv[2];
        first = 3;
    }
    for (const Registered &c : cases()) {
        bool wanted = first == argc;
        for (int i = first; i < argc; i++) wanted |= !strcmp(argv[i], c.name);
        if (!wanted) continue;
        failures_of_case = 0;
        c.body();
        printf("%s %s\n", failures_of_case ? "not ok" : "ok", c.name);
        fflush(stdout);
        failed += failures_of_case > 0;
    }
    return failed ? 1 : 0;
}
