/* lib/base/json.c - parses JSON that may be hostile, reads members with checks, prints values
 * stably.
 * Read next: lib/base/json.h. */
#include "lib/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

enum { MAX_DEPTH = 64, MAX_INT_DIGITS = 18 };

typedef struct scan {
    size_t line, column; /* of the first place that is too deep */
    size_t nlong;        /* integers that may not fit 64 bits */
} scan;

static size_t skip_string(const char *text, size_t nbytes, size_t i)
{
    for (i++; i < nbytes && text[i] != '"'; i++)
        if (text[i] == '\\') i++;
    return i < nbytes ? i + 1 : nbytes;
}

/* Length of the number at text[i]; *is_long when it is an integer of more than 18 digits. */
static size_t number_length(const char *text, size_t nbytes, size_t i, bool *is_long)
{
    size_t n = i, digits = 0;
    bool integer = true;
    for (; n < nbytes && text[n] && strchr("+-.eE0123456789", text[n]); n++) {
        if (text[n] >= '0' && text[n] <= '9') digits++;
        else if (text[n] != '-' || n > i) integer = false;
    }
    *is_long = integer && digits > MAX_INT_DIGITS;
    return n - i;
}

/* Looks through the text once before jansson sees it: nesting is bounded here, so its recursion is
 * too. With `out` the text is copied, and ".0" follows every integer that is too long for 64 bits:
 * tokenizer_config.json says "model_max_length": 1000000000000000019884624838656. Returns bytes
 * written; 0 and a line in *s when it is too deep. */
static size_t look_through(scan *s, const char *text, size_t nbytes, char *out)
{
    size_t depth = 0, line = 1, line_start = 0, used = 0;
    for (size_t i = 0; i < nbytes;) {
        size_t n = 1;
        bool is_long = false;
        char c = text[i];
        if (c == '"') n = skip_string(text, nbytes, i) - i;
        else if (c == '-' || (c >= '0' && c <= '9')) n = number_length(text, nbytes, i, &is_long);
        else if ((c == '[' || c == '{') && ++depth > MAX_DEPTH) {
            *s = (scan){ .line = line, .column = i - line_start + 1 };
            return 0;
        } else if ((c == ']' || c == '}') && depth) depth--;
        else if (c == '\n') {
            line++;
            line_start = i + 1;
        }
        if (out) memcpy(out + used, text + i, n);
        used += n;
        if (is_long) {
            if (out) memcpy(out + used, ".0", 2);
            used += 2;
            s->nlong++;
        }
        i += n;
    }
    return used;
}

pe_status pe_json_parse(json_t **out, const char *text, size_t nbytes, const char *name,
                        pe_error *err)
{
    scan s = { 0 };
    size_t total = look_through(&s, text, nbytes, NULL);
    if (s.line)
        return pe_fail(err, PE_E_INPUT, "%s:%zu:%zu: nested deeper than %d levels", name, s.line,
                       s.column, (int)MAX_DEPTH);
    char *patched = NULL;
    if (s.nlong) {
        patched = malloc(total);
        if (!patched) return pe_fail_nomem(err, name, total);
        look_through(&s, text, nbytes, patched);
    }
    json_error_t je;
    json_t *value = json_loadb(patched ? patched : text, total, JSON_REJECT_DUPLICATES, &je);
    free(patched);
    if (!value) {
        if (json_error_code(&je) == json_error_out_of_memory)
            return pe_fail_nomem(err, name, total);
        return pe_fail(err, PE_E_INPUT, "%s:%d:%d: not valid JSON: %s", name, je.line, je.column,
                       je.text);
    }
    *out = value;
    return PE_OK;
}

pe_status pe_json_load(json_t **out, const char *path, size_t max_nbytes, pe_error *err)
{
    char *text = NULL;
    size_t nbytes = 0;
    pe_status st = pe_file_slurp(&text, &nbytes, path, max_nbytes, err);
    if (!st) st = pe_json_parse(out, text, nbytes, strcmp(path, "-") ? path : "stdin", err);
    free(text);
    return st;
}

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}

/* *v is the member, NULL when it may be missing and is (null counts as missing). */
static pe_status member(const json_t **v, const json_t *o, const char *key, bool required,
                        const char *where, pe_error *err)
{
    if (!json_is_object(o))
        return pe_fail(err, PE_E_INPUT, "%s: found %s, expected an object with \"%s\"", where,
                       o ? type_name(o) : "nothing", key);
    *v = json_object_get(o, key);
    if (json_is_null(*v)) *v = NULL;
    if (!*v && required) return pe_fail(err, PE_E_INPUT, "%s: \"%s\" is missing", where, key);
    return PE_OK;
}

static pe_status wrong_type(const json_t *v, const char *key, const char *where,
                            const char *expected, pe_error *err)
{
    return pe_fail(err, PE_E_INPUT, "%s: \"%s\": found %s, expected %s", where, key, type_name(v),
                   expected);
}

pe_status pe_json_int(int64_t *out, const json_t *o, const char *key, int64_t min, int64_t max,
                      bool required, const char *where, pe_error *err)
{
    const json_t *v = NULL;
    pe_status st = member(&v, o, key, required, where, err);
    if (st || !v) return st;
    if (!json_is_integer(v)) return wrong_type(v, key, where, "an integer", err);
    int64_t value = json_integer_value(v);
    if (value < min || value > max)
        return pe_fail(err, PE_E_INPUT, "%s: \"%s\": found %lld, expected %lld to %lld", where, key,
                       (long long)value, (long long)min, (long long)max);
    *out = value;
    return PE_OK;
}

pe_status pe_json_num(double *out, const json_t *o, const char *key, bool required,
                      const char *where, pe_error *err)
{
    const json_t *v = NULL;
    pe_status st = member(&v, o, key, required, where, err);
    if (st || !v) return st;
    if (!json_is_number(v)) return wrong_type(v, key, where, "a number", err);
    *out = json_number_value(v);
    return PE_OK;
}

pe_status pe_json_bool(bool *out, const json_t *o, const char *key, bool required,
                       const char *where, pe_error *err)
{
    const json_t *v = NULL;
    pe_status st = member(&v, o, key, required, where, err);
    if (st || !v) return st;
    if (!json_is_boolean(v)) return wrong_type(v, key, where, "true or false", err);
    *out = json_is_true(v);
    return PE_OK;
}

pe_status pe_json_str(const char **out, const json_t *o, const char *key, bool required,
                      const char *where, pe_error *err)
{
    const json_t *v = NULL;
    pe_status st = member(&v, o, key, required, where, err);
    if (st || !v) return st;
    if (!json_is_string(v)) return wrong_type(v, key, where, "a string", err);
    *out = json_string_value(v);
    return PE_OK;
}

json_t *pe_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

char *pe_json_text(const json_t *value, int indent)
{
    size_t layout = indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT;
    size_t flags = layout | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9);
    char *text = json_dumps(value, flags);
    if (!text) return NULL;
    size_t n = strlen(text);
    char *line = realloc(text, n + 2);
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + n, "\n", 2);
    return line;
}
