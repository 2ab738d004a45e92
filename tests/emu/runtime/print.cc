/* print.cc - printf and assert of device code. Read next: call.cc. */
#include "tests/emu/runtime/ops.hh"

#include <cstdio>

namespace emu
{

namespace
{

/* Device memory through a generic address, and the arguments packed in local memory. */
struct Arguments {
    Warp &w;
    int lane;
    u64 at; /* generic address of the next argument */

    template <class T> T read(u64 from)
    {
        T v;
        memcpy(&v, reach(w, Space::Generic, from, sizeof v, lane, { Access::Load }), sizeof v);
        return v;
    }
    template <class T> T next()
    {
        at = align_up(at, (u64)sizeof(T));
        T v = read<T>(at);
        at += sizeof(T);
        return v;
    }
    std::string text(u64 from)
    {
        std::string s;
        while (char c = read<char>(from + s.size())) s += c;
        return s;
    }
};

} // namespace

/* One conversion, "%-5.2lld": its length letters are taken out and put back as ll. */
static std::string convert(const std::string &spec, Arguments *args)
{
    char kind = spec.back();
    int longs = 0;
    std::string plain;
    for (char c : spec.substr(0, spec.size() - 1)) {
        if (c == 'l') longs++;
        else if (c == 'z' || c == 't' || c == 'j') longs = 2;
        else if (c == '*') plain += std::to_string(args->next<int>());
        else if (c != 'h') plain += c;
    }
    char buffer[512];
    std::string ll = plain + "ll" + kind, one = plain + kind;
    if (strchr("diouxX", kind)) {
        bool is_signed = kind == 'd' || kind == 'i';
        long long v = longs ? args->next<s64>() : args->next<int>();
        if (!longs && !is_signed) v = (u32)v;
        snprintf(buffer, sizeof buffer, ll.c_str(), v);
    } else if (strchr("eEfFgGaA", kind)) {
        snprintf(buffer, sizeof buffer, one.c_str(), args->next<double>());
    } else if (kind == 'c') {
        snprintf(buffer, sizeof buffer, one.c_str(), args->next<int>());
    } else if (kind == 'p') {
        snprintf(buffer, sizeof buffer, one.c_str(), (void *)args->next<u64>());
    } else if (kind == 's') {
        return format(one.c_str(), args->text(args->next<u64>()).c_str());
    } else {
        return spec;
    }
    return buffer;
}

/* i.x, i.y: where in local memory the pointers to format and arguments are; i.imm: the result */
void run_printf(Warp &w, const Inst &i, u32 mask)
{
    for (; mask; mask &= mask - 1) {
        int lane = __builtin_ctz(mask);
        Arguments args = { w, lane, 0 };
        std::string fmt = args.text(args.read<u64>(LOCAL_WINDOW | (u32)i.x)), out;
        args.at = args.read<u64>(LOCAL_WINDOW | (u32)i.y);
        int conversions = 0;
        for (size_t n = 0; n < fmt.size(); n++) {
            if (fmt[n] != '%') {
                out += fmt[n];
                continue;
            }
            size_t end = fmt.find_first_of("diouxXeEfFgGaAcspn%", n + 1);
            if (end == fmt.npos) break;
            if (fmt[end] == '%') {
                out += '%';
            } else {
                out += convert(fmt.substr(n, end + 1 - n), &args);
                conversions++;
            }
            n = end;
        }
        fputs(out.c_str(), stdout);
        memcpy(reach_local(w, (u64)i.imm, 4, lane), &conversions, 4);
    }
}

/* i.list: where in local memory the message, file, line and function are */
void run_assert(Warp &w, const Inst &i, u32 mask)
{
    int lane = __builtin_ctz(mask);
    Arguments args = { w, lane, 0 };
    auto text = [&](int n) { return args.text(args.read<u64>(LOCAL_WINDOW | (u32)i.list[n])); };
    u32 line = args.read<u32>(LOCAL_WINDOW | (u32)i.list[2]);
    w.fail(lane,
           format("%s:%u: %s: assertion `%s` failed", text(1).c_str(), line, text(3).c_str(),
                  text(0).c_str()),
           cudaErrorAssert);
}

} // namespace emu
