/* body.cc - the statements of a kernel, one after the other: scopes, registers, variables, labels.
 * Read next: operand.cc, call.cc, lower.cc. */
#include "tests/emu/runtime/body.hh"

#include "tests/emu/runtime/lower.hh"

#include <algorithm>

namespace emu
{

Body::Body(Kernel &k) : k_(k), m_(*k.module), r_{ k.module->tokens, k.body }
{
    for (auto &v : m_.shared) {
        if (v.second.dynamic) {
            dynamic_at_ = std::max(dynamic_at_, DYNAMIC_BASE + std::max(v.second.align, 16u));
        }
    }
}

void Body::fail(const std::string &what) const
{
    fault(cudaErrorInvalidPtx, "kernel %s, PTX line %u: %s", k_.name.c_str(), pending_.line,
          what.c_str());
}

/* Registers, parameters and local variables of a scope are dead after it: their places are used
 * again. Lanes that are elsewhere have their own lanes of a register. */
void Body::open_scope(bool function)
{
    scopes_.push_back({ {}, {}, {}, function ? -1 : scope_, regs_, preds_, local_ });
    scope_ = (int)scopes_.size() - 1;
}

void Body::close_scope()
{
    Scope &s = scopes_[scope_];
    regs_ = s.regs;
    preds_ = s.preds;
    local_ = s.local;
    scope_ = s.parent;
}

void Body::decode_all()
{
    open_scope(true);
    for (const Param &p : k_.params) {
        scopes_[scope_].names[p.name] = { Binding::Symbol, 0, 0, Space::Param, p.offset };
    }
    statements();
    pending_ = Inst();
    pending_.line = r_.line();
    Inst end = pending_;
    end.flow = Flow::Exit;
    k_.code.push_back(end);
    resolve();
    k_.dynamic_at = dynamic_at_;
    k_.decoded = true;
}

/* From { to its }, scopes inside included. */
void Body::statements()
{
    r_.expect("{");
    while (!r_.accept("}")) {
        if (r_.peek() == "{") {
            open_scope(false);
            statements();
            close_scope();
        } else {
            statement();
        }
    }
}

void Body::statement()
{
    pending_ = Inst();
    pending_.line = r_.line();
    std::string_view s = r_.peek();
    Space space;
    if (r_.accept(";") || label()) return;
    if (s == ".reg") {
        registers();
    } else if (declared_space(s, &space)) {
        r_.next();
        variable(space);
    } else if (s == ".pragma") {
        r_.skip_past(";");
    } else {
        instruction();
    }
}

/* .reg .b32 %r<10>, x; */
void Body::registers()
{
    r_.expect(".reg");
    std::string_view type = r_.next();
    Type t = type_named(type.substr(1));
    if (t == Type::None || t == Type::B128) fail("registers of type " + std::string(type));
    do {
        std::string name(r_.next());
        if (r_.accept("<")) {
            u64 n = r_.number();
            r_.expect(">");
            for (u64 i = 0; i < n; i++) declare(name + std::to_string(i), t);
        } else {
            declare(name, t);
        }
    } while (r_.accept(","));
    r_.expect(";");
}

void Body::declare(std::string_view name, Type t)
{
    Binding b = { Binding::Reg, 0, type_bits(t), Space::Generic, 0 };
    if (t == Type::Pred) {
        b.kind = Binding::Pred;
        b.slot = preds_++;
        k_.npreds = std::max(k_.npreds, preds_);
    } else {
        b.slot = temporary(type_bits(t));
    }
    scopes_[scope_].names[std::string(name)] = b;
}

s32 Body::temporary(int bits)
{
    s32 slot = regs_;
    regs_ += bits == 64 ? 64 : 32;
    k_.nregs = std::max(k_.nregs, regs_);
    return slot;
}

void Body::variable(Space space)
{
    Declaration d = declaration(r_, space);
    r_.expect(";");
    Binding b = { Binding::Symbol, 0, 0, space, 0 };
    u32 align = std::max(d.align, 1u);
    if (space == Space::Shared) {
        std::string function = calls_.empty() ? "" : calls_.back();
        b.at = place_shared(function + "/" + d.name, (u32)d.nbytes(), align);
    } else if (space == Space::Local || space == Space::Param) {
        b.space = Space::Local; /* parameters of calls are local memory */
        b.at = local_ = align_up(local_, std::max(align, 8u));
        local_ += (u32)d.nbytes();
        k_.local_nbytes = std::max(k_.local_nbytes, local_);
    } else {
        fail("variable " + d.name + " of this space inside a kernel");
    }
    scopes_[scope_].names[d.name] = b;
}

/* A shared variable of a function is one variable, however often the function is inlined. */
u64 Body::place_shared(const std::string &name, u32 nbytes, u32 align)
{
    auto known = placed_.find(name);
    if (known != placed_.end()) return known->second;
    u32 at = align_up(k_.shared_span + SHARED_GAP, align);
    k_.shared_span = at + nbytes;
    k_.shared_nbytes = align_up(k_.shared_nbytes, align) + nbytes;
    k_.shared_vars.push_back({ at, nbytes });
    if (k_.shared_span >= DYNAMIC_BASE) fail("more shared memory than any device has");
    return placed_[name] = at;
}

bool Body::symbol(const std::string &name, Binding *b)
{
    const Binding *found = lookup(name);
    if (found) {
        *b = *found;
        return found->kind == Binding::Symbol;
    }
    auto s = m_.shared.find(name);
    if (s != m_.shared.end()) {
        const SharedVar &v = s->second;
        u64 at = v.dynamic ? dynamic_at_ : place_shared("/" + name, v.nbytes, v.align);
        *b = { Binding::Symbol, 0, 0, Space::Shared, at };
        return true;
    }
    auto v = m_.variables.find(name);
    if (v == m_.variables.end()) return false;
    *b = { Binding::Symbol, 0, 0, v->second.space, v->second.at };
    return true;
}

const Binding *Body::lookup(const std::string &name) const
{
    for (int s = scope_; s >= 0; s = scopes_[s].parent) {
        auto i = scopes_[s].names.find(name);
        if (i != scopes_[s].names.end()) return &i->second;
    }
    return nullptr;
}

/* name: or name: .branchtargets a, b; */
bool Body::label()
{
    if (r_.peek(1) != ":") return false;
    std::string name(r_.next());
    r_.expect(":");
    if (r_.accept(".branchtargets")) {
        auto &targets = scopes_[scope_].lists[name];
        do targets.push_back(std::string(r_.next()));
        while (r_.accept(","));
        r_.expect(";");
    } else if (r_.accept(".callprototype")) {
        r_.skip_past(";");
    } else {
        scopes_[scope_].labels[name] = (u32)k_.code.size();
    }
    return true;
}

void Body::branch_to(const std::string &label)
{
    fixups_.push_back({ (u32)k_.code.size(), label, scope_, false });
}

void Body::branch_list(const std::string &label)
{
    fixups_.push_back({ (u32)k_.code.size(), label, scope_, true });
}

int Body::find_label_scope(int scope, const std::string &label) const
{
    while (scope >= 0 && !scopes_[scope].labels.count(label)) scope = scopes_[scope].parent;
    if (scope < 0) fail("label " + label + " is nowhere");
    return scope;
}

/* Labels to instructions, when all of them are known. */
void Body::resolve()
{
    for (const Fixup &f : fixups_) {
        Inst &i = k_.code[f.inst];
        if (!f.list) {
            i.target = (s32)scopes_[find_label_scope(f.scope, f.label)].labels[f.label];
            continue;
        }
        int s = f.scope;
        while (s >= 0 && !scopes_[s].lists.count(f.label)) s = scopes_[s].parent;
        if (s < 0) fail("list of branch targets " + f.label + " is nowhere");
        std::vector<s32> targets;
        for (const std::string &label : scopes_[s].lists[f.label]) {
            targets.push_back((s32)scopes_[find_label_scope(f.scope, label)].labels[label]);
        }
        i.x = (s32)targets.size();
        i.list = list(targets);
    }
}

const s32 *Body::list(const std::vector<s32> &slots)
{
    auto copy = std::make_unique<s32[]>(std::max<size_t>(slots.size(), 1));
    std::copy(slots.begin(), slots.end(), copy.get());
    k_.lists.push_back(std::move(copy));
    return k_.lists.back().get();
}

s32 Body::string(const std::string &s)
{
    k_.strings.push_back(s);
    return (s32)k_.strings.size() - 1;
}

/* Guard, position and text are those of the statement being read. */
void Body::emit(Inst i)
{
    i.guard = pending_.guard;
    i.guard_negated = pending_.guard_negated;
    i.line = pending_.line;
    i.begin = pending_.begin;
    i.end = pending_.end;
    k_.code.push_back(i);
}

/* @!%p name.modifiers operands; */
void Body::instruction()
{
    size_t start = r_.at;
    if (r_.accept("@")) {
        pending_.guard_negated = r_.accept("!");
        Operand p = named_operand(r_.next());
        pending_.guard = (s16)predicate(p);
    }
    Spec s;
    std::string words(r_.next());
    size_t from = words.find('.');
    s.name = words.substr(0, from);
    while (from != words.npos) {
        size_t to = words.find('.', from + 1);
        s.modifiers.push_back(words.substr(from + 1, to == words.npos ? to : to - from - 1));
        from = to;
    }
    size_t end = r_.at;
    while (r_.tokens[end].text != ";") end++;
    pending_.begin = (u32)(r_.tokens[start].text.data() - m_.source.data());
    pending_.end = (u32)(r_.tokens[end].text.data() - m_.source.data());
    if (s.name == "call") {
        call();
        return;
    }
    try {
        while (!r_.accept(";")) {
            s.operands.push_back(operand());
            if (r_.peek() != ";") r_.expect(",");
        }
    } catch (const Fault &f) {
        r_.at = end + 1;
        unsupported(f.text);
        return;
    }
    lower(s);
}

void Body::lower(Spec &s)
{
    Lowering function = lowering(s.name);
    size_t before = k_.code.size(), fixed = fixups_.size();
    std::string why;
    try {
        if (function && function(*this, s) && s.modifiers.empty()) return;
    } catch (const Fault &f) {
        why = f.text;
    }
    k_.code.resize(before);
    fixups_.resize(fixed);
    unsupported(why);
}

void decode(Kernel &k)
{
    if (!k.decoded) {
        k.code.clear();
        Body(k).decode_all();
    }
}

} // namespace emu
