/* lower.hh - from the words of an instruction to its handler, one function a family of mnemonics.
 * Read next: opcodes.def, lower.cc, ops.hh. */
#ifndef PE_TESTS_EMU_LOWER_HH
#define PE_TESTS_EMU_LOWER_HH

#include "tests/emu/runtime/body.hh"

namespace emu
{

/* Takes the modifiers that it knows and emits instructions. False: not supported. Modifiers that
 * are left over make the instruction unsupported too, so that nothing is ignored silently. */
typedef bool (*Lowering)(Body &b, Spec &s);
Lowering lowering(const std::string &name); /* NULL: no such instruction */

/* Where `ret` goes in a function that is inlined. */
#define RETURN_LABEL "\1return"

#define EMU_OPCODE(name, function) bool function(Body &b, Spec &s);
#include "tests/emu/runtime/opcodes.def"
#undef EMU_OPCODE

/* The handler for a key of the fastest instruction set of this CPU; NULL: there is none. */
Handler select_handler(const Key &k);

/* Selects for the key and emits the instruction of s; with slots d, a, b, c of the key's type. */
bool emit_key(Body &b, Spec &s, const Key &k);
bool emit_simple(Body &b, Spec &s, const Key &k, size_t sources);
bool emit_run(Body &b, Spec &s, Handler run, Flow flow = Flow::Plain);

/* An address operand: i.a, i.imm, i.x = bits of the base register (0: none). The result is the
 * space, which a symbol in it may say more exactly. */
Space address(Body &b, const Operand &o, Space space, Inst *i);
bool take_condition(Body &b, Inst *i, const Operand &o); /* i.c and NEGATED */

Space take_space(Spec &s);
void take_cache_hints(Spec &s); /* with the operand of a cache policy */
u32 take_order(Spec &s);
bool take_scope(Spec &s);

} // namespace emu

#endif
