/* tests/emu/libs/refusal.hh - how a stand-in says no: quietly where the real library does, loudly
 * where only the stand-in has to. Read next: ltrules.cc, sprules.cc. */
#pragma once

#include <cstdarg>

namespace emulib
{

/* Begins a call of the library: names it in all messages to come and tells whether PE_EMU_FAIL
 * wants exactly this one to fail. */
bool enter(const char *function);
const char *function();

/* A refusal that the real library would give too. The status is what the caller returns; the reason
 * goes to stderr with PE_EMU_VERBOSE=1, since a bare status tells so little. */
void refused(const char *format, va_list arguments);

/* The real library may run this, the stand-in cannot: a violation, since a plain "not supported"
 * would be a false statement about the real library. */
void missing(const char *format, va_list arguments);

/* A rule was broken that no library checks: emu::violation() with the call's name in front. */
__attribute__((format(printf, 1, 2))) void broken(const char *format, ...);

/* An object of the library was made, or destroyed (-1). With PE_EMU_STATS=1 the process says at its
 * end how many were made, and how many are still alive. */
void count_object(const char *library, int change);

/* Compute capability of the current device, 90 for 9.0; 0 when there is none. */
int capability();

} // namespace emulib
