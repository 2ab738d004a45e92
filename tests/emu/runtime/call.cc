/* call.cc - calls: functions of the module are inlined, two that the driver gives are handled here.
 * Read next: body.cc, print.cc. */
#include "tests/emu/runtime/body.hh"

#include "tests/emu/runtime/lower.hh"
#include "tests/emu/runtime/ops.hh"

#include <algorithm>

namespace emu
{

void Body::unsupported()
{
    unsupported("");
}

/* Not an error until it runs: a module may hold code that no launch reaches. */
void Body::unsupported(const std::string &why)
{
    while (r_.tokens[r_.at - 1].text != ";") r_.next();
    Inst i;
    i.run = run_unsupported;
    i.x = string(why);
    emit(i);
}

/* call (results), name, (arguments); every part but the name may be missing. */
void Body::call()
{
    std::vector<Operand> lists[2];
    std::string name;
    while (!r_.accept(";")) {
        if (r_.accept(",") || r_.accept(".uni")) continue;
        if (!r_.accept("(")) {
            if (name.empty()) name = r_.peek();
            r_.next();
            continue;
        }
        while (!r_.accept(")")) {
            if (!r_.accept(",")) lists[!name.empty()].push_back(named_operand(r_.next()));
        }
    }
    for (auto &list : lists) {
        for (const Operand &o : list) {
            if (o.kind == Operand::Symbol) continue;
            unsupported("only .param variables can be passed");
            return;
        }
    }
    if (call_builtin(name, lists[1], lists[0])) return;
    auto f = m_.functions.find(name);
    if (f == m_.functions.end() || !f->second.body) {
        unsupported("a call of something this module does not define");
    } else if (std::count(calls_.begin(), calls_.end(), name)) {
        unsupported("a recursive call");
    } else {
        call_inline(name, f->second, lists[1], lists[0]);
    }
}

bool Body::call_builtin(const std::string &name, const std::vector<Operand> &args,
                        const std::vector<Operand> &results)
{
    Inst i;
    if (name == "vprintf" && args.size() == 2 && results.size() == 1) {
        i.run = run_printf;
        i.x = (s32)args[0].offset;
        i.y = (s32)args[1].offset;
        i.imm = results[0].offset;
    } else if (name == "__assertfail" && args.size() == 5) {
        i.run = run_assert;
        i.list = list(
            { (s32)args[0].offset, (s32)args[1].offset, (s32)args[2].offset, (s32)args[3].offset });
    } else {
        return false;
    }
    emit(i);
    return true;
}

/* The body once more, with the caller's variables under the names of the parameters. */
void Body::call_inline(const std::string &name, const Function &f, const std::vector<Operand> &args,
                       const std::vector<Operand> &results)
{
    if (args.size() != f.params.size() || results.size() != f.results.size()) {
        fail("a call of " + name + " with another number of parameters");
    }
    if (pending_.guard >= 0) { /* around it, for the lanes that do not call */
        Inst skip;
        skip.flow = Flow::Branch;
        branch_to("\1after " + std::to_string(k_.code.size()));
        std::string after = fixups_.back().label;
        pending_.guard_negated = !pending_.guard_negated;
        emit(skip);
        pending_.guard = -1;
        call_inline(name, f, args, results);
        scopes_[scope_].labels[after] = (u32)k_.code.size();
        return;
    }
    Inst saved = pending_;
    size_t back = r_.at;
    r_.at = f.body;
    calls_.push_back(name);
    int caller = scope_;
    open_scope(true);
    auto bind = [&](const std::vector<std::string> &names, const std::vector<Operand> &values) {
        for (size_t n = 0; n < names.size(); n++) {
            const Operand &o = values[n];
            scopes_[scope_].names[names[n]] = { Binding::Symbol, 0, 0, o.space, (u64)o.offset };
        }
    };
    bind(f.params, args);
    bind(f.results, results);
    int inside = scope_;
    statements();
    scopes_[inside].labels[RETURN_LABEL] = (u32)k_.code.size();
    close_scope();
    scope_ = caller;
    calls_.pop_back();
    r_.at = back;
    pending_ = saved;
}

} // namespace emu
