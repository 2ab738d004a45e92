/* ptx.hh - a parsed PTX module: types, decoded instructions, kernels, variables.
 * Read next: module.cc (who makes it), warp.hh (who runs it). */
#ifndef PE_TESTS_EMU_PTX_HH
#define PE_TESTS_EMU_PTX_HH

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/emu/runtime/common.hh"

namespace emu
{

enum class Type : u8 {
    None,
#define EMU_TYPE(name, text, bits, kind) name,
#include "tests/emu/runtime/types.def"
#undef EMU_TYPE
};
Type type_named(std::string_view text); /* Type::None when there is no such type */
int type_bits(Type t);
char type_class(Type t); /* 'p' predicate, 'b' bits, 'u', 's', 'f'; 0 for None */
inline bool is_float(Type t)
{
    return type_class(t) == 'f';
}
inline bool is_signed(Type t)
{
    return type_class(t) == 's';
}

enum class Space : u8 { Generic, Global, Shared, Local, Param, Const };

/* Generic addresses of the small spaces carry these bits; host addresses never do. */
constexpr u64 SHARED_WINDOW = (u64)0xf0 << 48, LOCAL_WINDOW = (u64)0xe0 << 48,
              PARAM_WINDOW = (u64)0xd0 << 48, WINDOW_MASK = (u64)0xff << 48;

struct Inst;
struct Warp;
/* Executes one instruction for the lanes in mask. */
typedef void (*Handler)(Warp &w, const Inst &i, u32 mask);

/* How an instruction moves its warp on. */
enum class Flow : u8 {
    Plain,
    Branch,  /* to target */
    Indexed, /* to list[a] */
    Exit,
    Collective, /* runs for the lanes that its member mask (slot b) names, once all are there */
    WarpSync,   /* the same, and lanes may come from different instructions */
    Aligned,    /* runs once all 32 lanes are there */
    Barrier,    /* of the block; all live lanes of the warp come together when aligned */
};

enum class Op : u8 {
    Add,
    Sub,
    Mul,
    Mad,
    Div,
    Rem,
    Sad,
    Min,
    Max,
    Abs,
    Neg,
    Fma,
    Mul24,
    Mad24, /* arithmetic */
    And,
    Or,
    Xor,
    Not,
    Cnot,
    Shl,
    Shr,
    Shf,
    Bfe,
    Bfi,
    Bfind,
    Brev,
    Popc,
    Clz,
    Fns,
    Bmsk,
    Szext,
    Prmt,
    Lop3,
    Dp4a,
    Dp2a, /* bits */
    Setp,
    Set,
    Selp,
    Slct,
    Cvt,
    CvtPack,
    Copysign,
    Testp,
    Mov, /* choose, convert */
    Rcp,
    Sqrt,
    Rsqrt,
    Sin,
    Cos,
    Ex2,
    Lg2,
    Tanh, /* functions */
    Ld,
    St,
    LdParam, /* memory */
    Ldmatrix,
    Stmatrix,
    Movmatrix,
    Mma,
    MmaSparse, /* matrices */
};

enum : u32 {
    FTZ = 1,
    SAT = 2,
    WIDE = 4,
    HI = 8,
    CARRY_OUT = 16,
    CARRY_IN = 32,
    NANS = 64,
    RELU = 128,
    ABS = 256, /* .xorsign.abs */
    SATFINITE = 512,
    SHIFTAMT = 1024,
    RIGHT = 2048,
    WRAP = 4096,
    TRANS = 8192,
    STRONG = 16384,
    LOW = 32768,
    ACQUIRE = 1 << 16,
    RELEASE = 1 << 17,  /* of an access that is STRONG too */
    SIGN = 1 << 18,     /* a load extends the sign */
    NEGATED = CARRY_IN, /* the predicate in slot c */
};

enum class Round : u8 { Nearest, Zero, Down, Up, Away, NearestInt, ZeroInt, DownInt, UpInt, None };
enum class Cmp : u8 { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
enum class Bool : u8 { None, And, Or, Xor };

/* What a handler is chosen by. */
struct Key {
    Op op;
    Type t = Type::None; /* of the instruction, or of its destination */
    Type s = Type::None; /* of the source, where it differs */
    u32 flags = 0;
    Round round = Round::Nearest;
    Cmp cmp = Cmp::Eq;
    Bool combine = Bool::None;
    u8 vec = 1; /* elements of a load or store */
    Space space = Space::Generic;
    bool has(u32 f) const { return flags & f; }
};

/* A decoded instruction. Slots are offsets into a warp's register file, in units of 32 bits:
 * registers above 0, constants below; each has 32 lanes of 32 or 64 bits. Predicates have numbers
 * of their own. What the fields mean is said where a handler is selected. */
struct Inst {
    Handler run = nullptr;
    Flow flow = Flow::Plain;
    bool guard_negated = false;
    s16 guard = -1; /* predicate, or -1 */
    s32 d = 0, a = 0, b = 0, c = 0, e = 0;
    s64 imm = 0;
    s32 x = 0, y = 0;
    const s32 *list = nullptr; /* slots of a vector, or branch targets; the kernel's */
    s32 target = -1;
    u32 begin = 0, end = 0; /* its text in the module's source */
    u32 line = 0;
    u32 flags = 0;
};

struct Param {
    std::string name;
    u32 offset, nbytes;
};

struct Module;

struct Constant {
    s32 slot; /* negative */
    bool wide;
    u64 value;
};

struct Kernel {
    std::string name;
    Module *module = nullptr;
    std::vector<Param> params;
    u32 param_nbytes = 0;
    u32 max_threads = 1024; /* .maxntid, .reqntid */
    u32 required[3] = { 0, 0, 0 };
    size_t body = 0; /* first token of the body */

    /* Made by decode(): */
    bool decoded = false;
    std::vector<Inst> code;
    std::vector<Constant> constants;
    s32 nconst = 0, nregs = 0,
        npreds = 0;        /* words below and above 0 in a register file; predicates */
    u32 shared_nbytes = 0; /* what the program asked for */
    u32 shared_span = 0;   /* with the gaps between variables */
    u32 dynamic_at = 0;    /* where dynamic shared memory starts */
    std::vector<std::pair<u32, u32>> shared_vars; /* offset, bytes */
    u32 local_nbytes = 0;
    std::vector<std::unique_ptr<s32[]>> lists;
    std::vector<std::string> strings; /* what messages need */

    /* Set from outside, and statistics: */
    u32 max_dynamic = 0; /* opted in to */
    u64 launches = 0, warp_steps = 0, thread_steps = 0;
    double seconds = 0;

    std::string text(const Inst &i) const;
    u32 index(const Inst &i) const { return (u32)(&i - code.data()); }
};

struct Variable {
    Space space;
    u64 at; /* device address, once the module is loaded */
    u64 nbytes;
};

struct Token {
    std::string_view text;
    u32 line;
};

struct Function {
    std::vector<std::string> results, params;
    size_t body = 0; /* first token of the body; 0 when only declared */
};

struct SharedVar {
    u32 nbytes, align;
    bool dynamic; /* extern, or of no size */
};

struct Module : std::enable_shared_from_this<Module> {
    std::string source;
    std::vector<Token> tokens;
    int arch = 0;            /* of .target sm_NN */
    std::string arch_suffix; /* "a" of sm_90a */
    std::unordered_map<std::string, std::unique_ptr<Kernel>> kernels;
    std::unordered_map<std::string, Variable> variables;
    std::unordered_map<std::string, Function> functions;
    std::unordered_map<std::string, SharedVar> shared;

    /* Parses the text and puts its variables into device memory. Throws Fault. */
    explicit Module(std::string text);
    Module(const Module &) = delete;
    ~Module();
    Kernel *kernel(const std::string &name); /* NULL when there is none */
};

/* Turns the body of a kernel into code, once. Throws Fault; an instruction that the interpreter
 * does not know is no fault until it is executed. */
void decode(Kernel &k);

} // namespace emu

#endif
