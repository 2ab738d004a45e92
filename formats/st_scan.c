/* formats/st_scan.c - strict JSON tokens for headers of up to 100 MB without a tree of nodes.
 * Read next: formats/st_read.c. */
#include "formats/st_scan.h"

#include <string.h>

void pe_scan_init(pe_scan *s, char *text, size_t nbytes)
{
    *s = (pe_scan){ text, text, text + nbytes, NULL };
}

bool pe_scan_fail(pe_scan *s, const char *wrong)
{
    if (!s->wrong) s->wrong = wrong;
    return false;
}

static void skip_blanks(pe_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

bool pe_scan_try(pe_scan *s, char c)
{
    if (s->wrong) return false;
    skip_blanks(s);
    if (s->at >= s->end || *s->at != c) return false;
    s->at++;
    return true;
}

bool pe_scan_need(pe_scan *s, char c, const char *wrong)
{
    return pe_scan_try(s, c) || pe_scan_fail(s, wrong);
}

bool pe_scan_at_end(pe_scan *s)
{
    skip_blanks(s);
    return s->at == s->end;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates), or
 * 0. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
               : (p[0] & 0xf0) == 0xe0        ? 3
               : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                              : 0;
    if (!n || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return n;
}

static size_t utf8_put(char *to, uint32_t c)
{
    unsigned char *p = (unsigned char *)to;
    if (c == 0) { /* the one form that a C string can hold */
        p[0] = 0xc0, p[1] = 0x80;
        return 2;
    }
    if (c < 0x80) {
        p[0] = (unsigned char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) p[i] = (unsigned char)(0x80 | (c & 0x3f));
    p[0] = (unsigned char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

/* Four hex digits at *p. */
static bool hex4(uint32_t *out, const char *p, const char *end)
{
    uint32_t v = 0;
    if (end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
        if (d == 16) return false;
        v = v << 4 | d;
    }
    *out = v;
    return true;
}

/* The escape after a backslash at s->at - 1; decodes to *to. */
static bool escape(pe_scan *s, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *hit = s->at < s->end ? memchr(from, *s->at, sizeof from - 1) : NULL;
    if (hit) {
        *(*to)++ = into[hit - from];
        s->at++;
        return true;
    }
    uint32_t c, low;
    if (s->at >= s->end || *s->at != 'u' || !hex4(&c, s->at + 1, s->end))
        return pe_scan_fail(s, "a valid escape in a string");
    s->at += 5;
    if (c >= 0xdc00 && c <= 0xdfff) return pe_scan_fail(s, "a high surrogate before a low one");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u' ||
            !hex4(&low, s->at + 2, s->end) || low < 0xdc00 || low > 0xdfff)
            return pe_scan_fail(s, "a low surrogate after a high one");
        s->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *to += utf8_put(*to, c);
    return true;
}

char *pe_scan_string(pe_scan *s, size_t *nbytes)
{
    if (!pe_scan_need(s, '"', "a string")) return NULL;
    char *first = s->at, *to = s->at; /* decoded text is never longer than its escapes */
    while (s->at < s->end && *s->at != '"') {
        unsigned char c = (unsigned char)*s->at;
        if (c == '\\') {
            s->at++;
            if (!escape(s, &to)) return NULL;
            continue;
        }
        size_t n = utf8_length((const unsigned char *)s->at, (size_t)(s->end - s->at));
        if (c < 0x20 || !n) {
            pe_scan_fail(s, c < 0x20 ? "no control byte in a string" : "valid UTF-8");
            return NULL;
        }
        memmove(to, s->at, n);
        to += n;
        s->at += n;
    }
    if (s->at >= s->end) {
        pe_scan_fail(s, "the end of a string");
        return NULL;
    }
    s->at++; /* the closing quote, */
    *to = 0; /* whose place or an earlier one takes the NUL */
    if (nbytes) *nbytes = (size_t)(to - first);
    return first;
}

bool pe_scan_u64(pe_scan *s, uint64_t *out)
{
    if (s->wrong) return false;
    skip_blanks(s);
    const char *first = s->at;
    uint64_t v = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        uint64_t d = (uint64_t)(*s->at - '0');
        if (v > (UINT64_MAX - d) / 10) return pe_scan_fail(s, "an integer below 2^64");
        v = v * 10 + d;
    }
    if (s->at == first || (*first == '0' && s->at - first > 1)) {
        s->at = s->begin + (first - s->begin);
        return pe_scan_fail(s, "a plain non-negative integer");
    }
    if (s->at < s->end && (*s->at == '.' || *s->at == 'e' || *s->at == 'E'))
        return pe_scan_fail(s, "an integer without fraction or exponent");
    *out = v;
    return true;
}
