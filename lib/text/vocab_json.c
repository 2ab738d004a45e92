/* lib/text/vocab_json.c - finds and reads one object of strings and integers in a JSON text.
 * Read next: lib/text/vocab_json.h. */
#include "lib/text/vocab_json.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"

enum { TYPICAL_ENTRY = 15 }; /* bytes: quotes, token, colon, id, comma */

typedef struct cursor {
    const char *s;
    size_t i, n;
} cursor;

static void skip_space(cursor *c)
{
    while (c->i < c->n &&
           (c->s[c->i] == ' ' || c->s[c->i] == '\n' || c->s[c->i] == '\t' || c->s[c->i] == '\r'))
        c->i++;
}

/* Steps over `expected` and the space around it. */
static bool take(cursor *c, char expected)
{
    skip_space(c);
    if (c->i == c->n || c->s[c->i] != expected) return false;
    c->i++;
    skip_space(c);
    return true;
}

/* At the opening quote; ends behind the closing one. */
static bool skip_string(cursor *c)
{
    for (c->i++; c->i < c->n; c->i++) {
        if (c->s[c->i] == '\\') c->i++;
        else if (c->s[c->i] == '"') {
            c->i++;
            return true;
        }
    }
    return false;
}

/* Steps over a value by its brackets; what is inside them is not looked at. */
static bool skip_value(cursor *c)
{
    size_t depth = 0;
    while (c->i < c->n) {
        char at = c->s[c->i];
        if (at == '"') {
            if (!skip_string(c)) return false;
        } else if (!depth && (at == ',' || at == '}' || at == ']')) {
            return true;
        } else {
            depth += at == '{' || at == '[';
            depth -= at == '}' || at == ']';
            c->i++;
        }
        if (!depth && (at == '"' || at == '}' || at == ']')) return true;
    }
    return false;
}

/* In an object, behind its brace: moves to the value of the key. */
static bool find_key(cursor *c, const char *key)
{
    size_t nkey = strlen(key);
    for (;;) {
        size_t begin = c->i + 1;
        if (c->i == c->n || c->s[c->i] != '"' || !skip_string(c)) return false;
        bool found = c->i - 1 - begin == nkey && !memcmp(c->s + begin, key, nkey);
        if (!take(c, ':')) return false;
        if (found) return true;
        if (!skip_value(c) || !take(c, ',')) return false;
    }
}

bool pe_vocab_json_find(size_t *begin, size_t *end, const char *text, size_t nbytes)
{
    cursor c = { .s = text, .n = nbytes };
    if (!take(&c, '{') || !find_key(&c, "model") || !take(&c, '{') || !find_key(&c, "vocab"))
        return false;
    *begin = c.i;
    if (c.i == c.n || c.s[c.i] != '{' || !skip_value(&c)) return false;
    *end = c.i;
    return true;
}

static bool hex4(uint32_t *out, const cursor *c)
{
    *out = 0;
    if (c->n - c->i < 4) return false;
    for (size_t k = 0; k < 4; k++) {
        char h = c->s[c->i + k];
        uint32_t digit = h >= '0' && h <= '9'   ? (uint32_t)(h - '0')
                         : h >= 'a' && h <= 'f' ? (uint32_t)(h - 'a' + 10)
                         : h >= 'A' && h <= 'F' ? (uint32_t)(h - 'A' + 10)
                                                : 16;
        if (digit == 16) return false;
        *out = *out << 4 | digit;
    }
    return true;
}

/* Behind \u: a code point, of a surrogate pair when there is one. Half a pair and NUL are refused.
 */
static bool unicode_escape(uint32_t *cp, cursor *c)
{
    uint32_t low;
    if (!hex4(cp, c) || !*cp) return false;
    c->i += 4;
    if (*cp < 0xd800 || *cp > 0xdfff) return true;
    if (*cp > 0xdbff || c->n - c->i < 6 || c->s[c->i] != '\\' || c->s[c->i + 1] != 'u')
        return false;
    c->i += 2;
    if (!hex4(&low, c) || low < 0xdc00 || low > 0xdfff) return false;
    c->i += 4;
    *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static bool escape(char *out, size_t *n, cursor *c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t cp;
    if (c->i == c->n) return false;
    char e = c->s[c->i++];
    const char *at = e ? strchr(from, e) : NULL;
    if (at) out[(*n)++] = to[at - from];
    else if (e == 'u' && unicode_escape(&cp, c)) *n += pe_utf8_put(out + *n, cp);
    else return false;
    return true;
}

/* A string into out, which is as large as the span. */
static bool read_string(char *out, size_t *n, cursor *c)
{
    *n = 0;
    if (c->i == c->n || c->s[c->i] != '"') return false;
    for (c->i++; c->i < c->n;) {
        char at = c->s[c->i++];
        if (at == '"') {
            out[*n] = '\0';
            return true;
        }
        if ((unsigned char)at < 0x20) return false;
        if (at != '\\') out[(*n)++] = at;
        else if (!escape(out, n, c)) return false;
    }
    return false;
}

/* An integer; one of too many digits becomes -1, which is no id. */
static bool read_id(int64_t *out, cursor *c)
{
    size_t begin = c->i;
    *out = 0;
    for (; c->i < c->n && c->s[c->i] >= '0' && c->s[c->i] <= '9'; c->i++)
        if (*out <= PE_VOCAB_MAX_IDS) *out = *out * 10 + (c->s[c->i] - '0');
    return c->i > begin && (c->s[begin] != '0' || c->i == begin + 1);
}

static pe_status broken(const cursor *c, const char *expected, pe_error *err)
{
    return pe_fail(err, PE_E_INPUT, "vocabulary: byte %zu of it: expected %s", c->i, expected);
}

static pe_status read_entry(pe_vocab *v, cursor *c, char *token, pe_error *err)
{
    size_t n = 0, before = v->ntokens;
    int64_t id = 0;
    if (!read_string(token, &n, c)) return broken(c, "a token in quotes", err);
    if (!take(c, ':')) return broken(c, "a colon", err);
    if (!read_id(&id, c)) return broken(c, "the id of a token, a whole number", err);
    pe_status st = pe_vocab_add(v, token, n, id, err);
    if (!st && v->ntokens == before)
        st = pe_fail(err, PE_E_INPUT, "vocabulary: \"%.40s\" is in it twice", token);
    return st;
}

pe_status pe_vocab_json_read(pe_vocab *v, const char *span, size_t nbytes, pe_error *err)
{
    cursor c = { .s = span, .n = nbytes };
    c.i = pe_utf8_valid(span, nbytes);
    if (c.i < nbytes) return broken(&c, "UTF-8", err);
    c.i = 0;
    char *token = malloc(nbytes + 1);
    if (!token) return pe_fail_nomem(err, "the vocabulary", nbytes + 1);
    pe_status st = pe_vocab_reserve(v, nbytes / TYPICAL_ENTRY, nbytes, err);
    if (!st && !take(&c, '{')) st = broken(&c, "an object", err);
    if (!st && !take(&c, '}')) {
        do st = read_entry(v, &c, token, err);
        while (!st && take(&c, ','));
        if (!st && (!take(&c, '}') || c.i != c.n)) st = broken(&c, "a comma or a brace", err);
    }
    free(token);
    return st;
}
