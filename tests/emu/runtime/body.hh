/* body.hh - turns the statements of a kernel into instructions: names, operands, calls.
 * Read next: body.cc, lower.hh. */
#ifndef PE_TESTS_EMU_BODY_HH
#define PE_TESTS_EMU_BODY_HH

#include "tests/emu/runtime/declare.hh"

namespace emu
{

/* Shared memory for `extern .shared` starts here, far above what a kernel can declare. */
constexpr u32 DYNAMIC_BASE = 1 << 20;
constexpr u32 SHARED_GAP = 64; /* between shared variables, to find what runs past one */

/* Predicates that every warp has. */
enum : s32 { PRED_SINK = 0, PRED_CARRY = 1, PREDS_FIXED = 2 };
/* What is written to `_` goes to these words of the register file. */
enum : s32 { SLOT_SINK = 0, SLOTS_FIXED = 64 };

struct Operand {
    enum Kind : u8 { None, Reg, Pred, Number, Address, Vector, Symbol, Special, Sink, Name };
    Kind kind = None;
    bool negated = false;
    s32 slot = 0;                 /* of a register or of an address's base; a predicate's number */
    s32 second = -1;              /* the predicate q of p|q */
    int bits = 0;                 /* of the register; 0: an address has no base register */
    Space space = Space::Generic; /* of a symbol, also in an address */
    Literal value;
    s64 offset = 0; /* of an address or symbol */
    std::string name;
    std::vector<Operand> parts;
};

/* An instruction as it is written, and the Inst it becomes. */
struct Spec {
    std::string name;                   /* "add" */
    std::vector<std::string> modifiers; /* not looked at yet */
    std::vector<Operand> operands;
    Inst inst;

    bool take(std::string_view modifier); /* whether it was there; it is gone then */
    Type take_type();                     /* the first type that is left, or None */
    u32 take_flags(u32 allowed);
    Round take_round(Round otherwise);
};

struct Binding {
    enum Kind : u8 { Reg, Pred, Symbol } kind;
    s32 slot;
    int bits;
    Space space;
    u64 at;
};

class Body
{
  public:
    explicit Body(Kernel &k);
    void decode_all();

    /* For the lowering functions. They throw Fault on operands that do not fit. */
    s32 source(const Operand &o, Type t);      /* slot of a register or constant */
    s32 dest(const Operand &o, Type t);        /* slot of a register or of the sink */
    s32 any_dest(const Operand &o, int *bits); /* a register of any width */
    s32 any_source(const Operand &o, int *bits);
    s32 predicate(const Operand &o); /* number; negation is in the operand */
    s32 pred_dest(const Operand &o);
    s32 constant(u64 value, bool wide);
    s32 temporary(int bits);
    const s32 *list(const std::vector<s32> &slots);
    s32 string(const std::string &s); /* its number in the kernel's strings */
    bool symbol(const std::string &name, Binding *b);
    void emit(Inst i);
    void branch_to(const std::string &label); /* the instruction emitted next */
    void branch_list(const std::string &label);
    bool inlined() const { return !calls_.empty(); }
    [[noreturn]] void fail(const std::string &what) const;
    Kernel &kernel() { return k_; }
    Inst &pending() { return pending_; } /* line, text and guard of the statement being read */

  private:
    struct Scope {
        std::unordered_map<std::string, Binding> names;
        std::unordered_map<std::string, u32> labels;
        std::unordered_map<std::string, std::vector<std::string>> lists;
        int parent;
        s32 regs, preds;
        u32 local;
    };
    struct Fixup {
        u32 inst;
        std::string label;
        int scope;
        bool list;
    };

    void statements();
    void statement();
    bool directive(std::string_view s);
    void registers();
    void declare(std::string_view name, Type t);
    void variable(Space space);
    u64 place_shared(const std::string &name, u32 nbytes, u32 align);
    bool label();
    void instruction();
    void lower(Spec &s);
    void call();
    bool call_builtin(const std::string &name, const std::vector<Operand> &args,
                      const std::vector<Operand> &results);
    void call_inline(const std::string &name, const Function &f, const std::vector<Operand> &args,
                     const std::vector<Operand> &results);
    Operand operand();
    Operand vector_operand();
    Operand address_operand();
    Operand named_operand(std::string_view name);
    void unsupported();
    void unsupported(const std::string &why);
    void open_scope(bool function);
    void close_scope();
    const Binding *lookup(const std::string &name) const;
    void resolve();
    int find_label_scope(int scope, const std::string &label) const;

    Kernel &k_;
    Module &m_;
    Reader r_;
    std::vector<Scope> scopes_;
    int scope_ = -1;
    s32 regs_ = SLOTS_FIXED, preds_ = PREDS_FIXED;
    u32 local_ = 0;
    u32 dynamic_at_ = DYNAMIC_BASE + 16;
    std::vector<Fixup> fixups_;
    std::vector<std::string> calls_; /* functions being inlined */
    std::unordered_map<std::string, u64> placed_;
    std::unordered_map<u64, s32> constants_[2];
    Inst pending_;
};

} // namespace emu

#endif
